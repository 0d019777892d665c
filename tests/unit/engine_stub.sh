#!/bin/sh
# An engine for tests of `furrow-runner host`, called as podman or docker. What it is asked goes to $STUB/calls, a line each;
# its images are files in $STUB/images, a container is a runner of this machine, whose root is what would be mounted.
echo "$(basename "$0") $*" >>"$STUB/calls"
name() { echo "$1" | tr '/:@' '___'; }
fails() { [ ! -e "$STUB/fails" ] || { cat "$STUB/fails" >&2; exit 125; }; }
if [ "$1" = --config ]; then
	cp "$2/config.json" "$STUB/login"
	shift 2
fi
case "$1 ${2-}" in
'version '*)
	[ ! -e "$STUB/daemon-in" ] || { n=$(cat "$STUB/daemon-in"); [ "$n" = 0 ] || { echo $((n - 1)) >"$STUB/daemon-in"; exit 1; }; }
	;;
'image inspect')
	[ -e "$STUB/images/$(name "$5")" ] || exit 1
	echo "id-of-$5"
	;;
'images '*) cd "$STUB/images" && ls | sed -n 's|^localhost_\(furrow-[a-z]*\)_|localhost/\1:|; /^localhost\/furrow-/s/$/ /p' ;;
'pull '*)
	fails
	[ "$3" != --authfile ] || cp "$4" "$STUB/login"
	: >"$STUB/pulled"
	;;
'load '*) [ -s "$4" ] || exit 1 ;;
'tag '*) : >"$STUB/images/$(name "$3")" ;;
'commit '*) : >"$STUB/images/$(name "$3")" ;;
'rmi '*) rm -f "$STUB/images/$(name "${3#id-of-}")" ;;
'rm '*)
	[ ! -e "$STUB/$3" ] || { kill -9 "$(cat "$STUB/$3")" 2>/dev/null; rm "$STUB/$3"; }
	;;
'run '*)
	fails
	container= root= runner= setup= detach=
	for word in "$@"; do
		case $word in
		--detach) detach=yes ;;
		furrow-*-setup | furrow-[A-Z]*) container=${container:-$word} ;;
		*,target=/.furrow/root) root=${word#*source=} root=${root%,target*} ;;
		*,target=/.furrow/runner,readonly) runner=${word#*source=} runner=${runner%,target*} ;;
		*,target=/.furrow/setup,readonly) setup=${word#*source=} setup=${setup%,target*} ;;
		esac
	done
	if [ -z "$detach" ]; then
		cp "$setup" "$STUB/setup"
		exec sh -c "$(tail -n 1 "$setup" | sed "s/^exec .bin.sh -c //; s/^'//; s/'$//")"
	fi
	setsid "$runner" serve --listen "$root/door/sock" </dev/null >/dev/null 2>&1 &
	echo $! >"$STUB/$container"
	;;
*) exit 1 ;;
esac
