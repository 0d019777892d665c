"""DescribeInstances from the ledger: filters, pages, what is not visible yet."""

from __future__ import annotations

import itertools
import re
from typing import Callable

from . import query
from .errors import Refusal, xml_text
from .ledger import STATE_NAMES, TERMINATED, Instance, Ledger
from .query import Params
from .settings import Settings
from .wire import Answer

ID = re.compile(r"i-(?:[0-9a-f]{8}|[0-9a-f]{17})")


def _text(path: str) -> Callable[[Instance], list[str]]:
    return lambda i: [e.text or "" for e in i.item.findall(path)]


def _group(field: str) -> Callable[[Instance], list[str]]:
    return _text(f"networkInterfaceSet/item/groupSet/item/{field}")


FILTERS: dict[str, Callable[[Instance], list[str]]] = {
    "architecture": _text("architecture"),
    "availability-zone": lambda i: [i.zone],
    "block-device-mapping.device-name": _text("blockDeviceMapping/item/deviceName"),
    "block-device-mapping.volume-id": _text("blockDeviceMapping/item/ebs/volumeId"),
    "client-token": lambda i: [i.token],
    "dns-name": _text("dnsName"),
    "hypervisor": _text("hypervisor"),
    "iam-instance-profile.arn": _text("iamInstanceProfile/arn"),
    "image-id": lambda i: [i.image],
    "instance-id": lambda i: [i.id],
    "instance-lifecycle": lambda i: ["spot"] if i.spot else [],
    "instance-state-code": lambda i: [str(i.state)],
    "instance-state-name": lambda i: [STATE_NAMES[i.state]],
    "instance-type": lambda i: [i.type],
    "instance.group-id": _group("groupId"),
    "instance.group-name": _group("groupName"),
    "network-interface.group-id": _group("groupId"),
    "network-interface.subnet-id": _text("networkInterfaceSet/item/subnetId"),
    "ip-address": _text("ipAddress"),
    "key-name": _text("keyName"),
    "launch-index": lambda i: [str(i.launch_index)],
    "launch-time": _text("launchTime"),
    "metadata-options.http-tokens": _text("metadataOptions/httpTokens"),
    "owner-id": lambda i: ["123456789012"],
    "platform": _text("platform"),
    "private-dns-name": _text("privateDnsName"),
    "private-ip-address": lambda i: [i.private_ip],
    "reason": lambda i: [i.reason],
    "reservation-id": lambda i: [i.reservation],
    "root-device-name": _text("rootDeviceName"),
    "root-device-type": _text("rootDeviceType"),
    "spot-instance-request-id": lambda i: ["sir-" + i.id[2:10]] if i.spot else [],
    "state-reason-code": lambda i: [i.reason_code],
    "subnet-id": _text("subnetId"),
    "tag-key": lambda i: list(i.tags),
    "tag-value": lambda i: list(i.tags.values()),
    "tenancy": _text("placement/tenancy"),
    "virtualization-type": _text("virtualizationType"),
    "vpc-id": _text("vpcId"),
}


def passes(instance: Instance, filters: list[tuple[str, list[str]]]) -> bool:
    for name, values in filters:
        found = [instance.tags[name[4:]]] if name[4:] in instance.tags else []
        if not name.startswith("tag:"):
            found = FILTERS[name](instance)
        if not any(query.matches(v, values) for v in found):
            return False
    return True


def check_ids(ids: list[str]) -> None:
    for i in ids:
        if not ID.fullmatch(i):
            raise Refusal(400, "InvalidInstanceID.Malformed", f'Invalid id: "{i}"')


def not_found(ids: list[str]) -> Refusal:
    if len(ids) == 1:
        return Refusal(400, "InvalidInstanceID.NotFound", f"The instance ID '{ids[0]}' does not exist")
    return Refusal(400, "InvalidInstanceID.NotFound", f"The instance IDs '{', '.join(ids)}' do not exist")


class View:
    def __init__(self, ledger: Ledger, settings: Settings):
        self.ledger, self.settings = ledger, settings

    def by_ids(self, region: str, ids: list[str]) -> list[Instance]:
        """All of them, or the Refusal that EC2 gives; one launched a moment ago doesn't exist yet."""
        check_ids(ids)
        now = self.settings.now()
        found = {i: self.ledger.get(i) for i in ids}
        missing = [i for i, x in found.items() if x is None or x.region != region or x.visible > now
                   or self._forgotten(x, now)]
        if missing:
            raise not_found(missing)
        return [x for x in found.values() if x is not None]

    def _forgotten(self, i: Instance, now: float) -> bool:
        return i.state == TERMINATED and now - (i.ended or now) > self.settings.listed_after_end_s

    def find(self, region: str, params: Params) -> list[Instance]:
        ids = params.list("InstanceId")
        filters = params.filters()
        for name, values in filters:
            if not name.startswith("tag:") and name not in FILTERS:
                raise query.bad_filter(name)
            if len(values) > 200:
                raise Refusal(400, "FilterLimitExceeded", "The maximum number of filter values specified on a single "
                              "call is 200")
        if ids:
            found = self.by_ids(region, ids)
        else:
            now = self.settings.now()
            by_token = any(n == "client-token" for n, _ in filters)
            found = [i for i in self.ledger.all(region)
                     if (i.token_visible if by_token else i.visible) <= now and not self._forgotten(i, now)]
        return [i for i in found if passes(i, filters)]

    def describe(self, region: str, params: Params) -> Answer:
        if params.list("InstanceId") and params.get("MaxResults"):
            raise Refusal(400, "InvalidParameterCombination",
                          "The parameter instancesSet cannot be used with the parameter maxResults")
        with self.ledger.lock:
            found = self.find(region, params)
            shown, token = self._page(params, found)
            return query.answer("DescribeInstances", f"<reservationSet>{reservations(shown)}</reservationSet>", token)

    def _page(self, params: Params, found: list[Instance]) -> tuple[list[Instance], str | None]:
        """With empty pages, positions count pages: every so many-th shows nothing."""
        every, most = self.settings.empty_page_every, self.settings.page_instances
        size = int(params.get("MaxResults") or 0) or len(found) or 1
        query.page(params, found, 5, 1000, 0)
        if most:
            size = min(size, most)
        number = query.start_of(params)
        shown_before = number - (number // (every + 1) if every else 0)
        empty = bool(every) and number % (every + 1) == every
        start = shown_before * size
        last = start + (0 if empty else size) >= len(found)
        return [] if empty else found[start:start + size], None if last else query.token_of(params, number + 1)


def reservations(instances: list[Instance]) -> str:
    return "".join(f"<item>{reservation(key, list(group))}</item>"
                   for key, group in itertools.groupby(instances, lambda i: i.reservation))


def reservation(key: str, instances: list[Instance]) -> str:
    items = "".join(i.xml() for i in instances)
    return (f"<reservationId>{xml_text(key)}</reservationId><ownerId>123456789012</ownerId><groupSet/>"
            f"<instancesSet>{items}</instancesSet>")
