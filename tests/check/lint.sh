#!/usr/bin/env bash
# cppcheck and clang-tidy have nothing to say about the product's code (.clang-tidy lists the checks).
#   tests/check/lint.sh [JOBS]
cd "$(dirname "$0")/../.." || exit 1
jobs=${1:-2}
cppcheck --quiet -j "$jobs" --std=c11 --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
	--suppress=missingIncludeSystem -D_GNU_SOURCE -DFURROW_VERSION='""' -I . planner providers cmd || exit 1
# One file a process: with several, version 14 reports va_lists of one file in another.
find planner providers cmd -name '*.c' -print0 | xargs -0 -P "$jobs" -I{} clang-tidy --quiet {} -- \
	-std=c17 -D_GNU_SOURCE -DFURROW_VERSION='""' -iquote . 2>/dev/null
