"""HTTP/1.1 towards the client: requests as they came, byte for byte, and answers that can be spoiled on purpose.

Knows nothing of AWS. The request line and the headers are kept raw because signatures are checked over them."""

from __future__ import annotations

import dataclasses
import itertools
import socket
import struct
import threading
import time
from typing import Callable, Iterable, Iterator

HEAD_LIMIT = 64 << 10
CHUNK = 256 << 10

REASONS = {
    100: "Continue", 200: "OK", 204: "No Content", 206: "Partial Content", 301: "Moved Permanently",
    304: "Not Modified", 307: "Temporary Redirect", 400: "Bad Request", 401: "Unauthorized",
    403: "Forbidden", 404: "Not Found", 409: "Conflict", 411: "Length Required",
    412: "Precondition Failed", 413: "Content Too Large", 416: "Range Not Satisfiable",
    429: "Too Many Requests", 500: "Internal Server Error", 501: "Not Implemented",
    502: "Bad Gateway", 503: "Service Unavailable",
}


class Malformed(Exception):
    """The bytes are no HTTP request."""


class Gone(Exception):
    """The client went away before its request was whole."""


class Hang(Exception):
    """Close the connection without (or after half of) an answer. reset: with RST."""

    def __init__(self, reset: bool = False):
        self.reset = reset


@dataclasses.dataclass
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes | Iterable[bytes] = b""
    length: int | None = None  # of a body that is no bytes, or of HEAD's absent one

    def header(self, name: str) -> str | None:
        return next((v for n, v in self.headers if n.lower() == name), None)

    def replace(self, name: str, value: str) -> None:
        self.headers = [(n, v) for n, v in self.headers if n.lower() != name.lower()]
        self.headers.append((name, value))


@dataclasses.dataclass
class Spoil:
    """What happens to an answer on its way."""

    cut_after: int | None = None  # bytes of the body, then the connection is closed
    bytes_per_s: float | None = None
    lose: bool = False  # close instead of answering
    reset: bool = False


class Body:
    """A request's body, read once, from Content-Length or chunked coding."""

    def __init__(self, conn: "Connection", length: int | None, chunked: bool, expect: bool):
        self.conn, self.chunked, self.expect = conn, chunked, expect
        self.length = None if chunked else (length or 0)
        self.left = self.length or 0
        self.done = not chunked and self.left == 0
        self.read_bytes = 0

    def _continue(self) -> None:
        if self.expect:
            self.expect = False
            self.conn.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")

    def pieces(self, size: int = CHUNK) -> Iterator[bytes]:
        while not self.done:
            self._continue()
            if self.chunked and self.left == 0:
                line = self.conn.read_line().split(b";")[0].strip()
                try:
                    self.left = int(line, 16)
                except ValueError:
                    raise Malformed("bad chunk size") from None
                if self.left == 0:
                    while self.conn.read_line() != b"":
                        pass
                    self.done = True
                    return
            data = self.conn.read_some(min(size, self.left))
            self.left -= len(data)
            self.read_bytes += len(data)
            if self.left == 0:
                if self.chunked:
                    if self.conn.read_line() != b"":
                        raise Malformed("no end of chunk")
                else:
                    self.done = True
            yield data

    def all(self, limit: int = 64 << 20) -> bytes:
        out = bytearray()
        for piece in self.pieces():
            out += piece
            if len(out) > limit:
                raise Malformed("body too long for this action")
        return bytes(out)

    def drain(self) -> None:
        for _ in self.pieces():
            pass


@dataclasses.dataclass
class Request:
    line: bytes
    method: str
    target: str  # as sent
    path: str  # of the target, still percent-encoded
    query: str
    headers: list[tuple[str, str]]  # in order of arrival, names and values as sent
    body: Body
    conn: "Connection"
    number: int  # on its connection, from 1
    begun: float = 0.0

    def header(self, name: str) -> str | None:
        return next((v.strip() for n, v in self.headers if n.lower() == name), None)

    def header_all(self, name: str) -> list[str]:
        return [v for n, v in self.headers if n.lower() == name]

    @property
    def wants_close(self) -> bool:
        return "close" in (self.header("connection") or "").lower()


class Connection:
    """One client: reads its requests one after the other and answers each."""

    ids = itertools.count(1)

    def __init__(self, sock: socket.socket, peer: tuple, handle: Callable[["Request"], None]):
        self.sock, self.handle = sock, handle
        self.peer = f"{peer[0]}:{peer[1]}"
        self.peer_address = peer[0]
        self.id = next(self.ids)
        self.buffer = b""
        self.served = 0
        self.keep = True

    def read_some(self, n: int) -> bytes:
        if self.buffer:
            data, self.buffer = self.buffer[:n], self.buffer[n:]
            return data
        data = self.sock.recv(n)
        if not data:
            raise Gone()
        return data

    def _read_until(self, end: bytes, limit: int) -> bytes:
        while (at := self.buffer.find(end)) < 0:
            if len(self.buffer) > limit:
                raise Malformed("head too long")
            data = self.sock.recv(64 << 10)
            if not data:
                raise Gone()
            self.buffer += data
        out, self.buffer = self.buffer[:at], self.buffer[at + len(end):]
        return out

    def read_line(self) -> bytes:
        return self._read_until(b"\r\n", HEAD_LIMIT)

    def read_request(self) -> Request:
        while self.buffer.startswith(b"\r\n"):
            self.buffer = self.buffer[2:]
        lines = self._read_until(b"\r\n\r\n", HEAD_LIMIT).split(b"\r\n")
        begun = time.monotonic()
        parts = lines[0].split(b" ")
        if len(parts) != 3 or parts[2] not in (b"HTTP/1.1", b"HTTP/1.0"):
            raise Malformed("bad request line")
        if not parts[1].startswith(b"/") or not all(0x21 <= c < 0x7F for c in parts[1]):
            raise Malformed("bad request target")
        headers = []
        for line in lines[1:]:
            name, colon, value = line.partition(b":")
            if not colon or not name or name != name.strip() or line[:1] in b" \t":
                raise Malformed("bad header")
            headers.append((name.decode("latin-1"), value.decode("latin-1")))
        self.served += 1
        target = parts[1].decode("ascii")
        path, _, query = target.partition("?")
        request = Request(lines[0], parts[0].decode("latin-1"), target, path, query, headers,
                          Body(self, None, False, False), self, self.served, begun)
        if len(request.header_all("host")) != 1:
            raise Malformed("exactly one Host is wanted")
        lengths = set(v.strip() for v in request.header_all("content-length"))
        coding = (request.header("transfer-encoding") or "").strip().lower()
        if len(lengths) > 1 or (lengths and coding) or coding not in ("", "chunked"):
            raise Malformed("unclear length of the body")
        length = lengths.pop() if lengths else "0"
        if not length.isascii() or not length.isdigit():
            raise Malformed("bad Content-Length")
        expect = "100-continue" in (request.header("expect") or "").lower()
        request.body = Body(self, int(length), coding == "chunked", expect)
        self.keep = parts[2] == b"HTTP/1.1" and not request.wants_close
        return request

    def send(self, answer: Answer, head_only: bool = False, spoil: Spoil = Spoil()) -> int:
        """How many bytes of the body went out. Hang: by request."""
        if spoil.lose:
            raise Hang(spoil.reset)
        whole = isinstance(answer.body, bytes)
        length = answer.length if answer.length is not None else len(answer.body) if whole else None
        lines = [f"HTTP/1.1 {answer.status} {REASONS.get(answer.status, 'Status')}"]
        lines += [f"{n}: {v}" for n, v in answer.headers]
        if answer.status not in (204, 304):
            lines.append(f"Content-Length: {length or 0}")
        if not self.keep:
            lines.append("Connection: close")
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
        if head_only or answer.status in (204, 304) or not length:
            self.sock.sendall(head)
            return 0
        if whole and spoil.cut_after is None and not spoil.bytes_per_s:
            self.sock.sendall(head + answer.body)
            return len(answer.body)
        self.sock.sendall(head)
        sent = 0
        for piece in ([answer.body] if whole else answer.body):
            sent += self._send_piece(piece, sent, spoil)
        return sent

    def _send_piece(self, piece: bytes, sent: int, spoil: Spoil) -> int:
        if spoil.cut_after is not None and sent + len(piece) > spoil.cut_after:
            self.sock.sendall(piece[: max(0, spoil.cut_after - sent)])
            raise Hang(spoil.reset)
        if not spoil.bytes_per_s:
            self.sock.sendall(piece)
            return len(piece)
        step = max(1, int(spoil.bytes_per_s / 20))
        for at in range(0, len(piece), step):
            self.sock.sendall(piece[at: at + step])
            time.sleep(step / spoil.bytes_per_s)
        return len(piece)

    def close(self, reset: bool = False) -> None:
        try:
            if reset:
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            else:
                self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        self.sock.close()

    def serve(self) -> None:
        reset = False
        try:
            while self.keep:
                self.handle(self.read_request())
        except Malformed as e:
            self.keep = False
            body = f"400: {e}\n".encode()
            try:
                self.send(Answer(400, [("Content-Type", "text/plain")], body))
            except OSError:
                pass
        except Hang as e:
            reset = e.reset
        except (Gone, OSError):
            pass
        finally:
            self.close(reset)


class Listener:
    """Accepts, one thread a connection."""

    def __init__(self, address: str, port: int, handle: Callable[[Request], None]):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.bind((address, port))
        self.sock.listen(1024)
        self.port = self.sock.getsockname()[1]
        self.handle = handle
        self.idle_s: Callable[[], float] = lambda: 60.0

    def run(self) -> None:
        while True:
            try:
                sock, peer = self.sock.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(self.idle_s())
            conn = Connection(sock, peer, self.handle)
            threading.Thread(target=conn.serve, daemon=True).start()

    def close(self) -> None:
        self.sock.close()
