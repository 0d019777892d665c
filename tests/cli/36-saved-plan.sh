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
# Where a plan may be saved: nothing of somebody else's is lost.
cd "$T" && mkdir target && cd target || exit 1
cp ../job/furrow.yaml . && mkdir in && echo a >in/a && repo . >/dev/null
sum=$(cksum <furrow.yaml)
run furrow plan -o furrow.yaml; is_status 64 'not over another file'; err_like 'no saved plan of furrow' 'and says so'
is 'which stays as it was' "$(cksum <furrow.yaml)" "$sum"
run furrow plan -o "$T/q"; is_status 0; run furrow plan -o "$T/q"; is_status 0 'an older plan may be replaced'
: >"$T/made"; run furrow plan -o "$T/made"; is_status 0 'and an empty file (mktemp)'; ok 'it is a plan' grep -q '^{"furrow_plan"' "$T/made"
rm "$T/q"; : >"$T/q"; ln -s "$T/q" "$T/link"; run furrow plan -o "$T/link"; is_status 0 'a link is followed'
ok 'and stays one' [ -L "$T/link" ]; ok 'its target has the plan' grep -q '^{"furrow_plan"' "$T/q"
ln -s "$T/nowhere" "$T/dangling"; run furrow plan -o "$T/dangling"; is_status 64 'a link to nowhere'
run furrow plan -o "$T"; is_status 64 'a folder'; err_like 'is a folder' 'is named so'
run furrow plan -o /dev/full; is_status 3 'a full device'; err_like 'No space left' 'is told'
ok '/dev/full is still one' [ -c /dev/full ]
mkfifo "$T/fifo"; cat "$T/fifo" >"$T/through" & run furrow plan -o "$T/fifo"; is_status 0 'through a fifo'; wait
ok 'which stays one' [ -p "$T/fifo" ]; rm "$T/made"; cp "$T/through" "$T/made"
for to in /dev/stdout -; do
	run furrow plan -o $to; is_status 0; ok 'on standard output: the plan and nothing else' jq -e .saved "$OUT"
	is 'and nothing is said of a file' "$(cat "$ERR")" ''
	ok 'nor made' test ! -e -
done
run furrow plan -o "$T/no/such"; is_status 3 'a folder that is not there'
run furrow apply "$T/through"; is_status 0 'what came through can be applied'

# A plan of the working files cannot lie among them.
echo new >in/b
run furrow plan --allow-dirty -o p; is_status 64; err_like 'among the working files' 'a plan among its own source'
ok 'is not made' [ ! -e p ]
run furrow plan --allow-dirty -o .furrow/p; is_status 0 'it may lie in .furrow'
run furrow apply .furrow/p; is_status 0 'and be applied'
commit .; run furrow plan -o p; is_status 0 'a plan of a commit may lie among them'
run furrow apply p; is_status 0; rm p

# Another checkout of the same commit.
echo c >in/c; commit .; rm -rf .furrow results; furrow plan -o "$T/moved" >/dev/null 2>&1
git clone -q . "$T/clone" && cd "$T/clone" || exit 1
run furrow apply "$T/moved"; is_status 0 'a plan is applied where one stands'
ok 'there' [ -e "$T/clone/results/c/stdout" ]; ok 'and not where it was made' [ ! -e "$T/target/results/c" ]
cd "$T" || exit 1; rm -rf clone; git clone -q target clone
run furrow apply moved -m clone; is_status 0 'or where -m says'; ok 'there, too' [ -e clone/results/c/stdout ]
rm -rf clone/.furrow; mv target gone; run furrow apply moved; is_status 64; err_like 'furrow.yaml here nor .*/target/furrow.yaml' 'neither here nor there'
(cd gone && echo d >in/d && commit .); cd gone || exit 1
run furrow apply "$T/moved"; is_status 4; err_like 'made of .*/target/furrow.yaml' 'says where it was made'
run furrow apply -m "$T/moved"; is_status 64; err_like 'is a saved plan' 'a plan as manifest'
run furrow plan "$T/moved"; is_status 64; err_like 'furrow apply' 'or to plan'
cd "$T" && mv gone "$(printf 'x\377y')" && cd x* && { furrow plan -o "$T/odd" >/dev/null 2>&1; run furrow apply "$T/odd"; }
is_status 0 'a folder whose name is no UTF-8'
done_testing
