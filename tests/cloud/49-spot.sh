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
# Of instances, from their states' times.
most_at_once() {
	box ledger | jq '[.instances[] | [.launched, 1], [(.ending // .ended // 1e12), -1]] | sort | reduce .[] as [$t, $d]
		({n: 0, most: 0}; .n += $d | .most = ([.most, .n] | max)) | .most'
}
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

# Half of a fleet goes in mid-map: one in good time, one too soon for its task, one without a word.
work half entrypoint="$(slow half 500)" inputs='{count: 20}' per_instance=1 max=6 idle=10m instances="$spot" more="$retry"
begin_apply
ok 'tasks run on all' comes_true 100 busy 6
read -r one two three _ <<<"$(xargs <<<"$ids")"
box interrupt "$one" 100 >/dev/null
box interrupt "$two" 8 >/dev/null
box interrupt "$three" 0 >/dev/null
told='will be interrupted at [0-9:]{8}; its 1 running task has until then(, [0-9]+ that waits? there goe?s? elsewhere)?$'
ok 'the first says that it will go' comes_true 60 says "^$one $told"
may_go "$one"
ok 'the second is lost' comes_true 60 says "EC2 has interrupted $two, a spot instance"
ok 'the third is lost' comes_true 60 says "EC2 has interrupted $three, a spot instance"
go_on
is_status 0 'half of the fleet goes'
ok 'every task has its result' whole
is 'two tasks ran in vain, and no other one' "$(broken)" 2
run furrow report
out_like "^ +[0-9][0-9.hms ]+  environment\[[0-5]\]: $one will be interrupted at" 'the report tells it'
is 'and the report in JSON' "$(box run furrow report --json | jq -r '[.places[] | select(.what == "notice")] | length >= 1')" true
# The two that were lost stood on the meter until they had ended, as EC2 says.
journal | jq -r 'select(.ev == "gone") | .place // 0' | sort -u >"$T/gone"
ok 'what has ended is not paid on' test "$(wc -l <"$T/gone")" -ge 2
box run furrow report --json >"$T/report"
ok 'nor does the report count it further' jq -e --arg id "$three" --slurpfile gone "$T/gone" '(.instances | map(.end_s) | max) as $last |
	.instances[] | select(.id == $id) | (.index | IN($gone[])) and .end_s < $last' "$T/report"
is 'what is to go is not kept warm for the next apply' "$(hosts | grep -c "$one")" 0
ok 'the others are' test "$(running)" -ge 3
run furrow destroy -y
is 'nothing runs' "$(running)" 0
is 'it stands in the journal' "$(journal | jq -r 'select(.ev == "notice") | .msg' | grep -c "^$one will be interrupted")" 1
is 'about each it is told whether another one pays' "$(journal | grep -c '"ev":"remake"')" 3
is 'there were never more than six' "$(most_at_once)" 6
is 'as many more as it is told' "$(launched)" $((6 + $(journal | jq -c 'select(.ev == "remake" and .made)' | wc -l)))
zones() { box ledger | jq -r ".instances | sort_by(.launched) | .[$1][].zone" | sort -u; }
is 'and from elsewhere than where EC2 has none' "$(zones :6 | grep -cFx -f <(zones 6:))" 0
# A notice that comes while setup runs on the host: nobody waits for it, and another one takes its place.
setup='touch /tmp/setup; i=0; while [ ! -e /tmp/go ] && [ $i -lt 1500 ]; do sleep 0.2; i=$((i+1)); done'
since
work doomed instances="$spot" more="environment: {setup: '$setup'}"
begin_apply
sets_up() { id=$(hosts) && [ -n "$id" ] && box host "$id" test -e /tmp/setup 2>/dev/null; }
ok 'setup runs' comes_true 60 sets_up
doomed=$id
box interrupt "$doomed" 600 >/dev/null
replaced() { [ $(($(launched) - before)) -eq 2 ] && ! hosts | grep -qx "$doomed"; }
ok 'another instance is there long before that one goes' comes_true 60 replaced
go_on
is_status 0 'and the job is done there'
ok 'it has all results' whole
newly 'a doomed one' 2
is 'each of the two is paid once' "$(box run furrow report --json | jq '.instances | length')" 2
done_testing
