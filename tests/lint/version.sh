#!/bin/sh
# SPDX-License-Identifier: MIT
# The version stands in configure.ac. What is written by hand beside it, the first entry of NEWS and of debian/changelog,
# says the same; and nothing else says one: what is generated has @VERSION@.
set -eu
cd "${srcdir:-$(dirname "$0")/../..}"
status=0
version=$(sed -n 's/^AC_INIT(\[musterd\], \[\([^]]*\)\].*/\1/p' configure.ac)
[ -n "$version" ] || {
	echo "configure.ac has no AC_INIT that is understood here"
	exit 1
}

same() { # FILE WHAT-IT-SAYS
	[ "$2" = "$version" ] || {
		echo "$1 says version '$2', configure.ac $version"
		status=1
	}
}

same NEWS "$(sed -n '1s/^musterd //p' NEWS)"
# Without Debian's own part of it.
same debian/changelog "$(sed -n '1s/^musterd (\([^)]*\)-[^-)]*) .*/\1/p' debian/changelog)"
for file in man/*.in init/* packaging/*.in musterd.pc.in; do
	if [ -f "$file" ] && grep -nwF "$version" "$file"; then
		echo "$file has the version in it: it should have @VERSION@"
		status=1
	fi
done
exit $status
