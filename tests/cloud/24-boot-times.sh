#!/usr/bin/env bash
# examples/boot-times: an instance per image, all at once, and its boots side by side.
. "$(dirname "$0")/lib.sh"
cp -r "$ROOT/examples/boot-times" "$T/" && cd "$T/boot-times" || exit 1
export BOOT_TIMES=$T/work
for m in base.yaml images/*/furrow.yaml; do
	run furrow validate "$m"
	is_status 0 "$m is valid"
done
mkdir images/none
printf 'furrow: 1\nextends: ../../base.yaml\nname: boot-times-none\ninstances: {ami: ami-00000000000000000}\n' >images/none/furrow.yaml
run client ./boot-times
is_status 1 'one of them is none'
err_like "^boot-times: none: .*no image 'ami-00000000000000000'" 'which is told'
rm -r images/none
is 'a column for each of the others' "$(head -n 1 "$OUT" | xargs)" "$(ls images | xargs)"
n_images=$(ls images | wc -l)
awk -v n="$n_images" 'NR > 1 && /^(kernel began|cloud-init|runner|sshd|we |whole run|EC2 accepted)/ {
	rows++
	for (i = NF - n + 1; i <= NF; i++) if ($i !~ /^[0-9]+[.][0-9][0-9]$/) bad = 1
} END { exit bad || rows != 9 }' "$OUT"
report $? 'times of each mark'
awk '/^we connected/ { c = $3 } /^we were let in/ { l = $5 } /^runner answered/ { r = $3 } END { exit !(0 < c && c <= l && l <= r) }' "$OUT"
report $? 'in their order'
for image in $(ls images); do out_like "^$image: .+, kernel .+" "$image says what it is"; done
is 'each of an image of its own, all but the disk alike' "$(box log | jq -r '[.[] | select(.action == "RunInstances" and .status == 200) |
	.params] | [(map(.ImageId) | unique | length), (map(.InstanceType) | unique | length)] | @tsv' | xargs)" "$n_images 1"
ledger_is 'one for each, and none is left' "$n_images" 0
run client ./boot-times nothing
is_status 64 'an image that is none'
err_like 'no images/nothing/furrow.yaml'
ledger_is 'and nothing is launched' "$n_images" 0
done_testing
