#!/usr/bin/env bash
# Environments in containers, with a real podman: the example, images of every sort, setup, death and rescue. No network:
# images come from Debian's static busybox, a registry is Debian's own on loopback. Images and containers are in a storage of
# this test's own.
. "$(dirname "$0")/lib.sh"

if ! command -v podman >/dev/null; then
	skip 'containers' 'podman is not installed'
	done_testing
fi
if ! [ -x /bin/busybox ]; then
	skip 'containers' 'busybox-static is not installed'
	done_testing
fi
# The driver vfs mounts nothing, so the storage goes with the folder. netns: the tests need no bridge.
cat >"$T/containers.conf" <<END
[containers]
netns = "host"
[engine]
events_logger = "none"
END
cat >"$T/registries.conf" <<END
unqualified-search-registries = []
END
cat >"$T/podman" <<END
#!/bin/sh
export CONTAINERS_CONF=$T/containers.conf CONTAINERS_REGISTRIES_CONF=$T/registries.conf
exec podman --storage-driver vfs --root $T/storage --runroot $T/storage-run "\$@"
END
chmod +x "$T/podman"
export FURROW_ENGINE=$T/podman
engine() { "$T/podman" "$@"; }
containers() { engine ps --all --format '{{.Names}}'; }
end_containers() { engine rm --all --force --time 0 >/dev/null 2>&1; cleanup; }
trap end_containers EXIT

# A runner with a sanitizer in it needs libraries that no image has: a plain one, then.
if ldd "$FURROW_RUNNER" >/dev/null 2>&1; then
	export FURROW_RUNNER=$T/plain/furrow-runner
	env -u MAKEFLAGS -u MAKELEVEL -u SAN -u OPT -u WARN -u RUNNER_LINK make -s -C "$ROOT" B="$T/plain" "$FURROW_RUNNER" || exit 1
fi

cp -r "$ROOT/examples/container" "$T/example" && cd "$T/example" || exit 1
rm -rf .furrow results busybox.tar
run ./make-image.sh
is_status 0 'example: the image is made'
run engine pull -q docker-archive:busybox.tar
base=$(cat "$OUT")
limits="--ulimit nofile=$(ulimit -n):$(ulimit -n) --ulimit nproc=1024:1024"
run engine run --rm --pull=never $limits "$base" true
[ "$status" = 0 ] || run engine --runtime runc run --rm --pull=never $limits "$base" true
if [ "$status" != 0 ]; then
	skip 'containers' "podman cannot run one here: $(tail -n 1 "$ERR" | tr -d '#')"
	done_testing
fi
engine rmi --force "$base" >/dev/null

# The example, as its README says.
repo . >/dev/null
run furrow plan
is_status 0 'example: plan'
out_like 'image .*load docker-archive:busybox.tar' 'example: plan says that the image is to be loaded'
is 'example: plan has loaded nothing' "$(engine images -q | wc -l)" 0
run furrow apply -y
is_status 0 'example: apply'
is 'example: a task ran in the container' "$(cat results/600851475143/stdout)" '600851475143: 71 839 1471 6857'
ok 'example: and not on this machine' grep -q 'busybox on scratch' results/600851475143/stderr
is 'example: results belong to the caller' "$(stat -c %u results/600851475143/stdout)" "$(id -u)"
is 'example: no container is left' "$(containers)" ''
run furrow apply -y
is_status 0 'example: a second apply'
is 'example: one run, not two' "$(find .furrow/runs -mindepth 1 -maxdepth 1 -type d | wc -l)" 1
printf '#!/bin/sh\necho changed; factor "$1"\n' >factors.sh && commit .
run furrow apply -y
is_status 0 'example: apply with another setup'
is 'example: setup ran again, and so did the tasks' "$(head -n 1 results/1000000007/stdout)" changed
sed -i 's/^  inputs: .*/  inputs: [4294967297, 15]/' furrow.yaml && commit .
run furrow plan
out_unlike 'run setup' 'example: another input needs no setup'
run furrow apply -y
is 'example: another input runs in the kept environment' "$(tail -n 1 results/15/stdout)" '15: 3 5'

# What of it lies in the engine. Two setups were made.
images() { engine images --format '{{.Repository}}' | sort | uniq -c | awk '{printf "%s%s %s", s, $1, $2; s = ", "}'; }
is 'example: what furrow made' "$(images)" '2 localhost/furrow-env, 1 localhost/furrow-image'
run furrow status
out_like 'in engine +3 images' 'example: status tells of it'
run furrow gc
err_like '^0 things' 'example: gc leaves what is new'
run furrow gc --older-than 0 -n --json
is 'example: gc -n tells the older setup' "$(jq -r '[.removed[] | select(.what == "kept setup").name[:21]] | join(" ")' "$OUT")" localhost/furrow-env:
is 'example: and removes nothing' "$(images)" '2 localhost/furrow-env, 1 localhost/furrow-image'
run furrow gc --older-than 0
is_status 0 'example: gc'
is 'example: gc keeps the newest setup, and the image of the manifest' "$(images)" '1 localhost/furrow-env, 1 localhost/furrow-image'
run furrow destroy -n
out_like '^- kept setup +localhost/furrow-env:' 'example: destroy -n tells the setup'
out_unlike 'loaded image' 'example: but not the image, without --all'
engine create --pull=never --name user $limits "$(engine images -q localhost/furrow-env)" true >/dev/null 2>&1 ||
	engine --runtime runc create --pull=never --name user $limits "$(engine images -q localhost/furrow-env)" true >/dev/null
run furrow destroy -y
is_status 0 'example: destroy, while a container uses the setup'
err_like 'furrow-env:.* stays: a container uses it' 'example: says that it stays'
err_like '^0 removed' 'example: and does not count it'
is 'example: it is still there' "$(images)" '1 localhost/furrow-env, 1 localhost/furrow-image'
engine rm user >/dev/null
engine tag "$base" localhost/mine:1
run furrow destroy --all -y
is_status 0 'example: destroy --all'
is 'example: an image with another name stays' "$(images)" '1 localhost/furrow-image, 1 localhost/mine'
engine rmi localhost/mine:1 >/dev/null
run furrow destroy --all -y
err_like 'loaded image +localhost/furrow-image:' 'example: then it is to go'
is 'example: nothing is left' "$(images)" ''
run furrow plan --detailed-exitcode
is_status 0 'example: results count without it'

# job NAME: a folder with a manifest from stdin, which begins with `environment:`.
job() {
	mkdir -p "$T/$1" && cd "$T/$1" && { printf 'furrow: 1\nname: %s\n' "$1"; cat; } >furrow.yaml
}

job env <<END
environment:
  image: docker-archive:$T/example/busybox.tar
  env: {GREETING: "it's \$HOME"}
entrypoint: 'echo "\$GREETING"; echo "\$PATH"; mkdir out; echo "\$FURROW_INPUT \$PWD" >out/place; cat /.furrow/source/data; ls / | tr "\\n" " "; touch /.furrow/source/x; touch /bin/mine; exit 0'
outputs: out
map: {inputs: [a b]}
END
echo bytes >data && repo . >/dev/null
run furrow apply -y
is_status 0 'a task in a container'
result=$(find results -mindepth 1 -maxdepth 1 -type d)
is "the manifest's env, unharmed" "$(sed -n 1p "$result/stdout")" "it's \$HOME"
is "the image's ENV" "$(sed -n 2p "$result/stdout")" /bin
is 'the source' "$(sed -n 3p "$result/stdout")" bytes
is 'nothing of this machine' "$(sed -n 4p "$result/stdout" | tr ' ' '\n' | grep -c '^home$')" 0
ok 'the source is read-only' grep -q 'Read-only' "$result/stderr"
ok 'outputs come out' grep -q '^a b /.furrow/root/' "$result/place"

# build: a Dockerfile of the repository, from an image that is here.
engine pull -q "docker-archive:$T/example/busybox.tar" >/dev/null
engine tag "$base" localhost/busybox:1
job build <<END
environment:
  build: {context: image, dockerfile: Containerfile}
entrypoint: [greet, world]
END
mkdir image
printf 'FROM localhost/busybox:1\nCOPY greet /bin/greet\nENV WORD=hello\n' >image/Containerfile
printf '#!/bin/sh\necho $WORD $1\n' >image/greet && chmod +x image/greet
repo . >/dev/null
run furrow plan
is_status 0 'build: plan'
out_like 'image .*build' 'build: plan says so'
run furrow apply -y
is_status 0 'build: apply'
is 'build: the task ran in what was built' "$(cat results/*/stdout)" 'hello world'
run furrow plan --detailed-exitcode
is_status 0 'build: nothing to do after that'
echo more >other && commit .
printf '#!/bin/sh\necho bye $1\n' >image/greet && commit .
run furrow apply -y
is_status 0 'build: apply with another context'
is 'build: it was built again' "$(cat results/*/stdout)" 'bye world'
printf 'FROM localhost/none:1\n' >image/Containerfile && commit .
run furrow apply -y
is_status 3 'build: a base that is not there is a failure of the host'
err_like 'build' 'build: and says what was tried'

# A local image by its name; an archive of the other kind.
job local <<END
environment: {image: localhost/busybox:1}
entrypoint: 'echo here'
END
repo . >/dev/null
run furrow apply -y
is_status 0 'local image: apply'
is 'local image: the task ran' "$(cat results/*/stdout)" here
engine save -q --format oci-archive -o "$T/oci.tar" localhost/busybox:1 2>/dev/null
job oci <<END
environment: {image: 'oci-archive:$T/oci.tar'}
entrypoint: 'echo here'
END
repo . >/dev/null
run furrow apply -y
is_status 0 'oci-archive: apply'
is 'oci-archive: the task ran' "$(cat results/*/stdout)" here
run furrow plan --json
is_status 0 'oci-archive: plan'
run engine image inspect --format '{{.Id}}' "localhost/furrow-image:$base"
is 'an image has one id in either kind of archive' "$(cat "$OUT")" "$base"

# What goes wrong.
job wrong <<END
environment: {image: 'docker-archive:$T/none.tar'}
entrypoint: 'true'
END
repo . >/dev/null
run furrow plan
is_status 64 'an archive that is not there'
err_like 'none.tar.*No such file' 'and it is named'
job nowhere <<END
environment: {image: localhost/none}
entrypoint: 'true'
END
repo . >/dev/null
run furrow plan
is_status 64 'an image that is nowhere'
err_like 'localhost/none:latest is not here' 'and it is named'
FURROW_ENGINE=$T/none run furrow plan
is_status 3 'an engine that is not there'
job broken <<END
environment:
  image: localhost/busybox:1
  setup: 'echo begun; echo a reason >&2; exit 9'
entrypoint: 'true'
END
repo . >/dev/null
run furrow apply -y
is_status 3 'a setup that fails'
err_like 'status 9' 'and its status'
err_like 'a reason' 'and its last words'
is 'and no container is left' "$(containers)" ''

# Death: the container goes with furrow, and the next apply takes over.
job death <<END
environment: {image: localhost/busybox:1}
entrypoint: 'if [ "\$FURROW_INPUT" = 1 ] && ! [ -e /.furrow/source/go ]; then sleep 1000; fi; echo \$FURROW_INPUT'
map: {inputs: {count: 2}, per_instance: 2}
END
repo . >/dev/null
furrow apply -y >"$T/death.log" 2>&1 &
pid=$!
for _ in $(seq 200); do
	grep -q 'done .*task\[0\]' "$T/death.log" && break
	sleep 0.05
done
ok 'death: a task is done, a container runs' test -n "$(containers)"
kill -9 $pid
wait $pid 2>/dev/null
for _ in $(seq 100); do
	[ -z "$(containers)" ] && break
	sleep 0.1
done
is 'death: the container went with furrow' "$(containers)" ''
touch go && commit .
run furrow apply -y
is_status 0 'death: the next apply completes'
is 'death: all results' "$(cat results/*/stdout | tr '\n' ' ')" '0 1 '
is 'death: no container is left' "$(containers)" ''

# A registry: the tag becomes a digest in the plan, and is pulled by it.
if command -v docker-registry >/dev/null; then
	port=$((20000 + $$ % 20000))
	cat >"$T/registry.yml" <<-END
	version: 0.1
	storage: {filesystem: {rootdirectory: $T/registry}}
	http: {addr: '127.0.0.1:$port'}
	log: {level: error}
	END
	docker-registry serve "$T/registry.yml" >"$T/registry.log" 2>&1 &
	registry=$!
	trap 'kill -9 $registry 2>/dev/null; end_containers' EXIT
	printf '[[registry]]\nlocation = "127.0.0.1:%s"\ninsecure = true\n' $port >>"$T/registries.conf"
	for _ in $(seq 50); do
		engine push -q localhost/busybox:1 "127.0.0.1:$port/tools/busybox:1" >/dev/null 2>&1 && break
		sleep 0.2
	done
	job registry <<-END
	environment: {image: '127.0.0.1:$port/tools/busybox:1'}
	entrypoint: 'echo here'
	END
	repo . >/dev/null
	run furrow plan --json
	is_status 0 'registry: plan'
	out_like 'sha256:[0-9a-f]{12}' 'registry: the tag is a digest in the plan'
	run furrow apply -y
	is_status 0 'registry: apply'
	is 'registry: the task ran' "$(cat results/*/stdout)" here
	kill -9 $registry && wait $registry 2>/dev/null
	run furrow plan --detailed-exitcode
	is_status 0 'registry: in place, without the registry'
	job registry2 <<-END
	environment: {image: '127.0.0.1:$port/tools/other:1'}
	entrypoint: 'echo here'
	END
	repo . >/dev/null
	run furrow plan
	is_status 3 'registry: one that does not answer'
	err_like 'its registry could not be asked' 'registry: is said so'
else
	skip 'registry' 'docker-registry is not installed'
fi
done_testing
