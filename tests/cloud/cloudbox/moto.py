"""moto behind the proxy: its process, and calls to it."""

from __future__ import annotations

import http.client
import os
import pathlib
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ET
import re
from typing import Iterable
from urllib.parse import quote

from .wire import CHUNK, Answer

AMAZON = "amazonaws.com"
DROPPED = {"connection", "server", "date", "transfer-encoding", "content-length", "keep-alive"}


class MotoFailed(Exception):
    """moto could not be started, or broke a connection."""


class Moto:
    """Safe for threads. EC2 calls go one at a time: moto's EC2 is not made for more."""

    def __init__(self, errors: pathlib.Path):
        root = pathlib.Path(__file__).resolve().parent.parent
        env = dict(os.environ, PYTHONPATH=str(root), MOTO_ALLOW_NONEXISTENT_REGION="false",
                   MOTO_S3_DEFAULT_MAX_KEYS="1000", PYTHONDONTWRITEBYTECODE="1")
        for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "MOTO_PORT"):
            env.pop(name, None)
        with open(errors, "ab") as log:
            self._process = subprocess.Popen([sys.executable, "-m", "cloudbox.moto_child", str(os.getpid())],
                                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, env=env)
        self._errors = errors
        self._port = 0
        self._listening = threading.Event()
        self._ec2 = threading.Lock()
        threading.Thread(target=self._hear, daemon=True).start()

    def _hear(self) -> None:
        assert self._process.stdout
        line = self._process.stdout.readline()
        self._port = int(line or 0)
        self._listening.set()
        for _ in self._process.stdout:
            pass

    def port(self) -> int:
        """Waits until moto listens."""
        if not self._listening.wait(60) or not self._port:
            raise MotoFailed(f"moto did not start; see {self._errors}")
        return self._port

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(3)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def call(self, method: str, target: str, headers: list[tuple[str, str]],
             body: bytes | Iterable[bytes] | None, length: int | None, stream: bool = False) -> Answer:
        """headers without Host, Connection and Content-Length. The body of the answer is bytes, or with stream an
        iterator when it is long."""
        conn = http.client.HTTPConnection("127.0.0.1", self.port(), timeout=600)
        try:
            conn.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            for name, value in headers:
                conn.putheader(name, value)
            if length is not None:
                conn.putheader("Content-Length", str(length))
            conn.endheaders()
            if isinstance(body, bytes):
                conn.send(body)
            elif body is not None:
                for piece in body:
                    conn.send(piece)
            reply = conn.getresponse()
        except (OSError, http.client.HTTPException) as e:
            conn.close()
            raise MotoFailed(f"moto: {method} {target}: {e!r}") from e
        except BaseException:
            conn.close()  # in the middle of a body: moto drops the request
            raise
        kept = [(n, v) for n, v in reply.getheaders()
                if n.lower() not in DROPPED and not n.lower().startswith("access-control-")]
        size = reply.length
        if method == "HEAD":
            given = reply.getheader("Content-Length")
            size = int(given) if given else 0
        if stream and method != "HEAD" and size is not None and size > CHUNK:
            return Answer(reply.status, kept, self._pieces(conn, reply), size)
        data = reply.read()
        conn.close()
        return Answer(reply.status, kept, data, size if method == "HEAD" else None)

    @staticmethod
    def _pieces(conn: http.client.HTTPConnection, reply: http.client.HTTPResponse) -> Iterable[bytes]:
        try:
            while piece := reply.read(CHUNK):
                yield piece
        finally:
            conn.close()

    def query(self, service: str, region: str, key_id: str, params: Iterable[tuple[str, str]]) -> Answer:
        """A Query-protocol call."""
        body = "&".join(f"{quote(n, safe='-_.~')}={quote(v, safe='-_.~')}" for n, v in params).encode()
        headers = [("Host", f"{service}.{region}.{AMAZON}"), ("Authorization", scope(key_id, region, service)),
                   ("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")]
        if service != "ec2":
            return self.call("POST", "/", headers, body, len(body))
        with self._ec2:
            return self.call("POST", "/", headers, body, len(body))

    def ec2(self, region: str, action: str, **params: str) -> ET.Element:
        """A call of the box's own. MotoFailed when it fails."""
        pairs = [("Action", action), ("Version", "2016-11-15")]
        pairs += [(n.replace("__", "."), v) for n, v in params.items()]
        answer = self.query("ec2", region, "AKIABOX", pairs)
        if answer.status != 200:
            raise MotoFailed(f"moto: {action}: {answer.status} {answer.body!r:.500}")
        assert isinstance(answer.body, bytes)
        return parse(answer.body)


def scope(key_id: str, region: str, service: str) -> str:
    """What moto reads of a signature: whose, which region, which service."""
    day = time.strftime("%Y%m%d", time.gmtime())
    return (f"AWS4-HMAC-SHA256 Credential={key_id}/{day}/{region}/{service}/aws4_request, SignedHeaders=host, "
            "Signature=0")


def parse(body: bytes) -> ET.Element:
    """Without the namespace."""
    return ET.fromstring(re.sub(rb' xmlns="[^"]*"', b"", body, count=1))
