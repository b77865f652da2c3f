"""A scenario performed on a running cloud: things over MQTT, people over the HTTP API, and a record of both.

The things do what the play says. The people know only what their screens tell them and react by the
scenario's rules. What the clock, the positions and the neighbour's door said is kept for the report.
"""

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from events.simulator.play import Emission, Play
from events.simulator.scenario import Do, Heard, Reaction, due
from infra.local.people import Person, Refused
from shared.domain.geo import LatLon, Plane, distance_m

_ON_A_CASE = frozenset(
    {Do.ACKNOWLEDGE, Do.CALL_POLICE, Do.ACCEPT, Do.DECLINE, Do.SEEN, Do.SECURED, Do.TELL_GUARDIAN, Do.CLOSE}
)
POLL_S = 0.5  # of the wall: how often a person's screen asks


class Door(Protocol):
    """The MQTT door of the things that take part. watched: each tenant's newest watch list."""

    @property
    def watched(self) -> Mapping[str, list[str]]: ...
    def publish(self, emission: Emission) -> None: ...


@dataclass(frozen=True, slots=True)
class Line:
    """Something to tell the audience. code and params make the sentence; at: scenario time."""

    at: datetime
    code: str
    params: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Sample:
    """One fix of the case beside the truth. districts: whose scanners or phones heard it."""

    at_s: float
    error_m: float
    semi_major_m: float
    inside: bool
    districts: frozenset[str]
    method: str


@dataclass(frozen=True, slots=True)
class Knock:
    """What the neighbour's own login got at the case's door, and when in the case's life."""

    moment: str
    tenant_id: str
    status: int


@dataclass
class Record:
    """What was seen of a performance. wall_s: how long it took; unacked: messages without a PUBACK."""

    speed: float
    case_id: str = ""
    outing_id: str = ""
    case: dict[str, Any] = field(default_factory=dict)
    report: dict[str, Any] = field(default_factory=dict)
    timeline: list[dict[str, Any]] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    knocks: list[Knock] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    messages: int = 0
    sightings: int = 0
    payload_bytes: int = 0
    wall_s: float = 0.0
    problems: list[str] = field(default_factory=list)


class Stage:
    """One performance of a play. people: "operator-garam" → signed in; tell: takes each line at once."""

    def __init__(
        self,
        play: Play,
        door: Door,
        people: Mapping[str, Person],
        *,
        now: Callable[[], datetime],
        speed: float,
        status: str,
        tell: Callable[[Line], None] = lambda _: None,
    ) -> None:
        self.play = play
        self.record = Record(speed)
        self._door = door
        self._people = people
        self._now = now
        self._speed = speed
        self._status = status
        self._tell = tell
        self._tenant = play.cast.tenant_id
        self._happened: dict[str, float] = {}
        self._done: set[int] = set()
        self._states: dict[str, str] = {}
        self._offers: dict[tuple[str, str], str] = {}
        self._outing_over = False
        self._seen_seq = 0

    def perform(self) -> Record:
        """Play to the end of the scenario, or until the case is closed and its neighbours are out."""
        started = time.monotonic()
        emissions = iter(self.play)
        upcoming = next(emissions, None)
        poll_at = started
        while True:
            at_s = self._at_s()
            upcoming = self._publish_until(at_s, emissions, upcoming)
            if time.monotonic() >= poll_at:
                self._look()
                self._react()
                poll_at = time.monotonic() + POLL_S
            if upcoming is None or self._is_over():
                break
            due_s = (upcoming.at_s - self._at_s()) / self._speed
            time.sleep(max(0.0, min(due_s, poll_at - time.monotonic())))
        self._finish()
        self.record.wall_s = time.monotonic() - started
        return self.record

    # --- things ----------------------------------------------------------------------------

    def _publish_until(
        self, at_s: float, emissions: Iterator[Emission], upcoming: Emission | None
    ) -> Emission | None:
        for tenant_id, beacons in dict(self._door.watched).items():
            self.play.watch(tenant_id, beacons)
        while upcoming is not None and upcoming.at_s <= at_s:
            self._door.publish(upcoming)
            self.record.messages += 1
            self.record.payload_bytes += len(json.dumps(upcoming.payload, separators=(",", ":")))
            self.record.sightings += len(upcoming.payload["s"])
            upcoming = next(emissions, None)
        return upcoming

    # --- what the screens show -------------------------------------------------------------

    def _look(self) -> None:
        self._happened.update({k: v for k, v in self.play.marks.items() if v <= self._at_s()})
        if self.record.outing_id and not self._outing_over:
            self._look_at_outing()
        self._look_at_cases()
        self._look_at_offers()

    def _look_at_outing(self) -> None:
        outing = self._as("teacher-1").get(f"outings/{self.record.outing_id}")["outing"]
        for member in outing["members"]:
            child, state = member["child_id"], member["state"]
            before = self._states.get(child, "unknown")
            if state == before:
                continue
            self._states[child] = state
            if state in ("warned", "departed"):
                self._say(f"outing-{state}", bag=member["bag_no"])
                if child == self._subject_id:
                    self._hear(Heard.WARNING if state == "warned" else Heard.ALARM)
            elif state == "with" and before in ("warned", "departed"):
                self._say("outing-with", bag=member["bag_no"])

    def _look_at_cases(self) -> None:
        operator = self._as(f"operator-{self._tenant}")
        if not self.record.case_id:
            open_cases = operator.get("cases")["cases"]
            mine = [c for c in open_cases if c["subject"]["subject_id"] == self._subject_id and c["open"]]
            if not mine:
                return
            self.record.case_id = mine[0]["case_id"]
            self._hear(Heard.CASE_ALERT, self._tenant)
        case_id = self.record.case_id
        case = self.record.case = operator.get(f"cases/{case_id}")["case"]
        for point, word in (("T5", Heard.ACKNOWLEDGED), ("T9", Heard.POLICE_TOLD), ("T8", Heard.SEEN)):
            if point in case["clock"]:
                self._hear(word)
        for point, word in (("T12", Heard.SECURED), ("T14", Heard.CLOSED)):
            if point in case["clock"]:
                self._hear(word)
        self._read_timeline(operator)
        if case["open"] and "T12" not in case["clock"]:
            self._sample(operator)

    def _read_timeline(self, operator: Person) -> None:
        path = f"cases/{self.record.case_id}/timeline"
        for entry in operator.get(path, after=self._seen_seq)["entries"]:
            self._seen_seq = entry["seq"]
            self.record.timeline.append(entry)
            at = datetime.fromisoformat(entry["at"])
            self._line(Line(at, f"timeline.{entry['code']}", entry["params"] | {"actor": entry["actor"]}))

    def _sample(self, operator: Person) -> None:
        position = operator.get(f"cases/{self.record.case_id}/position")["position"]
        if position is None:
            return
        self._hear(Heard.POSITION)
        at_s = datetime.fromisoformat(position["at"]).timestamp() - self.play.start_ms / 1000
        if self.record.samples and at_s <= self.record.samples[-1].at_s:
            return
        found = LatLon(position["lat"], position["lon"])
        truth = self.play.truth(self._beacon_id, at_s)
        self.record.samples.append(
            Sample(
                at_s=at_s,
                error_m=distance_m(found, truth),
                semi_major_m=position["ellipse95"]["semi_major_m"],
                inside=_inside(found, position["ellipse95"], truth),
                districts=frozenset(self.play.things[source] for source in position["heard"]),
                method=position["method"],
            )
        )

    def _look_at_offers(self) -> None:
        for tenant_id in self._neighbours:
            for offer in self._as(f"operator-{tenant_id}").get("offers")["offers"]:
                key, state = (tenant_id, offer["case_id"]), offer["state"]
                if offer["case_id"] != self.record.case_id or self._offers.get(key) == state:
                    continue
                self._offers[key] = state
                if state == "offered":
                    self._knock("offered", tenant_id)
                    self._hear(Heard.OFFER, tenant_id)
                elif state == "accepted":
                    self._hear(Heard.ACCEPTED, tenant_id)

    def _knock(self, moment: str, tenant_id: str) -> None:
        """Try the neighbour's door with the neighbour's own login."""
        if not self.record.case_id:
            return
        neighbour = self._as(f"operator-{tenant_id}")
        for path in (
            f"shared/{self._tenant}/{self.record.case_id}",
            f"shared/{self._tenant}/{self.record.case_id}/position",
            f"cases/{self.record.case_id}",
        ):
            self.record.knocks.append(
                Knock(f"{moment} {path.split('/')[0]}", tenant_id, neighbour.status_of(path))
            )

    # --- what people do --------------------------------------------------------------------

    def _react(self) -> None:
        for reaction in due(self.play.scenario.rules, self._happened, self._at_s(), self._done):
            if reaction.do in _ON_A_CASE and not self.record.case_id:
                continue  # nothing on the screen to act on
            try:
                self._do(reaction)
            except Refused as refused:
                if refused.status < 500 and refused.status not in (404, 409):
                    raise
                # Not there yet, or somebody was faster: a person tries again.
                self.record.problems.append(f"{reaction.do} by {reaction.who}: {refused}")
                continue
            self._done.add(reaction.rule)

    def _do(self, reaction: Reaction) -> None:
        who, case = self._as(reaction.who), f"cases/{self.record.case_id}"
        match reaction.do:
            case Do.START_OUTING:
                self._start_outing(who)
            case Do.ANSWER:
                body = {"child_id": self._subject_id, **reaction.params}
                who.post(f"outings/{self.record.outing_id}/answers", body)
            case Do.REPORT:
                self._report(who)
            case Do.ACKNOWLEDGE:
                who.post(f"{case}/acknowledge")
                self._open_best_camera(who)
            case Do.CALL_POLICE:
                who.post(
                    f"{case}/police", {"receipt_no": "112-20261", "channel": "112-call", **reaction.params}
                )
            case Do.ACCEPT | Do.DECLINE:
                tenant_id = reaction.who.split("-", 1)[1]
                who.post(f"offers/{self._tenant}/{self.record.case_id}/{reaction.do.value}")
                self._knock(f"{reaction.do.value}ed", tenant_id)
            case Do.SEEN:
                self._see(who, reaction.params)
            case Do.SECURED:
                who.post(f"{case}/secured", {"by": "police", **reaction.params})
            case Do.TELL_GUARDIAN:
                who.post(f"{case}/guardian")
            case Do.CLOSE:
                who.post(f"{case}/close", {"reason": "found", "note": "", **reaction.params})
            case Do.END_OUTING:
                found = {"child_id": self._subject_id, "answer": "with-me"}
                who.post(f"outings/{self.record.outing_id}/end", {"answers": [found]})
                self._outing_over = True
        self._say(f"did-{reaction.do.value}", who=reaction.who)

    def _start_outing(self, who: Person) -> None:
        cast, outfit = self.play.cast, dict(self.play.scenario.outfit)
        members: list[dict[str, Any]] = [
            {"child_id": child.child_id, **({"outfit": outfit} if child.child_id == self._subject_id else {})}
            for child in cast.children.values()
        ]
        phones = [phone.phone_id for phone in cast.teachers.values()]
        answer = who.post("outings", {"members": members, "phones": phones, "status": self._status})
        self.record.outing_id = answer["outing"]["outing_id"]
        self._hear(Heard.STARTED)

    def _report(self, who: Person) -> None:
        body = {
            "child_id": self._subject_id,
            "outing_id": self.record.outing_id,
            "pressed_at": self._now().isoformat(),
            "status": self._status,
        }
        who.post("cases", body)

    def _open_best_camera(self, who: Person) -> None:
        path = f"cases/{self.record.case_id}/cameras"
        ranked = who.get(path)["cameras"]
        if ranked:
            who.post(f"{path}/{ranked[0]['camera_id']}", {"mark": "watching"})

    def _see(self, who: Person, params: Mapping[str, Any]) -> None:
        """The child is on a camera: the operator points at where it truly is."""
        assert self.play.scenario.subject is not None  # noqa: S101 - a rule about nobody is not loaded
        where = self.play.person(self.play.scenario.subject, self._at_s())
        cameras = [c for tenant in self.play.city.cameras.values() for c in tenant]
        nearest = min(cameras, key=lambda camera: distance_m(camera.at, where))
        who.post(
            f"cases/{self.record.case_id}/evidence",
            {
                "kind": "seen",
                "lat": where.lat_deg,
                "lon": where.lon_deg,
                "radius_m": 10,
                "source": nearest.camera_id,
                "confirmed": True,
                **params,
            },
        )

    # --- the end ---------------------------------------------------------------------------

    def _is_over(self) -> bool:
        """Everything the people had to do is done, and no neighbour holds an open grant."""
        rules = self.play.scenario.rules
        closed = Heard.CLOSED in self._happened or self.play.scenario.subject is None
        held = any(state in ("offered", "accepted") for state in self._offers.values())
        return len(self._done) == len(rules) and closed and not held

    def _finish(self) -> None:
        if not self.record.case_id:
            return
        operator = self._as(f"operator-{self._tenant}")
        self.record.case = operator.get(f"cases/{self.record.case_id}")["case"]
        self._read_timeline(operator)
        self.record.report = operator.get(f"cases/{self.record.case_id}/report")
        for tenant_id in self._neighbours:
            self._knock("ended", tenant_id)

    # --- small words -----------------------------------------------------------------------

    @property
    def _neighbours(self) -> Sequence[str]:
        return [t.tenant_id for t in self.play.city.tenants if t.tenant_id != self._tenant]

    @property
    def _subject_id(self) -> str:
        subject = self.play.scenario.subject
        return "" if subject is None else self.play.cast.children[subject].child_id

    @property
    def _beacon_id(self) -> str:
        return self.play.cast.children[str(self.play.scenario.subject)].beacon_id

    def _as(self, who: str) -> Person:
        return self._people[who]

    def _at_s(self) -> float:
        return self._now().timestamp() - self.play.start_ms / 1000

    def _hear(self, word: Heard, tenant_id: str = "") -> None:
        for name in (word.value, f"{word.value}-{tenant_id}" if tenant_id else word.value):
            self._happened.setdefault(name, self._at_s())

    def _say(self, code: str, **params: str | float) -> None:
        self._line(Line(self._now(), f"demo.{code}", params))

    def _line(self, line: Line) -> None:
        self.record.lines.append(line)
        self._tell(line)


def _inside(center: LatLon, ellipse: Mapping[str, float], at: LatLon) -> bool:
    """Whether `at` lies in the ellipse."""
    x, y = Plane(center).to_xy(at)
    b = math.radians(ellipse["bearing_deg"])
    along, across = x * math.sin(b) + y * math.cos(b), x * math.cos(b) - y * math.sin(b)
    return math.hypot(along / ellipse["semi_major_m"], across / ellipse["semi_minor_m"]) <= 1


def wall_clock(speed: float) -> tuple[str, Callable[[], datetime]]:
    """A clock that starts now and runs `speed` times as fast: for the template, and for this process."""
    wall_s0 = round(time.time(), 3)

    def now() -> datetime:
        return datetime.fromtimestamp(wall_s0 + (time.time() - wall_s0) * speed, UTC)

    return ("" if speed == 1 else f"{wall_s0}:{wall_s0}:{speed}"), now
