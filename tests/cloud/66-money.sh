#!/usr/bin/env bash
# Money: what the plan says, what a run cost, and max_cost: refused at plan time, and kept to while it runs.
. "$(dirname "$0")/lib.sh"

# A cent a second; the box's images have a disk, and hosts have no public addresses.
box set price.m5.large 36
box set price.gp3 0.000001
box set price.m5.xlarge '"absent"'

# money NAME MAX-COST [more of instances]: tasks that take two seconds, four at a time.
money() {
	job "$1" <<-E
		furrow: 1
		name: money
		entrypoint: sleep 2
		instances: {infra: aws/us-east-2, type: m5.large, spot: false, max: 1${3-}}
		map: {inputs: {count: 400}, per_instance: 4}
		max_cost: $2
	E
	commit .
}

money little 0.50
run furrow apply -y
is_status 64 'a minute costs more than max_cost'
err_like 'furrow.yaml:6:11: max_cost: 1 instance would cost at least \$0.60 .*more than \$0.50'
ledger_is 'nothing' 0 0

money unpriced 5
sed -i 's/m5.large/m5.xlarge/' furrow.yaml
commit .
run furrow plan
is_status 64 'no price, a limit'
err_like 'max_cost: no price of m5.xlarge is known'

# With more of them than the manifest allows, and with a max_cost that is too little: it is there to find out.
money choose 0.01
sed -i 's/, spot: false, max: 1/, max: 5/' furrow.yaml
commit .
run furrow plan --curve
is_status 64 'a curve of what never ran'
err_like '--curve: how long a task takes is not known yet.*--task-time 90s'
run furrow plan --curve --task-time 90s
is_status 0 'a curve'
out_like '^400 tasks of about 90\.0 s, as given; '
out_like '^ +5 +m5\.large .* <- instances\.max$'
out_like '^ +100 +m5\.large '
furrow plan --curve --task-time 60s,2m --json >"$T/curve"
ok 'as JSON' jq -e '.task.p50_s > 58 and .task.p90_s > 115 and .points[0].instances == 1 and
	(.points | map(.s) | . == (sort | reverse)) and .points[-1].instances == 100' "$T/curve"
run furrow plan --curve --task-time soon
is_status 64 'no duration'
ledger_is 'nothing' 0 0

# 62 s of it. Tasks are stopped 15 s before: 5 s for themselves, 10 s to release.
money enough 0.62
run furrow plan
is_status 0 'nobody knows how long it takes'
out_like 'price unknown yet: \$36\.0 an hour$'
run furrow apply -y
is_status 1 'max_cost ends it'
err_like '^max_cost \(\$0\.62\) allows no more: '
err_like '^not done: task\[[0-9]'
err_like '^what is done is kept: the next apply goes on from here$'
err_like '^[0-9]+ tasks? done, .* for \$0\.6[0-2]$' 'what it cost: a minute at least'
ledger_is 'released' 1 0
furrow runs --json >"$T/runs"
ok 'runs tells what it cost' jq -e '.runs[0] | .usd >= 0.6 and .usd <= 0.62' "$T/runs"
run furrow report
out_like '^  1 instance, \$0\.6[0-2]$' 'report tells it'
run furrow report --json
ok 'as JSON' jq -e '.usd <= 0.62 and (.instances | length) == 1 and .instances[0].hourly_usd > 35.9 and
	.instances[0].end_s - .instances[0].begin_s < 62' "$OUT"

# Now it is known that all of the rest is too much.
run furrow plan
is_status 64 'what is left costs more'
out_like '^Plan: .* about \$1\.[0-9]+$'
err_like 'max_cost: 1 instance would cost about \$1\.[0-9]+, which is more than \$0\.62'
run furrow apply -y
is_status 64 'so it is not begun'
ledger_is 'nothing more' 1 0
done_testing
