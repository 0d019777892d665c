#!/usr/bin/env bash
# furrow doctor in a cloud: each thing that can be in the way is found, all of them together, and nothing is changed.
. "$(dirname "$0")/lib.sh"
BUCKET=furrow-123456789012-us-east-2
job doc <<'E2'
furrow: 1
name: doc
workdir: {path: .}
entrypoint: "true"
instances: {infra: aws/us-east-2, type: t3.micro, spot: false, max: 4}
E2
box set public_addresses true >/dev/null
# Whatever it lets through that changes something is remembered.
doctor() {
	log_from
	run client env ${with[@]+"${with[@]}"} furrow doctor --json "$@"
	asked=$((asked + $(box log | jq ".[$from:] | length")))
	changed=$changed$(box log | jq -r ".[$from:][] | select(.mutating and .status < 300) | .action + \" \"")
}
with=() asked=0 changed=
# finds CHECK VERDICT RE [DESC]
finds() {
	jq -e --arg c "$1" --arg v "$2" --arg re "$3" \
		'[.findings[] | select(.check == $c and .verdict == $v and ("\(.tried): \(.found) \(.advice // "")" | test($re)))] | length > 0' \
		"$OUT" >/dev/null
	report $? "${4:-$1 $2: $3}"
}
fails() { jq -r '[.findings[] | select(.verdict == "fail") | .check] | unique | join(" ")' "$OUT"; }

doctor
is_status 0 'nothing is in the way'
finds credentials ok 'GetCallerIdentity with key AKIAFURROWBOX0000001 from environment: arn:.* of account 123456789012'
finds clock ok 'within [0-9]+ s'
finds region ok 'us-east-2'
finds address ok '/32: it alone is let in'
finds image ok 'ami-[0-9a-f]+ \(al2023.*for x86_64, .*logs in as ec2-user'
finds type ok 't3.micro( .spot.)? in us-east-2[abc], 2 cpus'
finds subnet warn '[0-9]+ free addresses, no public ones'
finds bucket ok 'the first apply makes it, private, in us-east-2'
finds quota ok 'L-1216C47A: .*is 1920 vCPUs, 0 of them in use by others; the manifest wants up to 4 instances of 2'
for p in ec2:RunInstances ec2:TerminateInstances ec2:CreateSecurityGroup ec2:DescribeInstances ec2:DescribeSpotPriceHistory pricing:GetProducts; do finds permission ok "^$p"; done
run furrow doctor
is_status 0 'for people'
out_like '^ok +permission +ec2:DescribeInstances, .*: allowed$' 'one line for what is allowed'

# Once there was an apply: the group and the bucket as well.
run furrow apply -y --progress plain
is_status 0 'an apply'
doctor
is_status 0 'after an apply'
finds bucket ok 'there, in us-east-2'
finds bucket ok 'public access is blocked'
for p in ec2:AuthorizeSecurityGroupIngress ec2:DeleteSecurityGroup s3:ListBucket s3:GetObject s3:PutObject; do
	finds permission ok "^$p: allowed"
done

# All at once, and each by its name.
box set deny '["ec2:RunInstances","ec2:TerminateInstances","ec2:DescribeAvailabilityZones","s3:PutObject","servicequotas:GetServiceQuota","pricing:GetProducts","s3:GetBucketPublicAccessBlock"]' >/dev/null
doctor
is_status 3 'denied'
is 'denied: what is in the way' "$(fails)" permission
finds permission warn '^ec2:TerminateInstances.*by tags' 'denied ec2:TerminateInstances, with no instance to ask for'
for p in ec2:RunInstances ec2:DescribeAvailabilityZones s3:PutObject; do
	finds permission fail "^$p.*add \{\"Effect\":\"Allow\",\"Action\":\"$p\"" "denied $p: the statement that lacks"
done
finds quota warn 'servicequotas:GetServiceQuota' 'a quota that may not be read'
finds bucket warn 's3:GetBucketPublicAccessBlock'
finds permission warn 'pricing:GetProducts.*prices on demand are not known'
box set deny '[]' >/dev/null

# Quotas: too small, 0, none, absurd; and what others use counts.
quota() { box set quotas "{\"L-1216C47A\": $1}" >/dev/null; doctor; }
quota 5; is_status 0 'a quota for some'
finds quota warn 'is 5 vCPUs, .*room for 2: ask for more .*--quota-code L-1216C47A --desired-value 8 --region us-east-2'
quota 0; is_status 3 'a quota of 0'; finds quota fail 'is 0 vCPUs.*room for 0'
quota '"none"'; is_status 0 'no quota'; finds quota warn 'NoSuchResourceException'
quota 1e300; is_status 0 'an absurd quota'; finds quota warn 'which cannot be'
box set quotas '{}' >/dev/null
box run "$PYTHON" -c 'import boto3
e = boto3.client("ec2")
image = e.describe_images(Filters=[{"Name": "architecture", "Values": ["x86_64"]}])["Images"][0]["ImageId"]
e.run_instances(ImageId=image, InstanceType="c5.2xlarge", MinCount=1, MaxCount=1)' || report 1 'an instance of somebody else'
box set quotas '{"L-1216C47A": 12}' >/dev/null
doctor
is_status 0 'others use it'
finds quota warn 'is 12 vCPUs, 8 of them in use by others.*room for 2'
box set quotas '{}' >/dev/null

# Without spot prices it goes on.
box set deny '["ec2:DescribeSpotPriceHistory"]' >/dev/null
doctor
is_status 0 'spot prices may not be read'
finds permission warn 'ec2:DescribeSpotPriceHistory.*"Action":"ec2:DescribeSpotPriceHistory","Resource":"\*"'
box set deny '[]' >/dev/null

# With spot: auto each market has its own.
sed 's/spot: false/spot: auto/' furrow.yaml >auto.yaml
box set quotas '{"L-34B43A08": 0}' >/dev/null
doctor auto.yaml
is_status 0 'no spot, but on demand'
finds quota warn 'L-34B43A08: .*is 0 vCPUs'
finds quota ok 'L-1216C47A: '
box set quotas '{"L-34B43A08": 0, "L-1216C47A": 1}' >/dev/null
doctor auto.yaml
is_status 3 'neither spot nor on demand'
finds quota fail 'L-34B43A08: .*is 0 vCPUs'
finds quota fail 'L-1216C47A: .*is 1 vCPUs'
box set quotas '{}' >/dev/null

# The clock, by twenty minutes.
box set clock_offset_s -1200 >/dev/null
doctor
is_status 0 'a clock that is off'
finds clock warn '1[12][0-9][0-9] s ahead of .*by NTP'
box set clock_offset_s 0 >/dev/null

# Who.
with=(AWS_SECRET_ACCESS_KEY=wrong)
doctor
is_status 3 'a wrong key'
finds credentials fail 'secret key'
finds permissions warn 'needs credentials'
with=(FURROW_CALLER_IP_URL=http://127.0.0.1:9/)
doctor
is_status 3 'no address'
is 'no address: that alone' "$(fails)" address
with=()

# What the manifest alone is to blame for.
arm=$(box run "$PYTHON" -c 'import boto3; print(boto3.client("ec2").describe_images(
	Filters=[{"Name": "architecture", "Values": ["arm64"]}])["Images"][0]["ImageId"])')
sed -i "s/type: t3.micro/type: t3.micro, ami: $arm/" furrow.yaml
doctor
is_status 64 'an image of another architecture'
is 'an image of another architecture: once' "$(fails)" image
finds image fail "image $arm .* is for arm64, but the instance is x86_64"
box run "$PYTHON" -c 'import boto3; boto3.client("ssm").put_parameter(Name="/team/words", Value="hello", Type="String")'
sed -i "s|ami: $arm|ami: /team/words|" furrow.yaml
doctor
is_status 64 'a parameter that holds no image'
finds image fail "GetParameter /team/words: its value names no image"
sed -i 's|us-east-2|us-east-2/us-east-2a|; s|t3.micro, ami: [^,}]*|t3.mirco|; s/max: 4/max: 10000/' furrow.yaml
box set buckets "{\"$BUCKET\": {\"owner\": \"other\"}}" >/dev/null
doctor
is_status 3 "a type that is none, too many, another's bucket"
is 'all of them' "$(fails)" 'bucket type'
finds type fail "did you mean 't3.micro'"
finds subnet warn 'free some, or name a larger'
finds bucket fail 'belongs to another account'
box set buckets '{}' >/dev/null
sed -i 's|us-east-2/us-east-2a|us-esat-2|' furrow.yaml
doctor
is_status 64 'a region that is none'
finds region fail "no region 'us-esat-2' in AWS: did you mean 'us-east-2'"

[ $asked -gt 200 ]; report $? 'it has asked much'
is 'and changed nothing' "$changed" ''
ledger_is 'one by the apply, one by somebody else' 2 1
done_testing
