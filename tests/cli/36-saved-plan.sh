#!/usr/bin/env bash
# A saved plan is applied exactly as it was shown, once, or not at all.
. "$(dirname "$0")/lib.sh"

mkdir job && cd job || exit 1
cat >furrow.yaml <<'E'
furrow: 1
name: saved
entrypoint: cat "$FURROW_INPUT"
map: {inputs: 'in/*'}
E
mkdir in && echo a >in/a && echo b >in/b && repo . >/dev/null
plan() { rm -f "$T/p"; furrow plan -o "$T/p" "$@" 2>/dev/null >&2; }
runs() { find .furrow/runs -mindepth 1 -maxdepth 1 2>/dev/null | wc -l; }

plan; run furrow apply "$T/p"
is_status 0 'a saved plan is applied, unasked'; ok 'and does it' [ -e results/b/stdout ]
run furrow apply "$T/p"; is_status 4 'not twice'
err_like "applied already as run [0-9A-Z]{26}" 'says in which run'
is 'one run' "$(runs)" 1
rm -rf .furrow/store results
run furrow apply "$T/p"; is_status 4 'not twice, even when there is something to do'

plan; cd "$T" || exit 1; run furrow apply p; is_status 0 'from another folder'; cd job || exit 1

# Whatever moved makes it stale.
echo c >in/c; commit .; plan; echo d >in/d; commit .
run furrow apply "$T/p"; is_status 4 'another commit'; err_like 'commit' 'is named'
is 'nothing was done' "$(runs)" 2
plan; furrow apply -y >/dev/null 2>&1
run furrow apply "$T/p"; is_status 4 'results came in between'
echo e >in/e; commit .; plan; sed -i 's/^name/# words\nname/' furrow.yaml; commit .
run furrow apply "$T/p"; is_status 4 'another manifest'; err_like 'manifest' 'is named'
plan --rev HEAD~2; git commit -q --allow-empty -m more
run furrow apply "$T/p"; [ "$status" = 0 ] || [ "$status" = 4 ]; report $? 'a plan of a revision'

# What is no plan.
echo f >in/f; commit .; plan
sed 's/"saved"/"other"/' "$T/p" >"$T/edited"; run furrow apply "$T/edited"; is_status 64 'an edited plan'
head -c 200 "$T/p" >"$T/cut"; run furrow apply "$T/cut"; is_status 64 'a truncated plan'
echo '{}' >"$T/empty"; run furrow apply "$T/empty"; is_status 64 'JSON, but no plan'
sed 's/"furrow_plan":1/"furrow_plan":99/' "$T/p" >"$T/newer"; run furrow apply "$T/newer"; is_status 64 'a plan of a newer furrow'
run furrow apply "$T/p" --rev HEAD; is_status 64 'options that contradict it'; err_like '--rev' 'are named'
run furrow apply "$T/p" -n; is_status 0 '-n of a saved plan'; is 'begins nothing' "$(ls .furrow/applied | wc -l)" 2
run furrow apply "$T/p" -j 1; is_status 0 'how many at a time may be chosen'

# Two at once: one of them applies it.
echo g >in/g; commit .; plan
for i in 1 2 3 4; do { furrow apply "$T/p" >/dev/null 2>&1; echo $? >"$T/status.$i"; } & done
wait
is 'four at once: one applies it' "$(cat "$T"/status.* | grep -cx 0)" 1
is 'four at once: the others are told' "$(cat "$T"/status.* | grep -cx -e 4 -e 75)" 3
done_testing
