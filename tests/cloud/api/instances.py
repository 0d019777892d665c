"""EC2 through the box: launches, states, pages, refusals, ends."""

from __future__ import annotations

import base64
import concurrent.futures
import time
from typing import Any, Callable

from botocore.exceptions import ClientError

from api import harness
from api.harness import Box, code, same, test

IMAGE = "ami-018d49b53eee64386"
ARM_IMAGE = "ami-0857189c7373017e0"


def launch(box: Box, n: int = 1, **more: Any) -> list[dict[str, Any]]:
    options = dict(ImageId=IMAGE, InstanceType="m5.large", MinCount=n, MaxCount=n)
    return box.client("ec2").run_instances(**(options | more))["Instances"]


def refused(want: str, call: Callable[[], Any], status: int | None = None) -> str:
    try:
        call()
    except ClientError as e:
        same(e.response["Error"]["Code"], want, str(e))
        if status:
            same(e.response["ResponseMetadata"]["HTTPStatusCode"], status, want)
        return e.response["Error"]["Message"]
    raise AssertionError(f"{want} was wanted, and it worked")


def states(box: Box, **query: Any) -> dict[str, str]:
    pages = box.client("ec2").get_paginator("describe_instances").paginate(**query)
    return {i["InstanceId"]: i["State"]["Name"] for p in pages for r in p["Reservations"] for i in r["Instances"]}


def wait_for(box: Box, instance: str, state: str) -> None:
    until = time.monotonic() + 10
    while states(box, InstanceIds=[instance])[instance] != state:
        assert time.monotonic() < until, f"never {state}"
        time.sleep(0.02)


def entry(box: Box, instance: str) -> dict[str, Any]:
    return next(i for i in box.control("GET", "ledger")["instances"] if i["id"] == instance)


def end_all(box: Box) -> None:
    live = [i["id"] for i in box.control("GET", "ledger")["instances"] if i["state"] in ("running", "pending", "stopped")]
    box.set(visibility_delay_s=0)
    for at in range(0, len(live), 1000):
        box.client("ec2").terminate_instances(InstanceIds=live[at:at + 1000])


@test("pending, running, shutting-down, terminated; and the ledger knows it all")
def life(box: Box) -> None:
    box.set(boot_delay_s=0.5, shutdown_delay_s=0.5)
    ec2 = box.client("ec2")
    made = launch(box, TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "furrow:job", "Value": "a&<b"}]},
                                          {"ResourceType": "volume", "Tags": [{"Key": "furrow:job", "Value": "v"}]},
                                          {"ResourceType": "network-interface", "Tags": [{"Key": "k", "Value": "v"}]}])[0]
    i = made["InstanceId"]
    same(made["State"], {"Code": 0, "Name": "pending"})
    same(made["PrivateIpAddress"].rsplit(".", 2)[0], "172.31")
    assert "PublicIpAddress" not in made, made
    same(states(box)[i], "pending")
    wait_for(box, i, "running")
    end = ec2.terminate_instances(InstanceIds=[i])["TerminatingInstances"][0]
    same((end["PreviousState"]["Name"], end["CurrentState"]["Name"]), ("running", "shutting-down"))
    same(states(box)[i], "shutting-down")
    wait_for(box, i, "terminated")
    item = ec2.describe_instances(InstanceIds=[i])["Reservations"][0]["Instances"][0]
    same(item["StateReason"]["Code"], "Client.UserInitiatedShutdown")
    assert "PrivateIpAddress" not in item and item["Tags"] == [{"Key": "furrow:job", "Value": "a&<b"}], item
    again = ec2.terminate_instances(InstanceIds=[i])["TerminatingInstances"][0]
    same(again["CurrentState"]["Name"], "terminated")
    e = entry(box, i)
    same((e["state"], e["ended_by"], e["live"], e["tags"]), ("terminated", "api", False, {"furrow:job": "a&<b"}))
    assert e["launched"] < e["running"] < e["ending"] < e["ended"], e
    same(box.control("GET", "ledger")["running"], 0)


@test("a token launches once a zone, with the same words")
def tokens(box: Box) -> None:
    first = launch(box, 2, ClientToken="t-1", Placement={"AvailabilityZone": "us-east-2a"})
    again = launch(box, 2, ClientToken="t-1", Placement={"AvailabilityZone": "us-east-2a"})
    same([i["InstanceId"] for i in again], [i["InstanceId"] for i in first])
    refused("IdempotentParameterMismatch", lambda: launch(
        box, 2, ClientToken="t-1", InstanceType="m5.xlarge", Placement={"AvailabilityZone": "us-east-2a"}), 400)
    other = launch(box, 2, ClientToken="t-1", Placement={"AvailabilityZone": "us-east-2b"})
    assert other[0]["InstanceId"] != first[0]["InstanceId"]
    same(other[0]["Placement"]["AvailabilityZone"], "us-east-2b")
    wait_for(box, first[0]["InstanceId"], "running")
    fresh = launch(box, 2, ClientToken="t-1", Placement={"AvailabilityZone": "us-east-2a"})
    same(fresh[0]["State"]["Name"], "running", "the answer to a repeat has fresh state")
    same(len(states(box, Filters=[{"Name": "client-token", "Values": ["t-1"]}])), 4)
    refused("InvalidParameterValue", lambda: launch(box, ClientToken="t" * 65))
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: launch(box, ClientToken="t-race")[0]["InstanceId"], range(8)))
    same(len(set(made)), 1, "eight at once, one token")
    end_all(box)


@test("a token whose launch failed may be used again")
def failed_token(box: Box) -> None:
    box.set(capacity={"m5.large": {"*": 0}})
    refused("InsufficientInstanceCapacity", lambda: launch(box, ClientToken="t-2"), 500)
    box.set(capacity={})
    launch(box, ClientToken="t-2")
    end_all(box)


@test("MinCount and MaxCount: as many as fit, in one zone")
def counts(box: Box) -> None:
    box.set(capacity={"m5.large": {"us-east-2a": 3, "us-east-2b": 1, "us-east-2c": 0}})
    zone = {"AvailabilityZone": "us-east-2a"}
    same(len(launch(box, MinCount=1, MaxCount=5, Placement=zone)), 3)
    text = refused("InsufficientInstanceCapacity", lambda: launch(box, Placement=zone), 500)
    assert "us-east-2a" in text and "us-east-2b" in text, text
    same(launch(box)[0]["Placement"]["AvailabilityZone"], "us-east-2b", "EC2's choice")
    refused("InsufficientInstanceCapacity", lambda: launch(box), 500)
    end_all(box)
    same(len(launch(box, MinCount=2, MaxCount=2, Placement=zone)), 2, "room again")
    end_all(box)
    refused("InvalidParameterValue", lambda: launch(box, MinCount=2, MaxCount=1))
    refused("MissingParameter", lambda: box.client("ec2").run_instances(ImageId=IMAGE, InstanceType="m5.large"))


@test("quota of vCPUs, on demand and spot")
def quota(box: Box) -> None:
    box.set(quota_vcpus={"on-demand": 4, "spot": 2})
    launch(box, 2)
    text = refused("VcpuLimitExceeded", lambda: launch(box), 400)
    assert "current vCPU limit of 4" in text, text
    launch(box, InstanceMarketOptions={"MarketType": "spot"})
    refused("MaxSpotInstanceCountExceeded", lambda: launch(box, InstanceMarketOptions={"MarketType": "spot"}), 400)
    end_all(box)
    same(len(launch(box, MinCount=1, MaxCount=9)), 2, "as many as the quota leaves")
    end_all(box)


@test("not to be found for a while after the launch, except by its token")
def visibility(box: Box) -> None:
    box.set(visibility_delay_s=0.7)
    i = launch(box, ClientToken="t-vis")[0]["InstanceId"]
    ec2 = box.client("ec2")
    text = refused("InvalidInstanceID.NotFound", lambda: ec2.describe_instances(InstanceIds=[i]), 400)
    same(text, f"The instance ID '{i}' does not exist")
    refused("InvalidInstanceID.NotFound", lambda: ec2.terminate_instances(InstanceIds=[i]))
    refused("InvalidInstanceID.NotFound", lambda: ec2.create_tags(Resources=[i], Tags=[{"Key": "a", "Value": "b"}]))
    assert i not in states(box)
    same(list(states(box, Filters=[{"Name": "client-token", "Values": ["t-vis"]}])), [i])
    time.sleep(0.8)
    same(states(box, InstanceIds=[i])[i], "running")
    end_all(box)


@test("filters, those too that moto lacks")
def filters(box: Box) -> None:
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "furrow:job", "Value": "one*"}]}]
    a = launch(box, TagSpecifications=tags)[0]
    b = launch(box, InstanceMarketOptions={"MarketType": "spot"}, InstanceType="c5.large")[0]
    time.sleep(0.5)

    def found(**wanted: Any) -> set[str]:
        fs = [{"Name": n.replace("__", ":").replace("_", "-"), "Values": v} for n, v in wanted.items()]
        return {i for i, s in states(box, Filters=fs + [{"Name": "instance-state-name", "Values": ["running"]}]).items()}

    same(found(tag__furrow=["x"]), set())
    ec2 = box.client("ec2")
    for name, values, want in (
            ("tag:furrow:job", ["one\\*"], {"a"}), ("tag:furrow:job", ["one?"], {"a"}), ("tag:furrow:job", ["o"], set()),
            ("tag-key", ["furrow:*"], {"a"}), ("instance-lifecycle", ["spot"], {"b"}), ("instance-type", ["m5.*"], {"a"}),
            ("instance-state-code", ["16"], {"a", "b"}), ("reservation-id", ["r-*"], {"a", "b"}),
            ("private-ip-address", [a["PrivateIpAddress"]], {"a"}), ("instance-type", ["m5.large", "c5.large"], {"a", "b"}),
            ("launch-time", ["20*"], {"a", "b"}), ("availability-zone", ["us-east-2z"], set())):
        got = {i["InstanceId"] for r in ec2.describe_instances(Filters=[
            {"Name": name, "Values": values}, {"Name": "instance-state-name", "Values": ["running"]}])["Reservations"]
            for i in r["Instances"]}
        same(got, {{"a": a, "b": b}[w]["InstanceId"] for w in want}, f"{name}={values}")
    refused("InvalidParameterValue", lambda: ec2.describe_instances(Filters=[{"Name": "colour", "Values": ["red"]}]))
    end_all(box)


@test("pages of DescribeInstances, empty ones among them")
def pages(box: Box) -> None:
    made = {i["InstanceId"] for n in (7, 5) for i in launch(box, n)}
    ec2 = box.client("ec2")
    live = [{"Name": "instance-state-name", "Values": ["pending", "running"]}]

    def walk(**query: Any) -> tuple[list[int], list[str]]:
        sizes, seen, token = [], [], None
        while True:
            more = {"NextToken": token} if token else {}
            answer = ec2.describe_instances(Filters=live, **query, **more)
            ids = [i["InstanceId"] for r in answer["Reservations"] for i in r["Instances"]]
            sizes.append(len(ids))
            seen += ids
            token = answer.get("NextToken")
            if not token:
                return sizes, seen

    for wanted, settings, sizes in (({}, {}, [12]), ({"MaxResults": 5}, {}, [5, 5, 2]), ({}, {"page_instances": 4}, [4, 4, 4]),
                                    ({"MaxResults": 5}, {"empty_page_every": 1}, [5, 0, 5, 0, 2]),
                                    ({"MaxResults": 6}, {"empty_page_every": 2}, [6, 6])):
        box.set(page_instances=0, empty_page_every=0)
        box.set(**settings)
        got = walk(**wanted)
        same(got[0], sizes, f"{wanted} {settings}")
        same((set(got[1]), len(got[1])), (made, 12))
    refused("InvalidParameterValue", lambda: ec2.describe_instances(MaxResults=4))
    refused("InvalidParameterValue", lambda: ec2.describe_instances(MaxResults=1001))
    refused("InvalidParameterValue", lambda: ec2.describe_instances(NextToken="nonsense"))
    refused("InvalidParameterCombination", lambda: ec2.describe_instances(MaxResults=5, InstanceIds=list(made)[:1]))
    end_all(box)


@test("types, offerings, spot prices, images: page by page")
def catalogs(box: Box) -> None:
    ec2 = box.client("ec2")
    first = ec2.describe_instance_types()
    same(len(first["InstanceTypes"]), 100)
    whole = [t for p in ec2.get_paginator("describe_instance_types").paginate() for t in p["InstanceTypes"]]
    assert 800 < len(whole) == len({t["InstanceType"] for t in whole}), len(whole)
    m5 = next(t for t in whole if t["InstanceType"] == "m5.large")
    same((m5["VCpuInfo"]["DefaultVCpus"], m5["MemoryInfo"]["SizeInMiB"], m5["ProcessorInfo"]["SupportedArchitectures"]),
         (2, 8192, ["x86_64"]))
    gpu = next(t for t in whole if t["InstanceType"] == "g4dn.xlarge")["GpuInfo"]["Gpus"][0]
    same((gpu["Name"], gpu["Count"]), ("T4", 1))
    arm = ec2.describe_instance_types(Filters=[{"Name": "processor-info.supported-architecture", "Values": ["arm64"]},
                                               {"Name": "bare-metal", "Values": ["false"]}])["InstanceTypes"]
    assert arm and all("arm64" in t["ProcessorInfo"]["SupportedArchitectures"] and not t["BareMetal"] for t in arm)
    refused("InvalidInstanceType", lambda: ec2.describe_instance_types(InstanceTypes=["m5.huge"]))
    refused("InvalidParameterValue", lambda: ec2.describe_instance_types(MaxResults=101))
    zones = ec2.describe_instance_type_offerings(LocationType="availability-zone", Filters=[
        {"Name": "instance-type", "Values": ["m5.large"]}])["InstanceTypeOfferings"]
    same(sorted(z["Location"] for z in zones), ["us-east-2a", "us-east-2b", "us-east-2c"])
    spot = ec2.describe_spot_price_history(InstanceTypes=["m5.large"], ProductDescriptions=["Linux/UNIX"],
                                           StartTime=time.time())["SpotPriceHistory"]
    same(len(spot), 3)
    assert all(0.02 < float(s["SpotPrice"]) < 0.08 for s in spot), spot
    images = [i for p in ec2.get_paginator("describe_images").paginate(PaginationConfig={"PageSize": 20}) for i in p["Images"]]
    assert IMAGE in [i["ImageId"] for i in images] and len(images) == len({i["ImageId"] for i in images})
    same(len(ec2.describe_images(MaxResults=20)["Images"]), 20)


@test("SSM's parameters name images that exist")
def parameters(box: Box) -> None:
    for name in ("ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64", "ami-amazon-linux-latest/al2023-ami-kernel-default-arm64",
                 "canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id"):
        image = box.client("ssm").get_parameter(Name="/aws/service/" + name)["Parameter"]["Value"]
        same(len(box.client("ec2").describe_images(ImageIds=[image])["Images"]), 1, name)
    refused("ParameterNotFound", lambda: box.client("ssm").get_parameter(Name="/aws/service/none"))


@test("what EC2 refuses")
def refusals(box: Box) -> None:
    ec2 = box.client("ec2")
    before = box.control("GET", "ledger")["launched"]
    for want, more in (
            ("InvalidAMIID.NotFound", {"ImageId": "ami-0123456789abcdef0"}), ("InvalidAMIID.Malformed", {"ImageId": "image"}),
            ("InvalidParameterValue", {"InstanceType": "m5.huge"}), ("InvalidParameterValue", {"ImageId": ARM_IMAGE}),
            ("InvalidParameterValue", {"Placement": {"AvailabilityZone": "us-east-2x"}}),
            ("InvalidSubnetID.NotFound", {"SubnetId": "subnet-0123456789abcdef0"}),
            ("InvalidGroup.NotFound", {"SecurityGroupIds": ["sg-0123456789abcdef0"]}),
            ("InvalidGroupId.Malformed", {"SecurityGroupIds": ["default"]}),
            ("InvalidParameterValue", {"UserData": "x" * 16385}),
            ("InvalidParameterValue", {"TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "aws:a", "Value": ""}]}]}),
            ("TagLimitExceeded", {"TagSpecifications": [{"ResourceType": "instance", "Tags": [
                {"Key": str(n), "Value": ""} for n in range(51)]}]}),
            ("InvalidBlockDeviceMapping", {"BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 1}}]}),
            ("InvalidParameterValue", {"BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeInitializationRate": 301}}]}),
            ("InvalidParameterCombination", {"BlockDeviceMappings": [{"DeviceName": "/dev/sdb", "Ebs": {
                "VolumeSize": 9, "VolumeInitializationRate": 300}}]}),
            ("InvalidParameterCombination", {"SubnetId": "subnet-0123456789abcdef0", "NetworkInterfaces": [{"DeviceIndex": 0}]})):
        refused(want, lambda: launch(box, **more), 400)
    offered = {o["InstanceType"]: set() for o in ()}  # type: ignore[var-annotated]
    for o in ec2.get_paginator("describe_instance_type_offerings").paginate(LocationType="availability-zone").search(
            "InstanceTypeOfferings[]"):
        offered.setdefault(o["InstanceType"], set()).add(o["Location"])
    kind = next(t for t, z in sorted(offered.items()) if z == {"us-east-2a", "us-east-2b"} and t[:2] in ("c5", "m5", "m6", "c6", "g4", "g5", "p3", "p4", "m7", "t3", "r5", "i3"))
    x86 = ec2.describe_instance_types(InstanceTypes=[kind])["InstanceTypes"][0]["ProcessorInfo"]["SupportedArchitectures"] == ["x86_64"]
    text = refused("Unsupported", lambda: launch(box, InstanceType=kind, ImageId=IMAGE if x86 else ARM_IMAGE,
                                                 Placement={"AvailabilityZone": "us-east-2c"}), 400)
    assert "us-east-2a, us-east-2b" in text, text
    refused("InvalidInstanceID.Malformed", lambda: ec2.terminate_instances(InstanceIds=["x"]))
    refused("InvalidInstanceID.NotFound", lambda: ec2.describe_instances(InstanceIds=["i-0123456789abcdef0"]))
    refused("UnsupportedOperation", lambda: ec2.request_spot_instances(InstanceCount=1))
    same(box.control("GET", "ledger")["launched"], before)


@test("TerminateInstances is all or nothing")
def all_or_none(box: Box) -> None:
    i = launch(box)[0]["InstanceId"]
    refused("InvalidInstanceID.NotFound", lambda: box.client("ec2").terminate_instances(InstanceIds=[i, "i-0123456789abcdef0"]))
    assert states(box)[i] in ("pending", "running")
    end_all(box)


@test("DryRun, and denials in EC2's shape")
def dry_and_denied(box: Box) -> None:
    ec2 = box.client("ec2")
    refused("DryRunOperation", lambda: launch(box, DryRun=True), 412)
    refused("InvalidAMIID.NotFound", lambda: launch(box, ImageId="ami-0123456789abcdef0", DryRun=True))
    same([e["mutating"] for e in box.log("?action=RunInstances")][-2:], [False, False])
    box.set(deny=["ec2:RunInstances", "ec2:Terminate*", "s3:*", "sts:AssumeRole", "ssm:*"])
    text = refused("UnauthorizedOperation", lambda: launch(box, DryRun=True), 403)
    assert "not authorized to perform: ec2:RunInstances" in text and "Encoded authorization failure message: " in text, text
    refused("UnauthorizedOperation", lambda: ec2.terminate_instances(InstanceIds=["i-0123456789abcdef0"]), 403)
    refused("AccessDenied", lambda: box.client("s3").list_buckets(), 403)
    refused("AccessDenied", lambda: box.client("sts").assume_role(RoleArn="arn:aws:iam::123456789012:role/r", RoleSessionName="s"), 403)
    refused("AccessDeniedException", lambda: box.client("ssm").get_parameter(Name="/x"), 400)
    same(box.client("sts").get_caller_identity()["Account"], "123456789012")


@test("a security group that is used cannot be deleted")
def groups(box: Box) -> None:
    ec2 = box.client("ec2")
    group = ec2.create_security_group(GroupName="furrow-g", Description="d")["GroupId"]
    refused("InvalidGroup.Duplicate", lambda: ec2.create_security_group(GroupName="furrow-g", Description="d"))
    rule = [{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "10.0.0.1/32"}]}]
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=rule)
    refused("InvalidPermission.Duplicate", lambda: ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=rule))
    same(box.control("GET", f"rules?group={group}"), [{"protocol": "tcp", "from": "22", "to": "22", "cidr": "10.0.0.1/32"}])
    made = launch(box, NetworkInterfaces=[{"DeviceIndex": 0, "Groups": [group], "AssociatePublicIpAddress": True}])[0]
    same([g["GroupId"] for g in made["SecurityGroups"]], [group])
    refused("DependencyViolation", lambda: ec2.delete_security_group(GroupId=group), 400)
    box.set(shutdown_delay_s=0.4)
    ec2.terminate_instances(InstanceIds=[made["InstanceId"]])
    refused("DependencyViolation", lambda: ec2.delete_security_group(GroupId=group))
    wait_for(box, made["InstanceId"], "terminated")
    ec2.delete_security_group(GroupId=group)
    refused("InvalidGroup.NotFound", lambda: ec2.describe_security_groups(GroupIds=[group]))


@test("tags made later are seen")
def later_tags(box: Box) -> None:
    i = launch(box)[0]["InstanceId"]
    ec2 = box.client("ec2")
    ec2.create_tags(Resources=[i], Tags=[{"Key": "late", "Value": "é"}])
    same(list(states(box, Filters=[{"Name": "tag:late", "Values": ["é"]}])), [i])
    ec2.delete_tags(Resources=[i], Tags=[{"Key": "late"}])
    same(states(box, Filters=[{"Name": "tag-key", "Values": ["late"]}]), {})
    end_all(box)


@test("an interrupted spot instance, and one that powers itself off")
def interrupted(box: Box) -> None:
    spot = launch(box, InstanceMarketOptions={"MarketType": "spot"})[0]
    same(spot["InstanceLifecycle"], "spot")
    i = spot["InstanceId"]
    wait_for(box, i, "running")
    box.control("POST", "interrupt", {"id": i, "notice_s": 0.3})
    same(states(box)[i], "running")
    wait_for(box, i, "terminated")
    item = box.client("ec2").describe_instances(InstanceIds=[i])["Reservations"][0]["Instances"][0]
    same(item["StateReason"], {"Code": "Server.SpotInstanceTermination",
                               "Message": "Server.SpotInstanceTermination: Spot instance termination"})
    same(entry(box, i)["ended_by"], "spot")
    for behaviour, state in (("terminate", "terminated"), ("stop", "stopped")):
        i = launch(box, InstanceInitiatedShutdownBehavior=behaviour)[0]["InstanceId"]
        wait_for(box, i, "running")
        box.control("POST", "poweroff", {"id": i})
        wait_for(box, i, state)
        same((entry(box, i)["ended_by"], entry(box, i)["reason_code"]), ("host", "Client.InstanceInitiatedShutdown"))
    end_all(box)


@test("pending that dies, by rule")
def dies(box: Box) -> None:
    box.fault(service="ec2", action="RunInstances", pending_dies={"code": "Client.VolumeLimitExceeded", "message": "Volume limit exceeded"})
    i = launch(box)[0]
    same(i["State"]["Name"], "pending")
    wait_for(box, i["InstanceId"], "terminated")
    item = box.client("ec2").describe_instances(InstanceIds=[i["InstanceId"]])["Reservations"][0]["Instances"][0]
    same(item["StateReason"]["Code"], "Client.VolumeLimitExceeded")
    same((entry(box, i["InstanceId"])["ended_by"], entry(box, i["InstanceId"])["running"]), ("launch", None))


@test("what moto drops is in the log, and user data is kept")
def logged(box: Box) -> None:
    data = "#cloud-config\n" + "x" * 100
    i = launch(box, UserData=data, BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": {
        "VolumeSize": 30, "VolumeType": "gp3", "Throughput": 500, "VolumeInitializationRate": 300, "DeleteOnTermination": True}}])
    params = box.log("?action=RunInstances")[-1]["params"]
    same((params["BlockDeviceMapping.1.Ebs.VolumeInitializationRate"], params["BlockDeviceMapping.1.Ebs.Throughput"]), ("300", "500"))
    kept = box.client("ec2").describe_instance_attribute(InstanceId=i[0]["InstanceId"], Attribute="userData")["UserData"]["Value"]
    same(base64.b64decode(kept).decode(), data)
    end_all(box)


@test("rates: beyond the bucket EC2 throttles")
def rates(box: Box) -> None:
    box.set(rates={"ec2:RunInstances": {"burst": 2, "per_s": 0.001}})
    launch(box), launch(box)
    refused("RequestLimitExceeded", lambda: launch(box), 503)
    box.set(rates={})
    end_all(box)


@test("a hundred launched side by side, a thousand in one call, and seen at once")
def many(box: Box) -> None:
    box.set(quota_vcpus={}, capacity={})
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        made = list(pool.map(lambda n: launch(box, ClientToken=f"many-{n}")[0], range(100)))
    same(len({i["InstanceId"] for i in made}), 100)
    same(len({i["PrivateIpAddress"] for i in made}), 100, "an address each")
    launch(box, 1000)
    body = "Action=DescribeInstances&Version=2016-11-15&Filter.1.Name=instance-state-name&Filter.1.Value.1=running&Filter.1.Value.2=pending"
    box.query("ec2", body)
    began = time.monotonic()
    status, _, answer = box.query("ec2", body)
    took = time.monotonic() - began
    same((status, answer.count(b"<instanceId>")), (200, 1100))
    assert took < 2, f"1,100 instances took {took} s to describe"
    end_all(box)


@test("regions are apart")
def regions(box: Box) -> None:
    other = box.client("ec2", region_name="eu-west-1")
    image = box.client("ssm", region_name="eu-west-1").get_parameter(
        Name="/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64")["Parameter"]["Value"]
    i = other.run_instances(ImageId=image, InstanceType="m5.large", MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
    assert i not in states(box)
    refused("InvalidInstanceID.NotFound", lambda: box.client("ec2").describe_instances(InstanceIds=[i]))
    other.terminate_instances(InstanceIds=[i])
    same(code(box.query("ec2", "Action=Nonsense&Version=2016-11-15")[2]) or "HTML", "HTML")


if __name__ == "__main__":
    harness.run()
