#!/usr/bin/env bash
# Every example runs, from a repository of its own, and a second apply finds nothing to do.
. "$(dirname "$0")/lib.sh"

example() { # NAME TASKS
	cp -r "$ROOT/examples/$1" "$T/$1" && cd "$T/$1" || exit 1
	rm -rf .furrow results
	repo . >/dev/null
	run furrow validate
	is_status 0 "$1: the manifest is valid"
	run furrow plan --detailed-exitcode
	is_status 2 "$1: there is something to do"
	run furrow apply -y
	is_status 0 "$1: apply"
	is "$1: every task has its folder in results" "$(find results -mindepth 1 -maxdepth 1 -type d | wc -l)" "$2"
	run furrow plan --detailed-exitcode
	is_status 0 "$1: nothing to do after that"
	run furrow apply -y
	is_status 0 "$1: a second apply"
	is "$1: one run, not two" "$(find .furrow/runs -mindepth 1 -maxdepth 1 -type d | wc -l)" 1
}

example quickstart 6
ok 'quickstart: the words are counted' grep -Eq '^ *13 the$' results/tyger.txt/words.txt
ok 'quickstart: what a task prints is kept' grep -q 'different ones' results/tyger.txt/stdout
printf 'one two two\n' >texts/new.txt && commit .
run furrow plan
out_like 'task\[[0-9]+\]' 'quickstart: another text is another task'
run furrow plan --json
is 'quickstart: ... and the only one to run' "$(jq .summary.run "$OUT")" 1
run furrow apply -y
is_status 0 'quickstart: apply with the new text'
ok 'quickstart: its words are counted' grep -Eq '^ *2 two$' results/new.txt/words.txt

example matrix 12
ok 'matrix: the estimates come near pi' sh -c "cat results/*/stdout |
	awk '\$1 == 100000 && (\$3 < 3.1 || \$3 > 3.2) { bad = 1 } END { exit bad }'"

example resume 12
ok 'resume: a task that failed at first was tried again' grep -rqx 'task 3: done at attempt 2' results
ok 'resume: the others were not' grep -rqx 'task 4: done at attempt 1' results
done_testing
