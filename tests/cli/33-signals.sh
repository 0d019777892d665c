#!/usr/bin/env bash
# Ctrl-C: the first lets running tasks finish, the second stops them; nothing of a run survives it.
. "$(dirname "$0")/lib.sh"

mkdir job && cd job || exit 1
cat >furrow.yaml <<E
furrow: 1
name: signals-$$
workdir: {path: .}
entrypoint: echo \$FURROW_INPUT | tee -a $T/begun; sleep \$(cat $T/seconds); echo \$FURROW_INPUT >>$T/ended
map: {inputs: {count: 8}, per_instance: 2}
E
left() { grep -lzs "^FURROW_JOB=signals-$$\$" /proc/[0-9]*/environ | wc -l; }
wait_for() { # FILE LINES
	for _ in $(seq 100); do [ "$(wc -l <"$1" 2>/dev/null)" -ge "$2" ] 2>/dev/null && return; sleep 0.1; done
}
begin() { # SECONDS-A-TASK: starts an apply and waits until two tasks run
	rm -rf .furrow results "$T/begun" "$T/ended"; : >"$T/begun"; : >"$T/ended"
	echo "$1" >"$T/seconds"
	# A background job of this shell would ignore SIGINT.
	( trap - INT; exec env --default-signal=INT furrow apply -y >"$OUT" 2>"$ERR" ) & pid=$!
	wait_for "$T/begun" 2
}
finish() { { wait $pid; } 2>/dev/null; status=$? last="$1"; }

begin 2; kill -INT $pid; finish 'SIGINT'
is_status 130 'SIGINT: exit 130'
err_like 'finishing 2 running tasks; press Ctrl-C again to stop them' 'SIGINT: says what goes on'
is 'SIGINT: what ran was finished' "$(wc -l <"$T/ended")" 2
is 'SIGINT: nothing more was begun' "$(wc -l <"$T/begun")" 2
err_like '2 tasks done, 6 did not run' 'SIGINT: the summary counts'
err_like 'goes on from here' 'SIGINT: says that nothing is lost'
is 'SIGINT: results are collected' "$(find results -mindepth 1 -maxdepth 1 -type d | wc -l)" 2
is 'SIGINT: nothing is left' "$(left)" 0
run furrow runs --json; is 'SIGINT: the run ended with 130' "$(jq '.runs[0].exit' "$OUT")" 130
run furrow runs; out_like 'interrupted' 'SIGINT: runs says interrupted'
echo 0 >"$T/seconds"
run furrow apply -y; is_status 0; err_like '^6 tasks done, 2 in place before' 'the next apply goes on'

begin 60; start=$SECONDS; kill -INT $pid; sleep 0.5; kill -INT $pid; finish 'two SIGINTs'
is_status 130 'two SIGINTs: exit 130'
[ $((SECONDS - start)) -lt 20 ]; report $? 'two SIGINTs: it ends at once'
err_like 'stopping 2 running tasks' 'two SIGINTs: says so'
is 'two SIGINTs: no task ended' "$(wc -l <"$T/ended")" 0
is 'two SIGINTs: nothing is left' "$(left)" 0
run furrow status; is_status 0; out_like 'running +nothing' 'two SIGINTs: the lock is free'

begin 60; kill -TERM $pid; sleep 0.5; kill -TERM $pid; finish 'two SIGTERMs'
is_status 143 'SIGTERM: exit 143'
is 'SIGTERM: nothing is left' "$(left)" 0

# kill -9: what is left goes away, and the run is told from one that goes on.
begin 60; kill -KILL $pid; finish 'kill -9'
for _ in $(seq 50); do [ "$(left)" = 0 ] && break; sleep 0.1; done
is 'kill -9: nothing is left' "$(left)" 0
run furrow runs; out_like 'interrupted' 'kill -9: runs says interrupted'
run furrow report; is_status 0; out_like 'running|interrupted' 'kill -9: report shows what was'
echo 0 >"$T/seconds"
run furrow apply -y; is_status 0 'kill -9: the next apply completes'
ok 'kill -9: its work folder is swept' [ -z "$(ls .furrow/work)" ]

# The terminal is left as it was.
rm -rf .furrow results; echo 60 >"$T/seconds"; : >"$T/begun"
( trap - INT; exec env --default-signal=INT TERM=xterm FURROW_PROGRESS=tty furrow apply -y >"$OUT" 2>"$ERR" ) & pid=$!
wait_for "$T/begun" 2; sleep 0.3; kill -INT $pid; sleep 0.3; kill -INT $pid; finish 'a live view, interrupted'
is 'the cursor is shown at the end' "$(grep -ao '\[?25[hl]' "$ERR" | tail -1)" '[?25h'
# A step that would take for ever is not waited for.
cd "$T" && mkdir setup && cd setup || exit 1
cat >furrow.yaml <<E
furrow: 1
name: signals-$$
workdir: {path: .}
environment: {setup: "echo x >$T/setting-up; sleep 600.0$$"}
entrypoint: "true"
E
( trap - INT; exec env --default-signal=INT furrow apply -y >"$OUT" 2>"$ERR" ) & pid=$!
wait_for "$T/setting-up" 1; start=$SECONDS
kill -INT $pid; sleep 0.5; kill -INT $pid; finish 'two SIGINTs during a setup'
is_status 130 'two SIGINTs during a setup: exit 130'
[ $((SECONDS - start)) -lt 20 ]; report $? 'two SIGINTs during a setup: it ends at once'
is 'two SIGINTs during a setup: nothing is left' "$(pgrep -fxc "sleep 600.0$$")" 0
ok 'two SIGINTs during a setup: a half-made one is not kept' [ -z "$(ls .furrow/cache/env/*/.furrow-ready 2>/dev/null)" ]

# Supervisors that ignore how children end leave that to those: how ours ended is known all the same.
sed -i 's/setup: .*/setup: "exit 7"}/' furrow.yaml
env --ignore-signal=CHLD furrow apply -y >"$OUT" 2>"$ERR" & pid=$!
for _ in $(seq 300); do kill -0 $pid 2>/dev/null || break; sleep 0.1; done
kill -KILL $pid 2>/dev/null; finish 'apply with SIGCHLD ignored'
is_status 3 'SIGCHLD ignored: a setup that fails has failed'
err_like 'environment.setup ended with status 7' 'SIGCHLD ignored: says how it ended'

done_testing
