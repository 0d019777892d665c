"""What an hour costs: a sheet that is the same on every machine and every day.

Families that are priced by the vCPU stand with what their `large` (two vCPUs) costs in us-east-2, others by size, as
AWS's public pages had them in 2025, as far as they are known here; all other types by a formula in the proportions
that EC2 has: 0.0355 a vCPU + 0.0029 a GiB + GPUS (or 0.45) a GPU, a fifth less on arm64. Other regions cost more by REGIONS."""

from __future__ import annotations

import zlib
from typing import Any

DISK_USD, ADDRESS_USD = 0.08, 0.005  # a GiB of gp3 and month; a public IPv4 address and hour
REGIONS = {"us-west-1": 1.17, "eu-west-1": 1.115, "eu-central-1": 1.2, "eu-west-2": 1.16, "ap-south-1": 1.05,
           "ap-southeast-1": 1.25, "ap-southeast-2": 1.25, "ap-northeast-1": 1.29, "sa-east-1": 1.59}

GPUS = {"A100": 2.4, "H100": 6.0, "H200": 6.5, "B200": 12.0, "L40S": 1.5, "RTX PRO Server 6000": 2.0, "V100": 2.5}

LARGE = {
    "m4": 0.10, "m5": 0.096, "m5a": 0.086, "m5d": 0.113, "m5ad": 0.103, "m5n": 0.119, "m5dn": 0.136, "m5zn": 0.1652,
    "m6g": 0.077, "m6gd": 0.0904, "m6i": 0.096, "m6id": 0.11865, "m6in": 0.13923, "m6idn": 0.15911, "m6a": 0.0864,
    "m7g": 0.0816, "m7gd": 0.1068, "m7i": 0.1008, "m7i-flex": 0.09576, "m7a": 0.11592, "m8g": 0.08976,
    "c4": 0.10, "c5": 0.085, "c5a": 0.077, "c5ad": 0.086, "c5d": 0.096, "c5n": 0.108, "c6g": 0.068, "c6gd": 0.0768,
    "c6gn": 0.0864, "c6i": 0.085, "c6id": 0.1008, "c6in": 0.1134, "c6a": 0.0765, "c7g": 0.0725, "c7gd": 0.0907,
    "c7gn": 0.1248, "c7i": 0.08925, "c7i-flex": 0.08479, "c7a": 0.10264, "c8g": 0.07976,
    "r4": 0.133, "r5": 0.126, "r5a": 0.113, "r5ad": 0.131, "r5b": 0.149, "r5d": 0.144, "r5dn": 0.167, "r5n": 0.149,
    "r6g": 0.1008, "r6gd": 0.1152, "r6i": 0.126, "r6id": 0.1512, "r6in": 0.17433, "r6idn": 0.19548, "r6a": 0.1134,
    "r7g": 0.1071, "r7gd": 0.1361, "r7i": 0.1323, "r7iz": 0.186, "r7a": 0.15215, "r8g": 0.11782,
    "i3": 0.156, "i3en": 0.226, "i4i": 0.172, "i4g": 0.15444, "im4gn": 0.18191, "is4gen": 0.2882, "a1": 0.051,
    "x1": 0.20841, "x1e": 0.417, "x2gd": 0.167, "x2idn": 0.20841, "x2iedn": 0.41681, "z1d": 0.186, "d2": 0.345,
    "d3": 0.2495, "h1": 0.117, "r3": 0.166, "i2": 0.4265,
}
SIZES = {
    "t2": "nano .0058 micro .0116 small .023 medium .0464 large .0928 xlarge .1856 2xlarge .3712",
    "t3": "nano .0052 micro .0104 small .0208 medium .0416 large .0832 xlarge .1664 2xlarge .3328",
    "t3a": "nano .0047 micro .0094 small .0188 medium .0376 large .0752 xlarge .1504 2xlarge .3008",
    "t4g": "nano .0042 micro .0084 small .0168 medium .0336 large .0672 xlarge .1344 2xlarge .2688",
    "g4dn": "xlarge .526 2xlarge .752 4xlarge 1.204 8xlarge 2.176 12xlarge 3.912 16xlarge 4.352 metal 7.824",
    "g4ad": "xlarge .37853 2xlarge .54117 4xlarge .867 8xlarge 1.734 16xlarge 3.468",
    "g5": "xlarge 1.006 2xlarge 1.212 4xlarge 1.624 8xlarge 2.448 12xlarge 5.672 16xlarge 4.096 24xlarge 8.144 "
          "48xlarge 16.288",
    "g6": "xlarge .8048 2xlarge .9776 4xlarge 1.3232 8xlarge 2.0144 12xlarge 4.6016 16xlarge 3.3968 24xlarge 6.6752 "
          "48xlarge 13.3504",
    "gr6": "4xlarge 1.5392 8xlarge 2.4464",
    "g6e": "xlarge 1.861 2xlarge 2.24208 4xlarge 3.00424 8xlarge 4.52856 12xlarge 10.49264 16xlarge 7.57719 "
           "24xlarge 15.06559 48xlarge 30.13118",
    "p3": "2xlarge 3.06 8xlarge 12.24 16xlarge 24.48", "p4d": "24xlarge 21.957642", "p5": "4xlarge 6.88 48xlarge 55.04",
    "inf1": "xlarge .228 2xlarge .362 6xlarge 1.18 24xlarge 4.721",
    "inf2": "xlarge .7582 8xlarge 1.96786 24xlarge 6.49063 48xlarge 12.98127", "trn1": "2xlarge 1.34375 32xlarge 21.5",
}


def _by_size(family: str) -> dict[str, float]:
    words = SIZES.get(family, "").split()
    return dict(zip(words[::2], map(float, words[1::2])))


def on_demand_usd(region: str, t: dict[str, Any]) -> float:
    """t: an instance type as EC2 describes it."""
    family, _, size = t["InstanceType"].partition(".")
    vcpus = t["VCpuInfo"]["DefaultVCpus"]
    usd = _by_size(family).get(size)
    if usd is None and family in LARGE:
        usd = LARGE[family] * vcpus / 2
    if usd is None:
        usd = 0.0355 * vcpus + 0.0029 * t["MemoryInfo"]["SizeInMiB"] / 1024
        usd += sum(g.get("Count", 0) * GPUS.get(g["Name"], 0.45) for g in t.get("GpuInfo", {}).get("Gpus", []))
        usd *= 0.8 if "arm64" in t["ProcessorInfo"]["SupportedArchitectures"] else 1
    return round(usd * REGIONS.get(region, 1), 6)


def spot_usd(region: str, t: dict[str, Any], zone: str) -> float:
    """30 to 45 % of on-demand, by type and zone."""
    share = 0.30 + zlib.crc32(f"{t['InstanceType']} {zone}".encode()) % 150 / 1000
    return round(on_demand_usd(region, t) * share, 6)


def interruption(region: str, name: str) -> int:
    """The bracket of the spot advisor's: 0 (< 5 %) to 4 (> 20 %)."""
    return zlib.crc32(f"{region}/{name}".encode()) % 5
