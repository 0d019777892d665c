"""The control groups of a box's hosts: a folder `furrow-box.KEEPER.SINCE` in each hierarchy, one below it for each host,
which is all that a host sees. They outlive their processes, so they are swept, also those of boxes that were killed."""
import os

from cloudbox import kernel

PREFIX = "furrow-box."


def hierarchies():
    """Where they are mounted here."""
    found = []
    with open("/proc/self/mountinfo") as f:
        for line in f:
            fields = line.split()
            if fields[fields.index("-") + 1] in ("cgroup", "cgroup2") and os.access(fields[4], os.W_OK):
                found.append(fields[4])
    return found


def name_of(keeper):
    return f"{PREFIX}{keeper}.{kernel.started(keeper)}"


def remove(name):
    """name (of a box, or BOX/HOST) in all hierarchies, as far as no process is in it."""
    for root in hierarchies():
        for folder, _, _ in os.walk(os.path.join(root, name), topdown=False):
            try:
                os.rmdir(folder)
            except OSError:
                pass


def sweep():
    """Removes those of boxes that are no more. To be called in the keepers' process namespace."""
    names = {n for root in hierarchies() for n in os.listdir(root) if n.startswith(PREFIX)}
    for name in names:
        keeper, _, since = name[len(PREFIX):].partition(".")
        if keeper.isdigit() and kernel.started(keeper) != since:
            remove(name)
