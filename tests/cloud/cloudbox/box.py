"""The box: each request through signature, rights, rates and faults to its service, and into the log."""

from __future__ import annotations

import hashlib
import pathlib
import re
import threading
import time
import traceback
from email.utils import formatdate
from typing import Any, Callable
from urllib.parse import unquote

from . import control, iam, permissions, s3, services
from .ec2 import EC2
from .ec2_launch import MotoRefused
from .errors import Refusal, denied, protocol_of, render, throttled
from .faults import Fault, Faults
from .ledger import Ledger, Timers
from .log import Log
from .moto import Moto, MotoFailed
from .pricing import Pricing
from .query import Params
from .settings import Rates, Settings
from .sigv4 import Identity, Key, Keys, Verifier, query_pairs
from .wire import Answer, Gone, Hang, Malformed, Request, Spoil

READS = ("Describe", "Get", "List", "Head", "Lookup", "Decode")


class Call:
    """One request on its way: what the log will say of it."""

    def __init__(self, request: Request):
        self.request = request
        self.service, self.action, self.region, self.protocol = "", "", "", "s3"
        self.params: dict[str, str] = {}
        self.query: Params = Params([])
        self.body = b""  # of all but S3
        self.key_id = ""
        self.code = ""
        self.detail = ""
        self.dry = False
        self.moto_gap = False
        self.passed = False  # to its service
        self.fault: Fault | None = None
        self.spoil = Spoil()

    def learn(self) -> None:
        """Which service and action it means, from the scope of the signature and the words of the request."""
        r = self.request
        scope = r.header("authorization") or dict(query_pairs(r.query)).get("X-Amz-Credential", "")
        parts = unquote(scope).partition("Credential=")[2].split(",")[0] if "Credential=" in scope else unquote(scope)
        words = parts.rsplit("/", 4)
        if len(words) == 5:
            self.key_id, _, self.region, self.service = words[0], words[1], words[2], words[3]
        target = r.header("x-amz-target")
        form = (r.header("content-type") or "").startswith("application/x-www-form-urlencoded") and r.method == "POST"
        if target or form or self.service not in ("s3", ""):
            self.body = r.body.all(16 << 20)
        if target:
            self.service = self.service or target.split(".")[0].lower()
            self.action = target.rpartition(".")[2]
            self.params = {"body": self.body.decode("utf-8", "replace")}
        elif form or self.service not in ("s3", ""):
            text = self.body.decode("latin-1") if r.method == "POST" else r.query
            self.query = Params.parse(text)
            self.action, self.params = self.query.get("Action"), self._logged(self.query)
            meant = services.expected_service(self.query.get("Version"))
            self.service = self.service or meant or "s3"
            if not self.key_id and meant:
                self.service = meant
            self.dry = self.query.true("DryRun")
        if self.service in ("s3", ""):
            self.service, self.action = "s3", s3.action_of(r)
            bucket, key = s3.place(r)
            self.params = {"bucket": bucket, "key": unquote(key)} | {
                unquote(n): unquote(v) for n, v in query_pairs(r.query)} | {
                n.lower(): v.strip() for n, v in r.headers if n.lower().startswith(("if-", "x-amz-", "range", "content-"))}
            self.params.pop("X-Amz-Signature", None)
        self.protocol = protocol_of(self.service, target)

    @staticmethod
    def _logged(p: Params) -> dict[str, str]:
        out = {n: v for n, v in p.pairs if n not in ("Action", "Version")}
        if len(out.get("UserData", "")) > 64:
            text = out["UserData"]
            out["UserData"] = f"{len(text)} characters, sha256 {hashlib.sha256(text.encode()).hexdigest()}"
        return out

    @property
    def mutating(self) -> bool:
        return not self.dry and not self.action.startswith(READS) and self.action not in (
            "AssumeRole", "AssumeRoleWithWebIdentity")


class Box:
    def __init__(self, folder: pathlib.Path, region: str, key: Key):
        self.folder, self.region = folder, region
        folder.mkdir(parents=True, exist_ok=True)
        self.settings, self.faults, self.timers = Settings(), Faults(), Timers()
        self.rates = Rates(self.settings)
        self.log = Log(folder / "requests.jsonl")
        self.keys = Keys()
        self.keys.add(key)
        self.root_key = key
        self.ledger = Ledger(self.settings.now)
        self.moto = Moto(folder / "moto.log")
        self.ec2 = EC2(self.moto, self.ledger, self.settings, self.timers)
        self.s3 = s3.S3(self.moto, self.settings, region)
        self.pricing = Pricing(self.ec2.catalog, self.settings)
        self.services = services.Services(self.moto, self.keys, self.settings, self.pricing)
        self.verifier = Verifier(self.keys, self.settings.now)
        self.control = control.Control(self)
        self.hosts: Any = None
        self._hosts_lock = threading.Lock()

    def warm(self) -> None:
        """What the first calls would wait for, while nobody waits yet."""
        steps: list[Callable[[], Any]] = [
            lambda: self.ec2.places.prepare(self.region), lambda: self.ec2.catalog.preload(self.region),
            lambda: self.pricing.preload(self.region),
            lambda: self.moto.query("sts", self.region, "AKIABOX", [("Action", "GetCallerIdentity"),
                                                                    ("Version", "2011-06-15")])]
        for step in steps:
            try:
                step()
            except Exception:  # the first call will say so
                traceback.print_exc()

    def use_hosts(self, hosts: Any) -> None:
        """Instances boot from now on."""
        self.hosts = hosts
        self.ledger.on_running = lambda i: self._hosts_call("boot", i.id, i.for_host())
        self.ledger.on_ending = lambda i: self._hosts_call("end", i.id, i.id)
        self.ec2.notice = lambda instance_id, t: self._hosts_call("notice", instance_id, instance_id, t)
        if hasattr(hosts, "console"):
            self.ec2.console = hosts.console

    def _hosts_call(self, name: str, instance_id: str, *args: Any) -> None:
        def run() -> None:
            try:
                getattr(self.hosts, name)(*args)
            except Exception as e:
                traceback.print_exc()
                if name == "boot":
                    self.ec2.failed_to_boot(instance_id, f"the box could not boot it: {e}")

        threading.Thread(target=run, daemon=True, name=f"{name} {instance_id}").start()

    def close(self) -> None:
        if self.hosts is not None:
            self.hosts.close()
        self.moto.stop()
        self.log.close()

    # A request.

    def handle(self, request: Request) -> None:
        """Answers one; raises Hang, Gone, Malformed when the connection is to be closed."""
        if request.path.startswith("/-box/") or request.path in control.PATHS:
            request.conn.send(self.control.answer(request))
            return
        call = Call(request)
        number = self.log.begin()
        sent, status = 0, 0
        try:
            answer = self._answer(call)
            status = answer.status
            self._finish(request, answer)
            sent = request.conn.send(answer, request.method == "HEAD", call.spoil)
        except (Hang, Gone, Malformed, OSError) as e:
            call.code = call.code or type(e).__name__
            raise
        finally:
            self._record(number, call, status, sent)

    def _finish(self, request: Request, answer: Answer) -> None:
        """Date, and whether the connection lives on."""
        answer.replace("Date", formatdate(self.settings.now(), usegmt=True))
        if self.settings.latency_s:
            time.sleep(self.settings.latency_s)
        most = self.settings.requests_per_connection
        if most and request.number >= most:
            request.conn.keep = False
        if not request.body.done:
            if request.body.expect or request.body.left > 1 << 20:
                request.conn.keep = False
            else:
                request.body.drain()

    def _answer(self, call: Call) -> Answer:
        try:
            call.learn()
            who = self._identify(call)
            answer = self._allowed(call, who)
        except Refusal as e:
            call.code, call.detail = e.code, e.fields.get("CanonicalRequest", "")
            answer = render(call.protocol, e)
        except MotoRefused as e:
            answer = e.answer
        except MotoFailed as e:
            call.code, call.moto_gap, call.detail = "MotoFailed", True, str(e)
            answer = render(call.protocol, Refusal(500, "InternalError", f"The box: {e}"))
        except (Hang, Gone, Malformed, OSError):
            raise
        except Exception as e:
            traceback.print_exc()
            call.code, call.moto_gap, call.detail = "BoxFailed", True, repr(e)
            answer = render(call.protocol, Refusal(500, "InternalError", f"The box failed: {e!r}"))
        if answer.status >= 400 and not call.code:
            self._judge(call, answer)
        if call.fault:
            call.spoil = call.fault.after()
        return answer

    def _identify(self, call: Call) -> Identity | None:
        """None: a call that wants no signature."""
        unsigned = call.request.header("authorization") is None and "X-Amz-Signature" not in call.request.query
        if unsigned and call.action in services.UNSIGNED and call.service == "sts":
            return None
        who = self.verifier.check(call.request, call.protocol, lambda: hashlib.sha256(call.body).hexdigest())
        meant = services.expected_service(call.query.get("Version"))
        if meant and meant != who.service:
            raise Refusal(403, "SignatureDoesNotMatch", f"Credential should be scoped to correct service: '{meant}'. ")
        return who

    def _allowed(self, call: Call, who: Identity | None) -> Answer:
        if not self.rates.take(call.service, call.action):
            raise throttled(call.protocol)
        r = call.request
        call.fault = self.faults.find(call.service, call.action, call.region, r.method, r.target, call.params)
        if call.fault:
            if "lose_request" in call.fault.spec or "stall" in call.fault.spec:
                r.body.drain()
            instead = call.fault.before(call.protocol)
            if instead is not None:
                return instead
        for permission in permissions.needed(call.service, call.action, call.params) if who else []:
            if self.settings.denies(permission):
                assert who
                raise denied(call.protocol, permission, who.key.arn,
                             permissions.resource(permission, who.region, who.key.arn.split(":")[4]))
        if who and self.settings.policy:
            self._hold_to_policy(call, who)
        call.passed = True
        if call.protocol == "s3":
            assert who
            return self.s3.call(r, who, call.action)
        region, key_id = (who.region, who.key.id) if who else ("us-east-1", "AKIABOX")
        if call.protocol == "ec2":
            dies = call.fault.spec.get("pending_dies") if call.fault else None
            return self.ec2.call(region, key_id, call.action, call.query, dies)
        if call.protocol == "json":
            return self.services.json(r, call.service, region, key_id, r.header("x-amz-target") or "", call.body)
        return self.services.query(call.service, region, key_id, call.action, call.query)

    def _hold_to_policy(self, call: Call, who: Identity) -> None:
        """Refusal: no statement allows it."""
        account = who.key.arn.split(":")[4]
        resources = iam.Resources(self.ledger, self.moto, account)
        asks = resources.asks(call.service, who.region, call.action, call.query, call.params, call.body)
        ask = iam.refused(self.settings.policy, asks)
        if ask:
            raise denied(call.protocol, ask.action, who.key.arn, ask.arn)

    @staticmethod
    def _judge(call: Call, answer: Answer) -> None:
        """The code of moto's refusal; a page of HTML is a gap in moto."""
        body = answer.body if isinstance(answer.body, bytes) else b""
        if body[:200].lstrip().lower().startswith((b"<!doctype", b"<html")):
            call.moto_gap, call.code = call.passed, "HTML"
        elif m := re.search(rb"<Code>([^<]*)<", body) or re.search(rb'"__type":\s*"(?:[^"#]*#)?([^"]*)"', body):
            call.code = m[1].decode()

    def _record(self, number: int, call: Call, status: int, sent: int) -> None:
        r = call.request
        entry: dict[str, Any] = {
            "at": self.log.since_start(r.begun), "wall": round(time.time(), 3), "service": call.service,
            "action": call.action, "method": r.method, "target": r.target, "region": call.region, "params": call.params,
            "status": status, "code": call.code, "mutating": call.mutating, "passed": call.passed, "dry": call.dry,
            "peer": r.conn.peer, "connection": r.conn.id, "nth_on_connection": r.number, "key": call.key_id,
            "ms": round((time.monotonic() - r.begun) * 1000, 3), "bytes_in": r.body.read_bytes, "bytes_out": sent,
            "user_agent": r.header("user-agent") or "", "moto_gap": call.moto_gap}
        if call.fault:
            entry["fault"] = call.fault.number
        if call.detail:
            entry["detail"] = call.detail
        self.log.add(number, entry)
