"""A drill rehearsed in this process: the real functions, a simulated city, and people with habits.

Scanners and phones say what they hear of a walk (`events/simulator`), through the real ingest; the workflow
is walked by its definition; people meet the real API as their screens do. Nothing leaves the process.

People are a model, and every figure that comes of it is a simulation. Their habits are targets of ours,
not measurements ([G] in FIELD): times are log-normal around a median, eyes miss, and whoever goes to look
for the child knows no more than the screen shows.
"""

import base64
import contextlib
import io
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import numpy as np

from events.simulator.city import City
from events.simulator.play import Cast, Emission, Play
from events.simulator.scenario import Fault, Move, Party, Scenario, Spot
from functions.api.handler import lambda_handler as api
from functions.ingest_sightings.ingest import ingest
from functions.watch_silence.sweep import sweep
from infra.local.conductor import Conductor
from shared.adapters.clock import ManualClock
from shared.adapters.hearing import hearing
from shared.adapters.memory import MemoryCloud
from shared.adapters.watch_list import topic
from shared.adapters.wiring import memory_adapters
from shared.domain import drill as rules
from shared.domain.case import Actor
from shared.domain.drill import InjectKind, Scene
from shared.domain.geo import LatLon, bearing_deg, distance_m
from shared.domain.places import Camera, Facility, Phone
from shared.domain.sharing import ShareState
from shared.ports import Message

START = datetime(2026, 5, 14, 1, 30, tzinfo=UTC)
TEACHERS = 2
LEAVES_S = 60.0
SWEEP_S = 10
LIST_S = 30.0
"""An operator works through a list of cameras this long before looking at the newest one."""
BAG_FALLS_S = LEAVES_S + 120.0
HEARS_M, SEES_M = 800.0, 1600.0
"""From a daycare: the decoy goes 420 m at the most, and is searched for as far as it can have got."""
OUTFIT = {"top": "yellow", "bottom": "navy", "shoes": "white", "bag": "red"}


@dataclass(frozen=True, slots=True)
class Habits:
    """How people react: median seconds each, spread as `sigma` of the logarithm; and what they see.

    look_s: on one camera; sees: chance to recognise a child in view, once a look; wrong: that chance with
    a wrong description. walk_mps, drive_mps: who looks on foot, and the patrol; patrol_m: where it starts.
    sight_m: who stands this near sees the child. Targets of ours, to be replaced by what drills measure.
    """

    answer_s: float = 8.0
    report_s: float = 25.0
    call_112_s: float = 30.0
    police_ack_s: float = 45.0
    patrol_leaves_s: float = 90.0
    acknowledge_s: float = 12.0
    helper_leaves_s: float = 20.0
    sigma: float = 0.4
    look_s: float = 8.0
    sees: float = 0.6
    wrong: float = 0.3
    walk_mps: float = 1.4
    drive_mps: float = 5.0
    patrol_m: float = 900.0
    sight_m: float = 12.0
    guardian_s: float = 240.0


@dataclass(frozen=True, slots=True)
class Plan:
    """One drill to rehearse: the same plan in the same city has the same outcome.

    facility: the number of the daycare, from 1. children: on the outing; the first carries the decoy bag.
    until_secured: end then, and not when the child is back with its guardian.
    """

    seed: int
    facility: int = 1
    injects: tuple[InjectKind, ...] = ()
    habits: Habits = field(default_factory=Habits)
    children: int = 8
    until_secured: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """One rehearsed drill: its report as the API tells it, and what left the system meanwhile."""

    plan: Plan
    report: Mapping[str, Any]
    sent: Sequence[Message]
    child: LatLon
    truth: Mapping[str, float]
    drill: Mapping[str, Any]
    lasted_s: float

    def took_s(self, phase: str) -> float | None:
        """Seconds of a phase, None when one of its ends never happened."""
        found = self.report["phases"].get(phase)
        return None if found is None else float(found["took_s"])


Tell = Callable[[float, str, Mapping[str, Any]], None]
"""Takes what happens: the drill's second, a code (i18n `drill.*`), and its parameters."""


def rehearse(city: City, plan: Plan, tell: Tell = lambda *_: None) -> Outcome:
    """One drill from the start of the outing to its report."""
    with contextlib.redirect_stdout(io.StringIO()):  # the functions' logs and metrics
        return _Rehearsal(city, plan, tell).perform()


def around(city: City, facility: Facility) -> City:
    """The city with what a drill at this daycare can touch: the rest hears and sees nothing of it."""
    return replace(
        city,
        scanners={
            tenant: [s for s in scanners if distance_m(s.at, facility.at) <= HEARS_M]
            for tenant, scanners in city.scanners.items()
        },
        cameras={
            tenant: [c for c in cameras if distance_m(c.at, facility.at) <= SEES_M]
            for tenant, cameras in city.cameras.items()
        },
        children={
            tenant: [c for c in children if c.facility_id == facility.facility_id]
            for tenant, children in city.children.items()
        },
    )


@dataclass(slots=True)
class _Walker:
    """Somebody who looks for the child in the streets, and knows what the screen shows."""

    who: str
    at: LatLon
    leaves_s: float
    mps: float
    goal: LatLon | None = None


@dataclass(slots=True)
class _Desk:
    """The operator's desk for one case: the camera that is open and since when, and the list and its age."""

    case_id: str
    acknowledges_s: float
    watching: Camera | None = None
    since_s: float = 0.0
    listed: list[str] = field(default_factory=list)
    listed_s: float = 0.0
    noted: set[str] = field(default_factory=set)


class _Rehearsal:
    def __init__(self, city: City, plan: Plan, tell: Tell) -> None:
        self.city, self.plan, self.habits, self.tell = city, plan, plan.habits, tell
        self.tenant = city.tenants[0].tenant_id
        self.facility = city.facilities[self.tenant][plan.facility - 1]
        self.rng = np.random.default_rng([plan.seed, 11])
        self.clock = ManualClock(START)
        self.world = MemoryCloud(self.clock)
        self.on = memory_adapters(self.world)
        for tenant in city.tenants:
            self.on(tenant.tenant_id).registry.put(*_reachable(city, tenant.tenant_id))
        self.conductor = Conductor(self.world, self.on)
        self.play = Play(self._scenario(f"{plan.facility:02d}"), city, plan.seed, start_ms=_ms(START))
        self.cast: Cast = self.play.cast
        self.decoy = self.cast.children["child-01"]
        self.numbers = count(1)
        self.script: dict[str, float] = {}
        self.reported_s = 0.0
        self.now_s = 0.0
        self.desks: dict[str, _Desk] = {}
        self.walkers: list[_Walker] = []
        self.at: dict[str, float] = {}
        self.done: set[str] = set()

    # --- what happens in the streets ---------------------------------------------------------

    def _scenario(self, number: str) -> Scenario:
        """The decoy leaves the group and goes somewhere; a drill's injects decide where and what fails."""
        place = f"{self.tenant}-park-{number}"
        far_m, turn = self.rng.uniform(120, 420), self.rng.uniform(0, 2 * math.pi)
        spot = Spot(place=place, east_m=far_m * math.sin(turn), north_m=far_m * math.cos(turn))
        drill = self._planned()
        faults = []
        if InjectKind.BORDER_CROSSING in self.plan.injects:
            scene = Scene(self.facility.at, self.facility.at, agreements=self._agreements())
            crossing = rules.aim(InjectKind.BORDER_CROSSING, drill, scene, "", START).where
            spot = self._spot(place, crossing or self.facility.at)
        if InjectKind.BAG_DROPPED in self.plan.injects:
            after_s = rules.aim(
                InjectKind.BAG_DROPPED, drill, Scene(self.facility.at, self.facility.at), "", START
            )
            faults.append(Fault(kind="dropped-bag", at_s=BAG_FALLS_S + after_s.after_s, who="child-01"))
        speed = float(self.rng.uniform(0.5, 1.0))  # a small child that wanders: 0.39–1.0 m/s
        return Scenario(
            v=1,
            name="rehearsal",
            title={"ko": "훈련", "en": "drill"},
            status="Exercise",
            start=START,
            lasts_s=rules.LONGEST.total_seconds(),
            party=Party(
                facility=self.facility.facility_id,
                place=place,
                children=self.plan.children,
                teachers=TEACHERS,
            ),
            subject="child-01",
            outfit=OUTFIT,
            moves=(Move(who="child-01", at_s=LEAVES_S, to=spot, speed_mps=speed),),
            faults=tuple(faults),
        )

    def _planned(self) -> rules.Drill:
        by = Actor("official", self.tenant, "official")
        facts = {"facility_id": self.facility.facility_id, "child_id": "", "seed": self.plan.seed}
        return rules.plan("d", by, START, planned_at=START, **facts)  # type: ignore[arg-type]

    def _agreements(self) -> list[Any]:
        return [a for a in self.city.agreements if a.tenant_id == self.tenant]

    def _spot(self, place: str, where: LatLon) -> Spot:
        park, (x, y) = self.city.place(place), self.city.plane.to_xy(where)
        return Spot(place=place, east_m=x - park.x_m, north_m=y - park.y_m)

    @property
    def child_at(self) -> LatLon:
        return self.play.person("child-01", self.now_s)

    # --- a second at a time ------------------------------------------------------------------

    def perform(self) -> Outcome:
        self._start()
        emissions = iter(self.play)
        upcoming = next(emissions, None)
        last = "secured" if self.plan.until_secured else "with-guardian"
        while self.now_s < rules.LONGEST.total_seconds() and last not in self.done:
            self.now_s += 1
            self.clock.at = START + timedelta(seconds=self.now_s)
            upcoming = self._hear(emissions, upcoming)
            if self.now_s % SWEEP_S == 0:
                for tenant in self.city.tenants:
                    sweep(self.on(tenant.tenant_id))
            self.conductor.advance()
            self._people()
        self._ask("official", "POST", f"drills/{self.drill_id}/stop", {})
        self.conductor.advance()
        told = self._ask("official", "GET", f"drills/{self.drill_id}/report")
        drill = self._ask("official", "GET", f"drills/{self.drill_id}")["drill"]
        return Outcome(
            self.plan, told, list(self.world.sent), self.child_at, dict(self.play.marks), drill, self.now_s
        )

    def _hear(self, emissions: Iterator[Emission], upcoming: Emission | None) -> Emission | None:
        """What scanners and phones send in this second, through ingest; and the newest watch lists."""
        records = []
        while upcoming is not None and upcoming.at_s <= self.now_s:
            records.append(self._record(upcoming))
            upcoming = next(emissions, None)
        if records:
            ingest(records, self.on)
        for tenant in self.city.tenants:
            retained = self.world.retained.get(topic(tenant.tenant_id))
            if retained:
                self.play.watch(tenant.tenant_id, json.loads(retained)["beacons"])
        return upcoming

    def _record(self, emission: Emission) -> dict[str, Any]:
        body = {
            "payload": base64.b64encode(json.dumps(emission.payload).encode()).decode(),
            "tenant": emission.tenant_id,
            "thing": emission.thing,
            "client": emission.thing,
            "received_ms": _ms(START) + round(emission.at_s * 1000),
        }
        return {"messageId": f"m-{next(self.numbers)}", "body": json.dumps(body)}

    # --- people ------------------------------------------------------------------------------

    def _start(self) -> None:
        members = [
            {"child_id": child.child_id, **({"outfit": OUTFIT} if child is self.decoy else {})}
            for child in self.cast.children.values()
        ]
        phones = [phone.phone_id for phone in self.cast.teachers.values()]
        body = {"members": members, "phones": phones, "status": "Exercise"}
        self.outing_id = self._ask("teacher", "POST", "outings", body)["outing"]["outing_id"]
        asked = {
            "planned_at": START.isoformat(),
            "facility_id": self.facility.facility_id,
            "child_id": self.decoy.child_id,
            "seed": self.plan.seed,
            "injects": list(self.plan.injects),
        }
        told = self._ask("official", "POST", "drills", asked)["drill"]
        self.drill_id = told["drill_id"]
        self.script = {each["kind"]: each["after_s"] for each in told["script"]}
        self._ask("official", "POST", f"drills/{self.drill_id}/start", {"report": False})

    def _people(self) -> None:
        if self._once("separated", self.now_s >= LEAVES_S):
            self._ask("official", "POST", f"drills/{self.drill_id}/separated", {"at": self._now()})
        self._teacher()
        for case_id in self._cases():
            self._operator(case_id)
        self._police()
        self._neighbours()
        self._disturb()
        self._walk()

    def _teacher(self) -> None:
        heard = hearing(self.on(self.tenant), self.decoy.beacon_id, self.outing_id)
        if heard.alarm.get("level") == "departed":
            self._due("answer", self.habits.answer_s)
            self._due("report", self.habits.report_s)
        if self._once("answered", self._is_due("answer")):
            body = {"child_id": self.decoy.child_id, "answer": "searching"}
            self._ask("teacher", "POST", f"outings/{self.outing_id}/answers", body)
        if self._once("reported", self._is_due("report")):
            body = {"child_id": self.decoy.child_id, "pressed_at": self._now()}
            case = self._ask("teacher", "POST", "cases", body)["case"]
            self._open_desk(case["case_id"])
            self.reported_s = self.now_s
            self._due("call", self.habits.call_112_s)
            place = self.play.person("teacher-1", self.now_s)
            self.walkers.append(
                _Walker("teacher", place, self._after(self.habits.helper_leaves_s), self.habits.walk_mps)
            )
            self.walkers.append(
                _Walker(
                    "teacher",
                    self.facility.at,
                    self._after(self.habits.helper_leaves_s),
                    self.habits.walk_mps,
                )
            )
        if self._once("called", self._is_due("call")):
            body = {"receipt_no": "112-drill", "channel": "112-call"}
            self._ask("teacher", "POST", f"cases/{self.case_id}/police", body)
            self._due("police-ack", self.habits.police_ack_s)

    def _police(self) -> None:
        """In a drill the police take part as people: nothing of ours reaches their systems."""
        if self._once("police-acknowledged", self._is_due("police-ack")):
            self._ask("police", "POST", f"cases/{self.case_id}/police/acknowledge", {"reference": "P-drill"})
            turn = self.rng.uniform(0, 2 * math.pi)
            x, y = self.city.plane.to_xy(self.facility.at)
            far_m = self.habits.patrol_m
            at = self.city.plane.to_latlon(x + far_m * math.sin(turn), y + far_m * math.cos(turn))
            self.walkers.append(
                _Walker("police", at, self._after(self.habits.patrol_leaves_s), self.habits.drive_mps)
            )
        if self._once("with-guardian", self._is_due("guardian")):
            self._ask("police", "POST", f"cases/{self.case_id}/guardian", {})

    def _neighbours(self) -> None:
        """Their operators take what they are offered; then their scanners listen too."""
        for tenant in self.city.tenants[1:]:
            there = tenant.tenant_id
            for share in self.on(there).shares.inbox():
                if share.state is ShareState.OFFERED:
                    self._due(f"accept:{there}:{share.case_id}", self.habits.acknowledge_s)
                    if self._once(f"offer:{there}", self._is_due(f"accept:{there}:{share.case_id}")):
                        path = f"offers/{self.tenant}/{share.case_id}/accept"
                        self._ask("operator", "POST", path, {}, tenant=there)
                        self._say("accepted", neighbour=tenant.name)

    def _disturb(self) -> None:
        """The supervisor lets go wrong what the script says, once there is a case."""
        for kind in self.plan.injects:
            is_due = "reported" in self.done and self.now_s >= self.reported_s + self.script[kind]
            if "secured" not in self.done and self._once(f"inject:{kind}", is_due):
                path = f"drills/{self.drill_id}/injects"
                made = self._ask("official", "POST", path, {"kind": kind})["drill"]["injects"][-1]
                self._say("inject", kind=kind)
                if made["case_id"]:
                    self._open_desk(made["case_id"])

    def _operator(self, case_id: str) -> None:
        """Acknowledge; then camera after camera from the list. A second child is with the group after all."""
        desk, case = self.desks[case_id], self.on(self.tenant).cases.get(case_id)
        if not case.is_open or "T12" in case.clock:
            return
        if self.now_s >= desk.acknowledges_s and "acknowledged" not in desk.noted:
            desk.noted.add("acknowledged")
            self._ask("operator", "POST", f"cases/{case_id}/acknowledge", {})
        if "acknowledged" not in desk.noted:
            return
        if case_id != self.case_id:
            if self.now_s >= desk.acknowledges_s + 60:
                self._ask("teacher", "POST", f"cases/{case_id}/secured", {"by": "teacher"})
                self._ask("operator", "POST", f"cases/{case_id}/close", {"reason": "found"})
            return
        if desk.watching is not None and self.now_s - desk.since_s >= self.habits.look_s:
            self._ask("operator", "POST", self._camera(desk), {"mark": self._sees(desk.watching)})
            desk.watching = None
        if desk.watching is None and (not desk.listed or self.now_s >= desk.listed_s + LIST_S):
            ranked = self._ask("operator", "GET", f"cases/{case_id}/cameras")["cameras"]
            fresh = [each for each in ranked if each["mark"] is None or each["mark"]["mark"] != "not-seen"]
            desk.listed, desk.listed_s = [each["camera_id"] for each in fresh or ranked], self.now_s
        if desk.watching is None and desk.listed:
            known = {camera.camera_id: camera for camera in self.city.cameras[self.tenant]}
            desk.watching, desk.since_s = known[desk.listed.pop(0)], self.now_s
            self._ask("operator", "POST", self._camera(desk), {"mark": "watching"})

    def _camera(self, desk: _Desk) -> str:
        return f"cases/{desk.case_id}/cameras/{desk.watching.camera_id if desk.watching else ''}"

    def _sees(self, camera: Camera) -> str:
        """What the operator says of a camera: only a child truly in view can be seen, and not always is."""
        far_m = distance_m(camera.at, self.child_at)
        off = abs((bearing_deg(camera.at, self.child_at) - camera.heading_deg + 180) % 360 - 180)
        in_view = far_m <= camera.range_m and off <= camera.field_of_view_deg / 2
        wrong = f"inject:{InjectKind.WRONG_CLOTHING}" in self.done
        chance = self.habits.wrong if wrong else self.habits.sees
        if not in_view or self.rng.random() > chance:
            return "not-seen"
        self._say("seen", camera=camera.camera_id)
        return "confirmed"

    def _walk(self) -> None:
        """Helpers go where the screen says, look around there, and know the child when they see it."""
        if "reported" not in self.done or "secured" in self.done:
            return
        shown = None
        for walker in self.walkers:
            if self.now_s < walker.leaves_s:
                continue
            if self.now_s % 10 == 0 or walker.goal is None:
                shown = shown or self._newest()
                self._aim(walker, shown)
            if walker.goal is not None:
                walker.at = _towards(walker.at, walker.goal, walker.mps)
            near_m = distance_m(walker.at, self.child_at)
            if walker.who == "police" and self._once("on-scene", near_m <= 150):
                self._ask("police", "POST", f"cases/{self.case_id}/police/on-scene", {})
            if self._once("secured", near_m <= self.habits.sight_m):
                self._ask(walker.who, "POST", f"cases/{self.case_id}/secured", {"by": walker.who})
                self._say("secured", by=walker.who)
                self._due("guardian", self.habits.guardian_s)

    def _aim(self, walker: _Walker, shown: tuple[LatLon, float, datetime] | None) -> None:
        """To the newest place on the screen; there, a look around as far as the child can have got since."""
        if shown is None:
            walker.goal = walker.goal or self.play.person("teacher-1", self.now_s)
            return
        where, radius_m, at = shown
        if distance_m(walker.at, where) > max(radius_m, self.habits.sight_m) or walker.goal is None:
            walker.goal = where
        elif distance_m(walker.at, walker.goal) < 2.0:
            age_s = (self.clock.at - at).total_seconds()
            reach_m = min(radius_m + 0.8 * age_s, 250.0)
            turn, far_m = self.rng.uniform(0, 2 * math.pi), reach_m * math.sqrt(self.rng.random())
            x, y = self.city.plane.to_xy(where)
            walker.goal = self.city.plane.to_latlon(x + far_m * math.sin(turn), y + far_m * math.cos(turn))

    def _newest(self) -> tuple[LatLon, float, datetime] | None:
        """The newest firm evidence on the case's screen: seen, or heard."""
        told = self._ask("operator", "GET", f"cases/{self.case_id}/position")["evidence"]
        firm = [told[kind] for kind in ("seen", "heard") if kind in told]
        if not firm:
            return None
        best = max(firm, key=lambda each: each["at"])
        return LatLon(best["lat"], best["lon"]), best["radius_m"], datetime.fromisoformat(best["at"])

    # --- small words -------------------------------------------------------------------------

    @property
    def case_id(self) -> str:
        return next(iter(self.desks))

    def _cases(self) -> list[str]:
        return list(self.desks)

    def _open_desk(self, case_id: str) -> None:
        self.desks[case_id] = _Desk(case_id, self._after(self.habits.acknowledge_s))

    def _after(self, median_s: float) -> float:
        return self.now_s + float(median_s * math.exp(self.rng.normal(0, self.habits.sigma)))

    def _due(self, what: str, median_s: float) -> None:
        """From now on it falls due some time after; decided once."""
        if what not in self.at:
            self.at[what] = self._after(median_s)

    def _is_due(self, what: str) -> bool:
        return what in self.at and self.now_s >= self.at[what]

    def _once(self, what: str, is_time: bool) -> bool:  # noqa: FBT001 - reads as a sentence where it is used
        """Whether it is time, for the first time."""
        if not is_time or what in self.done:
            return False
        self.done.add(what)
        return True

    def _say(self, code: str, **params: Any) -> None:
        self.tell(self.now_s, code, params)

    def _now(self) -> str:
        return self.clock.at.isoformat()

    def _ask(
        self, role: str, method: str, path: str, body: Mapping[str, Any] | None = None, *, tenant: str = ""
    ) -> Any:
        """What somebody's screen asks the API. AssertionError for anything but success."""
        who = {
            "sub": f"{role}-1",
            "custom:tenant": tenant or self.tenant,
            "custom:facility": self.facility.facility_id,
            "cognito:groups": f"[{role}]",
        }
        answer = api(self._event(who, method, path, body), _Context(), on=self.on)  # type: ignore[arg-type]
        if answer["statusCode"] >= 300:
            raise AssertionError(f"{role} {method} {path}: {answer['body']}")
        return json.loads(answer["body"])

    def _event(
        self, who: Mapping[str, str], method: str, path: str, body: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        number = next(self.numbers)
        return {
            "version": "2.0",
            "routeKey": f"{method} /v1/{{proxy+}}",
            "rawPath": f"/v1/{path}",
            "rawQueryString": "",
            "headers": {"content-type": "application/json", "idempotency-key": f"rehearsal-{number}"},
            "requestContext": {
                "http": {
                    "method": method,
                    "path": f"/v1/{path}",
                    "sourceIp": "127.0.0.1",
                    "userAgent": "rehearsal",
                },
                "requestId": f"r-{number}",
                "stage": "$default",
                "routeKey": f"{method} /v1/{{proxy+}}",
                "authorizer": {"jwt": {"claims": dict(who), "scopes": None}},
            },
            "isBase64Encoded": False,
            **({"body": json.dumps(body)} if body is not None else {}),
        }


class _Context:
    """What Lambda tells a function of itself."""

    function_name = "api"
    function_version = "1"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:ap-northeast-2:000000000000:function:api"
    aws_request_id = "rehearsal"


def _reachable(city: City, tenant_id: str) -> list[Any]:
    """The tenant's records, with something to push to behind each phone."""
    return [
        replace(record, endpoint=f"endpoint/{record.phone_id}") if isinstance(record, Phone) else record
        for record in city.records(tenant_id)
    ]


def _towards(at: LatLon, goal: LatLon, step_m: float) -> LatLon:
    far_m = distance_m(at, goal)
    if far_m <= step_m:
        return goal
    part = step_m / far_m
    return LatLon(
        at.lat_deg + (goal.lat_deg - at.lat_deg) * part, at.lon_deg + (goal.lon_deg - at.lon_deg) * part
    )


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
