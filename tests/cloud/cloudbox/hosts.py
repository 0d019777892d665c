"""The hosts of the box. Each really boots: namespaces of its own, an overlay over this machine's root, cloud-init, sshd,
at the address that the API reports. It must run in the cloud's network namespace, in a box that supervisor.py made.

    hosts = Hosts(dir, on_poweroff)     on_poweroff(instance_id) is called from a thread of ours
    hosts.boot(instance)                returns at once
    hosts.end(instance_id)              the platform ends it: it is told to go down, then cut off
    hosts.notice(instance_id, time)     what spot/instance-action tells it
    hosts.close()

A host's folder is DIR/hosts/ID: `console`, `pid` (its pid 1 in the box), `seed`. DIR/images/AMI says how hosts of an
image behave, see BEHAVIOURS; DIR/hosts.sock takes `box`'s words: one JSON object a line, answered by one."""
import json
import os
import shutil
import signal
import socketserver
import subprocess
import threading
import time

from cloudbox import cgroups, image, imds, kernel

BEHAVIOURS = {
    "ok": "boots (the default)",
    "never": "answers nothing but a closed port 22: it hangs before cloud-init",
    "dead": "never has a network",
    "slow:N": "begins to boot N seconds after its launch",
    "refused": "boots, and has no sshd",
    "silent": "takes connections at port 22 and says nothing",
    "garbage": "sends what is no SSH",
    "banner": "sends lines before the version line, without end",
    "wrong-key": "has another host key than it was told",
}
DOWN_S = 2.0  # between the platform's word to go down and the cut
# EC2's hosts have processors of their own. Ours don't, so they boot to their sshd a few at a time, each as soon as can
# be, instead of all together at the end.
AT_ONCE = (os.cpu_count() or 2) + 1
BOOT_S = 10.0  # then the next one begins in any case


class Host:
    def __init__(self, instance, folder, fs):
        self.instance, self.folder, self.fs = instance, folder, fs
        self.process = None
        self.state = "new"  # new, up, vanished (killed by the box), ending, gone
        self.notice = None
        self.lock = threading.Lock()

    def pid(self):
        """Its pid 1, or None."""
        below = kernel.children(self.process.pid) if self.process else []
        return next((p for p in below if kernel.is_init(p)), None)


def behaviour_of(folder, ami):
    """(behaviour, seconds to wait) of an image. ValueError: no such behaviour."""
    try:
        with open(os.path.join(folder, ami)) as f:
            text = f.read().strip()
    except FileNotFoundError:
        return "ok", 0.0
    return parse_behaviour(text)


def parse_behaviour(text):
    name, _, seconds = text.partition(":")
    if name == "slow":
        return "ok", float(seconds)
    if name not in BEHAVIOURS or seconds:
        raise ValueError(f"an image cannot be '{text}': {', '.join(BEHAVIOURS)}")
    return name, 0.0


class Hosts:
    def __init__(self, dir, on_poweroff):
        self.dir, self.on_poweroff = dir, on_poweroff
        self.hosts, self.lock = {}, threading.Lock()
        with open(os.path.join(dir, "cgroup")) as f:
            self.cgroup = f.read()
        self.closing = False
        self.slots = threading.Semaphore(AT_ONCE)
        self.imds = imds.Imds(self._who)
        self.control = _Control(os.path.join(dir, "hosts.sock"), self)

    def boot(self, instance):
        instance = dict(instance)
        address = instance["private_ip"]
        octets = [int(o) for o in address.split(".")]
        instance["mac"] = "0a:ff:" + ":".join(f"{o:02x}" for o in octets)
        instance["link"] = "h" + "".join(f"{o:02x}" for o in octets)
        instance["hostname"] = f"ip-{address.replace('.', '-')}"
        id = instance["id"]
        host = Host(instance, os.path.join(self.dir, "hosts", id), os.path.join(self.dir, "fs", id))
        with self.lock:
            if self.closing or (id in self.hosts and self.hosts[id].state not in ("gone", "vanished")):
                return
            self.hosts[id] = host
        threading.Thread(target=self._live, args=(host,), name=id, daemon=True).start()

    def end(self, instance_id):
        host = self.hosts.get(instance_id)
        if host is None:
            return
        with host.lock:
            if host.state in ("ending", "gone"):
                return
            host.state = "ending"
            self._signal(host, signal.SIGTERM)
        threading.Timer(DOWN_S, self._cut, args=(host,)).start()

    def notice(self, instance_id, time):
        host = self.hosts.get(instance_id)
        if host is not None:
            host.notice = time

    def close(self):
        """Ends all hosts at once."""
        self.closing = True
        hosts = list(self.hosts.values())
        for host in hosts:
            with host.lock:
                host.state = "ending"
            self._cut(host)
        until = time.monotonic() + 5
        while any(h.state != "gone" for h in hosts) and time.monotonic() < until:
            time.sleep(0.01)
        self.control.close()
        self.imds.close()

    def console(self, instance_id):
        """What it said while it booted, or None: bytes."""
        try:
            with open(os.path.join(self.dir, "hosts", instance_id, "console"), "rb") as f:
                return f.read()
        except OSError:
            return None

    def kill(self, instance_id):
        """It vanishes: nobody is told. Its cable goes first: a dying host's kernel would refuse connections for a moment."""
        host = self._live_host(instance_id)
        with host.lock:
            host.state = "vanished"
            kernel.run("ip", "link", "set", host.instance["link"], "down")
            self._signal(host, signal.SIGKILL)

    def freeze(self, instance_id, frozen):
        """Stops or continues all its processes; its kernel goes on answering."""
        pid = self._live_host(instance_id).pid()
        sig, seen = (signal.SIGSTOP if frozen else signal.SIGCONT), set()
        while pid:
            more = [p for p in kernel.descendants(pid) if p not in seen]
            if not more:
                return
            for p in more:
                seen.add(p)
                try:
                    os.kill(p, sig)
                except ProcessLookupError:
                    pass

    def plug(self, instance_id, plugged):
        """Its network cable: without it what is sent is lost."""
        host = self._live_host(instance_id)
        kernel.run("ip", "link", "set", host.instance["link"], "up" if plugged else "down")

    def list(self):
        return [{"id": h.instance["id"], "address": h.instance["private_ip"], "state": h.state, "pid": h.pid()}
                for h in list(self.hosts.values())]

    def _who(self, address):
        for host in list(self.hosts.values()):
            if host.instance["private_ip"] == address and host.state not in ("gone", "vanished"):
                return host.instance, host.notice
        return None, None

    def _live_host(self, instance_id):
        host = self.hosts.get(instance_id)
        if host is None or host.pid() is None:
            raise LookupError(f"no host {instance_id} is up; these are: "
                              + (", ".join(h["id"] for h in self.list() if h["pid"]) or "none"))
        return host

    def _signal(self, host, sig):
        pid = host.pid()
        if pid is None:
            pid = host.process.pid if host.process and host.process.poll() is None else None
            sig = signal.SIGKILL
        if pid is not None:
            try:
                os.kill(pid, signal.SIGCONT)
                os.kill(pid, sig)
            except ProcessLookupError:
                pass

    def _cut(self, host):
        if host.state != "gone":
            self._signal(host, signal.SIGKILL)

    def _live(self, host):
        """A host's life, in a thread of its own: boots, and boots again after a reboot."""
        try:
            self._seed(host)
            behaviour, after = behaviour_of(os.path.join(self.dir, "images"), host.instance["image"])
            while self._run(host, behaviour, after):
                after = 0
        except Exception as e:  # it must show where people look
            with open(os.path.join(host.folder, "console"), "a") as f:
                f.write(f"box: the host could not be started: {e}\n")
        was, host.state = host.state, "gone" if host.state != "vanished" else "vanished"
        self._remove(host)
        if was == "up" and not self.closing:
            self.on_poweroff(host.instance["id"])

    def _seed(self, host):
        i, seed = host.instance, os.path.join(host.folder, "seed")
        os.makedirs(seed, exist_ok=True)
        with open(os.path.join(seed, "meta-data"), "w") as f:
            json.dump({"instance-id": i["id"], "local-hostname": i["hostname"], "availability-zone": i["zone"],
                       "cloud-name": "aws", "region": i["region"]}, f)
        with open(os.path.join(seed, "user-data"), "wb") as f:
            f.write(i.get("user_data") or b"")

    def _run(self, host, behaviour, after):
        """From start to the end of its pid 1. True: it asked to be started again."""
        if after:
            time.sleep(after)
        i = host.instance
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "ID": i["id"], "ADDRESS": i["private_ip"], "MAC": i["mac"],
               "LINK": i["link"], "GATEWAY": "172.31.0.1", "NAME": i["hostname"], "FS": host.fs,
               "SIZE": disk_size(self.dir), "SEED": os.path.join(host.folder, "seed"),
               "IMAGE": os.path.join(self.dir, "fs", "image"), "BEHAVIOUR": behaviour,
               "CGROUP": f"{self.cgroup}/{i['id']}"}
        self.slots.acquire()
        slot = _Once(self.slots.release)
        with host.lock:
            if host.state == "ending":
                slot.do()
                return False
            host.process = subprocess.Popen([os.path.join(image.HOST_FILES, "start")], env=env, cwd="/",
                                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                            stderr=subprocess.STDOUT)
            host.state = "up"
        late = threading.Timer(BOOT_S, slot.do)
        late.start()
        self._keep_console(host, slot)
        late.cancel()
        slot.do()
        status = host.process.wait()
        return status in (3, -signal.SIGHUP) and host.state == "up"

    def _keep_console(self, host, slot):
        """What a host says, kept, until all its processes are gone. Its sshd is up: the next one's turn."""
        wrote_pid = False
        with open(os.path.join(host.folder, "console"), "ab", buffering=0) as console:
            while chunk := os.read(host.process.stdout.fileno(), 65536):
                console.write(chunk)
                if b"sshd is up" in chunk:
                    slot.do()
                if not wrote_pid and (pid := host.pid()):
                    wrote_pid = True
                    with open(os.path.join(host.folder, "pid"), "w") as f:
                        f.write(f"{pid}\n")
        host.process.stdout.close()

    def _remove(self, host):
        try:
            os.unlink(os.path.join(host.folder, "pid"))
        except FileNotFoundError:
            pass
        subprocess.run(["umount", "-l", host.fs], stderr=subprocess.DEVNULL)
        shutil.rmtree(host.fs, ignore_errors=True)
        cgroups.remove(f"{self.cgroup}/{host.instance['id']}")


class _Once:
    """Calls what it is given, once."""

    def __init__(self, call):
        self.call, self.lock = call, threading.Lock()

    def do(self):
        if self.lock.acquire(blocking=False):
            self.call()


def disk_size(dir):
    try:
        with open(os.path.join(dir, "hosts-memory")) as f:
            return f.read().strip()
    except FileNotFoundError:
        return "2g"


class _Control:
    """DIR/hosts.sock."""

    def __init__(self, path, hosts):
        words = {"kill": hosts.kill, "freeze": lambda id: hosts.freeze(id, True),
                 "thaw": lambda id: hosts.freeze(id, False), "unplug": lambda id: hosts.plug(id, False),
                 "plug": lambda id: hosts.plug(id, True), "list": lambda _: hosts.list()}

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                try:
                    asked = json.loads(self.rfile.readline())
                    answer = {"ok": words[asked["do"]](asked.get("id"))}
                except Exception as e:
                    answer = {"error": str(e)}
                self.wfile.write(json.dumps(answer).encode() + b"\n")

        class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
            daemon_threads = True

        if os.path.exists(path):
            os.unlink(path)
        self.server = Server(path, Handler)
        threading.Thread(target=self.server.serve_forever, name="hosts.sock", daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
