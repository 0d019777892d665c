#!/usr/bin/env bash
# How instances come up, and what is bought for it: marks of the boot, files that are read meanwhile, a disk that EBS fills
# ahead; images by a parameter of SSM, pinned by the plan.
. "$(dirname "$0")/lib.sh"
job boot <<'E2'
furrow: 1
name: boot
workdir: {path: .}
entrypoint: "true"
instances:
  infra: aws/us-east-2
  type: t3.micro
  spot: false
  ami: /team/latest
  disk: {size: 50GiB, warm: 300MiB/s}
  warm_files: [/usr/share/doc/libc6/*, /usr/share/zoneinfo/Africa, /nowhere/at/all]
map: {inputs: {count: 2}, per_instance: 1}
E2
image() { box run "$PYTHON" -c 'import sys, boto3; e, s = boto3.client("ec2"), boto3.client("ssm")
found = e.describe_images(Filters=[{"Name": "architecture", "Values": ["x86_64"]}])
id = sorted(i["ImageId"] for i in found["Images"] if i["Name"].startswith(("al2023-", "amzn2-ami-")))[int(sys.argv[1])]
s.put_parameter(Name="/team/latest", Value=id, Type="String", Overwrite=True); print(id)' "$1"; }
first=$(image 0)
case $first in ami-*) ;; *) report 1 "an image" ;; esac
run furrow plan -o "$T/saved"
is_status 0 'a plan with an image by a parameter'
out_like "launch t3.micro .*, $first" 'the plan names the image'
second=$(image -1)
[ "$first" != "$second" ]; report $? 'there is another one'
run furrow apply "$T/saved"
is_status 4 'another image by now: the saved plan is out of date'
ledger_is 'nothing was launched' 0 0
run furrow apply -y --progress plain
is_status 0 'apply'
sum=$(cat /usr/share/doc/libc6/* $(find -H /usr/share/zoneinfo/Africa -xdev -type f) | wc -c)
err_like 'warm_files: 1 instance read [0-9.]+ [KM]iB while booting, in [0-9.]+ m?s$' 'the summary tells what was read'
err_like '^warm_files: not all could be read: .*/nowhere/at/all.*No such file' 'and what was not'
is 'what was launched' "$(box log | jq -c '[.[] | select(.action == "RunInstances" and .status == 200) | .params |
	[.ImageId, .["BlockDeviceMapping.1.Ebs.VolumeSize"], .["BlockDeviceMapping.1.Ebs.VolumeInitializationRate"]]] | unique')" \
	"[[\"$second\",\"50\",\"300\"]]"

run furrow report --json
is_status 0 'a report'
boots=$(jq -c '[.nodes[] | select(.kind == "environment") | .boot]' "$OUT")
is 'it tells how it came up' "$(jq 'map(select(. != null)) | length' <<<"$boots")" 1
is 'what they read' "$(jq -c 'map(.warm_files.bytes) | unique' <<<"$boots")" "[$sum]"
ok 'and what they could not' jq -e 'all(.warm_files.why | test("/nowhere/at/all"))' <<<"$boots"
ok 'in what time' jq -e 'all(.warm_files.s > 0)' <<<"$boots"
ok 'what EBS was asked for' jq -e 'all(.disk.bytes_per_s == 314572800 and .disk.bytes > 0 and .disk.s > 0)' <<<"$boots"
# Marks of the host are in hundredths of a second by its clock, ours come over a connection.
late='def before(a; b): .[a] != null and .[b] != null and .[a] <= .[b] + 0.05;'
# Its kernel's begin is known to a second in the box.
for pair in 'kernel init' 'init runner' 'init warm' 'kernel sshd' 'sshd ready' 'connect login' 'login ready' \
	'warm ready' 'runner ready' 'accepted running'; do
	set -- $pair
	ok "$1 comes before $2" jq -e "$late all(before(\"$1_s\"; \"$2_s\"))" <<<"$boots"
done
run furrow report
out_like '^    since it was asked for: (accepted|kernel) .* connect [0-9.]+ m?s.* login .*ready [0-9.]+' 'for people'
out_like '^    warm_files: [0-9.]+ [KM]iB read in [0-9.]+ m?s, [0-9.]+ .*/s$' 'what was read'
out_like '^    disk.warm: EBS fills [0-9.]+ GiB at 300 MiB/s, in [0-9.]+' 'what was bought'
run furrow plan
is_status 0 'nothing is left to do'

# What cannot be.
for rate in 99MiB/s 301MiB/s fast; do
	sed "s|300MiB/s|$rate|" furrow.yaml >bad.yaml
	run furrow plan bad.yaml
	is_status 64 "warm: $rate"
	err_like "^bad.yaml:10:29: error: instances.disk.warm: '$rate'.*expected a (rate from 100MiB/s to 300MiB/s|size per second)"
done
arm=$(box run "$PYTHON" -c 'import boto3; print(boto3.client("ec2").describe_images(
	Filters=[{"Name": "architecture", "Values": ["arm64"]}])["Images"][0]["ImageId"])')
put() { box run "$PYTHON" -c 'import sys, boto3; boto3.client("ssm").put_parameter(Name="/team/latest", Value=sys.argv[1],
	Type="String", Overwrite=True)' "$1"; }
refused() { # VALUE RE
	put "$1"
	run furrow plan
	is_status 64 "a parameter with $1"
	err_like "furrow.yaml:9:8: instances.ami: $2"
}
refused "$arm" "image $arm .* is for arm64, but the instance is x86_64"
refused ami-0123456789abcdef0 "no image 'ami-0123456789abcdef0' in us-east-2"
refused hello 'ssm GetParameter /team/latest: its value names no image'
put "{\"image_id\": \"$first\"}"
run furrow plan
is_status 0 'one with an object, as those of ECS are'
sed -i 's|/team/latest|/team/none|' furrow.yaml
run furrow plan
is_status 64 'a parameter that is none'
err_like "furrow.yaml:9:8: instances.ami: no parameter '/team/none' in us-east-2: .aws ssm get-parameters-by-path --path /team "
ledger_is 'all of that' 1 0
done_testing
