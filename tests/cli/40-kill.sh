#!/usr/bin/env bash
# kill -9 of furrow, of its runner and of a task, at random moments: the next apply runs what is missing and nothing else.
. "$(dirname "$0")/lib.sh"
KILLS=${KILLS:-200}

mkdir job marks && cd job || exit 1
cat >furrow.yaml <<E
furrow: 1
name: killed-$$
workdir: {path: .}
entrypoint: echo x >>$T/marks/\$FURROW_TASK_INDEX; mkdir out; echo \$FURROW_INPUT >out/n
outputs: out
map: {inputs: {count: 200}}
E

# The tasks that have a result.
stored() { furrow plan --json 2>/dev/null | jq -r '.in_place[] | select(.kind == "task") | .id | ltrimstr("task[") | rtrimstr("]")' | sort; }
# How often each of the tasks on stdin was run.
runs() { while read -r task; do echo "$task $(wc -l <"$T/marks/$task")"; done; }
# Those that are still there after two seconds: the runner takes a moment to see that furrow is gone.
survivors() {
	local left=1
	for _ in $(seq 40); do
		left=$(living)
		[ "$left" = 0 ] && break
		sleep 0.05
	done
	echo "$left"
}
living() { grep -lz "^FURROW_JOB=killed-$$\$" /proc/[0-9]*/environ 2>/dev/null | wc -l; }

lost=0 doubled=0 failed=0 partial=0 left=0
kill_once() { # WHO
	local pid victim
	rm -rf .furrow results "$T"/marks/*
	furrow apply -y >/dev/null 2>&1 &
	pid=$!
	sleep "0.$(printf %03d $((RANDOM % 400)))"
	case $1 in
	furrow) victim=$pid ;;
	runner) victim=$(pgrep -P $pid -f furrow-runner | head -1) ;;
	task) victim=$(pgrep -P "$(pgrep -P $pid -f furrow-runner | head -1)" 2>/dev/null | head -1) ;;
	esac
	[ -n "$victim" ] && kill -9 "$victim" 2>/dev/null
	{ wait $pid; } 2>/dev/null
	[ "$(survivors)" = 0 ] || left=$((left + 1))
	stored >"$T/before"
	runs <"$T/before" >"$T/runs-before"
	[ -s "$T/before" ] && [ "$(wc -l <"$T/before")" -lt 200 ] && partial=$((partial + 1))
	run furrow apply -y
	[ "$status" = 0 ] || { failed=$((failed + 1)); tail -5 "$ERR" | sed 's/^/# /'; }
	stored >"$T/after"
	[ "$(wc -l <"$T/after")" = 200 ] && [ -z "$(comm -23 "$T/before" "$T/after")" ] || lost=$((lost + 1))
	[ "$(cat results/*/n 2>/dev/null | sort -n | uniq | wc -l)" = 200 ] || lost=$((lost + 1))
	runs <"$T/before" | cmp -s - "$T/runs-before" || doubled=$((doubled + 1))
	[ "$(survivors)" = 0 ] || left=$((left + 1))
}

for who in furrow runner task; do
	lost=0 doubled=0 failed=0 left=0
	times=$KILLS
	[ $who = furrow ] || times=$((KILLS / 10 + 1))
	for _ in $(seq "$times"); do kill_once $who; done
	is "kill -9 of the $who, $times times: the next apply completes" $failed 0
	is "kill -9 of the $who, $times times: no result is lost" $lost 0
	is "kill -9 of the $who, $times times: what has a result is not run again" $doubled 0
	is "kill -9 of the $who, $times times: no process is left" $left 0
done
ok 'some of the kills came in the middle' [ $partial -gt 0 ]
done_testing
