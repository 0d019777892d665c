#!/usr/bin/env bash
# environment.setup in a container, once for a fleet: one host runs it, the others load the image that it left, a later run's too;
# where that is of no use a host runs it itself.
# shellcheck source=images.sh
. "$(dirname "$0")/images.sh"
push 1 public/busybox:1 >/dev/null || exit 1
BUCKET=furrow-123456789012-us-east-2
how() { jq -r 'select(.ev == "effect") | .id | split("\n")[0] | select(test("^(ran|fetched|failed|was there)"))' .furrow/runs/"$(ls .furrow/runs | tail -1)"/journal.jsonl | sort | uniq -c | sed 's/^ *//' | xargs; }

job boxes <<E
furrow: 1
name: boxes
environment:
  image: $REGISTRY/public/busybox:1
  setup: 'cat tool >/bin/tool && chmod 755 /bin/tool && hostname >/made-on'
  setup_files: [tool]
entrypoint: sleep 2; tool "\$FURROW_INPUT"
instances: {infra: aws/us-east-2, type: t3.micro, max: 3}
map: {inputs: {count: 18}, per_instance: 2}
results: results/
E
printf '#!/bin/sh\necho "$1 by $(cat /made-on)"\n' >tool && commit .

run furrow plan
out_like '^  \+ environment\[0..2\] +start a container on it, pull the image, run setup once, share it, 2 tasks' 'the plan'
run furrow apply -y
is_status 0 'cold'
is 'every task has its result' "$(cat results/*/stdout | wc -l)" 18
is 'one host ran setup' "$(how | grep -o '1 ran$')" '1 ran'
ok 'the others fetched what it left' test -n "$(how | grep -o '[12] fetched')"
is 'so that all have the same' "$(sed 's/.* by //' results/*/stdout | sort -u | wc -l)" 1

# A later run, on other hosts.
sed -i 's/count: 18/count: 20/' furrow.yaml && commit .
run furrow plan
out_like '^  \+ environment\[0\] +start a container on it, fetch what setup left \([0-9.]+ MiB\), 2 tasks' 'the plan of a later run'
pulls_from
run furrow apply -y
is_status 0 'a later run'
is 'nobody ran it' "$(how)" '1 fetched'
is 'and nothing was pulled' "$(pulls)" 0
is 'from the first' "$(sed 's/.* by //' results/*/stdout | sort -u | wc -l)" 1

# What lies there is of no use any more.
client aws s3 ls --recursive "s3://$BUCKET/setups/boxes/" | awk '{ print $4 }' >"$T/keys"
is 'it lies in the store once' "$(wc -l <"$T/keys")" 1
head -c 5000 /dev/urandom >"$T/garbage" && client aws s3 cp "$T/garbage" "s3://$BUCKET/$(cat "$T/keys")" >/dev/null
sed -i 's/count: 20/count: 21/' furrow.yaml && commit .
run furrow apply -y
is_status 0 'garbage in the store'
is 'the host runs it itself' "$(how)" '1 ran; not fetched: what the store has is not what was put there, by its SHA-256: refused'

# Setup that fails.
sed -i 's/setup: .*/setup: "echo no such thing; exit 7"/' furrow.yaml && commit .
run furrow apply -y
is_status 3 'a setup that fails'
err_like 'environment.setup ended with status 7 in a container of image .*public/busybox' 'its status, and where'
err_like 'no such thing' 'its last words'
is 'nothing runs' "$(running)" 0
done_testing
