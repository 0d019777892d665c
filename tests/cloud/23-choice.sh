#!/usr/bin/env bash
# The choice of instances: the cheapest offer, the next one when EC2 has none of it, limits on what one may cost, and prices
# that cannot be had.
. "$(dirname "$0")/lib.sh"
mkdir -p "$T/offers" && cd "$T/offers" || exit 1

# manifest INSTANCES [LINES]
manifest() {
	printf 'furrow: 1\nname: offers\nworkdir: {path: .}\nentrypoint: echo %s >"$FURROW_OUT/said"\ninstances: {%s}\n%s\n' \
		"${3-$RANDOM}" "$1" "${2-}" >furrow.yaml
}
apply() { run timeout 110 box run furrow apply -y --progress plain "$@"; }
# asked: what RunInstances was asked for since $since, "TYPE MARKET ZONE" each
asked() {
	box log --since "$since" | jq -r '.[] | select(.action == "RunInstances") | .params |
		.InstanceType + " " + (."InstanceMarketOptions.MarketType" // "on-demand") + " " + ."Placement.AvailabilityZone"'
}
now() { since=$(box log | jq length); }

# The cheapest of all that fits, with what the next best would have cost; and the same for people who read JSON.
manifest 'infra: aws/us-east-2, cpus: 2+, memory: 4GiB+'
run furrow plan
out_like 'instance\[0\] +launch [a-z0-9.-]+ \(spot\) in us-east-2[abc]: .*, \$0\.[0-9]+/h, the (cheapest|least interrupted of the cheapest) of [0-9]+ offers \(next: '
run furrow plan --json
ok 'the offers, the best first' jq -e '.n_offers > 100 and (.offers | length == 8) and
	(.offers[0] | .market == "spot" and .cpus >= 2 and .memory_bytes >= 4294967296 and .hourly_usd > 0) and
	.offers[0].hourly_usd <= .offers[7].hourly_usd and .prices_missing == null' "$OUT"
best=$(jq -r '.offers[0].type' "$OUT")
zone=$(jq -r '.offers[0].zone' "$OUT")
is 'what was asked before is kept' "$(now; furrow plan >/dev/null
	box log --since "$since" | jq '[.[] | select(.action | test("GetProducts|Describe(SpotPrice|InstanceType)"))] | length')" 0
now
run furrow plan --refresh-prices
ok 'until somebody wants to know' jq -e '[.[] | select(.action == "GetProducts")] | length > 0' <(box log --since "$since")

# A price that moves moves the plan.
box set "price.$best/$zone" 9.5 >/dev/null
run furrow plan --refresh-prices --json
ok 'a price that rose' jq -e --arg t "$best" --arg z "$zone" '.offers[0] | .type != $t or .zone != $z' "$OUT"
box set "price.$best/$zone" null >/dev/null

# No capacity: the next offer at once, each with a token of its own; on-demand when spot has none at all.
furrow plan --refresh-prices >/dev/null
manifest 'infra: aws/us-east-2, type: t3.micro, spot: auto'
box set capacity '{"spot:t3.micro":{"us-east-2a":0,"us-east-2b":0}}' >/dev/null
now
apply
is_status 0 'apply: spot in the third zone'
is 'spot until there is some' "$(asked | tail -n 1)" 't3.micro spot us-east-2c'
is 'each zone once' "$(asked | sort | uniq -d | wc -l)" 0
is 'tokens' "$(box log --since "$since" | jq '[.[] | select(.action == "RunInstances") | .params.ClientToken] | length == (unique | length)')" true
box set capacity '{"spot:*":{"*":0}}' >/dev/null
manifest 'infra: aws/us-east-2, type: t3.micro, spot: auto'
now
apply
is_status 0 'apply: no spot at all'
is 'on demand in the end' "$(asked | tail -n 1 | cut -d' ' -f1-2)" 't3.micro on-demand'
manifest 'infra: aws/us-east-2, any_of: [{type: t3.micro, spot: true}, {type: t3.small, spot: false}]'
apply
is_status 0 'apply: alternatives'
is 'the other one' "$(asked | tail -n 1 | cut -d' ' -f1-2)" 't3.small on-demand'
manifest 'infra: aws/us-east-2, type: t3.micro, spot: true'
now
apply
is_status 3 'spot and nothing else: exit 3'
err_like 'none of 3 offers was to be had \(t3.micro \(spot\) in us-east-2., t3.micro \(spot\) in us-east-2., t3.micro \(spot\) in us-east-2.\).*InsufficientInstanceCapacity' 'what was tried'
is 'every zone, whenever it tries' "$(asked | sort | uniq -c | awk '{ print $1, $4 }' | xargs)" \
	'4 us-east-2a 4 us-east-2b 4 us-east-2c'
box set capacity '{}' >/dev/null

# Quotas: that of spot leaves on-demand; that of on-demand is the end, with its name.
box set quota_vcpus '{"on-demand":1920,"spot":1}' >/dev/null
manifest 'infra: aws/us-east-2, type: t3.micro, spot: auto'
now
apply
is_status 0 'no quota of spot: on demand'
is 'asked once for spot' "$(asked | cut -d' ' -f2 | xargs)" 'spot on-demand'
box set quota_vcpus '{"on-demand":1,"spot":1}' >/dev/null
manifest 'infra: aws/us-east-2, type: t3.micro, spot: false'
now
apply
is_status 3 'no quota at all: exit 3'
err_like 'Running On-Demand Standard .* instances", L-1216C47A' 'the name of the quota'
is 'and no other zone is asked' "$(asked | wc -l)" 1
box set quota_vcpus '{"on-demand":1920,"spot":1920}' >/dev/null

# Limits on the price, and prices that cannot be had.
manifest 'infra: aws/us-east-2, cpus: 2+, max_hourly_cost: 0.001'
run furrow plan
is_status 64 'too low a limit'
err_like 'furrow.yaml:5:.*: instances.max_hourly_cost: \$0.0010 an hour is less than anything that fits costs: the cheapest is .* at \$0\.0' 'the cheapest there is'
manifest 'infra: aws/us-east-2, cpus: 2+, max_hourly_cost: 0.06'
run furrow plan --json
ok 'all that is left is below the limit' jq -e '[.offers[] | .hourly_usd <= 0.06] | all' "$OUT"
box set deny '["pricing:GetProducts","ec2:DescribeSpotPriceHistory"]' >/dev/null
run furrow plan --refresh-prices
is_status 0 'no price list: those that were kept'
rm -rf "${XDG_CACHE_HOME:-$HOME/.cache}/furrow"
run furrow plan
is_status 3 'none were kept: exit 3'
err_like 'instances.max_hourly_cost: .*not known, so nothing is launched under a limit: .*AccessDenied' 'why there are none'
manifest 'infra: aws/us-east-2, type: t3.micro, spot: false'
run furrow plan
is_status 0 'without a limit'
out_like '^Prices: .*AccessDenied.*; the smallest instance that fits is taken for the cheapest' 'what is assumed then'
out_unlike '/h, ' 'no price is made up'
box set deny '[]' >/dev/null
manifest 'infra: aws/us-east-2, any_of: [{type: t3.mirco}, {type: t3.nano}]'
run furrow plan
is_status 0 'an alternative that nothing fits'
out_like 'launch t3.nano '
is 'nothing runs' "$(running)" 0
done_testing
