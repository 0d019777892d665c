"""Signature Version 4, as AWS checks it: over the raw request line and headers, with the clock and the keys.

Checks everything but the body, which may be large: what the signature claims of it comes back in
Identity.payload and is compared by who reads it."""

from __future__ import annotations

import calendar
import dataclasses
import hashlib
import hmac
import re
import threading
import time
from typing import Callable
from urllib.parse import quote, unquote_to_bytes

from .errors import Refusal
from .wire import Request

EMPTY = hashlib.sha256(b"").hexdigest()
UNSIGNED = "UNSIGNED-PAYLOAD"
TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
SKEW_S = 15 * 60
WEEK_S = 604800


@dataclasses.dataclass
class Key:
    id: str
    secret: str
    token: str | None = None
    expires: float | None = None  # by the box's clock
    arn: str = "arn:aws:iam::123456789012:user/furrow"


@dataclasses.dataclass
class Identity:
    key: Key
    region: str
    service: str
    payload: str  # hex of SHA-256, or one of the words above
    presigned: bool = False


class Keys:
    """Every access key that the box honours."""

    def __init__(self) -> None:
        self._keys: dict[str, Key] = {}
        self._lock = threading.Lock()

    def add(self, key: Key) -> None:
        with self._lock:
            self._keys[key.id] = key

    def remove(self, key_id: str) -> None:
        with self._lock:
            self._keys.pop(key_id, None)

    def get(self, key_id: str) -> Key | None:
        with self._lock:
            return self._keys.get(key_id)

    def all(self) -> list[Key]:
        with self._lock:
            return list(self._keys.values())


def stamp(t: float) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(t))


def encode(text: bytes, safe: str = "") -> str:
    return quote(text, safe=safe + "-_.~")


def canonical_path(path: str, service: str) -> str:
    """S3: encoded once, as it is. Others: normalised and encoded once more."""
    if service == "s3":
        return encode(unquote_to_bytes(path), "/")
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in ("", "."):
            parts.append(part)
    out = "/" + "/".join(parts)
    if parts and path.endswith("/"):
        out += "/"
    return encode(out.encode("latin-1"), "/")


def query_pairs(query: str) -> list[tuple[str, str]]:
    """Names and values as sent; a name alone has an empty value."""
    return [(n, v) for n, _, v in (p.partition("=") for p in query.split("&") if p)]


def canonical_query(query: str, without: str | None = None) -> str:
    pairs = [(encode(unquote_to_bytes(n)), encode(unquote_to_bytes(v))) for n, v in query_pairs(query)]
    return "&".join(f"{n}={v}" for n, v in sorted(pairs) if n != without)


def canonical_headers(request: Request, signed: list[str]) -> str:
    lines = []
    for name in signed:
        values = [" ".join(v.split()) for v in request.header_all(name)]
        lines.append(f"{name}:{','.join(values)}\n")
    return "".join(lines)


def signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    key = ("AWS4" + secret).encode()
    for word in (date, region, service, "aws4_request"):
        key = hmac.new(key, word.encode(), hashlib.sha256).digest()
    return key


@dataclasses.dataclass
class Claim:
    """What the request says of its signature, before any of it is believed."""

    credential: list[str]  # key id, date, region, service, "aws4_request"
    signed: list[str]
    signature: str
    date: str
    token: str | None
    presigned: bool
    expires_s: int = 0


class Verifier:
    """check(): the identity behind a request, or the Refusal that its service would give."""

    def __init__(self, keys: Keys, now: Callable[[], float]):
        self.keys, self.now = keys, now

    def check(self, request: Request, protocol: str, body_sha256: Callable[[], str]) -> Identity:
        """body_sha256 is asked for when no header says it and the service hashes the body itself."""
        words = Words(protocol)
        claim = self._claim(request, words)
        key_id, date, region, service, _ = claim.credential
        if claim.date[:8] != date:
            raise words.malformed(f"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of "
                                  f"date from HTTP: '{date}' != '{claim.date[:8]}', from '{claim.date}'.")
        self._check_time(claim, words)
        key = self.keys.get(key_id)
        if key is None:
            raise words.unknown_key(key_id)
        if key.token != claim.token:
            raise words.bad_token(claim.token)
        if key.expires is not None and key.expires <= self.now():
            raise words.expired_token(key.token or "")
        payload = self._payload(request, service, claim, words, body_sha256)
        self._check_signature(request, claim, key, payload, words)
        self._check_all_signed(request, claim, words)
        return Identity(key, region, service, payload, claim.presigned)

    def _claim(self, request: Request, words: "Words") -> Claim:
        auth = request.header_all("authorization")
        query = {unquote_to_bytes(n).decode("latin-1"): unquote_to_bytes(v).decode("latin-1")
                 for n, v in query_pairs(request.query)}
        if auth and "X-Amz-Signature" in query:
            raise words.two_ways()
        if auth:
            return self._claim_header(request, auth[0], words)
        if "X-Amz-Algorithm" in query or "X-Amz-Signature" in query:
            return self._claim_query(query, words)
        raise words.missing()

    def _claim_header(self, request: Request, value: str, words: "Words") -> Claim:
        algorithm, _, rest = value.strip().partition(" ")
        if algorithm != "AWS4-HMAC-SHA256":
            raise words.malformed(f"Unsupported Authorization Type: {algorithm}")
        fields = dict(re.findall(r"(\w+)=([^,\s]*)", rest))
        for name in ("Credential", "SignedHeaders", "Signature"):
            if not fields.get(name):
                raise words.malformed(f"Authorization header requires '{name}' parameter. Authorization={value}")
        date = (request.header("x-amz-date") or "").strip()
        if not re.fullmatch(r"\d{8}T\d{6}Z", date):
            raise words.malformed("Authorization header requires existence of a valid 'X-Amz-Date' header. "
                                  f"Authorization={value}")
        token = request.header("x-amz-security-token")
        return Claim(self._credential(fields["Credential"], words), fields["SignedHeaders"].split(";"),
                     fields["Signature"], date, token.strip() if token is not None else None, False)

    def _claim_query(self, query: dict[str, str], words: "Words") -> Claim:
        wanted = ["Algorithm", "Credential", "Signature", "Date", "SignedHeaders", "Expires"]
        if any(f"X-Amz-{w}" not in query for w in wanted):
            raise words.bad_query("Query-string authentication version 4 requires the X-Amz-Algorithm, "
                                  "X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and "
                                  "X-Amz-Expires parameters.")
        if query["X-Amz-Algorithm"] != "AWS4-HMAC-SHA256":
            raise words.bad_query('X-Amz-Algorithm only supports "AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256"')
        if not re.fullmatch(r"\d{8}T\d{6}Z", query["X-Amz-Date"]):
            raise words.bad_query('X-Amz-Date must be in the ISO8601 Long Format "yyyyMMdd\'T\'HHmmss\'Z\'"')
        if not re.fullmatch(r"-?\d+", query["X-Amz-Expires"]):
            raise words.bad_query("X-Amz-Expires should be a number")
        expires = int(query["X-Amz-Expires"])
        if expires < 0:
            raise words.bad_query("X-Amz-Expires must be non-negative")
        if expires > WEEK_S:
            raise words.bad_query("X-Amz-Expires must be less than a week (in seconds); that is, the given "
                                  f"X-Amz-Expires must be less than {WEEK_S} seconds")
        return Claim(self._credential(query["X-Amz-Credential"], words),
                     query["X-Amz-SignedHeaders"].split(";"), query["X-Amz-Signature"], query["X-Amz-Date"],
                     query.get("X-Amz-Security-Token"), True, expires)

    @staticmethod
    def _credential(text: str, words: "Words") -> list[str]:
        parts = text.rsplit("/", 4)
        if len(parts) != 5 or not all(parts) or parts[4] != "aws4_request":
            raise words.malformed(f'Credential must have exactly 5 slash-delimited elements, e.g. '
                                  f"keyid/date/region/service/term, got '{text}'")
        return parts

    def _check_time(self, claim: Claim, words: "Words") -> None:
        then = calendar.timegm(time.strptime(claim.date, "%Y%m%dT%H%M%SZ")) if _is_time(claim.date) else 0
        now = self.now()
        if claim.presigned:
            if then - now > SKEW_S:
                raise words.not_yet(claim.date, now)
            if now > then + claim.expires_s:
                raise words.presign_expired(then + claim.expires_s, now)
        elif abs(now - then) > SKEW_S:
            raise words.skewed(claim.date, then, now)

    @staticmethod
    def _payload(request: Request, service: str, claim: Claim, words: "Words",
                 body_sha256: Callable[[], str]) -> str:
        header = request.header("x-amz-content-sha256")
        if service == "s3":
            if claim.presigned:
                return (header or UNSIGNED).strip()
            if header is None:
                raise Refusal(400, "InvalidRequest", "Missing required header for this request: "
                              "x-amz-content-sha256")
            header = header.strip()
            if header.startswith("STREAMING-") and header != TRAILER:
                raise Refusal(501, "NotImplemented", f"The box doesn't take {header}")
            if header not in (UNSIGNED, TRAILER) and not re.fullmatch("[0-9a-f]{64}", header):
                raise Refusal(400, "InvalidArgument", "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, "
                              "STREAMING-AWS4-HMAC-SHA256-PAYLOAD, or a valid sha256 value.",
                              {"ArgumentName": "x-amz-content-sha256", "ArgumentValue": header})
            return header
        real = body_sha256()
        if header is not None and header.strip() != real:
            raise words.mismatch("(x-amz-content-sha256 is not the hash of the body)", "", claim)
        return real

    def _check_signature(self, request: Request, claim: Claim, key: Key, payload: str, words: "Words") -> None:
        key_id, date, region, service, _ = claim.credential
        path = canonical_path(request.path, service)
        query = canonical_query(request.query, "X-Amz-Signature" if claim.presigned else None)
        canonical = "\n".join([request.method, path, query, canonical_headers(request, claim.signed),
                               ";".join(claim.signed), payload])
        digest = hashlib.sha256(canonical.encode("latin-1")).hexdigest()
        to_sign = f"AWS4-HMAC-SHA256\n{claim.date}\n{date}/{region}/{service}/aws4_request\n{digest}"
        want = hmac.new(signing_key(key.secret, date, region, service), to_sign.encode(),
                        hashlib.sha256).hexdigest()
        if not hmac.compare_digest(want.encode(), claim.signature.encode("latin-1", "replace")):
            raise words.mismatch(canonical, to_sign, claim)

    @staticmethod
    def _check_all_signed(request: Request, claim: Claim, words: "Words") -> None:
        if claim.signed != sorted(set(n.lower() for n in claim.signed)):
            raise words.malformed("SignedHeaders must be lower case, sorted and each once: "
                                  + ";".join(claim.signed))
        must = {n.lower() for n, _ in request.headers if n.lower().startswith("x-amz-")} | {"host"}
        left_out = sorted(must - set(claim.signed))
        if left_out:
            raise words.unsigned_headers(left_out)


def _is_time(text: str) -> bool:
    try:
        time.strptime(text, "%Y%m%dT%H%M%SZ")
        return True
    except ValueError:
        return False


class Words:
    """The refusals, as each protocol words them."""

    def __init__(self, protocol: str):
        self.p = protocol

    def _by(self, **kinds: tuple) -> Refusal:
        return Refusal(*kinds[self.p])

    def missing(self) -> Refusal:
        return self._by(
            ec2=(400, "MissingParameter", "The request must contain the parameter AWSAccessKeyId"),
            s3=(403, "AccessDenied", "Access Denied"),
            query=(403, "MissingAuthenticationToken", "Request is missing Authentication Token"),
            json=(400, "MissingAuthenticationTokenException", "Missing Authentication Token"))

    def two_ways(self) -> Refusal:
        text = "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string " \
               "parameter or the Authorization header should be specified"
        return Refusal(400, "InvalidArgument" if self.p == "s3" else "IncompleteSignature", text)

    def malformed(self, why: str) -> Refusal:
        return self._by(
            ec2=(400, "AuthFailure", f"AWS was not able to validate the provided access credentials: {why}"),
            s3=(400, "AuthorizationHeaderMalformed", f"The authorization header is malformed; {why}"),
            query=(400, "IncompleteSignature", why),
            json=(400, "IncompleteSignatureException", why))

    def bad_query(self, why: str) -> Refusal:
        if self.p == "s3":
            return Refusal(400, "AuthorizationQueryParametersError", why)
        return self.malformed(why)

    def unknown_key(self, key_id: str) -> Refusal:
        return self._by(
            ec2=(401, "AuthFailure", "AWS was not able to validate the provided access credentials"),
            s3=(403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.",
                {"AWSAccessKeyId": key_id}),
            query=(403, "InvalidClientTokenId", "The security token included in the request is invalid."),
            json=(400, "UnrecognizedClientException", "The security token included in the request is invalid."))

    def bad_token(self, token: str | None) -> Refusal:
        if self.p == "s3" and token is not None:
            return Refusal(400, "InvalidToken", "The provided token is malformed or otherwise invalid.",
                           {"Token-0": token})
        return self.unknown_key("")

    def expired_token(self, token: str) -> Refusal:
        return self._by(
            ec2=(400, "RequestExpired", "Request has expired."),
            s3=(400, "ExpiredToken", "The provided token has expired.", {"Token-0": token}),
            query=(403, "ExpiredToken", "The security token included in the request is expired"),
            json=(400, "ExpiredTokenException", "The security token included in the request is expired"))

    def skewed(self, date: str, then: float, now: float) -> Refusal:
        if self.p == "s3":
            return Refusal(403, "RequestTimeTooSkewed",
                           "The difference between the request time and the current time is too large.",
                           {"RequestTime": date, "ServerTime": _iso(now),
                            "MaxAllowedSkewMilliseconds": str(SKEW_S * 1000)})
        if self.p == "ec2":
            return Refusal(400, "RequestExpired", f"Request has expired. Timestamp date is {_iso(then)}. Current "
                           f"date is {_iso(now)}")
        code = "InvalidSignatureException" if self.p == "json" else "SignatureDoesNotMatch"
        status = 400 if self.p == "json" else 403
        if then < now:
            return Refusal(status, code, f"Signature expired: {date} is now earlier than {stamp(now - SKEW_S)} "
                           f"({stamp(now)} - 15 min.)")
        return self.not_yet(date, now)

    def not_yet(self, date: str, now: float) -> Refusal:
        text = f"Signature not yet current: {date} is still later than {stamp(now + SKEW_S)} ({stamp(now)} + 15 min.)"
        return self._by(
            ec2=(400, "RequestExpired", text),
            s3=(403, "AccessDenied", "Request is not valid yet", {"X-Amz-Date": date, "ServerTime": _iso(now)}),
            query=(403, "SignatureDoesNotMatch", text),
            json=(400, "InvalidSignatureException", text))

    def presign_expired(self, expired: float, now: float) -> Refusal:
        if self.p == "s3":
            return Refusal(403, "AccessDenied", "Request has expired",
                           {"Expires": _iso(expired), "ServerTime": _iso(now)})
        return self.skewed(stamp(expired), expired, now)

    def mismatch(self, canonical: str, to_sign: str, claim: Claim) -> Refusal:
        text = "The request signature we calculated does not match the signature you provided. Check your "
        long = (f"{text}AWS Secret Access Key and signing method. Consult the service documentation for details.\n\n"
                f"The Canonical String for this request should have been\n'{canonical}'\n\n"
                f"The String-to-Sign should have been\n'{to_sign}'\n")
        return self._by(
            ec2=(401, "AuthFailure", "AWS was not able to validate the provided access credentials"),
            s3=(403, "SignatureDoesNotMatch", f"{text}key and signing method.",
                {"AWSAccessKeyId": claim.credential[0], "StringToSign": to_sign,
                 "SignatureProvided": claim.signature, "CanonicalRequest": canonical}),
            query=(403, "SignatureDoesNotMatch", long),
            json=(400, "InvalidSignatureException", long))

    def unsigned_headers(self, names: list[str]) -> Refusal:
        if self.p == "s3":
            return Refusal(403, "AccessDenied", "There were headers present in the request which were not signed",
                           {"HeadersNotSigned": ", ".join(names)})
        return self.malformed(f"'{names[0]}' must be a 'SignedHeader' in the AWS Authorization.")


def _iso(t: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(t))
