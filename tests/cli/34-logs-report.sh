#!/usr/bin/env bash
# Looking at runs: runs, logs, report.
. "$(dirname "$0")/lib.sh"

mkdir job && cd job || exit 1
cat >furrow.yaml <<'E'
furrow: 1
name: looked-at
workdir: {path: .}
entrypoint: |
  echo "out of $FURROW_INPUT, attempt $FURROW_ATTEMPT"; echo "err of $FURROW_INPUT" >&2
  start=$(date +%s.%N); sleep 0.05; end=$(date +%s.%N)
  echo "{\"name\":\"load\",\"start\":$start,\"end\":$end}" >>"$FURROW_TRACE_FILE"
  case $FURROW_INPUT in
  flaky) [ "$FURROW_ATTEMPT" = 2 ] ;;
  big) head -c 100000 /dev/zero | tr '\0' x ;;
  bad) exit 5 ;;
  esac
map: {inputs: [plain, flaky, big, bad]}
retry: {attempts: 2, delay: 10ms, for: [error], exit_codes: [1]}
E
run furrow apply -y; is_status 1 'a run to look at'

err_like "^furrow logs 'task\[3\]' prints what it wrote" 'the summary says where to look'
run furrow logs plain; is_status 0; is 'logs: no more words' "$(cat "$ERR")" ''; is 'logs: both streams' "$(cat "$OUT")" $'out of plain, attempt 1\nerr of plain'
run furrow logs 'task[0]' --stdout; is 'logs: by number, stdout' "$(cat "$OUT")" 'out of plain, attempt 1'
run furrow logs latest 0 --stderr; is 'logs: of a run, stderr' "$(cat "$OUT")" 'err of plain'
run furrow logs flaky --stdout; is 'logs: the last attempt' "$(cat "$OUT")" 'out of flaky, attempt 2'
run furrow logs flaky --stdout --attempt 1; is 'logs: an earlier attempt' "$(cat "$OUT")" 'out of flaky, attempt 1'
run furrow logs big --stdout; is 'logs: a stream that is not inline' "$(wc -c <"$OUT")" 100022
run furrow logs bad; is_status 0; out_like 'err of bad' 'logs: of what failed'; err_like '^furrow: task\[3\] bad: exit status 5$' 'logs: and why it did'
run furrow logs plain --attempt 2; is_status 64; err_like 'task\[0\] plain has no attempt 2: there is 1' 'logs: no such attempt'
run furrow logs flaky --attempt 3 -f; is_status 64; err_like 'no attempt 3: there are 2' 'logs: nor one to wait for'
run furrow logs flaky --attempt 4294967297; is_status 64; err_like 'a number from 1 to 4294967295' 'logs: a number that nobody counts to'
run furrow logs --attempt 2; is_status 0; out_like '==> task\[0\] plain \(has no such attempt\)' 'logs: the others are said to have none'
out_like 'out of flaky, attempt 2' 'logs: of those that have it'
run furrow logs; is_status 0; is 'logs: of all' "$(grep -c '^==> task' "$OUT")" 4
run furrow logs --json; ok 'logs --json' jq -e '(.tasks | length) == 4 and .tasks[3].stderr == "err of bad\n"' "$OUT"
run furrow logs nobody; is_status 64; err_like 'nobody' 'logs: no such task'
run furrow logs 9; is_status 64 'logs: no such number'
run furrow logs ^1 0; is_status 64 'logs: no such run'
run furrow logs -f; is_status 64 'logs -f wants a task'
furrow logs big | head -c 10 >/dev/null; s=("${PIPESTATUS[@]}"); [ "${s[0]}" = 141 ] || [ "${s[0]}" = 0 ]
report $? 'logs: a reader that goes away'

run furrow report; is_status 0
out_like '^run [0-9A-Z]{26}  looked-at  failed' 'report: the run'
out_like 'task\[0\] plain' 'report: tasks'
out_like '^    attempt 2 ' 'report: attempts'
out_like '^ +load +[0-9.]+ m?s$' 'report: what tasks say of their time'
out_like 'exit status 5' 'report: errors'
out_like '^where the time went' 'report: phases'
run furrow report --json
ok 'report --json' jq -e '.furrow_report == 1 and .exit == 1 and .result == "failed"' "$OUT"
ok 'report --json: spans' jq -e '[.nodes[].attempts[].spans[]?.name] | length == 5 and all(. == "load")' "$OUT"
ok 'report --json: a span lies within its attempt' jq -e \
	'[.nodes[].attempts[] | select(.spans) | .begin_s - 0.01 <= .spans[0].start_s and .spans[0].end_s <= .end_s + 0.01] | length == 5 and all' "$OUT"
ok 'report --json: attempts' jq -e '[.nodes[] | select(.label == "flaky").attempts[].state] == ["failed", "ok"]' "$OUT"

run furrow apply -y; is_status 1 'another run'
run furrow runs; is_status 0; is 'runs: newest first' "$(awk 'NR > 1 { print $1 }' "$OUT" | sort -r -c && echo sorted)" sorted
run furrow runs --json; is 'runs --json' "$(jq '.runs | length' "$OUT")" 2
first=$(jq -r '.runs[1].run' "$OUT") second=$(jq -r '.runs[0].run' "$OUT")
run furrow runs -l 1; is 'runs -l 1' "$(tail -n +2 "$OUT" | cut -d' ' -f1)" "$second"; err_like '1 older' 'and how many more'
run furrow report ^1 --json; is 'report ^1' "$(jq -r .run "$OUT")" "$first"
run furrow report "${first:0:25}" --json; is 'report by prefix' "$(jq -r .run "$OUT")" "$first"
run furrow report "$(echo "$first" | tr 'A-Z' 'a-z')" --json; is_status 0 'in small letters, too'
run furrow report 0; is_status 64; err_like 'more than one' 'a prefix of several'
run furrow report ^7; is_status 64 'a run that is not there'
run furrow report ^x; is_status 64 'no number'
run furrow logs ^1 plain; out_like 'out of plain' 'logs of the run before'
run furrow logs plain; is_status 0 'logs of a task that was in place'
is 'are those of its result' "$(cat "$OUT")" $'out of plain, attempt 1\nerr of plain'
err_like "did not run in $second: its result is of run $first" 'which is of an earlier run'
run furrow logs latest 'task[1]' --stdout; is 'by number, one stream' "$(cat "$OUT")" 'out of flaky, attempt 2'
run furrow logs plain --json; ok 'as JSON' jq -e --arg run "$first" '.run == $run and .tasks[0].stderr == "err of plain\n"' "$OUT"
run furrow logs -f plain; is_status 0; out_like 'out of plain' '-f has nothing to wait for'
run furrow logs flaky --attempt 1; is_status 64 'an attempt that is not its result'
mv .furrow/store away
run furrow logs ^1 plain; is_status 3 'a stream that cannot be read is no empty one'
err_like 'task\[0\] plain: its stdout could not be read' 'and is named'; err_like '^furrow: 2 streams' 'and counted'
run furrow logs ^1 --json; is_status 3; ok 'as JSON it is null' jq -e '.tasks | map([.label, .stdout == null, .stderr == null]) ==
	[["plain", true, true], ["flaky", true, true], ["big", true, true], ["bad", false, false]]' "$OUT"
mv away .furrow/store
run furrow logs "$second" nobody; is_status 64; err_like 'no task that ran' 'what is no task is none'
rm furrow.yaml
run furrow runs; is_status 0 'runs outlive their manifest'
run furrow logs ^1 plain; out_like 'out of plain' 'and their logs'

# While it runs.
cat >furrow.yaml <<E
furrow: 1
name: live
workdir: {path: .}
entrypoint: echo one; while [ ! -e $T/go ]; do sleep 0.05; done; echo two
E
furrow apply -y >/dev/null 2>&1 & pid=$!
for _ in $(seq 100); do furrow logs latest 0 2>/dev/null | grep -q one && break; sleep 0.1; done
run furrow logs 0; is 'logs of a task that runs' "$(cat "$OUT")" one
run furrow runs; out_like 'running +[0-9]' 'runs: one is running'
run furrow report; is_status 0; out_like 'running' 'report of a run that goes on'
run furrow status; out_like 'running +run [0-9A-Z]{26}, pid [0-9]+' 'status: it runs'
furrow logs -f 0 >"$T/followed" 2>&1 & follower=$!
sleep 0.5; : >"$T/go"; wait $pid; wait $follower
is 'logs -f prints to the end' "$(cat "$T/followed")" $'one\ntwo'
run furrow logs -f 0; is 'logs -f of what ended' "$(cat "$OUT")" $'one\ntwo'
# What is more than is kept.
rm -rf "$T/job2" && mkdir "$T/job2" && cd "$T/job2" || exit 1
cat >furrow.yaml <<'E'
furrow: 1
name: talkative
workdir: {path: .}
entrypoint: seq 9000000
E
run furrow apply -y; is_status 0; err_like 'kept +task\[0\] talkative: the first 64.0 MiB of its 67.[0-9] MiB of stdout' 'the summary tells what was dropped'
furrow logs 0 >"$T/all" 2>"$ERR"; is 'logs print what was kept' "$(wc -c <"$T/all")" $((64 << 20))
err_like 'task\[0\] talkative: only the first 64.0 MiB of its .* was kept' 'and say that there was more'
rm "$T/all"; run furrow report; out_like 'kept the first 64.0 MiB' 'report tells'
run furrow report --json
ok 'report --json has the sizes' jq -e '.nodes[] | select(.kind == "task").attempts[0] | .stdout_kept == 67108864 and .stdout_bytes > .stdout_kept and .stderr_bytes == 0' "$OUT"
furrow logs --json 0 2>/dev/null | jq -e '.tasks[0] | .stdout_bytes > .stdout_kept and (.stdout | length) == .stdout_kept' >/dev/null
report $? 'logs --json as well'
done_testing
