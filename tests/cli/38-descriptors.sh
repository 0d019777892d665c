#!/usr/bin/env bash
# Few file descriptors, and none where others have stdin, stdout and stderr.
. "$(dirname "$0")/lib.sh"

mkdir job && cd job || exit 1
cat >furrow.yaml <<'E'
furrow: 1
name: few
entrypoint: echo out; echo err >&2; sleep 2
map: {inputs: {count: 60}}
E
repo . >/dev/null

# All of these have written to both streams before the first one ends.
run bash -c 'ulimit -Sn 64; exec furrow apply -y -j 60'
is_status 0 'more tasks at a time than descriptors'
is 'all have a result' "$(furrow status --json | jq .results)" 60

i=0
for closed in '<&-' '>&-' '2>&-' '<&- >&-' '<&- >&- 2>&-'; do
	i=$((i + 1))
	printf 'furrow: 1\nname: few\nentrypoint: echo %s\nmap: {inputs: {count: 2}}\n' $i >furrow.yaml
	commit .
	bash -c "exec furrow apply -y $closed" >"$OUT" 2>"$ERR" </dev/null; status=$? last="furrow apply -y $closed"
	is_status 0 "apply with $closed"
	is "its journal is whole, with $closed" "$(furrow runs --json | jq -r '.runs[0].result')" done
	is "and its tasks are done, with $closed" "$(furrow status --json | jq .results)" 2
done
done_testing
