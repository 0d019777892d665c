"""RunInstances: idempotent by token, within capacity and quota, and the life of what it launched."""

from __future__ import annotations

import hashlib
import threading
from typing import Any

from . import query
from .ec2_check import Checker, Launch, Subnet
from .ec2_view import reservation
from .errors import Refusal
from .ledger import Instance, Ledger, Timers
from .moto import Moto, parse
from .query import Params
from .settings import Settings
from .wire import Answer

DRY_RUN = Refusal(412, "DryRunOperation", "Request would have succeeded, but DryRun flag is set.")
NOT_MOTOS = ("NetworkInterface", "SubnetId", "SecurityGroupId", "SecurityGroup", "MinCount", "MaxCount", "DryRun",
             "Placement.AvailabilityZone", "TagSpecification", "AssociatePublicIpAddress")


class Token:
    """What was launched under a ClientToken."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.digest: str | None = None
        self.reservation = ""
        self.instances: list[Instance] = []


class Launcher:
    def __init__(self, moto: Moto, checker: Checker, ledger: Ledger, settings: Settings, timers: Timers):
        self.moto, self.checker, self.ledger, self.settings, self.timers = moto, checker, ledger, settings, timers
        self._tokens: dict[tuple[str, str, str], Token] = {}
        self._lock = threading.Lock()
        self._one_at_a_time = threading.Lock()

    def run(self, region: str, key_id: str, p: Params, dies: dict[str, Any] | None) -> Answer:
        launch = self.checker.check(region, p)
        if p.true("DryRun"):
            raise DRY_RUN
        if not launch.token:
            return self._answer(*self._launch(region, key_id, launch, dies))
        with self._lock:
            token = self._tokens.setdefault((region, launch.zone, launch.token), Token())
        with token.lock:
            digest = hashlib.sha256(repr(sorted(p.without("DryRun").pairs)).encode()).hexdigest()
            if token.digest is None:
                token.reservation, token.instances = self._launch(region, key_id, launch, dies)
                token.digest = digest
            elif token.digest != digest:
                raise Refusal(400, "IdempotentParameterMismatch", "Arguments on this idempotent request are "
                              "inconsistent with arguments used in previous request(s).")
            return self._answer(token.reservation, token.instances)

    def _answer(self, key: str, instances: list[Instance]) -> Answer:
        with self.ledger.lock:
            return query.answer("RunInstances", reservation(key, instances))

    def _launch(self, region: str, key_id: str, launch: Launch,
                dies: dict[str, Any] | None) -> tuple[str, list[Instance]]:
        with self._one_at_a_time:
            subnet, count = self._fit(region, launch)
            params = self._for_moto(launch, subnet, count)
            answer = self.moto.query("ec2", region, key_id, params.pairs)
            if answer.status != 200:
                raise MotoRefused(answer)
            assert isinstance(answer.body, bytes)
            root = parse(answer.body)
            key = root.findtext("reservationId", "")
            now = self.settings.now()
            made = []
            for index, item in enumerate(root.findall("instancesSet/item")):
                made.append(Instance(
                    item.findtext("instanceId", ""), region, subnet.zone, launch.type, launch.vcpus, launch.image,
                    item.findtext("privateIpAddress", ""), launch.token, launch.spot, index, key, launch.user_data,
                    launch.groups, launch.on_shutdown, item, now, now + self.settings.visibility_delay_s,
                    now + self.settings.token_visibility_delay_s))
                launched = item.find("launchTime")
                if launched is not None:
                    launched.text = query.iso(now)
                self.ledger.add(made[-1])
        for instance in made:
            self._live(instance, dies)
        return key, made

    def _live(self, instance: Instance, dies: dict[str, Any] | None) -> None:
        if dies is None:
            self.timers.after(self.settings.boot_delay_s, lambda: self.ledger.start(instance))
            return
        code = dies.get("code", "Server.InternalError")
        reason = dies.get("message", "Internal error on launch")

        def die() -> None:
            self.end(instance, "launch", code, reason, at_once=True)

        self.timers.after(dies.get("after", self.settings.boot_delay_s / 2), die)

    def end(self, instance: Instance, by: str, code: str, reason: str, at_once: bool = False) -> None:
        """moto's is terminated as well, so that its groups and addresses are free."""
        if not self.ledger.begin_end(instance, by, code, reason):
            return
        self.moto.query("ec2", instance.region, "AKIABOX", [
            ("Action", "TerminateInstances"), ("Version", "2016-11-15"), ("InstanceId.1", instance.id)])
        if at_once or self.settings.shutdown_delay_s <= 0:
            self.ledger.finish_end(instance)
        else:
            self.timers.after(self.settings.shutdown_delay_s, lambda: self.ledger.finish_end(instance))

    def _fit(self, region: str, launch: Launch) -> tuple[Subnet, int]:
        """Where, and how many of MaxCount."""
        defaults = {s.zone: s for s in self.checker.places.subnets(region) if s.default}
        offered = self.checker.catalog.zones_of(region, launch.type)
        zones = [launch.zone] if launch.zone else [z for z in defaults if z in offered]
        quota = self._quota(region, launch)
        for zone in zones:
            limit = self.settings.capacity_of(launch.type, zone, launch.spot)
            room = launch.most if limit is None else limit - self.ledger.running_of(launch.type, zone)
            if room >= launch.least:
                return launch.subnet or defaults[zone], min(launch.most, room, quota)
        others = [z for z in offered if z not in zones]
        hint = f" or choosing {', '.join(others)}" if others else ""
        where = f"in the Availability Zone you requested ({launch.zone})" if launch.zone else f"in {region}"
        raise Refusal(500, "InsufficientInstanceCapacity", f"We currently do not have sufficient {launch.type} "
                      f"capacity {where}. Our system will be working on provisioning additional capacity. You can "
                      f"currently get {launch.type} capacity by not specifying an Availability Zone in your "
                      f"request{hint}.")

    def _quota(self, region: str, launch: Launch) -> int:
        limit = self.settings.quota_vcpus.get("spot" if launch.spot else "on-demand")
        if limit is None:
            return launch.most
        room = (limit - self.ledger.vcpus(region, launch.spot)) // launch.vcpus
        if room >= launch.least:
            return room
        if launch.spot:
            raise Refusal(400, "MaxSpotInstanceCountExceeded", "Max spot instance count exceeded")
        raise Refusal(400, "VcpuLimitExceeded", "You have requested more vCPU capacity than your current vCPU limit "
                      f"of {limit} allows for the instance bucket that the specified instance type belongs to. Please "
                      "visit http://aws.amazon.com/contact-us/ec2-request to request an adjustment to this limit.")

    def _for_moto(self, launch: Launch, subnet: Subnet, count: int) -> Params:
        """In the words that moto takes: an address from the subnet, and no public one unless it is set."""
        p = launch.params.without(*NOT_MOTOS)
        p.pairs += [("MinCount", str(count)), ("MaxCount", str(count)), ("SubnetId", subnet.id)]
        p.pairs += [(f"SecurityGroupId.{n}", g) for n, g in enumerate(launch.groups, 1)]
        if self.settings.public_addresses:
            p.pairs.append(("AssociatePublicIpAddress", "true"))
        wanted = [s for s in launch.params.groups("TagSpecification") if s.get("ResourceType") in ("instance", "volume")]
        for n, spec in enumerate(wanted, 1):
            p.pairs += [(f"TagSpecification.{n}.{k}", v) for k, v in spec.pairs]
        return p


class MotoRefused(Exception):
    """moto's own refusal, to be passed on."""

    def __init__(self, answer: Answer):
        self.answer = answer
