# shellcheck shell=bash
# What the tests of faults share, beyond lib.sh. Source it after that; then:
#   work NAME [KEY=VALUE...]   a folder with a small job, entered: its manifest from the variables inputs, per_instance, max,
#                              idle, instances (', KEY: VALUE'), entrypoint and more (lines of YAML)
#   apply [OPTION...]          applies it as the client of the cloud
#   begin_apply, await_apply   the same in the background, as process $pid
#   hasten N                   from here on, furrow's minutes are N times as short
#   fault JSON                 makes calls fail; clears what was set before
#   since, newly LAUNCHED      since here; how many were launched from there on is LAUNCHED, and nothing runs
#   under DESC FAULTS STATUS LAUNCHED [RE]   an apply while calls fail so: how it ends, how many it launches, what it says
#   whole                      every task has its result
work() {
	local name=$1 inputs='{count: 2}' per_instance=2 max=1 idle=0 instances='' more='' \
		entrypoint='echo "$FURROW_INPUT by '$1'" >"$FURROW_OUT/said"'
	shift
	while [ $# -gt 0 ]; do
		local "${1%%=*}" && printf -v "${1%%=*}" %s "${1#*=}"
		shift
	done
	n_tasks=${inputs//[^0-9]/}
	# In one market, unless both are the point: what is tried, and how often, is counted.
	[[ $instances == *spot:* ]] || instances+=', spot: false'
	rm -rf "${T:?}/$name" && mkdir -p "$T/$name" && cd "$T/$name" || exit 1
	cat >furrow.yaml <<-END
		furrow: 1
		name: $name
		workdir: {path: .}
		instances: {infra: aws/us-east-2, type: t3.micro, max: $max, idle: $idle$instances}
		entrypoint: |
		$(sed 's/^/  /' <<<"$entrypoint")
		map: {inputs: $inputs, per_instance: $per_instance}
		results: results/
		$more
	END
}
apply() { run timeout "${LIMIT:-110}" box run env ${HASTY-} furrow apply -y --progress plain "$@"; }
# The same in the background, as process $pid; its status comes with await_apply.
begin_apply() {
	box run env --default-signal=INT ${HASTY-} furrow apply -y --progress plain "$@" >"$OUT" 2>"$ERR" </dev/null &
	pid=$!
	last="furrow apply $*"
}
await_apply() { { wait "$pid"; status=$?; } 2>/dev/null; }
has_launched() { grep -qs '"ev":"effect"' .furrow/runs/*/journal.jsonl; }
hasten() {
	# Its programs are some ten times slower, so that seconds of a faster clock would not be enough for them.
	if ldd "$B/furrow" | grep -q libtsan; then
		skip 'what takes minutes' 'no faster clock for the thread sanitizer'
		done_testing
	fi
	[ -e "$T/hasty.so" ] || ${CC:-cc} -O2 -shared -fPIC -o "$T/hasty.so" "$ROOT/tests/cloud/hasty.c" -ldl || exit 1
	# A sanitizer's library wants to be the first.
	HASTY="HASTE=$1 LD_PRELOAD=$(ldd "$B/furrow" | awk '/libasan/ { print $3 ":" }')$T/hasty.so"
}
fault() {
	box faults clear >/dev/null
	box fault "$1" >/dev/null
}
faults_done() { [ "$(box faults | jq '[.[] | select(.applied > 0)] | length')" -gt 0 ]; }
since() { before=$(launched); }
newly() {
	is "$1: launched" $(($(launched) - before)) "$2"
	is "$1: nothing runs" "$(running)" 0
}
whole() { [ "$(ls results/*/said 2>/dev/null | wc -l)" = "$n_tasks" ]; }
# ends DESC STATUS LAUNCHED: an apply that ends so, leaves nothing, and whose faults came.
ends() {
	is_status "$2" "$1: exit $2"
	[ "$2" != 0 ] || ok "$1: every task has its result" whole
	newly "$1" "$3"
	[ -z "${4-}" ] || err_like "$4" "$1: it says $4"
	err_unlike "$(printf '\033')" "$1: no escape goes to the terminal"
}

under() {
	work faults entrypoint="echo \"$1\" >\"\$FURROW_OUT/said\""
	since
	fault "$2"
	apply
	ok "$1: it happened" faults_done
	box faults clear >/dev/null
	ends "$1" "$3" "$4" "${5-}"
}
