#!/bin/sh
# SPDX-License-Identifier: MIT
# The manual pages are clean under mandoc's lint (but for references to other packages), rendered by groff without a warning,
# and that of the module interface is complete. tests/system/test_manual.py compares the others with the program.
set -eu
command -v mandoc >/dev/null || {
	echo "skipped: no mandoc (Debian: apt-get install mandoc)"
	exit 77
}
cd "${srcdir:-$(dirname "$0")/../..}"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
status=0
for source in man/*.in; do
	page=$folder/$(basename "$source" .in)
	sed -e '/@directives@/{' -e 'r man/directives.mdoc' -e 'd' -e '}' "$source" >"$page"
	mandoc -T lint -W style "$page" 2>/dev/null | sed "s,$folder/,," | grep -v -e 'referenced manual not found' \
		-e 'input text line longer than 80 bytes' -e 'Mdocdate found' && status=1
	# Without groff mandoc alone judges.
	command -v groff >/dev/null || continue
	groff -mandoc -t -ww -Tutf8 "$page" 2>&1 >/dev/null | sed "s,$folder/,," | grep . && status=1
done

# Every function of the module interface has its entry, with its result; so have the members of a module's struct, the
# types of directives and the flags.
manual=man/musterd-module.3.in header=include/musterd/module.h
for name in $(src/exported.sh); do
	grep -qE "^\.It Fn \"[^\"]*[ *]$name\" \"" $manual || {
		echo "musterd-module(3) does not document $name"
		status=1
	}
done
# shellcheck disable=SC2013 # names have no blanks
for name in $(sed -n -e '/^struct mu_module {/,/^};/{' -e 's,/\*.*\*/,,' -e '/^\t \*/d' \
	-e 's/^\t[^;(]*[ *]\([a-z_]*\);.*/\1/p' -e 's/^\t[^(]*(\*\([a-z_]*\))(.*/\1/p' -e '}' $header); do
	grep -qE "^\.It Fa ([a-z_]+ , )*$name( |\$)" $manual || {
		echo "musterd-module(3) does not document the member $name"
		status=1
	}
done
# shellcheck disable=SC2013 # names have no blanks
for name in $(sed -n 's/^\t\(MU_[A-Z_]*\) = .*/\1/p' $header | sort -u); do
	grep -qE "(^\.(It )?Dv|^\.Dv) $name( |\$)" $manual || {
		echo "musterd-module(3) does not document $name"
		status=1
	}
done
exit $status
