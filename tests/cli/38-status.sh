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
done_testing
