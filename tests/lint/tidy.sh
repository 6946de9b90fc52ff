#!/bin/sh
# SPDX-License-Identifier: MIT
# clang-tidy finds nothing in src/ with the checks of .clang-tidy.
set -eu
cd "${srcdir:-$(dirname "$0")/../..}"
command -v clang-tidy >/dev/null || {
	echo "skipped: no clang-tidy (Debian: apt-get install clang-tidy)"
	exit 77
}
# Only autoconf.h of a build is missing here; what it would switch on is checked by the compiler.
find src -name '*.c' | sort | xargs -P "$(nproc)" -n 4 sh -c '
	exec clang-tidy --quiet --warnings-as-errors="*" "$@" -- -std=gnu11 -D_GNU_SOURCE -Isrc -Iinclude \
		"-DSYSCONFDIR=\"/etc\"" "-DLOCALSTATEDIR=\"/var\"" 2>&1' tidy |
	{ grep -vE '^[0-9]+ warnings? generated\.$' || true; } >"${TMPDIR:-/tmp}/tidy.$$"
found=$(grep -c -E '(warning|error):' "${TMPDIR:-/tmp}/tidy.$$" || true)
cat "${TMPDIR:-/tmp}/tidy.$$"
rm -f "${TMPDIR:-/tmp}/tidy.$$"
[ "$found" = 0 ]
