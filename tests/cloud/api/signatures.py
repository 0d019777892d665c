"""Signature Version 4, with botocore as the second opinion: what it signs is taken, what is changed afterwards isn't."""

from __future__ import annotations

import hashlib
import random
import time

from api import harness
from api.harness import KEY_ID, SECRET, Box, code, presign, same, sign, test

LOCATION = (b'<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><LocationConstraint>'
            b"us-east-2</LocationConstraint></CreateBucketConfiguration>")
STS = "Action=GetCallerIdentity&Version=2011-06-15"
EC2 = "Action=DescribeRegions&Version=2016-11-15"
ODD = ["a b", "a+b", "a%b", "a%20b", "a//b", "/lead", "a/../b", "a/./b", "..", ".", "a/", "é", "€😀", "a?b", "a#b", "a&b=c",
       "a;b", "a:b@c", "*", "(x)!'$,", '"<>\\^`{|}', "\x00", "\x01\n\r\t", "\x7f", "~-_.", "[x]", "%2F", "%25"]


def wire(key: str) -> str:
    from urllib.parse import quote

    return quote(key.encode(), safe="/-_.~")


def at(seconds: float) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time.time() + seconds))


@test("a bucket, and odd keys in it, by header")
def odd_keys(box: Box) -> None:
    status, _, body = box.signed("s3", "PUT", "/odd-keys", LOCATION)
    same(status, 200, body.decode())
    for k in ODD:
        target = "/odd-keys/" + wire(k)
        status, _, body = box.signed("s3", "PUT", target, b"of " + k.encode())
        same(status, 200, f"PUT {k!r} {body!r}")
        status, _, body = box.signed("s3", "GET", target)
        same((status, body), (200, b"of " + k.encode()), f"GET {k!r}")
    seen = box.client("s3").list_objects_v2(Bucket="odd-keys")["Contents"]
    same(sorted(o["Key"] for o in seen), sorted(ODD), "the list")


@test("random keys of any bytes that are UTF-8")
def random_keys(box: Box) -> None:
    rng = random.Random(4711)
    for _ in range(150):
        k = "".join(chr(rng.choice([rng.randrange(1, 128), rng.randrange(128, 0xD800), rng.randrange(0x10000, 0x10ffff)]))
                    for _ in range(rng.randrange(1, 12)))
        target = "/odd-keys/" + wire(k)
        same(box.signed("s3", "PUT", target, b"x")[0], 200, repr(k))
        same(box.send("GET", presign(box.url, "s3", "GET", target), [("Host", box.url[7:])])[2], b"x", repr(k))


@test("a key that is no UTF-8, or too long, is refused")
def bad_keys(box: Box) -> None:
    same(code(box.signed("s3", "PUT", "/odd-keys/%FF", b"x")[2]), "InvalidURI")
    same(code(box.signed("s3", "PUT", "/odd-keys/" + "k" * 1025, b"x")[2]), "KeyTooLongError")


@test("odd queries")
def odd_queries(box: Box) -> None:
    for q in ("list-type=2&prefix=a%2F&delimiter=%2F", "list-type=2&prefix=%C3%A9", "prefix=&list-type=2", "uploads",
              "list-type=2&prefix=a%20b&start-after=a%2Bb", "uploads=", "list-type=2&prefix=%26%3D%3F"):
        status, _, body = box.signed("s3", "GET", "/odd-keys?" + q)
        same(status, 200, f"{q}: {body!r}")
    same(box.signed("sts", "GET", "/?" + STS)[0], 200, "GET with the query in the URL")


@test("header values: blanks, twice the same name, bytes above 127")
def odd_headers(box: Box) -> None:
    out = sign(box.url, "s3", "PUT", "/odd-keys/h", b"x", {"x-amz-meta-a": "two   blanks  inside", "x-amz-meta-b": "plain"})
    out = [(n, "   two  blanks   inside  " if n == "x-amz-meta-a" else v) for n, v in out]
    same(box.send("PUT", "/odd-keys/h", out, b"x")[0], 200)
    out = [(n, "other" if n == "x-amz-meta-b" else v) for n, v in out]
    same(code(box.send("PUT", "/odd-keys/h", out, b"x")[2]), "SignatureDoesNotMatch")


@test("whatever is changed after signing is found")
def changed(box: Box) -> None:
    target = "/odd-keys/a%20b?x-id=GetObject"
    out = sign(box.url, "s3", "GET", target)

    def expect(want: str, method: str = "GET", t: str = target, headers: object = None) -> None:
        status, _, body = box.send(method, t, headers or out)  # type: ignore[arg-type]
        same((status, code(body)), (403, want), f"{method} {t}")

    expect("SignatureDoesNotMatch", method="DELETE")
    expect("SignatureDoesNotMatch", t="/odd-keys/a%20c?x-id=GetObject")
    expect("SignatureDoesNotMatch", t="/odd-keys/a%20b?x-id=GetObjecT")
    expect("SignatureDoesNotMatch", t="/odd-keys/a%20b?x-id=GetObject&versionId=1")
    expect("SignatureDoesNotMatch", headers=[(n, "other:1" if n == "Host" else v) for n, v in out])
    expect("AccessDenied", headers=out + [("x-amz-meta-late", "1")])
    expect("AccessDenied", headers=[(n, v) for n, v in out if n != "Authorization"])
    flipped = [(n, v[:-1] + ("0" if v[-1] != "0" else "1") if n == "Authorization" else v) for n, v in out]
    expect("SignatureDoesNotMatch", headers=flipped)


@test("S3 does not take what a wrong path encoder signs")
def wrong_path(box: Box) -> None:
    # Signed over the path encoded twice, as all services but S3 want it.
    import botocore.auth
    import botocore.awsrequest

    request = botocore.awsrequest.AWSRequest("GET", box.url + "/odd-keys/a%20b", headers={
        "Host": box.url[7:], "X-Amz-Content-SHA256": hashlib.sha256(b"").hexdigest()})
    botocore.auth.SigV4Auth(harness.credentials((KEY_ID, SECRET, None)), "s3", "us-east-2").add_auth(request)
    same(code(box.send("GET", "/odd-keys/a%20b", list(request.headers.items()))[2]), "SignatureDoesNotMatch")


@test("the error of S3 holds what should have been signed")
def canonical(box: Box) -> None:
    body = box.signed("s3", "GET", "/odd-keys/a%20b", key=(KEY_ID, "wrong", None))[2].decode()
    assert "<CanonicalRequest>GET\n/odd-keys/a%20b\n" in body, body
    assert "<StringToSign>AWS4-HMAC-SHA256\n" in body, body


@test("unknown key, wrong secret, no signature: each service in its own words")
def wrong_keys(box: Box) -> None:
    unknown, wrong = ("AKIANOBODY", SECRET, None), (KEY_ID, "wrong", None)
    json_headers = {"X-Amz-Target": "AmazonSSM.GetParameter", "Content-Type": "application/x-amz-json-1.1"}
    for name, call, codes in (
            ("ec2", lambda k: box.query("ec2", EC2, key=k), ((401, "AuthFailure"), (401, "AuthFailure"))),
            ("sts", lambda k: box.query("sts", STS, key=k), ((403, "InvalidClientTokenId"), (403, "SignatureDoesNotMatch"))),
            ("s3", lambda k: box.signed("s3", "GET", "/odd-keys?list-type=2", key=k),
             ((403, "InvalidAccessKeyId"), (403, "SignatureDoesNotMatch"))),
            ("ssm", lambda k: box.signed("ssm", "POST", "/", b"{}", json_headers, key=k),
             ((400, "UnrecognizedClientException"), (400, "InvalidSignatureException")))):
        for key, want in zip((unknown, wrong), codes):
            status, _, body = call(key)
            same((status, code(body)), want, name)
    shape = box.query("ec2", EC2, key=unknown)[2].decode()
    assert "<Response><Errors><Error><Code>AuthFailure</Code>" in shape, shape
    shape = box.query("sts", STS, key=unknown)[2].decode()
    assert "<ErrorResponse" in shape and "<Type>Sender</Type><Code>InvalidClientTokenId</Code>" in shape, shape
    form = [("Host", box.url[7:]), ("Content-Type", "application/x-www-form-urlencoded")]
    same(code(box.send("POST", "/", form, EC2.encode())[2]), "MissingParameter")
    same(code(box.send("POST", "/", form, STS.encode())[2]), "MissingAuthenticationToken")


@test("signed for another service")
def other_service(box: Box) -> None:
    same(code(box.query("sts", EC2)[2]), "SignatureDoesNotMatch")


@test("the clock: 15 minutes either way, and the box's own offset")
def clock(box: Box) -> None:
    for seconds, ok in ((-890, True), (890, True), (-910, False), (910, False)):
        when = at(seconds)
        same(box.query("sts", STS, when=when)[0], 200 if ok else 403, f"sts {seconds}")
        same(box.query("ec2", EC2, when=when)[0], 200 if ok else 400, f"ec2 {seconds}")
        same(box.signed("s3", "GET", "/odd-keys?list-type=2", when=when)[0], 200 if ok else 403, f"s3 {seconds}")
    same(code(box.query("ec2", EC2, when=at(-1000))[2]), "RequestExpired")
    same(code(box.query("sts", STS, when=at(-1000))[2]), "SignatureDoesNotMatch")
    body = box.query("sts", STS, when=at(-1000))[2].decode()
    assert "Signature expired: " in body and "15 min.)" in body, body
    body = box.signed("s3", "GET", "/odd-keys?list-type=2", when=at(1000))[2].decode()
    assert "<Code>RequestTimeTooSkewed</Code>" in body and "<ServerTime>" in body, body
    box.set(clock_offset_s=7200)
    status, headers, body = box.query("sts", STS)
    same(code(body), "SignatureDoesNotMatch")
    from email.utils import parsedate_to_datetime

    ahead = parsedate_to_datetime(headers["date"]).timestamp() - time.time()
    assert 7190 < ahead < 7210, headers["date"]
    same(box.query("sts", STS, when=at(7200))[0], 200, "by the box's Date")


@test("the body belongs to the signature")
def bodies(box: Box) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    out = sign(box.url, "sts", "POST", "/", STS.encode(), headers)
    same(code(box.send("POST", "/", out, STS.encode() + b"&X=1")[2]), "SignatureDoesNotMatch")
    out = sign(box.url, "s3", "PUT", "/odd-keys/body", b"right")
    same(code(box.send("PUT", "/odd-keys/body", out, b"wrong")[2]), "XAmzContentSHA256Mismatch")
    same(box.signed("s3", "GET", "/odd-keys/body")[0], 404, "nothing was stored")
    out = [(n, v) for n, v in out if n.lower() != "x-amz-content-sha256"]
    same(code(box.send("PUT", "/odd-keys/body", out, b"right")[2]), "InvalidRequest")


@test("presigned: used, expired, too long, changed")
def presigned(box: Box) -> None:
    host = [("Host", box.url[7:])]
    box.signed("s3", "PUT", "/odd-keys/p", b"pre")
    same(box.send("GET", presign(box.url, "s3", "GET", "/odd-keys/p"), host)[2], b"pre")
    same(box.send("PUT", presign(box.url, "s3", "PUT", "/odd-keys/p2"), host, b"put")[0], 200)
    same(box.send("GET", presign(box.url, "s3", "GET", "/odd-keys/p2"), host)[2], b"put")
    same(box.send("GET", presign(box.url, "s3", "GET", "/odd-keys/p", 60, when=at(-50)), host)[0], 200)
    status, _, body = box.send("GET", presign(box.url, "s3", "GET", "/odd-keys/p", 60, when=at(-70)), host)
    same((status, code(body)), (403, "AccessDenied"))
    assert b"Request has expired" in body, body
    same(box.send("GET", presign(box.url, "s3", "GET", "/odd-keys/p", 604800, when=at(-604700)), host)[0], 200)
    same(code(box.send("GET", presign(box.url, "s3", "GET", "/odd-keys/p", 604801), host)[2]),
         "AuthorizationQueryParametersError")
    good = presign(box.url, "s3", "GET", "/odd-keys/p")
    same(code(box.send("GET", good.replace("Expires=300", "Expires=301"), host)[2]), "SignatureDoesNotMatch")
    same(code(box.send("GET", good.replace("/p?", "/p2?"), host)[2]), "SignatureDoesNotMatch")
    same(code(box.send("DELETE", good, host)[2]), "SignatureDoesNotMatch")
    same(code(box.send("GET", good, host + [("x-amz-meta-x", "1")])[2]), "AccessDenied")
    same(code(box.send("GET", good + "&response-content-type=text%2Fplain", host)[2]), "SignatureDoesNotMatch")


@test("sessions of STS are credentials that expire, each service in its own words")
def sessions(box: Box) -> None:
    given = box.client("sts").assume_role(RoleArn="arn:aws:iam::123456789012:role/r", RoleSessionName="s")["Credentials"]
    key = (given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
    left = given["Expiration"].timestamp() - time.time()
    assert 3500 < left <= 3600, left
    same(box.query("ec2", EC2, key=key)[0], 200)
    same(box.signed("s3", "GET", "/odd-keys?list-type=2", key=key)[0], 200)
    same(box.send("GET", presign(box.url, "s3", "GET", "/odd-keys/p", key=key), [("Host", box.url[7:])])[0], 200)
    who = box.client("sts", aws_access_key_id=key[0], aws_secret_access_key=key[1], aws_session_token=key[2])
    same(who.get_caller_identity()["Arn"], "arn:aws:sts::123456789012:assumed-role/r/s")
    same(code(box.query("sts", STS, key=(key[0], key[1], None))[2]), "InvalidClientTokenId")
    same(code(box.signed("s3", "GET", "/odd-keys?list-type=2", key=(key[0], key[1], key[2] + "x"))[2]), "InvalidToken")
    box.set(clock_offset_s=3700)
    when = at(3700)
    json_headers = {"X-Amz-Target": "AmazonSSM.GetParameter", "Content-Type": "application/x-amz-json-1.1"}
    same(code(box.query("ec2", EC2, key=key, when=when)[2]), "RequestExpired")
    same(code(box.query("sts", STS, key=key, when=when)[2]), "ExpiredToken")
    same(code(box.signed("s3", "GET", "/odd-keys?list-type=2", key=key, when=when)[2]), "ExpiredToken")
    same(code(box.signed("ssm", "POST", "/", b"{}", json_headers, key=key, when=when)[2]), "ExpiredTokenException")
    box.set(clock_offset_s=0, session_s=2)
    short = box.client("sts").assume_role(RoleArn="arn:aws:iam::123456789012:role/r", RoleSessionName="s")["Credentials"]
    assert short["Expiration"].timestamp() - time.time() <= 2
    try:
        box.client("sts").assume_role(RoleArn="arn:aws:iam::123456789012:role/r", RoleSessionName="s", DurationSeconds=60)
        raise AssertionError("60 seconds were taken")
    except Exception as e:
        assert "ValidationError" in str(e), e


@test("malformed authorization headers")
def malformed(box: Box) -> None:
    host = ("Host", box.url[7:])
    for value in ("Basic abc", "AWS4-HMAC-SHA256 x", "AWS4-HMAC-SHA256 Credential=a/b/c, SignedHeaders=host, Signature=0",
                  "AWS4-HMAC-SHA256 Credential=A/20260101/us-east-2/s3/aws4_request, Signature=0"):
        status, _, body = box.send("GET", "/odd-keys", [host, ("Authorization", value), ("X-Amz-Date", at(0))])
        same((status, code(body)), (400, "AuthorizationHeaderMalformed"), value)
    out = [(n, v.replace("SignedHeaders=host;", "SignedHeaders=x-amz-date;host;") if n == "Authorization" else v)
           for n, v in sign(box.url, "s3", "GET", "/odd-keys")]
    assert box.send("GET", "/odd-keys", out)[0] in (400, 403)


if __name__ == "__main__":
    harness.run()
