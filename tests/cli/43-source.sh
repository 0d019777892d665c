#!/usr/bin/env bash
# Every task sees the source as it was committed, whatever others do to it.
. "$(dirname "$0")/lib.sh"

mkdir -p job/data && cd job || exit 1
touch data/1 && echo committed >f.txt
cat >furrow.yaml <<'E'
furrow: 1
name: source
entrypoint: |
  ls data | wc -l
  rm -rf data/* 2>/dev/null
  echo changed 2>/dev/null >>f.txt
  cat f.txt
map: {inputs: {count: 3}, per_instance: 1}
E
repo . >/dev/null
run furrow apply -y
is_status 0
for i in 0 1 2; do is "task $i sees the commit" "$(cat results/$i/stdout)" $'1\ncommitted'; done
is 'the mount is seen by nobody else' "$(grep -c "$T" /proc/mounts)" 0
echo more >>f.txt && commit .
run furrow apply -y
is 'another commit is another source' "$(cat results/0/stdout)" $'1\ncommitted\nmore'

if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null && chmod 711 "$T" &&
	setpriv --reuid nobody --clear-groups test -x "$(command -v furrow)" 2>/dev/null; then
	cp -r "$T/job" "$T/other" && cd "$T/other" && rm -rf .furrow results && chown -R nobody .
	run setpriv --reuid nobody --clear-groups env HOME="$T/other" "$(command -v furrow)" apply -y
	is_status 0 'as another user'
	for i in 0 1 2; do is "task $i of another user sees the commit" "$(cat results/$i/stdout)" $'1\ncommitted\nmore'; done
	printf 'furrow: 1\nname: source\nworkdir: {path: .}\nentrypoint: cat "$FURROW_ENV/f.txt"\nenvironment: {setup: echo set up >>f.txt, setup_files: [f.txt]}\n' >setup.yaml
	run setpriv --reuid nobody --clear-groups env HOME="$T/other" "$(command -v furrow)" apply -y setup.yaml
	is_status 0 'as another user: setup may write to its copies'
	is 'as another user: tasks see what setup wrote' "$(cat results/source/stdout)" $'committed\nmore\nset up'
else
	skip 'as another user' 'needs root, setpriv, and a build that others may read'
fi

# The store and the results are no source.
mkdir "$T/working" && cd "$T/working" || exit 1
printf 'furrow: 1\nname: working\nworkdir: {path: .}\nentrypoint: ls\nstore: st\nmap: {inputs: {count: 2}}\n' >furrow.yaml
run furrow apply -y; is_status 0 'a store inside of the working files'
run furrow plan --detailed-exitcode; is_status 0 'a store inside of the working files is no part of the source'
done_testing
