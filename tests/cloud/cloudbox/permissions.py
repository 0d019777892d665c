"""Which permissions of IAM a call needs: not always the API's own name, and sometimes one more."""

from __future__ import annotations

S3 = {
    "ListObjects": "ListBucket", "ListObjectsV2": "ListBucket", "HeadBucket": "ListBucket",
    "ListObjectVersions": "ListBucketVersions", "ListBuckets": "ListAllMyBuckets", "HeadObject": "GetObject",
    "CopyObject": "PutObject", "CreateMultipartUpload": "PutObject", "UploadPart": "PutObject",
    "UploadPartCopy": "PutObject", "CompleteMultipartUpload": "PutObject", "DeleteObjects": "DeleteObject",
    "ListMultipartUploads": "ListBucketMultipartUploads", "ListParts": "ListMultipartUploadParts",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock", "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
}


def needed(service: str, action: str, params: dict[str, str]) -> list[str]:
    """As "ec2:RunInstances"; the first is the call's own."""
    if service == "s3":
        return ["s3:" + S3.get(action, action)]
    own = [f"{service}:{action}"]
    if service == "ec2" and action != "CreateTags" and any(n.startswith("TagSpecification.") for n in params):
        own.append("ec2:CreateTags")
    return own


def resource(permission: str, region: str, account: str) -> str:
    """What the refusal names, "" where it names nothing."""
    if permission in ("ec2:RunInstances", "ec2:CreateTags"):
        return f"arn:aws:ec2:{region}:{account}:instance/*"
    return ""
