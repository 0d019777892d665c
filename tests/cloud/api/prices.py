"""The price list, spot prices and the advisor's file through the box, as boto3 reads them."""

from __future__ import annotations

import datetime
import importlib.util
import json
import pathlib
import urllib.request
from typing import Any

from api import harness
from api.harness import Box, same, test
from api.instances import refused

USED = {"regionCode": "us-east-2", "operatingSystem": "Linux", "tenancy": "Shared", "preInstalledSw": "NA",
        "capacitystatus": "Used", "marketoption": "OnDemand"}


def filters(wanted: dict[str, str]) -> list[dict[str, str]]:
    return [{"Type": "TERM_MATCH", "Field": n, "Value": v} for n, v in wanted.items()]


def pricing(box: Box, region: str = "us-east-1") -> Any:
    return box.client("pricing", region_name=region)


def products(box: Box, wanted: dict[str, str], service: str = "AmazonEC2") -> list[dict[str, Any]]:
    pages = pricing(box).get_paginator("get_products").paginate(ServiceCode=service, Filters=filters(wanted))
    return [json.loads(p) for page in pages for p in page["PriceList"]]


def usd(product: dict[str, Any]) -> str:
    (term,) = product["terms"]["OnDemand"].values()
    (rate,) = term["priceDimensions"].values()
    return rate["pricePerUnit"]["USD"]


@test("a region's price list: every type once, in pages of 100, with the prices that are known")
def sheet(box: Box) -> None:
    found = {p["product"]["attributes"]["instanceType"]: p for p in products(box, USED)}
    types = [t["InstanceType"] for page in box.client("ec2").get_paginator("describe_instance_types").paginate()
             for t in page["InstanceTypes"]]
    same(sorted(found), sorted(types))
    for name, want in (("m5.large", "0.0960000000"), ("c5.4xlarge", "0.6800000000"), ("t3.micro", "0.0104000000"),
                       ("g4dn.xlarge", "0.5260000000"), ("m7g.large", "0.0816000000"), ("p5.48xlarge", "55.0400000000")):
        same(usd(found[name]), want, name)
    same([p for p in found if not 0.002 < float(usd(found[p])) < 1000], [])
    same(len([e for e in box.log("?action=GetProducts")]), -(-len(types) // 100))
    m5 = found["m5.large"]
    same((m5["serviceCode"], m5["product"]["productFamily"], m5["product"]["attributes"]["memory"]),
         ("AmazonEC2", "Compute Instance", "8 GiB"))
    assert "Reserved" in m5["terms"] and list(m5["terms"]["OnDemand"].values())[0]["offerTermCode"] == "JRTCKXETXF"


@test("filters: all of them hold, and what is left out leaves more")
def filtered(box: Box) -> None:
    one = products(box, USED | {"instanceType": "m5.large"})
    same(len(one), 1)
    more = products(box, {"regionCode": "us-east-2", "instanceType": "m5.large"})
    same(sorted({p["product"]["attributes"]["tenancy"] for p in more}), ["Dedicated", "Shared"])
    same(min(usd(p) for p in more), "0.0000000000")
    same(products(box, USED | {"instanceType": "m5.nonesuch"}), [])
    same([usd(p) for p in products(box, {"regionCode": "us-east-2", "productFamily": "Storage", "volumeApiName": "gp3"})],
         ["0.0800000000"])
    addresses = products(box, {"regionCode": "us-east-2", "group": "VPCPublicIPv4Address"}, "AmazonVPC")
    same([usd(p) for p in addresses if p["product"]["attributes"]["usagetype"].endswith("PublicIPv4:InUseAddress")],
         ["0.0050000000"])


@test("what the price list refuses")
def refusals(box: Box) -> None:
    ask = pricing(box).get_products
    refused("InvalidParameterException", lambda: ask(ServiceCode="AmazonEC2", Filters=filters({"colour": "red"})))
    refused("InvalidParameterException", lambda: ask(ServiceCode="AmazonEC2", Filters=filters(USED), MaxResults=101))
    refused("InvalidParameterException", lambda: ask(
        ServiceCode="AmazonEC2", Filters=[{"Type": "LIKE", "Field": "tenancy", "Value": "S"}]))
    refused("NotFoundException", lambda: ask(ServiceCode="AmazonEC3", Filters=filters({"regionCode": "us-east-2"})))
    refused("InvalidNextTokenException", lambda: ask(ServiceCode="AmazonEC2", Filters=filters(USED), NextToken="MTAwLzA="))
    token = ask(ServiceCode="AmazonEC2", Filters=filters(USED))["NextToken"]
    refused("InvalidNextTokenException", lambda: ask(
        ServiceCode="AmazonEC2", Filters=filters(USED | {"tenancy": "Dedicated"}), NextToken=token))
    refused("InvalidSignatureException", lambda: pricing(box, "us-east-2").get_products(
        ServiceCode="AmazonEC2", Filters=filters(USED)))
    status, _, body = box.signed("ssm", "POST", "/", b"{}", {
        "X-Amz-Target": "AWSPriceListService.GetProducts", "Content-Type": "application/x-amz-json-1.1"})
    same((status, harness.code(body)), (400, "InvalidSignatureException"))
    box.set(deny=["pricing:GetProducts"])
    refused("AccessDeniedException", lambda: ask(ServiceCode="AmazonEC2", Filters=filters(USED)))


@test("prices that are set: numbers, other texts, other currencies, two, none")
def made_up(box: Box) -> None:
    def shown(price: Any) -> Any:
        box.set(**{"price.m5.large": price})
        found = products(box, USED | {"instanceType": "m5.large"})
        return [r["pricePerUnit"] for p in found for t in p["terms"]["OnDemand"].values()
                for r in t["priceDimensions"].values()]

    same(shown(0.5), [{"USD": "0.5000000000"}])
    same(shown("NaN"), [{"USD": "NaN"}])
    same(shown({"CNY": "0.7"}), [{"CNY": "0.7"}])
    same(shown([0.1, 0.2]), [{"USD": "0.1000000000"}, {"USD": "0.2000000000"}])
    same(shown("absent"), [])
    same(shown(None), [{"USD": "0.0960000000"}])


@test("spot prices: by type and zone, a third or so of on-demand, what holds at StartTime and since")
def spot(box: Box) -> None:
    ec2 = box.client("ec2")
    now = datetime.datetime.now(datetime.timezone.utc)
    ask = dict(StartTime=now, ProductDescriptions=["Linux/UNIX"])
    rows = [r for page in ec2.get_paginator("describe_spot_price_history").paginate(**ask) for r in page["SpotPriceHistory"]]
    same(len({(r["InstanceType"], r["AvailabilityZone"]) for r in rows}), len(rows))
    assert len(rows) > 2000, len(rows)
    same(len(ec2.describe_spot_price_history(**ask)["SpotPriceHistory"]), 1000)
    prices = {(r["InstanceType"], r["AvailabilityZone"]): float(r["SpotPrice"]) for r in rows}
    for zone in "abc":
        assert 0.30 * 0.096 <= prices["m5.large", "us-east-2" + zone] <= 0.45 * 0.096, prices
    m5 = dict(InstanceTypes=["m5.large"], AvailabilityZone="us-east-2a")
    since = [r["Timestamp"] for r in ec2.describe_spot_price_history(
        StartTime=now - datetime.timedelta(hours=5), **m5)["SpotPriceHistory"]]
    same((len(since), since), (6, sorted(since, reverse=True)))
    assert since[-1] <= now - datetime.timedelta(hours=5) and since[0] <= now, since
    same(len(ec2.describe_spot_price_history(StartTime=now + datetime.timedelta(days=9), **m5)["SpotPriceHistory"]), 1)
    same(ec2.describe_spot_price_history(StartTime=now, ProductDescriptions=["Windows"], **m5)["SpotPriceHistory"], [])
    box.set(**{"price.m5.large/us-east-2a": 0.5})
    same(ec2.describe_spot_price_history(StartTime=now, **m5)["SpotPriceHistory"][0]["SpotPrice"], "0.500000")
    box.set(**{"price.m5.large/us-east-2a": "absent"})
    same(ec2.describe_spot_price_history(StartTime=now, **m5)["SpotPriceHistory"], [])


@test("what is recorded for the unit tests is what the box says")
def recorded(box: Box) -> None:
    folder = pathlib.Path(__file__).resolve().parents[2] / "unit" / "ec2"
    spec = importlib.util.spec_from_file_location("recorded", folder / "prices.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    same(module.lines(), (folder / "prices.txt").read_text().splitlines())


@test("the spot advisor's file")
def advisor(box: Box) -> None:
    with urllib.request.urlopen(box.url + "/spot-advisor-data.json") as reply:
        file = json.load(reply)
    linux = file["spot_advisor"]["us-east-2"]["Linux"]
    same({e["r"] for e in linux.values()}, {0, 1, 2, 3, 4})
    same([r["label"] for r in file["ranges"]], ["<5%", "5-10%", "10-15%", "15-20%", ">20%"])
    assert "m5.large" in linux and "mac1.metal" not in linux


if __name__ == "__main__":
    harness.TESTS[:] = [t for t in harness.TESTS if t[1].__module__ == "__main__"]
    harness.run()
