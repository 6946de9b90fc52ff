#!/bin/sh
# SPDX-License-Identifier: MIT
# Prints the names of all functions of the module interface, in the order of its header: what the program exports
# (Makefile.am), and what musterd-module(3) has to describe (tests/lint/man.sh).
set -eu
sed -e 's,/\*.*\*/,,' -e '/\/\*/,/\*\//d' "${1:-$(dirname "$0")/../include/musterd/module.h}" |
	grep -o 'mu_[a-z0-9_]*(' | tr -d '('
