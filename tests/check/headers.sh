#!/usr/bin/env bash
# Each header compiles alone, so that includes depend on no order.
n=0 bad=0
cd "$(dirname "$0")/../.." || exit 1
while read -r h; do
	n=$((n + 1))
	if out=$(printf '#include "%s"\n' "$h" |
		${CC:-gcc} -std=c17 -D_GNU_SOURCE -Wall -Wextra -Werror -iquote . -x c -fsyntax-only - 2>&1); then
		echo "ok $n - $h compiles alone"
	else
		bad=1
		echo "not ok $n - $h compiles alone"
		printf '%s\n' "$out" | sed 's/^/# /'
	fi
done < <(find planner providers cmd tests/exec -name '*.h' | sort)
echo "1..$n"
exit $bad
