"""S3: bodies checked while they stream to moto, buckets of others, and the answers' small differences mended."""

from __future__ import annotations

import re
import threading
import uuid
from typing import Iterator
from urllib.parse import unquote_to_bytes

from .errors import Refusal
from .moto import Moto, scope
from .s3_body import Checks, aws_chunked
from .settings import Settings
from .sigv4 import TRAILER, Identity, query_pairs
from .wire import Answer, Request

NOT_PASSED = {"host", "authorization", "connection", "content-length", "expect", "transfer-encoding", "keep-alive",
              "x-amz-content-sha256", "x-amz-date", "x-amz-security-token", "x-amz-decoded-content-length",
              "x-amz-trailer", "user-agent", "accept-encoding"}
PRESIGN = {"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders",
           "X-Amz-Signature", "X-Amz-Security-Token"}
STREAMED = {"PutObject", "UploadPart"}
# Subresource -> the word of the action for a bucket, where it isn't the capitalised subresource.
SUBRESOURCES = {"location": "BucketLocation", "publicAccessBlock": "PublicAccessBlock", "tagging": "BucketTagging",
                "lifecycle": "BucketLifecycleConfiguration", "policy": "BucketPolicy", "acl": "BucketAcl",
                "versioning": "BucketVersioning", "encryption": "BucketEncryption", "cors": "BucketCors",
                "ownershipControls": "BucketOwnershipControls", "notification": "BucketNotificationConfiguration"}
VERBS = {"GET": "Get", "PUT": "Put", "DELETE": "Delete", "HEAD": "Head", "POST": "Post"}


def place(request: Request) -> tuple[str, str]:
    """(bucket, key still percent-encoded) by path or by host name."""
    host = (request.header("host") or "").split(":")[0].lower()
    if m := re.fullmatch(r"(.+)\.s3[.-](?:.*\.)?amazonaws\.com(?:\.cn)?", host):
        return m[1], request.path[1:]
    bucket, _, key = request.path[1:].partition("/")
    return unquote_to_bytes(bucket).decode("utf-8", "replace"), key


def action_of(request: Request) -> str:
    """The API's name for what is asked."""
    bucket, key = place(request)
    names = {n for n, _ in query_pairs(request.query)}
    m = request.method
    if not bucket:
        return "ListBuckets"
    if key:
        copy = request.header("x-amz-copy-source") is not None
        if "uploads" in names and m == "POST":
            return "CreateMultipartUpload"
        if "uploadId" in names:
            return {"PUT": "UploadPartCopy" if copy else "UploadPart", "POST": "CompleteMultipartUpload",
                    "DELETE": "AbortMultipartUpload"}.get(m, "ListParts")
        for sub in ("tagging", "acl", "attributes", "retention"):
            if sub in names:
                return f"{VERBS.get(m, m)}Object{sub.capitalize()}"
        return "CopyObject" if copy and m == "PUT" else f"{VERBS.get(m, m)}Object"
    if "delete" in names and m == "POST":
        return "DeleteObjects"
    if "uploads" in names:
        return "ListMultipartUploads"
    if "versions" in names:
        return "ListObjectVersions"
    for sub, word in SUBRESOURCES.items():
        if sub in names:
            return VERBS.get(m, m) + word
    if m == "GET":
        return "ListObjectsV2" if ("list-type", "2") in query_pairs(request.query) else "ListObjects"
    return {"PUT": "CreateBucket", "HEAD": "HeadBucket", "DELETE": "DeleteBucket"}.get(m, m + "Bucket")


class S3:
    def __init__(self, moto: Moto, settings: Settings, region: str):
        self.moto, self.settings, self.region = moto, settings, region
        self._regions: dict[str, str] = {}  # of the buckets made here
        self._lock = threading.Lock()

    def call(self, request: Request, who: Identity, action: str) -> Answer:
        """Refusal, MotoFailed."""
        bucket, key = place(request)
        self._check_key(key)
        if bucket:
            self._check_bucket(bucket, who.region, action)
        body, length = self._body(request, who, action)
        if action == "CreateBucket":
            assert isinstance(body, bytes)
            self._check_location(body, who.region)
        target = "/" + bucket + ("/" + key if key else "")
        query = "&".join(p for p in request.query.split("&") if p and p.partition("=")[0] not in PRESIGN)
        answer = self.moto.call(request.method, target + ("?" + query if query else ""),
                                self._headers(request, who), body, length, stream=action == "GetObject")
        return self._mend(answer, action, bucket, who.region)

    def _check_key(self, key: str) -> None:
        raw = unquote_to_bytes(key)
        if len(raw) > 1024:
            raise Refusal(400, "KeyTooLongError", "Your key is too long",
                          {"Size": str(len(raw)), "MaxSizeAllowed": "1024"})
        try:
            raw.decode("utf-8")
        except UnicodeDecodeError:
            raise Refusal(400, "InvalidURI", "Couldn't parse the specified URI.", {"URI": key}) from None

    def _check_bucket(self, bucket: str, region: str, action: str) -> None:
        said = self.settings.buckets.get(bucket, {})
        with self._lock:
            home = said.get("region") or self._regions.get(bucket) or region
        header = [("x-amz-bucket-region", home)]
        if said.get("owner"):
            if action == "CreateBucket":
                raise Refusal(409, "BucketAlreadyExists", "The requested bucket name is not available. The bucket "
                              "namespace is shared by all users of the system. Please select a different name and "
                              "try again.", {"BucketName": bucket})
            raise Refusal(403, "AccessDenied", "Access Denied", headers=header)
        if home == region or action == "CreateBucket":
            return
        if said.get("answer") == 400:
            raise Refusal(400, "AuthorizationHeaderMalformed", f"The authorization header is malformed; the region "
                          f"'{region}' is wrong; expecting '{home}'", {"Region": home}, header)
        endpoint = {"Endpoint": f"{bucket}.s3.{home}.amazonaws.com", "Bucket": bucket}
        if said.get("answer") == 307:
            raise Refusal(307, "TemporaryRedirect", "Please re-send this request to the specified temporary endpoint. "
                          "Continue to use the original request endpoint for future requests.", endpoint, header
                          + [("Location", f"https://{endpoint['Endpoint']}/")])
        raise Refusal(301, "PermanentRedirect", "The bucket you are attempting to access must be addressed using the "
                      "specified endpoint. Please send all future requests to this endpoint.", endpoint, header)

    @staticmethod
    def _check_location(body: bytes, region: str) -> None:
        m = re.search(rb"<LocationConstraint[^>]*>\s*([^<\s]*)\s*</", body)
        said = m[1].decode() if m else ""
        if said == region != "us-east-1" or (not said and region == "us-east-1"):
            return
        if said == region == "us-east-1":
            raise Refusal(400, "InvalidLocationConstraint", "The specified location-constraint is not valid",
                          {"LocationConstraint": said})
        raise Refusal(400, "IllegalLocationConstraintException", f"The {said or 'unspecified'} location constraint is "
                      "incompatible for the region specific endpoint this request was sent to.")

    def _body(self, request: Request, who: Identity, action: str) -> tuple[bytes | Iterator[bytes] | None, int | None]:
        checks = Checks(request, who.payload)
        length = request.body.length
        if request.body.chunked:
            raise Refusal(501, "NotImplemented", "A header you provided implies functionality that is not implemented",
                          {"Header": "Transfer-Encoding"})
        if action in STREAMED:
            if request.header("content-length") is None:
                raise Refusal(411, "MissingContentLength", "You must provide the Content-Length HTTP header.")
            if who.payload == TRAILER:
                return aws_chunked(request, checks), checks.decoded_length
            return checks.pieces(request.body.pieces(), length or 0), length
        if action == "DeleteObjects" and not checks.any_checksum:
            raise Refusal(400, "InvalidRequest", "Missing required header for this request: Content-MD5 OR x-amz-checksum-*")
        body = b"".join(checks.pieces(iter([request.body.all()]), length or 0))
        if request.method in ("PUT", "POST") or body:
            return body, len(body)
        return None, None

    def _headers(self, request: Request, who: Identity) -> list[tuple[str, str]]:
        out = [("Host", f"s3.{who.region}.amazonaws.com"), ("Authorization", scope(who.key.id, who.region, "s3"))]
        for name, value in request.headers:
            low, value = name.lower(), value.strip()
            if low in NOT_PASSED:
                continue
            if low == "content-type" and value.startswith(("application/x-www-form-urlencoded", "multipart/form-data")):
                value = "application/octet-stream"  # moto would take the body for a form
            if low == "content-encoding":
                value = ",".join(v for v in value.split(",") if v.strip() != "aws-chunked")
                if not value:
                    continue
            out.append((name, value))
            if m := re.fullmatch("x-amz-checksum-(crc32|sha1|sha256)", low):
                if request.header("x-amz-sdk-checksum-algorithm") is None:
                    out.append(("x-amz-sdk-checksum-algorithm", m[1].upper()))
        trailer = (request.header("x-amz-trailer") or "").strip().lower()
        if trailer.startswith("x-amz-checksum-") and request.header("x-amz-sdk-checksum-algorithm") is None:
            out.append(("x-amz-sdk-checksum-algorithm", trailer[15:].upper()))
        return out

    def _mend(self, answer: Answer, action: str, bucket: str, region: str) -> Answer:
        if action == "UploadPart" and answer.status == 500:  # moto, for an upload that nobody began
            raise Refusal(404, "NoSuchUpload", "The specified upload does not exist. The upload ID may be invalid, or the "
                          "upload may have been aborted or completed.")
        request_id = uuid.uuid4().hex
        answer.headers = [(n, v) for n, v in answer.headers if n.lower() not in ("x-amzn-requestid", "server")]
        answer.headers += [("x-amz-request-id", request_id[:16].upper()), ("x-amz-id-2", request_id),
                           ("Server", "AmazonS3")]
        if answer.status == 200 and action == "CreateBucket":
            with self._lock:
                self._regions[bucket] = region
        if action == "DeleteBucket" and answer.status == 204:
            with self._lock:
                self._regions.pop(bucket, None)
        if action == "HeadBucket" and answer.status == 200:
            answer.replace("x-amz-bucket-region", region)
        if answer.status != 200 or not isinstance(answer.body, bytes):
            return answer
        for name in (b"CompleteMultipartUpload", b"ListParts"):
            if action == name.decode():
                answer.body = answer.body.replace(name + b"Response", name + b"Result")
        if action.startswith("List") and b"<EncodingType>url" in answer.body:
            answer.body = re.sub(rb"<(Key|Prefix|Delimiter|StartAfter)>[^<]*", _plus, answer.body)
        return answer


def _plus(m: re.Match[bytes]) -> bytes:
    """encoding-type=url says a blank as a plus."""
    return m[0].replace(b"%20", b"+")
