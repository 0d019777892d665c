#!/usr/bin/env bash
# What cannot be: each gets one clear error, at its place in the manifest, and nothing is launched. And a plan changes
# nothing, whatever it finds.
. "$(dirname "$0")/lib.sh"
BUCKET=furrow-123456789012-us-east-2
wish='infra: aws/us-east-2, type: t3.micro'

# manifest INSTANCES [LINES]: in the folder bad; INSTANCES stands in line 5, from column 13 on; LINES from line 6 on.
manifest() {
	mkdir -p "$T/bad" && cd "$T/bad" || exit 1
	local in=$1
	# In one market, behind all that messages give the column of.
	[[ $in == *spot:* || $in == *infra:\ aws ]] || in+=', spot: false'
	printf 'furrow: 1\nname: bad\nworkdir: {path: .}\nentrypoint: echo hi >"$FURROW_OUT/said"\ninstances: {%s}\n%s\n' \
		"$in" "${2-}" >furrow.yaml
}
# refused DESC STATUS RE: plan and apply both end so, with that on stderr; nothing was launched.
refused() {
	before=$(launched)
	run box run env "${with[@]}" furrow plan
	is_status "$2" "$1: plan: exit $2"
	err_like "$3" "$1: plan says why"
	apply_refused "$@"
}
apply_refused() {
	before=$(launched)
	run box run env "${with[@]}" furrow apply -y --progress plain
	is_status "$2" "$1: apply: exit $2"
	err_like "$3" "$1: apply says why"
	is "$1: nothing was launched" "$(launched)" "$before"
}
with=()

# Where, and what.
manifest 'infra: aws/us-esat-2, type: t3.micro'
refused 'a region that is none' 64 "^furrow: furrow.yaml:5:20: instances.infra: no region 'us-esat-2' in AWS: did you mean 'us-east-2'\?"
manifest 'infra: aws'
refused 'no region' 64 "^furrow.yaml:5:20: error: instances.infra: 'aws' names no region; expected aws/REGION"
manifest 'infra: aws/us-east-2/us-east-2z, type: t3.micro'
refused 'a zone that is none' 64 \
	"furrow.yaml:5:20: instances.infra: no zone 'us-east-2z' in us-east-2, .*there are us-east-2a, us-east-2b, us-east-2c"
manifest 'infra: aws/us-east-2/us-west-2a, type: t3.micro'
refused 'a zone of another region' 64 "^furrow.yaml:5:20: error: instances.infra: .*expected one such as us-east-2a"
manifest 'infra: aws/us-east-2, type: t3.mirco'
refused 'a type that is none' 64 "furrow.yaml:5:41: instances: no instance type 't3.mirco' in us-east-2: did you mean 't3.micro'"
manifest "$wish, ami: ami-00000000"
refused 'an image that is none' 64 "furrow.yaml:5:56: instances.ami: no image 'ami-00000000' in us-east-2 that this account may use"
manifest "$wish, ami: ami-zzzz"
refused 'what is no id of an image' 64 "^furrow.yaml:5:56: error: instances.ami: 'ami-zzzz'; expected an image id"
arm=$(box run aws ec2 describe-images --filters Name=architecture,Values=arm64 --query 'Images[0].ImageId' --output text 2>"$T/aws.err")
case $arm in
ami-*)
	manifest "$wish, ami: $arm"
	refused 'an image for the other architecture' 64 "furrow.yaml:5:56: instances.ami: image $arm .* is for arm64, but the instance is x86_64"
	;;
*) skip 'an image for the other architecture' "no aws command, or no such image: $(head -n 1 "$T/aws.err")" ;;
esac

# Wishes that nothing fits.
manifest 'infra: aws/us-east-2, cpus: 4, memory: 1TiB+, gpus: "L4:1"'
refused 'wishes that nothing fits' 64 "furrow.yaml:5:[0-9]+: instances: no instance type fits: of [0-9]+, 'cpus 4' excludes [0-9]+, \
'memory 1TiB\+' excludes [0-9]+, 'gpus L4:1' excludes [0-9]+, .*without 'memory 1TiB\+' 1 would fit"
manifest 'infra: aws/us-east-2, gpus: "L5:1"'
refused 'a GPU that is none' 64 "'gpus L5:1' excludes all.*did you mean 'L4'\? there are GPUs named"
manifest 'infra: aws/us-east-2, type: t4g.micro'
refused 'a type for arm64, without saying so' 64 'furrow.yaml:5:41: instances: t4g.micro is for arm64, .*instances.arch: arm64'
manifest 'infra: aws/us-east-2, type: t4g.micro, arch: x86_64'
refused 'a type for arm64, and the other wish' 64 "'arch x86_64' excludes all; without 'arch x86_64' 1 would fit"
cp "$B/furrow-runner" "$T/furrow-runner"
with=(FURROW_RUNNER="$T/furrow-runner")
manifest 'infra: aws/us-east-2, type: t4g.micro, arch: arm64'
refused 'arm64 without its runner' 64 \
	"furrow.yaml:5:58: instances.arch: tasks on arm64 instances need $T/furrow-runner-arm64, which is not there: .make arm64. builds it"
with=()
manifest "$wish, max: 0"
refused 'max: 0' 64 "^furrow.yaml:5:56: error: instances.max: '0' is too small; expected a whole number from 1"
manifest "$wish, disk: 1GiB"
refused 'a disk smaller than the image' 64 'furrow.yaml:5:57: instances.disk: 1GiB is smaller than what image ami-[0-9a-f]+ holds, '
manifest "$wish, disk: 100TiB"
refused 'a disk that EC2 has not' 64 '^furrow.yaml:5:57: error: instances.disk: EC2 has none of more than 64TiB'
manifest "$wish, disk: {size: 50GiB, warm: 999MiB/s}"
refused 'a disk that cannot be warmed so fast' 64 "^furrow.yaml:5:77: error: instances.disk.warm: '999MiB/s'; expected a rate from 100MiB/s"

# What a cloud cannot grant yet, all in one go.
manifest "$wish, any_of: [{arch: arm64}]" 'max_cost: 3
store: ./folder'
refused 'what cannot be granted' 64 '^furrow: furrow.yaml: 2 errors in it; nothing was done'
for key in instances.any_of.0..arch store; do
	err_like "^furrow.yaml:[0-9]+:[0-9]+: error: $key: " "what cannot be granted: $key"
done

# Buckets.
box run "$PYTHON" -c 'import boto3; boto3.client("s3", "eu-west-1").create_bucket(Bucket="there",
	CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})'
box set buckets '{"others":{"owner":"other"},"there":{"region":"eu-west-1"}}' >/dev/null
for key in results store; do
	manifest "$wish" "$key: s3://others/x"
	refused "$key in a bucket of another account" 64 "furrow.yaml:6:[0-9]+: $key: bucket others is there, but .*belongs to another account"
	err_like '"Action":"s3:ListBucket","Resource":"arn:aws:s3:::others"' "$key: or which line the policy lacks"
	manifest "$wish" "$key: s3://there/x"
	refused "$key in a bucket of another region" 64 "furrow.yaml:6:[0-9]+: $key: bucket there lies in eu-west-1, .*us-east-2"
done
manifest "$wish" 'results: s3://nowhere-to-be-found/x'
refused 'results in no bucket' 64 'furrow.yaml:6:10: results: there is no bucket nowhere-to-be-found'
manifest "$wish" 'map: {inputs: {s3: "s3://nowhere-to-be-found/x/*"}}'
refused 'inputs in no bucket' 64 'furrow.yaml:6:15: map.inputs.s3: there is no bucket nowhere-to-be-found'
manifest "$wish" 'map: {inputs: {s3: "s3://others/x/*"}}'
refused 'inputs in a bucket of another account' 64 'furrow.yaml:6:15: map.inputs.s3: bucket others is there, but'
manifest "$wish" 'store: "s3://"'
refused 'a store without a name' 64 'furrow.yaml:6:8: error: store: '

# Who.
manifest "$wish"
with=(-u AWS_ACCESS_KEY_ID -u AWS_SECRET_ACCESS_KEY)
refused 'no credentials' 64 'no AWS credentials: environment: AWS_ACCESS_KEY_ID is not set; web identity: .*; profile default: .*; container: .*; IMDS: '
is 'no credentials: one error' "$(wc -l <"$ERR")" 1
with=(-u AWS_SECRET_ACCESS_KEY)
refused 'half of them' 64 'AWS_ACCESS_KEY_ID is set, AWS_SECRET_ACCESS_KEY is not'
with=(AWS_ACCESS_KEY_ID=AKIANOSUCHKEY0000000)
refused 'a key that AWS does not know' 64 'AKIANOSUCHKEY0000000'
with=(AWS_SECRET_ACCESS_KEY=wrong)
refused 'a wrong secret key' 64 'secret key (beside it|that belongs to AKIAFURROWBOX0000001)'
with=(AWS_PROFILE=nobody)
refused 'a profile that is none' 64 'AWS_PROFILE: there is no AWS profile nobody in '
with=()
manifest "$wish" 'environment: {secrets: [NOT_SET_HERE]}'
apply_refused 'a secret that is not set' 64 'furrow.yaml:6:.*the secret NOT_SET_HERE is not set in your environment'

# Permissions: the action, on what, and the statement that the policy lacks.
lacks() { # ACTION RESOURCE; what answers a HEAD has no room for a name
	err_like "to the policy of (arn:aws:iam::123456789012:user/furrow|whoever is in environment) add \{\"Effect\":\"Allow\",\"Action\":\"$1\",\"Resource\":\"$2\"\}" \
		"$1: the statement for the policy"
}
manifest "$wish"
for action in ec2:DescribeInstances ec2:DescribeInstanceTypes ec2:DescribeImages ec2:DescribeSubnets \
	ec2:DescribeSecurityGroups ssm:GetParameter; do
	box set deny "[\"$action\"]" >/dev/null
	refused "denied $action" 64 "${action#*:} in us-east-2: .*not authorized to perform: $action"
	lacks "$action" '\*'
done
box set deny '["ec2:RunInstances"]' >/dev/null
apply_refused 'denied ec2:RunInstances' 64 'launch t3.micro in us-east-2[abc] \(on demand\): ec2 RunInstances in us-east-2: UnauthorizedOperation'
lacks ec2:RunInstances '\*'
box set deny '["ec2:CreateTags"]' >/dev/null
apply_refused 'denied ec2:CreateTags' 64 'not authorized to perform: ec2:CreateTags on resource: '
lacks ec2:CreateTags 'arn:aws:ec2:us-east-2:123456789012:[a-z-]*/\*'
box set deny '["s3:ListBucket"]' >/dev/null
run furrow plan
is_status 64 'denied s3:ListBucket: exit 64'
lacks s3:ListBucket "arn:aws:s3:::$BUCKET"
box set deny '["s3:PutObject"]' >/dev/null
apply_refused 'denied s3:PutObject' 64 "s3 PutObject s3://$BUCKET/locks/bad: AccessDenied"
lacks s3:PutObject "arn:aws:s3:::$BUCKET/\*"
box set deny '["s3:GetObject"]' >/dev/null
run furrow plan
is_status 64 'denied s3:GetObject: exit 64'
lacks s3:GetObject "arn:aws:s3:::$BUCKET/\*"
box set deny '[]' >/dev/null

# What makes the bucket and the group of a first apply.
for action in s3:CreateBucket s3:PutBucketPublicAccessBlock ec2:CreateSecurityGroup ec2:AuthorizeSecurityGroupIngress; do
	box set deny "[\"$action\"]" >/dev/null
	manifest "$wish" "store: s3://cold-$(tr -cd a-z <<<"$action")"
	sed -i "s/^name: .*/name: cold-$(tr -cd a-z <<<"$action" | tail -c 30)/" furrow.yaml
	apply_refused "denied $action" 64 "failed access: .*not authorized to perform: $action"
	lacks "$action" '.*'
done
box set deny '[]' >/dev/null
manifest "$wish"

# Quotas by name.
box set quota_vcpus '{"on-demand":1,"spot":1}' >/dev/null
apply_refused 'a quota' 3 'VcpuLimitExceeded: .*the quota is "Running On-Demand Standard .*L-1216C47A: ask for more in Service Quotas'
manifest "$wish, spot: true"
apply_refused 'a quota of spot' 3 'MaxSpotInstanceCountExceeded: .*the quota is "All Standard .* Spot Instance Requests", L-34B43A08'
box set quota_vcpus '{"on-demand":1920,"spot":1920}' >/dev/null
ledger_is 'all of that' 0 0

# A clock that is off by twenty minutes is no bad input: the servers tell the time.
for offset in 1200 -1200; do
	box set clock_offset_s $offset >/dev/null
	manifest "$wish" "map: {inputs: [\"$offset\"]}"
	run furrow apply -y --progress plain
	is_status 0 "a clock that is off by $offset s"
done
box set clock_offset_s 0 >/dev/null
ledger_is 'clocks' 2 0

# A plan changes nothing: with all in place but a task, after a failure, with a warm host, and with all done.
plans() { # DESC STATUS
	log_from
	run furrow plan --detailed-exitcode
	is_status "$2" "a plan, $1: exit $2"
	is "a plan, $1: changes nothing" "$(changes)" ''
	is "a plan, $1: nothing that mutates was let through" "$(box log | jq "[.[$from:][] | select(.mutating)] | length")" 0
}
manifest "$wish, idle: 5m" 'map: {inputs: [one, two], per_instance: 2}'
plans 'with new tasks' 2
box fault '{"action":"RunInstances","error":{"status":500,"code":"InternalError"},"count":0}' >/dev/null
run furrow apply -y --progress plain
is_status 3 'a launch that fails'
box faults clear >/dev/null
plans 'after a failure' 2
run furrow apply -y --progress plain
is_status 0 'apply'
plans 'with a warm host and all done' 0
manifest "$wish, idle: 5m" 'map: {inputs: [one, two, three], per_instance: 2}'
plans 'with a warm host and a task' 2
out_like 'i-[0-9a-f]+' 'the warm host is in the plan'
run furrow destroy -y
is_status 0 'destroy'
plans 'after destroy' 2
is 'nothing runs' "$(running)" 0
done_testing
