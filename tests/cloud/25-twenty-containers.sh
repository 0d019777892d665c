#!/usr/bin/env bash
# Twenty hosts in containers of one image, and 10,000 tasks on them.
# shellcheck source=images.sh
. "$(dirname "$0")/images.sh"
push 1 public/busybox:1 >/dev/null || exit 1
# Under a sanitizer the same takes many times as long, and shows no more with more tasks: fewer that last longer.
tasks=10000 nap=0
! ldd "$B/furrow" | grep -q 'lib[at]san' || tasks=500 nap=1

job crowd <<E
furrow: 1
name: crowd
environment: {image: $REGISTRY/public/busybox:1}
entrypoint: 'sleep $nap; echo "\$FURROW_INPUT on \$(hostname) in \$(cat /etc/os-release)"'
instances: {infra: aws/us-east-2, type: t3.micro, max: 20}
map: {inputs: {count: $tasks}, per_instance: 4}
results: results/
E
pulls_from
run furrow apply -y --progress plain
is_status 0 'apply'
err_like "^$tasks tasks done, in "
is 'each task has its own result, from a container' "$(cat results/*/stdout | sed -n 's/ on .* in PRETTY_NAME="busybox on scratch"$//p' | sort -n | uniq | wc -l)" "$tasks"
hosts=$(cat results/*/stdout | cut -d' ' -f3 | sort -u | wc -l)
is "several hosts had a share ($hosts)" "$([ "$hosts" -ge 5 ] && echo so)" so
is 'every host pulled the image once' "$([ "$(pulls)" -le 40 ] && [ "$(pulls)" -ge $((2 * hosts)) ] && echo so)" so
is 'none is left' "$(running)" 0
run furrow plan
out_like "Nothing to do: all $tasks tasks have results"
done_testing
