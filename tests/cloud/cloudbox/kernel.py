"""What the box asks of the kernel beyond Python's library: namespaces, the parent's death, the `ip` command."""
import ctypes
import os
import signal
import subprocess

CLONE_NEWNS = 0x00020000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result, what):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags, what):
    _check(_libc.unshare(flags), f"make {what}")


def setns(fd, flags, what):
    _check(_libc.setns(fd, flags), f"enter {what}")


def die_with_parent(sig=signal.SIGKILL):
    _check(_libc.prctl(PR_SET_PDEATHSIG, int(sig), 0, 0, 0), "prctl PR_SET_PDEATHSIG")


def run(*argv, stdin=None):
    """Runs argv; its error is the exception's text."""
    done = subprocess.run(argv, input=stdin, text=True, capture_output=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: {(done.stderr or done.stdout).strip() or done.returncode}")
    return done.stdout


def ip(lines):
    run("ip", "-batch", "-", stdin=lines)


def started(pid):
    """When a process began, in clock ticks since boot: with its id what tells it from a later one. None: it is gone."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            fields = f.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as f:
            return [int(p) for p in f.read().split()]
    except OSError:
        return []


def descendants(pid):
    """pid and all below it, parents first."""
    found = [pid]
    for p in found:
        found += children(p)
    return found


def is_init(pid):
    """Whether pid is the first process of a namespace below this one."""
    try:
        with open(f"/proc/{pid}/status") as f:
            ids = next(line for line in f if line.startswith("NSpid:")).split()[1:]
    except (OSError, StopIteration):
        return False
    return len(ids) > 1 and ids[-1] == "1"
