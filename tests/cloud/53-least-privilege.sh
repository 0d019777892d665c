#!/usr/bin/env bash
# The policy of `furrow doctor --policy` is enough: a job goes through all of its life under it, and it is not for others.
. "$(dirname "$0")/lib.sh"
box run "$PYTHON" -c 'import boto3; s = boto3.client("s3")
for b in ("least-in", "least-out", "least-store"):
    s.create_bucket(Bucket=b, CreateBucketConfiguration={"LocationConstraint": "us-east-2"})
s.put_object(Bucket="least-in", Key="texts/a.txt", Body=b"one")
s.put_object(Bucket="least-in", Key="other/b.txt", Body=b"two")'
manifest() { # NAME [KEY: VALUE, ...]
	cat <<-END
		furrow: 1
		name: $1
		workdir: {path: .}
		entrypoint: cp "\$FURROW_INPUT" "\$FURROW_OUT/text"
		instances: {infra: aws/us-east-2, type: t3.micro, spot: ${SPOT-false}, idle: 5m}
		map: {inputs: {s3: "s3://least-in/texts/*.txt"}}
		results: ${RESULTS-s3://least-out/results}
		${STORE-}
	END
}
hold() { # MANIFEST: from now on, nothing but its policy
	box set policy '{}' >/dev/null
	run furrow doctor --policy "$1"
	is_status 0 'a policy'
	# The box's account is the only one.
	box set policy "$(cat "$OUT")" >/dev/null || report 1 'the box takes the policy'
}
job least < <(manifest least)
hold furrow.yaml
run furrow doctor --json
is_status 0 'doctor under the policy'
is 'nothing is denied' "$(jq -r '.findings[] | select(.verdict == "fail") | "\(.tried): \(.found)"' "$OUT")" ''
run furrow apply -y --progress plain
is_status 0 'apply: makes the bucket, the group and an instance'
run furrow doctor --json
is_status 0 'doctor with all there'
is 'still nothing is denied' "$(jq -r '.findings[] | select(.verdict == "fail") | "\(.tried): \(.found)"' "$OUT")" ''
box set policy '{}' >/dev/null
box run "$PYTHON" -c 'import boto3; boto3.client("s3").put_object(Bucket="least-in", Key="texts/c.txt", Body=b"three")'
hold furrow.yaml
run furrow apply -y --progress plain
is_status 0 'apply: one more, on a warm instance'
run furrow status
is_status 0 'status'

# Another job's policy is not enough.
manifest other >other.yaml
run furrow apply -y --progress plain other.yaml
is_status 64 "another job under this one's policy"
err_like 'not authorized to perform: ec2:(CreateSecurityGroup|CreateTags|RunInstances) on resource: arn:aws:ec2:us-east-2:123456789012:' 'is refused what it would make'
ledger_is 'of the other nothing was launched' 1 1
hold other.yaml
run furrow doctor --json other.yaml
is_status 0 'its own is'
run furrow destroy -y
is_status 3 "and does not end the first one's instances"
err_like 'not authorized to perform: ec2:TerminateInstances on resource: arn:aws:ec2:us-east-2:123456789012:instance/i-'
is 'which run' "$(running)" 1
box run "$PYTHON" -c 'import boto3; boto3.client("s3").get_object(Bucket="least-in", Key="other/b.txt")' >"$OUT" 2>&1
out_like 'AccessDenied' 'inputs beside the pattern are not read'

hold furrow.yaml
run furrow destroy -y
is_status 0 'destroy'
run furrow gc --older-than 1s
is_status 0 'gc'
ledger_is 'the end' 1 0

# A store of the user's, with a prefix; results here; spot.
STORE='store: s3://least-store/team/x' RESULTS=results/ SPOT=true manifest spotty >furrow.yaml
hold furrow.yaml
run furrow apply -y --progress plain
is_status 0 'spot, with a store of its own'
run furrow destroy -y --all
is_status 0 'and its end'
is 'nothing runs' "$(running)" 0

# Without a line of it, it is not enough: the box does hold to it.
for sid in Launch LaunchInto TagWhatIsMade StoreObjects FirstSpotRequest; do
	run furrow doctor --policy
	box set policy "$(jq "del(.Statement[] | select(.Sid == \"$sid\"))" "$OUT")" >/dev/null
	sed -i "s/^entrypoint: .*/entrypoint: 'cp \"\$FURROW_INPUT\" \"\$FURROW_OUT\/$sid\"'/" furrow.yaml
	run furrow apply -y --progress plain
	case $sid in
	FirstSpotRequest) is_status 0 "without $sid: the box has the role already" ;;
	*) is_status 64 "without $sid"; err_like 'not authorized to perform|AccessDenied|"Action":"s3:' ;;
	esac
done
box set policy '{}' >/dev/null
run furrow destroy -y
is 'nothing runs at the end' "$(running)" 0
run box set policy '{"Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}'
[ "$status" != 0 ]; report $? 'the box says what it does not know'
done_testing
