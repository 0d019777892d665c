#!/usr/bin/env bash
# Tasks in containers on an instance: an image by its digest from a registry with token authentication; cold, warm, another
# image, one that is gone, a container that is killed, a furrow that is.
# shellcheck source=images.sh
. "$(dirname "$0")/images.sh"
one=$(push 1 public/busybox:1) && two=$(push 2 public/busybox:2) && three=$(push 3 public/busybox:3) || exit 1
on_host() { box host "$(the_host)" "$@"; }

job boxed <<E
furrow: 1
name: boxed
environment:
  image: $REGISTRY/public/busybox:1
  env: {GREETING: "it's \$HOME"}
entrypoint: 'mkdir out; echo "\$GREETING \$FURROW_INPUT \$PATH" >out/x; cat /etc/os-release /.furrow/source/data; id -u >&2'
instances: {infra: aws/us-east-2, type: t3.micro, max: 1, idle: 10m}
map: {inputs: [a, b, c]}
outputs: out/
results: results/
E
echo bytes >data && commit .

run furrow plan
is_status 0 'plan'
out_like "^  = image +$REGISTRY/public/busybox:1 is ${one:0:19} in its registry\$"
out_like '^  \+ environment\[0\] +start a container on it, pull the image, 2 tasks at a time$'
ami=$(client aws ssm get-parameter --name /aws/service/ecs/optimized-ami/amazon-linux-2023/recommended/image_id --query Parameter.Value --output text)
out_like "^  \+ instance\[0\] .* $ami" 'on what has an engine'
pulls_from
run furrow apply -y
is_status 0 'cold'
is 'results' "$(cat results/*/x | tr '\n' ' ')" "it's \$HOME a /bin it's \$HOME b /bin it's \$HOME c /bin "
is 'in the image, with the source' "$(tr '\n' ' ' <results/a/stdout)" 'PRETTY_NAME="busybox on scratch" bytes '
is "as the container's root" "$(cat results/a/stderr)" 0
is 'configuration and layer were pulled once' "$(pulls)" 2
ok 'while it booted' on_host grep -q '^image ' /run/furrow/boot
is 'no container is left' "$(on_host podman ps -aq)" ''
is 'nor what it had' "$(on_host sh -c 'ls -A /var/lib/furrow/run /run/furrow/runs' | grep -v :)" ''

# Warm.
change 's/\[a, b, c\]/[a, b, c, d, e, f]/'
pulls_from
run furrow plan
out_like '^  \+ environment\[0\] +start a container on i-[0-9a-f]+, fetch the source, 2 tasks'
run furrow apply -y
is_status 0 'warm'
is 'warm: nothing is pulled' "$(pulls)" 0
is 'warm: all results' "$(cat results/*/x | wc -l)" 6

# The tag moves: another image, another environment, other results. Only what is new of it comes.
push 2 public/busybox:1 >/dev/null
pulls_from
run furrow plan
out_like "^  = image .* is ${two:0:19} in its registry"
out_like '^  \+ environment\[0\] .*, pull the image \(it has another one\), '
run furrow apply -y
is_status 0 'another image'
is 'its configuration was pulled, the layer is there' "$(pulls)" 1

# Taken away behind our back.
on_host podman rmi -af >/dev/null
change 's/, f\]/, f, g]/'
pulls_from
run furrow plan
out_like '^  \+ environment\[0\] .*, pull the image \(it is gone there\), '
run furrow apply -y
is_status 0 'the image is gone'
is 'it is pulled again' "$(pulls)" 2
change "s/busybox:1/busybox:3@$three/"
run furrow apply -y
is_status 0 'a third image'
kept() { on_host podman images --format '{{.Tag}}' | sort | xargs; }
two_kept() { [ "$(kept)" = "$(printf '%s\n' "${two#*:}" "${three#*:}" | sort | xargs)" ]; }
ok 'of three images the two that were used last are kept' comes_true 20 two_kept
ledger_is 'all on one instance' 1 1

# The container dies in the middle; then furrow does, and the container is not left alone for long.
change 's/^entrypoint: .*/entrypoint: '"'mkdir out; touch out\/x; [ \$FURROW_ATTEMPT -gt 1 ] || [ -e \/.furrow\/source\/go ] || sleep 1000'"'\nretry: {attempts: 2, for: [interruption]}/'
box run furrow apply -y --progress plain >"$OUT" 2>"$ERR" &
pid=$!
sleeps() { on_host pgrep -f -x 'sleep 1000' >/dev/null; }
ok 'a task runs' comes_true 60 sleeps
on_host sh -c 'podman kill -a' >/dev/null
wait $pid
status=$? last='furrow apply, with a container that is killed'
is_status 0 'a container that is killed'
ok 'it is said' grep -q 'the container of .* ended' "$T/boxed"/.furrow/runs/*/journal.jsonl "$ERR"
change 's/FURROW_ATTEMPT -gt 1/FURROW_ATTEMPT -gt 9/'
box run furrow apply -y --progress plain >/dev/null 2>&1 &
pid=$!
ok 'a task runs' comes_true 60 sleeps
box cut on >/dev/null
kill -9 $pid; wait $pid 2>/dev/null
box cut off >/dev/null
on_host sh -c 'podman kill -a' >/dev/null
touch go && commit .
run furrow plan
out_like '^  \+ environment\[0\] +start a container on i-[0-9a-f]+(, where one of an earlier run died)?, fetch'
run furrow apply -y
is_status 0 'the next apply'
is 'no container is left of either' "$(on_host podman ps -aq)" ''
nothing_left() { [ -z "$(on_host sh -c 'ls -A /var/lib/furrow/run')" ]; }
ok 'nor what belonged to its root' comes_true 20 nothing_left
done_testing
