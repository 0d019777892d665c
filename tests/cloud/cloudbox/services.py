"""The other services: STS, whose sessions are real credentials that expire here, IAM's keys, SSM's public parameters,
the price list."""

from __future__ import annotations

import calendar
import json
import re
import time
import uuid

from . import query, quotas
from .errors import Refusal
from .moto import Moto, scope
from .pricing import Pricing
from .query import Params
from .settings import Settings
from .sigv4 import Key, Keys
from .wire import Answer, Request

UNSIGNED = {"AssumeRoleWithWebIdentity", "AssumeRoleWithSAML"}
VERSIONS = {"2016-11-15": "ec2", "2011-06-15": "sts", "2010-05-08": "iam"}
# moto has no images by Canonical's parameters; this one is of theirs.
UBUNTU = re.compile(r"/aws/service/canonical/ubuntu/server/[^/]+/stable/current/amd64/hvm/ebs-gp[23]/ami-id")
UBUNTU_IMAGE = "ami-785db401"


def expected_service(version: str) -> str | None:
    return VERSIONS.get(version)


class Services:
    def __init__(self, moto: Moto, keys: Keys, settings: Settings, pricing: Pricing):
        self.moto, self.keys, self.settings, self.pricing = moto, keys, settings, pricing

    def query(self, service: str, region: str, key_id: str, action: str, p: Params) -> Answer:
        self._check_duration(action, p)
        answer = self.moto.query(service, region, key_id, p.pairs)
        assert isinstance(answer.body, bytes)
        if answer.status == 200 and b"<SecretAccessKey>" in answer.body:
            self._learn(answer, action, p)
        if answer.status == 200 and action == "DeleteAccessKey":
            self.keys.remove(p.get("AccessKeyId"))
        return answer

    @staticmethod
    def _check_duration(action: str, p: Params) -> None:
        text = p.get("DurationSeconds")
        if text and not (text.isdigit() and 900 <= int(text) <= 129600):
            raise Refusal(400, "ValidationError", f"1 validation error detected: Value '{text}' at 'durationSeconds' "
                          "failed to satisfy constraint: Member must have value between 900 and 43200")

    def _learn(self, answer: Answer, action: str, p: Params) -> None:
        """The credentials in the answer are good from now on, until they expire by the box's clock."""
        assert isinstance(answer.body, bytes)
        text = answer.body.decode()

        def field(name: str) -> str | None:
            m = re.search(f"<{name}>\\s*([^<]*?)\\s*</{name}>", text)
            return m[1] if m else None

        key = Key(field("AccessKeyId") or "", field("SecretAccessKey") or "", field("SessionToken"))
        key.arn = field("Arn") or key.arn
        if key.token is not None:
            seconds = self.settings.session_s or float(p.get("DurationSeconds") or 3600)
            key.expires = float(int(self.settings.now() + seconds))
            text = re.sub("<Expiration>[^<]*<", f"<Expiration>{query.iso(key.expires)[:-5]}Z<", text)
        self.keys.add(key)
        answer.body = text.encode()

    def json(self, request: Request, service: str, region: str, key_id: str, target: str, body: bytes) -> Answer:
        if target == "AWSPriceListService.GetProducts":
            return self.pricing.answer(service, region, body)
        if target == "AmazonSSM.GetParameter" and (found := self._ubuntu(body)):
            return found
        if service == "servicequotas":
            return quotas.answer(self.settings, region, target, body)
        headers = [("Host", f"{service}.{region}.amazonaws.com"), ("Authorization", scope(key_id, region, service)),
                   ("X-Amz-Target", target),
                   ("Content-Type", request.header("content-type") or "application/x-amz-json-1.1")]
        return self.moto.call("POST", "/", headers, body, len(body))

    def _ubuntu(self, body: bytes) -> Answer | None:
        try:
            name = json.loads(body or b"{}").get("Name", "")
        except ValueError:
            raise Refusal(400, "SerializationException", "The body is no JSON") from None
        if not UBUNTU.fullmatch(name):
            return None
        out = {"Parameter": {"Name": name, "Type": "String", "Value": UBUNTU_IMAGE, "Version": 1,
                             "LastModifiedDate": calendar.timegm(time.gmtime(self.settings.now())),
                             "ARN": f"arn:aws:ssm:us-east-2::parameter{name}", "DataType": "aws:ec2:image"}}
        return Answer(200, [("Content-Type", "application/x-amz-json-1.1"), ("x-amzn-RequestId", str(uuid.uuid4()))],
                      json.dumps(out).encode())
