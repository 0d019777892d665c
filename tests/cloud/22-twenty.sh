#!/usr/bin/env bash
# Twenty hosts, at a round trip of 80 ms, with sshd's stock limits: 400 tasks of which each result is right, wherever it ran.
. "$(dirname "$0")/lib.sh"

job twenty <<'E'
furrow: 1
name: twenty
entrypoint: ./work.sh
instances: {infra: aws/us-east-2, type: t3.micro, max: 20}
map: {inputs: {count: 400}, per_instance: 4}
outputs: out/
results: results/
E
printf '#!/bin/sh\nsleep 3\nmkdir out\necho $((FURROW_INPUT * FURROW_INPUT)) >out/square\nhostname >out/host\n' >work.sh
chmod +x work.sh
commit .
box rtt 80 >/dev/null
run furrow apply -y
is_status 0 'apply'
err_like '^400 tasks done, in '
is 'every result is right' "$(for i in $(seq 0 399); do
	[ "$(cat "results/$i/square")" = $((i * i)) ] || echo "$i"; done)" ''
hosts=$(sort -u results/*/host | wc -l)
is "several hosts had a share ($hosts)" "$([ "$hosts" -ge 3 ] && echo so)" so
is 'no more were launched than asked for' "$([ "$(launched)" -le 20 ] && echo so)" so
is 'each has one launch in the journal' "$(grep -c '"op":"RunInstances"' .furrow/runs/*/journal.jsonl)" "$(launched)"
is 'none is left' "$(running)" 0
is 'one connection a host, and one call a look at all of them' "$(box log | jq '[.[] | select(.action == "DescribeInstances")] |
	length < 400')" true
run furrow report latest --json
ok 'its phases add up' jq -e '[.nodes[] | select(.wall_s and .phases) | (.wall_s - ([.phases[]] | add)) | fabs] | max < 0.001' "$OUT"
ok 'those on the critical path to its wall' jq -e '(.wall_s - ([.critical_phases[]] | add)) | fabs < 0.001' "$OUT"
run furrow apply -y
err_like 'Nothing to do: all 400 tasks have results'
done_testing
