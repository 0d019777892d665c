"""asyncssh at its best, for tests/bench/cloud: a connection a host, one exec a task, its input on stdin; host keys known.

usage: asyncssh_peer.py USER KEY_FILE TASKS < "ADDRESS HOST-KEY" lines; prints as tests/bench/hosts does: milliseconds from
$FROM_NS to the last result, those it computed for, peak RSS in KiB, how many results were right."""
import asyncio
import os
import resource
import sys
import time
import warnings

warnings.simplefilter("ignore")
import asyncssh  # noqa: E402

INPUT = "x" * 1024


async def host(user, key, address, host_key, tasks):
    known = asyncssh.import_known_hosts(f"{address} {host_key}\n")
    async with asyncssh.connect(address, username=user, client_keys=[key], known_hosts=known, config=None,
                                server_host_key_algs=["ssh-ed25519"], agent_path=None) as c:
        # sshd's stock MaxSessions is 10, and it refuses one that comes before the end of an earlier one is through:
        # that one is tried again.
        gate = asyncio.Semaphore(10)

        async def one():
            async with gate:
                while True:
                    try:
                        done = await c.run("wc -c", input=INPUT)
                        return done.stdout.strip() == "1024"
                    except asyncssh.ChannelOpenError:
                        await asyncio.sleep(0.01)
        return sum(await asyncio.gather(*(one() for _ in range(tasks))))


async def main():
    user, key_file, tasks = sys.argv[1], sys.argv[2], int(sys.argv[3])
    began_ns = int(os.environ["FROM_NS"])
    key = asyncssh.read_private_key(key_file)
    hosts = [line.split(maxsplit=1) for line in sys.stdin.read().splitlines()]
    n = len(hosts)
    counts = [tasks // n + (i < tasks % n) for i in range(n)]
    right = sum(await asyncio.gather(*(host(user, key, a, k, t) for (a, k), t in zip(hosts, counts))))
    wall_ms = (time.time_ns() - began_ns) / 1e6
    use = resource.getrusage(resource.RUSAGE_SELF)
    print(f"{wall_ms:.0f} {(use.ru_utime + use.ru_stime) * 1e3:.1f} {use.ru_maxrss} {right}")
    sys.exit(right != tasks)


asyncio.run(main())
