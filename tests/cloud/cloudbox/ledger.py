"""The ledger: every instance ever launched, its states and times, and who ended it. The oracle for leaks.

The one owner of an instance's state: moto's own is ignored, since it is always one describe ahead."""

from __future__ import annotations

import copy
import dataclasses
import heapq
import itertools
import threading
import time
import xml.etree.ElementTree as ET
from typing import Any, Callable

PENDING, RUNNING, SHUTTING_DOWN, TERMINATED, STOPPING, STOPPED = 0, 16, 32, 48, 64, 80
STATE_NAMES = {PENDING: "pending", RUNNING: "running", SHUTTING_DOWN: "shutting-down", TERMINATED: "terminated",
               STOPPING: "stopping", STOPPED: "stopped"}


@dataclasses.dataclass(eq=False)
class Instance:
    id: str
    region: str
    zone: str
    type: str
    vcpus: int
    image: str
    private_ip: str
    token: str
    spot: bool
    launch_index: int
    reservation: str
    user_data: bytes
    groups: list[str]
    on_shutdown: str  # "stop" or "terminate"
    item: ET.Element  # as moto has it
    launched: float  # by the box's clock, as all times here
    visible: float
    token_visible: float
    state: int = PENDING
    running: float | None = None
    ending: float | None = None
    ended: float | None = None
    ended_by: str | None = None  # "api", "host", "spot", "launch", "stop"
    reason_code: str = ""
    reason: str = ""
    stale: bool = False  # the item must be fetched anew
    rendered: tuple[int, str] | None = None  # (state, XML)
    tags: dict[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        self.see(self.item)

    def see(self, item: ET.Element) -> None:
        """moto shows it so now."""
        item.tag = "item"
        self.item, self.stale, self.rendered = item, False, None
        self.tags = {t.findtext("key", ""): t.findtext("value", "") for t in item.findall("tagSet/item")}

    @property
    def live(self) -> bool:
        """Costs money."""
        return self.state in (PENDING, RUNNING, STOPPING)

    def xml(self) -> str:
        """The instance as EC2 would show it now."""
        if self.rendered is None or self.rendered[0] != self.state:
            self.rendered = (self.state, ET.tostring(self.element(), "unicode"))
        return self.rendered[1]

    def element(self) -> ET.Element:
        e = copy.deepcopy(self.item)
        put(e, "instanceState/code", str(self.state))
        put(e, "instanceState/name", STATE_NAMES[self.state])
        put(e, "reason", self.reason)
        drop(e, "stateReason")
        if self.reason_code:
            put(e, "stateReason/code", self.reason_code)
            put(e, "stateReason/message", f"{self.reason_code}: {self.reason}")
        groups = e.find("networkInterfaceSet/item/groupSet")
        if groups is not None and len(groups):
            drop(e, "groupSet")
            e.append(copy.deepcopy(groups))
        for interface in e.findall("networkInterfaceSet/item"):
            if not len(interface.find("association") or ()):
                drop(interface, "association")
        if self.spot:
            put(e, "spotInstanceRequestId", "sir-" + self.id[2:10])
        if self.state == TERMINATED:
            for name in ("privateIpAddress", "ipAddress", "subnetId", "vpcId", "networkInterfaceSet", "groupSet"):
                drop(e, name)
            put(e, "privateDnsName", "")
            put(e, "dnsName", "")
        return e

    def for_host(self) -> dict[str, Any]:
        return {"id": self.id, "private_ip": self.private_ip, "image": self.image, "type": self.type,
                "user_data": self.user_data, "zone": self.zone, "region": self.region, "tags": self.tags,
                "token": self.token, "spot": self.spot, "launch_index": self.launch_index, "groups": self.groups,
                "vcpus": self.vcpus, "on_shutdown": self.on_shutdown}

    def record(self) -> dict[str, Any]:
        names = ("id", "token", "region", "zone", "type", "image", "private_ip", "spot", "launch_index",
                 "reservation", "groups", "launched", "running", "ending", "ended", "ended_by", "reason_code",
                 "reason", "tags", "live")
        return {n: getattr(self, n) for n in names} | {"state": STATE_NAMES[self.state],
                                                      "user_data_bytes": len(self.user_data)}


def put(e: ET.Element, path: str, text: str) -> None:
    for name in path.split("/"):
        child = e.find(name)
        e = ET.SubElement(e, name) if child is None else child
    e.text = text


def drop(e: ET.Element, name: str) -> None:
    for child in e.findall(name):
        e.remove(child)


class Timers:
    """Calls functions at their times, in a thread of its own."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._wake = threading.Condition()
        threading.Thread(target=self._run, daemon=True).start()

    def after(self, seconds: float, fn: Callable[[], None]) -> None:
        with self._wake:
            heapq.heappush(self._heap, (time.monotonic() + seconds, next(self._numbers), fn))
            self._wake.notify()

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._heap or self._heap[0][0] > time.monotonic():
                    self._wake.wait(self._heap[0][0] - time.monotonic() if self._heap else None)
                fn = heapq.heappop(self._heap)[2]
            fn()


class Ledger:
    """All access under `lock`, which callers may hold over several steps (it is reentrant)."""

    def __init__(self, now: Callable[[], float]):
        self.now = now
        self.lock = threading.RLock()
        self._by_id: dict[str, Instance] = {}
        self.on_running: Callable[[Instance], None] = lambda i: None
        self.on_ending: Callable[[Instance], None] = lambda i: None

    def add(self, instance: Instance) -> None:
        with self.lock:
            self._by_id[instance.id] = instance

    def get(self, instance_id: str) -> Instance | None:
        return self._by_id.get(instance_id)

    def all(self, region: str | None = None) -> list[Instance]:
        with self.lock:
            return [i for i in self._by_id.values() if region is None or i.region == region]

    def start(self, instance: Instance) -> None:
        """pending -> running, unless it ended meanwhile."""
        with self.lock:
            if instance.state != PENDING:
                return
            instance.state, instance.running = RUNNING, self.now()
        self.on_running(instance)

    def begin_end(self, instance: Instance, by: str, code: str, reason: str) -> bool:
        """-> shutting-down. False: was ending or ended already."""
        with self.lock:
            if instance.state in (SHUTTING_DOWN, TERMINATED):
                return False
            instance.state, instance.ending, instance.ended_by = SHUTTING_DOWN, self.now(), by
            instance.reason_code, instance.reason = code, reason
        self.on_ending(instance)
        return True

    def finish_end(self, instance: Instance) -> None:
        with self.lock:
            if instance.state != TERMINATED:
                instance.state, instance.ended = TERMINATED, self.now()

    def stop(self, instance: Instance, by: str, code: str, reason: str) -> None:
        """-> stopped: it costs its volume still."""
        with self.lock:
            if instance.state not in (PENDING, RUNNING):
                return
            instance.state, instance.ended_by = STOPPED, by
            instance.reason_code, instance.reason = code, reason
        self.on_ending(instance)

    def vcpus(self, region: str, spot: bool) -> int:
        with self.lock:
            return sum(i.vcpus for i in self._by_id.values() if i.live and i.region == region and i.spot == spot)

    def running_of(self, kind: str, zone: str) -> int:
        with self.lock:
            return sum(1 for i in self._by_id.values() if i.live and i.type == kind and i.zone == zone)

    def state(self) -> dict[str, Any]:
        with self.lock:
            records = [i.record() for i in self._by_id.values()]
        return {"instances": records, "launched": len(records),
                "running": sum(r["live"] for r in records),
                "stopped": sum(r["state"] == "stopped" for r in records)}
