#!/usr/bin/env bash
# The floors of the house: includes run cmd -> providers -> planner and, inside planner, execute -> plan -> base; the runner
# takes the protocol alone; and the planner proper refers to no symbol that could reach the world.
cd "$(dirname "$0")/../.." || exit 1
shopt -s lastpipe # so that `report` counts in this shell
B=${B:-build} n=0 failed=0

report() { # DESC, findings on stdin
	local found
	found=$(cat)
	n=$((n + 1))
	if [ -z "$found" ]; then
		echo "ok $n - $1"
	else
		failed=1
		echo "not ok $n - $1"
		printf '%s\n' "$found" | sed 's/^/# /'
	fi
}

includes() { # FOLDER-GLOB..., then -- and a regular expression of what may be included
	local files=()
	while [ "$1" != -- ]; do files+=("$1"); shift; done
	grep -nE '^#include "' "${files[@]}" 2>/dev/null | grep -vE "#include \"($2)"
}

includes planner/base/*.[ch] -- 'planner/base/' | report "base includes base alone"
includes planner/*.[ch] -- 'planner/(base/)?[a-z_]+\.h"' | report "the planner includes neither execute, providers nor cmd"
includes planner/execute/*.[ch] -- 'planner/' | report "execute includes the planner alone"
includes providers/*/*.[ch] -- '(planner|providers)/' | report "providers include no commands"
includes cmd/runner/*.[ch] -- '(cmd/runner/|planner/base/(protocol|str)\.h)' | report "the runner includes the protocol alone"

# Pure: what libc's string, memory, number and sorting functions, libyaml, jansson and base give, and nothing else.
allowed='^(_GLOBAL_OFFSET_TABLE_|__stack_chk_fail|__(v?sn?printf|mem[a-z]+|str[a-z]+|isoc99_[a-z]+)(_chk|_l)?|__assert_fail|'
allowed+='mem[a-z]+|str[a-z0-9]+|v?snprintf|qsort(_r)?|bsearch|malloc|calloc|realloc|free|abort|'
allowed+='is[a-z]+|to(lower|upper)|__ctype_[a-z_]+|ldexp|frexp|log2?|sqrt|pow|exp|floor|ceil|l?l?round|fabs|isnan|'
allowed+='yaml_[a-z_]+|json_[a-z_]+|jsonp_[a-z_]+|'
allowed+='(arena|buf|digest|hasher|error|str|json|ulid|mem)_[a-z0-9_]+|'
allowed+='__(div|mod|udiv|umod|mul)[a-z]*[0-9]|__(asan|ubsan|tsan|sanitizer)_[A-Za-z0-9_]+|__errno_location|__sanitizer.*)$'
objects=$(for f in planner/*.c; do echo "$B/${f%.c}.o"; done)
own=$(nm -g --defined-only $objects 2>/dev/null | awk 'NF == 3 { print $3 }' | sort -u)
nm -A -u $objects 2>&1 | awk '{ sub(/^.*\//, "", $1); print $1, $NF }' | sort -u | while read -r object symbol; do
	[[ $symbol =~ $allowed ]] && continue
	grep -qxF -- "$symbol" <<<"$own" && continue
	echo "$object refers to $symbol"
done | report "the planner refers to nothing that reaches the world"

echo "1..$n"
exit $failed
