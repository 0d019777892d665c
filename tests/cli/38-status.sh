#!/usr/bin/env bash
# status and plan look at the same files: the commit, unless something tracked differs from it.
. "$(dirname "$0")/lib.sh"

mkdir job && cd job || exit 1
printf 'furrow: 1\nname: st\nentrypoint: cat f\nmap: {inputs: [a, b]}\n' >furrow.yaml
echo 1 >f && repo . >/dev/null
run furrow apply -y; is_status 0 'a run'
run furrow status; is_status 0; out_like 'results +2 of 2' 'all is there'

touch new
run furrow plan --detailed-exitcode; is_status 0 'an untracked file: plan has nothing to do'
run furrow status; is_status 0; out_like 'results +2 of 2' 'and status finds all results'
out_like 'source +exported' 'and the source'
out_unlike 'uncommitted' 'and no uncommitted changes'
run furrow status --json; ok '--json' jq -e '.dirty == false and .results == 2 and has("uncommitted") == false' "$OUT"

echo 2 >f
run furrow plan; is_status 64 'a changed file: plan refuses'; err_like 'modified f;' 'and names it'
run furrow status; is_status 0 'status takes it'; out_like 'with uncommitted changes' 'and says so'
out_like 'uncommitted +modified f; .*--allow-dirty' 'and what plan would say'
out_like 'results +0 of 2' 'results are those of the working files'
run furrow status --json; ok '--json' jq -e '.dirty and .uncommitted == "modified f"' "$OUT"
git checkout -q f

git rm -q --cached furrow.yaml && git commit -q -m 'no manifest'
run furrow plan; is_status 64 'a manifest that is not committed: plan refuses'
run furrow status; is_status 0; out_like 'uncommitted +new furrow.yaml' 'status says why'

run furrow plan --rev nosuch; is_status 64
err_like "revision 'nosuch' is not in" 'a revision that is not there'
err_unlike 'libgit2' 'is no riddle of a library'

# Two manifests in one folder: what runs, and ran last, is told of each.
git add furrow.yaml && git commit -q -m 'it is back'
cat >other.yaml <<E
furrow: 1
name: other
entrypoint: 'touch $T/at-work; while [ ! -e $T/go-on ]; do sleep 0.05; done'
results: others
E
git add other.yaml && git commit -q -m other
run furrow apply -y; is_status 0 'the one job'
mine=$(furrow runs --json -l 1 | jq -r '.runs[0].run')
furrow apply -y other.yaml >/dev/null 2>&1 &
for _ in {1..600}; do [ -e "$T/at-work" ] && break; sleep 0.1; done
run furrow status; is_status 0
out_like 'running +nothing, but job other is applied in this folder: run .*, pid [0-9]+' 'the other one runs'
out_like "latest run +$mine done" 'this one ran before'
run furrow status --json
ok '--json' jq -e --arg mine "$mine" '.running == null and .busy.job == "other" and .latest_run.run == $mine' "$OUT"
run furrow status --json other.yaml
ok 'of the other one' jq -e '.running == .latest_run.run and .running != null and has("busy") == false' "$OUT"
run furrow apply -y; is_status 75 'one at a time'; err_like 'another furrow is at work here: process' 'and says who'
touch "$T/go-on"
wait
run furrow status; out_like 'running +nothing$' 'then nothing runs'
done_testing
