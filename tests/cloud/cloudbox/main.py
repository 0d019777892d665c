"""The words of `box`, other than `run`, which is the shell script's."""
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

from cloudbox import cgroups, image, kernel, supervisor

PROC = os.environ.get("BOX_PROC", "/proc")
PREFIX = "furrow-box."
UP_S = 30
ENV = """\
unset AWS_PROFILE AWS_DEFAULT_PROFILE AWS_SESSION_TOKEN AWS_SECURITY_TOKEN AWS_CA_BUNDLE AWS_ROLE_ARN
unset AWS_WEB_IDENTITY_TOKEN_FILE AWS_CONTAINER_CREDENTIALS_RELATIVE_URI AWS_CONTAINER_CREDENTIALS_FULL_URI
unset http_proxy https_proxy all_proxy no_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY
export AWS_ENDPOINT_URL='http://{api}'
export AWS_ACCESS_KEY_ID='{key}' AWS_SECRET_ACCESS_KEY='{secret}'
export AWS_REGION='us-east-2' AWS_DEFAULT_REGION='us-east-2'
export AWS_EC2_METADATA_DISABLED='true' AWS_CONFIG_FILE='/dev/null' AWS_SHARED_CREDENTIALS_FILE='/dev/null'
export FURROW_CALLER_IP_URL='http://{api}/checkip'
export FURROW_SPOT_ADVISOR_URL='http://{api}/spot-advisor-data.json'
export BOX_DIR='{dir}'
"""
TRY = """\
EC2 in a box: this shell is the client of a cloud of its own, which ends with it. For example:
  box hosts; aws ec2 describe-instances; box ledger      what runs
  cd examples/ec2-map && furrow apply                    a job on it (README.md tells it step by step)
  box rtt 80; box cut on; box help                       make its life harder
"""


class Failed(Exception):
    pass


def live(dir):
    """(keeper, init) of the box in dir, or None."""
    try:
        with open(os.path.join(dir, "box")) as f:
            keeper, since, init = f.read().split()
        with open(f"{PROC}/{keeper}/stat") as f:
            fields = f.read().rpartition(")")[2].split()
    except (OSError, ValueError):
        return None
    return (int(keeper), int(init)) if fields[0] not in "ZX" and fields[19] == since else None


def which():
    """The only box that is up."""
    if os.environ.get("BOX_DIR"):
        return os.environ["BOX_DIR"]
    temp = tempfile.gettempdir()
    found = [os.path.join(temp, n) for n in os.listdir(temp) if n.startswith(PREFIX)]
    found = [d for d in found if live(d)]
    if len(found) != 1:
        raise Failed("which box? " + (f"{len(found)} are up: " + " ".join(found) if found else "none is up")
                     + " (--dir DIR, or BOX_DIR)")
    return found[0]


def take(args, name, default=None):
    """The value of option `name`, taken out of args."""
    if name not in args:
        return default
    i = args.index(name)
    if i + 1 == len(args):
        raise Failed(f"{name} wants a value")
    value = args[i + 1]
    del args[i:i + 2]
    return value


def number(text, what):
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 60000:
        raise Failed(f"{what}: a number from 0 to 60000 was expected, not '{text}'")
    return value


# --- up and down


def build_folder():
    b = os.environ.get("B") or "build"
    return b if b.startswith("/") else os.path.join(image.REPOSITORY, b)


def delay_program():
    program = os.path.join(build_folder(), "tests/cloud/delay")
    if not os.path.exists(program):
        kernel.run("make", "-s", "-C", image.REPOSITORY, f"B={build_folder()}", program)
    return program


def python_with_moto():
    """A Python that has moto: the one on the PATH, else a virtual environment in the build folder."""
    venv = os.path.join(build_folder(), "tests/cloud/venv")
    for python in (sys.executable, os.path.join(venv, "bin/python3")):
        if os.path.exists(python) and not subprocess.run(
                [python, "-c", "import importlib.util as u, sys; sys.exit(not (u.find_spec('moto') and "
                 "u.find_spec('flask') and u.find_spec('botocore')))"]).returncode:
            return python
    print("box: no moto here, installing it into", venv, file=sys.stderr)
    kernel.run("python3", "-m", "venv", venv)
    kernel.run(os.path.join(venv, "bin/pip"), "install", "--quiet", "moto[server]==5.2.1", "boto3")
    return os.path.join(venv, "bin/python3")


def why_not():
    """Why no box can be here, or None."""
    if os.geteuid() != 0:
        return "hosts need root: network and mount namespaces, and users of their own"
    for tool, package in (("ip", "iproute2"), ("nsenter", "util-linux"), ("cloud-init", "cloud-init"),
                          ("sshd", "openssh-server"), ("sudo", "sudo"), ("curl", "curl")):
        if not shutil.which(tool, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin"):
            return f"there is no {tool} (package {package})"
    if not os.path.exists("/dev/net/tun"):
        return "there is no /dev/net/tun for the delay line"
    done = subprocess.run(["unshare", "--net", "--mount", "--pid", "--fork", "true"], capture_output=True, text=True)
    return f"no namespaces: {done.stderr.strip()}" if done.returncode else None


def up_reduced(dir):
    """The APIs alone, on loopback: no namespaces, so no root; no line and no hosts."""
    python = python_with_moto()
    dir = os.path.abspath(dir or tempfile.mkdtemp(prefix=PREFIX))
    if live(dir):
        raise Failed(f"a box is up in {dir}")
    os.makedirs(dir, exist_ok=True)
    r, w = os.pipe()
    if os.fork() == 0:
        daemon(dir, r)
        if os.fork():
            os._exit(0)
        keep_reduced(dir, python, w)
    os.close(w)
    os.wait()
    with open(r) as f:
        port = f.read().strip().rpartition(":")[2]
    if not port:
        with open(os.path.join(dir, "box.log")) as f:
            log = f.read().strip()
        shutil.rmtree(dir, ignore_errors=True)
        raise Failed(f"the box did not come up:\n{log}")
    with open(os.path.join(dir, "reduced"), "w") as f:
        f.write(port)
    with open(os.path.join(dir, "env"), "w") as f:
        f.write(ENV.format(api=f"127.0.0.1:{port}", key=supervisor.KEY, secret=supervisor.SECRET, dir=dir))
    return dir


def keep_reduced(dir, python, ready):
    """The keeper: the APIs' process dies with it, and it with that one."""
    os.set_inheritable(ready, True)
    env = dict(os.environ, PYTHONPATH=os.path.dirname(image.HERE), PYTHONDONTWRITEBYTECODE="1")
    child = subprocess.Popen([python, "-m", "cloudbox.proxy", "--listen", "127.0.0.1:0", "--dir", os.path.join(dir, "api"),
                              "--no-hosts", "--key", f"{supervisor.KEY}:{supervisor.SECRET}", "--ready", str(ready)],
                             stdin=subprocess.DEVNULL, env=env, pass_fds=[ready])
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    with open(os.path.join(dir, "box.tmp"), "w") as f:
        f.write(f"{os.getpid()} {kernel.started(os.getpid())} {child.pid}\n")
    os.rename(os.path.join(dir, "box.tmp"), os.path.join(dir, "box"))
    os.close(ready)
    child.wait()
    os._exit(0)


def reduced_port(dir):
    """Of a reduced box, or None."""
    try:
        with open(os.path.join(dir, "reduced")) as f:
            return int(f.read())
    except FileNotFoundError:
        return None


def must_be_whole(dir, what):
    if reduced_port(dir):
        raise Failed(f"a reduced box has no {what}: that needs root")


def up(args, leash=None):
    """Starts a box, returns its folder when all of it answers."""
    if "--reduced" in args or os.geteuid() != 0:
        args = [a for a in args if a != "--reduced"]
        if "--rtt" in args or "--hosts-memory" in args:
            raise Failed("a reduced box has neither line nor hosts: they need root")
        dir = take(args, "--dir")
        no_more(args)
        return up_reduced(dir)
    rtt = number(take(args, "--rtt", "0"), "--rtt")
    memory, dir = take(args, "--hosts-memory"), take(args, "--dir")
    registry = "--registry" in args
    no_more([a for a in args if a != "--registry"])
    if reason := why_not():
        raise Failed(f"no box here: {reason}")
    cgroups.sweep()
    delay, python = delay_program(), python_with_moto()
    if dir is None:
        dir = tempfile.mkdtemp(prefix=PREFIX)
    dir = os.path.abspath(dir)
    if live(dir):
        raise Failed(f"a box is up in {dir}")
    if os.path.exists(os.path.join(dir, "box")):
        clear(dir)
    for name in ("hosts", "images"):
        os.makedirs(os.path.join(dir, name), exist_ok=True)
    if memory:
        with open(os.path.join(dir, "hosts-memory"), "w") as f:
            f.write(memory)
    if registry:
        if not shutil.which("docker-registry"):
            raise Failed("there is no docker-registry (package docker-registry)")
        ask_registry(dir, "keys")
    r, w = os.pipe()
    if os.fork() == 0:
        daemon(dir, r)
        if os.fork():
            os._exit(0)
        try:
            if leash:
                os.close(leash[1])  # the shell alone holds it
            supervisor.keep(dir, delay, rtt, python, w, leash[0] if leash else None)
        except Exception as e:
            supervisor.say(str(e))
        os._exit(1)
    os.close(w)
    os.wait()
    if not os.read(r, 8):
        with open(os.path.join(dir, "box.log")) as f:
            log = f.read().strip()
        shutil.rmtree(dir, ignore_errors=True)
        raise Failed(f"the box did not come up:\n{log}")
    os.close(r)
    with open(os.path.join(dir, "env"), "w") as f:
        f.write(ENV.format(api=supervisor.API, key=supervisor.KEY, secret=supervisor.SECRET, dir=dir))
    return dir


def daemon(dir, unused):
    os.setsid()
    os.chdir("/")
    os.close(unused)
    null = os.open("/dev/null", os.O_RDONLY)
    log = os.open(os.path.join(dir, "box.log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(null, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)


def down(dir):
    pair = live(dir)
    if pair:
        keeper = os.pidfd_open(pair[0])
        os.kill(pair[0], signal.SIGTERM)
        if not wait_gone(keeper, 15):
            os.kill(pair[0], signal.SIGKILL)
            wait_gone(keeper, 5)
        os.close(keeper)
    whole = not reduced_port(dir)
    clear(dir)
    if whole:
        cgroups.sweep()


def wait_gone(pidfd, seconds):
    import select
    return bool(select.select([pidfd], [], [], seconds)[0])


def clear(dir):
    """A box's folder goes, and nothing that isn't one."""
    if os.path.exists(os.path.join(dir, "box")) and not live(dir):
        shutil.rmtree(dir, ignore_errors=True)


# --- a person's shell


def shell(args):
    if reason := why_not():
        raise Failed(f"no shell in a box here: {reason} (box up --reduced, then box run CMD, has the APIs alone)")
    r, w = os.pipe()
    dir = up(args, leash=(r, w))
    os.close(r)
    stopped = []

    def stop(number, _):
        stopped.append(number)
        if child:
            os.kill(child, signal.SIGKILL)

    child = 0
    for s in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(s, stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    tty = os.isatty(0)
    if tty:
        print(TRY, end="", flush=True)
    child = os.fork()
    if child == 0:
        os.close(w)
        try:
            inside(dir, tty)
        except Exception as e:
            print(f"box: {e}", file=sys.stderr)
        os._exit(1)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if tty:
        with contextlib.suppress(OSError):  # its window was closed
            os.tcsetpgrp(0, os.getpgrp())
    down(dir)
    return 128 + stopped[0] if stopped else status


def inside(dir, tty):
    """The shell, in a process namespace of its own, so that it takes with it what was started in it."""
    kernel.die_with_parent()
    keeper, _ = live(dir)
    ns = os.open(f"/proc/{keeper}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    kernel.unshare(kernel.CLONE_NEWPID | kernel.CLONE_NEWNS, "the shell's processes")
    init = os.fork()
    if init:
        os._exit(os.waitstatus_to_exitcode(os.waitpid(init, 0)[1]) & 0xff)
    kernel.die_with_parent()
    kernel.run("mount", "--make-rprivate", "/")
    proc = os.path.join(dir, "proc")
    os.mkdir(proc)
    kernel.run("mount", "--rbind", "/proc", proc)
    kernel.run("mount", "-t", "proc", "proc", "/proc")
    kernel.setns(ns, kernel.CLONE_NEWNET, "the client's network")
    os.chdir(os.getcwd())
    bash = os.fork()
    if bash == 0:
        for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGTTOU):
            signal.signal(s, signal.SIG_DFL)
        exec_bash(dir, proc, tty)
    while True:
        pid, status = os.wait()
        if pid == bash:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 - code)


def exec_bash(dir, proc, tty):
    rc = os.path.join(dir, "rc")
    with open(rc, "w") as f:
        f.write("[ ! -f ~/.bashrc ] || . ~/.bashrc\n" if tty else "")
        f.write(f". '{dir}/env'\nexport BOX_PROC='{proc}'\n"
                f"PATH='{build_folder()}:{os.path.dirname(image.HERE)}':$PATH\nunset PYTHONPATH PROMPT_COMMAND\n"
                "PS1='(box) \\w\\$ '\n")
    if tty:
        os.execvp("bash", ["bash", "--rcfile", rc, "-i"])
    os.environ["BASH_ENV"] = rc
    os.execvp("bash", ["bash", "-c", "unset BASH_ENV; while IFS= read -r line; do eval \"$line\"; done"])


# --- the line, the hosts, the APIs


def ask_line(dir, word):
    must_be_whole(dir, "line")
    own = os.path.join(dir, f".line.{os.getpid()}")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(own)
        try:
            s.settimeout(5)
            s.connect(os.path.join(dir, "delay.sock"))
            s.send(word.encode())
            return s.recv(256).decode()
        finally:
            os.unlink(own)


def ask_hosts(dir, word, id=None):
    must_be_whole(dir, "hosts")
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(os.path.join(dir, "hosts.sock"))
        s.sendall(json.dumps({"do": word, "id": id}).encode() + b"\n")
        answer = json.loads(s.makefile().readline())
    if "error" in answer:
        raise Failed(answer["error"])
    return answer["ok"]


def ask_registry(dir, word, *args):
    """From the cloud's network, once there is one."""
    into = []
    if word != "keys":
        if not os.path.exists(os.path.join(dir, "registry/server.crt")):
            raise Failed("this box has no registry (box up --registry)")
        into = ["nsenter", f"--net={PROC}/{the_live(dir)[1]}/ns/net", "--"]
    done = subprocess.run(into + [python_with_moto(), "-m", "cloudbox.registry", word, dir, supervisor.API, *args],
                          env=dict(os.environ, PYTHONPATH=os.path.dirname(image.HERE), PYTHONDONTWRITEBYTECODE="1"),
                          capture_output=True, text=True)
    if done.returncode:
        raise Failed(f"registry {word}: {done.stderr.strip()}")
    return done.stdout


def ask_api(dir, method, path, body=None):
    """The control interface of the proxy, from its own network: no delay, no cut."""
    api, init = supervisor.API, the_live(dir)[1]
    if port := reduced_port(dir):
        api = f"127.0.0.1:{port}"
    else:
        with open(f"{PROC}/{init}/ns/net") as ns:
            kernel.setns(ns.fileno(), kernel.CLONE_NEWNET, "the cloud's network")
    request = urllib.request.Request(f"http://{api}/-box/{path}", method=method,
                                     data=None if body is None else body.encode(),
                                     headers={"Content-Type": "application/json"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        return opener.open(request, timeout=30).read().decode()
    except urllib.error.HTTPError as e:
        raise Failed(f"{method} /-box/{path}: {e.code} {e.read().decode(errors='replace').strip()}")


def the_live(dir):
    pair = live(dir)
    if not pair:
        raise Failed(f"no box is up in {dir}")
    return pair


def set_word(dir, args):
    if not args:
        return ask_api(dir, "GET", "settings")
    key, value = args
    if not key.startswith("image."):
        try:
            value = json.loads(value, parse_constant=int)  # NaN is a text like others
        except ValueError:
            pass
        return ask_api(dir, "POST", "settings", json.dumps({key: value}))
    must_be_whole(dir, "hosts")
    from cloudbox import hosts
    ami = key[len("image."):]
    if "/" in ami or not ami:
        raise Failed(f"'{ami}' is no image id")
    try:
        hosts.parse_behaviour(value)
    except ValueError as e:
        raise Failed(str(e))
    with open(os.path.join(dir, "images", ami), "w") as f:
        f.write(value)
    return ""


def hosts_word(dir):
    lines = [f"{h['id']}  {h['address']:<15}  {h['state']}" for h in ask_hosts(dir, "list")]
    return "".join(line + "\n" for line in lines)


def host_folder(dir, id):
    must_be_whole(dir, "hosts")
    folder = os.path.join(dir, "hosts", id)
    if "/" in id or not os.path.isdir(folder):
        raise Failed(f"no host {id} was started")
    return folder


def exec_in_host(dir, id, argv):
    try:
        with open(os.path.join(host_folder(dir, id), "pid")) as f:
            pid = f.read().strip()
    except FileNotFoundError:
        raise Failed(f"host {id} is not up")
    ns = f"{PROC}/{the_live(dir)[1]}/ns"
    env = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "USER": "root",
           "LANG": "C.UTF-8", "TERM": os.environ.get("TERM", "dumb")}
    into = ["nsenter", f"--mount={ns}/mnt", f"--pid={ns}/pid", f"--net={ns}/net", "--", "nsenter", "--target", pid,
            "--mount", "--uts", "--ipc", "--net", "--pid", "--time", "--wdns=/root", "--"]
    os.execvpe("nsenter", into + (argv or ["bash", "-l"]), env)


def no_more(args):
    if args:
        raise Failed(f"not understood: {' '.join(args)} (see box help)")


def word(name, args):
    if name == "up":
        print(up(args))
        return 0
    if name == "shell":
        return shell(args)
    if name == "which":
        print(which())
        return 0
    if name == "python":
        print(python_with_moto())
        return 0
    if name == "check":
        print(why_not() or "", end="")
        return 0
    dir = args[1] if args[:1] == ["--dir"] and len(args) > 1 else None
    args = args[2:] if dir else args
    dir = dir or which()
    if name == "down":
        no_more(args)
        down(dir)
        return 0
    the_live(dir)
    if name == "host" and args:
        exec_in_host(dir, args[0], args[1:])
    sys.stdout.write(answer(dir, name, args) or "")
    return 0


def answer(dir, name, args):
    match name, args:
        case "rtt", [ms]:
            return ask_line(dir, f"rtt {number(ms, 'rtt')}")
        case "rtt", []:
            return ask_line(dir, "state")
        case "cut", ["on" | "off" as how]:
            return ask_line(dir, f"cut {how}")
        case "hosts", []:
            return hosts_word(dir)
        case "console", [id]:
            with open(os.path.join(host_folder(dir, id), "console"), errors="replace") as f:
                return f.read()
        case "kill" | "freeze" | "thaw" | "plug" | "unplug", [id]:
            ask_hosts(dir, name, id)
        case "registry", ["push", _, _] | ["push", _, _, _] | ["corrupt", _]:
            return ask_registry(dir, *args)
        case "set", [] | [_, _]:
            return set_word(dir, args)
        case "ledger", []:
            return ask_api(dir, "GET", "ledger")
        case "log", []:
            return ask_api(dir, "GET", "log")
        case "log", ["--since", since]:
            return ask_api(dir, "GET", f"log?since={since}")
        case "faults", []:
            return ask_api(dir, "GET", "faults")
        case "faults", ["clear"]:
            return ask_api(dir, "DELETE", "faults")
        case "fault", [rule]:
            return ask_api(dir, "POST", "faults", rule)
        case "interrupt", [id]:
            return ask_api(dir, "POST", "interrupt", json.dumps({"id": id}))
        case "interrupt", [id, seconds]:
            return ask_api(dir, "POST", "interrupt", json.dumps({"id": id, "notice_s": number(seconds, "interrupt")}))
        case _:
            raise Failed(f"not understood: {' '.join([name] + args)} (see box help)")


def main():
    try:
        return word(sys.argv[1], sys.argv[2:])
    except (Failed, RuntimeError, OSError) as e:
        print(f"box: {e}", file=sys.stderr)
        return 1


sys.exit(main())
