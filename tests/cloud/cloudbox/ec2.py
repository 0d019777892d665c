"""EC2: what the box answers itself, and moto's answers for the rest."""

from __future__ import annotations

import base64
import threading
import uuid
import xml.etree.ElementTree as ET
from typing import Any, Callable

from . import query
from .catalog import Catalog
from .ec2_check import Checker, Places, check_tags
from .ec2_launch import DRY_RUN, Launcher
from .ec2_view import View, check_ids, not_found
from .errors import Refusal
from .ledger import RUNNING, STATE_NAMES, TERMINATED, Instance, Ledger, Timers
from .moto import Moto, parse
from .query import Params
from .settings import Settings
from .wire import Answer

# Describes whose pages moto doesn't make, or makes otherwise: action -> the answer's list.
PAGED = {"DescribeImages": "imagesSet", "DescribeSecurityGroups": "securityGroupInfo", "DescribeSubnets": "subnetSet",
         "DescribeVolumes": "volumeSet", "DescribeTags": "tagSet", "DescribeVpcs": "vpcSet"}
# They would launch, past the ledger.
LAUNCHING = {"CreateFleet", "RequestSpotInstances", "RequestSpotFleet", "StartInstances", "RunScheduledInstances"}


class EC2:
    def __init__(self, moto: Moto, ledger: Ledger, settings: Settings, timers: Timers):
        self.moto, self.ledger, self.settings, self.timers = moto, ledger, settings, timers
        self.catalog = Catalog(settings)
        self.places = Places(moto)
        self.view = View(ledger, settings)
        self.launcher = Launcher(moto, Checker(self.places, self.catalog), ledger, settings, timers)
        self._refresh_lock = threading.Lock()
        self.notice: Callable[[str, str], None] = lambda i, t: None
        self.console: Callable[[str], bytes | None] = lambda i: None

    def call(self, region: str, key_id: str, action: str, p: Params, dies: dict[str, Any] | None) -> Answer:
        """Refusal, MotoRefused, MotoFailed."""
        self.places.prepare(region)
        if action in LAUNCHING:
            raise Refusal(400, "UnsupportedOperation", f"The box launches with RunInstances only, not with {action}")
        if p.true("DryRun") and action.startswith("Describe"):
            raise DRY_RUN
        own = getattr(self, "_" + action, None)
        if own is not None:
            return own(region, key_id, p, dies)
        if p.true("DryRun"):
            raise DRY_RUN
        if action in PAGED:
            return self._paged(region, key_id, action, p)
        answer = self._pass(region, key_id, p)
        if not action.startswith(("Describe", "Get")):
            self._mark_stale(region, p)
        return answer

    def _pass(self, region: str, key_id: str, p: Params) -> Answer:
        answer = self.moto.query("ec2", region, key_id, p.pairs)
        if isinstance(answer.body, bytes):
            answer.body = answer.body.replace(b"<requestId>request-id<", f"<requestId>{uuid.uuid4()}<".encode())
        return answer

    def _paged(self, region: str, key_id: str, action: str, p: Params) -> Answer:
        answer = self._pass(region, key_id, p.without("MaxResults", "NextToken"))
        if answer.status != 200 or not (p.get("MaxResults") or p.get("NextToken")):
            return answer
        assert isinstance(answer.body, bytes)
        rows = parse(answer.body).findall(PAGED[action] + "/item")
        shown, token = query.page(p, rows, 5, 1000, 0)
        inner = "".join(ET.tostring(r, "unicode") for r in shown)
        return query.answer(action, f"<{PAGED[action]}>{inner}</{PAGED[action]}>", token)

    def _mark_stale(self, region: str, p: Params) -> None:
        ids = {v for _, v in p.pairs if v.startswith("i-")}
        with self.ledger.lock:
            for i in self.ledger.all(region):
                if not ids or i.id in ids:
                    i.stale = True

    def _refresh(self, region: str) -> None:
        """What was changed since is fetched from moto."""
        with self._refresh_lock:
            stale = [i for i in self.ledger.all(region) if i.stale]
            if not stale:
                return
            params = {f"InstanceId__{n}": i.id for n, i in enumerate(stale, 1)}
            root = self.moto.ec2(region, "DescribeInstances", **params)
            with self.ledger.lock:
                for item in root.findall("reservationSet/item/instancesSet/item"):
                    instance = self.ledger.get(item.findtext("instanceId", ""))
                    if instance:
                        instance.see(item)

    # The actions of the box's own, by their names.

    def _RunInstances(self, region: str, key_id: str, p: Params, dies: dict[str, Any] | None) -> Answer:
        return self.launcher.run(region, key_id, p, dies)

    def _DescribeInstances(self, region: str, key_id: str, p: Params, _: Any) -> Answer:
        self._refresh(region)
        return self.view.describe(region, p)

    def _DescribeInstanceTypes(self, region: str, key_id: str, p: Params, _: Any) -> Answer:
        return self.catalog.describe_types(region, p)

    def _DescribeInstanceTypeOfferings(self, region: str, key_id: str, p: Params, _: Any) -> Answer:
        return self.catalog.describe_offerings(region, p)

    def _DescribeSpotPriceHistory(self, region: str, key_id: str, p: Params, _: Any) -> Answer:
        return self.catalog.describe_spot_prices(region, p, self.settings.now())

    def _some(self, region: str, p: Params) -> list[Instance]:
        ids = p.list("InstanceId")
        if not ids:
            raise Refusal(400, "MissingParameter", "The request must contain the parameter InstanceId")
        if len(ids) > 1000:
            raise Refusal(400, "InvalidParameterValue", "At most 1000 instance IDs may be given")
        found = self.view.by_ids(region, ids)
        if p.true("DryRun"):
            raise DRY_RUN
        return found

    def _TerminateInstances(self, region: str, key_id: str, p: Params, _: Any) -> Answer:
        instances = self._some(region, p)
        before = {i.id: i.state for i in instances}
        when = query.gmt(self.settings.now())
        for i in instances:
            self.launcher.end(i, "api", "Client.UserInitiatedShutdown", f"User initiated ({when})")
        return query.answer("TerminateInstances", changes(instances, before))

    def _StopInstances(self, region: str, key_id: str, p: Params, _: Any) -> Answer:
        instances = self._some(region, p)
        before = {i.id: i.state for i in instances}
        if any(s != RUNNING for s in before.values()):
            raise Refusal(400, "IncorrectInstanceState", "An instance is not in a state from which it can be stopped.")
        for i in instances:
            self.ledger.stop(i, "api", "Client.UserInitiatedShutdown", "User initiated")
        return query.answer("StopInstances", changes(instances, before))

    def _GetConsoleOutput(self, region: str, key_id: str, p: Params, _: Any) -> Answer:
        instance = self.view.by_ids(region, [p.get("InstanceId")])[0]
        text = self.console(instance.id) or b""
        out = base64.b64encode(text[-65536:]).decode()
        return query.answer("GetConsoleOutput", f"<instanceId>{instance.id}</instanceId>"
                            f"<timestamp>{query.iso(self.settings.now())}</timestamp><output>{out}</output>")

    def _CreateTags(self, region: str, key_id: str, p: Params, _: Any) -> Answer:
        ids = p.list("ResourceId")
        self.view.by_ids(region, [i for i in ids if i.startswith("i-")])
        check_tags(p.groups("Tag"))
        if p.true("DryRun"):
            raise DRY_RUN
        answer = self._pass(region, key_id, p)
        self._mark_stale(region, p)
        return answer

    def _DeleteSecurityGroup(self, region: str, key_id: str, p: Params, _: Any) -> Answer:
        group = p.get("GroupId")
        with self.ledger.lock:
            users = [i.id for i in self.ledger.all(region) if i.state != TERMINATED and group in i.groups]
        if users:
            raise Refusal(400, "DependencyViolation", f"resource {group} has a dependent object")
        if p.true("DryRun"):
            raise DRY_RUN
        return self._pass(region, key_id, p)

    # What the box does to instances on demand.

    def interrupt(self, instance_id: str, notice_s: float) -> None:
        """The spot market wants it back: told first, ended after notice_s. Refusal."""
        check_ids([instance_id])
        instance = self.ledger.get(instance_id)
        if instance is None:
            raise not_found([instance_id])
        if not instance.spot or not instance.live:
            raise Refusal(400, "IncorrectState", f"{instance_id} is no live spot instance")
        self.notice(instance_id, query.iso(self.settings.now() + notice_s)[:-5] + "Z")
        self.timers.after(notice_s, lambda: self.launcher.end(
            instance, "spot", "Server.SpotInstanceTermination", "Spot instance termination"))

    def powered_off(self, instance_id: str, reason: str = "") -> None:
        """The host ended itself."""
        instance = self.ledger.get(instance_id)
        if instance is None or not instance.live:
            return
        code, words = "Client.InstanceInitiatedShutdown", reason or "Instance initiated shutdown"
        if instance.on_shutdown == "terminate":
            self.launcher.end(instance, "host", code, words)
        else:
            self.ledger.stop(instance, "host", code, words)

    def rules(self, region: str, group: str) -> list[dict[str, str]]:
        """What a security group lets in: for whoever enforces it. MotoFailed."""
        root = self.moto.ec2(region, "DescribeSecurityGroups", GroupId__1=group)
        return [{"protocol": p.findtext("ipProtocol", ""), "from": p.findtext("fromPort", ""),
                 "to": p.findtext("toPort", ""), "cidr": r.findtext("cidrIp", "")}
                for p in root.findall("securityGroupInfo/item/ipPermissions/item") for r in p.findall("ipRanges/item")]

    def failed_to_boot(self, instance_id: str, why: str) -> None:
        instance = self.ledger.get(instance_id)
        if instance:
            self.launcher.end(instance, "boot", "Server.InternalError", why)


def changes(instances: list[Instance], before: dict[str, int]) -> str:
    out = ""
    for i in instances:
        now, then = i.state, before[i.id]
        out += (f"<item><instanceId>{i.id}</instanceId><currentState><code>{now}</code><name>{STATE_NAMES[now]}</name>"
                f"</currentState><previousState><code>{then}</code><name>{STATE_NAMES[then]}</name></previousState>"
                "</item>")
    return f"<instancesSet>{out}</instancesSet>"
