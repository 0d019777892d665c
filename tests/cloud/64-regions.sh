#!/usr/bin/env bash
# Instances in two regions: the cheaper one first, the other when that has no more; hosts of both in one run, warm in both, and
# nothing left in either.
. "$(dirname "$0")/lib.sh"
# shellcheck source=faulty.sh
. "$ROOT/tests/cloud/faulty.sh"

both=', any_of: [{infra: aws/us-east-2}, {infra: aws/us-west-2}]'
box set price.t3.micro@us-west-2 0.002 >/dev/null

# where KEY: of the instances that run, sorted.
where() { box ledger | jq -r "[.instances[] | select(.live) | .$1] | sort | join(\" \")"; }
groups() { client aws ec2 describe-security-groups --region "$1" --filters Name=tag-key,Values=furrow:job --query 'length(SecurityGroups)'; }
marked() { [ "$(for id in $(the_host); do box host "$id" cat /tmp/marks; done 2>/dev/null | wc -l)" = "$1" ]; }

# One instance is to be had in the cheaper region; each task waits for those of the other host.
west='{"us-west-2a":1,"us-west-2b":0,"us-west-2c":0,"us-west-2d":0}'
box set capacity "{\"t3.micro\":$west}" >/dev/null
work two inputs='{count: 4}' max=2 idle=10m instances="$both" \
	entrypoint='echo x >>/tmp/marks; until [ -e /tmp/go ]; do sleep 0.05; done; hostname >"$FURROW_OUT/said"'
# All of it under the policy that doctor prints.
run furrow doctor --policy
is_status 0 'a policy'
box set policy "$(cat "$OUT")" >/dev/null || report 1 'the box takes the policy'
run furrow doctor
is_status 0 'doctor'
out_like 'ok +region +ec2 DescribeRegions in us-west-2: ' 'doctor: the second region'
out_like 'subnet +ec2 DescribeSubnets in us-west-2: 4 in vpc-' 'doctor: its subnets'
out_like 'ok +permission .*ec2:RunInstances, ec2:CreateTags in us-west-2' 'doctor: launching there'
out_like 'ok +quota .* in us-west-2: ' 'doctor: its quota'
run furrow offers
out_like 't3.micro +us-west-2a,b,c,d .* <- chosen' 'offers: the cheaper region first'
out_like 't3.micro +us-east-2a,b,c ' 'offers: then the other'
run furrow plan
is_status 0 'plan'
out_like 'by security group furrow-two in us-east-2, us-west-2$' 'a group in each region'
out_like 'launch t3.micro in us-west-2.: ' 'the cheaper region'
run furrow plan --json
ok 'both regions in its offers' jq -e '[.offers[].region] | unique == ["us-east-2", "us-west-2"]' "$OUT"
mkdir ../typo
sed 's/us-west-2}/us-wset-2}/' furrow.yaml >../typo/furrow.yaml
run furrow plan ../typo/furrow.yaml
is_status 64 'a second region that is none'
err_like 'furrow.yaml:[0-9]+:[0-9]+: instances.any_of\[1\].infra: no region .us-wset-2. in AWS: did you mean .us-west-2.' 'is told at its place'
since
begin_apply
ok 'its tasks run on two hosts' comes_true 60 marked 4
is 'in two regions' "$(where region)" 'us-east-2 us-west-2'
run furrow status
out_like 't3.micro in us-west-2a, running' 'status: one region'
out_like 't3.micro in us-east-2., running' 'status: and the other'
for id in $(the_host); do box host "$id" touch /tmp/go; done
await_apply
is_status 0 'one run in two regions'
ok 'every task has its result' whole
is 'from two hosts' "$(sort -u results/*/said | wc -l)" 2
is 'each launched once' $(($(launched) - before)) 2

# A saved plan is of both.
sed -i 's/echo x/echo again/' furrow.yaml
run furrow plan -o ../again.plan
is_status 0 'a plan that is kept'
out_like 'i-.* is warm \(t3.micro in us-west-2a\)' 'with the warm one of the second region'
apply ../again.plan
is_status 0 'and is applied'
ok 'on warm hosts: every task has its result' whole
is 'none was launched' $(($(launched) - before)) 2

# A region that does not answer keeps nothing from being removed in the other, and is told.
fault '{"action":"DescribeInstances","region":"us-west-2","count":0,"error":{"status":403,"code":"UnauthorizedOperation","message":"not there"}}'
run furrow destroy -n
is_status 64 'destroy: one region may not be asked'
err_like 'what is in us-west-2 is not known, and stays: .*not there' 'it says which'
out_like '^- instance .*in us-east-2' 'and has the other'
box faults clear >/dev/null

# What cannot be ended is told with its region.
box set deny '["ec2:TerminateInstances"]' >/dev/null
run furrow destroy -y
is_status 3 'destroy that may not'
err_like 'by hand: aws ec2 terminate-instances --region us-west-2 --instance-ids' 'how to, there'
err_like 'by hand: aws ec2 terminate-instances --region us-east-2 --instance-ids' 'and here'
box set deny '[]' >/dev/null
run furrow destroy -y
is_status 0 'destroy'
box set policy '{}' >/dev/null
is 'nothing runs' "$(running)" 0
is 'no group here' "$(groups us-east-2)" 0
is 'no group there' "$(groups us-west-2)" 0

# Likewise when a run cannot let go of one.
box set deny '["ec2:TerminateInstances"]' >/dev/null
work left instances="$both"
apply
[ "$status" != 0 ]; report $? 'a run that may not end its instance'
err_like 'aws ec2 terminate-instances --region us-west-2 --instance-ids i-' 'says how, with its region'
box set deny '[]' >/dev/null
run furrow destroy -y
is_status 0 'which destroy may'
is 'nothing runs' "$(running)" 0

# killed_there NAME: an apply that dies when it has asked for an instance in the second region, which EC2 doesn't show yet.
killed_there() {
	work "$1" instances="$both"
	since
	fault '{"action":"RunInstances","nth":1,"delay_reply":20}'
	begin_apply
	ok "$1: it comes there" comes_true 30 faults_done
	kill -9 "$pid"
	await_apply
	box faults clear >/dev/null
	is "$1: in the second region" "$(where region)" us-west-2
}
box set capacity '{}' >/dev/null

# Nor does a region of which there are offers without end keep a launch from the other.
box set capacity '{"*":{"us-east-2a":0,"us-east-2b":0,"us-east-2c":0}}' >/dev/null
work full instances=', any_of: [{infra: aws/us-east-2}, {infra: aws/us-west-1}]'
sed -i 's/type: t3.micro/cpus: 2+/' furrow.yaml
since
apply
ends 'nothing at all in one region' 0 1
is 'launched in the other' "$(box ledger | jq -r '.instances[-1].region')" us-west-1
box set capacity '{}' >/dev/null

# One that does not answer is left out, and told.
fault '{"service":"ec2","region":"us-west-2","count":0,"raw":{"status":503,"body":"away"}}'
work away instances="$both"
since
apply
err_like 'Prices: us-west-2: it is left out: .*DescribeSubnets in us-west-2' 'it says which, and why'
ends 'a region that does not answer' 0 1
is 'launched in the other' "$(box ledger | jq -r '.instances[-1].region')" us-east-2
box faults clear >/dev/null

# So is what the account may have: a quota is of a region.
box set quota_vcpus '{"on-demand":2,"spot":2}' >/dev/null
work quota inputs='{count: 4}' max=2 instances="$both"
since
apply
ends 'a quota for one instance in each region' 0 2
is 'and there they were' "$(box ledger | jq -r '[.instances[-2:][].region] | sort | join(" ")')" 'us-east-2 us-west-2'
box set quota_vcpus '{"on-demand":1920,"spot":1920}' >/dev/null

box set visibility_delay_s 3 >/dev/null
box set token_visibility_delay_s 3 >/dev/null
killed_there taken-over
apply
ends 'killed, then an apply' 0 1
killed_there destroyed
run timeout 110 box run furrow destroy -y
is_status 0 'killed, then a destroy'
newly 'killed, then a destroy' 1
box set visibility_delay_s 0 >/dev/null
box set token_visibility_delay_s 0 >/dev/null
killed_there gone
run furrow gc --older-than 0
is_status 0 'killed, then gc'
newly 'killed, then gc' 1
is 'nothing is left there' "$(groups us-west-2)" 0
done_testing
