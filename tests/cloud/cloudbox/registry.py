"""A registry for the box: Debian's docker-registry with TLS, and in front of it a token server as docker.io has one.
What it is asked for is in DIR/registry.log. Repositories by their first part: `public/` anybody may pull, `private/`
who logs in as USER, `denied/` nobody. As a command:

    keys DIR ADDRESS                            makes DIR/registry with its keys
    serve DIR ADDRESS                           both servers; "ready" on stdout when they answer
    push DIR ADDRESS ARCHIVE NAME[:TAG] [ARCH]  an image out of a docker-archive, which says it is for ARCH; prints its digest
    corrupt DIR ADDRESS DIGEST                  other bytes lie under it from now on"""
import base64
import datetime
import gzip
import hashlib
import http.server
import ipaddress
import json
import os
import pathlib
import ssl
import subprocess
import sys
import tarfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

PORT, TOKEN_PORT = 5000, 5001
USER, PASSWORD = "reader", "box-pass/word+1"
SERVICE, ISSUER = "box registry", "box tokens"
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = """\
version: 0.1
log: {{level: info, accesslog: {{disabled: false}}}}
storage: {{filesystem: {{rootdirectory: {store}}}, delete: {{enabled: true}}}}
http: {{addr: '{address}:{port}', secret: box, tls: {{certificate: {keys}/server.crt, key: {keys}/server.key}}}}
auth: {{token: {{realm: 'https://{address}:{token_port}/token', service: '{service}', issuer: '{issuer}',
  rootcertbundle: {keys}/server.crt}}}}
"""


def make_keys(dir, address):
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    keys = dir / "registry"
    keys.mkdir(parents=True, exist_ok=True)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "box registry")])
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    cert = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=30))
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
            .sign(key, hashes.SHA256()))
    (keys / "server.crt").write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    (keys / "server.key").write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()))
    os.chmod(keys / "server.key", 0o600)


def _b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(dir, access):
    """What the registry takes for a right to `access`."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import padding

    keys = dir / "registry"
    key = serialization.load_pem_private_key((keys / "server.key").read_bytes(), None)
    der = x509.load_pem_x509_certificate((keys / "server.crt").read_bytes()).public_bytes(serialization.Encoding.DER)
    now = int(time.time())
    head = {"typ": "JWT", "alg": "RS256", "x5c": [base64.b64encode(der).decode()]}
    body = {"iss": ISSUER, "sub": "", "aud": SERVICE, "exp": now + 300, "nbf": now - 60, "iat": now,
            "jti": uuid.uuid4().hex, "access": access}
    signed = _b64(json.dumps(head).encode()) + "." + _b64(json.dumps(body).encode())
    return signed + "." + _b64(key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))


def _handler(dir):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self, status, body):
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def user(self):
            scheme, _, value = self.headers.get("Authorization", "").partition(" ")
            return base64.b64decode(value).decode() if scheme == "Basic" else None

        def do_GET(self):
            url = urllib.parse.urlsplit(self.path)
            query = urllib.parse.parse_qs(url.query)
            user = self.user()
            if url.path != "/token" or query.get("service") != [SERVICE]:
                return self.answer(400, {"details": "which service?"})
            if user is not None and user != f"{USER}:{PASSWORD}":
                return self.answer(401, {"details": "incorrect username or password"})
            access = []
            for scope in query.get("scope", []):
                kind, name, actions = scope.split(":")
                if kind == "repository" and "pull" in actions and (
                        name.startswith("public/") or (name.startswith("private/") and user)):
                    access.append({"type": kind, "name": name, "actions": ["pull"]})
            self.answer(200, {"token": token(dir, access), "expires_in": 300})

        def log_message(self, text, *args):
            with open(dir / "tokens.log", "a") as f:
                f.write(f"{self.client_address[0]} {text % args}\n")

    return Handler


def serve(dir, address):
    keys, ca = dir / "registry", ssl.create_default_context()
    (keys / "config.yml").write_text(CONFIG.format(
        store=keys / "store", address=address, port=PORT, keys=keys, token_port=TOKEN_PORT, service=SERVICE,
        issuer=ISSUER))
    with open(dir / "registry.log", "ab") as log:
        registry = subprocess.Popen(["docker-registry", "serve", str(keys / "config.yml")], stdin=subprocess.DEVNULL,
                                    stdout=log, stderr=log, env=dict(os.environ, OTEL_TRACES_EXPORTER="none"))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(keys / "server.crt", keys / "server.key")
    server = http.server.ThreadingHTTPServer((address, TOKEN_PORT), _handler(dir))
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    ca.load_verify_locations(keys / "server.crt")
    for _ in range(600):
        try:
            urllib.request.urlopen(f"https://{address}:{PORT}/v2/", context=ca, timeout=5)
        except urllib.error.HTTPError:
            print("ready", flush=True)
            break
        except OSError:
            if registry.poll() is not None:
                break
            time.sleep(0.05)
    return registry.wait()


class Pusher:
    def __init__(self, dir, address, repository):
        self.base = f"https://{address}:{PORT}/v2/{repository}"
        self.ca = ssl.create_default_context(cafile=dir / "registry" / "server.crt")
        self.token = token(dir, [{"type": "repository", "name": repository, "actions": ["pull", "push"]}])

    def ask(self, method, url, data=None, kind="application/octet-stream"):
        request = urllib.request.Request(url, data=data, method=method, headers={
            "Authorization": f"Bearer {self.token}", "Content-Type": kind})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}),
                                             urllib.request.HTTPSHandler(context=self.ca))
        return opener.open(request, timeout=60)

    def blob(self, data):
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        place = self.ask("POST", self.base + "/blobs/uploads/", b"").headers["Location"]
        self.ask("PUT", place + ("&" if "?" in place else "?") + "digest=" + digest, data)
        return {"size": len(data), "digest": digest}

    def manifest(self, tag, manifest):
        data = json.dumps(manifest).encode()
        self.ask("PUT", f"{self.base}/manifests/{tag}", data, manifest["mediaType"])
        return "sha256:" + hashlib.sha256(data).hexdigest()


def push(dir, address, archive, name, arch=None):
    repository, _, tag = name.partition(":")
    to = Pusher(dir, address, repository)
    with tarfile.open(archive) as tar:
        files = {os.path.normpath(m.name): tar.extractfile(m).read() for m in tar if m.isfile()}
    image = json.loads(files["manifest.json"])[0]
    config = json.loads(files[image["Config"]])
    layers = [files[name] for name in image["Layers"]]
    if arch:
        config["architecture"] = arch
    kind = "application/vnd.docker.image.rootfs.diff.tar.gzip"
    return to.manifest(tag or "latest", {
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": {"mediaType": "application/vnd.docker.container.image.v1+json",
                   **to.blob(json.dumps(config).encode())},
        "layers": [{"mediaType": kind, **to.blob(gzip.compress(layer, 6, mtime=0))} for layer in layers]})


def corrupt(dir, digest):
    digest = digest.removeprefix("sha256:")
    path = dir / f"registry/store/docker/registry/v2/blobs/sha256/{digest[:2]}/{digest}/data"
    path.write_bytes(path.read_bytes().replace(b"schemaVersion", b"schemaversion", 1))


def main():
    word, dir, address, *rest = sys.argv[1:]
    dir = pathlib.Path(dir)
    if word == "keys":
        make_keys(dir, address)
    elif word == "serve":
        sys.exit(serve(dir, address))
    elif word == "push":
        print(push(dir, address, *rest))
    elif word == "corrupt":
        corrupt(dir, *rest)


if __name__ == "__main__":
    main()
