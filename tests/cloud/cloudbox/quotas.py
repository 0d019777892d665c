"""Service Quotas, of which moto has next to none: the quotas of EC2 on vCPUs, as EC2 in the box holds to them."""

from __future__ import annotations

import json
import uuid
from typing import Any

from .errors import Refusal
from .settings import Settings
from .wire import Answer

ACCOUNT = "123456789012"
# code -> name, and the market in quota_vcpus that it is the limit of, or the value of an account that asked for none.
QUOTAS: dict[str, tuple[str, str | float]] = {
    "L-1216C47A": ("Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances", "on-demand"),
    "L-34B43A08": ("All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests", "spot"),
    "L-DB2E81BA": ("Running On-Demand G and VT instances", 0.0),
    "L-3819A6DF": ("All G and VT Spot Instance Requests", 0.0),
    "L-417A185B": ("Running On-Demand P instances", 0.0),
    "L-7212CCBC": ("All P Spot Instance Requests", 0.0),
}


def answer(settings: Settings, region: str, target: str, body: bytes) -> Answer:
    version, _, action = target.partition(".")
    if version != "ServiceQuotasV20190624":
        raise Refusal(400, "UnknownOperationException", f"Unknown target {target}")
    try:
        asked = json.loads(body or b"{}")
    except ValueError:
        raise Refusal(400, "SerializationException", "The body is no JSON") from None
    if asked.get("ServiceCode") != "ec2":
        raise Refusal(400, "NoSuchResourceException", "The request failed because the specified service does not exist.")
    if action == "GetServiceQuota":
        return _say({"Quota": _quota(settings, region, asked.get("QuotaCode", ""))})
    if action == "ListServiceQuotas":
        return _say({"Quotas": [_quota(settings, region, c) for c in QUOTAS if settings.quotas.get(c) != "none"]})
    raise Refusal(400, "UnknownOperationException", f"The box has no {action} of Service Quotas")


def _quota(settings: Settings, region: str, code: str) -> dict[str, Any]:
    value = settings.quotas.get(code)
    if code not in QUOTAS or value == "none":
        raise Refusal(400, "NoSuchResourceException", "The request failed because the specified quota does not exist.")
    name, usual = QUOTAS[code]
    out: dict[str, Any] = {
        "ServiceCode": "ec2", "ServiceName": "Amazon Elastic Compute Cloud (Amazon EC2)",
        "QuotaArn": f"arn:aws:servicequotas:{region}:{ACCOUNT}:ec2/{code}", "QuotaCode": code, "QuotaName": name,
        "Value": float(settings.quota_vcpus.get(usual, 0)) if isinstance(usual, str) else usual, "Unit": "None",
        "Adjustable": True, "GlobalQuota": False,
        "UsageMetric": {"MetricNamespace": "AWS/Usage", "MetricName": "ResourceCount", "MetricDimensions": {
            "Class": "Standard/OnDemand", "Resource": "vCPU", "Service": "EC2", "Type": "Resource"},
            "MetricStatisticRecommendation": "Maximum"},
        "QuotaAppliedAtLevel": "ACCOUNT"}
    if value == "silent":
        del out["Value"]
    elif value is not None:
        out["Value"] = value
    return out


def _say(out: dict[str, Any]) -> Answer:
    headers = [("Content-Type", "application/x-amz-json-1.1"), ("x-amzn-RequestId", str(uuid.uuid4()))]
    return Answer(200, headers, json.dumps(out).encode())
