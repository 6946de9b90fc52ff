#!/bin/sh
# SPDX-License-Identifier: MIT
# Replays the corpus of the fuzz target that this script is named after.
name=$(basename "$0" .sh)
exec "tests/fuzz/$name" "${srcdir:-.}/tests/fuzz/corpus/${name#fuzz_}"/*
