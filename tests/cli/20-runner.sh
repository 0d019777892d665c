#!/usr/bin/env bash
# furrow-runner by itself: what it says of itself, how it meets nonsense, and as the first process of a PID namespace.
. "$(dirname "$0")/lib.sh"

run furrow-runner --version
is_status 0
out_like '^furrow-runner [0-9]+\.[0-9]+\.[0-9]+$'
run furrow-runner --help
is_status 0
out_like 'serve --listen SOCKET'
run furrow-runner
is_status 64
err_like 'furrow-runner --help'
run furrow-runner dance
is_status 64
run furrow-runner serve --listen
is_status 64
run furrow-runner attach
is_status 64

libraries=$(ldd "$B/furrow-runner" 2>&1)
case $libraries in
*lib?san*) skip 'the binary needs no libraries' 'a sanitizer needs some' ;;
*) ok 'the binary needs no libraries' grep -q 'not a dynamic executable' <<<"$libraries" ;;
esac

# stdin is /dev/null: no pipe, no socket, nothing to serve.
run furrow-runner serve
is_status 1
err_like 'stdin and stdout are no pipes or sockets'
printf 'Hello there, this is no frame of any protocol.\n' | furrow-runner serve 2>"$ERR" | cat >"$OUT"
status=${PIPESTATUS[1]} last='garbage | furrow-runner serve'
is_status 0 'garbage ends it'
is 'garbage is not answered' "$(wc -c <"$OUT")" 0

run furrow-runner attach "$T/none"
is_status 1
err_like "connecting to the runner at $T/none: No such file"
long=$T/$(printf '%0120d' 0)
run furrow-runner attach "$long"
is_status 1
run furrow-runner serve --listen "$long"
is_status 1
err_like 'at most 107 bytes'
run furrow-runner serve --listen "$T/no/folder/sock"
is_status 1
err_like 'no/folder/sock: No such file'

# A stale socket is replaced; TERM ends it and takes the socket away.
listening() { for _ in $(seq 250); do furrow-runner attach "$1" </dev/null >"$OUT" 2>&1 && return; sleep 0.02; done; false; }
furrow-runner serve --listen "$T/sock" &
pid=$!
ok 'it listens' listening "$T/sock"
{ kill -KILL $pid && wait $pid; } 2>/dev/null
ok 'killed, it leaves its socket' [ -S "$T/sock" ]
furrow-runner serve --listen "$T/sock" &
pid=$!
ok 'it listens where a stale socket was' listening "$T/sock"
kill -TERM $pid
wait $pid
is 'TERM ends it with 128 + 15' $? 143
ok 'its socket is gone' [ ! -e "$T/sock" ]

# As process 1 it gets no signal's default action: TERM has to be taken by itself.
if unshare --pid --fork --mount-proc true 2>/dev/null; then
	unshare --pid --fork --mount-proc furrow-runner serve --listen "$T/sock1" &
	pid=$!
	listening "$T/sock1"
	kill -TERM "$(pgrep -P $pid)"
	wait $pid
	is 'as process 1, TERM ends it' $? 143
else
	skip 'as process 1, TERM ends it' 'no right to make a PID namespace here'
fi
done_testing
