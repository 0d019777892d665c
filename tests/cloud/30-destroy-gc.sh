#!/usr/bin/env bash
# What is left in the cloud: status tells of it, destroy and gc end it, and what the API says of it is the ledger's.
. "$(dirname "$0")/lib.sh"
furrow() { client "$B/furrow" "$@"; }
# In the background, and so that $! is furrow itself. There SIGINT is ignored; SIGTERM does the same.
start() { (exec "$ROOT/tests/cloud/box" run "$B/furrow" "$@") & }
since() { box log | jq length; }
calls() { box log --since "$1" | jq -r "$2"; }
# API calls since then that change something.
mutations() { calls "$1" '[.[] | select(.mutating)] | map(.action) | join(" ")'; }
faults() { box faults clear >/dev/null && for f in "$@"; do box fault "$f" >/dev/null || return 1; done; }
groups() { client "$PYTHON" -c 'import boto3
print(len([g for g in boto3.client("ec2").describe_security_groups()["SecurityGroups"] if g["GroupName"].startswith("furrow-")]))'; }
# dead COUNT JOB [STORE]: what a run of the job that died has left.
dead() {
	local tags='{"Key":"furrow:job","Value":"'$2'"},{"Key":"furrow:run","Value":"01JD00000000000000000000AB"}'
	[ -z "${3-}" ] || tags="$tags,{\"Key\":\"furrow:store\",\"Value\":\"$3\"}"
	launch "$1" "TagSpecifications=[{\"ResourceType\":\"instance\",\"Tags\":[$tags]}]" || exit 1
}
echo '#cloud-config' >"$T/user-data"
: >"$T/host_key.pub"
store=s3://furrow-123456789012-us-east-2

mkdir job && cd job || exit 1
job() { # ENTRYPOINT [IDLE]
	cat >furrow.yaml <<-E
		furrow: 1
		name: left
		instances: {infra: aws/us-east-2, type: t3.micro, spot: false, idle: ${2:-10m}}
		entrypoint: $1
	E
	[ -d .git ] && commit . || repo .
}
job 'echo hi'

# Nothing there, not even a bucket.
run furrow status; is_status 0 'status of nothing'; out_like 'instances +none' 'no instances'
run furrow destroy -y; is_status 0 'destroy of nothing'; err_like 'nothing is left' 'says so'
run furrow gc; is_status 0 'gc of nothing'; err_like '^0 things and 0 results removed' 'says so'
is 'no bucket was made for that' "$(box log | jq '[.[] | select(.action == "CreateBucket")] | length')" 0

# A warm instance.
run furrow apply -y; is_status 0 'a run'
id=$(box ledger | jq -r '.instances[0].id')
now=$(since)
run furrow status; is_status 0 'status'
out_like "$id t3.micro in us-east-2a, running, launched .*, goes by itself in (9m|10m)" 'the instance, and how long it stays'
out_like 'usable' 'that it can be used'
out_like "store +$store" 'the store'
out_like 'group +furrow-left' 'the group'
out_like 'locked by +nobody' 'nobody is at it'
run furrow status --json; is_status 0 'status --json'
is '--json has all that' "$(jq -c '[(.instances | map([.id, .type, .zone, .state, .spot, .usable, (.left_s > 500 and .left_s <= 600)])), .lock, .store, .store_ready, .group, .group_ready, .region]' "$OUT")" \
	"[[[\"$id\",\"t3.micro\",\"us-east-2a\",\"running\",false,true,true]],null,\"$store\",true,\"furrow-left\",true,\"us-east-2\"]"
run furrow destroy -n --all; is_status 0 'destroy -n'
out_like "^- instance +$id " 'the instance'; out_like '^- security group +sg-' 'the group'
out_like '^- source in the store +s3://.*/sources/left/' 'with --all the source'
run furrow destroy; is_status 64 'destroy asks'
is 'nothing of this changes anything' "$(mutations "$now" | tr ' ' '\n' | grep -v -e PutObject -e DeleteObject | xargs)" ''
is 'destroy took the lock and gave it back' "$(client "$PYTHON" -c 'import boto3
print(boto3.client("s3").list_objects_v2(Bucket="furrow-123456789012-us-east-2", Prefix="locks/")["KeyCount"])')" 0

# Another machine's clone, of which nothing is known here.
git clone -q . ../clone
run furrow -C ../clone destroy -y --json; is_status 0 'destroy from a fresh clone'
ok '--json lists both' jq -e '[.removed[].what] == ["instance", "security group"]' "$OUT"
is 'no instance runs' "$(running)" 0
is 'the group is gone' "$(groups)" 0
is 'EC2 was asked until it said so' "$(box ledger | jq -r '.instances[0].state')" terminated
run furrow apply -y; is_status 0; err_like 'Nothing to do' 'results stay'

# What others have is not touched.
dead 2 left "$store"; dead 1 other; launch 1
run furrow destroy -y; is_status 0 'two of a run that died'
is 'two are ended, another job and a stranger stay' "$(running)" 2

# Somebody is at the job: another clone.
job 'sleep 600' 0
git -C ../clone pull -q
start -C ../clone apply -y >"$T/apply" 2>&1; apply=$!
ok 'an apply elsewhere' comes_true 30 sh -c 'grep -q "\"node\":\"task\[0\]\"" ../clone/.furrow/runs/*/journal.jsonl'
run furrow destroy -y; is_status 75 'destroy while it runs'; err_like 'another furrow is at (this job|job left)' 'says who'
run furrow destroy -n; is_status 75 '-n says so as well'
run furrow status; out_like 'locked by +run .* on ' 'status says who'
run furrow gc --older-than 0; is_status 0 'gc while it runs'
out_like '^= instance .*another furrow is at' 'gc leaves its instance'; out_like '^= security group .* another furrow is at' 'and its group'
out_like '^- instance .* of job other' 'and ends one of a job that nobody is at'
is 'that one alone, and the stranger stays' "$(running)" 2
# The stranger has no tag of furrow's; the apply's instance goes with it.
kill -TERM $apply; sleep 0.3; kill -TERM $apply; wait $apply
is 'an interrupted apply lets go of its instance' "$(running)" 1
stranger=$(box ledger | jq -r '.instances[] | select(.state == "running") | .id')
run furrow destroy -y; is_status 0; err_like '^[12] removed$' 'instances are no bytes'

# It takes as long as EC2 takes, and an interrupt tells what is still there.
box set shutdown_delay_s 3 >/dev/null
dead 1 left
SECONDS=0
run furrow destroy -y; is_status 0 'a slow end'; ok 'is waited for' [ $SECONDS -ge 2 ]
dead 2 left
box set shutdown_delay_s 8 >/dev/null
start destroy -y >"$OUT" 2>"$ERR"; pid=$!
comes_true 10 sh -c 'box log | jq -e "[.[] | select(.action == \"TerminateInstances\")] | length > 3"'
sleep 0.5; kill -TERM $pid; wait $pid; status=$? last='destroy, then SIGTERM'
is_status 143 'interrupted'
is 'both are named, with how to end them' "$(grep -c 'furrow: instance i-.* (shutting-down) is still there' "$ERR") $(grep -c 'terminate-instances --region us-east-2' "$ERR")" '2 2'
box set shutdown_delay_s 0.2 >/dev/null
run furrow destroy -y; is_status 0 'a second time'
is 'all are ended' "$(running)" 1

# Failures of the API.
dead 2 left
faults '{"action":"TerminateInstances","lose_reply":true}' '{"action":"DescribeInstances","skip":1,"count":2,"throttle":true}' \
	'{"action":"DescribeInstances","skip":1,"error":{"status":500,"code":"InternalError","message":"oops"}}'
run furrow destroy -y; is_status 0 'a lost reply, throttling and a failure'
is 'are survived' "$(running)" 1
dead 1 left
id=$(awk '{print $1}' "$T/launched")
# EC2 forgets for a moment what it has: that is not gone.
faults '{"action":"DescribeInstances","skip":1,"count":3,"raw":{"status":200,"type":"text/xml","body":"<DescribeInstancesResponse><reservationSet/></DescribeInstancesResponse>"}}'
box set shutdown_delay_s 3 >/dev/null
SECONDS=0
run furrow destroy -y; is_status 0 'an instance that is not found for a while'
ok 'is not taken for gone' [ $SECONDS -ge 2 ]
box set shutdown_delay_s 0.2 >/dev/null
dead 1 left
id=$(awk '{print $1}' "$T/launched")
box set deny '["ec2:TerminateInstances"]' >/dev/null
run furrow destroy -y; is_status 3 'a permission is missing'
err_like "instance $id \\((pending|running)\\) is still there: .*UnauthorizedOperation" 'which, on what'; err_like "aws ec2 terminate-instances --region us-east-2 --instance-ids $id" 'and how to do it by hand'
run furrow gc --older-than 0; is_status 3 'so for gc'; err_like "instance $id .*still there" 'which says it as well'
run furrow destroy -y --json; is_status 3; ok 'with --json it lists what it tried' jq -e '.removed | length == 1' "$OUT"
# An apply that cannot let go says so at its end.
box set deny '[]' >/dev/null
run furrow destroy -y; is_status 0 'later it is allowed'
job 'echo left' 0
box set deny '["ec2:TerminateInstances"]' >/dev/null
run furrow apply -y --json; is_status 64 'an apply that cannot let go of its instance'
id=$(box ledger | jq -r '.instances[-1].id')
err_like "^furrow: $id still runs and costs money; furrow destroy removes it, or by hand: aws ec2 terminate-instances --region us-east-2 --instance-ids $id" 'names it, and how to remove it'
ok 'so does --json' jq -e ".left[0].id == \"$id\"" "$OUT"
box set deny '[]' >/dev/null
run furrow destroy -y; is_status 0 'destroy removes it'

# furrow killed in the middle of a launch: EC2 may show the instance only after a while.
job 'echo killed'
box set visibility_delay_s 4 >/dev/null; box set token_visibility_delay_s 4 >/dev/null
faults '{"action":"RunInstances","delay_reply":30}'
before=$(launched)
start apply -y >"$T/apply" 2>&1; apply=$!
comes_true 20 sh -c "[ \$(box ledger | jq .launched) -gt $before ]"
kill -9 $apply; { wait $apply; } 2>/dev/null
faults
run furrow destroy -y; is_status 0 'destroy after a kill -9'
is 'it waits until EC2 shows what was launched' "$(running)" 1
box set visibility_delay_s 0 >/dev/null; box set token_visibility_delay_s 0 >/dev/null
SECONDS=0
run furrow destroy -y; is_status 0 'a second time there is nothing'; ok 'to wait for' [ $SECONDS -le 3 ]

# gc: old enough, of whatever job, in whatever region, without a manifest.
mkdir ../empty && cd ../empty || exit 1
dead 1 other
run furrow gc --region us-east-2; is_status 0 'gc by region'
out_like '^= instance .* of job other: it is younger' 'an hour is the least'
run furrow gc; is_status 64 'neither manifest nor region'
now=$(since)
run furrow gc --region us-west-2,us-east-2 --older-than 0 -n --json; is_status 0 '-n'
ok 'what, where and since when' jq -e '.dry_run and ([.removed[] | select(.what == "instance") | .job, .region, .type] == ["other", "us-east-2", "t3.micro"]) and (.removed[0].since | test("^20..-..-..T.*Z$"))' "$OUT"
is '-n changes nothing' "$(mutations "$now")" ''
AWS_REGION=us-west-2 client env AWS_DEFAULT_REGION=us-west-2 "$PYTHON" "$ROOT/tests/cloud/launch.py" 1 "$T/user-data" \
	'TagSpecifications=[{"ResourceType":"instance","Tags":[{"Key":"furrow:job","Value":"west"}]}]' >"$T/west"
is_status 0
run furrow gc --all-regions --older-than 0; is_status 0 'gc in all regions'
out_like "^- instance +$(cut -d' ' -f1 "$T/west") .*us-west-2.*of job west" 'finds one in another region'
out_like '^- instance .*of job other' 'and the one here'
out_like '^- source in the store' 'old sources'; out_like '^- runner in the store' 'old runners'
is 'the stranger stays' "$(box ledger | jq -r '[.instances[] | select(.state == "running") | .id] | join(" ")')" "$stranger"
run furrow gc --region us-esat-2; is_status 64 'no such region'; err_like "did you mean 'us-east-2'" 'a near one is named'
run furrow gc --region us-east-2, ; is_status 64 'an empty name'

# A job whose store cannot be looked at may be at work.
dead 1 hidden s3://somebody-elses/x
box set buckets '{"somebody-elses": {"owner": "other"}}' >/dev/null
run furrow gc --region us-east-2 --older-than 0; is_status 0 'a store of others'
out_like '^= instance .*of job hidden: whether somebody is at its job is not known' 'its instance stays'
is 'as the ledger has it' "$(running)" 2
done_testing
