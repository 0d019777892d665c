#!/usr/bin/env bash
# furrow-runner-arm64: what `make arm64` builds runs on arm64 without anything of the host's.
. "$(dirname "$0")/lib.sh"
unset MAKEFLAGS MAKELEVEL
runner=$T/build/furrow-runner-arm64

# A folder of its own: under a sanitizer, B's objects are others.
if ! command -v aarch64-linux-gnu-gcc >/dev/null; then
	skip 'furrow-runner-arm64' 'there is no aarch64-linux-gnu-gcc (make arm64-deps installs it)'
	done_testing
fi
run make -s -C "$ROOT" B="$T/build" WARN='-Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Werror' "$runner"
is_status 0 'it is built'
run readelf -hl "$runner"
is_status 0 'an ELF file'
out_like 'Machine: +AArch64' 'for aarch64'
out_like 'Class: +ELF64' 'of 64 bits'
out_unlike 'INTERP' 'static: it asks for no loader'
run readelf -d "$runner"
out_unlike 'NEEDED' 'nor for a library'

if qemu=$(command -v qemu-aarch64 || command -v qemu-aarch64-static); then
	run "$qemu" "$runner" --version
	is_status 0 'it runs'
	is 'its version is that of furrow-runner' "$(cat "$OUT")" "$(furrow-runner --version)"
else
	skip 'it runs' 'there is no qemu-aarch64 (package qemu-user)'
fi

cp "$B/furrow" "$B/furrow-runner" "$T/build/"
run make -s -C "$ROOT" -o all B="$T/build" PREFIX=/usr DESTDIR="$T/root" install
is_status 0 'make install'
ok 'installs it beside furrow-runner' cmp "$runner" "$T/root/usr/bin/furrow-runner-arm64"
rm "$runner" "$T/root/usr/bin/furrow-runner-arm64"
run make -s -C "$ROOT" -o all B="$T/build" PREFIX=/usr DESTDIR="$T/root" install
is_status 0 'make install without it'
is 'installs the rest' "$(cd "$T/root/usr/bin" && echo *)" 'furrow furrow-runner'
done_testing
