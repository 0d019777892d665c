"""What there is to rent: instance types, where they are offered, their spot prices. Static data that comes with
moto, answered here page by page, since moto gives all 5 MB of it at once."""

from __future__ import annotations

import functools
import gzip
import importlib.util
import json
import pathlib
import threading
import time
import zlib
from typing import Any

from . import query
from .errors import Refusal, xml_text
from .query import Params
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
    def __init__(self) -> None:
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

    def on_demand_usd(self, name: str) -> float:
        """A price in the proportions that EC2 has; the real lists aren't here."""
        t = self._types[name]
        gpus = sum(g.get("Count", 0) for g in t.get("GpuInfo", {}).get("Gpus", []))
        usd = 0.0355 * t["VCpuInfo"]["DefaultVCpus"] + 0.0029 * t["MemoryInfo"]["SizeInMiB"] / 1024 + 0.45 * gpus
        return round(usd * (0.8 if "arm64" in t["ProcessorInfo"]["SupportedArchitectures"] else 1), 4)

    def spot_usd(self, name: str, zone: str) -> float:
        share = 0.30 + (zlib.crc32(f"{name} {zone}".encode()) % 200) / 1000
        return round(self.on_demand_usd(name) * share, 4)

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
        """One price a type and zone, since the top of the hour."""
        types = params.list("InstanceType")
        zone = params.get("AvailabilityZone")
        products = params.list("ProductDescription")
        with self._lock:
            zones = self._zones(region)
        rows = [(t, z) for t in (sorted(set(types)) or sorted(zones)) for z in zones.get(t, [])
                if zone in ("", z) and t in self._types]
        for name, values in params.filters():
            if name == "availability-zone":
                rows = [r for r in rows if query.matches(r[1], values)]
            elif name == "instance-type":
                rows = [r for r in rows if query.matches(r[0], values)]
            elif name == "product-description":
                products = products + values
            else:
                raise query.bad_filter(name)
        if products and not query.matches("Linux/UNIX", products):
            rows = []
        rows, token = query.page(params, rows, 1, 1000, 1000)
        since = time.strftime("%Y-%m-%dT%H:00:00.000Z", time.gmtime(now))
        items = "".join(
            f"<item><instanceType>{t}</instanceType><productDescription>Linux/UNIX</productDescription>"
            f"<spotPrice>{self.spot_usd(t, z):.6f}</spotPrice><timestamp>{since}</timestamp>"
            f"<availabilityZone>{z}</availabilityZone></item>" for t, z in rows)
        return query.answer("DescribeSpotPriceHistory",
                            f"<spotPriceHistorySet>{items}</spotPriceHistorySet>", token)


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
