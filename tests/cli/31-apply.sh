#!/usr/bin/env bash
# furrow apply: shows, asks, does, tells.
. "$(dirname "$0")/lib.sh"

job() { # DIR; the manifest on stdin
	mkdir -p "$T/$1" && cd "$T/$1" && cat >furrow.yaml || exit 1
}
runs() { find .furrow/runs -mindepth 1 -maxdepth 1 2>/dev/null | wc -l; }

job demo <<'E'
furrow: 1
name: demo
workdir: {path: .}
entrypoint: echo "hello $FURROW_INPUT"; echo "said $FURROW_INPUT" >&2; mkdir out; echo "$FURROW_INPUT" >out/v
outputs: out
map: {inputs: [a, b, c]}
E

run furrow apply -n
is_status 0 '-n'
out_like '^> task\[2\] c$' '-n prints what would be started'
is '-n begins no run' "$(runs)" 0
ok '-n leaves no state' [ ! -e .furrow/lock ]
run furrow apply
is_status 64 'without a terminal and without -y it refuses'; err_like '-y' 'and says what to do'
is 'no run was begun' "$(runs)" 0

run furrow apply -y
is_status 0 'apply -y'
err_like '3 to run' 'the plan is shown'
err_like '^done +task\[0\] a' 'a few tasks: each has a line'
err_like '^3 tasks done, in ' 'the summary counts'
err_like '^where the time went' 'and says where the time went'
err_like '^  together .* 100 %' 'and adds it up'
err_like '^  queue .* +-$' 'waiting for slots is not added up over tasks'
err_like '^critical path' 'and names the critical path'
err_like '^results +results/$' 'and where the results are'
[ ! -s "$OUT" ]; report $? 'words are not data'
is 'results are there' "$(cat results/*/v | tr '\n' ' ')" 'a b c '
is 'with what was said' "$(cat results/b/stdout)$(cat results/b/stderr)" 'hello bsaid b'
is 'one run' "$(runs)" 1
run furrow apply
is_status 0 'nothing to do asks nothing'; err_like 'Nothing to do' 'and says so'
is 'and begins no run' "$(runs)" 1
run furrow apply --json; ok 'nothing to do as JSON' jq -e '.exit == 0 and .run == null and .tasks.in_place == 3' "$OUT"
run furrow plan --detailed-exitcode; is_status 0 'nothing to do'
run furrow status; out_like 'results +3 of 3' 'status: results'; out_like 'collected +3 of 3' 'status: collected'
rm -rf results
run furrow apply -y; is_status 0; is 'results are collected again' "$(cat results/*/v | wc -l)" 3

# Progress.
fresh() { rm -rf .furrow results; }
fresh; run furrow apply -y --progress quiet; is_status 0; [ ! -s "$ERR" ]; report $? '--progress quiet'
fresh; run furrow apply -y --progress json --json; is_status 0
cp "$ERR" "$T/events"
ok '--progress json: lines of JSON and nothing else' jq -es 'length > 3 and all(has("ev"))' "$T/events"
ok '--progress json: the plan comes first' jq -es '.[0] | .ev == "plan" and .run == 3 and .in_place == 0' "$T/events"
ok '--progress json: the summary last' jq -es '.[-1] | .ev == "summary" and .summary.tasks.done == 3' "$T/events"
is '--progress json: tasks end' "$(jq -r 'select(.ev == "end" and .state == "ok") | .node' "$T/events" | grep -c task)" 3
ok '--json: one document' jq -es 'length == 1 and .[0].furrow_run == 1 and .[0].exit == 0 and .[0].tasks.done == 3' "$OUT"
ok '--json: critical phases sum to the wall' jq -e \
	'([.phases[].critical_s] | add) as $s | ($s - .wall_s) | fabs < 1e-6' "$OUT"
fresh; FURROW_PROGRESS=tty run furrow apply -y; is_status 0; err_like $'\033\\[\\?2026h' 'FURROW_PROGRESS=tty'
ok 'the cursor is shown at the end' sh -c "grep -o '\[?25[hl]' '$ERR' | tail -1 | grep -q h"
fresh; run env TERM=xterm script -qec 'furrow apply -y' /dev/null; is_status 0; out_like $'\033\\[\\?2026h' 'a live view on a terminal'
fresh; run env TERM=xterm CI=1 script -qec 'furrow apply -y' /dev/null; out_unlike $'\033\\[\\?2026h' 'none in CI'

run furrow apply --progress json; is_status 0
ok '--progress json: nothing to do' jq -es 'length == 1 and .[0].ev == "plan" and .[0].run == 0' "$ERR"
run furrow apply -n --json; ok '-n --json with nothing to do: the plan' jq -es 'length == 1 and .[0].summary.tasks_in_place == 3' "$OUT"
fresh; run furrow apply -n --json; is_status 0; ok '-n --json: the plan, one document' jq -es 'length == 1 and .[0].furrow_plan == 1 and .[0].summary.run == 3' "$OUT"
run furrow apply --progress json; is_status 64
ok '--progress json: what went wrong' jq -es '.[-1] | .ev == "error" and .exit == 64 and (.text | test("-y"))' "$ERR"
echo 'nonsense: 1' >>furrow.yaml; run furrow apply -y --progress json; is_status 64; sed -i '$d' furrow.yaml
ok '--progress json: what is wrong with the manifest' jq -es 'any(.ev == "words" and (.text | test("nonsense")))' "$ERR"

# Asking.
asked() { # ANSWER
	fresh
	{ sleep 1; printf '%s\n' "$1"; sleep 1; } | script -qec 'furrow apply' /dev/null >"$OUT" 2>"$ERR"
	status=$? last="furrow apply, $1"
}
asked y; is_status 0 'asked, yes'; out_like 'Apply\? \[y/N\]' 'it asks'; ok 'and does it' [ -e results/a/v ]
asked n; is_status 64 'asked, no'; out_like 'nothing was done' 'and says so'; ok 'and does nothing' [ ! -e results ]
asked ''; is_status 64 'asked, neither'

# Failures.
job failing <<'E'
furrow: 1
name: failing
workdir: {path: .}
entrypoint: |
  if [ "$FURROW_INPUT" = bad ]; then for i in 1 2 3 4 5 6 7; do echo "line $i" >&2; done; exit 7; fi
  echo fine
map: {inputs: [good, bad]}
E
run furrow apply -y
is_status 1 'a task failed'
err_like 'failed task\[1\] bad: exit status 7' 'it is named'
err_like '\| line 7' 'with its last words'; err_unlike '\| line 2$' 'and no more of them'
err_like '^1 task done, 1 failed' 'and counted'
ok 'the other result is there' grep -qx fine results/good/stdout
run furrow apply -y --json
is_status 1; ok '--json names the failure' jq -e '.failures == [.failures[0]] and .failures[0].label == "bad"
	and (.failures[0].stderr | endswith("line 7")) and .tasks.in_place == 1' "$OUT"
run furrow why bad; is_status 0; out_like 'failed in +run .*exit status 7' 'why tells the failure'

# What the caller has open is not the tasks' business.
job descriptors <<'E'
furrow: 1
name: descriptors
workdir: {path: .}
entrypoint: [ls, /proc/self/fd]
E
exec 7>"$T/held" 12>"$T/held"; run furrow apply -y; exec 7>&- 12>&-; is_status 0
is 'a task has its three streams (and what ls opens), nothing of the caller' "$(xargs <results/descriptors/stdout)" '0 1 2 3'

job setup <<'E'
furrow: 1
name: setup
workdir: {path: .}
environment: {setup: 'echo first words; echo last words; exit 3'}
entrypoint: "true"
E
run furrow apply -y
err_like '^failed environment\[0\]: environment.setup ended with status 3' 'a setup that failed is named'
is 'its words are lines of their own, live and in the summary' "$(grep -c '^    | .*last words' "$ERR")" 2
err_unlike '\?' 'without question marks'
run furrow report; out_unlike '\?' 'nor in the report'
out_like 'failed  .*environment.setup ended with status 3$' 'where its words are not announced'
out_like ' cancelled$' 'and no line ends in blanks'

# What furrow.yaml(5) says of setup, folders and environment.
job kept <<'E'
furrow: 1
name: kept
workdir: {path: .}
environment:
  setup: mkdir bin; ls >seen; pwd >where; printf '#!/bin/sh\necho from the tool\n' >bin/tool; chmod +x bin/tool
  setup_files: [needed]
entrypoint: |
  tool; cat "$FURROW_ENV/seen"; [ "$FURROW_ENV" = "$(cat "$FURROW_ENV/where")" ] && echo same folder
  echo "$PATH" | sed "s,$FURROW_ENV,ENV,"; echo "$LANG ${CALLERS-unset}"; [ "$HOME" = "$TMPDIR" ] && echo one home
  cat; { echo x >>needed; } 2>/dev/null || echo read-only
E
echo 1 >needed; echo 2 >other
CALLERS=1 run furrow apply -y; is_status 0
is 'setup, folders and environment are as the man page says' "$(cat results/kept/stdout)" 'from the tool
bin
needed
seen
same folder
ENV/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
C.UTF-8 unset
one home
read-only'

job fast <<'E'
furrow: 1
name: fast
workdir: {path: .}
entrypoint: "[ $FURROW_INPUT != 0 ]"
map: {inputs: {count: 6}, per_instance: 1, fail_fast: true}
E
sed -i 's/^entrypoint.*/entrypoint: test $FURROW_INPUT != 0/' furrow.yaml
run furrow apply -y; is_status 1 'fail_fast'; err_like '[1-5] did not run' 'fail_fast starts nothing more'; err_like '^map.fail_fast: .*-k goes on' 'and says so'
rm -rf .furrow results
run furrow apply -y -k; is_status 1; err_like '^5 tasks done, 1 failed' '-k goes on'

job slow <<E
furrow: 1
name: slow
workdir: {path: .}
entrypoint: sleep 60.0$$
max_duration: 500ms
E
start=$SECONDS
run furrow apply -y
[ "$status" != 0 ] && [ $((SECONDS - start)) -lt 20 ]; report $? 'max_duration ends a run'
err_like 'max_duration' 'and is named'
ok 'nothing of it is left' sh -c "! pgrep -fx 'sleep 60.0$$'"

job many <<'E'
furrow: 1
name: many
workdir: {path: .}
entrypoint: [test, -n, x]
map: {inputs: {count: 50}}
E
run furrow apply -y -j 8
is_status 0 '50 tasks'; err_unlike '^done +task' 'many tasks have no line each'
err_like '^50 tasks done' 'but are counted'
run furrow plan; out_like 'Nothing to do' 'all of them are in place'
sed -i 's/50/51/' furrow.yaml
run furrow plan; out_like '1 to run, 50 in place' 'one more input is one more task'; out_like 'about' 'there is an estimate now'
done_testing
