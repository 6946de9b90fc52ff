#!/bin/sh
# SPDX-License-Identifier: MIT
# Every configuration that is shipped is valid: musterd -t says so of it, with folders and users that this machine
# has in the place of those that it may lack; and so are those in conf.d with all that they show in comments (# and
# no space); and so are the services and handlers of the manual page, with a program and a user that this machine has. Runs in a
# build folder.
set -eu
src=${srcdir:-$(dirname "$0")/../..}
src=$(cd "$src" && pwd)
musterd=${MUSTERD:-./musterd}
[ -x "$musterd" ] || {
	echo "skipped: no $musterd"
	exit 77
}
musterd=$(cd "$(dirname "$musterd")" && pwd)/$(basename "$musterd")

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
status=0

check() { # FILE SED-COMMAND
	sed -e "$2" -e "s|@pkgdatadir@/www|$src/etc/www|; s|/srv/[a-z.]*|$src/etc/www|; s|root www;|root $src/etc/www;|" \
		-e "s|^user  *musterd|user $(id -un)|; s|www-data|$(id -un)|; s|user  *git\$|user $(id -un)|; s|\\(group  *\\)$(id -un)|\\1$(id -gn)|; s|owner root|owner $(id -un)|" \
		-e "s|/var/log/musterd|$folder|; s|/run/musterd/control|$folder/control|; s|/etc/mime.types|$folder/mime.types|" "$1" >"$folder/test.conf"
	"$musterd" -t -c "$folder/test.conf" >"$folder/out" 2>&1 || {
		echo "$1:"
		cat "$folder/out"
		status=1
	}
}

echo 'text/html html' >"$folder/mime.types"
# Programs that this machine may lack.
programs="s|command  *[^ ;}]*|command /bin/cat|; s|folder  */srv/[a-z]*|folder $folder|; s|cgi  */[^ ]*|cgi /bin/cat|"
for conf in "$src"/etc/musterd.conf.in "$src"/etc/quickstart.conf "$src"/etc/conf.d/*.conf; do
	check "$conf" "$programs"
done
for conf in "$src"/etc/conf.d/*.conf; do
	check "$conf" "s/^\([[:space:]]*\)#\([^ ]\)/\1\2/; $programs"
done
awk -v folder="$folder" '
	/^\.Bd -literal/ { text = ""; inside = 1; next }
	/^\.Ed/ && inside {
		inside = 0
		if (text ~ /^handler /)
			text = "service x {\nlisten 127.0.0.1:8080\n" text "}\n"
		if (text !~ /(^|\n)service [a-z]+ [{]/)
			next
		file = sprintf("%s/manual-%d", folder, ++n)
		printf "%s", text >file
		close(file)
	}
	inside { gsub(/\\e/, "\\"); text = text $0 "\n" }' "$src/man/musterd.conf.5.in"
for conf in "$folder"/manual-*; do
	check "$conf" "$programs; s|group staff|group $(id -gn)|; s|/srv/[a-z./]*|$src/etc/www|
		s|^\([[:space:]]*user  *\)[a-z-]*\$|\1$(id -un)|"
done
printf 'service x { }\n' >"$folder/test.conf"
if "$musterd" -t -c "$folder/test.conf" >/dev/null 2>&1; then
	echo "musterd -t accepts a service without a listener"
	status=1
fi
exit $status
