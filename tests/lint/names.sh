#!/bin/sh
# SPDX-License-Identifier: MIT
# No file of the project names the place where it happens to be built: the folder of this tree, the folders
# above it, the home folder of whoever works on it.
set -eu
cd "${srcdir:-$(dirname "$0")/../..}"

# Standard folders say nothing about a machine, and neither does a folder of the root: its name is a word that a
# path of the project may hold.
is_standard() {
	case $1 in
	/hom[e]/* | /roo[t]/*) return 1 ;;
	/srv/www | /usr/local | /usr/local/src | /usr/src | /var/lib | /var/tmp) return 0 ;;
	/*/*) return 1 ;;
	esac
	return 0
}

# A path begins where no part of a longer one stands before it.
forbidden() {
	begin='\(^\|[^A-Za-z0-9_./)}-]\)' end='\($\|[^A-Za-z0-9_-]\)'
	printf '%s\n' '/hom[e]/[a-z]' '/User[s]/[A-Za-z]' "$begin/roo[t]/[.a-z]"
	place=$(pwd -P)
	while ! [ "$place" = / ]; do
		is_standard "$place" ||
			printf '%s%s%s\n' "$begin" "$(printf '%s\n' "$place" | sed 's/[].[*^$\\]/\\&/g')" "$end"
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
