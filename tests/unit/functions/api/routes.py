"""Every route of the OpenAPI document with the request it shows, in a town where that request is valid."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from functions.api.openapi import openapi
from shared.adapters.cases import change
from shared.domain.case import Actor
from shared.domain.guardian import Certificate, Guardianship
from shared.domain.notices import disclose
from tests.unit.functions.api.town import Told, Town, Who, filled

QUERIES = {"GET /v1/access": {"since": "2026-05-05T00:00:00Z"}, "GET /v1/police/ledger": {"year": "2026"}}


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """A route, and how the document says it may be called."""

    route: str
    roles: frozenset[str]
    is_public: bool
    link: str
    example: Any

    @property
    def has_ids(self) -> bool:
        return "{" in self.route

    @property
    def is_write(self) -> bool:
        return not self.route.startswith("GET")


def calls() -> Iterator[Call]:
    """The document's operations: a new route is here without anybody thinking of it."""
    document = openapi()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            link = operation.get("x-link", "")
            is_public = operation["security"] == [] and not link
            roles = frozenset(operation.get("x-roles", ()))
            yield Call(f"{method.upper()} {path}", roles, is_public, link, example(document, operation))


def example(document: dict[str, Any], operation: dict[str, Any]) -> Any:
    """The body the document itself shows, or None where there is none to send."""
    if "requestBody" not in operation:
        return None
    ref = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    return document["components"]["schemas"][ref.rsplit("/", 1)[1]]["examples"][0]


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
    disclosing(town, case_id)
    ids = {
        "outing_id": outing_id,
        "case_id": case_id,
        "child_id": "c-1",
        "facility_id": "sun",
        "scanner_id": "garam-s-1",
        "camera_id": "cam-1",
        "phone_id": "garam-p-1",
        "alert_id": town.alerted(case_id),
        "drill_id": town.drill(),
        "neighbour_id": "nuri",
        "owner_id": "garam",
        "link_id": town.police_link(case_id),
        "request_id": town.police_request(case_id),
    }
    return Prepared(town, ids)


def disclosing(town: Town, case_id: str) -> None:
    """The child's place went to nuri, as the example of a notice says; and something was destroyed once."""
    by = Actor("system", "garam", "system")
    how = {"purpose": "search", "basis": "agreement"}
    at = town.clock.at
    change(town.on("garam").cases, case_id, lambda case: disclose(case, "nuri", at, by, at, **how))
    certificate = Certificate("c-1", at, at, {"track": 1}, {"access-log": "access-log-law"})
    town.on("garam").guardians.save(Guardianship("c-1", certificate=certificate))


def send(town: Town, call: Call, who: Who | None, ids: dict[str, str], **how: Any) -> Told:
    """The route's valid request."""
    if call.link and "token" not in ids:
        ids = ids | {"token": town.link(call.link, case_id=ids["case_id"])}
    return town.ask(who, filled(call.route, ids), call.example, query=QUERIES.get(call.route), **how)
