#!/usr/bin/env bash
# The box itself: it comes up, a host boots as the API was told and ends as it should, and nothing is left of it.
. "$(dirname "$0")/lib.sh"

pinned_user_data
cat >>"$T/user-data" <<'END'
bootcmd: [[sh, -c, "echo bootcmd >>/run/boot"]]
write_files: [{path: /etc/written, content: hello}]
runcmd: [[sh, -c, "echo runcmd >>/run/boot"]]
END

run launch 1 'TagSpecifications=[{"ResourceType":"instance","Tags":[{"Key":"Name","Value":"one"}]}]' \
	'MetadataOptions={"HttpTokens":"required"}'
is_status 0 'RunInstances'
read -r id address <"$T/launched"
ok 'its sshd answers at the address that the API reports' reach "$address"
ledger_is 'one instance' 1 1

# A fresh instance.
run login "$address" 'id -un; hostname; sudo -n id -u; cut -d. -f1 /proc/uptime'
is_status 0 'login with the pinned key'
out_like '^ec2$' 'the user that user data makes'
out_like "^ip-${address//./-}$" 'its name is that of its address'
out_like '^0$' 'sudo without a password'
is 'it came up just now' "$([ "$(tail -n 1 "$OUT")" -lt 60 ] && echo young)" young
is 'no word on stderr' "$(cat "$ERR")" ''
comes_true 40 login "$address" grep -q runcmd /run/boot
is 'bootcmd, then runcmd' "$(login "$address" cat /run/boot | xargs)" 'bootcmd runcmd'
is 'write_files' "$(login "$address" cat /etc/written)" hello
is 'nothing of this machine in it' "$(login "$address" 'sudo ls -A /root /home /work /tmp /srv 2>/dev/null' |
	grep -v -e : -e '^$' -e '^\.ssh$' -e '^ec2$' -e '^debian$')" ''
is 'the repository is not in it' "$(login "$address" "test -e '$ROOT' && echo there")" ''
is 'one host key, the one it was told' "$(login "$address" 'sudo sh -c "cat /etc/ssh/ssh_host_*.pub"')" "$(sed "s/ *$//" "$T/host_key.pub")"
is "sshd's limits are the stock ones" "$(login "$address" 'sudo /usr/sbin/sshd -T' | grep -E '^max(startups|sessions) ' |
	sort | xargs)" 'maxsessions 10 maxstartups 10:30:100'
echo "$address $(cat "$T/key.pub")" >"$T/other_hosts"
run client ssh -F none -i "$T/key" -o UserKnownHostsFile="$T/other_hosts" -o StrictHostKeyChecking=yes \
	-o HostKeyAlgorithms=ssh-ed25519 -o BatchMode=yes "ec2@$address" true
is_status 255 'a key that is not the pinned one'

# The metadata service.
run login "$address" 'M=http://169.254.169.254/latest
	T=$(curl -s -X PUT -H "X-aws-ec2-metadata-token-ttl-seconds: 60" $M/api/token)
	get() { curl -s -w " %{http_code}\n" ${T:+-H "X-aws-ec2-metadata-token: $T"} $M/$1; }
	get meta-data/instance-id; get meta-data/placement/region; get meta-data/tags/instance/Name
	get meta-data/spot/instance-action; get user-data | head -n 1; T=wrong; get meta-data/; T=; get meta-data/'
is 'the metadata service' "$(xargs <"$OUT")" "$id 200 us-east-2 200 one 200 404 #cloud-config 401 401"

# A container on it.
if command -v podman >/dev/null && [ -x /bin/busybox ]; then
	run login "$address" 'mkdir -p r/bin && cp /bin/busybox r/bin/sh && tar -C r -c . | sudo podman import -q - box &&
		sudo podman run --rm box sh -c "echo in a container"'
	out_like 'in a container' 'podman runs a container'
else
	skip 'podman runs a container' 'podman or busybox is not installed'
fi

# The line.
ping() { client "$PYTHON" -c '
import socket, sys, time
s = socket.create_connection((sys.argv[1], 22), 5); s.recv(10); t = time.time()
s = socket.create_connection((sys.argv[1], 22), 5); print(round((time.time() - t) * 1000))' "$1"; }
box rtt 80 >/dev/null
ms=$(ping "$address")
is "80 ms are 80 to 100 ms ($ms)" "$([ "$ms" -ge 80 ] && [ "$ms" -le 100 ] && echo so)" so
box rtt 0 >/dev/null
box cut on >/dev/null
run client timeout 2 bash -c "exec 3<>/dev/tcp/$address/22"
is_status 124 'a cut line is silent'
box cut off >/dev/null
ok 'and comes back' reach "$address"

# Its ends.
run login "$address" /usr/sbin/poweroff
is_status 1 'poweroff is not for everybody'
run box freeze "$id"
run timeout 2 "$ROOT/tests/cloud/box" run ssh-keyscan -T 1 "$address"
is 'a frozen host says nothing' "$(cat "$OUT")" ''
run box thaw "$id"
ok 'and goes on' reach "$address"
run login "$address" sudo reboot
comes_true 40 grep -q 'boots' <(sleep 3; box console "$id" | grep boots | sed -n 2p)
ok 'a reboot: it is there again' reach "$address" 15
is 'with its disk' "$(login "$address" cat /etc/written)" hello
ledger_is 'after a reboot' 1 1
run login "$address" sudo shutdown -P now
ok 'shutdown inside ends the instance' comes_true 40 sh -c 'box ledger | jq -e ".running == 0"'
is 'as the instance itself asked' "$(box ledger | jq -r '.instances[0].reason_code')" Client.InstanceInitiatedShutdown

# The API ends a host, and a host that vanishes is silent.
run launch 2
read -r id address <"$T/launched"
read -r other_id other_address < <(tail -n 1 "$T/launched")
ok 'a host' reach "$address"
ok 'another' reach "$other_address"
run client "$PYTHON" -c 'import boto3, sys; boto3.client("ec2").terminate_instances(InstanceIds=sys.argv[1:])' "$id"
is_status 0 'TerminateInstances'
ok 'ends the host' comes_true 40 sh -c "box hosts | grep -q '$id.*gone'"
run box kill "$other_id"
is_status 0 'kill'
run client timeout 4 bash -c "exec 3<>/dev/tcp/$other_address/22"
is_status 124 'a host that vanished is silent'
is 'and the API does not know yet' "$(running)" 1

# Images that are set to misbehave.
box set image.ami-0000000000000dead silent
run box set image.ami-0000000000000dead mute
is_status 1 'a behaviour that is none'
err_like 'wrong-key' 'is answered with those that are'

# Nothing is left, whoever is killed.
left() {
	pgrep -f "$BOX_DIR" | grep -v "^$$\$"
	grep -F "$BOX_DIR" /proc/mounts
	grep -l -F "$BOX_DIR" /proc/[0-9]*/mounts 2>/dev/null
	for p in /proc/[0-9]*; do
		[ "$(readlink "$p/ns/net")" = "$1" ] && echo "$p in the client's network"
	done
	ip -o link | grep -E ': (h|br0|line)' | head -n 1
}
for victim in keeper init down; do
	[ -e "$BOX_DIR/box" ] || box up --dir "$BOX_DIR" >/dev/null
	run launch 1
	read -r _ address <"$T/launched"
	ok "$victim: a host" reach "$address"
	read -r keeper _ init <"$BOX_DIR/box"
	net=$(readlink "/proc/$keeper/ns/net")
	case $victim in
	keeper) kill -9 "$keeper" ;;
	init) kill -9 "$init" ;;
	down) box down ;;
	esac
	for _ in $(seq 50); do
		what=$(left "$net")
		[ -n "$what" ] || break
		sleep 0.1
	done
	is "$victim ended: nothing is left" "$what" ''
	box down 2>/dev/null
	is "$victim ended: nor its folder" "$(ls -d "$BOX_DIR" 2>/dev/null)" ''
done

# A shell whose window is closed, or that is killed, takes its box along.
cat >"$T/window.py" <<'END'
import os, pty, re, signal, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execvp("box", ["box", "shell"])
said = b""
os.write(terminal, b'echo "it is in <$BOX_DIR>"\n')
while not (dir := re.search(rb"it is in <(/[^>]+)>", said)):
    said += os.read(terminal, 4096)
with open(dir[1].decode() + "/box") as f:
    print(dir[1].decode(), os.readlink(f"/proc/{f.read().split()[0]}/ns/net"))
if sys.argv[1] == "killed":
    os.kill(pid, signal.SIGKILL)
END
for how in closed killed; do
	run timeout 60 env -u BOX_DIR python3 "$T/window.py" $how
	is_status 0 "a shell to be $how"
	read -r dir net <"$OUT"
	BOX_DIR=$dir
	comes_true 20 eval '[ -z "$(left "$net")" ]'
	is "a shell that was $how: nothing of its box is left" "$(left "$net")" ''
	[ $how = killed ] || ok 'nor its folder' comes_true 20 [ ! -e "$dir" ]
	rm -rf "$dir"
done
done_testing
