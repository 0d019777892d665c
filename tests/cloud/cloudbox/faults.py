"""Faults by rule: which requests, which of them, and what happens to them.

A rule is a JSON object. It matches a request when all that it names matches:
  service, action   names, with * and ?          method, region    exact
  path              regex, searched in the raw target
  params            {name: regex} of the log's params
and applies to the matching ones number `nth` (a number or a list, from 1), else to the first `count` of them
(1 unless told; 0: all) after `skip`. Then it does, in this order, each of
  delay             seconds before anything else
  lose_request      true: the connection is closed and nothing passed on ("reset": with RST)
  stall             seconds without an answer, then closed; nothing passed on
  error             {"status", "code", "message"} in the service's own shape, nothing passed on
  throttle          true: the service's own way of saying it
  raw               {"status", "type", "body"}: any answer, nothing passed on
  ok_error          {"code", "message", "blanks"}: 200 with an error as its body, nothing passed on
  lose_reply        true: passed on, then the connection is closed ("reset": with RST)
  delay_reply       seconds between the work and the answer
  cut_body          bytes of the answer's body, then the connection is closed
  slow_body         bytes a second of the answer's body
  pending_dies      {"code", "message", "after"}: the instances of this RunInstances die while pending
The first rule that applies is the one."""

from __future__ import annotations

import fnmatch
import re
import threading
import time
from typing import Any

from .errors import Refusal, render, throttled
from .wire import Answer, Hang, Spoil

MATCH = {"service", "action", "region", "method", "path", "params", "nth", "count", "skip", "name"}
EFFECTS = {"delay", "lose_request", "stall", "error", "throttle", "raw", "ok_error", "lose_reply", "delay_reply",
           "cut_body", "slow_body", "pending_dies"}


class Rule:
    def __init__(self, spec: dict[str, Any], number: int):
        unknown = set(spec) - MATCH - EFFECTS
        if unknown:
            raise ValueError(f"unknown words in a rule: {', '.join(sorted(unknown))}")
        if not set(spec) & EFFECTS:
            raise ValueError(f"a rule needs an effect, one of {', '.join(sorted(EFFECTS))}")
        self.spec, self.number = spec, number
        nth = spec.get("nth")
        self.nth = None if nth is None else [nth] if isinstance(nth, int) else list(nth)
        self.count = spec.get("count", 1)
        self.skip = spec.get("skip", 0)
        self.path = re.compile(spec["path"]) if "path" in spec else None
        self.params = {n: re.compile(r) for n, r in spec.get("params", {}).items()}
        self.matched = 0
        self.applied = 0

    def _matches(self, service: str, action: str, region: str, method: str, target: str,
                 params: dict[str, str]) -> bool:
        s = self.spec
        return (fnmatch.fnmatchcase(service, s.get("service", "*"))
                and fnmatch.fnmatchcase(action, s.get("action", "*"))
                and s.get("region", region) == region
                and s.get("method", method) == method
                and (self.path is None or self.path.search(target) is not None)
                and all(n in params and r.search(params[n]) for n, r in self.params.items()))

    def take(self, service: str, action: str, region: str, method: str, target: str, params: dict[str, str]) -> bool:
        if not self._matches(service, action, region, method, target, params):
            return False
        self.matched += 1
        if self.nth is not None:
            due = self.matched in self.nth
        else:
            due = self.matched > self.skip and (self.count == 0 or self.applied < self.count)
        self.applied += due
        return due


class Faults:
    def __init__(self) -> None:
        self._rules: list[Rule] = []
        self._lock = threading.Lock()
        self._number = 0

    def add(self, specs: list[dict[str, Any]]) -> list[int]:
        with self._lock:
            rules = [Rule(s, self._number + i + 1) for i, s in enumerate(specs)]
            self._number += len(rules)
            self._rules += rules
            return [r.number for r in rules]

    def clear(self) -> None:
        with self._lock:
            self._rules = []

    def state(self) -> list[dict[str, Any]]:
        with self._lock:
            return [{"number": r.number, "rule": r.spec, "matched": r.matched, "applied": r.applied}
                    for r in self._rules]

    def find(self, service: str, action: str, region: str, method: str, target: str,
             params: dict[str, str]) -> "Fault | None":
        with self._lock:
            for rule in self._rules:
                if rule.take(service, action, region, method, target, params):
                    return Fault(rule.spec, rule.number)
        return None


class Fault:
    """A rule, as it applies to one request."""

    def __init__(self, spec: dict[str, Any], number: int):
        self.spec, self.number = spec, number

    @property
    def reset(self) -> bool:
        return "reset" in (self.spec.get("lose_request"), self.spec.get("lose_reply"))

    def before(self, protocol: str) -> Answer | None:
        """The answer instead of the real one, if any. Hang, Refusal."""
        s = self.spec
        if "delay" in s:
            time.sleep(s["delay"])
        if s.get("lose_request"):
            raise Hang(self.reset)
        if "stall" in s:
            time.sleep(s["stall"])
            raise Hang()
        if "error" in s:
            e = s["error"]
            raise Refusal(e.get("status", 500), e["code"], e.get("message", "by rule"), headers=list(
                (e.get("headers") or {}).items()))
        if s.get("throttle"):
            raise throttled(protocol)
        if "raw" in s:
            r = s["raw"]
            return Answer(r.get("status", 500), [("Content-Type", r.get("type", "text/html"))],
                          r.get("body", "").encode())
        if "ok_error" in s:
            e = s["ok_error"]
            body = render(protocol, Refusal(200, e.get("code", "InternalError"), e.get(
                "message", "We encountered an internal error. Please try again."))).body
            assert isinstance(body, bytes)
            return Answer(200, [("Content-Type", "application/xml")], b" " * e.get("blanks", 0) + body)
        return None

    def after(self) -> Spoil:
        s = self.spec
        if "delay_reply" in s:
            time.sleep(s["delay_reply"])
        return Spoil(s.get("cut_body"), s.get("slow_body"), bool(s.get("lose_reply")), self.reset)
