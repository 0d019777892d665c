#!/usr/bin/env bash
# The IAM policy of `furrow doctor --policy`: every action that the product calls stands in it, and nothing that changes
# instances or security groups goes without a tag.
. "$(dirname "$0")/lib.sh"
cat >furrow.yaml <<'E2'
furrow: 1
name: least
workdir: {path: .}
entrypoint: "true"
environment: {image: "123456789012.dkr.ecr.eu-west-1.amazonaws.com/tools/sort:1.2"}
instances: {infra: aws/eu-west-1, spot: auto}
map: {inputs: {s3: "s3://in-bucket/texts/2026-*/*.txt"}}
results: s3://out-bucket/least
store: s3://my-store/furrow
E2
run furrow doctor --policy
is_status 0 'a policy'
ok 'is JSON' jq -e . "$OUT"
is 'of IAM' "$(jq -r '.Version' "$OUT")" 2012-10-17
ok 'each statement allows actions on resources' jq -e '.Statement | length > 5 and
	all(.Effect == "Allow" and (.Sid | test("^[A-Za-z0-9]+$")) and (.Action | length > 0) and (.Resource | length > 0))' "$OUT"
is 'statements have names of their own' "$(jq -r '.Statement[].Sid' "$OUT" | sort | uniq -d)" ''
allowed=$(jq -r '.Statement[].Action[]' "$OUT" | sort -u)

# What the sources call: actions of the Query services, JSON targets, and what S3's operations need.
called() {
	local providers=$1
	grep -rhoE '\.service = AWS_(EC2|STS),\s*\.action = "[A-Za-z]+"' <(cat "$providers"/*/*.c | tr '\n' ' ') |
		sed -E 's/.*AWS_([A-Z0-9]+),.*"([A-Za-z]+)"/\L\1\E:\2/'
	cat "$providers"/*/*.c | grep -oE '"(AmazonSSM|AWSPriceListService|ServiceQuotasV[0-9]+|AmazonEC2ContainerRegistry_V[0-9]+)\.[A-Za-z]+"' |
		sed -E 's/"AmazonSSM\./ssm:/; s/"AWSPriceListService\./pricing:/; s/"ServiceQuotasV[0-9]+\./servicequotas:/
			s/"AmazonEC2ContainerRegistry_V[0-9]+\./ecr:/; s/"$//'
	sed -n '/^static const struct s3_operation s3_operations/,/^};/p' "$providers/aws/operation.c" | grep -oE '"s3:[A-Za-z]+"' | tr -d '"'
}
# S3's names for calls that this product does not make, and AssumeRole, which is a profile's wish, on other credentials.
not_called='s3:(GetBucketLocation|GetBucketTagging|PutBucketTagging|PutLifecycleConfiguration|PutEncryptionConfiguration|PutBucketVersioning|PutBucketOwnershipControls|DeleteBucket|ListMultipartUploadParts)'
for word in '"location"' '"tagging"' '"lifecycle"' '"encryption"' '"versioning"' '"ownershipControls"' 's3_delete_bucket'; do
	is "no file asks S3 for $word" "$(grep -l "s3_call_query(.*$word\|$word(" "$ROOT"/providers/*/*.c)" ''
done
lacking() { # PROVIDERS: what is called and not allowed
	comm -23 <(called "$1" | grep -vxE "$not_called|sts:AssumeRole" | sort -u) <(echo "$allowed")
}
[ "$(called "$ROOT/providers" | sort -u | wc -l)" -gt 20 ]; report $? 'the sources tell what they call'
is 'all that is called is allowed' "$(lacking "$ROOT/providers")" ''
mkdir -p more/aws && cp "$ROOT/providers/aws/operation.c" more/aws/
echo 'struct query q = {.service = AWS_EC2,
	.action = "DetonateInstances"};' >more/aws/more.c
is 'one that is new is found' "$(lacking more)" 'ec2:DetonateInstances'
is 'nothing is allowed that is not called' "$(comm -13 <({ called "$ROOT/providers"; echo iam:CreateServiceLinkedRole
	echo ec2:CreateTags # what is made has its tags from the call that makes it
	printf 'ecr:%s\n' BatchCheckLayerAvailability BatchGetImage GetDownloadUrlForLayer; } | sort -u) \
	<(echo "$allowed"))" ''

# Conditions and resources.
is 'no wildcard of actions' "$(grep -F '*' <<<"$allowed")" ''
of() { jq -c ".Statement[] | select(.Sid == \"$1\") | $2" "$OUT"; }
job='{"StringEquals":{"aws:%s/furrow:job":"least"}}'
for sid in Launch MakeGroup; do
	is "$sid: only with the tag" "$(of $sid .Condition)" "$(printf "$job" RequestTag)"
done
for sid in LaunchInto End ChangeGroup; do
	is "$sid: only what has the tag" "$(of $sid .Condition)" "$(printf "$job" ResourceTag)"
done
is 'tags only on what is made' "$(of TagWhatIsMade '.Condition.StringEquals["ec2:CreateAction"]')" '["RunInstances","CreateSecurityGroup"]'
is 'on all resources: only reads' "$(jq -r '.Statement[] | select(.Resource == ["*"]) | .Action[]' "$OUT" | grep -vE ':(Describe|Get)')" ''
is 'the store' "$(of StoreObjects .Resource)" '["arn:aws:s3:::my-store/furrow/*"]'
is 'the repository' "$(of PullContainers .Resource)" '["arn:aws:ecr:eu-west-1:123456789012:repository/tools/sort"]'
is 'the results' "$(of ResultsObjects .Resource)" '["arn:aws:s3:::out-bucket/least/*"]'
is 'inputs are read only' "$(of InputsObjects '[.Action, .Resource]')" '[["s3:GetObject"],["arn:aws:s3:::in-bucket/texts/2026-*"]]'

# What the manifest does not need is not in it.
sed -i '/^map\|^results\|^store\|^environment/d; s/spot: auto/spot: false, ami: ami-0123456789abcdef0/' furrow.yaml
run furrow doctor --policy
is_status 0 'a smaller manifest'
is 'no spot, no parameter, no other buckets' "$(jq -r '.Statement[].Sid' "$OUT" | grep -E 'Spot|FindImage|Results|Inputs|Registry|Containers')" ''
out_unlike 'spot-instances-request' 'no spot requests'
is 'a bucket of its own' "$(of StoreObjects .Resource)" '["arn:aws:s3:::furrow-*-eu-west-1/*"]'
sed -i 's|aws/eu-west-1|aws/cn-north-1|' furrow.yaml
run furrow doctor --policy
is 'another partition' "$(jq -r '.Statement[].Resource[]' "$OUT" | grep '^arn:' | grep -cv '^arn:aws-cn:')" 0

# Of several regions: in each, but a region of the store alone needs nothing of EC2's.
cat >furrow.yaml <<'E2'
furrow: 1
name: least
workdir: {path: .}
entrypoint: "true"
instances: {infra: aws/eu-west-1, spot: false, any_of: [{infra: aws/us-west-2}, {infra: aws/us-east-2, ami: ami-0123456789abcdef0, spot: true}]}
E2
run furrow doctor --policy
is_status 0 'several regions'
is 'launches in those of any_of' "$(of Launch .Resource | tr , '\n' | grep -o 'ec2:[a-z0-9-]*:\*:instance' | xargs)" \
	'ec2:us-west-2:*:instance ec2:us-east-2:*:instance'
is 'the store is at home' "$(of StoreObjects .Resource)" '["arn:aws:s3:::furrow-*-eu-west-1/*"]'
is 'an image by name in one of them' "$(of FindImage .Resource)" '["arn:aws:ssm:us-west-2::parameter/aws/service/*"]'
out_like 'spot-instances-request' 'spot, as one alternative has it'

# What gets none.
run furrow doctor --policy --infra local
is_status 64 'infra local'
err_like 'infra local needs none; --infra aws/REGION'
run furrow doctor --policy --json
is_status 64 'both'
done_testing
