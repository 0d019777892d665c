"""What there is to rent: instance types, where they are offered, their spot prices. Static data that comes with
moto, answered here page by page, since moto gives all 5 MB of it at once."""

from __future__ import annotations

import calendar
import functools
import gzip
import importlib.util
import json
import pathlib
import re
import threading
import time
import zlib
from typing import Any, Sequence

from . import price_sheet, query
from .errors import Refusal, xml_text
from .query import Params
from .settings import Settings
from .wire import Answer


def _package(name: str) -> pathlib.Path:
    spec = importlib.util.find_spec(name)
    assert spec and spec.submodule_search_locations
    return pathlib.Path(list(spec.submodule_search_locations)[0])


def _read(path: pathlib.Path) -> Any:
    for candidate in (path.with_suffix(".json.gz"), path.with_suffix(".json")):
        if candidate.exists():
            data = candidate.read_bytes()
            return json.loads(gzip.decompress(data) if candidate.suffix == ".gz" else data)
    raise FileNotFoundError(path)


class Shapes:
    """EC2's answers as XML, by botocore's model of them."""

    def __init__(self) -> None:
        folder = _package("botocore") / "data" / "ec2" / "2016-11-15"
        self._shapes = _read(folder / "service-2")["shapes"]

    def xml(self, shape_name: str, value: Any) -> str:
        shape = self._shapes[shape_name]
        if shape["type"] == "structure":
            out = []
            for member, ref in shape["members"].items():
                if member in value:
                    tag = ref.get("locationName", member)
                    out.append(f"<{tag}>{self.xml(ref['shape'], value[member])}</{tag}>")
            return "".join(out)
        if shape["type"] == "list":
            inner = shape["member"]["shape"]
            return "".join(f"<item>{self.xml(inner, v)}</item>" for v in value)
        if isinstance(value, bool):
            return "true" if value else "false"
        return xml_text(str(value))


class Catalog:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._resources = _package("moto") / "ec2" / "resources"
        self._lock = threading.Lock()

    def preload(self, region: str) -> None:
        self.type(region, "m5.large")
        self.zones_of(region, "m5.large")
        with self._lock:
            self._shapes

    @functools.cached_property
    def _shapes(self) -> Shapes:
        return Shapes()

    @functools.cached_property
    def _types(self) -> dict[str, dict[str, Any]]:
        return _read(self._resources / "instance_types")

    @functools.lru_cache(64)
    def _offerings(self, kind: str, region: str) -> list[dict[str, str]]:
        try:
            return _read(self._resources / "instance_type_offerings" / kind / region)
        except FileNotFoundError:
            return []

    @functools.lru_cache(64)
    def _zones(self, region: str) -> dict[str, list[str]]:
        out: dict[str, list[str]] = {}
        for o in self._offerings("availability-zone", region):
            out.setdefault(o["InstanceType"], []).append(o["Location"])
        return {t: sorted(z) for t, z in out.items()}

    def type(self, region: str, name: str) -> dict[str, Any] | None:
        """None: not known, or not in this region."""
        with self._lock:
            return self._types.get(name) if name in self._zones(region) else None

    def zones_of(self, region: str, name: str) -> list[str]:
        with self._lock:
            return self._zones(region).get(name, [])

    def vcpus(self, name: str) -> int:
        with self._lock:
            return self._types[name]["VCpuInfo"]["DefaultVCpus"]

    def types_of(self, region: str) -> list[dict[str, Any]]:
        with self._lock:
            return [self._types[n] for n in sorted(self._zones(region)) if n in self._types]

    def spot_usd(self, region: str, name: str, zone: str) -> float:
        """The price now, of a setting or the sheet's; 0 when a setting has made it none."""
        set_here = self._settings.prices.get(f"{name}/{zone}")
        if isinstance(set_here, (int, float)):
            return float(set_here)
        return 0.0 if set_here is not None else price_sheet.spot_usd(region, self._types[name], zone)

    def describe_types(self, region: str, params: Params) -> Answer:
        names = params.list("InstanceType")
        if names and params.get("MaxResults"):
            raise Refusal(400, "InvalidParameterCombination",
                          "The parameter instanceTypes cannot be used with the parameter maxResults")
        with self._lock:
            here = {n: self._types[n] for n in sorted(self._zones(region)) if n in self._types}
            unknown = [n for n in names if n not in here]
            if unknown:
                raise Refusal(400, "InvalidInstanceType", "The following supplied instance types do not exist: "
                              f"[{', '.join(unknown)}]")
            rows = [here[n] for n in (names or here)]
            for name, values in params.filters():
                rows = [r for r in rows if any(query.matches(v, values) for v in _values(r, name))]
            rows, token = query.page(params, rows, 5, 100, 100)
            items = "".join(f"<item>{self._shapes.xml('InstanceTypeInfo', r)}</item>" for r in rows)
        return query.answer("DescribeInstanceTypes", f"<instanceTypeSet>{items}</instanceTypeSet>", token)

    def describe_offerings(self, region: str, params: Params) -> Answer:
        kind = params.get("LocationType", "region")
        if kind not in ("region", "availability-zone", "availability-zone-id"):
            raise Refusal(400, "InvalidParameterValue", f"Invalid value '{kind}' for LocationType.")
        with self._lock:
            rows = sorted(self._offerings(kind, region), key=lambda o: (o["InstanceType"], o["Location"]))
        for name, values in params.filters():
            field = {"instance-type": "InstanceType", "location": "Location"}.get(name)
            if field is None:
                raise query.bad_filter(name)
            rows = [r for r in rows if query.matches(r[field], values)]
        rows, token = query.page(params, rows, 5, 1000, 1000)
        items = "".join(f"<item><instanceType>{r['InstanceType']}</instanceType><locationType>{kind}</locationType>"
                        f"<location>{r['Location']}</location></item>" for r in rows)
        return query.answer("DescribeInstanceTypeOfferings",
                            f"<instanceTypeOfferingSet>{items}</instanceTypeOfferingSet>", token)

    def describe_spot_prices(self, region: str, params: Params, now: float) -> Answer:
        """A price a type, zone and hour, the newest first; those since StartTime, and the one that held then."""
        types = params.list("InstanceType")
        zone = params.get("AvailabilityZone")
        products = params.list("ProductDescription")
        with self._lock:
            zones = self._zones(region)
        pairs = [(t, z) for t in (sorted(set(types)) or sorted(zones)) for z in zones.get(t, [])
                 if zone in ("", z) and t in self._types and "spot" in self._types[t]["SupportedUsageClasses"]
                 and self._settings.prices.get(f"{t}/{z}") != "absent"]
        for name, values in params.filters():
            if name == "availability-zone":
                pairs = [r for r in pairs if query.matches(r[1], values)]
            elif name == "instance-type":
                pairs = [r for r in pairs if query.matches(r[0], values)]
            elif name == "product-description":
                products = products + values
            else:
                raise query.bad_filter(name)
        if products and not query.matches("Linux/UNIX", products):
            pairs = []
        oldest = max(_time(params.get("StartTime")) or 0.0, now - 90 * 86400)
        newest = min(_time(params.get("EndTime")) or now, now)
        hours = range(int(newest // 3600), min(int(oldest // 3600), int(newest // 3600)) - 1, -1)
        rows, token = query.page(params, _History(pairs, hours), 1, 1000, 1000)
        items = "".join(
            f"<item><instanceType>{t}</instanceType><productDescription>Linux/UNIX</productDescription>"
            f"<spotPrice>{self._spot_text(region, t, z, hour, int(now // 3600))}</spotPrice>"
            f"<timestamp>{query.iso(hour * 3600)}</timestamp>"
            f"<availabilityZone>{z}</availabilityZone></item>" for t, z, hour in rows)
        return query.answer("DescribeSpotPriceHistory",
                            f"<spotPriceHistorySet>{items}</spotPriceHistorySet>", token)

    def _spot_text(self, region: str, name: str, zone: str, hour: int, this_hour: int) -> str:
        set_here = self._settings.prices.get(f"{name}/{zone}")
        if isinstance(set_here, str):
            return xml_text(set_here)
        wave = 1.0 if hour == this_hour else 0.95 + zlib.crc32(f"{zone}{hour}".encode()) % 11 / 100
        return f"{self.spot_usd(region, name, zone) * wave:.6f}"


class _History(Sequence[tuple[str, str, int]]):
    """Each pair in each hour, none of it made before it is looked at."""

    def __init__(self, pairs: list[tuple[str, str]], hours: range):
        self._pairs, self._hours = pairs, hours

    def __len__(self) -> int:
        return len(self._pairs) * len(self._hours)

    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, slice):
            return [self[i] for i in range(*at.indices(len(self)))]
        hour, pair = divmod(at, len(self._pairs))
        return (*self._pairs[pair], self._hours[hour])


def _time(text: str) -> float | None:
    if not text:
        return None
    if not (m := re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|\+00:00)?", text)):
        raise Refusal(400, "InvalidParameterValue", f"Value ({text}) for a time is invalid.")
    return calendar.timegm(time.strptime(m[1], "%Y-%m-%dT%H:%M:%S"))


def _values(row: Any, name: str) -> list[str]:
    """What the filter looks at: "processor-info.supported-architecture" is ProcessorInfo.SupportedArchitectures."""
    found = [row]
    for part in name.split("."):
        wanted = part.replace("-", "")
        step = []
        for value in found:
            for key in value if isinstance(value, dict) else ():
                low = key.lower()
                if low == wanted or low in (wanted + "s", wanted + "es"):
                    inner = value[key]
                    step += inner if isinstance(inner, list) else [inner]
        found = step
    known = {"auto-recovery-supported", "bare-metal", "burstable-performance-supported", "current-generation",
             "dedicated-hosts-supported", "free-tier-eligible", "hibernation-supported", "hypervisor",
             "instance-storage-supported", "instance-type", "supported-boot-mode", "supported-root-device-type",
             "supported-usage-class", "supported-virtualization-type"}
    prefixes = ("ebs-info.", "instance-storage-info.", "memory-info.", "network-info.", "processor-info.", "vcpu-info.")
    if name not in known and not name.startswith(prefixes):
        raise query.bad_filter(name)
    return [("true" if v else "false") if isinstance(v, bool) else str(v) for v in found]
