#!/usr/bin/env bash
# kill -9 of furrow before and after each call of an apply that changes something: what comes next, an apply or a destroy, finds
# what there is. Nothing is launched twice, nothing is left, no task is lost.
. "$(dirname "$0")/lib.sh"
# shellcheck source=faulty.sh
. "$ROOT/tests/cloud/faulty.sh"

# killed_at CALL WHEN: an apply of a new job with a store of its own, killed while its first such call has not got there, or is
# done and not answered.
number=0
killed_at() {
	local effect='"stall":20'
	[ "$2" = before ] || effect='"delay_reply":20'
	number=$((number + 1))
	work "kill$number" more="store: s3://kill-$number"
	since
	fault "{\"action\":\"$1\",\"nth\":1,$effect}"
	begin_apply
	ok "$2 $1: it comes there" comes_true 30 faults_done
	kill -9 "$pid"
	await_apply
	box faults clear >/dev/null
}
then_apply() {
	apply
	ends "$1, killed, then an apply" 0 "$2"
}
then_destroy() {
	run timeout 110 box run furrow destroy -y
	is_status 0 "$1, killed, then a destroy"
	newly "$1, killed, then a destroy" "$2"
	is "$1, killed, then a destroy: no group" "$(client aws ec2 describe-security-groups --filters \
		"Name=tag:furrow:job,Values=kill$number" --query 'length(SecurityGroups)')" 0
}

for call in CreateBucket PutPublicAccessBlock CreateSecurityGroup AuthorizeSecurityGroupIngress; do
	killed_at $call before
	then_apply "before $call" 1
	killed_at $call after
	then_destroy "after $call" 0
done

for when in before after; do
	killed_at RunInstances $when
	then_apply "$when RunInstances" 1
done
killed_at RunInstances after
then_destroy 'after RunInstances' 1

for when in before after; do
	killed_at TerminateInstances $when
	then_apply "$when TerminateInstances" 1
done
killed_at TerminateInstances before
then_destroy 'before TerminateInstances' 1

box set visibility_delay_s 4 >/dev/null
box set token_visibility_delay_s 4 >/dev/null
killed_at RunInstances after
then_apply 'after RunInstances, which EC2 does not show yet' 1
killed_at RunInstances after
then_destroy 'after RunInstances, which EC2 does not show yet' 1
done_testing
