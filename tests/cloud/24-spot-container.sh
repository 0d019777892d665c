#!/usr/bin/env bash
# examples/ec2-spot-container: what its README tells is done word for word, in the shell of `make cloud`.
. "$(dirname "$0")/lib.sh"
plain_runner
box down
[ -x /bin/busybox ] || { skip 'the example' 'busybox is not installed'; done_testing; exit; }
mkdir -p "$T/repository/examples" && cp -r "$ROOT/examples/"{container,ec2-spot-container} "$T/repository/examples/" || exit 1
rm -rf "$T/repository/examples/"*/{results,.furrow,busybox.tar}
printf '.furrow\nresults\n' >"$T/repository/.gitignore"
repo "$T/repository"
cd "$T/repository" || exit 1

sed -n '/^```console$/,/^```$/s/^\$ //p' examples/ec2-spot-container/README.md | sed 's/  *# .*//' |
	awk -v t="$T" '{ printf "{ %s; } >%s/said.%d 2>&1; echo $? >>%s/statuses\n", $0, t, NR, t }' >"$T/lines"
is 'it has commands' "$(wc -l <"$T/lines")" 12
unset BOX_DIR
run timeout 400 sh -c 'box shell <"$1"' sh "$T/lines"
is_status 0 'the shell'
is 'every command succeeds' "$(xargs <"$T/statuses")" '0 0 0 0 0 0 0 0 0 0 0 0'
said() { cp "$T/said.$1" "$OUT"; }
said 3; out_like 'us-east-2[abc]' 'offers'
said 4; out_like 'launch [a-z0-9.-]+ \(spot\) in us-east-2[abc]: 2 cpus, .*/h, the (cheapest|least interrupted of the cheapest) of [0-9]+ offers' 'plan'
out_like '\+ image ' 'the image'
said 5; out_like '^20 tasks done' 'apply: every task has its result'
out_like 'interrupted' 'what happened is told'
said 9; out_like '^[0-9]+ [0-9]+$' 'the longest sequence'
is 'and that is right' "$(cat "$OUT")" "$(for i in $(seq 0 19); do cat "examples/ec2-spot-container/results/$i/longest"; done | sort -n -k 2 | tail -n 1)"
said 11; out_like 'Nothing to do' 'nothing to do'
done_testing
