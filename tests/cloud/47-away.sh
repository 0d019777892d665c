#!/usr/bin/env bash
# What lies between furrow and the cloud: a network that is away for a minute, a clock that is twenty minutes off, credentials
# that end in mid-run, another apply of the same job.
. "$(dirname "$0")/lib.sh"
# shellcheck source=faulty.sh
. "$ROOT/tests/cloud/faulty.sh"

marks() { box host "$(box ledger | jq -r '[.instances[] | select(.live)] | .[0].id')" sh -c 'cat /tmp/marks/*' 2>/dev/null; }
slow() { echo ": $1; mkdir -p /tmp/marks; echo x >>/tmp/marks/\$FURROW_INPUT; sleep $2; echo \$FURROW_INPUT >\"\$FURROW_OUT/said\""; }

# Tasks end before, while and after the network is away.
work cut inputs='{count: 6}' per_instance=2 entrypoint="$(slow cut 12)"
since
begin_apply
ok 'tasks run' comes_true 40 marks
box cut on >/dev/null
sleep 60
box cut off >/dev/null
await_apply
is_status 0 'the network is away for a minute'
ok 'no task is lost' whole
newly 'the network is away for a minute' 1
is 'no task ran twice' "$(jq -r 'select(.ev == "begin" and (.node | startswith("task["))) | .node' .furrow/runs/*/journal.jsonl |
	sort | uniq -d)" ''

# The clock.
for s in 1200 -1200; do
	box set clock_offset_s $s >/dev/null
	work clock entrypoint="echo $s >\"\$FURROW_OUT/said\"" idle=5m
	since
	apply
	is_status 0 "a clock that is $s s off"
	ok "a clock that is $s s off: every task has its result" whole
	is "a clock that is $s s off: launched" $(($(launched) - before)) 1
	work clock entrypoint="echo $s again >\"\$FURROW_OUT/said\"" idle=0
	apply
	ends "a clock that is $s s off, and a warm host" 0 1
done
box set clock_offset_s 0 >/dev/null

# Credentials that last for less than the run, from a role, are renewed; such that cannot be are told, and what runs by then ends
# by itself.
cat >"$T/config" <<'E'
[profile role]
role_arn = arn:aws:iam::123456789012:role/furrow
source_profile = base
region = us-east-2
[profile base]
aws_access_key_id = AKIAFURROWBOX0000001
aws_secret_access_key = furrow/box+secret/0000000000000000000001
E
as_role() { box run env -u AWS_ACCESS_KEY_ID -u AWS_SECRET_ACCESS_KEY AWS_PROFILE=role AWS_CONFIG_FILE="$T/config" "$@"; }
box set session_s 6 >/dev/null
work renewed inputs='{count: 4}' per_instance=1 entrypoint="$(slow renewed 3)"
since
run as_role furrow apply -y --progress plain
ends 'credentials that end every six seconds' 0 1
ok 'they were renewed' [ "$(box log | jq '[.[] | select(.action == "AssumeRole" and .status == 200)] | length')" -gt 2 ]

box set session_s 8 >/dev/null
eval "$(client aws sts assume-role --role-arn arn:aws:iam::123456789012:role/furrow --role-session-name test |
	jq -r '.Credentials | "key=\(.AccessKeyId) secret=\(.SecretAccessKey) token=\(.SessionToken)"')"
work expired entrypoint="$(slow expired 8)"
since
run box run env AWS_ACCESS_KEY_ID="$key" AWS_SECRET_ACCESS_KEY="$secret" AWS_SESSION_TOKEN="$token" furrow apply -y --progress plain
is_status 64 'credentials that end and cannot be renewed'
err_like 'ExpiredToken|RequestExpired|have expired' 'it says so'
err_like 'still runs and costs money; remove it with furrow destroy' 'and what still costs money'
err_unlike "$secret" 'it tells no secret'
apply
ends 'the next apply, with others' 0 1

# Two at once.
work two entrypoint="$(slow two 6)"
since
begin_apply
ok 'one runs' comes_true 40 marks
holder=$(basename .furrow/runs/*)
cp -r . ../elsewhere && rm -rf ../elsewhere/.furrow
apply
is_status 75 'another apply beside it, in the same folder'
err_like "$holder" 'names the one that runs'
cd ../elsewhere || exit 1
apply
is_status 75 'another apply beside it, as from another machine'
err_like "run $holder of .* on .*process $pid" 'names the one that runs'
cd ../two && await_apply
ends 'the one that runs' 0 1
done_testing
