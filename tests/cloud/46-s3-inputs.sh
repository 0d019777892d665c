#!/usr/bin/env bash
# A map over objects of S3: pinned by the plan, fetched by the host itself, brought together in a bucket.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

put_object() { client aws s3 cp --quiet - "s3://data/$1"; }
objects() { client aws s3 ls --recursive "s3://data/${1-}" | awk '{ print $4 }' | xargs; }
object() { client aws s3 cp --quiet "s3://data/$1" -; }
# gets FILTER: of requests for inputs since log_from, those that this is true of.
gets() {
	box log | jq "[.[${from:-0}:][] | select(.method == \"GET\" and (.target | test(\"/in/.*X-Amz-Signature\"))) |
		select($1)] | length"
}
from_host='(.peer | startswith("10.77.")) | not'

client aws s3 mb s3://data >/dev/null
for i in a b 'c d+e'; do echo "text $i" | put_object "in/$i.txt"; done
echo no | put_object in/notes.md
echo no | put_object in/sub/x.txt
printf '' | put_object in/

job over <<'E'
furrow: 1
name: over
entrypoint: |
  test "$(env | grep -c -e X-Amz -e FURROW_FETCH)" = 0 || exit 3
  basename "$FURROW_INPUT" >"$FURROW_OUT/name"
  cat "$FURROW_INPUT" >"$FURROW_OUT/copy"
  cat "$FURROW_INPUT"
instances: {infra: aws/us-east-2, cpus: 2, memory: 1GiB+, max: 1, idle: 5m}
map: {inputs: {s3: "s3://data/in/*.txt"}}
results: s3://data/out
E
log_from
run furrow plan
is_status 0 'plan'
out_like '^  > task\[0\.\.2\] +3 tasks: no result yet$'
out_like '^  \+ collect +bring 3 results to s3://data/out/$'
is 'a plan changes nothing' "$(changes)" ''
run furrow apply -y
is_status 0 'apply'
is 'the results are objects' "$(objects out/)" "out/.furrow-index out/a.txt/copy out/a.txt/name out/a.txt/stdout $(
	)out/b.txt/copy out/b.txt/name out/b.txt/stdout $(
	)out/c_d+e.txt-f660677c/copy out/c_d+e.txt-f660677c/name out/c_d+e.txt-f660677c/stdout"
is 'of their inputs' "$(object out/a.txt/copy) $(object out/c_d+e.txt-f660677c/copy)" 'text a text c d+e'
is 'which were called as their keys are' "$(object out/c_d+e.txt-f660677c/name)" 'c d+e.txt'
is 'the host fetched each once' "$(gets "($from_host) and .status == 200")" 3
is 'nobody else fetched any' "$(gets "$from_host | not")" 0
is 'no URL is in the journal' "$(cat "$T"/over/.furrow/runs/*/journal.jsonl | grep -c 'X-Amz')" 0
run furrow apply -y
is_status 0 'again'
err_like 'Nothing to do: all 3 tasks have results'

echo 'newer text' | put_object in/b.txt
run furrow plan -o plan
is_status 0 'a plan with a changed object'
out_like '^  > task\[1\] +b.txt: its key changed'
out_like 'replacing 1 older one'
echo 'newest text' | put_object in/b.txt
run furrow apply -y plan
is_status 4 'what changed since the plan'
err_like 'the inputs of tasks changed'

# What passes is tried again, by the host; a URL that is over by the next attempt.
log_from
box fault '[{"path": "/in/.*X-Amz-Signature", "nth": 1, "error": {"status": 503, "code": "SlowDown"}},
	{"path": "/in/.*X-Amz-Signature", "nth": 1, "lose_request": "reset"},
	{"path": "/in/.*X-Amz-Signature", "nth": 1,
	 "error": {"status": 403, "code": "AccessDenied", "message": "Request has expired"}}]' >/dev/null
run furrow apply -y
is_status 0 'with a slow store, a lost request, a URL that is over'
is 'all rules applied' "$(box faults | jq -c '[.[].applied]')" '[1,1,1]'
box faults clear >/dev/null
is 'the newest is there' "$(object out/b.txt/copy)" 'newest text'
is 'in the end it was fetched' "$(gets '.status == 200')" 1

# Changed, and gone, while the tasks before it run.
job slow <<'E'
furrow: 1
name: slow
entrypoint: cat "$FURROW_INPUT"; case $FURROW_INPUT in */a.txt) sleep 10 ;; esac
instances: {infra: aws/us-east-2, cpus: 2, memory: 1GiB+, max: 1}
map: {inputs: {s3: "s3://data/in/*.txt"}, per_instance: 1}
retry: {attempts: 3, for: [error]}
results: results/
E
log_from
(cd "$T/slow" && client furrow apply -y --progress plain >"$T/slow.out" 2>&1; echo $? >"$T/slow.status") &
fetched_one() { [ "$(gets '.status == 200')" -ge 1 ]; }
ok 'it runs' comes_true 60 fetched_one
echo 'evil' | put_object in/b.txt
client aws s3 rm --quiet 's3://data/in/c d+e.txt'
wait
is 'its exit status' "$(cat "$T/slow.status")" 4
ok 'the changed one is told' grep -q \
	'^failed task\[1\] b.txt: s3://data/in/b.txt changed since the plan (ETag "[0-9a-f]*"): plan again$' "$T/slow.out"
ok 'the one that is gone too' grep -q 's3://data/in/c d+e.txt is not there any more: plan again$' "$T/slow.out"
is 'neither was tried again' "$(gets '.status == 412') $(gets '.status == 404')" '1 1'
is 'the other one is there' "$(cat results/a.txt/stdout)" 'text a'
is 'nothing was made of what changed' "$(echo results/*)" results/a.txt
run furrow apply -y
is_status 0 'the next apply'
is 'takes what is there now' "$(cat results/b.txt/stdout)" evil

# Bad input, found by the plan.
bad() { # LINE MESSAGE
	sed "s#^$1: .*#$2#" "$T/over/furrow.yaml" >bad.yaml
	log_from
	run furrow plan --allow-dirty bad.yaml
	is_status 64 "$2"
	is 'nothing was done' "$(changes)" ''
}
client aws s3api create-bucket --bucket far --region eu-west-1 \
	--create-bucket-configuration LocationConstraint=eu-west-1 >/dev/null
bad map 'map: {inputs: {s3: "s3://no-such-bucket/*"}}'
err_like '^furrow: bad.yaml:[0-9]*:[0-9]*: map.inputs.s3: there is no bucket no-such-bucket'
bad map 'map: {inputs: {s3: "s3://far/*"}}'
err_like 'bad.yaml:[0-9]*:[0-9]*: map.inputs.s3: bucket far lies in eu-west-1, this job.s region is us-east-2: name a bucket'
bad map 'map: {inputs: {s3: "s3://data/in/*.csv"}}'
err_like "^bad.yaml:[0-9]*:[0-9]*: error: map.inputs: 's3://data/in/[*].csv' matches none of the [0-9]* objects"
bad map 'map: {inputs: {s3: "s3://data"}}'
err_like 'all of its objects are "s3://data/[*][*]"'
bad results 'results: s3://no-such-bucket/x'
err_like 'results: there is no bucket no-such-bucket'
sed -i 's#^results: .*#results: results/#' "$T/over/furrow.yaml"
box fault '{"service": "s3", "path": "^/data", "count": 0, "error": {"status": 403, "code": "AccessDenied"}}' >/dev/null
bad map 'map: {inputs: {s3: "s3://data/in/*"}}'
err_like 'map.inputs.s3: .*may not use it .403'
box faults clear >/dev/null
done_testing
