"""What these tests share: TAP, a box of their own, and requests signed by botocore, sent byte for byte."""

from __future__ import annotations

import contextlib
import datetime
import http.client
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import traceback
import urllib.request
from typing import Any, Callable, Iterator

import boto3
import botocore.auth
import botocore.awsrequest
import botocore.config
import botocore.credentials

KEY_ID, SECRET = "AKIAFURROWBOX0000000", "box/secret/key/of/nobody/000000000000000"
REGION = "us-east-2"
TESTS: list[tuple[str, Callable[..., None]]] = []


def test(name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    def keep(fn: Callable[..., None]) -> Callable[..., None]:
        TESTS.append((name, fn))
        return fn

    return keep


def same(got: Any, want: Any, what: str = "") -> None:
    assert got == want, f"{what}: got {got!r}, want {want!r}"


def run() -> None:
    """All tests, each with the one box set to how it began."""
    failed = 0
    with Box() as box:
        for n, (name, fn) in enumerate(TESTS, 1):
            try:
                box.fresh()
                fn(box)
                print(f"ok {n} - {name}", flush=True)
            except Exception:
                failed += 1
                print(f"not ok {n} - {name}")
                print("# " + traceback.format_exc().replace("\n", "\n# "), flush=True)
    print(f"1..{len(TESTS)}")
    sys.exit(failed > 0)


class Box:
    def __init__(self, *more: str):
        self.more = more
        self.clients: dict[Any, Any] = {}

    def __enter__(self) -> "Box":
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="furrow-box."))
        root = pathlib.Path(__file__).resolve().parent.parent
        self.process = subprocess.Popen(
            [sys.executable, "-m", "cloudbox.proxy", "--listen", "127.0.0.1:0", "--dir", str(self.dir), "--no-hosts",
             *self.more], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=dict(
                os.environ, PYTHONPATH=str(root), PYTHONDONTWRITEBYTECODE="1"))
        line = self.process.stdout.readline().decode()  # type: ignore[union-attr]
        assert line.startswith("ready "), line
        self.port = int(line.rsplit(":", 1)[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self.usual = self.control("GET", "settings")
        return self

    def __exit__(self, *_: Any) -> None:
        self.process.stdin.close()  # type: ignore[union-attr]
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()  # type: ignore[union-attr]
        shutil.rmtree(self.dir)

    def fresh(self) -> None:
        self.control("DELETE", "faults")
        self.set(**self.usual)

    def control(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/-box/{path}", data, method=method)
        with urllib.request.urlopen(request) as reply:
            return json.load(reply)

    def set(self, **settings: Any) -> None:
        self.control("POST", "settings", settings)

    def fault(self, **rule: Any) -> None:
        self.control("POST", "faults", rule)

    def log(self, query: str = "") -> list[dict[str, Any]]:
        return self.control("GET", "log" + query)

    def client(self, service: str, **more: Any) -> Any:
        """boto3's, made once: it reads megabytes of models for each."""
        key = (service, tuple(sorted(more.items())))
        if key not in self.clients:
            self.clients[key] = self._client(service, **more)
        return self.clients[key]

    def _client(self, service: str, **more: Any) -> Any:
        options = dict(region_name=REGION, endpoint_url=self.url, aws_access_key_id=KEY_ID, aws_secret_access_key=SECRET,
                       config=botocore.config.Config(retries={"total_max_attempts": 1}, max_pool_connections=32, s3={"addressing_style": "path"},
                                                     parameter_validation=False))
        return boto3.client(service, **(options | more))

    def send(self, method: str, target: str, headers: list[tuple[str, str]], body: bytes = b"",
             length: int | None = None) -> tuple[int, dict[str, str], bytes]:
        """As given, nothing added but Content-Length."""
        conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(conn):
            conn.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            for name, value in headers:
                conn.putheader(name, value.encode("latin-1"))
            if body or method in ("PUT", "POST"):
                conn.putheader("Content-Length", str(len(body) if length is None else length))
            conn.endheaders(body)
            reply = conn.getresponse()
            return reply.status, {n.lower(): v for n, v in reply.getheaders()}, reply.read()

    def signed(self, service: str, method: str, target: str, body: bytes = b"",
               headers: dict[str, str] | None = None, key: tuple[str, str, str | None] = (KEY_ID, SECRET, None),
               region: str = REGION, when: str | None = None) -> tuple[int, dict[str, str], bytes]:
        out = sign(self.url, service, method, target, body, headers, key, region, when)
        return self.send(method, target, out, body)

    def query(self, service: str, params: str, **more: Any) -> tuple[int, dict[str, str], bytes]:
        return self.signed(service, "POST", "/", params.encode(), {
            "Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}, **more)


@contextlib.contextmanager
def clock_of_botocore(when: str | None) -> Iterator[None]:
    """botocore signs as at this time (YYYYMMDDTHHMMSSZ)."""
    before = botocore.auth.get_current_datetime
    if when:
        t = datetime.datetime.strptime(when, "%Y%m%dT%H%M%SZ")
        botocore.auth.get_current_datetime = lambda *a, **k: t
    try:
        yield
    finally:
        botocore.auth.get_current_datetime = before


def credentials(key: tuple[str, str, str | None]) -> Any:
    return botocore.credentials.Credentials(*key)


def sign(url: str, service: str, method: str, target: str, body: bytes = b"", headers: dict[str, str] | None = None,
         key: tuple[str, str, str | None] = (KEY_ID, SECRET, None), region: str = REGION,
         when: str | None = None) -> list[tuple[str, str]]:
    """The headers that botocore would send, Host included."""
    host = url.split("//")[1]
    request = botocore.awsrequest.AWSRequest(method, url + target, headers={"Host": host, **(headers or {})}, data=body)
    kind = botocore.auth.S3SigV4Auth if service == "s3" else botocore.auth.SigV4Auth
    with clock_of_botocore(when):
        kind(credentials(key), service, region).add_auth(request)
    return list(request.headers.items())


def presign(url: str, service: str, method: str, target: str, expires: int = 300,
            key: tuple[str, str, str | None] = (KEY_ID, SECRET, None), region: str = REGION,
            when: str | None = None, headers: dict[str, str] | None = None) -> str:
    """The target of the presigned URL."""
    request = botocore.awsrequest.AWSRequest(method, url + target, headers=headers or {})
    kind = botocore.auth.S3SigV4QueryAuth if service == "s3" else botocore.auth.SigV4QueryAuth
    with clock_of_botocore(when):
        kind(credentials(key), service, region, expires=expires).add_auth(request)
    return request.url[len(url):]


def code(body: bytes) -> str:
    m = re.search(rb"<Code>([^<]*)</Code>", body) or re.search(rb'"__type": "([^"]*)"', body)
    return m[1].decode() if m else ""


def raw(port: int, data: bytes, wait: float = 10) -> bytes:
    """What comes back until the box closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=wait) as s:
        s.sendall(data)
        out = b""
        try:
            while piece := s.recv(65536):
                out += piece
        except (ConnectionResetError, TimeoutError):
            pass
        return out
