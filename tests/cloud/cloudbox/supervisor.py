"""What holds a box up. Two processes: the keeper, in the client's network namespace and the caller's process namespace,
and below it the init of a process namespace of its own, in the cloud's network namespace, with the delay line, the
proxy and the hosts below. When either is killed, however, the kernel ends all the rest, and with the last process go
the namespaces, their mounts and devices.

    client 10.77.0.2 == delay line == 10.77.0.1, bridge br0: 10.77.1.1 (APIs), 172.31.0.1 -- hosts 172.31.x.y
"""
import os
import select
import signal
import subprocess
import sys
import time

from cloudbox import cgroups, image, kernel, registry

CLIENT, API, PORT = "10.77.0.2", "10.77.1.1", 80
KEY, SECRET = "AKIAFURROWBOX0000001", "furrow/box+secret/0000000000000000000001"
TOOLS = os.path.dirname(image.HERE)


def say(text):
    print(f"box: {text}", file=sys.stderr, flush=True)


def _sysctl(name, value):
    path = "/proc/sys/" + name
    if os.path.exists(path):
        with open(path, "w") as f:
            f.write(value)


class Init:
    """Pid 1 of the box."""

    def __init__(self, dir, client_ns, delay, rtt, python):
        self.dir, self.client_ns, self.delay, self.rtt, self.python = dir, client_ns, delay, rtt, python
        self.parts = {}
        self.stopping = False

    def up(self):
        kernel.unshare(kernel.CLONE_NEWNS, "the box's mounts")
        kernel.run("mount", "--make-rprivate", "/")
        kernel.run("mount", "-t", "proc", "proc", "/proc")
        self.disk()
        kernel.unshare(kernel.CLONE_NEWNET, "the cloud's network")
        self.line()
        self.network()
        self.registry()
        self.proxy()

    def disk(self):
        fs = os.path.join(self.dir, "fs")
        os.makedirs(fs, exist_ok=True)
        kernel.run("mount", "-t", "tmpfs", "-o", "mode=755", "furrow-box", fs)
        layer = os.path.join(fs, "image")
        os.mkdir(layer, 0o755)
        image.build(layer)
        if (ca := self.registry_ca()):
            image.trust(layer, f"{API}:{registry.PORT}", ca)

    def registry_ca(self):
        """Its certificate, when there is to be a registry."""
        try:
            with open(os.path.join(self.dir, "registry/server.crt")) as f:
                return f.read()
        except FileNotFoundError:
            return None

    def line(self):
        self.parts["delay"] = p = subprocess.Popen(
            [self.delay, f"/proc/self/fd/{self.client_ns}", os.path.join(self.dir, "delay.sock"), str(self.rtt)],
            stdout=subprocess.PIPE, pass_fds=[self.client_ns])
        if p.stdout.readline() != b"ready\n":
            raise RuntimeError("the delay line did not come up, see above")

    def network(self):
        # What is sent to no host is lost, as on EC2: the kernel asks for its neighbour for minutes.
        _sysctl("net/ipv6/conf/default/disable_ipv6", "1")
        _sysctl("net/ipv6/conf/all/disable_ipv6", "1")
        kernel.ip(f"""\
link set lo up
addr add 10.77.0.1/24 dev line
link set line up
link add br0 address 0a:ff:0a:4d:01:01 type bridge
addr add {API}/24 dev br0
addr add 172.31.0.1/16 dev br0
addr add 169.254.169.254/32 dev br0
link set br0 up
""")
        _sysctl("net/ipv4/neigh/br0/retrans_time_ms", "60000")
        _sysctl("net/ipv4/ip_forward", "1")
        cloud = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        kernel.setns(self.client_ns, kernel.CLONE_NEWNET, "the client's network")
        _sysctl("net/ipv6/conf/eth0/disable_ipv6", "1")
        kernel.ip(f"""\
link set lo up
addr add {CLIENT}/24 dev eth0
link set eth0 up
route add 10.77.1.0/24 via 10.77.0.1
route add 172.31.0.0/16 via 10.77.0.1
""")
        kernel.setns(cloud, kernel.CLONE_NEWNET, "the cloud's network")
        os.close(cloud)

    @staticmethod
    def clean_env():
        env = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy") and not k.startswith("AWS_")}
        return dict(env, PYTHONPATH=TOOLS, PYTHONUNBUFFERED="1")

    def registry(self):
        if not self.registry_ca():
            return
        self.parts["registry"] = p = subprocess.Popen(
            [self.python, "-m", "cloudbox.registry", "serve", self.dir, API], env=self.clean_env(), cwd=self.dir,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        if p.stdout.readline() != b"ready\n":
            raise RuntimeError("the registry did not come up, see registry.log")

    def proxy(self):
        env = self.clean_env()
        self.parts["proxy"] = p = subprocess.Popen(
            [self.python, "-m", "cloudbox.proxy", "--dir", self.dir, "--listen", f"{API}:{PORT}", "--key",
             f"{KEY}:{SECRET}"], env=env, cwd=self.dir, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        if not p.stdout.readline().startswith(b"ready "):
            raise RuntimeError("the APIs did not come up, see above")

    def watch(self):
        """Reaps until a part of the box ends or the keeper says so."""
        by_pid = {p.pid: name for name, p in self.parts.items()}
        while not self.stopping:
            try:
                pid, status = os.wait()
            except InterruptedError:
                continue
            if pid in by_pid and not self.stopping:
                say(f"its {by_pid[pid]} ended (status {os.waitstatus_to_exitcode(status)}), so does the box")
                return 1
        return 0

    def down(self):
        """The proxy ends the hosts; what is left the kernel ends with us."""
        p = self.parts.get("proxy")
        if p is not None:
            p.send_signal(signal.SIGTERM)
            until = time.monotonic() + 3
            while time.monotonic() < until and kernel.started(p.pid) is not None:
                try:
                    os.waitpid(p.pid, os.WNOHANG)
                except ChildProcessError:
                    break
                time.sleep(0.02)


class _Stop(Exception):
    pass


def _init(dir, client_ns, delay, rtt, python, ready):
    def stop(*_):
        raise _Stop

    init = Init(dir, client_ns, delay, rtt, python)
    signal.signal(signal.SIGTERM, stop)
    status = 1
    try:
        init.up()
        os.write(ready, b"up")
        os.close(ready)
        status = init.watch()
    except _Stop:
        status = 0
    except Exception as e:
        say(str(e))
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    init.down()
    os._exit(status)


def _end_clients(ns):
    """Whoever is still in the client's network, whose namespace is still held by us."""
    me = os.getpid()
    for sig in (signal.SIGTERM, signal.SIGKILL):
        found = []
        for name in os.listdir("/proc"):
            if name.isdigit() and int(name) != me:
                try:
                    if os.stat(f"/proc/{name}/ns/net").st_ino == ns:
                        os.kill(int(name), sig)
                        found.append(int(name))
                except OSError:
                    pass
        until = time.monotonic() + 1
        while any(kernel.started(p) for p in found) and time.monotonic() < until:
            time.sleep(0.01)


def keep(dir, delay, rtt, python, ready, leash):
    """The keeper; it never returns. A byte comes through `ready` when the box is up; when `leash` (or None) is closed
    at its other end, the box goes down."""
    kernel.unshare(kernel.CLONE_NEWNET, "the client's network")
    client_ns = os.open("/proc/self/ns/net", os.O_RDONLY)
    ns = os.fstat(client_ns).st_ino
    kernel.unshare(kernel.CLONE_NEWPID, "the box's processes")
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD])
    signal.signal(signal.SIGCHLD, lambda *_: None)
    group = cgroups.name_of(os.getpid())
    with open(os.path.join(dir, "cgroup"), "w") as f:
        f.write(group)
    pid = os.fork()
    if pid == 0:
        kernel.die_with_parent()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD])
        if leash is not None:
            os.close(leash)
        _init(dir, client_ns, delay, rtt, python, ready)
    os.close(ready)
    with open(os.path.join(dir, "box.tmp"), "w") as f:
        f.write(f"{os.getpid()} {kernel.started(os.getpid())} {pid}\n")
    os.rename(os.path.join(dir, "box.tmp"), os.path.join(dir, "box"))
    _wait(pid, leash)
    _end_clients(ns)
    cgroups.remove(group)
    os._exit(0)


def _wait(pid, leash):
    """Until the init is gone; asked to, or let off the leash, it is told to go down first."""
    gone = os.pidfd_open(pid)
    r, w = os.pipe()
    os.set_blocking(w, False)
    signal.set_wakeup_fd(w, warn_on_full_buffer=False)
    for s in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(s, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
    until = None
    while True:
        watched = [gone, r] + ([leash] if leash is not None and until is None else [])
        left = None if until is None else max(0, until - time.monotonic())
        readable, _, _ = select.select(watched, [], [], left)
        if gone in readable:
            break
        if not readable:
            os.kill(pid, signal.SIGKILL)
            until = time.monotonic() + 5
        elif until is None:
            os.kill(pid, signal.SIGTERM)
            until = time.monotonic() + 6
        if r in readable:
            os.read(r, 64)
    os.waitpid(pid, 0)
