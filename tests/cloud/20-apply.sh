#!/usr/bin/env bash
# A job on instances, from nothing to results: cold, again, warm, with setup, with results in a bucket. The ledger says
# what ran; the log what was asked for.
. "$(dirname "$0")/lib.sh"
BUCKET=furrow-123456789012-us-east-2

job hello <<'E'
furrow: 1
name: hello
entrypoint: ./greet.sh "$FURROW_INPUT"
environment: {env: {WORD: hello}}
instances: {infra: aws/us-east-2, cpus: 2, memory: 1GiB+, max: 1}
map: {inputs: [a, b, "c d"]}
outputs: out/
results: results/
E
cat >greet.sh <<'E'
#!/bin/sh
mkdir out && echo "$WORD $1" >out/words && hostname >out/host && id -un && echo "to stderr" >&2
E
chmod +x greet.sh
commit .

# Planning reads.
log_from
run furrow plan
is_status 0 'plan'
out_like '^  \+ source +upload 3 files of main@[0-9a-f]+ and the runner to s3://furrow-123456789012-us-east-2$'
out_like '^  \+ access +make the store s3://.*; let this machine in, by security group furrow-hello$'
out_like '^  \+ instance\[0\] +launch [a-z0-9.]+ \(spot\) in us-east-2[abc]: 2 cpus, [0-9.]+ GiB, x86_64, ami-[0-9a-f]+, [$]0[.][0-9]+/h, the cheapest of [0-9]+ offers \(next: .* in us-east-2[abc], \+[0-9]+ %\)$'
out_like '^  \+ environment\[0\] +start a runner on it, 2 tasks at a time$'
out_like '^  > task\[0\.\.2\] '
out_like '^  - release\[0\] +terminate it$'
first_offer() { furrow offers --json 2>/dev/null | jq -c '.offers[0] | [.type, .zone, .market]'; }
cold=$(first_offer)
is 'a plan changes nothing' "$(changes)" ''
ledger_is 'a plan' 0 0
run furrow plan --json
ok 'as JSON' jq -e '.infra == "aws/us-east-2" and .summary.run == 3 and
	(.actions[] | select(.id == "instance[0]") | .verb == "create")' "$OUT"

# Cold.
run furrow apply -y
is_status 0 'apply'
err_like '^3 tasks done, in '
err_like '^  boot '
err_like '^  together .* 100 %'
is 'results' "$(cat results/a/words results/b/words results/c*/words | tr '\n' ' ')" 'hello a hello b hello c d '
is 'its streams' "$(cat results/a/stdout results/a/stderr | tr '\n' ' ')" 'furrow to stderr '
is 'they ran on the instance' "$(sed 's/-.*//' results/a/host)" ip
ledger_is 'after it' 1 0
is 'as it was asked to' "$(box ledger | jq -r '.instances[0].reason_code')" Client.UserInitiatedShutdown
is 'IMDSv2, and the end of the machine is its end' "$(box log | jq -r '.[] | select(.action == "RunInstances") | .params |
	."MetadataOptions.HttpTokens" + " " + .InstanceInitiatedShutdownBehavior')" 'required terminate'
is 'everything is tagged' "$(box log | jq -r '.[] | select(.action == "RunInstances") | .params | to_entries[] |
	select(.key | test("ResourceType$")) | .value' | sort | xargs)" 'instance network-interface spot-instances-request volume'
is 'port 22 for this machine alone' "$(box log | jq -r '.[] | select(.action == "AuthorizeSecurityGroupIngress") | .params |
	to_entries[] | select(.key | test("FromPort|ToPort|CidrIp")) | .value' | sort | xargs)" '10.77.0.2/32 22 22'
run furrow report latest
is_status 0 'report'
out_like '^  environment\[0\] .* boot .*, ssh '
run furrow logs latest 'task[1]'
is_status 0 'logs'
out_like '^furrow$' 'what a task printed, out of the store'
run furrow why 'task[0]'
is_status 0 'why'
run furrow runs
out_like ' done '

# Again.
log_from
run furrow apply -y
is_status 0 'again'
err_like 'Nothing to do: all 3 tasks have results'
is 'nothing was launched or uploaded' "$(changes | grep -v ' locks/\|/locks/')" ''
is 'the lock was taken and given back' "$(changes | grep -c /locks/hello)" 2
rm -rf results
run furrow apply -y
is_status 0 'without the results folder'
is 'they come out of the store' "$(cat results/b/words)" 'hello b'
ledger_is 'and need no instance' 1 0

# Another clone, on another machine: the store knows.
git clone -q . "$T/clone" && cd "$T/clone" || exit 1
HOME=$T/other run furrow plan
out_like 'Nothing to do|3 tasks in place' 'another clone finds the results'
cd "$T/hello" || exit 1

# Warm: left with a lease, found, and reused.
sed -i 's/max: 1/max: 1, idle: 5m/; s/\[a, b, /[a, b, d, /' furrow.yaml
commit .
run furrow apply -y
is_status 0 'with idle'
err_like '~ release\[0\] +leave it warm for 5m'
err_like '^1 instance stays warm for 5m and costs money meanwhile; furrow destroy ends it' 'and says so at the end'
ledger_is 'it stays' 2 1
host=$(the_host)
is 'its lease is the idle time' "$(box host "$host" sh -c 'read -r u </run/furrow/until; read -r n _ </proc/uptime
	d=$((u - ${n%.*})); [ $d -gt 240 ] && [ $d -le 300 ] && echo so')" so
is 'nothing of the run is left on it' "$(box host "$host" sh -c 'ls -A /var/lib/furrow/run')" ''
log_from
run furrow plan
out_like "Nothing to do" 'a plan with all in place'
is 'offers are ranked as if all were to run' "$(first_offer)" "$cold"
is 'looks only' "$(changes)" ''
run furrow status
is_status 0 'status'
client aws s3 rm --quiet --recursive "s3://$BUCKET/results/" && rm -rf results
log_from
run furrow plan
out_like '^  = source +in the store'
out_like "^  = instance\[0\] +$host is warm"
out_like "^  \+ environment\[0\] +start a runner on $host, 2 tasks at a time"
is 'a plan over a warm host looks only' "$(changes)" ''
run furrow apply -y
is_status 0 'warm'
is 'no launch, no upload but results, history and lock' "$(changes | grep -v '/results/\|/history/\|/locks/')" ''
is 'four results' "$(ls results | wc -l)" 4
ledger_is 'warm' 2 1

# Setup: once for each environment, kept on the host; what changes is run again.
sed -i 's/^environment: .*/environment: {env: {WORD: hello}, setup: "mkdir bin; cp tool bin\/tool; chmod +x bin\/tool; echo once >>$HOME\/n", setup_files: [tool]}/' furrow.yaml
printf '#!/bin/sh\necho "a tool with $(wc -l <"$FURROW_ENV/n") setup"\n' >tool
printf '#!/bin/sh\nmkdir out && tool >out/words\n' >greet.sh
commit .
run furrow apply -y
is_status 0 'with setup'
err_like 'run setup once, share it'
is 'its programs are in PATH' "$(cat results/a/words)" 'a tool with 1 setup'
sed -i 's/\[a, b, d, /[a, b, d, e, /' furrow.yaml
commit .
run furrow plan
out_like 'with what setup left before' 'the plan knows that it is kept'
run furrow apply -y
is_status 0 'and again'
is 'it ran once' "$(cat results/e/words)" 'a tool with 1 setup'
sed -i 's/mkdir bin;/echo no such luck; exit 3;/' furrow.yaml
commit .
run furrow apply -y
is_status 3 'a setup that fails'
err_like 'environment.setup ended with status 3'
err_like 'no such luck' 'with its last words'
ledger_is 'nothing is leaked by it' 2 0

# Secrets reach the task and nothing else; results in a bucket.
client aws s3 mb s3://results-of-tests >/dev/null
job secret <<'E'
furrow: 1
name: secret
entrypoint: 'test "$TOKEN" = hidden-7f && mkdir out && echo "$FURROW_INPUT" >out/x'
environment: {secrets: [TOKEN]}
instances: {infra: aws/us-east-2, type: t3.micro, max: 2}
map: {inputs: [one, two, three]}
outputs: out/
results: s3://results-of-tests/here
E
run furrow apply -y
is_status 64 'a secret that is not set'
ledger_is 'costs nothing' 2 0
export TOKEN=hidden-7f
run furrow apply -y
is_status 0 'with a secret, and results in a bucket'
is 'objects' "$(client aws s3 ls --recursive s3://results-of-tests/here/ | awk '{ print $4 }' | xargs)" \
	'here/.furrow-index here/one/x here/three/x here/two/x'
is 'one of them' "$(client aws s3 cp s3://results-of-tests/here/two/x -)" two
is 'two instances for three tasks' "$(launched)" 4
is 'none left' "$(running)" 0
run furrow apply -y
err_like 'Nothing to do' 'again'
is 'the secret is in no request, no journal' "$(box log | grep -c hidden-7f)$(grep -rc hidden-7f .furrow | grep -v ':0$')" 0
unset TOKEN

# Spot.
job spot <<'E'
furrow: 1
name: spot
entrypoint: "true"
instances: {infra: aws/us-east-2a, type: t3.micro, spot: true}
E
sed -i 's/us-east-2a/us-east-2\/us-east-2a/' furrow.yaml; commit .
run furrow plan
out_like 'launch t3.micro \(spot\) in us-east-2a'
run furrow apply -y
is_status 0 'on spot'
is 'as it was asked for' "$(box log | jq -r '[.[] | select(.action == "RunInstances")][-1].params |
	."InstanceMarketOptions.MarketType" + " " + ."InstanceMarketOptions.SpotOptions.SpotInstanceType"')" 'spot one-time'
is 'none left' "$(running)" 0
done_testing
