#!/usr/bin/env bash
# cppcheck and clang-tidy have nothing to say about the product's code.
#   tests/check/lint.sh [JOBS]
cd "$(dirname "$0")/../.." || exit 1
jobs=${1:-2}
cppcheck --quiet -j "$jobs" --std=c11 --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
	--suppress=missingIncludeSystem -D_GNU_SOURCE -DFURROW_VERSION='""' -I . planner providers cmd || exit 1
git ls-files 'planner/*.c' 'providers/*.c' 'cmd/*.c' | xargs -P "$jobs" -n 8 clang-tidy --quiet --warnings-as-errors='*' \
	-checks='-*,clang-analyzer-*,-clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling,bugprone-*,-bugprone-easily-swappable-parameters,-bugprone-reserved-identifier,-bugprone-implicit-widening-of-multiplication-result,-bugprone-narrowing-conversions,-bugprone-branch-clone' \
	-- -std=c17 -D_GNU_SOURCE -DFURROW_VERSION='""' -iquote . 2>/dev/null
