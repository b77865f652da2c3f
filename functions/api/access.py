"""Who may do what: the one table of roles and routes, and who is asking.

A signed token's claims say who somebody is; this table says what that role may do. What belongs to another
tenant, or to another daycare, is not there (404); what is there and not allowed is 403.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from shared.domain.case import Actor
from shared.domain.errors import Forbidden, NotFound, Unauthorized
from shared.domain.guardian import Link, Use


class Role(StrEnum):
    """Cognito groups, strongest first: of several that a route allows, the first is acted in."""

    OFFICIAL = "official"
    OPERATOR = "operator"
    POLICE = "police"
    OFFICER = "officer"
    DIRECTOR = "director"
    TEACHER = "teacher"
    ADMIN = "admin"
    AUDITOR = "auditor"
    WALL = "wall"


PUBLIC = frozenset({"GET /v1/openapi.json", "POST /v1/sign-in", "POST /v1/sign-in/refresh"})
"""Routes that need no token."""

LINKED: Mapping[str, Use] = {
    "GET /v1/status/{token}": Use.STATUS,
    "GET /v1/status/{token}/page": Use.STATUS,
    "GET /v1/guardians/{token}": Use.GUARDIAN,
    "POST /v1/guardians/{token}/pause": Use.GUARDIAN,
    "POST /v1/guardians/{token}/withdraw": Use.GUARDIAN,
    "GET /v1/guardians/{token}/certificate": Use.GUARDIAN,
    "GET /v1/guardians/{token}/history": Use.GUARDIAN,
    "PUT /v1/guardians/{token}/device": Use.GUARDIAN,
    "POST /v1/sos/{token}": Use.DEVICE,
    "POST /v1/sos/{token}/fixes": Use.CALL,
    "POST /v1/sos/{token}/safe": Use.CALL,
}
"""Routes whose right is the secret at their end, and what it must be for."""

FACILITY_ROLES = frozenset({Role.TEACHER, Role.DIRECTOR})
"""Roles that see their own daycare only."""

_STAFF = FACILITY_ROLES
_ROOM = frozenset({Role.OPERATOR, Role.OFFICIAL})
_KEEPERS = frozenset({Role.DIRECTOR, Role.OFFICIAL})
_SEARCH = _ROOM | {Role.POLICE}
_DRILLS = frozenset({Role.OFFICIAL, Role.ADMIN})
_ALL = frozenset(Role) - {Role.OFFICER}  # an officer elsewhere sees what a personal link shows, and no more
_POLICE = frozenset({Role.POLICE, Role.OFFICER})

ALLOWED: Mapping[str, frozenset[Role]] = {
    "GET /v1/district": _ALL,
    "GET /v1/live": _ALL - {Role.AUDITOR},
    "GET /v1/people": frozenset({Role.ADMIN, Role.AUDITOR}),
    "GET /v1/facilities": _ROOM | {Role.ADMIN, Role.AUDITOR},
    "GET /v1/facilities/{facility_id}/beacons": frozenset({Role.ADMIN}),
    "GET /v1/children": _STAFF,
    "GET /v1/children/{child_id}/position": _STAFF | _ROOM,
    "POST /v1/children/{child_id}/break-glass": _ROOM,
    "PUT /v1/children/{child_id}/consent": _KEEPERS,
    "GET /v1/children/{child_id}/consent": _KEEPERS,
    "POST /v1/children/{child_id}/pause": _KEEPERS,
    "POST /v1/children/{child_id}/withdraw": _KEEPERS,
    "GET /v1/children/{child_id}/certificate": _KEEPERS | {Role.AUDITOR},
    "GET /v1/children/{child_id}/history": _KEEPERS | {Role.AUDITOR},
    "PUT /v1/children/{child_id}/link": _KEEPERS,
    "GET /v1/scanners": _ROOM | {Role.ADMIN, Role.WALL},
    "PUT /v1/scanners/{scanner_id}": frozenset({Role.ADMIN}),
    "GET /v1/cameras": _ROOM | {Role.ADMIN},
    "GET /v1/quarantine": frozenset({Role.ADMIN}),
    "GET /v1/access": frozenset({Role.AUDITOR}),
    "PUT /v1/devices/{phone_id}": _STAFF | {Role.ADMIN},
    "GET /v1/push-key": _STAFF | {Role.ADMIN},
    "GET /v1/alerts/{alert_id}": _STAFF | _ROOM,
    "POST /v1/alerts/{alert_id}/read": _STAFF | _ROOM,
    "GET /v1/outings": _STAFF | _ROOM | {Role.WALL},
    "POST /v1/outings": _STAFF,
    "GET /v1/outings/{outing_id}": _STAFF | _ROOM,
    "POST /v1/outings/{outing_id}/answers": _STAFF,
    "POST /v1/outings/{outing_id}/end": _STAFF,
    "GET /v1/cases": _STAFF | _SEARCH | {Role.AUDITOR, Role.WALL},
    "POST /v1/cases": _STAFF | _ROOM,
    "GET /v1/cases/{case_id}": _STAFF | _SEARCH | {Role.AUDITOR},
    "GET /v1/cases/{case_id}/timeline": _STAFF | _SEARCH | {Role.AUDITOR},
    "GET /v1/cases/{case_id}/report": _STAFF | _SEARCH | {Role.AUDITOR},
    "GET /v1/cases/{case_id}/position": _STAFF | _SEARCH,
    "GET /v1/cases/{case_id}/track": _SEARCH,
    "GET /v1/cases/{case_id}/cameras": _ROOM,
    "POST /v1/cases/{case_id}/cameras/{camera_id}": _ROOM,
    "GET /v1/cases/{case_id}/alerts": _ROOM | {Role.AUDITOR},
    "POST /v1/cases/{case_id}/acknowledge": _ROOM,
    "POST /v1/cases/{case_id}/hand-on": _ROOM,
    "POST /v1/cases/{case_id}/escalate": _ROOM,
    "POST /v1/cases/{case_id}/evidence": _STAFF | _SEARCH,
    "POST /v1/cases/{case_id}/police": _STAFF | _ROOM,
    "POST /v1/cases/{case_id}/police/acknowledge": frozenset({Role.POLICE}),
    "POST /v1/cases/{case_id}/police/on-scene": frozenset({Role.POLICE}),
    "GET /v1/cases/{case_id}/hand-over": _SEARCH,
    "GET /v1/cases/{case_id}/hand-over.html": _SEARCH,
    "GET /v1/cases/{case_id}/hand-over.cap": _SEARCH,
    "GET /v1/cases/{case_id}/hand-over.geojson": _SEARCH,
    "GET /v1/cases/{case_id}/deliveries": _SEARCH | {Role.AUDITOR},
    "POST /v1/cases/{case_id}/deliveries": _ROOM,
    "GET /v1/cases/{case_id}/links": _ROOM | {Role.AUDITOR},
    "POST /v1/cases/{case_id}/links": _ROOM,
    "POST /v1/cases/{case_id}/links/{link_id}/stop": _ROOM,
    "GET /v1/links/{link_id}": _POLICE,
    "GET /v1/links/{link_id}/page": _POLICE,
    "POST /v1/links/{link_id}/acknowledge": _POLICE,
    "GET /v1/police/requests": _SEARCH | {Role.AUDITOR},
    "POST /v1/police/requests": _SEARCH,
    "GET /v1/police/requests/{request_id}": _SEARCH | {Role.AUDITOR},
    "POST /v1/police/requests/{request_id}/answer": _ROOM,
    "GET /v1/police/ledger": frozenset({Role.OFFICIAL, Role.AUDITOR}),
    "POST /v1/police/ledger/check": frozenset({Role.OFFICIAL, Role.AUDITOR}),
    "POST /v1/cases/{case_id}/secured": _STAFF | _SEARCH,
    "POST /v1/cases/{case_id}/guardian": _STAFF | _SEARCH,
    "POST /v1/cases/{case_id}/guardian/contact": _STAFF | _SEARCH,
    "PUT /v1/cases/{case_id}/guardian/link": _STAFF | _ROOM,
    "POST /v1/cases/{case_id}/notices": _KEEPERS | _ROOM,
    "POST /v1/cases/{case_id}/notices/hold": frozenset({Role.OFFICIAL}),
    "GET /v1/notices": _KEEPERS | _ROOM | {Role.AUDITOR},
    "POST /v1/cases/{case_id}/close": _STAFF | _ROOM,
    "POST /v1/cases/{case_id}/merge": _ROOM,
    "POST /v1/cases/{case_id}/reopen": _ROOM,
    "GET /v1/drills": _DRILLS | {Role.AUDITOR},
    "POST /v1/drills": _DRILLS,
    "POST /v1/drills/months": _DRILLS,
    "GET /v1/drills/{drill_id}": _DRILLS | {Role.AUDITOR},
    "POST /v1/drills/{drill_id}/start": _DRILLS,
    "POST /v1/drills/{drill_id}/separated": _DRILLS,
    "POST /v1/drills/{drill_id}/injects": _DRILLS,
    "POST /v1/drills/{drill_id}/pause": _DRILLS,
    "POST /v1/drills/{drill_id}/resume": _DRILLS,
    "POST /v1/drills/{drill_id}/stop": _DRILLS,
    "GET /v1/drills/{drill_id}/report": _DRILLS | {Role.AUDITOR},
    "POST /v1/drills/{drill_id}/lessons": _DRILLS,
    "GET /v1/kpi": _DRILLS | {Role.AUDITOR},
    "GET /v1/cases/{case_id}/shares": _ROOM | {Role.AUDITOR},
    "POST /v1/cases/{case_id}/shares": _ROOM,
    "POST /v1/cases/{case_id}/shares/{neighbour_id}/revoke": _ROOM,
    "GET /v1/agreements": _ROOM | {Role.ADMIN, Role.AUDITOR},
    "POST /v1/agreements/sign": frozenset({Role.OFFICIAL}),
    "GET /v1/offers": _ROOM,
    "POST /v1/offers/{owner_id}/{case_id}/accept": _ROOM,
    "POST /v1/offers/{owner_id}/{case_id}/decline": _ROOM,
    "GET /v1/shared/{owner_id}/{case_id}": _ROOM,
    "GET /v1/shared/{owner_id}/{case_id}/timeline": _ROOM,
    "GET /v1/shared/{owner_id}/{case_id}/position": _ROOM,
    "GET /v1/shared/{owner_id}/{case_id}/track": _ROOM,
    "GET /v1/shared/{owner_id}/{case_id}/cameras": _ROOM,
    "POST /v1/shared/{owner_id}/{case_id}/cameras/{camera_id}": _ROOM,
    "POST /v1/shared/{owner_id}/{case_id}/return": _ROOM,
}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, in the role this route allows. facility_id: "" for who works for the whole tenant."""

    actor: Actor
    facility_id: str

    @property
    def role(self) -> Role:
        return Role(self.actor.role)

    @property
    def is_bound(self) -> bool:
        """Whether this person sees one daycare only."""
        return self.actor.role in FACILITY_ROLES

    def sees(self, facility_id: str) -> bool:
        """Whether what belongs to that daycare is there for this person."""
        return not self.is_bound or facility_id == self.facility_id


def admitted(route: str, claims: Mapping[str, Any]) -> Caller:
    """The caller of `route` ("GET /v1/cases"). Unauthorized without a tenant; Forbidden for the role."""
    allowed = ALLOWED.get(route)
    if allowed is None:
        raise NotFound("route-not-found")
    tenant_id, actor_id = str(claims.get("custom:tenant", "")), account(claims)
    if not tenant_id or not actor_id:
        raise Unauthorized("not-signed-in")
    mine = roles(claims)
    role = next((role for role in Role if role in mine and role in allowed), None)
    if role is None:
        raise Forbidden("role-not-allowed")
    facility_id = str(claims.get("custom:facility", "")) if role in FACILITY_ROLES else ""
    return Caller(Actor(actor_id, tenant_id, role.value), facility_id)


def by_link(use: Use, link: Link, tenant_id: str, now: datetime) -> Caller:
    """The caller whom a link lets in, for its one use. NotFound for another use, and once it is dead."""
    if link.use is not use or link.until <= now:
        raise NotFound("link-not-found")
    role = "guardian" if use in (Use.STATUS, Use.GUARDIAN) else "citizen"
    return Caller(Actor(f"{role}:{link.subject_id}", tenant_id, role), "")


def account(claims: Mapping[str, Any]) -> str:
    """The account's name, as colleagues and the access log know it; the opaque subject without one."""
    return str(claims.get("cognito:username") or claims.get("sub", ""))


def roles(claims: Mapping[str, Any]) -> frozenset[Role]:
    """The roles in `cognito:groups`: a list in the token, "[a b]" once API Gateway has passed it on."""
    groups = claims.get("cognito:groups", "")
    names = groups.strip("[]").replace(",", " ").split() if isinstance(groups, str) else groups
    return frozenset(Role(name) for name in names if name in set(Role))
