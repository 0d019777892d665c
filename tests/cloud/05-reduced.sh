#!/usr/bin/env bash
# The box for who is not root: EC2's and S3's APIs on loopback. A plan reads them; what needs hosts says so.
# shellcheck source=../cli/lib.sh
. "$(dirname "$0")/../cli/lib.sh"
PATH=$PATH:$ROOT/tests/cloud
unset BOX_PROC
export BOX_DIR=$T/box B
if ! PYTHON=$(box python 2>"$T/why"); then
	skip "$(basename "$0")" "$(tail -n 1 "$T/why")"
	done_testing
fi
trap 'box down 2>/dev/null; cleanup' EXIT
run box up --reduced --rtt 80 --dir "$BOX_DIR"
is_status 1 'a reduced box with a line'
err_like 'neither line nor hosts: they need root'
run box up --reduced --dir "$BOX_DIR"
is_status 0 'it comes up'
furrow() { box run "$B/furrow" "$@"; }

mkdir job && cd job || exit 1
cat >furrow.yaml <<'E'
furrow: 1
name: reduced
workdir: {path: .}
entrypoint: "true"
instances: {infra: aws/us-east-2, cpus: 2, max: 3}
map: {inputs: {count: 9}}
E
run furrow plan
is_status 0 'a plan'
out_like '\+ instance\[0\.\.2\] +launch [a-z0-9.]+ \(spot\) in us-east-2[abc]: 2 cpus'
is 'changes nothing' "$(box log | jq '[.[] | select(.mutating)] | length')" 0
sed -i 's/cpus: 2/type: t3.nonesuch/' furrow.yaml
run furrow plan
is_status 64 'an unknown type'
err_like 't3.nonesuch'
is 'nothing was launched' "$(box ledger | jq .launched)" 0
run box run "$PYTHON" -c 'import boto3
s = boto3.client("s3"); s.create_bucket(Bucket="reduced-box", CreateBucketConfiguration={"LocationConstraint": "us-east-2"})
s.put_object(Bucket="reduced-box", Key="k", Body=b"v"); print(s.get_object(Bucket="reduced-box", Key="k")["Body"].read().decode())'
is 'S3' "$(cat "$OUT")" v
run box hosts
is_status 1 'hosts'
err_like 'a reduced box has no hosts: that needs root'
run box rtt 80
err_like 'a reduced box has no line: that needs root'
read -r keeper _ api <"$BOX_DIR/box"
run box down
is_status 0 'it goes down'
for _ in $(seq 50); do [ -e "/proc/$keeper" ] || [ -e "/proc/$api" ] || break; sleep 0.1; done
is 'and leaves no process' "$(ls -d "/proc/$keeper" "/proc/$api" 2>/dev/null)" ''
is 'and no folder' "$(ls -d "$BOX_DIR" 2>/dev/null)" ''
done_testing
