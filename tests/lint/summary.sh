#!/bin/sh
# SPDX-License-Identifier: MIT
# tests/summary counts what passed, failed, crashed or was skipped, and says why: it is shown one of each.
set -eu
src=$(cd "${srcdir:-$(dirname "$0")/../..}" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

ran() { # NAME RESULT LINE ...: what `make check` leaves of one test program
	printf ':test-result: %s\n:global-test-result: %s\n' "$2" "$2" >"$1.trs"
	log=$1.log
	shift 2
	printf '%s\n' "$@" >"$log"
}

expect() { # STATUS LINE ...: what tests/summary says of the folder
	wanted=$1 status=0
	shift
	printf '%s\n' "$@" >expected
	"$src/tests/summary" . >found || status=$?
	cmp -s expected found && [ "$status" = "$wanted" ] && result=0 || result=1
	[ "$result" = 0 ] || {
		echo "$0: wanted, with status $wanted:"
		cat expected
		echo "found, with status $status:"
		cat found
	}
	rm -f expected found
	return "$result"
}

expect 1 "0 passed, 0 failed, 0 skipped"
ran check PASS "Running suite(s): check" "skipped: needs root" "100%: Checks: 5, Failures: 0, Errors: 0"
ran lint SKIP "skipped: no tool"
ran script PASS "any words"
ran system PASS "ok one" "ok two # SKIP needs a terminal" "1 passed, 0 failed, 1 skipped"
expect 0 "skipped: ./check: needs root" "skipped: ./lint: no tool" "skipped: ./system: two: needs a terminal" \
	"6 passed, 0 failed, 3 skipped"
rm -f ./*.trs
ran assert FAIL "66%: Checks: 3, Failures: 1, Errors: 0" "test.c:7:F:core:one:0: Assertion 'a == b' failed"
ran crash FAIL "Segmentation fault"
ran late FAIL "100%: Checks: 2, Failures: 0, Errors: 0" "SUMMARY: LeakSanitizer"
ran system FAIL "ok one" "not ok two" "not ok three" "1 passed, 2 failed, 0 skipped"
expect 1 "failed: ./assert: see ./assert.log" "test.c:7:F:core:one:0: Assertion 'a == b' failed" \
	"failed: ./crash: see ./crash.log" "failed: ./late: see ./late.log" \
	"failed: ./system: see ./system.log" "not ok two" "not ok three" "5 passed, 5 failed, 0 skipped"
