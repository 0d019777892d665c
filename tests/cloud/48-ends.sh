#!/usr/bin/env bash
# However a run on instances ends, by the user, by its time, by its own fault: what it launched is gone, and what is done is kept.
. "$(dirname "$0")/lib.sh"
# shellcheck source=faulty.sh
. "$ROOT/tests/cloud/faulty.sh"

at_work() { box host "$(box ledger | jq -r '[.instances[] | select(.live)] | .[0].id')" test -e "/tmp/$1"; }
gone() { # DESC STATUS LAUNCHED
	await_apply
	is_status "$2" "$1: exit $2"
	newly "$1" "$3"
}

# The first interrupt lets tasks end, and begins no more.
work once inputs='{count: 3}' per_instance=1 entrypoint='touch /tmp/once; sleep 6; echo done >"$FURROW_OUT/said"'
since
begin_apply
ok 'a task runs' comes_true 40 at_work once
kill -INT "$pid"
gone 'interrupted once' 130 1
is 'the task that ran is done' "$(ls results/*/said | wc -l)" 1

# The second stops them.
work twice entrypoint='touch /tmp/twice; sleep 600'
since
begin_apply
ok 'tasks run' comes_true 40 at_work twice
kill -TERM "$pid"
sleep 0.5
kill -TERM "$pid"
gone 'ended twice' 143 1

# Without a word: the tasks go on, and the next apply takes the instance over, ends them, and does what is missing.
work killed inputs='{count: 3}' per_instance=1 \
	entrypoint='touch /tmp/killed; [ -e /tmp/go ] || sleep 600; echo done >"$FURROW_OUT/said"'
since
begin_apply
ok 'a task runs' comes_true 40 at_work killed
kill -9 "$pid"
await_apply
run furrow runs --json
ok 'what it cost until then is told' jq -e '.runs[0] | .result == "interrupted" and .usd > 0' "$OUT"
id=$(box ledger | jq -r '.instances[-1].id')
box host "$id" touch /tmp/go
apply
ends 'killed in mid-task, then an apply' 0 1
ok 'the instance was the same one' grep -q "$id is warm" "$ERR"

# Setup is waited for by the first, and cut by the second.
work setup more='environment: {setup: "touch /tmp/setup; sleep 600"}' idle=10m
since
begin_apply
ok 'setup runs' comes_true 40 at_work setup
kill -INT "$pid"
sleep 0.5
kill -INT "$pid"
gone 'interrupted twice in setup' 130 1

work booting idle=10m
box set boot_delay_s 5 >/dev/null
since
begin_apply
ok 'an instance is launched' comes_true 20 has_launched
kill -INT "$pid"
gone 'interrupted while it boots' 130 1
box set boot_delay_s 0.3 >/dev/null

work late entrypoint='sleep 600' more='max_duration: 8s'
since
apply
is_status 1 'a run that takes longer than it may'
err_like 'max_duration is over' 'it says so'
newly 'a run that takes longer than it may' 1

work bad-setup idle=10m more='environment: {setup: "printf \"\\033[2Jno such package\\n\"; exit 3"}'
since
apply
ends 'a setup that fails' 3 1 'setup ended with status 3.*|no such package'

work failing idle=0 entrypoint='echo "$FURROW_INPUT" >"$FURROW_OUT/said"; exit $FURROW_INPUT'
since
apply
is_status 1 'a task that fails'
newly 'a task that fails' 1

# Ten gigabytes of output: what is kept of it is said, and nothing holds it all.
work much inputs='{count: 1}' entrypoint='head -c 10G /dev/zero; echo end >"$FURROW_OUT/said"'
since
apply
ends 'ten gigabytes of output' 0 1
is 'what is kept of it' "$(stat -c %s results/*/stdout)" $((64 << 20))
done_testing
