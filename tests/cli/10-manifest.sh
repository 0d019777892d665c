#!/usr/bin/env bash
# Manifests as a user meets them: validate and init. tests/manifest holds inputs with exactly what is to be said of them,
# the exit status last; FURROW_UPDATE=1 writes those anew, to be read before they are committed.
. "$(dirname "$0")/lib.sh"
cases=$ROOT/tests/manifest

for input in "$cases"/*.yaml; do
	name=$(basename "$input" .yaml)
	run furrow -C "$cases" validate "$name.yaml"
	{ cat "$OUT" "$ERR"; echo "exit $status"; } >"$T/$name"
	[ -n "${FURROW_UPDATE-}" ] && cp "$T/$name" "$cases/$name.expected"
	cmp -s "$T/$name" "$cases/$name.expected"
	report $? "what is said of $name.yaml"
	diff "$cases/$name.expected" "$T/$name" | sed 's/^/# /' | head -20
done

# What cannot lie in a repository as text.
run furrow validate
is_status 64 "no manifest: exit 64"
err_like "no furrow.yaml here: .furrow init. writes one" "no manifest: what to do"
run furrow validate gone/furrow.yaml
is_status 64 "no such folder: exit 64"
printf '' >empty.yaml
run furrow validate empty.yaml
is_status 64 "an empty file: exit 64"
err_like '^empty.yaml: error: there is nothing in it; .furrow init. writes' "an empty file: what to do"
printf 'furrow: 1\nname: a\0b\n' >binary.yaml
run furrow validate binary.yaml
is_status 64 "a binary file: exit 64"
err_like '^binary.yaml:2:8: error: a NUL byte: this is a binary file' "a binary file is called so"
printf 'furrow: 1\nname: \xe9t\xe9\n' >latin.yaml
run furrow validate latin.yaml
is_status 64 "no UTF-8: exit 64"
err_like '^latin.yaml:2:7: error: the byte 0xe9 is no UTF-8' "no UTF-8: where"
printf '\xff\xfef\0u\0' >utf16.yaml
run furrow validate utf16.yaml
err_like 'UTF-16; save it as UTF-8' "UTF-16 is recognised"
printf '\xef\xbb\xbffurrow: 1\r\nname: bom\r\nentrypoint: x\r\n' >bom.yaml
run furrow validate bom.yaml
is_status 0 "a byte order mark and CRLF are fine"
head -c 2097152 /dev/zero | tr '\0' '#' >big.yaml
run furrow validate big.yaml
is_status 64 "2 MiB: exit 64"
err_like 'larger than 1' "2 MiB: the limit is named"
mkdir folder
run furrow validate folder
is_status 64 "a folder without a manifest: exit 64"
printf 'furrow: 1\nname: a\nentrypoint: x\nextends: nowhere.yaml\n' >extends.yaml
run furrow validate extends.yaml
is_status 64 "extends what isn't there: exit 64"
err_like '^extends.yaml:4:10: error: extends: .*nowhere.yaml' "extends what isn't there: where"
{ printf 'furrow: 1\nname: many\nentrypoint: x\n'; for i in $(seq 300); do echo "unknown$i: 1"; done; } >many.yaml
run furrow validate many.yaml
is "at most 100 errors are shown" "$(grep -c ': error: ' "$ERR")" 100
err_like '^many.yaml: 300 errors' "all of them are counted"
(printf 'furrow: 1\nname: deep\nentrypoint: '; head -c 100000 /dev/zero | tr '\0' '[') >deep.yaml
run furrow validate deep.yaml
err_like 'nested too deep: more than 64 levels' "depth is limited"

# JSON: the same for programs.
printf 'furrow: 1\nname: json\nentrypoint: x\ninstances: {memory: 16Gb}\n' >json.yaml
run furrow validate --json json.yaml
is_status 64 "--json: exit 64 as well"
is "--json: one document" "$(jq -r '[.furrow_validate, .valid, .errors, .file] | join(" ")' "$OUT")" "1 false 1 json.yaml"
is "--json: place and hint" "$(jq -r '.diagnostics[0] | "\(.severity) \(.line):\(.column) \(.hint)"' "$OUT")" \
	"error 4:21 did you mean '16GiB'?"
ok "--json: nothing else is said" test ! -s "$ERR"

# --infra
printf 'furrow: 1\nname: cloud\nentrypoint: x\ninstances: {infra: aws/us-east-2}\nstore: s3://bucket/x\n' >cloud.yaml
run furrow validate cloud.yaml
is_status 0 "a manifest for a cloud is valid"
out_like 'infra aws/us-east-2' "and says for which"
printf 'furrow: 1\nname: cloud\nentrypoint: x\ninstances: {infra: aws/us-east-2, any_of: [{arch: arm64}]}\nstore: here\n' >grant.yaml
run furrow validate grant.yaml
is_status 64 "what no cloud grants is not valid, as plan says it"
err_like "^grant.yaml:4:51: error: instances.any_of\[0\].arch: " "its place"
err_like "^grant.yaml:5:8: error: store: 'here' is a folder here" "all of it in one go"
run furrow validate --infra local cloud.yaml
is_status 0 "it is valid for this machine, too"
err_like 'not used with --infra local' "with a warning for what it lacks here"
run furrow validate --infra moon cloud.yaml
is_status 64 "--infra moon: exit 64"
run furrow validate --jsn json.yaml
is_status 64 "an unknown option: exit 64"
err_like "did you mean '--json'" "an unknown option: what was meant"

# init: valid as it is, never over something.
mkdir "$T/My_Project 2" && cd "$T/My_Project 2" || exit 1
run furrow init
is_status 0 "init writes a manifest"
run furrow validate
is_status 0 "which is valid"
err_unlike . "without a warning"
out_like 'my-project-2: 3 tasks, infra local' "under the folder's name"
echo '# mine' >furrow.yaml
run furrow init
is_status 64 "init leaves a file alone that is there"
err_like 'is there already and stays as it is; --force' "and says so"
is "it is as it was" "$(cat furrow.yaml)" "# mine"
ln -s elsewhere link.yaml
run furrow init link.yaml
is_status 64 "init does not write through a link that leads nowhere"
ok "nothing came of it" test ! -e elsewhere
run furrow init --force
is_status 0 "init --force writes over it"
run furrow validate
is_status 0 "with something valid"
git init -q . && run furrow init other.yaml
is_status 0 "init takes a name"
err_like 'commit it' "in git it says to commit"
# Every commented key is right as well.
sed -E '/^  # inputs:/d; /^#   # /d; s/^(#  |  #) ([a-z_]+:)/  \2/; s/^# ([a-z_]+:)/\1/; /^extends:/d; s|^store: [^ ]*|store: s3://bucket/furrow|' other.yaml >all.yaml
run furrow validate --infra aws/us-east-2 all.yaml
is_status 0 "the template's commented keys are valid, too"
ok "and they are more than a few" test "$(grep -cE '^ *[a-z_]+:' all.yaml)" -gt 30
run furrow init nowhere/furrow.yaml
is_status 64 "init in a folder that isn't there: exit 64"

# The man page tells of every key in the table.
page=$ROOT/cmd/furrow/furrow.yaml.5
keys=$(grep -oE '^	\{"[a-z0-9_]+", KEY_' "$ROOT/planner/schema.c" | cut -d'"' -f2 | sort -u)
ok "the table has keys" test "$(wc -w <<<"$keys")" -gt 40
for key in $keys; do
	grep -q "^\.It Ic $key :" "$page" || missing="${missing-} $key"
done
is "the man page has every key" "${missing-}" ""
if command -v man >/dev/null; then
	run env MANWIDTH=80 man --warnings -l "$page"
	is_status 0 "the man page can be shown"
	err_unlike . "without a warning"
else
	skip "the man page can be shown" "no man here"
fi
done_testing
