"""Two neighbouring districts in memory, and their people at the real handler."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from functions.api.handler import lambda_handler
from shared.adapters.clock import ManualClock, epoch_ms
from shared.adapters.identity import MemoryIdentity
from shared.adapters.memory import MemoryCloud
from shared.adapters.wiring import Adapters, memory_adapters
from shared.domain.channels import Alert, Attempt, alert_id
from shared.domain.geo import Area, LatLon
from shared.domain.places import (
    Camera,
    Child,
    Consent,
    Facility,
    Phone,
    Policy,
    Scanner,
    SubjectClass,
    Tenant,
)
from shared.domain.sighting import Sighting, merge
from shared.domain.watching import merge_reports
from tests.casework import agreed

START = datetime(2026, 5, 5, 1, 0, tzinfo=UTC)
GATE = LatLon(37.4800, 126.9500)
GARAM = Area((LatLon(37.47, 126.94), LatLon(37.47, 126.96), LatLon(37.49, 126.96), LatLon(37.49, 126.94)))
NURI = Area((LatLon(37.47, 126.96), LatLon(37.47, 126.98), LatLon(37.49, 126.98), LatLon(37.49, 126.96)))
CONSENT = Consent(given_at=START - timedelta(days=30))
KEYS = count(1)


@dataclass(frozen=True, slots=True)
class Who:
    """Somebody's claims."""

    name: str
    tenant: str
    groups: str
    facility: str = ""

    def claims(self) -> dict[str, str]:
        claims = {"sub": self.name, "custom:tenant": self.tenant, "cognito:groups": f"[{self.groups}]"}
        return claims | ({"custom:facility": self.facility} if self.facility else {})


TEACHER = Who("teacher-1", "garam", "teacher", "sun")
DIRECTOR = Who("director-1", "garam", "director", "sun")
MOON_TEACHER = Who("teacher-9", "garam", "teacher", "moon")
OPERATOR = Who("operator-1", "garam", "operator")
SECOND = Who("operator-2", "garam", "operator")
OFFICIAL = Who("official-1", "garam", "official")
POLICE = Who("police-1", "garam", "police")
OFFICER = Who("officer-1", "garam", "officer")
ADMIN = Who("admin-1", "garam", "admin")
AUDITOR = Who("auditor-1", "garam", "auditor")
WALL = Who("wall-1", "garam", "wall")
NEIGHBOUR = Who("operator-n", "nuri", "operator")
NEIGHBOUR_TEACHER = Who("teacher-n", "nuri", "teacher", "sun")
STRANGER = Who("operator-b", "bora", "operator")

ONE_OF_EACH = {
    "teacher": TEACHER,
    "director": DIRECTOR,
    "operator": OPERATOR,
    "official": OFFICIAL,
    "police": POLICE,
    "officer": OFFICER,
    "admin": ADMIN,
    "auditor": AUDITOR,
    "wall": WALL,
}


@dataclass(frozen=True, slots=True)
class Told:
    """An answer: status, headers, and JSON or a page's text."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def code(self) -> str:
        return str(self.body["code"])


class Context:
    function_name = "api"
    function_version = "1"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:ap-northeast-2:000000000000:function:api"
    aws_request_id = "r-1"


@dataclass
class Town:
    """One world. `ask` sends what API Gateway would send and returns what it would answer."""

    clock: ManualClock = field(default_factory=lambda: ManualClock(START))

    def __post_init__(self) -> None:
        self.cloud = MemoryCloud(clock=self.clock)
        self.on = memory_adapters(self.cloud)
        people = {
            "park-01": ("<your password>", TEACHER.claims()),
            "<refresh token>": ("x", TEACHER.claims()),
            "new": ("battery", {"sub": "x"}),
        }
        self.identity = MemoryIdentity(people)
        self.requests = count(1)
        for tenant, boundary in (("garam", GARAM), ("nuri", NURI), ("bora", NURI)):
            plant(self.on(tenant), tenant, boundary)
        until = START + timedelta(days=365)
        self.on("garam").registry.put(
            agreed("garam", "nuri", NURI, ("position", "track", "name", "timeline"), until)
        )

    def ask(
        self,
        who: Who | None,
        call: str,
        body: Any = None,
        *,
        key: str | None = "",
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        raw: str | None = None,
    ) -> Told:
        """call: "POST /v1/cases". key: "" for a fresh idempotency key, None for no header."""
        method, path = call.split(" ", 1)
        sent = dict(headers or {})
        if method == "POST" and key is not None:
            sent["idempotency-key"] = key or f"key-{next(KEYS):08d}"
        event = http_event(
            method,
            path,
            who,
            raw if raw is not None else body,
            query=query or {},
            headers=sent,
            request_id=f"req-{next(self.requests)}",
        )
        answer = lambda_handler(event, Context(), on=self.on, people=lambda: self.identity)  # type: ignore[arg-type]
        headers_back = {name.lower(): value for name, value in answer.get("headers", {}).items()}
        is_json = "json" in headers_back["content-type"]
        body_back = json.loads(answer["body"]) if is_json else answer["body"]
        return Told(answer["statusCode"], headers_back, body_back)

    def later(self, seconds: float) -> None:
        self.clock.at += timedelta(seconds=seconds)

    def outing(self, *children: str, who: Who = TEACHER, **body: Any) -> str:
        """A running outing of these children (by default the first two)."""
        members = [{"child_id": child} for child in children or ("c-1", "c-2")]
        told = self.ask(who, "POST /v1/outings", {"members": members, **body})
        assert told.status == 201, told.body
        return str(told.body["outing"]["outing_id"])

    def case(self, child: str = "c-1", who: Who = TEACHER, **body: Any) -> str:
        """An open case."""
        told = self.ask(who, "POST /v1/cases", {"child_id": child, **body})
        assert told.status in (200, 201), told.body
        return str(told.body["case"]["case_id"])

    def drill(self, who: Who = OFFICIAL, **body: Any) -> str:
        """A planned drill in the daycare."""
        asked = {"planned_at": (self.clock.at + timedelta(hours=1)).isoformat(), "facility_id": "sun"}
        told = self.ask(who, "POST /v1/drills", {"child_id": "c-1", "seed": 7, **asked, **body})
        assert told.status == 201, told.body
        return str(told.body["drill"]["drill_id"])

    def link(self, use: str, *, case_id: str = "") -> str:
        """The secret of a fresh link: to c-1's guardian, or to the phone of the citizen s-1."""
        if use == "status":
            told = self.ask(DIRECTOR, f"PUT /v1/cases/{case_id}/guardian/link", {})
        elif use == "call":
            told = self.ask(None, f"POST /v1/sos/{self.link('device')}", {})
        else:
            child = "s-1" if use == "device" else "c-1"
            told = self.ask(OFFICIAL, f"PUT /v1/children/{child}/link", {"use": use})
        assert told.status == 200, told.body
        return str(told.body["secret"])

    def share(self, case_id: str, *, accept: bool = True) -> None:
        """The case offered to nuri, and accepted."""
        offered = self.ask(OPERATOR, f"POST /v1/cases/{case_id}/shares", {"neighbour_id": "nuri"})
        assert offered.status == 201, offered.body
        if accept:
            told = self.ask(NEIGHBOUR, f"POST /v1/offers/garam/{case_id}/accept", {})
            assert told.status == 200, told.body

    def alerted(self, case_id: str) -> str:
        """A teacher's phone was told about the case; the alert's id."""
        own = alert_id(case_id, "case-opened.0", "garam-p-1")
        tried = Attempt("push", "sent", self.clock.at, "receipt-1")
        alert = Alert(own, case_id, "case-opened", "garam-p-1", self.clock.at, (tried,))
        self.on("garam").alerts.save([alert])
        return own

    def police_link(self, case_id: str, to: str = "officer-1") -> str:
        """A personal link to the case's hand-over, whose first version is made."""
        assert self.ask(OPERATOR, f"GET /v1/cases/{case_id}/hand-over").status == 200
        told = self.ask(OPERATOR, f"POST /v1/cases/{case_id}/links", {"to": to})
        assert told.status == 201, told.body
        return str(told.body["link"]["link_id"])

    def police_request(self, case_id: str = "", **body: Any) -> str:
        """The police ask for a camera's pictures."""
        asked = {
            "station": "가람경찰서",
            "basis": "missing-child-act-9-2",
            "purpose": "실종아동 수색",
            "items": [{"kind": "cctv", "detail": "cam-1 10:20-10:40"}],
        }
        asked |= ({"case_id": case_id} if case_id else {}) | body
        told = self.ask(POLICE, "POST /v1/police/requests", asked)
        assert told.status == 201, told.body
        return str(told.body["request"]["request_id"])

    def heard(
        self,
        beacon: str = "b-1",
        *,
        tenant: str = "garam",
        at: LatLon = GATE,
        by: str = "garam-s-1",
        rssi: int = -60,
        alarm: Mapping[str, Any] | None = None,
    ) -> None:
        """The beacon was heard just now, and located."""
        tracking = self.on(tenant).tracking
        now_ms = epoch_ms(self.clock.at)
        if by in self.phones(tenant):
            phone = tracking.read(phones=[by]).phones[by]
            heard = merge_reports(phone, [now_ms], [], {beacon: [Sighting(now_ms, by, rssi, 3)]})
            assert tracking.save([heard], now=self.clock.at) == []
        else:
            track = tracking.read(beacons=[beacon]).beacons[beacon]
            window = merge(track.window, [Sighting(now_ms, by, rssi, 3, at)])
            assert tracking.save([replace(track, window=window)], now=self.clock.at) == []
        if alarm:
            self.alarmed(beacon, alarm, tenant=tenant)

    def phones(self, tenant: str = "garam") -> set[str]:
        return {phone.phone_id for phone in self.on(tenant).registry.phones("sun")}

    def judged(self, beacon: str, level: str) -> None:
        """Ingest stored what it makes of a silent child."""
        self.alarmed(beacon, {"level": level})

    def alarmed(self, beacon: str, alarm: Mapping[str, Any], *, tenant: str = "garam") -> None:
        """Ingest stored this alarm with the beacon's running outing."""
        on = self.on(tenant)
        for outing in on.outings.running():
            if beacon in {member.beacon_id for member in outing.members}:
                group = on.tracking.read(groups=[outing.outing_id]).groups[outing.outing_id]
                after = replace(group, alarms={**group.alarms, beacon: alarm})
                assert on.tracking.save([after], now=self.clock.at) == []

    def watch(self, *phones: str, tenant: str = "garam") -> None:
        """These phones reported just now, at the gate."""
        tracking = self.on(tenant).tracking
        for phone in phones or ("garam-p-1",):
            before = tracking.read(phones=[phone]).phones[phone]
            now_ms = epoch_ms(self.clock.at)
            after = merge_reports(before, [now_ms], [(now_ms, GATE, 5)])
            assert tracking.save([after], now=self.clock.at) == []


def plant(on: Adapters, tenant: str, boundary: Area) -> None:
    """A district with two daycares, four children, two phones, three scanners and nine cameras."""
    on.registry.put(
        Tenant(tenant, f"{tenant}구", boundary, Policy()),
        Facility("sun", "해님어린이집", GATE),
        Facility("moon", "달님어린이집", GATE),
        Child(
            "c-1",
            "sun",
            "김하늘",
            "01",
            "b-1" if tenant == "garam" else f"{tenant}-b-1",
            4,
            "female",
            CONSENT,
        ),
        Child(
            "c-2", "sun", "이바다", "02", "b-2" if tenant == "garam" else f"{tenant}-b-2", 5, "male", CONSENT
        ),
        Child("c-3", "sun", "박구름", "03", "b-3" if tenant == "garam" else f"{tenant}-b-3", 5, "male"),
        Child(
            "c-9", "moon", "최별", "09", "b-9" if tenant == "garam" else f"{tenant}-b-9", 3, "male", CONSENT
        ),
        Child(
            "s-1",
            "",
            "한시민",
            "-",
            f"{tenant}-p-77",
            34,
            consent=CONSENT,
            subject_class=SubjectClass.CITIZEN,
        ),
        Phone(f"{tenant}-p-77", "", ""),
        Phone(f"{tenant}-p-1", "sun", "김선생"),
        Phone(f"{tenant}-p-9", "moon", "최선생"),
        *(Scanner(f"{tenant}-s-{n}", LatLon(37.480 + n / 2000, 126.950)) for n in range(1, 4)),
        *(
            Camera(f"cam-{n}", f"카메라 {n}", LatLon(37.480 + n / 5000, 126.950), 180.0, 90.0, 60.0)
            for n in range(1, 10)
        ),
    )


def http_event(
    method: str,
    path: str,
    who: Who | None,
    body: Any,
    *,
    query: Mapping[str, str],
    headers: Mapping[str, str],
    request_id: str,
) -> dict[str, Any]:
    """An API Gateway HTTP API event, payload 2.0, as the JWT authorizer passes it on."""
    text = body if isinstance(body, str) or body is None else json.dumps(body)
    context: dict[str, Any] = {
        "accountId": "000000000000",
        "apiId": "api",
        "domainName": "api.example",
        "http": {
            "method": method,
            "path": path,
            "protocol": "HTTP/1.1",
            "sourceIp": "203.0.113.7",
            "userAgent": "test",
        },
        "requestId": request_id,
        "routeKey": f"{method} /v1/{{proxy+}}",
        "stage": "$default",
        "time": "05/May/2026:01:00:00 +0000",
        "timeEpoch": epoch_ms(START),
    }
    if who is not None:
        context["authorizer"] = {"jwt": {"claims": who.claims(), "scopes": None}}
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": context["routeKey"],
        "rawPath": path,
        "rawQueryString": "&".join(f"{name}={value}" for name, value in query.items()),
        "headers": {"content-type": "application/json", **headers},
        "requestContext": context,
        "isBase64Encoded": False,
    }
    if query:
        event["queryStringParameters"] = dict(query)
    if text is not None:
        event["body"] = text
    return event


def filled(route: str, ids: Mapping[str, str]) -> str:
    """A route with its parameters filled in."""
    return re.sub(r"\{(\w+)\}", lambda match: ids[match.group(1)], route)
