#!/usr/bin/env bash
# When what setup left cannot be shared, or not be made: setup that fails on one host and on all, a host that dies while it runs
# it, what the store has and should not.
. "$(dirname "$0")/lib.sh"
# shellcheck source=faulty.sh
. "$ROOT/tests/cloud/faulty.sh"
BUCKET=furrow-123456789012-us-east-2
client aws s3 mb s3://notes >/dev/null
presigned() { # METHOD KEY
	client "$PYTHON" -c 'import boto3, sys
print(boto3.client("s3", region_name="us-east-2").generate_presigned_url(sys.argv[1], {"Bucket": "notes", "Key": sys.argv[2]}))' "$@"
}
stored() { client aws s3 ls --recursive "s3://$BUCKET/setups/$1/" 2>/dev/null | awk '{print $4}'; }
how() { jq -r 'select(.ev == "effect") | .id | split("\n")[0] | select(test("^(ran|fetched|failed)"))' .furrow/runs/"$(ls .furrow/runs | tail -1)"/journal.jsonl | sort | uniq -c | sed 's/^ *//'; }
with_tool='echo "$FURROW_INPUT $(tool)" >"$FURROW_OUT/said"; sleep 1'
setup_of() { printf 'environment: {setup: ./set-up.sh, setup_files: [set-up.sh]}\n'; }
good='mkdir -p bin; printf "#!/bin/sh\necho tool\n" >bin/tool; chmod +x bin/tool'
scripted() { # LINE...: set-up.sh
	printf '%s\n' '#!/bin/sh -e' "$@" >set-up.sh
	chmod +x set-up.sh
}

# The first that tries fails.
work one-fails inputs='{count: 6}' max=3 entrypoint="$with_tool" more="$(setup_of)"
scripted "if ! curl -sf '$(presigned get_object once)' >/dev/null; then" \
	"curl -sf -T /etc/hostname '$(presigned put_object once)'; echo no luck here; exit 3; fi" "$good"
since
apply
is_status 0 'setup that fails on one of three hosts'
ok 'the others do all tasks' whole
err_like 'environment.setup ended with status 3' 'what failed is said'
err_like 'no luck here' 'with its last words'
is 'it failed on one, ran on one' "$(how | sed 's/ .*not shared.*//' | grep -v fetched | cut -d: -f 1 | tr '\n' ,)" '1 failed,1 ran,'
newly 'one of three' 3

work all-fail inputs='{count: 8}' max=4 more="$(setup_of)"
scripted 'echo no such luck; exit 4'
since
apply
is_status 3 'setup that fails everywhere'
err_like 'no such luck'
is 'is not tried on more than two' "$(how | cut -d: -f 1)" '2 failed'
is 'nothing runs' "$(running)" 0

work dies inputs='{count: 6}' max=3 instances=', spot: true' entrypoint="$with_tool" more="$(setup_of)"
scripted "if ! curl -sf '$(presigned get_object died)' >/dev/null; then" \
	"curl -sf -T /etc/hostname '$(presigned put_object died)'; sleep 600; fi" "$good"
begin_apply
ok 'setup runs' comes_true 60 client aws s3 ls s3://notes/died
maker=$(client aws s3 cp s3://notes/died -)
maker=$(box hosts | awk '$3 == "up" {print $1}' | while read -r id; do [ "$(box host "$id" hostname)" = "$maker" ] && echo "$id"; done)
box interrupt "$maker" 0 >/dev/null
await_apply
is_status 0 'a host that dies while it runs setup'
ok 'the others do all tasks' whole
is 'another one has run it' "$(how | grep ran)" '1 ran'
is 'nothing runs' "$(running)" 0

# What the store has of it is not what setup left: it is refused, setup runs, and what it leaves goes to the store instead.
count=6
again() { # DESC RE
	since
	sed -i "s/count: $count/count: $((count += 1))/" furrow.yaml
	n_tasks=$count
	apply
	is_status 0 "$1"
	ok "$1: every task has its result" whole
	ok "$1: it is refused, and setup runs" grep -Eq "^1 ran; not fetched: .*$2" <<<"$(how)"
	newly "$1" 1
	is "$1: there is another one in the store" "$(stored dies | grep -vc "$key")" 1
}
put() { client aws s3 cp --quiet "$1" "s3://$BUCKET/$2"; }

key=$(stored dies)
head -c "$(client aws s3 ls "s3://$BUCKET/$key" | awk '{print $3}')" /dev/zero >"$T/garbage"
put "$T/garbage" "$key"
again 'garbage in the store' 'by its SHA-256: refused'

"$PYTHON" - "$T/evil.tar" <<'P'
import io, sys, tarfile
with tarfile.open(sys.argv[1], "w", format=tarfile.USTAR_FORMAT) as t:
    t.addfile(tarfile.TarInfo("../../../../../../tmp/evil"), io.BytesIO(b""))
P
gzip -n "$T/evil.tar"
client aws s3 rm --quiet --recursive "s3://$BUCKET/setups/dies/"
key=${key%/*}/$(sha256sum <"$T/evil.tar.gz" | cut -c 1-64)-10240.tar.gz
put "$T/evil.tar.gz" "$key"
again 'an archive that leads out of its folder' "'../../../../../../tmp/evil' is a path that leads out of its folder"
done_testing
