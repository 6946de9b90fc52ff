#!/bin/sh
# SPDX-License-Identifier: MIT
# Replays the corpus of every fuzz target; a folder without a target is an error.
status=0
for folder in "${srcdir:-.}"/tests/fuzz/corpus/*; do
	"tests/fuzz/fuzz_${folder##*/}" "$folder"/* || status=1
done
exit $status
