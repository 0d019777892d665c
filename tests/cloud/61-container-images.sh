#!/usr/bin/env bash
# Images of containers on instances: private ones, what cannot be, archives through the store, with setup, large outputs and
# inputs from S3.
# shellcheck source=images.sh
. "$(dirname "$0")/images.sh"
push 1 public/busybox:1 >/dev/null && push 1 private/tool:1 >/dev/null && push 1 public/arm:1 arm64 >/dev/null &&
	bad=$(push 4 public/bad:1) || exit 1

# A private image: for who is logged in, whose password is in no user data.
cat >"$T/private.yaml" <<E
furrow: 1
name: private
environment: {image: '$REGISTRY/private/tool:1'}
entrypoint: 'true'
instances: {infra: aws/us-east-2, type: t3.micro}
E
job private <"$T/private.yaml"; commit .
run furrow apply -y
is_status 64 'a private image'
err_like "^furrow: furrow.yaml:3:22: environment.image: image $REGISTRY/private/tool:1: the registry does not show it .*podman login $REGISTRY"
printf '{"auths":{"%s":{"auth":"%s"}}}' $REGISTRY "$(printf %s 'reader:box-pass/word+1' | base64)" \
	>"$HOME/.config/containers/auth.json"
pulls_from
run furrow apply -y
is_status 0 'with a login'
is 'it was pulled' "$(pulls)" 2
ok 'what hosts were told is known' grep -rqs runner_url "$BOX_DIR/hosts"
is 'the password is in nothing that a host was told' "$(grep -rls box-pass "$BOX_DIR/hosts" | wc -l)" 0
is 'the password is nowhere' "$(box log | grep -c 'box-pass')$(grep -rc box-pass .furrow | grep -v ':0$')" 0

# What cannot be is said before anything is launched.
was=$(launched)
refused() { # IMAGE RE
	sed "s|image: .*'|image: '$1'|" "$T/private.yaml" >furrow.yaml && commit .
	run furrow apply -y
	is_status 64 "refused: $1"
	err_like "environment.image: .*$2"
}
refused $REGISTRY/public/busybox:9 'the registry has no such tag'
refused "$REGISTRY/public/busybox@sha256:$(printf %064d 7)" 'the registry has no such digest'
refused $REGISTRY/public/arm:1 'is for linux/arm64, and instances are linux/amd64'
refused $REGISTRY/denied/x:1 'does not show it'
refused localhost/mine:1 "an image of this machine's engine"
refused docker-archive:none.tar 'No such file'
box registry corrupt "$bad"
refused $REGISTRY/public/bad:1 'does not match'
sed "s|image: .*'|image: '10.77.1.1:5999/x:1'|" "$T/private.yaml" >furrow.yaml && commit .
run furrow apply -y
is_status 3 'a registry that does not answer'
err_like 'its registry could not be asked'
is 'nothing was launched for these' "$(launched)" "$was"

# An archive goes to the store once; with setup, an object of S3 and outputs that hosts put there themselves.
client aws s3 mb s3://data >/dev/null
for n in 1 2 3 4; do echo "text $n" | client aws s3 cp --quiet - "s3://data/in/$n.txt"; done
job stored <<E
furrow: 1
name: stored
environment:
  image: docker-archive:../images/1.tar
  setup: 'echo "made \$GREETING" >/etc/made; cp tool /bin/tool'
  setup_files: [tool]
  env: {GREETING: "it's"}
entrypoint: 'tool >"\$FURROW_OUT/made"; cat "\$FURROW_INPUT" >"\$FURROW_OUT/text"; head -c 9000000 /dev/urandom >"\$FURROW_OUT/big"; sha256sum <"\$FURROW_OUT/big"; echo "{}" >"\$FURROW_TRACE_FILE"'
instances: {infra: aws/us-east-2, type: t3.micro, max: 2, idle: 10m}
map: {inputs: {s3: 's3://data/in/*.txt'}, per_instance: 1}
results: results/
E
printf '#!/bin/sh\ncat /etc/made\n' >tool && chmod +x tool && commit .
from=$(box log | jq length)
run furrow plan
out_like '^  \+ image +upload docker-archive:../images/1.tar \(sha256:[0-9a-f]{12}\) to s3://'
run furrow apply -y
is_status 0 'an archive'
is 'what setup made, and the inputs' "$(cat results/*/made results/*/text | sort | xargs -d '\n')" \
	"made it's made it's made it's made it's text 1 text 2 text 3 text 4"
ok 'large outputs are whole' sh -c 'for d in results/*/; do
	[ "$(sha256sum <"$d/big")" = "$(cat "$d/stdout")" ] || exit 1; done'
is 'put there by the hosts' "$(box log | jq "[.[$from:][] | select(.method == \"PUT\" and .peer != \"10.77.0.2\" and
	(.target | test(\"/results/.*tar\")))] | length")" 4
is 'the archive was uploaded once' "$(box log | jq "[.[$from:][] | select(.method == \"PUT\" and (.target |
	test(\"-image.tar\")))] | length")" 1
echo "text 5" | client aws s3 cp --quiet - "s3://data/in/5.txt"
run furrow plan
out_like '^  = image +docker-archive:.* is in the store$'
out_like '^  \+ environment\[0\] +start a container on i-[0-9a-f]+, with what setup left before, '
run furrow apply -y
is_status 0 'an archive, warm'
sed -i 's/cp tool/echo no such luck; exit 3; cp tool/' furrow.yaml && commit .
run furrow apply -y
is_status 3 'a setup that fails'
err_like 'environment.setup ended with status 3 in a container'
err_like 'no such luck' 'with its last words'
run furrow destroy -y
none_runs() { [ "$(running)" = 0 ]; }
ok 'nothing runs' comes_true 20 none_runs
done_testing
