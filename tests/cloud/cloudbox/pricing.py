"""AWS's price list, GetProducts, in its real shapes (JSON in strings, terms by code, all of it strings), strict about what
it is asked; the spot instance advisor's public file. What an hour costs is price_sheet's, or a setting's."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import uuid
from typing import Any, Iterator

from . import price_sheet
from .catalog import Catalog
from .errors import Refusal
from .settings import Settings
from .wire import Answer

ENDPOINTS = ("us-east-1", "eu-central-1", "ap-south-1")
PREFIXES = {"us-east-1": "", "us-east-2": "USE2-", "us-west-1": "USW1-", "us-west-2": "USW2-", "eu-west-1": "EU-",
            "eu-central-1": "EUC1-", "ap-south-1": "APS3-", "ap-northeast-1": "APN1-", "ap-southeast-1": "APS1-",
            "ap-southeast-2": "APS2-", "sa-east-1": "SAE1-", "ca-central-1": "CAN1-", "eu-west-2": "EUW2-"}
NAMES = {"us-east-1": "US East (N. Virginia)", "us-east-2": "US East (Ohio)", "us-west-2": "US West (Oregon)"}
KEYS = {"ServiceCode", "Filters", "FormatVersion", "NextToken", "MaxResults"}
FIELDS = {"availabilityzone", "capacitystatus", "currentGeneration", "group", "groupDescription", "gpu", "instanceFamily",
          "instanceType", "licenseModel", "location", "locationType", "marketoption", "memory", "networkPerformance",
          "operatingSystem", "operation", "preInstalledSw", "processorArchitecture", "productFamily", "regionCode",
          "servicecode", "servicename", "sku", "storage", "storageMedia", "tenancy", "termType", "usagetype", "vcpu",
          "volumeApiName", "volumeType"}
# Beside what is meant, what a question without filters would get as well: (capacity, system, tenancy, market, times).
WARES = (("Used", "Linux", "Shared", "OnDemand", 1.0), ("UnusedCapacityReservation", "Linux", "Shared", "OnDemand", 1.0),
         ("AllocatedCapacityReservation", "Linux", "Shared", "OnDemand", 0.0),
         ("Used", "Windows", "Shared", "OnDemand", 1.9), ("Used", "Linux", "Dedicated", "OnDemand", 1.06))
VERSION, EFFECTIVE = "20261101000000", "2026-11-01T00:00:00Z"


def invalid(message: str) -> Refusal:
    return Refusal(400, "InvalidParameterException", message)


class Pricing:
    def __init__(self, catalog: Catalog, settings: Settings):
        self.catalog, self.settings = catalog, settings
        self._found: dict[str, list[str]] = {}
        self._lock = threading.Lock()

    def preload(self, region: str) -> None:
        """What a client asks that wants to know what machines cost."""
        wanted = {"capacitystatus": "Used", "marketoption": "OnDemand", "operatingSystem": "Linux", "preInstalledSw": "NA",
                  "regionCode": region, "tenancy": "Shared"}
        self._find("AmazonEC2", json.dumps(["AmazonEC2", sorted(wanted.items())]), wanted)

    def answer(self, service: str, region: str, body: bytes) -> Answer:
        if service != "pricing":
            raise Refusal(400, "InvalidSignatureException", "Credential should be scoped to correct service: 'pricing'. ")
        if region not in ENDPOINTS:
            raise Refusal(400, "InvalidSignatureException", f"The box: the price list is not answered in {region}, only in "
                          + ", ".join(ENDPOINTS))
        try:
            asked = json.loads(body)
        except ValueError:
            raise Refusal(400, "SerializationException", "The body is no JSON") from None
        if not isinstance(asked, dict) or set(asked) - KEYS:
            raise Refusal(400, "SerializationException", f"not members of GetProducts: {sorted(set(asked) - KEYS)}")
        most = asked.get("MaxResults", 100)
        if type(most) is not int or not 1 <= most <= 100:
            raise invalid("1 validation error detected: Value at 'maxResults' failed to satisfy constraint: Member must "
                          "have value between 1 and 100")
        if asked.get("FormatVersion", "aws_v1") != "aws_v1":
            raise invalid("Invalid format version. Valid values are: aws_v1")
        filters = self._filters(asked)
        shape = json.dumps([asked.get("ServiceCode"), filters])
        start = self._start(asked.get("NextToken"), shape)
        found = self._find(asked.get("ServiceCode"), shape, dict(filters))
        out: dict[str, Any] = {"FormatVersion": "aws_v1", "PriceList": found[start:start + most]}
        if start + most < len(found):
            out["NextToken"] = base64.b64encode(f"{start + most}/{_digest(shape)}".encode()).decode()
        return Answer(200, [("Content-Type", "application/x-amz-json-1.1"), ("x-amzn-RequestId", str(uuid.uuid4()))],
                      json.dumps(out).encode())

    @staticmethod
    def _filters(asked: dict[str, Any]) -> list[tuple[str, str]]:
        out = []
        for f in asked.get("Filters", []):
            if not isinstance(f, dict) or set(f) != {"Type", "Field", "Value"} or not all(isinstance(v, str) for v in f.values()):
                raise invalid("Input Parameters are invalid: a filter has Type, Field and Value")
            if f["Type"] != "TERM_MATCH":
                raise invalid(f"The box knows filters of TERM_MATCH only, not {f['Type']}")
            if f["Field"] not in FIELDS:
                raise invalid(f"Input Parameters are invalid: the service has no attribute {f['Field']}")
            out.append((f["Field"], f["Value"]))
        if len({n for n, _ in out}) != len(out):
            raise invalid("Input Parameters are invalid: a field twice")
        return sorted(out)

    @staticmethod
    def _start(token: Any, shape: str) -> int:
        if token is None:
            return 0
        try:
            at, _, digest = base64.b64decode(token, validate=True).decode().partition("/")
            if digest == _digest(shape):
                return int(at)
        except (ValueError, TypeError):
            pass
        raise Refusal(400, "InvalidNextTokenException", "The pagination token is invalid.")

    def _find(self, service: Any, shape: str, wanted: dict[str, str]) -> list[str]:
        key = _digest(shape + json.dumps(self.settings.prices, sort_keys=True))
        with self._lock:
            if key in self._found:
                return self._found[key]
        region = wanted.get("regionCode")
        if region is None:
            raise invalid("The box answers for one region: filter by regionCode")
        if service == "AmazonEC2":
            products = self._disks(region) if wanted.get("productFamily") == "Storage" else self._machines(region, wanted)
        elif service == "AmazonVPC":
            products = self._addresses(region)
        else:
            raise Refusal(400, "NotFoundException", f"Invalid service code: {service}")
        found = [json.dumps(p, separators=(",", ":")) for p in products if _fits(p, wanted)]
        with self._lock:
            if len(self._found) > 20:
                self._found.clear()
            self._found[key] = found
        return found

    def _machines(self, region: str, wanted: dict[str, str]) -> Iterator[dict[str, Any]]:
        names = ("capacitystatus", "operatingSystem", "tenancy", "marketoption")
        wares = [w for w in WARES if all(wanted.get(n, v) == v for n, v in zip(names, w))]
        for t in self.catalog.types_of(region):
            name = t["InstanceType"]
            price = self.settings.prices.get(name, price_sheet.on_demand_usd(region, t))
            price = self.settings.prices.get(f"{name}@{region}", price)
            for capacity, system, tenancy, market, times in wares:
                usual = capacity == "Used" and system == "Linux" and tenancy == "Shared"
                if usual and price == "absent":
                    continue
                known = price if usual else price_sheet.on_demand_usd(region, t) * times
                yield product("Compute Instance (bare metal)" if t["BareMetal"] else "Compute Instance", region, "Hrs", known, {
                    "servicecode": "AmazonEC2", "servicename": "Amazon Elastic Compute Cloud", "instanceType": name,
                    "currentGeneration": "Yes" if t["CurrentGeneration"] else "No",
                    "vcpu": str(t["VCpuInfo"]["DefaultVCpus"]), "memory": f"{t['MemoryInfo']['SizeInMiB'] / 1024:g} GiB",
                    "operatingSystem": system, "tenancy": tenancy, "capacitystatus": capacity, "marketoption": market,
                    "preInstalledSw": "NA", "licenseModel": "No License required", "processorArchitecture": "64-bit",
                    "availabilityzone": "NA", "operation": "RunInstances" if system == "Linux" else "RunInstances:0002",
                    "usagetype": f"{PREFIXES.get(region, region + '-')}BoxUsage:{name}"})

    def _disks(self, region: str) -> Iterator[dict[str, Any]]:
        for kind, usd in (("gp2", 0.10), ("gp3", self.settings.prices.get("gp3", price_sheet.DISK_USD)), ("st1", 0.045)):
            if usd != "absent":
                yield product("Storage", region, "GB-Mo", usd, {
                    "servicecode": "AmazonEC2", "servicename": "Amazon Elastic Compute Cloud", "volumeApiName": kind,
                    "storageMedia": "SSD-backed", "volumeType": "General Purpose",
                    "usagetype": f"{PREFIXES.get(region, region + '-')}EBS:VolumeUsage.{kind}"})

    def _addresses(self, region: str) -> Iterator[dict[str, Any]]:
        in_use = self.settings.prices.get("ipv4", price_sheet.ADDRESS_USD)
        for kind, usd in (("InUseAddress", in_use), ("IdleAddress", 0.005), ("ContiguousBlock", 0.008)):
            if usd != "absent":
                yield product(None, region, "Hrs", usd, {
                    "servicecode": "AmazonVPC", "servicename": "Amazon Virtual Private Cloud",
                    "group": "VPCPublicIPv4Address", "groupDescription": f"Hourly charge for {kind} Public IPv4 Addresses",
                    "usagetype": f"{PREFIXES.get(region, region + '-') or 'USE1-'}PublicIPv4:{kind}"})

    def advisor(self) -> Answer:
        """The file has all regions; the box's those that anybody has asked about here."""
        regions: dict[str, Any] = {}
        for region in ("us-east-1", "us-east-2", "us-west-2", "eu-west-1"):
            regions[region] = {"Linux": {t["InstanceType"]: {"s": 65, "r": price_sheet.interruption(region, t["InstanceType"])}
                                         for t in self.catalog.types_of(region) if "spot" in t["SupportedUsageClasses"]}}
        labels = (("<5%", 5), ("5-10%", 11), ("10-15%", 16), ("15-20%", 22), (">20%", 100))
        body = {"global_rate": "<10%", "instance_types": {}, "spot_advisor": regions,
                "ranges": [{"index": i, "label": n, "dots": i, "max": m} for i, (n, m) in enumerate(labels)]}
        return Answer(200, [("Content-Type", "application/json")], json.dumps(body).encode())


def product(family: str | None, region: str, unit: str, price: Any, attributes: dict[str, str]) -> dict[str, Any]:
    """price: USD, or as a setting has it (see Settings.prices)."""
    sku = hashlib.sha256(json.dumps([region, attributes]).encode()).hexdigest()[:16].upper()
    attributes = attributes | {"regionCode": region, "location": NAMES.get(region, region), "locationType": "AWS Region"}
    term, rates = f"{sku}.JRTCKXETXF", {}
    for i, one in enumerate(price if isinstance(price, list) else [price]):
        per_unit = one if isinstance(one, dict) else {"USD": one if isinstance(one, str) else f"{one:.10f}"}
        rates[f"{term}.{'6YS6EN2CT' + str(7 + i)}"] = {
            "unit": unit, "beginRange": "0", "endRange": "Inf", "appliesTo": [], "pricePerUnit": per_unit,
            "rateCode": f"{term}.6YS6EN2CT{7 + i}", "description": f"{one} per {unit}"}
    terms: dict[str, Any] = {"OnDemand": {term: {
        "sku": sku, "offerTermCode": "JRTCKXETXF", "effectiveDate": EFFECTIVE, "termAttributes": {},
        "priceDimensions": rates}}}
    if attributes.get("marketoption") and isinstance(price, (int, float)):
        year = f"{sku}.6QCMYABX3D"
        terms["Reserved"] = {year: {
            "sku": sku, "offerTermCode": "6QCMYABX3D", "effectiveDate": EFFECTIVE,
            "termAttributes": {"LeaseContractLength": "1yr", "OfferingClass": "standard", "PurchaseOption": "All Upfront"},
            "priceDimensions": {f"{year}.2TG2D8R56U": {
                "unit": "Quantity", "rateCode": f"{year}.2TG2D8R56U", "appliesTo": [], "description": "Upfront Fee",
                "pricePerUnit": {"USD": str(round(price * 5000))}}}}}
    return {"product": ({"productFamily": family} if family else {}) | {"attributes": attributes, "sku": sku},
            "serviceCode": attributes["servicecode"], "terms": terms, "version": VERSION, "publicationDate": EFFECTIVE}


def _fits(p: dict[str, Any], wanted: dict[str, str]) -> bool:
    attributes = p["product"]["attributes"]
    for field, value in wanted.items():
        has = p["product"].get(field) if field in ("productFamily", "sku") else attributes.get(field)
        if has != value:
            return False
    return True


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
