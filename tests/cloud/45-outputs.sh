#!/usr/bin/env bash
# Large outputs go from the host to the bucket by themselves, whatever happens to the request and to furrow's connection.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# job NAME INPUT...: a folder with a job whose tasks leave 12 MB each, and say what it is.
job() {
	local name=$1
	shift
	mkdir "$T/$name"
	cat >"$T/$name/furrow.yaml" <<-END
		furrow: 1
		name: $name
		instances: {infra: aws/us-east-2, cpus: 1+, max: 1}
		entrypoint: |
		  : $name; cd "\$FURROW_OUT"; head -c 12000000 /dev/urandom >big; sha256sum big; echo small >small
		map: {inputs: [$(IFS=,; echo "$*")]}
		results: results/
	END
	repo "$T/$name"
}

apply() { cd "$T/$1" && run timeout 120 box run furrow apply -y --progress plain; }

# What lies in the results is what the tasks say.
whole() {
	(cd "$T/$1/results" && for d in */; do
		(cd "$d" && sha256sum --quiet -c stdout && [ "$(cat small)" = small ]) || exit
	done && [ "$(find . -name big | wc -l)" = "$2" ])
}

# puts FILTER: of tars of results since the last look, those that this is true of.
since=0
puts() {
	box log | jq "[.[$since:][] | select(.method == \"PUT\" and (.target | test(\"/results/.*[.]tar\")))
		| select($1)] | length"
}
from_host='(.peer | startswith("10.77.")) | not'
look_from_here() { since=$(box log | jq length); }
nothing_left() { ledger_is "$1" "$2" 0; }
said() { cat "$T/$1"/.furrow/runs/*/host-*.log 2>/dev/null; }

job plain a,b
apply plain
is_status 0
ok 'the results are whole' whole plain 2
is 'each was put once, by the host' "$(puts "($from_host) and .status == 200")" 2
is 'and by nobody else' "$(puts "$from_host | not")" 0
is 'nothing is said of it' "$(said plain)" ''
nothing_left plain 1

look_from_here
job again a
box fault '[{"path": "/results/.*X-Amz-Signature", "method": "PUT", "nth": 1, "error": {"status": 503, "code": "SlowDown"}},
	{"path": "/results/.*X-Amz-Signature", "method": "PUT", "nth": 1, "lose_request": "reset"},
	{"path": "/results/.*X-Amz-Signature", "method": "PUT", "nth": 1,
	 "error": {"status": 403, "code": "AccessDenied", "message": "Request has expired"}}]' >/dev/null
apply again
is_status 0
ok 'slow down, a lost request, a URL that is over: tried again' whole again 1
is 'all rules applied' "$(box faults | jq -c '[.[].applied]')" '[1,1,1]'
is 'in the end it was put, by the host' "$(puts "($from_host) and .status == 200")" 1
is 'and by nobody else again' "$(puts "$from_host | not")" 0
box faults clear >/dev/null

look_from_here
job refused a
box fault '{"path": "/results/.*X-Amz-Signature", "method": "PUT", "count": 0,
	"error": {"status": 403, "code": "AccessDenied"}}' >/dev/null
apply refused
is_status 0
ok 'refused for good: over the connection' whole refused 1
is 'the host tried, with two URLs' "$(puts "($from_host) and .status == 403")" 2
is 'furrow put it' "$(puts "($from_host | not) and .status == 200")" 1
ok 'the log of the host says why' grep -q 'come over the connection: .*HTTP 403, AccessDenied' <(said refused)
box faults clear >/dev/null

# The connection goes while the host puts it: it goes on with that, and tells the next connection.
look_from_here
job cut a
box fault '{"path": "/results/.*X-Amz-Signature", "method": "PUT", "delay": 3}' >/dev/null
(apply cut; echo "$status" >"$T/cut.status") &
uploading() {
	host=$(box hosts | awk '$NF != "gone" {print $1; exit}') && [ -n "$host" ] &&
		box host "$host" pgrep -x curl
}
ok 'the host uploads' comes_true 60 uploading
ok 'its login is cut' box host "$host" sh -c 'kill $(pgrep -u furrow sshd)'
wait
is 'apply ended well' "$(cat "$T/cut.status")" 0
ok 'the results are whole after the cut' whole cut 1
is 'it was put once' "$(puts true)" 1
is 'by the host' "$(puts "$from_host")" 1
box faults clear >/dev/null
nothing_left 'after all' 4
done_testing
