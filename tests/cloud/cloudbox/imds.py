"""The instance metadata service of the box: IMDSv2 at 169.254.169.254 on the hosts' bridge. Who asks is told by the
address that it asks from, as the hosts have theirs from us."""
import http.server
import json
import secrets
import socketserver
import threading
import time

ADDRESS = "169.254.169.254"
TOKEN_TTL = "X-aws-ec2-metadata-token-ttl-seconds"
TOKEN = "X-aws-ec2-metadata-token"


def _tree(instance, notice):
    """Paths below /latest/ and their text, for one instance."""
    zone = instance["zone"]
    meta = {
        "ami-id": instance["image"],
        "ami-launch-index": str(instance.get("launch_index") or 0),
        "hostname": instance["hostname"],
        "instance-id": instance["id"],
        "instance-life-cycle": "spot" if instance.get("spot") else "on-demand",
        "instance-type": instance["type"],
        "local-hostname": instance["hostname"],
        "local-ipv4": instance["private_ip"],
        "mac": instance["mac"],
        "placement/availability-zone": zone,
        "placement/region": instance["region"],
        "services/domain": "amazonaws.com",
        "services/partition": "aws",
    }
    for key, value in (instance.get("tags") or {}).items():
        meta[f"tags/instance/{key}"] = value
    if notice:
        meta["spot/instance-action"] = json.dumps({"action": "terminate", "time": notice})
        meta["spot/termination-time"] = notice
    tree = {"meta-data/" + k: v.encode() for k, v in meta.items()}
    if instance.get("user_data"):
        tree["user-data"] = instance["user_data"]
    tree["dynamic/instance-identity/document"] = json.dumps({
        "architecture": "x86_64", "availabilityZone": zone, "imageId": instance["image"],
        "instanceId": instance["id"], "instanceType": instance["type"], "privateIp": instance["private_ip"],
        "region": instance["region"], "version": "2017-09-30"}).encode()
    return tree


def _list(tree, folder):
    """A folder's names, one a line, folders with a slash; None where there is no such folder."""
    names = []
    for path in sorted(tree):
        if path.startswith(folder):
            name, slash, _ = path[len(folder):].partition("/")
            if name + slash not in names:
                names.append(name + slash)
    return "\n".join(names).encode() if names else None


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "EC2ws", ""

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_PUT(self):
        ttl = self.headers.get(TOKEN_TTL, "")
        if self.path != "/latest/api/token":
            self.answer(404)
        elif self.headers.get("X-Forwarded-For"):
            self.answer(403)
        elif not ttl.isdigit() or not 1 <= int(ttl) <= 21600:
            self.answer(400)
        else:
            token = self.server.imds.new_token(self.client_address[0], int(ttl))
            self.answer(200, token.encode(), [(TOKEN_TTL, ttl)])

    def do_GET(self):
        imds, peer = self.server.imds, self.client_address[0]
        (instance, notice) = imds.who(peer)
        if instance is None:
            self.answer(404)
        elif not imds.allows(peer, self.headers.get(TOKEN)):
            self.answer(401)
        else:
            self.send_item(_tree(instance, notice))

    do_HEAD = do_GET

    def send_item(self, tree):
        path = self.path.partition("?")[0]
        head, _, path = path.lstrip("/").partition("/")
        body = tree.get(path)
        if head not in ("latest", "2021-03-23", "2009-04-04"):
            body = None
        elif body is None:
            body = _list(tree, path if not path or path.endswith("/") else path + "/")
        self.answer(404 if body is None else 200, body or b"")


class _Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128


class Imds:
    """who(address) -> (instance, time of its notice), or (None, None)."""

    def __init__(self, who, address=ADDRESS, port=80):
        self.who = who
        self._tokens, self._lock = {}, threading.Lock()
        self._server = _Server((address, port), _Handler)
        self._server.imds = self
        threading.Thread(target=self._server.serve_forever, name="imds", daemon=True).start()

    def new_token(self, peer, ttl):
        token = secrets.token_urlsafe(40)
        with self._lock:
            self._tokens[token] = (peer, time.monotonic() + ttl)
        return token

    def allows(self, peer, token):
        with self._lock:
            owner, until = self._tokens.get(token, (None, 0))
        return owner == peer and time.monotonic() < until

    def close(self):
        self._server.shutdown()
        self._server.server_close()
