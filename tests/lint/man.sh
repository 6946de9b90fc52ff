#!/bin/sh
# SPDX-License-Identifier: MIT
# The manual pages are clean under mandoc's lint, but for references to pages of other packages.
set -eu
command -v mandoc >/dev/null || {
	echo "skipped: no mandoc (Debian: apt-get install mandoc)"
	exit 77
}
cd "${srcdir:-$(dirname "$0")/../..}"
mandoc -T lint -W style man/*.in | grep -v -e 'referenced manual not found' -e 'input text line longer than 80 bytes' -e 'Mdocdate found' \
	-e 'lower case character in document title' || exit 0
exit 1
