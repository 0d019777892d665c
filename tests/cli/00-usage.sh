#!/usr/bin/env bash
# The command line itself: help, versions, what is not understood, and where output goes.
. "$(dirname "$0")/lib.sh"

COMMANDS='init validate offers plan apply status logs runs report why destroy gc doctor completion'

run furrow --version; is_status 0; out_like '^furrow [0-9]+\.[0-9]+\.[0-9]+$' 'a version'
run furrow --help; is_status 0
for c in $COMMANDS; do out_like "^  $c +[a-z]" "--help names $c"; done
run furrow; is_status 64 'no command'; out_like '^usage: furrow' 'no command shows the usage'
run furrow aply; is_status 64 'an unknown command'; err_like "did you mean 'apply'" 'near misses are named'
run furrow frobnicate; is_status 64; err_like 'furrow --help' 'else where to look'
run furrow --jobs; is_status 64 'an unknown option before the command'
run furrow -C; is_status 64 '-C without a folder'
run furrow -C nowhere plan; is_status 64; err_like 'nowhere' '-C names the folder'

for c in $COMMANDS; do
	run furrow $c --help
	is_status 0 "$c --help"
	for part in 'usage: furrow' 'Examples:' 'Options:' 'Environment:' 'Exit codes:'; do
		grep -q "^$part" "$OUT" || break
	done
	report $? "$c --help has all parts"
	[ "$(sed -n '/^Examples:/,/^$/p' "$OUT" | grep -c '^  ')" -ge 3 ]; report $? "$c --help has three examples"
	# Every option that the help names is understood: it may want a value or a manifest, but is not unknown.
	unknown=
	for option in $(sed -n '/^Options:/,/^$/p' "$OUT" | grep -o -- '--[a-z-]*'); do
		run furrow $c $option
		grep -q 'unknown option' "$ERR" && unknown="$unknown $option"
	done
	is "$c: every option in its help is known" "$unknown" ''
	run furrow $c --no-such-option; is_status 64 "$c: an unknown option"
	cp "$OUT" "$T/a"; run furrow help $c; cp "$OUT" "$T/b"; run furrow $c --help
	ok "help $c is $c --help" cmp "$OUT" "$T/b"
done

run furrow plan --jsno; is_status 64; err_like "did you mean '--json'" 'an unknown option: did you mean'
run furrow plan -j; is_status 64; err_like "wants a value" 'a missing value'
run furrow plan -j none; is_status 64; err_like "not 'none'" 'a bad value'
run furrow plan a b; is_status 64; err_like "'b'" 'too many arguments'
run furrow plan --json --dot; is_status 64 'options that exclude each other'

# Output that nobody takes.
furrow --help >/dev/full 2>"$ERR"; status=$?; last='furrow --help >/dev/full'
is_status 3 'a full disk behind standard output'; err_like 'No space left' 'is named'
furrow --help 2>"$ERR" | :; s=("${PIPESTATUS[@]}"); [ "${s[0]}" = 0 ] || [ "${s[0]}" = 141 ]
report $? 'a reader that went away'
[ ! -s "$ERR" ]; report $? 'is nothing to talk about'

# Settings: command line, environment, config file; see furrow(1).
mkdir -p "$XDG_CONFIG_HOME/furrow"
echo 'color: blue' >"$XDG_CONFIG_HOME/furrow/config.yaml"
run furrow runs; is_status 64; err_like 'config.yaml:1:1: color' 'a wrong setting says where it stands'
echo 'color: always' >"$XDG_CONFIG_HOME/furrow/config.yaml"
run furrow runs; is_status 0 'a right setting'
run env FURROW_COLOR=sometimes furrow runs; is_status 64; err_like 'FURROW_COLOR' 'a wrong variable is named'
rm "$XDG_CONFIG_HOME/furrow/config.yaml"

run furrow completion bash; is_status 0; ok 'bash takes its completion' bash -n "$OUT"
complete_bash() { # WORDS...: what bash offers for the last one
	bash -c '. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _furrow; printf "%s\n" "${COMPREPLY[@]}"' \
		bash "$OUT" "$@" | sort | tr '\n' ' '
}
is 'bash completes commands' "$(complete_bash furrow re)" 'report '
is 'bash completes options' "$(complete_bash furrow plan --de)" '--detailed-exitcode '
is 'bash completes values' "$(complete_bash furrow apply --progress p)" 'plain '
is 'bash completes runs' "$(complete_bash furrow logs la)" 'latest '
run furrow completion zsh; is_status 0
if command -v zsh >/dev/null; then ok 'zsh takes its completion' zsh -n "$OUT"; else skip 'zsh takes its completion' 'no zsh here'; fi
run furrow completion fish; is_status 0
if command -v fish >/dev/null; then ok 'fish takes its completion' fish -n "$OUT"; else skip 'fish takes its completion' 'no fish here'; fi
run furrow completion bsh; is_status 64; err_like "did you mean 'bash'" 'an unknown shell'
# Names are anybody's: what a terminal would obey is not passed on.
run furrow $'\e[2J\a'; is_status 64
is 'no control characters of a command that is none' "$(cat "$ERR")" "furrow: there is no command '?[2J?' (furrow --help lists them)"
run furrow validate $'\e]0;title\a.yaml'; is_status 64
is 'nor of a file that is not there' "$(LC_ALL=C tr -dc '\033\007' <"$ERR" | wc -c)" 0
err_like 'there is no \?\]0;title\?\.yaml here' 'which is named all the same'

done_testing
