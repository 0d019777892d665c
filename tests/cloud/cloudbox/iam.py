"""A policy of IAM, held to: which resources a call is about, with which tags, and whether a statement allows all of it.

Knows what `furrow doctor --policy` writes: Allow statements with Action, Resource and the conditions StringEquals and
StringLike. Anything else in a policy is refused when it is set."""

from __future__ import annotations

import dataclasses
import fnmatch
import json
from typing import Any, Iterator
from urllib.parse import unquote

from . import permissions
from .query import Params

OPERATORS = {"StringEquals": lambda has, want: has == want, "StringLike": fnmatch.fnmatchcase}


@dataclasses.dataclass
class Ask:
    """One permission on one resource, in a context."""

    action: str
    arn: str
    context: dict[str, str]
    some: bool = False  # on some of what begins with arn


def check_policy(policy: dict[str, Any]) -> None:
    """ValueError: it says what the box does not know."""
    for statement in policy.get("Statement", []):
        unknown = set(statement) - {"Sid", "Effect", "Action", "Resource", "Condition"}
        unknown |= set(statement.get("Condition", {})) - set(OPERATORS)
        if unknown or statement.get("Effect") != "Allow":
            raise ValueError(f"statement {statement.get('Sid')}: only Allow, not {', '.join(unknown) or 'others'}")


def refused(policy: dict[str, Any], asks: list[Ask]) -> Ask | None:
    """The first that no statement allows."""
    for ask in asks:
        if not any(_allows(s, ask) for s in policy.get("Statement", [])):
            return ask
    return None


def _list(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def _allows(statement: dict[str, Any], ask: Ask) -> bool:
    if not any(fnmatch.fnmatchcase(ask.action.lower(), a.lower()) for a in _list(statement["Action"])):
        return False
    if not any(fnmatch.fnmatchcase(ask.arn, r) or r == "*" or (ask.some and r.startswith(ask.arn))
               for r in _list(statement["Resource"])):
        return False
    for operator, wanted in statement.get("Condition", {}).items():
        for key, values in wanted.items():
            if key not in ask.context or not any(OPERATORS[operator](ask.context[key], v) for v in _list(values)):
                return False
    return True


class Resources:
    """What calls are about. ledger and moto tell tags."""

    def __init__(self, ledger: Any, moto: Any, account: str):
        self.ledger, self.moto, self.account = ledger, moto, account

    def asks(self, service: str, region: str, action: str, p: Params, params: dict[str, str], body: bytes) -> list[Ask]:
        if service == "ec2":
            return list(self._ec2(region, action, p))
        if service == "s3":
            key = unquote(params.get("key", ""))
            arn = f"arn:aws:s3:::{params.get('bucket', '')}" + (f"/{key}" if key else "")
            if action == "DeleteObjects":  # its keys are in a body that nobody has read yet
                return [Ask("s3:DeleteObject", f"{arn}/", {}, some=True)]
            return [Ask(permissions.needed(service, action, params)[0], arn, {})]
        if (service, action) == ("ssm", "GetParameter"):
            name = json.loads(body or b"{}").get("Name", "")
            owner = "" if name.startswith("/aws/") else self.account
            return [Ask("ssm:GetParameter", f"arn:aws:ssm:{region}:{owner}:parameter{name}", {})]
        return [Ask(f"{service}:{action}", "*", {})]

    def _arn(self, region: str, what: str) -> str:
        return f"arn:aws:ec2:{region}:{self.account}:{what}"

    def _ec2(self, region: str, action: str, p: Params) -> Iterator[Ask]:
        name = f"ec2:{action}"
        if action == "RunInstances":
            yield from self._launch(region, p)
        elif action == "CreateSecurityGroup":
            yield Ask(name, self._arn(region, "security-group/*"), _requested(p, "security-group"))
            yield Ask(name, self._arn(region, f"vpc/{p.get('VpcId')}"), {})
        elif action in ("AuthorizeSecurityGroupIngress", "RevokeSecurityGroupIngress", "DeleteSecurityGroup"):
            yield self._group(region, name, p.get("GroupId"))
        elif p.list("InstanceId") and not action.startswith(("Describe", "Get")):
            for i in p.list("InstanceId"):
                yield Ask(name, self._arn(region, f"instance/{i}"), self._instance_tags(i))
        elif action == "CreateTags":
            for r in p.list("ResourceId"):
                kind = "security-group" if r.startswith("sg-") else "instance"
                yield Ask(name, self._arn(region, f"{kind}/{r}"), self._instance_tags(r))
        else:
            yield Ask(name, "*", {})
        for spec in p.groups("TagSpecification"):
            kind = spec.get("ResourceType")
            yield Ask("ec2:CreateTags", self._arn(region, f"{kind}/*"),
                      _requested(p, kind) | {"ec2:CreateAction": action})

    def _launch(self, region: str, p: Params) -> Iterator[Ask]:
        name, spot = "ec2:RunInstances", p.get("InstanceMarketOptions.MarketType") == "spot"
        for kind in ["instance", "volume", "network-interface"] + ["spot-instances-request"] * spot:
            yield Ask(name, self._arn(region, f"{kind}/*"), _requested(p, kind))
        first = (p.groups("NetworkInterface") or [p])[0]
        yield Ask(name, f"arn:aws:ec2:{region}::image/{p.get('ImageId')}", {})
        yield Ask(name, self._arn(region, f"subnet/{first.get('SubnetId')}"), {})
        for group in first.list("SecurityGroupId") or [""]:
            yield self._group(region, name, group)

    def _group(self, region: str, name: str, group: str) -> Ask:
        """"": the VPC's default one, which has no tags."""
        tags: dict[str, str] = {}
        if group:
            root = self.moto.ec2(region, "DescribeSecurityGroups", Filter__1__Name="group-id", Filter__1__Value__1=group)
            tags = {t.findtext("key", ""): t.findtext("value", "") for t in root.findall("securityGroupInfo/item/tagSet/item")}
        return Ask(name, self._arn(region, f"security-group/{group or 'sg-default'}"), _of_resource(tags))

    def _instance_tags(self, instance_id: str) -> dict[str, str]:
        instance = self.ledger.get(instance_id)
        return _of_resource(instance.tags if instance else {})


def _of_resource(tags: dict[str, str]) -> dict[str, str]:
    return {f"aws:ResourceTag/{k}": v for k, v in tags.items()}


def _requested(p: Params, kind: str) -> dict[str, str]:
    """The tags that the call gives to what it makes of this kind."""
    return {f"aws:RequestTag/{t.get('Key')}": t.get("Value") for s in p.groups("TagSpecification")
            if s.get("ResourceType") == kind for t in s.groups("Tag")}
