"""What EC2 refuses in a RunInstances before it looks for capacity, and what of it moto can take."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import re
import threading
import xml.etree.ElementTree as ET

from .catalog import Catalog
from .errors import Refusal
from .moto import Moto, MotoFailed
from .query import Params

USER_DATA_LIMIT = 16 << 10
TAGGABLE = {"instance", "volume", "network-interface", "spot-instances-request", "elastic-gpu"}


@dataclasses.dataclass
class Subnet:
    id: str
    vpc: str
    zone: str
    default: bool


@dataclasses.dataclass
class Launch:
    """A RunInstances that EC2 would take."""

    params: Params
    least: int
    most: int
    image: str
    type: str
    vcpus: int
    spot: bool
    zone: str  # "" leaves the choice to EC2
    subnet: Subnet | None
    groups: list[str]
    user_data: bytes
    token: str
    on_shutdown: str


def invalid(message: str) -> Refusal:
    return Refusal(400, "InvalidParameterValue", message)


class Places:
    """The subnets and images of a region, as moto has them."""

    def __init__(self, moto: Moto):
        self.moto = moto
        self._images: dict[tuple[str, str], ET.Element | None] = {}
        self._ready: set[str] = set()
        self._blocks = 0  # of 172.31.0.0/16, each a /20, that are given away
        self._lock = threading.Lock()

    def prepare(self, region: str) -> None:
        """Default subnets hand out no public addresses, and no two regions the same ones: all hosts are on one bridge."""
        with self._lock:
            if region in self._ready:
                return
            for subnet in self._apart(region, self.moto.ec2(region, "DescribeSubnets").findall("subnetSet/item")):
                self.moto.ec2(region, "ModifySubnetAttribute", SubnetId=subnet, MapPublicIpOnLaunch__Value="false")
            self._ready.add(region)

    def _apart(self, region: str, items: list[ET.Element]) -> list[str]:
        """A region's default subnets, in blocks that no other region has as long as there are any."""
        first, self._blocks = self._blocks, min(16, self._blocks + len(items))
        if first == 0 or first + len(items) > 16:
            return [i.findtext("subnetId", "") for i in items]
        for i in items:
            self.moto.ec2(region, "DeleteSubnet", SubnetId=i.findtext("subnetId", ""))
        return [self.moto.ec2(region, "CreateSubnet", VpcId=i.findtext("vpcId", ""),
                              CidrBlock=f"172.31.{16 * block}.0/20",
                              AvailabilityZone=i.findtext("availabilityZone", "")).findtext("subnet/subnetId", "")
                for block, i in enumerate(items, first)]

    def subnets(self, region: str) -> list[Subnet]:
        items = self.moto.ec2(region, "DescribeSubnets").findall("subnetSet/item")
        subnets = [Subnet(i.findtext("subnetId", ""), i.findtext("vpcId", ""), i.findtext("availabilityZone", ""),
                          i.findtext("defaultForAz") == "true") for i in items]
        return sorted(subnets, key=lambda s: (s.zone, s.id))

    def group_exists(self, region: str, group: str) -> bool:
        try:
            self.moto.ec2(region, "DescribeSecurityGroups", GroupId__1=group)
            return True
        except MotoFailed:
            return False

    def image(self, region: str, image: str) -> ET.Element | None:
        key = (region, image)
        if self._images.get(key) is None:
            try:
                self._images[key] = self.moto.ec2(region, "DescribeImages", ImageId__1=image).find("imagesSet/item")
            except MotoFailed:
                self._images[key] = None
        return self._images[key]


class Checker:
    def __init__(self, places: Places, catalog: Catalog):
        self.places, self.catalog = places, catalog

    def check(self, region: str, p: Params) -> Launch:
        least, most = self._counts(p)
        image = self._image(region, p)
        kind, vcpus = self._type(region, p, image)
        nic = p.groups("NetworkInterface")
        if nic and (p.get("SubnetId") or p.list("SecurityGroupId") or p.list("SecurityGroup")):
            raise Refusal(400, "InvalidParameterCombination", "Network interfaces and an instance-level security "
                          "groups or subnet ID may not be specified on the same request")
        first = nic[0] if nic else p
        zone, subnet = self._place(region, p.get("Placement.AvailabilityZone"), first.get("SubnetId"), kind)
        groups = first.list("SecurityGroupId")
        for g in groups:
            if not re.fullmatch("sg-[0-9a-f]{8,17}", g):
                raise Refusal(400, "InvalidGroupId.Malformed", f'Invalid id: "{g}" (expecting "sg-...")')
            if not self.places.group_exists(region, g):
                raise Refusal(400, "InvalidGroup.NotFound", f"The security group '{g}' does not exist")
        spot = self._market(region, p, kind, zone)
        self._tags(p, spot)
        self._disks(p, image)
        token = p.get("ClientToken")
        if len(token) > 64 or not token.isascii():
            raise invalid(f"Value ({token}) for parameter clientToken is invalid. It is longer than 64 ASCII characters")
        on_shutdown = p.get("InstanceInitiatedShutdownBehavior", "stop")
        if on_shutdown not in ("stop", "terminate"):
            raise invalid(f"Value ({on_shutdown}) for parameter InstanceInitiatedShutdownBehavior is invalid.")
        return Launch(p, least, most, p.get("ImageId"), kind, vcpus, spot, zone, subnet, groups,
                      self._user_data(p), token, "terminate" if spot else on_shutdown)

    @staticmethod
    def _counts(p: Params) -> tuple[int, int]:
        counts = []
        for name in ("MinCount", "MaxCount"):
            if not p.get(name):
                raise Refusal(400, "MissingParameter", f"The request must contain the parameter {name}")
            if not p.get(name).isdigit() or int(p.get(name)) < 1:
                raise invalid(f"Value ({p.get(name)}) for parameter {name} is invalid. It must be a positive integer")
            counts.append(int(p.get(name)))
        if counts[0] > counts[1]:
            raise invalid(f"Value ({counts[0]}) for parameter minCount is invalid. It is more than maxCount")
        if counts[1] > 1000:
            raise Refusal(400, "InstanceLimitExceeded", f"You have requested more instances ({counts[1]}) than the "
                          "limit of 1000 for one request")
        return counts[0], counts[1]

    def _image(self, region: str, p: Params) -> ET.Element:
        image = p.get("ImageId")
        if not image:
            raise Refusal(400, "MissingParameter", "The request must contain the parameter ImageId")
        if not re.fullmatch("ami-[0-9a-z]{6,17}", image):
            raise Refusal(400, "InvalidAMIID.Malformed", f'Invalid id: "{image}" (expecting "ami-...")')
        found = self.places.image(region, image)
        if found is None:
            raise Refusal(400, "InvalidAMIID.NotFound", f"The image id '[{image}]' does not exist")
        return found

    def _type(self, region: str, p: Params, image: ET.Element) -> tuple[str, int]:
        kind = p.get("InstanceType", "m1.small")
        known = self.catalog.type(region, kind)
        if known is None:
            raise invalid(f"Invalid value '{kind}' for InstanceType.")
        of_image = image.findtext("architecture", "")
        of_type = known["ProcessorInfo"]["SupportedArchitectures"]
        if of_image not in of_type:
            raise invalid(f"The architecture '{','.join(of_type)}' of the specified instance type does not match the "
                          f"architecture '{of_image}' of the specified AMI. Specify an instance type and an AMI that "
                          "have matching architectures, and try again.")
        return kind, self.catalog.vcpus(kind)

    def _place(self, region: str, zone: str, subnet_id: str, kind: str) -> tuple[str, Subnet | None]:
        subnets = self.places.subnets(region)
        subnet = next((s for s in subnets if s.id == subnet_id), None)
        if subnet_id and subnet is None:
            raise Refusal(400, "InvalidSubnetID.NotFound", f"The subnet ID '{subnet_id}' does not exist")
        if zone and zone not in {s.zone for s in subnets if s.default}:
            raise invalid(f"Invalid availability zone: [{zone}]")
        if zone and subnet and subnet.zone != zone:
            raise invalid(f"The specified subnet '{subnet_id}' is not in the availability zone '{zone}'")
        zone = subnet.zone if subnet else zone
        offered = self.catalog.zones_of(region, kind)
        if zone and zone not in offered:
            raise Refusal(400, "Unsupported", f"Your requested instance type ({kind}) is not supported in your "
                          f"requested Availability Zone ({zone}). Please retry your request by not specifying an "
                          f"Availability Zone or choosing {', '.join(offered)}.")
        return zone, subnet

    def _market(self, region: str, p: Params, kind: str, zone: str) -> bool:
        market = p.get("InstanceMarketOptions.MarketType")
        if market not in ("", "spot"):
            raise invalid(f"Invalid value '{market}' for MarketType.")
        price = p.get("InstanceMarketOptions.SpotOptions.MaxPrice")
        if price:
            now = self.catalog.spot_usd(region, kind, zone)
            if float(price) < now:
                raise Refusal(400, "SpotMaxPriceTooLow", f"Your Spot request price of {price} is lower than the "
                              f"minimum required Spot request fulfillment price of {now}.")
        return market == "spot"

    @staticmethod
    def _tags(p: Params, spot: bool) -> None:
        for spec in p.groups("TagSpecification"):
            kind = spec.get("ResourceType")
            if kind not in TAGGABLE or (kind == "spot-instances-request" and not spot):
                raise invalid(f"'{kind}' is not a valid taggable resource type for this operation.")
            check_tags(spec.groups("Tag"))

    @staticmethod
    def _disks(p: Params, image: ET.Element) -> None:
        root = image.findtext("rootDeviceName", "")
        least = int(image.findtext("blockDeviceMapping/item/ebs/volumeSize", "0") or 0)
        for disk in p.groups("BlockDeviceMapping"):
            name, size = disk.get("DeviceName"), disk.get("Ebs.VolumeSize")
            rate = disk.get("Ebs.VolumeInitializationRate")
            if name == root and size and int(size) < least:
                raise Refusal(400, "InvalidBlockDeviceMapping", f"Volume of size {size}GB is smaller than snapshot "
                              f"'{image.findtext('blockDeviceMapping/item/ebs/snapshotId')}', expect size >= {least}GB")
            if rate and not (rate.isdigit() and 100 <= int(rate) <= 300):
                raise invalid(f"Value ({rate}) for parameter VolumeInitializationRate is invalid. Expecting a value "
                              "between 100 and 300.")
            if rate and name != root and not disk.get("Ebs.SnapshotId"):
                raise Refusal(400, "InvalidParameterCombination", "The parameter VolumeInitializationRate can only be "
                              "specified for volumes created from snapshots")

    @staticmethod
    def _user_data(p: Params) -> bytes:
        try:
            raw = base64.b64decode(p.get("UserData"), validate=True)
        except (binascii.Error, ValueError):
            raise Refusal(400, "InvalidUserData.Malformed", "Invalid BASE64 encoding of user data.") from None
        if len(raw) > USER_DATA_LIMIT:
            raise invalid(f"User data is limited to {USER_DATA_LIMIT} bytes")
        return raw


def check_tags(tags: list[Params]) -> None:
    keys = [t.get("Key") for t in tags]
    for t in tags:
        key, value = t.get("Key"), t.get("Value")
        if key.lower().startswith("aws:"):
            raise invalid(f"Tag keys starting with 'aws:' are reserved for internal use: {key}")
        if not 1 <= len(key) <= 128 or len(value) > 256:
            raise invalid(f"Tag key or value is too long (128, 256 characters): {key}")
    if len(set(keys)) != len(keys):
        raise invalid(f"Duplicate tag key '{next(k for k in keys if keys.count(k) > 1)}' specified.")
    if len(keys) > 50:
        raise Refusal(400, "TagLimitExceeded", "The maximum number of Tags for a resource has been reached.")
