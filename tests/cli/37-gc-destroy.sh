#!/usr/bin/env bash
# Removing what is left: destroy and gc take what can be made again, never a result that counts.
. "$(dirname "$0")/lib.sh"

mkdir job && cd job || exit 1
cat >furrow.yaml <<'E'
furrow: 1
name: left
environment: {setup: 'mkdir bin; echo "echo tool" >bin/tool; chmod +x bin/tool'}
entrypoint: tool; cat "$FURROW_INPUT"
map: {inputs: 'in/*'}
E
mkdir in && echo a >in/a && echo b >in/b && repo . >/dev/null
results() { furrow status --json | jq .results; }

run furrow destroy; is_status 64 'nothing was applied yet'
run furrow gc; is_status 64 'nor is there anything to collect'
run furrow apply -y; is_status 0 'a run'
run furrow status; out_like 'setup +kept' 'its setup is kept'

run furrow destroy; is_status 64 'destroy asks, and nobody can answer'; err_like '-y' 'and says what to do'
run furrow destroy -n; is_status 0; out_like 'kept setup' '-n says what'; out_unlike 'exported source' 'sources only with --all'
is '-n removes nothing' "$(ls .furrow/cache/env | wc -l)" 1
run furrow destroy -y; is_status 0; is 'destroy removes the setup' "$(ls .furrow/cache/env | wc -l)" 0
is 'and no source' "$(ls .furrow/cache/source | wc -l)" 1
run furrow destroy --all -y --json; is_status 0; ok '--json' jq -e '.removed[0].what == "exported source"' "$OUT"
is '--all removes the source' "$(ls .furrow/cache/source | wc -l)" 0
is 'results stay' "$(results)" 2
run furrow destroy --all -y; is_status 0; err_like 'nothing is left' 'nothing is left'
run furrow plan --detailed-exitcode; is_status 0 'there is nothing to do'

# A run that died.
sed -i 's/^entrypoint.*/entrypoint: echo $$ >>\/dev\/null; sleep 61/' furrow.yaml; commit .
furrow apply -y >/dev/null 2>&1 & pid=$!
for _ in $(seq 100); do [ -n "$(ls .furrow/work/*/tasks 2>/dev/null)" ] && break; sleep 0.1; done
kill -9 $pid; { wait $pid; } 2>/dev/null
run furrow destroy -y; is_status 0 'destroy after a kill -9'
ok 'its work folder is gone' [ -z "$(ls .furrow/work)" ]
git checkout -q HEAD~1

# gc: the newest result of each task, and what lies in results, is kept.
echo more >>in/a; commit .
run furrow apply -y; is_status 0 'a newer result'
is 'three results, two of them newest' "$(results)" 2
run furrow gc; is_status 0; err_like '^0 things and 0 results' 'nothing is old'
cp .furrow/store/history/left "$T/history"
for bad in '' 'furrow-history 2' "$(head -c 100 /bin/sh | tr -d '\0')"; do
	printf '%s\n' "$bad" >.furrow/store/history/left
	run furrow gc --older-than 0; is_status 3 'a history that is none: no result is removed'
	err_like 'history/left in the store is damaged, or of a later furrow' 'and which one is told'
done
cp "$T/history" .furrow/store/history/left
run furrow gc --older-than 0 -n; is_status 0; out_like '^- run ' '-n names runs'; err_like '1 result would be removed' 'and counts results'
is '-n removes nothing' "$(furrow runs --json | jq '.runs | length')" 3
run furrow gc --older-than 0 --json; is_status 0; ok '--json' jq -e '.results == 1 and (.removed | length) > 1' "$OUT"
is 'the latest run is kept' "$(furrow runs --json | jq '.runs | length')" 1
is 'what counts is kept' "$(results)" 2
run furrow apply -y; is_status 0; err_like 'Nothing to do' 'there is nothing to do'
run furrow gc --older-than 0 --json; ok 'a second time there is nothing' jq -e '.results == 0 and .removed == []' "$OUT"
run furrow gc --older-than soon; is_status 64 'no age'

# Containers are told apart by their run: another clone of the repository has a job of the same name.
ours=01JD00000000000000000000AB theirs=01JD00000000000000000000CD
mkdir -p ../clone/.furrow/runs/$ours && cd ../clone || exit 1
printf 'furrow: 1\nname: left\nenvironment: {image: some/image}\nentrypoint: "true"\n' >furrow.yaml
cat >"$T/engine" <<E
#!/bin/sh
echo "\$*" >>$T/engine.log
case "\$*" in
--version) echo podman version 4.3.1 ;;
ps*) for run in $ours $theirs; do echo furrow-\$run-1-0; done | tr A-Z a-z ;;
esac
E
chmod +x "$T/engine"
run env FURROW_ENGINE="$T/engine" furrow destroy -y; is_status 0 'destroy with containers'
ok 'ours is removed' grep -q "^rm .*01jd00000000000000000000ab" "$T/engine.log"
ok 'that of the other clone is not' bash -c "! grep -q '^rm .*cd-' '$T/engine.log'"
done_testing
