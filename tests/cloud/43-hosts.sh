#!/usr/bin/env bash
# Hosts that never come up, or come up as something else: what another host may mend is done by another one, the rest is a clear
# error; nothing that a host says reaches the terminal as it is, and nothing is left.
. "$(dirname "$0")/lib.sh"
# shellcheck source=faulty.sh
. "$ROOT/tests/cloud/faulty.sh"

amis=(ami-1e749f67 ami-35e92e4c ami-760aaa0f ami-785db401 ami-999844e0 ami-bb9a6bc2)
# Each job has an image of its own, so that all of them run side by side.
declare -A pids
start() { # NAME AMI BEHAVIOUR
	box set "image.$2" "$3" >/dev/null
	work "$1" instances=", ami: $2"
	OUT=$T/$1.out ERR=$T/$1.err begin_apply
	pids[$1]=$pid
}
end() { # NAME STATUS LAUNCHED [RE]
	OUT=$T/$1.out ERR=$T/$1.err last="apply of $1"
	cd "$T/$1" && pid=${pids[$1]} && await_apply
	is_status "$2" "$1: exit $2"
	[ "$2" != 0 ] || ok "$1: every task has its result" whole
	is "$1: launched" "$(of "$1" length)" "$3"
	is "$1: nothing runs" "$(of "$1" 'map(select(.live)) | length')" 0
	[ -z "${4-}" ] || err_like "$4" "$1: it says $4"
	err_unlike "$(printf '\033')" "$1: no escape goes to the terminal"
}
of() { box ledger | jq "[.instances[] | select(.tags.\"furrow:job\" == \"$1\")] | $2"; }
there() { [ "$(of "$1" length)" = 1 ]; }

start wrong-key "${amis[0]}" wrong-key
start garbage "${amis[1]}" garbage
start banner "${amis[2]}" banner
start slow "${amis[3]}" slow:4
end wrong-key 3 1 'is not the host it should be.*SHA256:.*SHA256:'
end slow 0 1
end garbage 3 3 'no SSH'
end banner 3 3 'talks no SSH.*Welcome!'

# Given up after five minutes: half a minute here. The next one boots.
hasten 10
start never "${amis[0]}" never
start silent "${amis[1]}" silent
start dead "${amis[2]}" dead
start refused "${amis[3]}" refused
for job in never silent dead refused; do
	comes_true 30 there $job
done
for ami in "${amis[@]:0:4}"; do
	box set "image.$ami" ok >/dev/null
done
for job in never silent dead refused; do
	end $job 0 2
done

# What is there answers, but as something else: it is left alone. All that a host says is made fit to be shown.
unset HASTY
work pretends idle=10m
since
apply
is_status 0 'a host that stays'
id=$(box ledger | jq -r '.instances[-1].id')
runner=$(box host "$id" sh -c 'echo /var/lib/furrow/runner/*')
for what in 'printf "\033]0;pwned\007{\"furrow_host\":2}\n"' 'yes "$(printf "\033[2J")" | tr -d "\n"' \
	'printf "\033[2Jgo away" >&2; exit 3'; do
	box host "$id" sh -c "rm -f $runner; printf '#!/bin/sh\n%s\nsleep 20\n' '$what' >$runner; chmod 755 $runner"
	run timeout 60 box run furrow plan
	is_status 0 "plan, where a host says: $what"
	err_unlike "$(printf '\033')" 'no escape goes to stderr'
	out_unlike "$(printf '\033')" 'no escape goes to stdout'
done
done_testing
