#!/bin/sh
# Makes busybox.tar, an image of Debian's static busybox and nothing else, in the form that `docker save` writes. Needs
# neither network nor engine: sudo apt-get install busybox-static
set -eu
cd "$(dirname "$0")"
busybox=${1:-/bin/busybox}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mkdir -p "$work/root/bin" "$work/root/etc" "$work/root/tmp" "$work/image"
cp "$busybox" "$work/root/bin/busybox"
for applet in $("$busybox" --list); do
	[ "$applet" = busybox ] || ln -s busybox "$work/root/bin/$applet"
done
chmod 1777 "$work/root/tmp"
echo 'PRETTY_NAME="busybox on scratch"' >"$work/root/etc/os-release"

# Fixed order, times and owners: the same busybox gives the same image.
tar -C "$work/root" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf "$work/image/layer.tar" .
layer=$(sha256sum "$work/image/layer.tar" | cut -c1-64)
case $(uname -m) in aarch64) arch=arm64 ;; *) arch=amd64 ;; esac
cat >"$work/image/config.json" <<END
{"architecture":"$arch","os":"linux","config":{"Env":["PATH=/bin"]},
 "rootfs":{"type":"layers","diff_ids":["sha256:$layer"]},"history":[{"created_by":"make-image.sh"}]}
END
echo '[{"Config":"config.json","RepoTags":null,"Layers":["layer.tar"]}]' >"$work/image/manifest.json"
tar -C "$work/image" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf busybox.tar .
echo "busybox.tar: $(wc -c <busybox.tar) bytes"
