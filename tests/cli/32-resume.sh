#!/usr/bin/env bash
# What is done is not done again: after failures, changes of one input, changes of the rest; and `furrow why` says so.
. "$(dirname "$0")/lib.sh"

mkdir job marks && cd job || exit 1
mkdir in && for i in a b c d; do echo "$i" >in/$i.txt; done
cat >furrow.yaml <<E
furrow: 1
name: resume
entrypoint: echo x >>$T/marks/\$(basename \$FURROW_INPUT); [ -e $T/fixed ] || [ \$(basename \$FURROW_INPUT) != c.txt ]; cat \$FURROW_INPUT
map: {inputs: 'in/*.txt'}
E
sed -i "s/; \[ -e/; set -e; [ -e/" furrow.yaml
repo . >/dev/null
ran() { for f in "$T"/marks/*; do printf '%s=%s ' "$(basename "$f" .txt)" "$(wc -l <"$f")"; done; }

run furrow apply -y; is_status 1 'one of four fails'
is 'all were tried' "$(ran)" 'a=1 b=1 c=1 d=1 '
run furrow apply -y; is_status 1; is 'only what failed is tried again' "$(ran)" 'a=1 b=1 c=2 d=1 '
: >"$T/fixed"
run furrow apply -y; is_status 0; is 'and once more' "$(ran)" 'a=1 b=1 c=3 d=1 '
run furrow apply -y; is_status 0; is 'then nothing' "$(ran)" 'a=1 b=1 c=3 d=1 '

run furrow why b.txt; is_status 0; out_like 'result of +run [0-9A-Z]{26}, .*took .*, commit [0-9a-f]{12}$' 'why: where a result came from'
run furrow why 'task[1]' --json
ok 'why --json' jq -e '.furrow_why == 1 and .in_place and .label == "b.txt" and .result.attempt == 1' "$OUT"

echo more >>in/b.txt; commit .
run furrow plan; out_like 'task\[1\]' 'one input changed: one task'
run furrow why b.txt; out_like '^  input' 'why: the input is new'; out_unlike '^  (entrypoint|source|env) ' 'why: and nothing else'
run furrow apply -y; is_status 0; is 'it alone runs' "$(ran)" 'a=1 b=2 c=3 d=1 '
is 'and its result replaces the old one' "$(cat results/b.txt/stdout | tr '\n' ' ')" 'b more '

echo e >in/e.txt; commit .
run furrow apply -y; is_status 0; is 'a new input: one more task' "$(ran)" 'a=1 b=2 c=3 d=1 e=1 '
touch in/*.txt furrow.yaml
run furrow plan --detailed-exitcode; is_status 0 'touching files changes nothing'

echo 'environment: {env: {MODE: fast}}' >>furrow.yaml; commit .
run furrow plan; out_like '5 to run' 'another environment: all tasks'
run furrow why a.txt --json; is 'why: the environment is new' "$(jq -r '.changed[].part' "$OUT")" env
run furrow why nobody.txt; is_status 64 'why of a task that is not there'
run furrow why; is_status 64 'why of which task?'

# An earlier state has its results still.
run furrow plan --rev HEAD~1 --detailed-exitcode; is_status 0 'the results of an earlier commit are kept'
cp -r .furrow/store "$T/store-before"
git checkout -q HEAD~1
run furrow apply -y; is_status 0 'and going back runs nothing'; is 'nothing at all' "$(ran)" 'a=1 b=2 c=3 d=1 e=1 '
done_testing
