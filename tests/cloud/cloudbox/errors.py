"""How each service says no: one exception, and its rendering in the service's own shape."""

from __future__ import annotations

import json
import uuid
from xml.sax.saxutils import escape

from .wire import Answer


class Refusal(Exception):
    """code and message as the service words them; fields: further elements of S3's error."""

    def __init__(self, status: int, code: str, message: str, fields: dict[str, str] | None = None,
                 headers: list[tuple[str, str]] | None = None):
        super().__init__(f"{status} {code}: {message}")
        self.status, self.code, self.message = status, code, message
        self.fields, self.headers = fields or {}, headers or []


def protocol_of(service: str, target: str | None) -> str:
    """ec2, s3, json or query."""
    if service in ("ec2", "s3"):
        return service
    return "json" if target else "query"


def xml_text(text: str) -> str:
    """Escaped, and without what XML 1.0 cannot say."""
    return escape("".join(c if c >= " " or c in "\t\n\r" else "\ufffd" for c in text))


def render(protocol: str, r: Refusal) -> Answer:
    request_id = str(uuid.uuid4())
    short = request_id.replace("-", "")[:16].upper()
    if protocol == "json":
        body = json.dumps({"__type": r.code, "message": r.message}).encode()
        headers = [("Content-Type", "application/x-amz-json-1.1"), ("x-amzn-RequestId", request_id),
                   ("x-amzn-ErrorType", r.code)]
        return Answer(r.status, headers + r.headers, body)
    code, message = xml_text(r.code), xml_text(r.message)
    head = '<?xml version="1.0" encoding="UTF-8"?>\n'
    if protocol == "ec2":
        body = (f"{head}<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message>"
                f"</Error></Errors><RequestID>{request_id}</RequestID></Response>")
        headers = [("Content-Type", "text/xml;charset=UTF-8"), ("x-amzn-requestid", request_id)]
    elif protocol == "s3":
        more = "".join(f"<{k}>{xml_text(v)}</{k}>" for k, v in r.fields.items())
        body = (f"{head}<Error><Code>{code}</Code><Message>{message}</Message>{more}"
                f"<RequestId>{short}</RequestId><HostId>{request_id}</HostId></Error>")
        headers = [("Content-Type", "application/xml"), ("x-amz-request-id", short),
                   ("x-amz-id-2", request_id)]
    else:
        kind = "Sender" if r.status < 500 else "Receiver"
        body = (f'<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>{kind}'
                f"</Type><Code>{code}</Code><Message>{message}</Message></Error>"
                f"<RequestId>{request_id}</RequestId></ErrorResponse>")
        headers = [("Content-Type", "text/xml"), ("x-amzn-RequestId", request_id)]
    return Answer(r.status, headers + r.headers, body.encode())


# What each protocol calls the same thing.
THROTTLED = {
    "ec2": (503, "RequestLimitExceeded", "Request limit exceeded."),
    "s3": (503, "SlowDown", "Please reduce your request rate."),
    "query": (400, "Throttling", "Rate exceeded"),
    "json": (400, "ThrottlingException", "Rate exceeded"),
}


def throttled(protocol: str) -> Refusal:
    return Refusal(*THROTTLED[protocol])


def denied(protocol: str, what: str, arn: str, resource: str = "") -> Refusal:
    on = f" on resource: {resource}" if resource else ""
    because = f"because no identity-based policy allows the {what} action"
    if protocol == "ec2":
        secret = uuid.uuid4().hex * 4
        return Refusal(403, "UnauthorizedOperation",
                       f"You are not authorized to perform this operation. User: {arn} is not authorized to "
                       f"perform: {what}{on} {because}. Encoded authorization failure message: {secret}")
    message = f"User: {arn} is not authorized to perform: {what}{on} {because}"
    if protocol == "json":
        return Refusal(400, "AccessDeniedException", message)
    return Refusal(403, "AccessDenied", message)
