#!/usr/bin/env bash
# The phases of every node sum to its wall, those on the critical path to the run's, in real runs.
. "$(dirname "$0")/lib.sh"

# Reads `furrow report --json`. Seconds have nine decimals: compared in nanoseconds.
sums() {
	furrow report latest --json >"$T/report.json" 2>"$ERR" || return 1
	jq -e '
		def ns: . * 1e9 | round;
		def total: map(ns) | add // 0;
		([.nodes[] | select(.end_s != null and .ready_s != null) |
			(([.phases[]] | total) - ((.end_s | ns) - (.ready_s | ns))) | fabs <= 1] | all and length > 0)
		and ((([.critical_phases[]] | total) - (.wall_s | ns)) | fabs <= 5)
	' "$T/report.json" >/dev/null
}

for example in quickstart matrix resume; do
	cp -r "$ROOT/examples/$example" "$T/$example" && cd "$T/$example" || exit 1
	rm -rf .furrow results
	repo . >/dev/null
	run furrow apply -y
	is_status 0 "$example applies"
	ok "$example: phases sum to walls" sums
	cd "$T" || exit 1
done

mkdir failing && cd failing || exit 1
cat >furrow.yaml <<'E'
furrow: 1
name: failing
workdir: {path: .}
entrypoint: sleep 0.0$FURROW_INPUT; exit $((FURROW_INPUT % 2))
map: {inputs: {count: 20}}
retry: {attempts: 2, delay: 10ms}
E
run furrow apply -y -k
is_status 1 'a run with failed tasks exits with 1'
ok 'phases sum to walls with failures and retries' sums
done_testing
