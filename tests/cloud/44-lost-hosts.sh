#!/usr/bin/env bash
# Hosts, runners and tasks that end in mid-run: taken away by EC2, dead without a word, cut off for a while, killed. What was lost
# runs elsewhere when the manifest says so, what only was out of reach goes on, and nothing runs twice for that.
. "$(dirname "$0")/lib.sh"
# shellcheck source=faulty.sh
. "$ROOT/tests/cloud/faulty.sh"

# Tasks that say in the host's /tmp/marks that they began, and take their time; a second attempt takes none.
slow() { echo ": $1; mkdir -p /tmp/marks; echo x >>/tmp/marks/\$FURROW_INPUT; [ \$FURROW_ATTEMPT -gt 1 ] || sleep $2; hostname >\"\$FURROW_OUT/said\""; }
retry='retry: {attempts: 3, for: [interruption]}'
host() { box ledger | jq -r '[.instances[] | select(.live)] | .[0].id'; }
marks() { box host "$(host)" sh -c 'cat /tmp/marks/*' 2>/dev/null; }
begins() { # NAME SECONDS KEY=VALUE...: a job, its tasks running on $id
	local name=$1 seconds=$2
	shift 2
	work "$name" entrypoint="$(slow "$name" "$seconds")" "$@"
	since
	begin_apply
	ok "$name: its tasks run" comes_true 40 marks
	id=$(host)
}
ended() { # DESC STATUS LAUNCHED [RE]
	await_apply
	ends "$@"
}

spot=', spot: true'

begins taken 60 instances="$spot" more="$retry"
box interrupt "$id" 0 >/dev/null
ended 'a host that EC2 takes away' 0 2

begins taken-for-good 12 instances="$spot"
box interrupt "$id" 0 >/dev/null
ended 'taken away, and no retry asked for' 3 1 '^apply again: what is finished is kept'
since
apply
ends 'the next apply' 0 1

begins one-of-two 4 inputs='{count: 6}' per_instance=1 max=2 instances="$spot" more="$retry"
box interrupt "$id" 0 >/dev/null
await_apply
is_status 0 'one of two is taken away'
ok 'no task is lost' whole
is 'nothing runs' "$(running)" 0

begins runner-killed 60 more="$retry"
box host "$id" sh -c 'for f in /run/furrow/runs/*; do case $f in *.*) ;; *) read -r p _ <$f; kill -9 $p ;; esac; done'
ended 'a runner that is killed' 0 1

begins task-killed 30 more='retry: {attempts: 2, for: [error], delay: 0s}'
box host "$id" pkill -9 -x sleep
ended 'a task that is killed' 0 1

begins frozen 8
box freeze "$id"
sleep 3
box thaw "$id"
ended 'a host that stands still for a while' 0 1

# A warm host gets its first tasks together with the order of which run they are of, before it has said that it can serve it.
work warm idle=10m
mkdir src && touch src/x && sed -i 's/path: \./path: src/' furrow.yaml
apply
is_status 0 'a host stays warm'
id=$(host)
box host "$id" sh -c 'rm -rf /run/furrow/runs; : >/run/furrow/runs'
sed -i 's/echo /echo again /' furrow.yaml
apply
is_status 3 'a warm host that cannot serve'
err_like '^environment\[0\] was lost: .*does not serve the run.*starting the runner of .*: Not a directory$' 'it says why'
err_like '^0 tasks done, 2 did not run' 'and none of its tasks began'
run box run furrow destroy -y
is 'nothing runs' "$(running)" 0

# Six seconds are a minute, and eighteen are three, here.
hasten 10
begins unplugged 25
box unplug "$id"
sleep 9
box plug "$id"
comes_true 20 marks
is 'out of reach, and no task begins twice' "$(marks | xargs)" 'x x'
ended 'a host that is out of reach for a while' 0 1

begins dead 60 more="$retry"
box kill "$id"
ended 'a host that is dead, while EC2 says that it runs' 0 2
done_testing
