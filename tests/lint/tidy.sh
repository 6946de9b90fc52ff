#!/bin/sh
# SPDX-License-Identifier: MIT
# clang-tidy finds nothing in src/ and examples/ with the checks of .clang-tidy. AUTOCONF_H names a build's autoconf.h;
# without one, what it would switch on is not looked at.
set -eu
cd "${srcdir:-$(dirname "$0")/../..}"
command -v clang-tidy >/dev/null || {
	echo "skipped: no clang-tidy (Debian: apt-get install clang-tidy)"
	exit 77
}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat "${AUTOCONF_H:-build/autoconf.h}" >"$folder/autoconf.h" 2>/dev/null || : >"$folder/autoconf.h"
status=0
# shellcheck disable=SC2016 # the inner shell expands it
find src examples -name '*.c' | sort | AUTOCONF=$folder xargs -P "$(nproc)" -n 4 sh -c '
	exec clang-tidy --quiet "$@" -- -std=gnu11 -D_GNU_SOURCE -Isrc -Iinclude -I"$AUTOCONF" \
		"-DSYSCONFDIR=\"/etc\"" "-DLOCALSTATEDIR=\"/var\"" "-DMODULEDIR=\"/usr/lib/musterd/modules\"" 2>&1' tidy >"$folder/found" || status=1
grep -vE '^[0-9]+ warnings? (and [0-9]+ errors? )?generated\.$' "$folder/found" || true
exit $status
