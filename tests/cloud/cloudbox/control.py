"""The box's own API, under /-box/, unsigned:

  GET    /-box/ledger      every instance ever launched                GET    /-box/log[?since=N&action=GLOB&…]
  GET    /-box/settings                                                POST   /-box/settings   {name: value}
  GET    /-box/faults      the rules and how often they applied        POST   /-box/faults     a rule or a list of them
  DELETE /-box/faults                                                  POST   /-box/interrupt  {"id", "notice_s"}
  GET    /-box/keys        the access keys that are honoured           POST   /-box/poweroff   {"id"}
  GET    /-box/ready       waits until the first calls will be quick   GET    /-box/rules?group=ID  a group's ingress
  GET    /-box/ip, /checkip   the caller's address, as text            GET    /spot-advisor-data.json  AWS's public file"""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from .errors import Refusal
from .wire import Answer, Request

if TYPE_CHECKING:
    from .box import Box


PATHS = ("/checkip", "/spot-advisor-data.json")


class Control:
    def __init__(self, box: "Box"):
        self.box = box

    def answer(self, request: Request) -> Answer:
        if request.path in ("/checkip", "/-box/ip"):
            return Answer(200, [("Content-Type", "text/plain")], f"{request.conn.peer_address}\n".encode())
        if request.path == "/spot-advisor-data.json":
            return self.box.pricing.advisor()
        name = f"{request.method.lower()}_{request.path[6:]}"
        handler = getattr(self, name, None)
        if handler is None:
            return _json(404, {"error": f"the box has no {request.method} {request.path}"})
        try:
            body = request.body.all()
            return _json(200, handler(json.loads(body) if body else None, dict(parse_qsl(request.query))))
        except (ValueError, KeyError, TypeError, Refusal) as e:
            return _json(400, {"error": str(e)})

    def get_ledger(self, body: Any, query: dict[str, str]) -> Any:
        return self.box.ledger.state()

    def get_log(self, body: Any, query: dict[str, str]) -> Any:
        return self.box.log.find(int(query.pop("since", 0)), **query)

    def get_settings(self, body: Any, query: dict[str, str]) -> Any:
        return dataclasses.asdict(self.box.settings)

    def post_settings(self, body: Any, query: dict[str, str]) -> Any:
        self.box.settings.update(body)
        return self.get_settings(None, {})

    def get_faults(self, body: Any, query: dict[str, str]) -> Any:
        return self.box.faults.state()

    def post_faults(self, body: Any, query: dict[str, str]) -> Any:
        return self.box.faults.add(body if isinstance(body, list) else [body])

    def delete_faults(self, body: Any, query: dict[str, str]) -> Any:
        self.box.faults.clear()
        return []

    def post_interrupt(self, body: Any, query: dict[str, str]) -> Any:
        self.box.ec2.interrupt(body["id"], float(body.get("notice_s", 120)))
        return {}

    def post_poweroff(self, body: Any, query: dict[str, str]) -> Any:
        self.box.ec2.powered_off(body["id"], body.get("reason", ""))
        return {}

    def get_keys(self, body: Any, query: dict[str, str]) -> Any:
        return [{"id": k.id, "expires": k.expires, "arn": k.arn} for k in self.box.keys.all()]

    def get_ready(self, body: Any, query: dict[str, str]) -> Any:
        self.box.ec2.places.prepare(self.box.region)
        return {"ready": True}

    def get_rules(self, body: Any, query: dict[str, str]) -> Any:
        return self.box.ec2.rules(query.get("region", self.box.region), query["group"])


def _json(status: int, value: Any) -> Answer:
    return Answer(status, [("Content-Type", "application/json")], json.dumps(value).encode() + b"\n")
