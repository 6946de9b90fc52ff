#!/bin/sh
# SPDX-License-Identifier: MIT
# The project's scripts are clean under shellcheck.
set -eu
cd "${srcdir:-$(dirname "$0")/../..}"
command -v shellcheck >/dev/null || {
	echo "skipped: no shellcheck (Debian: apt-get install shellcheck)"
	exit 77
}
# 1090, 1091: files of the installed system. 2034: variables that openrc-run reads.
shellcheck tests/systemd/run tests/systemd/boot
shellcheck quickstart .ci/run tests/summary tests/packages tests/lint/*.sh completion/musterd debian/*.postinst debian/*.postrm \
	debian/tests/serves debian/tests/module
shellcheck -e SC1090,SC1091 init/musterd.sysv.in
shellcheck -s sh -e SC2034 init/musterd.openrc.in
# Those that run where /bin/sh is busybox.
command -v busybox >/dev/null || exit 0
busybox sh -n init/musterd.sysv.in
busybox sh -n init/musterd.openrc.in
