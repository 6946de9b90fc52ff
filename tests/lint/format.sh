#!/bin/sh
# SPDX-License-Identifier: MIT
# The code is as clang-format makes it with the project's .clang-format.
set -eu
cd "${srcdir:-$(dirname "$0")/../..}"
command -v clang-format >/dev/null || {
	echo "skipped: no clang-format (Debian: apt-get install clang-format)"
	exit 77
}
find src include tests bench examples -name '*.[ch]' 2>/dev/null | sort | xargs clang-format --dry-run --Werror
