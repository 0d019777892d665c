#!/usr/bin/env bash
# environment.setup once for a fleet: the first host runs it, the others, a later run's too, fetch what it left; and what comes of
# it when setup, a host or the store fails. Setup counts itself in the test's own bucket.
. "$(dirname "$0")/lib.sh"
BUCKET=furrow-123456789012-us-east-2
client aws s3 mb s3://counts >/dev/null

stored() { client aws s3 ls --recursive "s3://$BUCKET/setups/$1/" 2>/dev/null | awk '{print $4}'; }
how() { jq -r 'select(.ev == "effect") | .id | split("\n")[0] | select(test("^(ran|fetched|failed)"))' .furrow/runs/"$(ls .furrow/runs | tail -1)"/journal.jsonl | sort | uniq -c | sed 's/^ *//'; }

job many <<'Y'
furrow: 1
name: many
entrypoint: ./work.sh
environment: {setup: ./set-up.sh, setup_files: [set-up.sh]}
instances: {infra: aws/us-east-2, type: t3.micro, max: 6}
map: {inputs: {count: 12}, per_instance: 2}
outputs: out/
Y
cat >set-up.sh <<'S'
#!/bin/sh -e
mkdir -p bin "odd ümlaut/$(printf 'x%.0s' $(seq 120))" empty
printf '#!/bin/sh\necho "made on $(cat "$FURROW_ENV/host"), $(readlink "$FURROW_ENV/bin/python")"\n' >bin/tool
chmod 755 bin/tool
ln -s /usr/bin/env bin/python
ln -s tool bin/also
hostname >host
head -c 3000000 /dev/urandom >"odd ümlaut/big"
touch -d @1234567890 bin/tool
sleep 1
S
cat >work.sh <<'S'
#!/bin/sh -e
mkdir out
also >out/said
stat -c '%Y %a' "$FURROW_ENV/bin/tool" >>out/said
hostname >out/host
sha256sum "$FURROW_ENV"/odd*/big | cut -c 1-64 >>out/said
sleep 4
S
chmod +x set-up.sh work.sh
commit .
run furrow plan
out_like 'start a runner on it, run setup once, share it'
run furrow apply -y
is_status 0 'six hosts'
is 'setup ran on one' "$(how | grep ran)" '1 ran'
hosts=$(cat results/*/host | sort -u | wc -l)
is "several hosts had a share ($hosts)" "$([ "$hosts" -ge 3 ] && echo so)" so
furrow report --json >"$T/report"
ok 'the report counts setup as env' jq -e '.phases.env >= 1' "$T/report"
is 'all of them have the same' "$(sort -u results/*/said | wc -l)" 3
ok 'with its links' grep -Eq '^made on .*, /usr/bin/env$' results/0/said
ok 'with its times and modes' grep -q '^1234567890 755$' results/0/said
is 'one lies in the store' "$(stored many | wc -l)" 1
is 'how it came to the others' "$(how | grep -v ran | sed 's/^[0-9]* //')" fetched

sed -i 's/count: 12/count: 14/' furrow.yaml
commit .
run furrow plan
out_like 'start a runner on it, fetch what setup left \(2\.[0-9] MiB\)'
run furrow apply -y
is_status 0 'a later run, on cold hosts'
is 'fetches it' "$(how | sed 's/^[0-9]* //')" fetched
is 'and it is the same' "$(sort -u results/*/said | wc -l)" 3
done_testing
