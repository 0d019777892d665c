#!/usr/bin/env bash
# workdir {url, ref}: a source from another repository.
. "$(dirname "$0")/lib.sh"

mkdir tool job && echo one >tool/data && repo tool >/dev/null && git -C tool tag v1
echo two >tool/data && commit tool
cat >job/furrow.yaml <<END
furrow: 1
name: remote
workdir: {url: "file://$T/tool", ref: v1}
entrypoint: 'cat data'
END
cd job || exit 1
run furrow plan
is_status 0 'plan'
out_like 'v1@[0-9a-f]{7}' 'the ref is named'
run furrow apply -y
is_status 0 'apply'
is 'the task had the files of that ref' "$(cat results/*/stdout)" one
sed -i 's/ref: v1/ref: main/' furrow.yaml
run furrow apply -y
is 'another ref' "$(cat results/*/stdout)" two
echo three >../tool/data && commit ../tool
run furrow apply -y
is 'a branch that moved on' "$(cat results/*/stdout)" three
sed -i 's/ref: main/ref: nope/' furrow.yaml
run furrow plan
is_status 64 'a ref that is not there'
err_like "has no branch or tag 'nope'" 'is named'
sed -i 's/^workdir.*/workdir: {url: "git@localhost:x.git"}/' furrow.yaml
run furrow plan
is_status 64 'an ssh URL'
err_like 'https' 'names the way that works'

# The CA certificates are read when https asks for them, and only then (providers/git/certs.c).
if command -v openssl >/dev/null && command -v strace >/dev/null; then
	port=$((20000 + $$ % 20000))
	openssl req -x509 -newkey rsa:2048 -nodes -keyout "$T/key" -out "$T/cert" -days 1 -subj /CN=localhost \
		-addext subjectAltName=DNS:localhost 2>/dev/null
	openssl s_server -quiet -www -accept "127.0.0.1:$port" -cert "$T/cert" -key "$T/key" >/dev/null 2>&1 &
	server=$!
	trap 'kill -9 $server 2>/dev/null; cleanup' EXIT
	for _ in $(seq 100); do
		(: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
		sleep 0.05
	done
	sed -i "s|^workdir.*|workdir: {url: 'https://localhost:$port/x.git'}|" furrow.yaml
	run furrow plan
	is_status 3 'https: a certificate that nobody vouches for'
	err_like 'certificate' 'https: is refused'
	kill -9 $server && wait $server 2>/dev/null
	sed -i 's|^workdir.*|workdir: {url: "file://'"$T"'/tool"}|' furrow.yaml
	run strace -f -e trace=open,openat furrow plan
	case $status in
	0) is 'no certificates are read without https' "$(grep -c ca-certificates "$ERR")" 0 ;;
	*) skip 'no certificates are read without https' 'strace cannot trace here' ;;
	esac
else
	skip 'https' 'openssl or strace is not installed'
fi
done_testing
