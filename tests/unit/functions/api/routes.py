"""Every route of the OpenAPI document with a request that is valid in a prepared town."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from functions.api.openapi import openapi
from tests.unit.functions.api.town import Told, Town, Who, filled

BODIES: dict[str, dict[str, Any]] = {
    "PUT /v1/scanners/{scanner_id}": {"lat": 37.48, "lon": 126.95},
    "PUT /v1/devices/{phone_id}": {"platform": "android", "push_token": "token-0001"},
    "POST /v1/outings": {"members": [{"child_id": "c-2"}]},
    "POST /v1/outings/{outing_id}/answers": {"child_id": "c-1", "answer": "with-me"},
    "POST /v1/outings/{outing_id}/end": {"answers": []},
    "POST /v1/cases": {"child_id": "c-1"},
    "POST /v1/cases/{case_id}/cameras/{camera_id}": {"mark": "watching"},
    "POST /v1/cases/{case_id}/acknowledge": {},
    "POST /v1/cases/{case_id}/hand-on": {"to": "operator-2"},
    "POST /v1/cases/{case_id}/escalate": {},
    "POST /v1/cases/{case_id}/evidence": {
        "kind": "seen",
        "lat": 37.48,
        "lon": 126.95,
        "radius_m": 20,
        "source": "cam-1",
    },
    "POST /v1/cases/{case_id}/police": {"receipt_no": "2026-0505-1", "channel": "112-call"},
    "POST /v1/cases/{case_id}/police/acknowledge": {"reference": "P-1"},
    "POST /v1/cases/{case_id}/police/on-scene": {},
    "POST /v1/cases/{case_id}/secured": {"by": "police"},
    "POST /v1/cases/{case_id}/guardian": {},
    "POST /v1/cases/{case_id}/close": {"reason": "false-alarm", "note": ""},
    "POST /v1/cases/{case_id}/shares": {"neighbour_id": "nuri"},
    "POST /v1/cases/{case_id}/shares/{neighbour_id}/revoke": {},
    "POST /v1/offers/{owner_id}/{case_id}/accept": {},
    "POST /v1/offers/{owner_id}/{case_id}/decline": {},
    "POST /v1/sign-in": {"username": "kim", "password": "correct horse"},
    "POST /v1/sign-in/refresh": {"refresh_token": "kim"},
}
QUERIES = {"GET /v1/access": {"since": "2026-05-05T00:00:00Z"}}


@dataclass(frozen=True, slots=True)
class Call:
    """A route, and how the document says it may be called."""

    route: str
    roles: frozenset[str]
    is_public: bool

    @property
    def has_ids(self) -> bool:
        return "{" in self.route

    @property
    def is_write(self) -> bool:
        return not self.route.startswith("GET")


def calls() -> Iterator[Call]:
    """The document's operations: a new route is here without anybody thinking of it."""
    for path, operations in openapi()["paths"].items():
        for method, operation in operations.items():
            is_public = operation["security"] == []
            yield Call(f"{method.upper()} {path}", frozenset(operation.get("x-roles", ())), is_public)


CALLS = sorted(calls(), key=lambda call: call.route)


class Prepared(NamedTuple):
    town: Town
    ids: dict[str, str]


def prepared() -> Prepared:
    """A town with an outing, a case on it, a mark and a fix; and every id a route can ask for."""
    town = Town()
    outing_id = town.outing("c-1")
    town.watch()
    town.heard()
    case_id = town.case("c-1")
    town.cloud.table("live")["url"] = "wss://live.example/mqtt"
    ids = {
        "outing_id": outing_id,
        "case_id": case_id,
        "child_id": "c-1",
        "scanner_id": "garam-s-1",
        "camera_id": "cam-1",
        "phone_id": "garam-p-1",
        "neighbour_id": "nuri",
        "owner_id": "garam",
    }
    return Prepared(town, ids)


def send(town: Town, call: Call, who: Who | None, ids: dict[str, str], **how: Any) -> Told:
    """The route's valid request."""
    body = BODIES[call.route] if call.is_write else None
    return town.ask(who, filled(call.route, ids), body, query=QUERIES.get(call.route), **how)
