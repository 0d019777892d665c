#!/usr/bin/env python3
"""Writes prices.txt: what the box says that us-east-2's instance types (types.txt) cost and where they are.

    python3 tests/unit/ec2/prices.py >tests/unit/ec2/prices.txt

A line is: type on-demand-usd interruption-bracket zone-letter=spot-usd …   ("-": no spot, not known)
"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "cloud"))
from cloudbox import price_sheet  # noqa: E402
from cloudbox.catalog import Catalog  # noqa: E402
from cloudbox.settings import Settings  # noqa: E402

REGION = "us-east-2"


def lines() -> list[str]:
    catalog = Catalog(Settings())
    out = []
    for t in catalog.types_of(REGION):
        name, spot = t["InstanceType"], "spot" in t["SupportedUsageClasses"]
        zones = [f"{z[len(REGION):]}={price_sheet.spot_usd(REGION, t, z) if spot else '-'}" for z in catalog.zones_of(REGION, name)]
        bracket = price_sheet.interruption(REGION, name) if spot else "-"
        out.append(f"{name} {price_sheet.on_demand_usd(REGION, t)} {bracket} {' '.join(zones)}")
    return out


if __name__ == "__main__":
    print("\n".join(lines()))
