#!/usr/bin/env bash
# What user data does on a host while it boots: cloud-init takes the document, and its script, run in a root of its own by
# dash and by bash, fetches runner and source over HTTP and powers the host off when its lease is over.
# Nothing here may reach the machine's own poweroff: PATH is a folder of links, with stand-ins for what must not happen.
. "$(dirname "$0")/lib.sh"
set +m
print=$B/tests/unit/test_user_data
/usr/bin/python3 -c 'import yaml' 2>/dev/null || { skip "user data" "Debian's python3-yaml (of cloud-init) is not there"; done_testing; }

pids=()
ends() { kill "${pids[@]}" 2>/dev/null; for f in "$T"/*/run/furrow/*.pid; do kill -9 "$(cat "$f")" 2>/dev/null; done; wait; cleanup; }
trap ends EXIT

# The host's programs: what the script may use. The fakes write down that they were called.
tools() { # FOLDER NAME...
	local d=$1 t; shift
	mkdir -p "$d"
	for t in mkdir mv rm chmod find tar gzip sha256sum tr sync cat xargs wc "$@"; do ln -sf "$(command -v "$t")" "$d/$t"; done
	printf '#!/bin/sh\nexec %s 0.1\n' "$(command -v sleep)" >"$d/sleep"
	for t in poweroff shutdown chown pwned; do printf '#!/bin/sh\necho %s "$@" >>"$CALLS"\n' $t >"$d/$t"; done
	chmod +x "$d"/{sleep,poweroff,shutdown,chown,pwned}
}
tools bin curl
tools bin-python; ln -sf /usr/bin/python3 bin-python/python3

# A server: GET /N/file answers 503 to the first N requests, /cut/file cuts the first answer short, /slow/file waits.
cat >server.py <<'E'
import collections, http.server, sys, time
seen = collections.Counter()
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        seen[self.path] += 1
        print(self.path, flush=True)
        _, how, name = self.path.split('?')[0].split('/')
        body = open('www/' + name, 'rb').read()
        first = seen[self.path] == 1
        if how.isdigit() and seen[self.path] <= int(how):
            return self.send_error(503)
        if how == 'slow': time.sleep(3)
        if how == 'swap' and first: body = b'something else'
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body[:9] if how == 'cut' and first else body)
    def log_message(self, *a): pass
s = http.server.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])), H)
print(s.server_port, file=open('port', 'w'), flush=True)
s.serve_forever()
E
mkdir www tree tree/sub
printf 'the runner' >www/runner; echo one >tree/a; echo two >tree/sub/b; ln -s a tree/link; chmod 600 tree/sub/b; chmod 755 tree/a
tar -czf www/source -C tree .
serve() { rm -f port; /usr/bin/python3 server.py "${1:-0}" >>requests & pids+=($!); server=$!
	for _ in $(seq 100); do [ -s port ] && break; sleep 0.05; done; }
serve
url=http://127.0.0.1:$(cat port)
runner_sha=$(sha256sum <www/runner | cut -d' ' -f1) source_sha=$(sha256sum <www/source | cut -d' ' -f1)
signed='X-Amz-Credential=AK%2F20261125&X-Amz-Signature=0%27&q=it'\''s$(pwned);pwned&pwned'

# document NAME RUNNER SOURCE LEASE [RUNNER-SHA [PATH...]]: NAME.yaml, and NAME.sh as cloud-init makes it.
document() {
	"$print" print "$2?$signed" "${5:-$runner_sha}" "${3:+$3?$signed}" "$source_sha" 0123abcd "$4" "${@:6}" >"$1.yaml" || return
	/usr/bin/python3 - "$1" <<'E'
import sys, yaml
doc = yaml.safe_load(open(sys.argv[1] + '.yaml'))
assert list(doc['ssh_keys']) == ['ed25519_private', 'ed25519_public'], doc['ssh_keys']
assert doc['ssh_keys']['ed25519_private'].endswith('-----END OPENSSH PRIVATE KEY-----\n')
assert [u['name'] for u in doc['users']] == ['furrow'] and 'passwd' not in doc['users'][0]
open(sys.argv[1] + '.sh', 'w').write('#!/bin/sh\n' + doc['bootcmd'][0] + '\n')
E
}
# boot NAME SHELL [BIN]: one pass of the script, in the root NAME.
boot() { CALLS=$T/$1.calls FURROW_ROOT=$T/$1 PATH=$T/${3:-bin} $2 "$T/$1.sh"; }
until_true() { for _ in $(seq "${TRIES:-100}"); do "$@" 2>/dev/null && return; sleep 0.1; done; return 1; }
host() { echo "$T/$1/$2"; }
uptime_s() { cut -d. -f1 /proc/uptime; }

document plain "$url/0/runner" "$url/0/source" 900
is "the document parses, and says who comes in" $? 0
if command -v cloud-init >/dev/null; then
	run cloud-init schema --config-file plain.yaml
	out_like 'Valid (cloud-config|schema)' "cloud-init's schema takes it"
	[ "$status" = 0 ] || err_like 'nothing'
else
	skip "cloud-init's schema takes it" "cloud-init is not there"
fi

# Busybox only parses: its shell would prefer its own poweroff to the one in PATH.
run busybox sh -n plain.sh
is_status 0 "busybox parses it"
dash=$(command -v dash)
for shell in "$dash" "$(command -v bash) --posix"; do
	name=plain-${shell##*[/-]}
	cp plain.sh "$name.sh"
	run $shell -n "$name.sh"
	is_status 0 "$name: it parses"
	before=$(uptime_s)
	boot "$name" "$shell"
	until_true test -d "$name/var/lib/furrow/source/0123abcd"
	is "$name: the source is there" $? 0
	until_true test -x "$name/var/lib/furrow/runner/$runner_sha"
	is "$name: the runner is there" "$(cat "$name/var/lib/furrow/runner/$runner_sha")" "the runner"
	until_true grep -q '^source ' "$name/run/furrow/boot"
	is "$name: its modes" "$(cd "$name/var/lib/furrow" && stat -c %a runner/* source/0123abcd/{a,sub/b} | tr '\n' ' ')" "555 555 400 "
	is "$name: the tree" "$(cd "$name/var/lib/furrow/source/0123abcd" && cat a sub/b link | tr '\n' ' ')" "one two one "
	is "$name: nothing is left over" "$(cd "$name/var/lib/furrow" && ls runner source | tr '\n' ' ')" "runner: $runner_sha  source: 0123abcd "
	until_true test "$(wc -l <"$name/run/furrow/boot")" = 3
	is "$name: when each was there" "$(grep -cE '^(start|runner|source) [0-9]+\.[0-9]+$' "$name/run/furrow/boot")" 3
	left=$(($(cat "$name/run/furrow/until") - before))
	ok "$name: the lease begins with the boot" test "$left" -ge 900 -a "$left" -le 902
	ok "$name: no error" test ! -e "$name/run/furrow/boot.err"
	ok "$name: the source is the user's" grep -q "^chown -Rh 4711:4711 " "$name.calls"
	ok "$name: no word of a URL is run" test ! "$(grep pwned "$name.calls")"
done

# A second pass in the same boot, and a new boot with all there.
name=plain-dash loop=$(cat plain-dash/run/furrow/lease.pid) asked=$(wc -l <requests)
boot $name "$dash"
until_true test "$(wc -l <$name/run/furrow/boot)" = 6
is "a second pass keeps the loop" "$(cat $name/run/furrow/lease.pid)" "$loop"
ok "the loop is running" kill -0 "$loop"
kill "$loop"; rm -r $name/run
boot $name "$dash"
until_true grep -q '^source ' $name/run/furrow/boot
until_true grep -q '^runner ' $name/run/furrow/boot
ok "after a reboot a new loop runs" kill -0 "$(cat $name/run/furrow/lease.pid)"
is "nothing is fetched a second time" "$(wc -l <requests)" "$asked"
echo damaged >"$T/x"; mv -f "$T/x" "$name/var/lib/furrow/runner/$runner_sha"; chmod +x "$name/var/lib/furrow/runner/$runner_sha"
kill "$(cat $name/run/furrow/lease.pid)"; rm -r $name/run; boot $name "$dash"
until_true grep -q 'the runner' "$name/var/lib/furrow/runner/$runner_sha"
is "a damaged runner is fetched anew" $? 0

# Powering off.
name=plain-dash
echo garbage >u; mv u $name/run/furrow/until; sleep 0.5
echo 99999999999999999999 >u; mv u $name/run/furrow/until; sleep 0.5
rm $name/run/furrow/until; sleep 0.3
ok "a lease file that is none, or gone, ends nothing" test ! "$(grep poweroff $name.calls)"
echo "$(($(uptime_s) + 1000)).5" >u; mv u $name/run/furrow/until; sleep 0.3
ok "a renewed lease ends nothing" test ! "$(grep poweroff $name.calls)"
echo "$(uptime_s)" >u; mv u $name/run/furrow/until
until_true grep -q '^poweroff' $name.calls
is "a lease that is over powers off" $? 0
until_true grep -q '^poweroff -f' $name.calls
is "and harder, when that did not help" $? 0

document short "$url/0/runner" "$url/0/source" 1
printf '#!/bin/sh\nexit 1\n' >bin/poweroff
boot short "$dash"
until_true grep -q '^shutdown -P now' short.calls
is "nobody came within the boot's lease, and poweroff fails: shutdown" $? 0
kill "$(cat short/run/furrow/lease.pid)"
tools bin curl

# What goes wrong on the way.
document flaky "$url/2/runner" "$url/cut/source" 900
boot flaky "$dash"
until_true test -x "flaky/var/lib/furrow/runner/$runner_sha"
is "503, twice: the runner is there all the same" $? 0
until_true test -d flaky/var/lib/furrow/source/0123abcd
is "an answer cut short: the source is there all the same" $? 0
is "an error is told once" "$(grep -c '^runner: .*503' flaky/run/furrow/boot.err)" 1
ok "of the cut one too" grep -q '^source: curl: (18)' flaky/run/furrow/boot.err
ok "and none of a URL" test ! "$(grep Signature flaky/run/furrow/boot.err)"

document swap "$url/swap/runner" "" 900
boot swap "$dash"
until_true test -x "swap/var/lib/furrow/runner/$runner_sha"
is "other bytes: fetched again" $? 0
ok "and told" grep -q "^runner: its sha256 is [0-9a-f]*, expected $runner_sha" swap/run/furrow/boot.err
ok "no source, no folder" test ! -e swap/var/lib/furrow/source/0123abcd

# Files that are read: patterns, folders, blanks, a link; what is not there is told, what is quoted is not run.
mkdir -p 'warm/a b' warm/sub; head -c 300000 /dev/zero >'warm/a b/1.bin'; head -c 200000 /dev/zero >warm/sub/2.bin
head -c 50000 /dev/zero >warm/3.bin; echo no >warm/4.txt; ln -s 3.bin warm/link.bin
document warm "$url/0/runner" "" 900 "$runner_sha" "$T/warm/a*" "$T/warm/sub" "$T/warm/*.bin" "$T/nowhere/it's \$(pwned)\`pwned\`"
for shell in "$dash" "$(command -v bash) --posix"; do
	rm -rf warm-host; cp warm.sh warm-host.sh
	boot warm-host "$shell"
	until_true grep -q '^warm ' warm-host/run/furrow/boot
	is "files are read: ${shell##*/}" "$(cat warm-host/run/furrow/warm_bytes)" 600000
	ok 'from when on' grep -q '^warm_begin [0-9.]*$' warm-host/run/furrow/boot
	ok 'what is not there is told' grep -q '^warm_files: .*nowhere/it.s .* No such file' warm-host/run/furrow/boot.err
	ok 'and nothing of it is run' test ! "$(grep pwned warm-host.calls)"
	kill "$(cat warm-host/run/furrow/lease.pid)"
done

document wrong "$url/0/runner" "" 3 "$(printf 0%.0s $(seq 64))"
boot wrong "$dash"
until_true grep -q poweroff wrong.calls
ok "never the right bytes: no runner" test -z "$(ls wrong/var/lib/furrow/runner | grep -v partial)"
until_true test ! -e "/proc/$(cat wrong/run/furrow/get_runner.pid)"
is "the fetching ends with the lease" $? 0
kill "$(cat wrong/run/furrow/lease.pid)"

document slow "$url/slow/runner" "$url/slow/source" 900
started=$(date +%s%N)
boot slow "$dash" | cat
ok "a slow server does not hold up the boot" test $((($(date +%s%N) - started) / 1000000)) -lt 2000

document python "$url/1/runner" "$url/0/source" 900
boot python "$dash" bin-python
until_true test -x "python/var/lib/furrow/runner/$runner_sha"
is "without curl: by Python" $? 0
ok "with its error" grep -q '^runner: HTTP Error 503' python/run/furrow/boot.err
until_true test -d python/var/lib/furrow/source/0123abcd

port=$(cat port)
kill $server; wait $server 2>/dev/null
document late "$url/0/runner" "$url/0/source" 900
boot late "$dash"
until_true grep -q '^runner: curl: (7)' late/run/furrow/boot.err
is "nobody listens: told" $? 0
serve "$port"
until_true test -d late/var/lib/furrow/source/0123abcd
is "and done when somebody does" $? 0
done_testing
