"""The integrity of a body on its way to S3: what the signature and the checksum headers say of it, checked while it
streams. The last piece is held back until all is known to be right, so that a wrong one is never stored."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import Iterator

from .errors import Refusal
from .wire import Malformed, Request

LIMIT = 5 << 30


class Crc32:
    def __init__(self) -> None:
        self.value = 0

    def update(self, data: bytes) -> None:
        self.value = binascii.crc32(data, self.value)

    def digest(self) -> bytes:
        return self.value.to_bytes(4, "big")


SUMS = {"sha256": hashlib.sha256, "sha1": hashlib.sha1, "crc32": Crc32}


class Checks:
    """What is claimed of one body."""

    def __init__(self, request: Request, payload: str):
        self.payload = payload if re.fullmatch("[0-9a-f]{64}", payload) else None
        self.claims: dict[str, bytes] = {}
        self.trailer = (request.header("x-amz-trailer") or "").strip().lower()
        for name, value in request.headers:
            m = re.fullmatch("x-amz-checksum-([a-z0-9]+)", name.lower())
            if m and m[1] not in ("mode", "algorithm", "type"):
                self._claim(m[1], value.strip())
        md5 = request.header("content-md5")
        self.md5 = self._decoded("content-md5", md5.strip(), 16) if md5 is not None else None
        self.any_checksum = bool(self.claims) or self.md5 is not None or bool(self.trailer)
        self.decoded_length = int(request.header("x-amz-decoded-content-length") or 0)

    def _claim(self, kind: str, value: str) -> None:
        if kind not in SUMS:
            raise Refusal(501, "NotImplemented", f"The box doesn't check x-amz-checksum-{kind}")
        if re.search(r"-\d+$", value):
            return  # of a multipart upload as a whole
        self.claims[kind] = self._decoded(f"x-amz-checksum-{kind}", value, {"sha256": 32, "sha1": 20, "crc32": 4}[kind])

    @staticmethod
    def _decoded(name: str, value: str, size: int) -> bytes:
        try:
            raw = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        if len(raw) != size:
            if name == "content-md5":
                raise Refusal(400, "InvalidDigest", "The Content-MD5 you specified was invalid.", {name: value})
            raise Refusal(400, "InvalidRequest", f"Value for {name} header is invalid.")
        return raw

    def pieces(self, source: Iterator[bytes], length: int) -> Iterator[bytes]:
        """The source's, the last one only when everything fits. Refusal."""
        if length > LIMIT:
            raise Refusal(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size",
                          {"ProposedSize": str(length), "MaxSizeAllowed": str(LIMIT)})
        sums = {k: SUMS[k]() for k in self.claims}
        if self.trailer:
            sums.setdefault(self.trailer[15:], SUMS[self.trailer[15:]]())
        whole, md5 = hashlib.sha256() if self.payload else None, hashlib.md5() if self.md5 else None
        held = b""
        for piece in source:
            for s in (*sums.values(), *(h for h in (whole, md5) if h)):
                s.update(piece)
            if held:
                yield held
            held = piece
        if whole and whole.hexdigest() != self.payload:
            raise Refusal(400, "XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match "
                          "what was computed.", {"ClientComputedContentSHA256": self.payload or "",
                                                 "S3ComputedContentSHA256": whole.hexdigest()})
        if md5 and md5.digest() != self.md5:
            raise Refusal(400, "BadDigest", "The Content-MD5 you specified did not match what we received.",
                          {"CalculatedDigest": base64.b64encode(md5.digest()).decode()})
        for kind, claim in self.claims.items():
            if sums[kind].digest() != claim:
                raise Refusal(400, "BadDigest", f"The {kind.upper()} you specified did not match the calculated checksum.")
        if held:
            yield held


def aws_chunked(request: Request, checks: Checks) -> Iterator[bytes]:
    """The body inside of aws-chunked coding; its trailer's checksum is checked as a header's would be."""
    if checks.trailer and checks.trailer[15:] not in SUMS:
        raise Refusal(501, "NotImplemented", f"The box doesn't check {checks.trailer}")
    return checks.pieces(_decode(request, checks), checks.decoded_length)


def _decode(request: Request, checks: Checks) -> Iterator[bytes]:
    buffer = bytearray()
    source = request.body.pieces()
    total = 0

    def need(n: int) -> None:
        while len(buffer) < n:
            try:
                buffer.extend(next(source))
            except StopIteration:
                raise incomplete() from None

    def line() -> bytes:
        while (at := buffer.find(b"\r\n")) < 0:
            need(len(buffer) + 1)
        out = bytes(buffer[:at])
        del buffer[:at + 2]
        return out

    while True:
        try:
            size = int(line().split(b";")[0], 16)
        except ValueError:
            raise Malformed("bad aws-chunked size") from None
        if size == 0:
            break
        need(size + 2)
        total += size
        yield bytes(buffer[:size])
        if buffer[size:size + 2] != b"\r\n":
            raise incomplete()
        del buffer[:size + 2]
    if total != checks.decoded_length:
        raise incomplete()
    while (text := line()) != b"":
        name, _, value = text.decode("latin-1").partition(":")
        if name.strip().lower() == checks.trailer:
            checks._claim(checks.trailer[15:], value.strip())
    if checks.trailer and checks.trailer[15:] not in checks.claims:
        raise Refusal(400, "MalformedTrailerError", "The request contained trailing data that was not well-formed or did "
                      "not conform to our published schema.")


def incomplete() -> Refusal:
    return Refusal(400, "IncompleteBody", "The request body terminated unexpectedly")
