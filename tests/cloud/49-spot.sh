#!/usr/bin/env bash
# Spot instances that EC2 wants back: told on the host before, they get no task any more, what runs there may end, what does
# not end in time runs elsewhere, and nothing is left. Half of a fleet that goes in mid-map takes no result with it.
. "$(dirname "$0")/lib.sh"
# shellcheck source=faulty.sh
. "$ROOT/tests/cloud/faulty.sh"

# A task says on its host that it runs, and does so until its host may go on, or for SECONDS.
slow() { echo ": $1; mkdir -p /tmp/marks; >/tmp/marks/\$FURROW_INPUT; i=0; while [ ! -e /tmp/go ] && [ \$i -lt $2 ]; do sleep 0.2; i=\$((i+1)); done; rm /tmp/marks/\$FURROW_INPUT; hostname >\"\$FURROW_OUT/said\""; }
hosts() { box ledger | jq -r '.instances[] | select(.live) | .id'; }
# The N first that have a task running, in $ids.
busy() {
	ids=
	for h in $(hosts); do
		box host "$h" sh -c 'ls /tmp/marks | grep -q .' 2>/dev/null && ids="$ids $h"
	done
	[ "$(wc -w <<<"$ids")" -ge "$1" ] && ids=$(xargs -n1 <<<"$ids" | head -n "$1")
}
says() { grep -Eq "$1" "$ERR"; }
journal() { cat .furrow/runs/*/journal.jsonl; }
# How many tasks were begun and taken away.
broken() { journal | jq -c 'select(.ev == "end" and .st == "abandoned" and .a.ran)' | wc -l; }
may_go() { for h in "$@"; do box host "$h" touch /tmp/go 2>/dev/null; done; }
# All hosts may, until the apply ends.
go_on() {
	while kill -0 "$pid" 2>/dev/null; do
		may_go $(hosts)
		sleep 0.5
	done
	await_apply
}

spot=', spot: true'
retry='retry: {attempts: 3, for: [interruption]}'

# There is time enough: nothing is lost, no task runs twice.
work in-time entrypoint="$(slow in-time 500)" inputs='{count: 6}' per_instance=1 max=2 instances="$spot" more="$retry"
begin_apply
ok 'in time: tasks run on both' comes_true 60 busy 2
id=${ids%%$'\n'*}
box interrupt "$id" 100 >/dev/null
ok 'in time: it says so' comes_true 20 says "^$id will be interrupted at [0-9:]{8}; its 1 running task has until then"
go_on
is_status 0 'in time: exit 0'
ok 'in time: every task has its result' whole
is 'in time: no task ran in vain' "$(broken)" 0
is 'in time: nothing runs' "$(running)" 0
is 'in time: it stands in the journal' "$(journal | jq -r 'select(.ev == "notice") | .msg' | grep -c "^$id will be interrupted")" 1
is 'in time: whether another one pays is told' "$(journal | grep -c '"ev":"remake"')" 1

# Half of the fleet goes: one in good time, one too soon for its task, one without a word.
work half entrypoint="$(slow half 500)" inputs='{count: 20}' per_instance=1 max=6 instances="$spot" more="$retry"
begin_apply
ok 'half: tasks run on all' comes_true 100 busy 6
read -r one two three rest <<<"$(xargs <<<"$ids")"
box interrupt "$one" 100 >/dev/null
box interrupt "$two" 8 >/dev/null
box interrupt "$three" 0 >/dev/null
ok 'half: it says so' comes_true 20 says "^$one will be interrupted at"
may_go "$one"
ok 'half: one is lost' comes_true 60 says "EC2 has interrupted $two"
ok 'half: another one is lost' comes_true 60 says "EC2 has interrupted $three"
go_on
is_status 0 'half: exit 0'
ok 'half: every task has its result' whole
is 'half: two tasks ran in vain' "$(broken)" 2
is 'half: nothing runs' "$(running)" 0
is 'half: about each it is told whether another one pays' "$(journal | grep -c '"ev":"remake"')" 3
done_testing
