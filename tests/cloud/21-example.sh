#!/usr/bin/env bash
# examples/ec2-map: what its README tells is done word for word, in the shell of `make cloud`.
. "$(dirname "$0")/lib.sh"
box down
mkdir -p "$T/repository/examples" && cp -r "$ROOT/examples/ec2-map" "$T/repository/examples/" || exit 1
rm -rf "$T/repository/examples/ec2-map/"{results,.furrow}
repo "$T/repository"
cd "$T/repository" || exit 1

# Each command's output and status.
sed -n '/^```console$/,/^```$/s/^\$ //p' examples/ec2-map/README.md | sed 's/  *# .*//' |
	awk -v t="$T" '{ printf "{ %s; } >%s/said.%d 2>&1; echo $? >>%s/statuses\n", $0, t, NR, t }' >"$T/lines"
is 'it has commands' "$(wc -l <"$T/lines")" 12
unset BOX_DIR
run timeout 300 sh -c 'box shell <"$1"' sh "$T/lines"
is_status 0 'the shell'
is 'every command succeeds' "$(xargs <"$T/statuses")" '0 0 0 0 0 0 0 0 0 0 0 0'
said() { cat "$T/said.$1"; }
cp "$T/said.2" "$OUT"; out_like 'launch [a-z0-9.]+ [(]spot[)] in us-east-2' 'plan'; out_like '3 at a time|2 tasks at a time each'
cp "$T/said.3" "$OUT"; out_like '^12 tasks done' 'apply'
is 'the picture is whole' "$(said 4 | wc -l) $(said 4 | awk '{ print length($0) }' | sort -u)" '24 78'
is 'and symmetric' "$(said 4 | head -n 12)" "$(said 4 | tail -n 12 | tac)"
cp "$T/said.5" "$OUT"; out_like 'boot ' 'report'
cp "$T/said.6" "$OUT"; out_like 'Nothing to do' 'nothing to do'
cp "$T/said.7" "$OUT"; out_like ' up$' 'warm instances'
cp "$T/said.9" "$OUT"; out_like '^1 task done, 12 in place before' 'one more'; out_like 'is warm'
is 'none left' "$(said 11)" 0
done_testing
