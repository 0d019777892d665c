"""The box's endpoint as a command: python3 -m cloudbox.proxy --listen ADDR:PORT --dir DIR

Prints one line, "ready ADDR:PORT", when it takes connections. Ends on SIGTERM or SIGINT, when its parent dies, and
when its stdin is a pipe that closes; takes moto and the hosts along."""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import pathlib
import signal
import stat
import sys
import threading

from .box import Box
from .sigv4 import Key
from .wire import Listener

DEFAULT_KEY = "AKIAFURROWBOX0000000:box/secret/key/of/nobody/000000000000000"


def options() -> argparse.Namespace:
    p = argparse.ArgumentParser(prog="cloudbox.proxy", description=__doc__)
    p.add_argument("--listen", default="127.0.0.1:0", help="ADDR:PORT; port 0: any")
    p.add_argument("--dir", required=True, type=pathlib.Path, help="for logs, and for the hosts")
    p.add_argument("--region", default="us-east-2", help="whose first calls are made quick")
    p.add_argument("--key", default=DEFAULT_KEY, help="ID:SECRET of the account's key")
    p.add_argument("--settings", default="{}", help="JSON, as POST /-box/settings takes it")
    p.add_argument("--ready", type=int, help="a descriptor that gets the ready line instead of stdout")
    p.add_argument("--no-hosts", action="store_true", help="instances are in the API only")
    return p.parse_args()


def die_with_parent() -> None:
    parent = os.getppid()
    ctypes.CDLL(None).prctl(1, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(1)


def watch_stdin(end: threading.Event) -> None:
    """A pipe that closes means that who started us is gone."""
    mode = os.fstat(0).st_mode
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        return

    def wait() -> None:
        while os.read(0, 4096):
            pass
        end.set()

    threading.Thread(target=wait, daemon=True).start()


def tell(fd: int | None, line: str) -> None:
    if fd is None:
        print(line, end="", flush=True)
    else:
        os.write(fd, line.encode())
        os.close(fd)


def hosts_of(box: Box) -> None:
    try:
        from .hosts import Hosts  # type: ignore[import-not-found]
    except ImportError as e:
        if e.name != "cloudbox.hosts":
            raise
        return
    box.use_hosts(Hosts(str(box.folder), box.ec2.powered_off))


def main() -> None:
    args = options()
    end = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: end.set())
    die_with_parent()
    address, _, port = args.listen.rpartition(":")
    key_id, _, secret = args.key.partition(":")
    listener = Listener(address.strip("[]"), int(port), lambda r: box.handle(r))
    box = Box(args.dir, args.region, Key(key_id, secret))
    try:
        box.settings.update(json.loads(args.settings))
        listener.idle_s = lambda: box.settings.idle_s
        if not args.no_hosts:
            hosts_of(box)
        box.moto.port()
        threading.Thread(target=box.warm, daemon=True).start()
        threading.Thread(target=listener.run, daemon=True).start()
        watch_stdin(end)
        tell(args.ready, f"ready {address}:{listener.port}\n")
        end.wait()
    finally:
        listener.close()
        box.close()
        (args.dir / "ledger.json").write_text(json.dumps(box.ledger.state(), indent=1))


if __name__ == "__main__":
    main()
