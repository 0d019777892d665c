#!/usr/bin/env bash
# Two applies of one job at once: one runs, the other says who does.
. "$(dirname "$0")/lib.sh"

mkdir job && cd job || exit 1
cat >furrow.yaml <<E
furrow: 1
name: locked
workdir: {path: .}
entrypoint: echo \$\$ >$T/begun; while [ ! -e $T/go ]; do sleep 0.05; done
E
furrow apply -y >"$T/first" 2>&1 & pid=$!
for _ in $(seq 100); do [ -s "$T/begun" ] && break; sleep 0.1; done
run furrow apply -y; is_status 75 'a second apply'; err_like "\b$pid\b" 'names the pid'
err_like '[0-9A-Z]{26}' 'and the run'
run furrow destroy -y; is_status 75 'destroy waits for nobody'
run furrow gc; is_status 75 'nor does gc'
run furrow plan; is_status 0 'a plan needs no lock'
run furrow apply -n; is_status 0 'nor does a dry run'
run furrow status --json; is 'status names the pid' "$(jq .pid "$OUT")" "$pid"
kill -9 $pid; { wait $pid; } 2>/dev/null
: >"$T/go"
run furrow apply -y; is_status 0 'the lock of a dead one is free'

# Many at once: each either does it or is told that another does; the task runs once.
rm -rf .furrow results "$T/begun"
sed -i "s|^entrypoint.*|entrypoint: echo x >>$T/marks; sleep 0.3|" furrow.yaml
for i in 1 2 3 4 5 6; do { furrow apply -y >/dev/null 2>&1; echo $? >"$T/status.$i"; } & done
wait
is 'six at once: the task runs once' "$(wc -l <"$T/marks")" 1
is 'six at once: all end with 0 or 75' "$(cat "$T"/status.* | grep -cvx -e 0 -e 75)" 0
ok 'six at once: one of them did it' grep -qx 0 "$T"/status.*

# Two clones with one store: the job has a lock there, from the first run on.
mkdir -p "$T/clone" && rm -f "$T/go" "$T/begun" && rm -rf .furrow results
sed -i "s|^entrypoint.*|entrypoint: 'echo x >>$T/begun; while [ ! -e $T/go ]; do sleep 0.05; done'|" furrow.yaml
echo "store: $T/shared" >>furrow.yaml
cp furrow.yaml "$T/clone"
furrow apply -y >/dev/null 2>&1 & pid=$!
for _ in $(seq 600); do [ -s "$T/begun" ] && break; sleep 0.1; done
run furrow -C "$T/clone" apply -y; is_status 75 'an apply in another clone'
err_like "process $pid .*it holds $T/shared/locks/locked" 'names the process and the lock'
run furrow -C "$T/clone" plan; is_status 0 'a plan there needs no lock'
ok 'nothing was left of it' test -z "$(ls "$T/clone/.furrow/runs" 2>/dev/null)"
: >"$T/go"
wait $pid
run furrow -C "$T/clone" apply -y; is_status 0 'afterwards it may'; err_like '1 in place before' 'and finds the result'
is 'the task ran once' "$(wc -l <"$T/begun")" 1
done_testing
