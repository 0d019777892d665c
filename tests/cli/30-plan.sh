#!/usr/bin/env bash
# furrow plan: reads everything, changes nothing.
. "$(dirname "$0")/lib.sh"

mkdir job && cd job || exit 1
cat >furrow.yaml <<'E'
furrow: 1
name: demo
entrypoint: echo "$FURROW_INPUT"
map: {inputs: [a, b, c]}
E
repo . >/dev/null

run furrow plan
is_status 0 'a plan'
out_like 'task\[0\.\.2\]' 'tasks are folded'
out_like '3 to run' 'and counted'
[ ! -s "$ERR" ]; report $? 'a plan has no words on standard error'
ok 'plan leaves nothing behind' [ -z "$(git status --porcelain --ignored)" ]
run furrow plan --detailed-exitcode; is_status 2 '--detailed-exitcode: something to do'

run furrow plan --curve --task-time 90s; is_status 64; err_like 'this machine is the only one' 'one machine has no curve'
run furrow plan --curve --dot; is_status 64; err_like 'goes with neither' 'a curve is no graph'
run furrow plan --task-time 90s; is_status 64; err_like 'is for --curve' '--task-time without --curve'
run furrow plan --curve --task-time 2x; is_status 64; err_like "--task-time: '2x' is no duration" 'no duration'

run furrow plan --json
is_status 0
ok '--json is one document' jq -es 'length == 1 and .[0].furrow_plan == 1 and .[0].job == "demo"' "$OUT"
is '--json has every task' "$(jq '[.actions[] | select(.kind == "task")] | length' "$OUT")" 3
run furrow plan --dot; is_status 0; out_like '^digraph' '--dot is a graph'
run furrow plan -o today.plan; is_status 0; err_like 'today.plan' '-o says where it went'
ok 'a saved plan is JSON' jq -e .sha256 today.plan
rm today.plan
run furrow plan -o nowhere/today.plan; [ "$status" = 3 ]; report $? 'a plan that cannot be saved'

run furrow plan furrow.yaml; is_status 0 'the manifest as argument'
run furrow plan .; is_status 0 'its folder as argument'
run furrow plan -m furrow.yaml; is_status 0 'or with -m'
run furrow plan -m furrow.yaml furrow.yaml; is_status 64 'but not both'
cd "$T" && run furrow -C job plan; is_status 0 '-C'
run furrow plan job/furrow.yaml; is_status 0 'from elsewhere'
ok 'no state folder where one stands' [ ! -e .furrow ]
cd job || exit 1

# Colours.
run furrow plan; out_unlike $'\033' 'no colours into a file'
run furrow plan --color always; out_like $'\033' '--color always'
run env NO_COLOR=1 script -qec 'furrow plan' /dev/null; out_unlike $'\033' 'NO_COLOR on a terminal'
run env TERM=dumb script -qec 'furrow plan' /dev/null; out_unlike $'\033' 'a dumb terminal'
run env TERM=xterm script -qec 'furrow plan' /dev/null; out_like $'\033' 'colours on a terminal'

# How many at a time: the command line, the environment, the manifest, the config file.
mkdir -p "$XDG_CONFIG_HOME/furrow" && echo 'jobs: 3' >"$XDG_CONFIG_HOME/furrow/config.yaml"
run furrow plan; out_like '\b3 tasks at a time' 'jobs from the config file'
run env FURROW_JOBS=5 furrow plan; out_like '\b5 tasks at a time' 'FURROW_JOBS is stronger'
run env FURROW_JOBS=5 furrow plan -j 7; out_like '\b7 tasks at a time' '-j is stronger still'
sed -i 's/^map: .*/map: {inputs: [a, b, c], per_instance: 4}/' furrow.yaml && commit .
run furrow plan; out_like '\b4 tasks at a time' 'the manifest is stronger than the config file'
rm "$XDG_CONFIG_HOME/furrow/config.yaml"

# Revisions, and working files.
git tag v1
sed -i 's/\[a, b, c\]/[a, b, c, d]/' furrow.yaml
run furrow plan; is_status 64 'uncommitted changes are refused'; err_like 'allow-dirty' 'with what to do'
run furrow plan --allow-dirty; is_status 0; out_like 'task\[0\.\.3\]' '--allow-dirty takes them'
run furrow plan --rev v1; is_status 0; out_like 'task\[0\.\.2\]' '--rev takes the manifest of that revision'
rm furrow.yaml
run furrow plan --rev v1; is_status 0 '--rev needs no manifest in the working tree'
run furrow plan --rev v9; is_status 64; err_like 'v9' 'an unknown revision'
run furrow plan --rev v1 --allow-dirty; is_status 64; err_like 'rev and --allow-dirty at once' 'a revision has no working files'
git checkout -q furrow.yaml

# Another infra.
sed -i 's/^name/instances: {infra: aws\/us-east-2}\nname/' furrow.yaml && commit .
run furrow plan; is_status 64
err_like 'no AWS credentials: environment: AWS_ACCESS_KEY_ID is not set; .* profile default: ' 'another infra: what was tried'
run furrow plan --infra local; is_status 0 '--infra local runs it here'

run furrow status; is_status 64 'status checks the manifest, too'
run furrow status --infra local; is_status 0; out_like 'results +0 of 3' 'status of what never ran'
run furrow status --infra local --json; ok 'status --json' jq -e '.furrow_status == 1 and .tasks == 3' "$OUT"
run furrow runs; is_status 0; err_like 'nothing was applied' 'no runs'
run furrow runs --json; ok 'no runs as JSON' jq -e '.runs == []' "$OUT"
run furrow report; is_status 64; err_like 'nothing was applied' 'no run to report'
run furrow logs; is_status 64 'no run to show logs of'
run furrow why 0 --infra local; is_status 0; out_like 'runs: ' 'why of a task that never ran'
run furrow why 3 --infra local; is_status 64; err_like 'task\[2\]' 'why of no task'
done_testing
