# What the numbered CLI tests share: a folder of their own that goes away, TAP, and looking at what a command did.
# Source it; then: run CMD...; is_status N; out_like RE; err_like RE; ok DESC COMMAND...; done_testing at the end.
set -u
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
B=${B:-build}
case $B in /*) ;; *) B=$ROOT/$B ;; esac
PATH=$B:$PATH
export FURROW_RUNNER=$B/furrow-runner
export HOME_BEFORE=$HOME
T=$(mktemp -d "${TMPDIR:-/tmp}/furrow-test.XXXXXX") || exit 1
export HOME=$T/home XDG_CONFIG_HOME=$T/home/.config
export GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@localhost GIT_COMMITTER_NAME=t \
	GIT_COMMITTER_EMAIL=t@localhost GIT_AUTHOR_DATE='2026-01-01T00:00:00Z' \
	GIT_COMMITTER_DATE='2026-01-01T00:00:00Z'
unset NO_COLOR CI FURROW_PROGRESS XDG_CACHE_HOME XDG_DATA_HOME
# Whatever a test says of a cloud, nothing goes to one: no credentials of the caller's, no address but this machine's.
for v in $(compgen -e AWS_); do unset "$v"; done
export AWS_ENDPOINT_URL=http://127.0.0.1:9 AWS_EC2_METADATA_DISABLED=true FURROW_CALLER_IP_URL=http://127.0.0.1:9
mkdir -p "$HOME"
cleanup() { cd / && chmod -R u+rwx "$T" 2>/dev/null; rm -rf "$T"; }
trap cleanup EXIT
trap 'exit 130' INT TERM
cd "$T" || exit 1
n=0 failures=0

# run CMD...: its exit status in $status, its output in files $OUT and $ERR.
OUT=$T/.out ERR=$T/.err
run() { "$@" >"$OUT" 2>"$ERR" </dev/null; status=$?; last="$*"; }

# How a file begins, and how it ends: that is where a sanitizer says why it ended the program.
excerpt() { awk 'NR <= 20 { print; next } { last[NR % 40] = $0 } END {
	if (NR > 60) print "[…]"
	for (i = NR - 39 > 21 ? NR - 39 : 21; i <= NR; i++) print last[i % 40] }' "$1" 2>/dev/null; }

report() { # OK? DESC
	n=$((n + 1))
	if [ "$1" = 0 ]; then
		echo "ok $n - $2"
	else
		failures=$((failures + 1))
		echo "not ok $n - $2"
		echo "# command: ${last-}"
		echo "# status: ${status-}"
		sed 's/^/# out: /' "$OUT" 2>/dev/null | head -40
		excerpt "$ERR" | sed 's/^/# err: /'
	fi
}
ok() { local d=$1; shift; "$@" >/dev/null 2>&1; report $? "$d"; }
is() { [ "$2" = "$3" ]; local r=$?; report $r "$1"; [ $r = 0 ] || printf '# got  %q\n# want %q\n' "$2" "$3"; }
is_status() { [ "$status" = "$1" ]; report $? "${2:-exit $1: $last}"; }
out_like() { grep -Eq -- "$1" "$OUT"; report $? "${2:-stdout has /$1/}"; }
err_like() { grep -Eq -- "$1" "$ERR"; report $? "${2:-stderr has /$1/}"; }
out_unlike() { ! grep -Eq -- "$1" "$OUT"; report $? "${2:-stdout lacks /$1/}"; }
err_unlike() { ! grep -Eq -- "$1" "$ERR"; report $? "${2:-stderr lacks /$1/}"; }
skip() { n=$((n + 1)); echo "ok $n - $1 # SKIP $2"; }
done_testing() { echo "1..$n"; [ $failures = 0 ]; exit; }

# repo DIR: a git repository with what is in DIR now (made if need be) committed.
repo() { mkdir -p "$1" && git -C "$1" init -q -b main && commit "$1"; }
commit() { git -C "$1" add -A && git -C "$1" commit -q --allow-empty -m "${2:-all}"; }
