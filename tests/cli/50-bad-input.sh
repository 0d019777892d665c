#!/usr/bin/env bash
# Bad input of every kind, as the whole program meets it: a clear error, the promised exit code, nothing half done.
. "$(dirname "$0")/lib.sh"

manifest() { # MORE-LINES...: a job of one task in this folder, outside git
	printf '%s\n' 'furrow: 1' 'name: bad' 'workdir: {path: .}' 'entrypoint: [sh, -c, "echo hello"]' "$@" >furrow.yaml
}
fresh() { cd "$T" && rm -rf job && mkdir job && cd job || exit 1; }
nothing_done() { [ ! -e .furrow/runs ] || [ -z "$(ls .furrow/runs)" ]; }
refused() { # DESC RE: plan and apply both refuse with 64 and say so
	run furrow plan
	is_status 64 "plan: $1"
	err_like "$2" "plan: $1: says so"
	run furrow apply -y
	is_status 64 "apply: $1"
	ok "apply: $1: no run was begun" nothing_done
}

# The manifest as a file.
fresh
run furrow plan; is_status 64 'no manifest'; err_like 'furrow.yaml' 'no manifest: names it'; err_like 'furrow init' 'no manifest: what to do'
run furrow plan other.yaml; is_status 64 'a manifest that is not there'; err_like 'other.yaml' 'names it'
: >furrow.yaml; refused 'an empty manifest' 'nothing in it'
head -c 300 /dev/urandom >furrow.yaml; refused 'a binary manifest' 'furrow.yaml'
{ manifest; head -c 2100000 /dev/zero | tr '\0' '#' >>furrow.yaml; }; refused '2 MiB of YAML' '1 MiB'
printf 'furrow: 1\nname: [\n' >furrow.yaml; refused 'no YAML' 'furrow.yaml:[0-9]+:[0-9]+'
manifest 'a: &a [x,x,x,x,x,x,x,x,x]' 'b: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]' 'c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]' \
	'd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]' 'e: [*d,*d,*d,*d,*d,*d,*d,*d,*d]'
refused 'an alias bomb' '10,?000'
manifest 'instances: {memory: 16Gb}'; refused 'a wrong unit' 'furrow.yaml:5:21: error:.*16Gb'
manifest 'name: twice'; refused 'a duplicate key' 'name'
manifest 'resources: {cpus: 2}'; refused "another tool's key" "instances"
for value in -1 0 99999999999999999999; do
	manifest "map: {inputs: {count: $value}}"; refused "count: $value" "furrow.yaml:5:"
done
manifest 'timeout: -5s'; refused 'a negative duration' 'furrow.yaml:5:10'
mkdir dir.yaml; run furrow plan dir.yaml; is_status 64 'a folder as the manifest'

# What the manifest refers to.
fresh; manifest 'map: {}'; refused 'a map without inputs' 'inputs'
manifest 'map: {inputs: []}'; refused 'an empty list of inputs' 'furrow.yaml:5:'
manifest 'map: {inputs: "nothing/*.txt"}'; refused 'a glob that matches nothing' 'nothing/\*.txt'
manifest 'map: {inputs: {file: list.txt}}'; refused 'a list that is not there' 'list.txt'
manifest 'environment: {setup_files: [gone.txt], setup: "true"}'; refused 'a setup file that is not there' 'gone.txt'
manifest 'instances: {infra: aws/us-east-2}'; refused 'an infra without credentials' 'no AWS credentials'

# Strange inputs are inputs all the same.
fresh
long=$(printf 'n%.0s' $(seq 200))
mkdir in && touch -- in/'-rf' in/'a b' in/"it's" in/'"q"' in/$'new\nline' in/$'\xff\xfe' "in/$long" in/'$HOME'
cat >furrow.yaml <<'E'
furrow: 1
name: strange
workdir: {path: .}
entrypoint: printf %s "$(basename -- "$FURROW_INPUT")" >name
outputs: name
map: {inputs: "in/*"}
E
run furrow apply -y; is_status 0 'file names of every kind'
is 'each has a folder of its own' "$(find results -mindepth 1 -maxdepth 1 -type d | wc -l)" 8
arrived() { cat results/*/name | LC_ALL=C grep -aqF -- "$1"; }
is 'a name with a newline arrives as it is' "$(cat results/new_line-*/name)" $'new\nline'
ok 'a name that is no UTF-8 arrives as it is' arrived $'\xff\xfe'
ok 'a name that looks like an option arrives as it is' arrived -rf
value=$(printf 'v%.0s' $(seq 4000))
{ printf 'furrow: 1\nname: strange\nworkdir: {path: .}\nentrypoint: printf %%s "$FURROW_INPUT"\nmap:\n  inputs:\n'
	printf '    - "%s"\n    - "--help"\n    - "a\\nb"\n    - " "\n    - "$(id)"\n' "$value"; } >furrow.yaml
run furrow apply -y; is_status 0 'values of every kind'
is 'a value of 4,000 bytes arrives whole' "$(cat results/v*/stdout)" "$value"
ok 'a value is not run by a shell' grep -rqxF '$(id)' results

# results and store.
fresh; manifest; echo mine >results
refused 'results is a file' 'results'
is 'the file is as it was' "$(cat results)" mine
fresh; manifest; mkdir -p results/bad && echo mine >results/bad/notes
refused "a folder of the user's own stands in the way" 'results: there is a folder bad that furrow has not made'
is 'the folder is as it was' "$(cat results/bad/notes)" mine
if [ "$(id -u)" != 0 ]; then
	fresh; manifest; mkdir results && chmod a-w results; refused 'results is not writable' 'results'
else
	fresh; manifest; mkdir results && chmod a-w results
	furrow=$(command -v furrow)
	chmod 711 "$T" && chmod -R a+rX "$T/job" && chown -R nobody "$T/job" && chmod a-w results
	if command -v setpriv >/dev/null && setpriv --reuid nobody --clear-groups test -x "$furrow" 2>/dev/null; then
		run setpriv --reuid nobody --clear-groups env HOME="$T/job" "$furrow" apply -y
		is_status 64 'results is not writable'
		err_like 'results' 'results is not writable: names it'
	else
		skip 'results is not writable' 'the test runs as root and cannot become another user here'
	fi
fi
fresh; manifest; mkdir -p .furrow/store && echo 99 >.furrow/store/furrow-store
refused 'a store from a newer version' 'newer'
fresh; manifest 'store: elsewhere'; mkdir elsewhere && echo x >elsewhere/thing
refused 'a store that is no store' 'elsewhere'
is 'the folder is as it was' "$(ls -A elsewhere)" thing

fresh; manifest 'store: x' 'results: x/results'; refused 'results within the store' 'furrow.yaml:[0-9]+:[0-9]+: store: .*within each other'
fresh; manifest 'store: out/st' 'results: ./out/../out'; refused 'the store within results' 'within each other'
fresh; manifest 'store: same' 'results: same'; refused 'the store and results are one' 'within each other'
fresh; manifest 'results: .git'; refused "results in git's folder" "furrow.yaml:[0-9]+:[0-9]+: results: .git: that is git's"
fresh; manifest 'results: .git/x/${{ input }}' 'map: {inputs: [a]}'; refused "results below git's folder" "git's own"
fresh; manifest 'store: sub/.git/store'; refused "the store in git's folder" "furrow.yaml:[0-9]+:[0-9]+: store: .*git's own"
fresh; manifest 'store: stores' 'results: store'; run furrow plan; is_status 0 'names that only begin alike'

# What only looks needs no leave to write; somebody else's settings are no reason to fail.
if [ "$(id -u)" = 0 ] && unshare -m true 2>/dev/null; then
	fresh; manifest; run furrow apply -y; is_status 0
	for c in plan status 'apply -n' why; do
		run unshare -m sh -c 'mount --bind . . && mount -o remount,bind,ro . && cd "$PWD" && furrow $1' sh "$c"
		is_status 0 "$c in a folder that is read-only"
	done
	rm -rf results .furrow; run unshare -m sh -c 'mount --bind . . && mount -o remount,bind,ro . && cd "$PWD" && furrow plan && furrow status'
	is_status 0 'before the first apply as well'
	run unshare -m sh -c 'mount --bind . . && mount -o remount,bind,ro . && cd "$PWD" && furrow apply -y'
	is_status 64 'apply in one'; err_like 'results.* not writable' 'apply in one: says why'
	fresh; manifest; mkdir -p "$T/roots/.config/furrow"; echo 'jobs: 2' >"$T/roots/.config/furrow/config.yaml"; chmod 700 "$T/roots"
	chmod 711 "$T"; chown -R nobody "$T/job"
	run setpriv --reuid nobody --clear-groups env -u XDG_CONFIG_HOME HOME="$T/roots" furrow runs
	is_status 0 'settings of somebody else'; err_like 'warning: .*config.yaml.*left out' 'settings of somebody else: a word'
	chmod 755 "$T/roots"; chmod 600 "$T/roots/.config/furrow/config.yaml"
	run setpriv --reuid nobody --clear-groups env -u XDG_CONFIG_HOME HOME="$T/roots" furrow runs
	is_status 0 'settings that cannot be read'
	chown nobody "$T/roots/.config/furrow/config.yaml"; chmod 0 "$T/roots/.config/furrow/config.yaml"
	run setpriv --reuid nobody --clear-groups env -u XDG_CONFIG_HOME HOME="$T/roots" furrow runs
	is_status 64 "one's own that cannot be read are an error"
else
	skip 'folders that are read-only, settings of others' 'needs root and mount namespaces'
fi

# A full disk.
fresh
if [ "$(id -u)" = 0 ] && unshare -m true 2>/dev/null; then
	manifest 'outputs: out' 'map: {inputs: {count: 3}}'
	sed -i 's|^entrypoint.*|entrypoint: mkdir out; head -c 3000000 /dev/urandom >out/big|' furrow.yaml
	mv furrow.yaml "$T/full.yaml"
	run unshare -m sh -c 'mount -t tmpfs -o size=5m none . && cd "$PWD" && cp "$1" furrow.yaml && furrow apply -y -j 1; s=$?
		furrow plan --json | jq .summary.in_place >"$2"; exit $s' \
		sh "$T/full.yaml" "$T/count"
	[ "$status" = 1 ] || [ "$status" = 3 ]; report $? 'a full disk fails the run'
	err_like 'No space left' 'a full disk is named'
	[ "$(head -1 "$T/count")" -lt 3 ]; report $? 'a half-written result is not taken for done'
else
	skip 'a full disk' 'needs root and mount namespaces'
fi

# Sources.
fresh; printf 'furrow: 1\nname: g\nentrypoint: "true"\n' >furrow.yaml
refused 'no git repository' 'git init|path: \.'
git init -q -b main .; refused 'an unborn branch' 'commit'
commit .; run furrow plan; is_status 0 'a commit is enough'
echo 'name: other' >>furrow.yaml; sed -i 's/^name: g$//' furrow.yaml
refused 'an uncommitted manifest' 'allow-dirty'
run furrow plan --allow-dirty; is_status 0 '--allow-dirty takes it'
git checkout -q furrow.yaml
ln -s /etc/passwd link && commit .; refused 'a symlink that leaves the tree' 'link'
git rm -q link && commit .
git init -q sub && git -C sub commit -q --allow-empty -m x && git add sub 2>/dev/null && git commit -qm sub
refused 'a submodule' 'sub'
fresh; mkdir src && cd src && printf 'furrow: 1\nname: g\nentrypoint: "true"\n' >furrow.yaml && repo . >/dev/null
cd .. && git clone -q --bare src bare.git && cd bare.git || exit 1
run furrow plan; is_status 64 'a bare repository'
run furrow plan --rev nonsense ../src/furrow.yaml; is_status 64 'an unknown revision'; err_like nonsense 'names it'

# Journals that were truncated or edited.
fresh; manifest 'map: {inputs: {count: 3}}'
run furrow apply -y; is_status 0 'a run to damage'
journal=$(echo .furrow/runs/*/journal.jsonl)
cp "$journal" "$T/journal"
head -c -20 "$T/journal" >"$journal"; run furrow report latest; is_status 0 'a torn last line is cut'
sed '3s/.*/{"ev":"nonsense/' "$T/journal" >"$journal"; run furrow report latest; is_status 64 'an edited journal'
err_like 'journal.jsonl:3' 'an edited journal: says where'
: >"$journal"; run furrow report latest; is_status 0 'an empty journal: a run killed before it began'
err_like 'before it began' 'an empty journal: says so'; [ ! -s "$OUT" ]; report $? 'an empty journal: there is no tree'
run furrow report --json latest; ok 'an empty journal: as JSON' jq -e '.result == "interrupted" and .nodes == []' "$OUT"
run furrow runs; out_like ' interrupted ' 'an empty journal: runs'; out_unlike 'unreadable' 'an empty journal: nothing is broken'
run furrow logs; is_status 0; err_like 'before it began' 'an empty journal: logs'
run furrow status; is_status 0; out_like 'latest run .* interrupted' 'an empty journal: status'
head -c 30 "$T/journal" >"$journal"; run furrow report latest; is_status 0 'a journal that ends within its first line'
rm "$journal"; run furrow runs; is_status 0; out_like ' interrupted ' 'no journal yet'
echo nonsense >"$journal"; run furrow runs; out_like 'unreadable' 'a journal of something else'
run furrow report latest; is_status 64 'a journal of something else: report'
run furrow plan; is_status 0 'results do not depend on the journal'
done_testing
