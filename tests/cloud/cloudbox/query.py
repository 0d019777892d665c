"""The Query protocol: parameters in, lists and filters out of them, pages of an answer."""

from __future__ import annotations

import base64
import functools
import hashlib
import re
import time
import uuid
from typing import Iterable, Sequence, TypeVar
from urllib.parse import unquote_plus

from .errors import Refusal, xml_text
from .wire import Answer

T = TypeVar("T")


class Params:
    """Decoded, in order of arrival."""

    def __init__(self, pairs: list[tuple[str, str]]):
        self.pairs = pairs
        self.map = dict(pairs)

    @classmethod
    def parse(cls, body: str) -> "Params":
        pairs = [p.partition("=") for p in body.split("&") if p]
        return cls([(unquote_plus(n), unquote_plus(v)) for n, _, v in pairs])

    def get(self, name: str, default: str = "") -> str:
        return self.map.get(name, default)

    def list(self, name: str) -> list[str]:
        """Name.1, Name.2, … in the order of their numbers."""
        found = []
        for n, v in self.pairs:
            head, _, number = n.rpartition(".")
            if head == name and number.isdigit():
                found.append((int(number), v))
        return [v for _, v in sorted(found)]

    def groups(self, name: str) -> list["Params"]:
        """Name.1.X and so on: the rest of each, by its number."""
        found: dict[int, list[tuple[str, str]]] = {}
        pattern = re.compile(re.escape(name) + r"\.(\d+)\.(.+)")
        for n, v in self.pairs:
            if m := pattern.fullmatch(n):
                found.setdefault(int(m[1]), []).append((m[2], v))
        return [Params(found[k]) for k in sorted(found)]

    def true(self, name: str) -> bool:
        return self.get(name).lower() == "true"

    def without(self, *prefixes: str) -> "Params":
        """Less these names and what is below them."""
        return Params([(n, v) for n, v in self.pairs
                       if not any(n == p or n.startswith(p + ".") for p in prefixes)])

    def filters(self) -> list[tuple[str, list[str]]]:
        return [(f.get("Name"), f.list("Value")) for f in self.groups("Filter")]

    def shape(self) -> str:
        """A digest of all but the page asked for."""
        pairs = sorted(p for p in self.pairs if p[0] not in ("NextToken", "MaxResults", "DryRun"))
        return hashlib.sha256(repr(pairs).encode()).hexdigest()[:16]


@functools.lru_cache(1024)
def _glob(pattern: str) -> re.Pattern[str]:
    out, escaped = "", False
    for c in pattern:
        if escaped:
            out, escaped = out + re.escape(c), False
        elif c == "\\":
            escaped = True
        else:
            out += {"*": ".*", "?": "."}.get(c, re.escape(c))
    return re.compile(out, re.S)


def matches(value: str, patterns: Iterable[str]) -> bool:
    """As EC2's filters: any of the patterns, with * and ?; a backslash takes their meaning."""
    return any(_glob(p).fullmatch(value) for p in patterns)


def bad_filter(name: str) -> Refusal:
    return Refusal(400, "InvalidParameterValue", f"The filter '{name}' is invalid")


def page(params: Params, items: Sequence[T], least: int, most: int, usual: int) -> tuple[Sequence[T], str | None]:
    """The items of the page asked for, and the token of the next. usual 0: all, when no size is asked for."""
    size = usual
    if params.get("MaxResults"):
        text = params.get("MaxResults")
        if not text.isdigit() or not least <= int(text) <= most:
            raise Refusal(400, "InvalidParameterValue", f"Value ( {text} ) for parameter maxResults is invalid. "
                          f"Expecting a value between {least} and {most}.")
        size = int(text)
    start = start_of(params)
    if not size:
        return items[start:], None
    end = start + size
    return items[start:end], token_of(params, end) if end < len(items) else None


def token_of(params: Params, at: int) -> str:
    return base64.b64encode(f"{at}/{params.shape()}".encode()).decode()


def start_of(params: Params) -> int:
    token = params.get("NextToken")
    if not token:
        return 0
    try:
        at, _, shape = base64.b64decode(token, validate=True).decode().partition("/")
        if shape == params.shape():
            return int(at)
    except ValueError:
        pass
    raise Refusal(400, "InvalidParameterValue", "Unable to parse pagination token")


def answer(action: str, inner: str, next_token: str | None = None) -> Answer:
    """200, in EC2's shape."""
    request_id = str(uuid.uuid4())
    token = f"<nextToken>{xml_text(next_token)}</nextToken>" if next_token else ""
    body = (f'<?xml version="1.0" encoding="UTF-8"?>\n<{action}Response xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">'
            f"<requestId>{request_id}</requestId>{inner}{token}</{action}Response>")
    return Answer(200, [("Content-Type", "text/xml;charset=UTF-8"), ("x-amzn-requestid", request_id)], body.encode())


def iso(t: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(t))


def gmt(t: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S GMT", time.gmtime(t))
