#!/bin/sh
# SPDX-License-Identifier: MIT
# Which folder of src/ may include which: base < net < config < runtime < worker; the master, and the client of its
# control socket, use base, net and config; master and worker know each other only by base/contract.h; services see the module interface
# alone. Prints what breaks that and exits 1. First it is shown a tree that does, and must find all of it.
set -eu

check() { # SRC: prints each forbidden include
	(cd "$1" && find . -name '*.[chS]' | sed 's,^\./,,' | sort) | while read -r file; do
		awk -v file="$file" '
		BEGIN {
			may["base"] = " base "
			may["net"] = " net base "
			may["config"] = " config net base musterd "
			may["runtime"] = " runtime config net base musterd "
			may["worker"] = " worker runtime config net base musterd "
			may["master"] = " master config net base musterd "
			may["client"] = " client config net base musterd "
			may["services"] = " services musterd "
			n = split(file, part, "/")
			folder = part[1]
			own = part[2]
			sub(/\.[ch]$/, "", own)
			if (n == 1 || !(folder in may)) {
				if (file != "main.c")
					print file ": belongs to no folder that has a rule"
				exit
			}
		}
		/^[ \t]*#[ \t]*include[ \t]*("|<musterd\/)/ {
			name = $0
			sub(/^[^"<]*["<]/, "", name)
			sub(/[">].*/, "", name)
			if (name == "autoconf.h")
				next
			n = split(name, want, "/")
			bad = n < 2 || index(may[folder], " " want[1] " ") == 0
			if (want[1] == "musterd" && name != "musterd/module.h")
				bad = 1
			# Of folders below services/ each service includes its own only.
			if (folder == "services" && want[1] == "services" && n > 2 && want[2] != own)
				bad = 1
			if (bad)
				print file ":" FNR ": may not include \"" name "\""
		}' "$1/$file"
	done
}

must_find() { # FILE INCLUDE
	mkdir -p "$tree/$(dirname "$1")"
	printf '#include <stdio.h>\n#include "%s"\n' "$2" >"$tree/$1"
	check "$tree" | grep -q "^$1:2: may not include" || {
		echo "$0: does not see that $1 includes $2"
		exit 1
	}
	rm "$tree/$1"
}

tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
must_find base/a.c net/address.h
must_find base/a.c musterd/module.h
must_find net/a.c config/config.h
must_find config/a.h runtime/reactor.h
must_find runtime/a.c worker/worker.h
must_find worker/a.c master/master.h
must_find master/a.c worker/worker.h
must_find master/a.c runtime/reactor.h
must_find client/a.c master/control.h
must_find master/a.c client/client.h
must_find services/a.c base/log.h
must_find services/http/a.c services/echo/echo.h
must_find worker/a.c main.h

found=$(check "${1:-${srcdir:-$(dirname "$0")/../..}/src}")
[ -z "$found" ] && exit 0
echo "$found"
exit 1
