"""launch.py COUNT USER_DATA_FILE [NAME=JSON...]: RunInstances by boto3, one "ID ADDRESS" a line."""
import json
import sys

import boto3

IMAGE = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"


def main():
    count, user_data = int(sys.argv[1]), open(sys.argv[2]).read()
    wishes = {"InstanceType": "t3.micro", "InstanceInitiatedShutdownBehavior": "terminate"}
    wishes.update((name, json.loads(value)) for name, _, value in (a.partition("=") for a in sys.argv[3:]))
    if "ImageId" not in wishes:
        wishes["ImageId"] = boto3.client("ssm").get_parameter(Name=IMAGE)["Parameter"]["Value"]
    answer = boto3.client("ec2").run_instances(MinCount=count, MaxCount=count, UserData=user_data, **wishes)
    for i in answer["Instances"]:
        print(i["InstanceId"], i["PrivateIpAddress"])


main()
