#!/usr/bin/env bash
# environment.build on instances: built on one host, had by all others, in a later run as well; a Dockerfile that fails, and an image
# for another architecture.
# shellcheck source=images.sh
. "$(dirname "$0")/images.sh"
push 1 public/busybox:1 >/dev/null && push 2 public/arm:1 arm64 >/dev/null || exit 1
how() { jq -r 'select(.ev == "effect") | .id | split("\n")[0] | select(test("^(ran|fetched|failed)"))' .furrow/runs/"$(ls .furrow/runs | tail -1)"/journal.jsonl | sort | uniq -c | sed 's/^ *//'; }

job built <<'Y'
furrow: 1
name: built
environment: {build: {context: image}}
entrypoint: 'cat /made >"$FURROW_OUT/made"; hostname >"$FURROW_OUT/host"; sleep 4'
instances: {infra: aws/us-east-2, type: t3.micro, max: 10}
map: {inputs: {count: 20}, per_instance: 2}
Y
mkdir image
cat >image/Dockerfile <<D
FROM $REGISTRY/public/busybox:1
COPY words /words
RUN read -r uuid </proc/sys/kernel/random/uuid; cat /words >/made; echo "\$uuid" >>/made
D
echo 'words of the source' >image/words
commit .
run furrow plan
out_like 'start a container on it, build the image once, share it'
run furrow apply -y
is_status 0 'ten hosts'
is 'it was built on one' "$(how | grep ran)" '1 ran'
is 'and had by the others' "$(how | grep -v ran | sed 's/^[0-9]* //')" fetched
is 'all tasks ran in the same' "$(sort -u results/*/made | wc -l)" 2
hosts=$(sort -u results/*/host | wc -l)
is "several hosts had a share ($hosts)" "$([ "$hosts" -ge 3 ] && echo so)" so

change 's/count: 20/count: 21/'
run furrow plan
out_like 'fetch the built image \([0-9.]+ MiB\)'
run furrow apply -y
is_status 0 'a later run'
is 'does not build it' "$(how)" '1 fetched'
is 'it is the same image' "$(sort -u results/*/made | wc -l)" 2

printf 'RUN echo such a pity; exit 7\n' >>image/Dockerfile
change 's/count: 21/count: 22/; s/max: 10/max: 3/'
run furrow apply -y
is_status 3 'a Dockerfile that fails'
err_like 'environment.build: building Dockerfile ended with status'
err_like 'such a pity' 'with its last words'
is 'it is tried once' "$(how | cut -d : -f 1)" '1 failed'

printf 'FROM %s/public/arm:1\n' "$REGISTRY" >image/Dockerfile
change 's/max: 3/max: 1/'
run furrow apply -y
is_status 3 'an image for another architecture'
err_like 'the image that was built is for arm64, and this host is amd64'
is 'nothing runs' "$(running)" 0
done_testing
