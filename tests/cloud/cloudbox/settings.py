"""What can be set on a running box, over /-box/settings: delays, capacity, quota, who may do what, the clock."""

from __future__ import annotations

import dataclasses
import fnmatch
import threading
import time
from typing import Any

from .iam import check_policy


@dataclasses.dataclass
class Settings:
    boot_delay_s: float = 0.3  # pending for so long, then running, and the host is told to boot
    visibility_delay_s: float = 0.0  # NotFound by id, and absent from lists, for so long after a launch
    token_visibility_delay_s: float = 0.0  # likewise for lists filtered by client-token
    shutdown_delay_s: float = 0.2  # shutting-down for so long, then terminated
    listed_after_end_s: float = 3600.0  # how long a terminated instance stays in lists
    public_addresses: bool = False  # give instances public addresses as well, as EC2's default subnets do
    capacity: dict[str, dict[str, int]] = dataclasses.field(default_factory=dict)
    """{type or "*", of spot alone "spot:TYPE" or "spot:*": {zone or "*": how many may run at once}}; a type without an
    entry has no limit."""
    quota_vcpus: dict[str, int] = dataclasses.field(default_factory=lambda: {"on-demand": 1920, "spot": 1920})
    quotas: dict[str, Any] = dataclasses.field(default_factory=dict)
    """{code: value} of Service Quotas, where it isn't quota_vcpus' own: any JSON; "none": there is no such quota,
    "silent": it comes without a value."""
    deny: list[str] = dataclasses.field(default_factory=list)  # IAM's names: "ec2:RunInstances", "s3:ListBucket"
    policy: dict[str, Any] = dataclasses.field(default_factory=dict)
    """A policy document of IAM, see iam.py: what no statement of it allows is denied; {}: all is allowed."""
    rates: dict[str, dict[str, float]] = dataclasses.field(default_factory=dict)
    """{"ec2:Describe*": {"burst": 100, "per_s": 20}}: a token bucket each; beyond it the service throttles."""
    prices: dict[str, Any] = dataclasses.field(default_factory=dict)
    """{TYPE, "gp3" or "ipv4": on demand, "TYPE@REGION": there alone; "TYPE/ZONE": spot}: USD, or what the answer says
    instead: a text ("NaN"), {"CNY": "0.7"}, [two, prices], "absent". `price.NAME` sets one of them, null takes it
    away again."""
    buckets: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    """{name: {"owner": "other"} or {"region": "eu-west-1", "answer": 301 | 307 | 400}}"""
    page_instances: int = 0  # at most so many a page, whatever MaxResults says; 0: as EC2
    empty_page_every: int = 0  # after every so many pages of DescribeInstances comes an empty one; 0: never
    session_s: float = 0.0  # lifetime of the credentials that STS gives out; 0: as asked for
    clock_offset_s: float = 0.0  # the box's clock minus this machine's
    idle_s: float = 60.0  # a connection that is idle for so long is closed
    requests_per_connection: int = 0  # then the box closes it; 0: no limit
    latency_s: float = 0.0  # added to every answer

    def update(self, changes: dict[str, Any]) -> None:
        """Checks names and types first: all or nothing. ValueError tells which is wrong."""
        new: dict[str, Any] = {}
        for name, value in changes.items():
            if name.startswith("price."):
                prices = new.setdefault("prices", dict(self.prices))
                prices[name[6:]] = value
                new["prices"] = {n: v for n, v in prices.items() if v is not None}
                continue
            if not hasattr(self, name) or name.startswith("_"):
                raise ValueError(f"unknown setting {name!r}; there are: "
                                 + ", ".join(f.name for f in dataclasses.fields(self)))
            kind = type(getattr(self, name))
            if kind is float and isinstance(value, int) and not isinstance(value, bool):
                value = float(value)
            if type(value) is not kind:
                raise ValueError(f"setting {name!r} wants {kind.__name__}, got {type(value).__name__}")
            if name == "policy":
                check_policy(value)
            new[name] = value
        for name, value in new.items():
            setattr(self, name, value)

    def denies(self, permission: str) -> bool:
        return any(fnmatch.fnmatchcase(permission, d) for d in self.deny)

    def now(self) -> float:
        return time.time() + self.clock_offset_s

    def capacity_of(self, kind: str, zone: str, spot: bool) -> int | None:
        for k in ((f"spot:{kind}", "spot:*") if spot else ()) + (kind, "*"):
            zones = self.capacity.get(k)
            if zones is not None:
                for z in (zone, "*"):
                    if z in zones:
                        return zones[z]
        return None


class Rates:
    """Token buckets of the rates that are set."""

    def __init__(self, settings: Settings):
        self.settings = settings
        self._levels: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def take(self, service: str, action: str) -> bool:
        with self._lock:
            for pattern, rate in self.settings.rates.items():
                if not fnmatch.fnmatchcase(f"{service}:{action}", pattern):
                    continue
                now = time.monotonic()
                level, then = self._levels.get(pattern, (rate["burst"], now))
                level = min(rate["burst"], level + (now - then) * rate["per_s"])
                self._levels[pattern] = (level - 1 if level >= 1 else level, now)
                if level < 1:
                    return False
        return True
