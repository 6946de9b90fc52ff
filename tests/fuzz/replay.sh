#!/bin/sh
# SPDX-License-Identifier: MIT
# Replays the corpus of every fuzz target; a folder without a target is an error.
status=0
for folder in "${srcdir:-.}"/tests/fuzz/corpus/*; do
	if [ "${folder##*/}" = http_llhttp ] && ! [ -x tests/fuzz/fuzz_http_llhttp ]; then
		echo "skipped: fuzz_http_llhttp: configure has not found llhttp (Debian: apt-get install node-llhttp)"
		continue
	fi
	"tests/fuzz/fuzz_${folder##*/}" "$folder"/* || status=1
done
exit $status
