#!/bin/sh
# SPDX-License-Identifier: MIT
# No file of the project names the place where it happens to be built: the folder of this tree, the folders
# above it, the home folder of whoever works on it.
set -eu
cd "${srcdir:-$(dirname "$0")/../..}"

# Standard folders say nothing about a machine.
is_standard() {
	case $1 in
	/ | /bin | /dev | /etc | /home | /lib | /mnt | /opt | /proc | /root | /run | /sbin | /srv | /srv/www | /sys | /tmp | \
		/usr | /usr/local | /usr/local/src | /usr/src | /var | /var/lib | /var/tmp) return 0 ;;
	esac
	return 1
}

forbidden() {
	printf '%s\n' '/home/[a-z]' '/Users/[A-Za-z]' '\(^\|[^a-z0-9/._-]\)/root/[.a-z]'
	place=$(pwd -P)
	while ! [ "$place" = / ]; do
		is_standard "$place" || printf '%s\n' "$place" | sed 's/[].[*^$\\]/\\&/g; s/$/\\($\\|[^a-z0-9_-]\\)/'
		place=$(dirname "$place")
	done
}

patterns=$(mktemp)
trap 'rm -f "$patterns"' EXIT
forbidden >"$patterns"
printf 'in %s/x\n' "$(pwd -P)" | grep -q -f "$patterns" || is_standard "$(pwd -P)" || {
	echo "$0: does not find its own folder"
	exit 1
}
if [ -e .git ] && command -v git >/dev/null; then
	files=$(git ls-files)
else
	files=$(find . -type f -not -path './build*')
fi
found=$(printf '%s\n' "$files" | grep -v 'tests/lint/names\.sh$' | tr '\n' '\0' | xargs -0 grep -nI -f "$patterns" -- || true)
[ -z "$found" ] && exit 0
echo "$found"
exit 1
