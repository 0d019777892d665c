#!/usr/bin/env bash
# furrow doctor on this machine: all findings together, and nothing changes.
. "$(dirname "$0")/lib.sh"
verdicts() { jq -r '.findings[] | "\(.check) \(.verdict)"' "$OUT" | sort | uniq -c | awk '{ print $2, $3 }' | sort | tr '\n' ' '; }
found() { jq -r ".findings[] | select(.check == \"$1\" and .verdict == \"$2\") | .found" "$OUT"; }

mkdir job && cd job || exit 1
cat >furrow.yaml <<'E2'
furrow: 1
name: here
entrypoint: "true"
E2
echo .furrow >.gitignore
repo .
run furrow doctor
is_status 0 'all is well'
out_like '^ok +runner +.*/furrow-runner: furrow-runner for .* is there$'
out_like '^ok +source +the git repository: 2 files at main@[0-9a-f]+$'
out_like '^ok +machine +.*: [0-9]+ cpus, [0-9]+ MiB of memory$'
out_unlike 'engine|credentials' 'what is not needed is not asked for'
err_like '^doctor: 5 ok, 0 to be warned of, 0 in the way$'
run furrow doctor --json
is_status 0 'the same as JSON'
is 'each with its verdict' "$(verdicts)" 'folders ok machine ok runner ok source ok '
ok 'and what was tried and found' jq -e '.furrow_doctor == 1 and .ok == 5 and all(.findings[]; .tried != "" and .found != "")' "$OUT"
is 'nothing was made' "$(ls -A)" "$(printf '.git\n.gitignore\nfurrow.yaml')"

# Everything at once: no runner, no engine, an uncommitted file, folders that cannot be written, wishes that cannot be had.
cat >furrow.yaml <<'E2'
furrow: 1
name: here
entrypoint: "true"
environment: {image: "x:1"}
instances: {infra: local, max_hourly_cost: 1}
results: .gitignore/results
E2
run env FURROW_RUNNER=/nowhere/runner FURROW_ENGINE=/nowhere/podman furrow doctor
is_status 3 'much is in the way'
for check in runner engine; do out_like "^fail +$check +" "$check"; done
out_like '^fail +source +the git repository: .*furrow.yaml' 'source: not committed'
out_like '^fail +folders +.*/.gitignore/results: results: .*/.gitignore: Not a directory' 'folders'
out_like '^warn +machine +.*furrow.yaml:5:[0-9]+: .*max_hourly_cost' 'a wish that has no effect'
err_like 'in the way$'
run env FURROW_RUNNER=/nowhere/runner furrow doctor --json
is_status 3 'as JSON too'
[ -n "$(found runner fail)" ]; report $? 'runner'

# What is only the manifest's: 64.
sed -i '/^environment\|^results/d' furrow.yaml
run furrow doctor
is_status 64 'only the repository is not as it should be'
run furrow doctor --allow-dirty
is_status 0 'which may be allowed'
echo 'entrypint: x' >>furrow.yaml
run furrow doctor
is_status 64 'a manifest that is none'
err_like "did you mean 'entrypoint'"
cd .. && run furrow doctor
is_status 64 'no manifest'

# AWS that does not answer is told, and does not take long.
cd job && git checkout -q furrow.yaml
run env AWS_REGION=eu-west-1 AWS_MAX_ATTEMPTS=1 furrow doctor --infra aws/us-east-2
is_status 3 'no credentials'
out_like '^fail +credentials +.*no AWS credentials: environment: AWS_ACCESS_KEY_ID is not set'
out_like '^fail +address +'
out_like '^warn +permissions +.*that needs credentials'
done_testing
