# For tests of containers on instances: a box with a registry, and images in it. Source it instead of lib.sh; then $T/images has
# busybox images 1.tar to 4.tar that differ in who made them, without curl; `push N NAME[:TAG] [ARCH]`, `pulls_from` and
# `pulls`, how many configurations and layers hosts have fetched since.
if ! command -v docker-registry >/dev/null; then
	. "$(dirname "${BASH_SOURCE[0]}")/../cli/lib.sh"
	skip 'containers on instances' 'docker-registry is not installed'
	done_testing
fi
BOX_UP=--registry
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
REGISTRY=10.77.1.1:5000
plain_runner
mkdir "$T/images" && cd "$T/images" || exit 1
cp "$ROOT/examples/container/make-image.sh" . && ./make-image.sh >/dev/null && mkdir tree && tar -xf busybox.tar -C tree || exit 1
for n in 1 2 3 4; do
	sed -i "s/\"os\":\"linux\",\(\"author\":\"[0-9]\",\)\?/\"os\":\"linux\",\"author\":\"$n\",/" tree/config.json
	tar -cf "$n.tar" -C tree .
done
push() { box registry push "$T/images/$1.tar" "${@:2}"; }
certs=$HOME/.config/containers/certs.d/$REGISTRY
mkdir -p "$certs" && cp "$BOX_DIR/registry/server.crt" "$certs/ca.crt"
pulls_from() { pulls_before=$(all_pulls); }
all_pulls() { grep -c '^172\.31\..*"GET /v2/.*/blobs/' "$BOX_DIR/registry.log"; }
pulls() { echo $(($(all_pulls) - pulls_before)); }
change() { sed -i "$1" furrow.yaml && commit .; }
