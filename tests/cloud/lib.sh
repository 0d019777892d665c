# What the tests in the cloud share, beyond those of tests/cli: a box for each test file, gone when it ends. Source it; then:
#   client CMD...             runs CMD as the client of the cloud
#   pinned_user_data          a user data file with keys of the test's own: login ec2, host key pinned; $T/known_hosts is
#                             filled by launch
#   launch N [KEY=VALUE...]   N instances through boto3, lines "ID ADDRESS" in $T/launched; KEY=VALUE as RunInstances has
#                             them, values in JSON
#   reach ADDRESS [SECONDS]   waits for its sshd
#   login ADDRESS CMD...      ssh with the pinned key
#   ledger_is DESC LAUNCHED RUNNING, and `launched`, `running`: what the ledger says
# BOX_UP, set before: more options of `box up`.
# shellcheck source=../cli/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../cli/lib.sh"
PATH=$PATH:$ROOT/tests/cloud
unset BOX_PROC
export BOX_DIR=$T/box B
why=$(box check)
if [ -n "$why" ]; then
	skip "$(basename "$0")" "$why"
	done_testing
fi
PYTHON=$(box python) || exit 1
trap 'box down; cleanup' EXIT
# shellcheck disable=SC2086
box up --dir "$BOX_DIR" ${BOX_UP-} >/dev/null || exit 1

client() { box run "$@"; }

# For jobs in containers: a runner with a sanitizer in it needs libraries that no image has.
plain_runner() {
	ldd "$FURROW_RUNNER" >/dev/null 2>&1 || return 0
	export FURROW_RUNNER=$T/plain/furrow-runner
	env -u MAKEFLAGS -u MAKELEVEL -u SAN -u OPT -u WARN -u RUNNER_LINK make -s -C "$ROOT" B="$T/plain" "$FURROW_RUNNER" || exit 1
}

pinned_user_data() {
	ssh-keygen -q -t ed25519 -N '' -C '' -f "$T/host_key" && ssh-keygen -q -t ed25519 -N '' -C '' -f "$T/key"
	cat >"$T/user-data" <<-END
		#cloud-config
		users:
		  - name: ec2
		    sudo: ALL=(ALL) NOPASSWD:ALL
		    shell: /bin/bash
		    ssh_authorized_keys: ["$(cat "$T/key.pub")"]
		ssh_keys:
		  ed25519_private: |
		$(sed 's/^/    /' "$T/host_key")
		  ed25519_public: $(cat "$T/host_key.pub")
	END
}

launch() {
	local count=$1 address
	shift
	client "$PYTHON" "$ROOT/tests/cloud/launch.py" "$count" "$T/user-data" "$@" >"$T/launched" || return 1
	while read -r _ address; do
		echo "$address $(cat "$T/host_key.pub")"
	done <"$T/launched" >>"$T/known_hosts"
}

# Not "open": a connection and a word, as sshd gives it.
reach() {
	local until=$((SECONDS + ${2:-40}))
	while [ $SECONDS -le $until ]; do
		client timeout 1 bash -c 'exec 3<>"/dev/tcp/$1/22" && head -c 4 <&3' reach "$1" 2>/dev/null |
			grep -q '^SSH-' && return 0
		sleep 0.05
	done
	return 1
}

login() {
	local address=$1
	shift
	client ssh -F none -i "$T/key" -o UserKnownHostsFile="$T/known_hosts" -o StrictHostKeyChecking=yes \
		-o HostKeyAlgorithms=ssh-ed25519 -o BatchMode=yes -o ConnectTimeout=5 "ec2@$address" "$@"
}

launched() { box ledger | jq .launched; }
running() { box ledger | jq .running; }
ledger_is() {
	is "$1: launched" "$(launched)" "$2"
	is "$1: running" "$(running)" "$3"
}

# comes_true SECONDS COMMAND...: waits for it.
comes_true() {
	local until=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $until ] || return 1
		sleep 0.05
	done
}

# job NAME: a repository with the manifest that stands on stdin, and the current folder.
job() {
	mkdir -p "$T/$1" && cd "$T/$1" || exit 1
	cat >furrow.yaml
	printf '.furrow\nresults\n' >.gitignore
	repo .
}
furrow() { client furrow "$@"; }

# What was asked for since `log_from` that changes something, a line each.
log_from() { from=$(box log | jq length); }
changes() {
	box log | jq -r ".[${from:-0}:][] | select(.action | test(\"^(Describe|Get|List|Head)\") | not) |
		\"\(.service) \(.action) \(.target)\""
}
the_host() { box hosts | awk '$3 == "up" { print $1 }'; }
