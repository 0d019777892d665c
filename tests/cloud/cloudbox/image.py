"""The disk image that the hosts of the box boot from: a layer over this machine's root that makes a fresh instance of
it. Nobody's files, no users but the system's, no host keys, cloud-init as a cloud image has it."""
import os
import shutil
import stat

HERE = os.path.dirname(os.path.abspath(__file__))
REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
HOST_FILES = os.path.join(os.path.dirname(HERE), "host")

# Empty in an instance, whatever this machine has there.
EMPTY = [
    "root", "home", "tmp", "mnt", "media", "srv", "opt", "run", "var/tmp", "var/log", "var/cache", "var/mail",
    "var/spool/cron", "var/lib/cloud", "var/lib/containers", "var/lib/apt/lists", "etc/ssh/sshd_config.d",
    "etc/ssh/ssh_config.d", "etc/sudoers.d", "etc/cloud/cloud.cfg.d", "etc/cron.d", "etc/profile.d",
]
# All that a root has; what else this machine keeps there, the hosts don't see.
ROOT = {
    "bin", "boot", "dev", "etc", "home", "lib", "lib32", "lib64", "libx32", "media", "mnt", "opt", "proc", "root", "run",
    "sbin", "srv", "sys", "tmp", "usr", "var",
}
MODES = {"root": 0o700, "tmp": 0o1777, "var/tmp": 0o1777}
# Debian's cloud images have these settings, or get them from how the platform builds them.
CLOUD_CFG = """\
datasource_list: [ NoCloud ]
# The address comes from the platform, the disk is as large as it should be, the locale is C.UTF-8.
network: {config: disabled}
growpart: {mode: 'off'}
resize_rootfs: false
locale: false
manage_etc_hosts: false
"""
CONTAINERS_CONF = """\
[containers]
netns = "host"
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
STORAGE_CONF = """\
[storage]
driver = "overlay"
runroot = "/run/containers/storage"
graphroot = "/var/lib/containers/storage"
"""


def _write(layer, path, text, mode=0o644):
    path = os.path.join(layer, path)
    if not os.path.isdir(os.path.dirname(path)):
        _folder(layer, os.path.relpath(os.path.dirname(path), layer))
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, mode)


def _folder(layer, path, opaque=False, mode=None):
    """A folder of the layer, with the owner and mode of what it lies over."""
    at = layer
    for part in path.split("/"):
        at = os.path.join(at, part)
        below = "/" + os.path.relpath(at, layer)
        if os.path.isdir(at):
            continue
        os.mkdir(at)
        if os.path.isdir(below):
            s = os.stat(below)
            os.chown(at, s.st_uid, s.st_gid)
            os.chmod(at, stat.S_IMODE(s.st_mode))
        else:
            os.chmod(at, 0o755)
    if opaque:
        os.setxattr(at, "trusted.overlay.opaque", b"y")
    if mode is not None:
        os.chmod(at, mode)


def _remove(layer, path):
    """An overlay's whiteout."""
    if os.path.dirname(path):
        _folder(layer, os.path.dirname(path))
    os.mknod(os.path.join(layer, path), stat.S_IFCHR | 0o000, os.makedev(0, 0))


def _accounts(layer):
    """The system's users and groups only: who is to log in is for cloud-init to make."""
    people = set()
    kept = []
    with open("/etc/passwd") as f:
        for line in f:
            name, _, uid = line.split(":")[:3]
            if 1000 <= int(uid) < 65534:
                people.add(name)
            else:
                kept.append(line)
    _write(layer, "etc/passwd", "".join(kept))
    for name, mode in [("shadow", 0o640), ("gshadow", 0o640), ("group", 0o644), ("subuid", 0o644), ("subgid", 0o644)]:
        try:
            with open(f"/etc/{name}") as f:
                lines = [line for line in f if line.split(":")[0] not in people]
        except FileNotFoundError:
            continue
        if name in ("group", "gshadow"):
            lines = [_without(line, people) for line in lines]
        _write(layer, f"etc/{name}", "".join(lines), mode)
        os.chown(os.path.join(layer, "etc", name), 0, os.stat(f"/etc/{name}").st_gid)


def _without(line, people):
    head, _, members = line.rstrip("\n").rpartition(":")
    return head + ":" + ",".join(m for m in members.split(",") if m not in people) + "\n"


def _ssh(layer):
    for name in os.listdir("/etc/ssh"):
        if name.startswith("ssh_host_"):
            _remove(layer, f"etc/ssh/{name}")
    stock = "/usr/share/openssh/sshd_config"
    with open(stock if os.path.exists(stock) else "/etc/ssh/sshd_config") as f:
        config = f.read()
    _write(layer, "etc/ssh/sshd_config", config + "\nPasswordAuthentication no\n")


def _power(layer):
    for name in ("poweroff", "halt", "reboot", "shutdown"):
        _script(layer, "shutdown", f"usr/sbin/{name}")
    if os.path.exists("/usr/bin/systemctl"):
        _folder(layer, "usr/lib/furrow-box")
        shutil.copy2("/usr/bin/systemctl", os.path.join(layer, "usr/lib/furrow-box/systemctl"))
        _script(layer, "systemctl", "usr/bin/systemctl")


def _script(layer, source, path):
    with open(os.path.join(HOST_FILES, source)) as f:
        _write(layer, path, f.read(), 0o755)


def trust(layer, registry, ca):
    """Engines in the hosts take the registry for who it says it is."""
    for engine in ("containers", "docker"):
        _write(layer, f"etc/{engine}/certs.d/{registry}/ca.crt", ca)


def _emptied(path):
    return any(path == e or path.startswith(e + "/") for e in EMPTY)


def build(layer):
    """Makes the layer in an empty folder on a tmpfs."""
    for name in set(os.listdir("/")) - ROOT:
        _remove(layer, name)
    for path in EMPTY:
        _folder(layer, path, opaque=True, mode=MODES.get(path))
    for path in (REPOSITORY, os.path.realpath(os.environ.get("B") or "/")):
        top = path.strip("/").split("/")
        if top[0] in ROOT and len(top) > 1 and not _emptied("/".join(top)):
            _folder(layer, "/".join(top), opaque=True)
    _accounts(layer)
    _ssh(layer)
    _power(layer)
    _script(layer, "init", "usr/lib/furrow-box/init")
    _script(layer, "misbehave", "usr/lib/furrow-box/misbehave")
    if os.path.exists("/etc/cloud/cloud-init.disabled"):
        _remove(layer, "etc/cloud/cloud-init.disabled")
    shutil.copy2("/etc/cloud/cloud.cfg.d/05_logging.cfg", os.path.join(layer, "etc/cloud/cloud.cfg.d"))
    _write(layer, "etc/cloud/cloud.cfg.d/90_box.cfg", CLOUD_CFG)
    _write(layer, "etc/containers/containers.conf", CONTAINERS_CONF)
    _write(layer, "etc/containers/storage.conf", STORAGE_CONF)
    _write(layer, "etc/hosts", "127.0.0.1\tlocalhost\n")
    _write(layer, "etc/hostname", "localhost\n")
    for path in ("etc/resolv.conf", "etc/machine-id", "etc/fstab", "etc/environment", "etc/motd"):
        _write(layer, path, "")
    for path in ("var/lib/cloud", "var/log", "var/cache", "var/lib/containers"):
        _folder(layer, path)
