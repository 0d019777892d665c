#!/usr/bin/env bash
# What instances can be had, and for how much: furrow offers, and prices as plan and apply take them. The box's APIs alone.
# shellcheck source=../cli/lib.sh
. "$(dirname "$0")/../cli/lib.sh"
PATH=$PATH:$ROOT/tests/cloud
unset BOX_PROC
export BOX_DIR=$T/box B
if ! box python >/dev/null 2>"$T/why"; then
	skip "$(basename "$0")" "$(tail -n 1 "$T/why")"
	done_testing
fi
trap 'box down 2>/dev/null; cleanup' EXIT
box up --reduced --dir "$BOX_DIR" >/dev/null || exit 1
furrow() { box run "$B/furrow" "$@"; }
asked() { box log | jq "[.[] | select(.action == \"$1\")] | length"; }

mkdir empty && cd empty || exit 1
run furrow offers --cpus 4+ --memory 16GiB+ --on-demand --max 3
is_status 0 'wishes alone, without a manifest'
is 'a title and three lines' "$(head -n 4 "$OUT" | awk '{ print $1 }' | xargs)" 'RANK 1 4 7'
out_like '^ +1 +m5a\.xlarge +us-east-2a,b,c +4 +16GiB +- +on-demand +0\.1736 +0\.0434 +-$' 'all zones of one price, disk counted'
out_like '^[0-9]+ offers in all$'
is 'the price list was read whole' "$(asked GetProducts)" 13
run furrow offers --cpus 4+ --memory 16GiB+ --on-demand --max 3
is 'and is kept' "$(asked GetProducts)" 13
run furrow offers --cpus 4+ --max 1 --refresh-prices
is 'until it is to be asked anew' "$(asked GetProducts)" 26

run furrow offers --gpus L4:1 --spot --json --infra aws/us-east-2/us-east-2b
is_status 0 'as JSON'
ok 'only what was wished, by the hour' jq -e '.furrow_offers == 1 and .job == null and .n_offers > 3 and
	all(.offers[]; .gpu == "L4" and .market == "spot" and .zone == "us-east-2b") and
	([.offers[].rank] == [range(1; .n_offers + 1)]) and
	all(.offers[]; .hourly_usd > .instance_hourly_usd and .slots == .gpus and .interruption != null)' "$OUT"
run furrow offers --type m5.large --on-demand --json
is 'a named type at its price' "$(jq -c '[.offers[].instance_hourly_usd] | unique' "$OUT")" '[0.096]'
run furrow offers --type m5.large --arch arm64
is_status 64 'a type of another architecture'
run furrow offers --cpus four
is_status 64; err_like '^furrow: --cpus: .*four'
run furrow offers --memory '1GiB # much'
is_status 64; err_like "what does '1GiB # much' mean"
run furrow offers --cpus 9999
is_status 64; err_like 'no instance type fits'
run furrow offers --spot --on-demand
is_status 64; err_like 'choose one'
run furrow offers --cpus 2 --infra local
is_status 64; err_like 'infra local has no offers'
run furrow offers --cpus 2 --infra aws/us-esat-1
is_status 64; err_like "did you mean 'us-east-1'"
run furrow offers
is_status 64 'neither wishes nor a manifest'; err_like 'there is no furrow.yaml'

mkdir ../job && cd ../job || exit 1
cat >furrow.yaml <<'E'
furrow: 1
name: priced
workdir: {path: .}
entrypoint: "true"
instances: {infra: aws/us-east-2, cpus: 2+, memory: 8GiB+, max: 3}
map: {inputs: {count: 12}}
E
run furrow plan --json
cp "$OUT" "$T/plan"
run furrow offers --json
is_status 0 'of a job'
is "the plan's own order" "$(jq -c '[.offers[:5][] | [.type, .zone, .market]]' "$OUT")" "$(jq -c '[.offers[:5][] | [.type, .zone, .market]]' "$T/plan")"
is 'the first is chosen' "$(jq -c '[.offers[] | select(.chosen) | .rank]' "$OUT")" '[1]'
is 'and so many of it launched' "$(jq .launched "$OUT")" "$(jq '[.actions[] | select(.kind == "instance")] | length' "$T/plan")"
run furrow offers --max 2
out_like '<- chosen$'; err_like '`furrow apply` launches [123] of the first'
run furrow offers --on-demand --json
is 'wishes of the command line are stronger' "$(jq -c '[.offers[].market] | unique' "$OUT")" '["on-demand"]'

sed 's/, max: 3}/, max: 3, any_of: [{type: m5.large}, {type: c5.xlarge, spot: false}]}/' furrow.yaml >any.yaml
run furrow offers any.yaml --json
is 'alternatives stand beside each other' "$(jq -c '[.offers[].type] | unique' "$OUT")" '["c5.xlarge","m5.large"]'
run furrow offers any.yaml --type t3.large --spot --json
is 'and each is overridden' "$(jq -c '[.offers[] | [.type, .market]] | unique' "$OUT")" '[["t3.large","spot"]]'

box set price.m5.large 0.001 >/dev/null
run furrow plan
out_like 'launch c6a\.xlarge \(spot\) in us-east-2b: 4 cpus' 'plan: prices of before'
run furrow plan --refresh-prices
is_status 0 'plan --refresh-prices'
out_like 'launch m5\.large in us-east-2[abc]: 2 cpus' 'takes what is cheap now'
for price in '"0"' '-0.01' '"NaN"' 20000 '{"CNY": "0.7"}' '[0.1, 0.2]'; do
	box set price.m5.large "$price" >/dev/null
	run furrow offers --type m5.large --on-demand --refresh-prices --json
	is_status 0 "a price of $price"
	is 'is not believed' "$(jq -c '[.offers[].hourly_usd] | unique' "$OUT")" '[null]'
	ok 'and told' jq -e '.prices_missing | test("on-demand prices of us-east-2: 1 is not believed: m5.large: ")' "$OUT"
done
box set price.m5.large null >/dev/null
run furrow offers --type m5.large --on-demand --refresh-prices --max 1
box set deny '["pricing:GetProducts"]' >/dev/null
run furrow offers --type m5.large --on-demand --refresh-prices --max 1
is_status 0 'denied: old ones are used'; err_like '^prices: on-demand prices of us-east-2 cannot be had: .*pricing:GetProducts.*those of 0 minutes ago are used'
rm "$HOME"/.cache/furrow/aws/prices-*
run furrow plan
is_status 0 'denied, and none are kept'
out_like 'launch c6a\.xlarge \(spot\) in us-east-2b: 4 cpus' 'spot prices are known without it'
out_like '^Prices: .*0\.08 USD a GiB and month is assumed' 'what is assumed is told'
box set deny '["pricing:GetProducts", "ec2:DescribeSpotPriceHistory"]' >/dev/null
rm "$HOME"/.cache/furrow/aws/prices-*
run furrow plan
is_status 0 'no price at all'
out_like 'launch [a-z0-9.-]+ in us-east-2[abc]: 2 cpus' 'the smallest that fits'
box set deny '["ec2:DescribeInstanceTypeOfferings"]' >/dev/null
rm "$HOME"/.cache/furrow/aws/ec2-offerings-*
run furrow offers --type p5.48xlarge --on-demand --json
is_status 0 'zones that cannot be asked for'
ok 'are told, and the price is not in doubt' jq -e '.offers[0].instance_hourly_usd == 55.04 and
	(.prices_missing | test("^which types each zone has cannot be had: .*ec2:DescribeInstanceTypeOfferings"))' "$OUT"
box set deny '[]' >/dev/null
box set price.gp3 absent >/dev/null
run furrow offers --type m5.large --on-demand --refresh-prices --json
rm "$HOME"/.cache/furrow/aws/prices-disk-*
run furrow offers --type m5.large --on-demand --json
ok 'a price of disks that cannot be had is assumed, and told' jq -e '.offers[0].extras_hourly_usd > 0 and
	(.prices_missing | test("the price of disks of us-east-2 cannot be had: .*: 0.08 USD a GiB and month is assumed"))' "$OUT"
is 'nothing was changed by any of it' "$(box log | jq '[.[] | select(.mutating and .action != "GetProducts")] | length')" 0
done_testing
