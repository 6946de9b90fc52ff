#!/bin/sh
# SPDX-License-Identifier: MIT
# cppcheck finds nothing in src/ and examples/. What is switched off, and why:
#   unusedFunction, missingInclude  are about whole programs and system headers
#   normalCheckLevelMaxBranches     says how cppcheck works, not what is wrong
#   constParameterCallback          a callback has the type that its table wants
#   uninitvar, legacyUninitvar      takes the bsd/sys/queue.h macros for accesses; valgrind looks better
#   memleak                         takes `a = b ? b : a` for a leak; the sanitizers and valgrind look better
#   unusedStructMember              members of records that another process reads
set -eu
cd "${srcdir:-$(dirname "$0")/../..}"
command -v cppcheck >/dev/null || {
	echo "skipped: no cppcheck (Debian: apt-get install cppcheck)"
	exit 77
}
exec cppcheck --quiet --std=c11 --language=c --error-exitcode=1 --inline-suppr -j "$(nproc)" \
	--enable=warning,performance,portability \
	--suppress=missingInclude --suppress=missingIncludeSystem --suppress=unusedStructMember \
	--suppress=normalCheckLevelMaxBranches --suppress=constParameterCallback --suppress=uninitvar --suppress=legacyUninitvar --suppress=memleak \
	--library=tests/lint/queue.cfg \
	-D_GNU_SOURCE '-DSYSCONFDIR="/etc"' '-DLOCALSTATEDIR="/var"' -I src -I include src examples
