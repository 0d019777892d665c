#!/usr/bin/env bash
# Tasks in containers on instances: an image by its digest from a registry with token authentication; cold, warm, another
# image, one that is gone, a container that is killed; an archive through the store; setup; what cannot be.
if ! command -v docker-registry >/dev/null; then
	. "$(dirname "$0")/../cli/lib.sh"
	skip 'containers on instances' 'docker-registry is not installed'
	done_testing
fi
BOX_UP=--registry
. "$(dirname "$0")/lib.sh"
REGISTRY=10.77.1.1:5000

"$ROOT/examples/container/make-image.sh" >/dev/null && mv "$ROOT/examples/container/busybox.tar" "$T/busybox.tar" || exit 1
one=$(box registry push "$T/busybox.tar" public/busybox:1) || exit 1
certs=$HOME/.config/containers/certs.d/$REGISTRY
mkdir -p "$certs" && cp "$BOX_DIR/registry/server.crt" "$certs/ca.crt"
# pulls: how many layers and configurations the hosts have fetched since the last `pulls_from`.
pulls_from() { pulls_before=$(all_pulls); }
all_pulls() { grep '"GET /v2/.*/blobs/' "$BOX_DIR/registry.log" | grep -c '^172\.31\.'; }
pulls() { echo $(($(all_pulls) - pulls_before)); }
on_hosts() { for h in $(the_host); do box host "$h" "$@"; done; }

job boxed <<E
furrow: 1
name: boxed
environment:
  image: $REGISTRY/public/busybox:1
  env: {GREETING: "it's \$HOME"}
entrypoint: 'mkdir out; echo "\$GREETING \$FURROW_INPUT \$PATH" >out/x; cat /etc/os-release /.furrow/source/data; id -u >&2'
instances: {infra: aws/us-east-2, type: t3.micro, max: 2, idle: 10m}
map: {inputs: [a, b, c]}
outputs: out/
results: results/
E
echo bytes >data && commit .

pulls_from
run furrow plan
is_status 0 'plan'
out_like "^  = image +$REGISTRY/public/busybox:1 is ${one:0:19} in its registry\$"
out_like '^  \+ environment\[0,1\] +start a container on it, pull the image, 2 tasks at a time each$'
run furrow apply -y
is_status 0 'cold'
is 'results' "$(cat results/*/x | tr '\n' ' ')" "it's \$HOME a /bin it's \$HOME b /bin it's \$HOME c /bin "
is 'in the image, with the source' "$(tr '\n' ' ' <results/a/stdout)" 'PRETTY_NAME="busybox on scratch" bytes '
is "as the container's root" "$(cat results/a/stderr)" 0
ok 'each host has pulled configuration and layer' test "$(pulls)" = 4 -o "$(pulls)" = 2
is 'no container is left' "$(on_hosts podman ps -aq)" ''
is 'nor what is theirs' "$(on_hosts sh -c 'ls -A /var/lib/furrow/run /run/furrow/runs | grep -v : | xargs')" "$(printf '\n')"

# Warm.
sed -i 's/\[a, b, c\]/[a, b, c, d, e, f]/' furrow.yaml && commit .
pulls_from
run furrow plan
out_like '^  \+ environment\[0\] +start a container on i-[0-9a-f]+, fetch the source, 2 tasks'
run furrow apply -y
is_status 0 'warm'
is 'warm: nothing is pulled' "$(pulls)" 0
is 'warm: all results' "$(cat results/*/x | wc -l)" 6
done_testing
