"""A drill: an exercise that is planned, run, disturbed on purpose, and learned from (FIELD J10).

A drill opens Exercise cases in the same engine as a real report does. What goes wrong in it (an inject)
is a function of the drill's seed and of what is there, so that the same drill can be held again.
Nothing here opens a case or tells anybody.
"""

import calendar
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from enum import StrEnum

from shared.domain.case import Actor, Case, Entry, broken_at, paused_s
from shared.domain.errors import Conflict, Rejected
from shared.domain.geo import Area, LatLon, Plane, contains, distance_m
from shared.domain.places import Agreement, Policy, Scanner
from shared.domain.report import WHOLES, phases_s, slowest, spread

KST = timezone(timedelta(hours=9))
"""Months and working hours are those of the people who drill."""
PER_MONTH = 2
"""Gwanak holds two a month since 2022 (FIELD 2.2)."""
LONGEST = timedelta(minutes=30)
"""A drill ends when the child is secured, or after this long (FIELD 2.2)."""
COMPARED = 10
"""A drill is measured against this many before it."""
POINTS = (*(f"T{n}" for n in range(9)), "T8c", *(f"T{n}" for n in range(9, 14)))
"""The clock points a drill's report shows, happened or not."""

OUT_AT_ONCE = 6
"""Scanners an outage takes, at most; never more than a third of all."""
COLOURS = ("black", "blue", "brown", "gray", "green", "orange", "pink", "purple", "red", "white", "yellow")
_SLOTS = ((10, 0), (10, 30), (14, 0), (14, 30))  # when daycares are out; hours of the day in Korea
_BEYOND_M = 30.0  # steps across a border until one is inside the neighbour's district


class DrillState(StrEnum):
    PLANNED = "planned"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"


class InjectKind(StrEnum):
    SCANNER_OUTAGE = "scanner-outage"
    WRONG_CLOTHING = "wrong-clothing"
    PHONE_DEAD = "phone-dead"
    SECOND_CHILD = "second-child"
    BORDER_CROSSING = "border-crossing"
    BAG_DROPPED = "bag-dropped"


@dataclass(frozen=True, slots=True)
class Inject:
    """Something that goes wrong on purpose, and what exactly.

    sources: scanners or the phone that fall silent for this drill's beacons. outfit: what is said to be
    worn. child_id, case_id: the second child. where, neighbour_id: where the carrier of the decoy bag
    crosses a border. after_s: seconds from now after which the carrier leaves the bag.
    """

    kind: InjectKind
    at: datetime
    by: str
    sources: tuple[str, ...] = ()
    outfit: tuple[tuple[str, str], ...] = ()
    child_id: str = ""
    case_id: str = ""
    where: LatLon | None = None
    neighbour_id: str = ""
    after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Finding:
    """What a drill shows to be worth changing. code, params: the sentence (i18n `drill.lesson.*`)."""

    code: str
    params: Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class Lesson:
    """A finding somebody took on."""

    code: str
    params: Mapping[str, str | int]
    note: str
    at: datetime
    by: str


@dataclass(frozen=True, slots=True)
class Drill:
    """A drill. child_id: the child whose decoy bag is carried. cases: the first is the decoy's; none before
    somebody reports.

    separated_at: when the child really left (T0), as the observer saw it.

    announced: everybody may know; else only `informed`, who planned it, and whoever watches over it.
    script: injects planned, with their seconds after the first case. paused_for: "real-case", "supervisor".
    clock, phases: of the first case, kept when it stopped, for those that come after.
    """

    drill_id: str
    tenant_id: str
    state: DrillState
    planned_at: datetime
    planned_by: str
    facility_id: str
    child_id: str
    seed: int
    announced: bool
    informed: tuple[str, ...] = ()
    script: tuple[tuple[InjectKind, float], ...] = ()
    cases: tuple[str, ...] = ()
    injects: tuple[Inject, ...] = ()
    started_at: datetime | None = None
    separated_at: datetime | None = None
    stopped_at: datetime | None = None
    paused_for: str = ""
    clock: Mapping[str, datetime] = field(default_factory=dict)
    phases: Mapping[str, float] = field(default_factory=dict)
    lessons: tuple[Lesson, ...] = ()
    version: int = 0

    @property
    def under_way(self) -> bool:
        """Running or paused: a tenant has one such drill at a time."""
        return self.state in (DrillState.RUNNING, DrillState.PAUSED)

    @property
    def was_held(self) -> bool:
        """Whether it is over, and had a case to learn from."""
        return self.state is DrillState.STOPPED and bool(self.cases)


@dataclass(frozen=True, slots=True)
class Scene:
    """What an inject can hit. home: the daycare; where: the newest place of the child, or home.

    children: who may play a second missing child; phones: those of the group; outfit: today's.
    """

    home: LatLon
    where: LatLon
    scanners: Sequence[Scanner] = ()
    phones: Sequence[str] = ()
    children: Sequence[str] = ()
    outfit: Mapping[str, str] = field(default_factory=dict)
    agreements: Sequence[Agreement] = ()


@dataclass(frozen=True, slots=True)
class Duty:
    """What a month owes: `due` drills, `held` so far, `planned` still to come."""

    month: str
    due: int
    held: int
    planned: int


@dataclass(frozen=True, slots=True)
class Compared:
    """A phase beside the same phase of the drills before. n: how many of those had it; nan for n 0."""

    took_s: float
    n: int
    median_s: float
    p90_s: float


@dataclass(frozen=True, slots=True)
class DrillReport:
    """What a drill took and showed. missing: points that never happened. slowest: the longest single step."""

    drill_id: str
    is_secured: bool
    clock: Mapping[str, datetime]
    missing: tuple[str, ...]
    phases: Mapping[str, Compared]
    slowest: str
    stood_still_s: float
    injects: tuple[Inject, ...]
    findings: tuple[Finding, ...]
    lessons: tuple[Lesson, ...]
    chain_holds: bool


def plan(
    drill_id: str,
    by: Actor,
    now: datetime,
    *,
    planned_at: datetime,
    facility_id: str,
    child_id: str,
    seed: int,
    announced: bool = True,
    informed: Sequence[str] = (),
    injects: Sequence[InjectKind] = (),
) -> Drill:
    """A drill to come. Rejected for a time gone by, and for an unannounced one nobody is told of."""
    if planned_at < now:
        raise Rejected("drill-in-the-past")
    if not announced and not informed:
        raise Rejected("drill-informs-nobody")
    return Drill(
        drill_id=drill_id,
        tenant_id=by.tenant_id,
        state=DrillState.PLANNED,
        planned_at=planned_at,
        planned_by=by.actor_id,
        facility_id=facility_id,
        child_id=child_id,
        seed=seed,
        announced=announced,
        informed=tuple(dict.fromkeys(informed)),
        script=script(injects, seed),
    )


def script(injects: Sequence[InjectKind], seed: int) -> tuple[tuple[InjectKind, float], ...]:
    """When each inject is due, seconds after the first case: within five minutes, in the seed's order."""
    timed = [(kind, 30.0 + pick(seed, f"when:{kind}", 271)) for kind in dict.fromkeys(injects)]
    return tuple(sorted(timed, key=lambda each: (each[1], each[0])))


def may_know(drill: Drill, actor_id: str, role: str) -> bool:
    """Whether this person may know of the drill: of an unannounced one, few before it starts."""
    known = drill.announced or drill.state is not DrillState.PLANNED or role == "auditor"
    return known or actor_id == drill.planned_by or actor_id in drill.informed


def started(drill: Drill, case_id: str, now: datetime) -> Drill:
    """It begins, with its first case or ("") with waiting for somebody to report. Conflict unless planned."""
    if drill.state is not DrillState.PLANNED:
        raise Conflict("drill-not-planned")
    cases = (case_id,) if case_id else ()
    return replace(drill, state=DrillState.RUNNING, started_at=now, cases=cases)


def reported(drill: Drill, case: Case) -> Drill:
    """Somebody reports the child of a running drill that waits for it: the case is the drill's."""
    awaited = drill.under_way and not drill.cases and case.subject.subject_id == drill.child_id
    return replace(drill, cases=(case.case_id,)) if awaited else drill


def observed(drill: Drill, separated_at: datetime) -> Drill:
    """The observer saw the child leave; once said it stays."""
    return drill if drill.separated_at else replace(drill, separated_at=separated_at)


def disturbed(drill: Drill, inject: Inject) -> Drill:
    """An inject takes effect, once of each kind. Conflict unless the drill runs."""
    if drill.state is not DrillState.RUNNING:
        raise Conflict("drill-not-running")
    if any(done.kind is inject.kind for done in drill.injects):
        raise Conflict("inject-done")
    cases = (*drill.cases, inject.case_id) if inject.case_id else drill.cases
    return replace(drill, injects=(*drill.injects, inject), cases=cases)


def paused(drill: Drill, reason: str) -> Drill:
    """It stands still; something real outweighs a supervisor's reason. Conflict when it is not under way."""
    if not drill.under_way:
        raise Conflict("drill-not-running")
    keep = drill.state is DrillState.PAUSED and drill.paused_for == "real-case"
    return replace(drill, state=DrillState.PAUSED, paused_for=drill.paused_for if keep else reason)


def resumed(drill: Drill) -> Drill:
    """It goes on. Conflict unless it stands still."""
    if drill.state is not DrillState.PAUSED:
        raise Conflict("drill-not-paused")
    return replace(drill, state=DrillState.RUNNING, paused_for="")


def stopped(drill: Drill, case: Case | None, now: datetime) -> Drill:
    """It is over; one that never started is called off. case: its first, whose clock is kept."""
    if drill.state is DrillState.STOPPED:
        return drill
    after = replace(drill, state=DrillState.STOPPED, stopped_at=now, paused_for="")
    return after if case is None else replace(after, clock=case.clock, phases=phases_s(case))


def learned(drill: Drill, finding: Finding, note: str, by: Actor, now: datetime) -> Drill:
    """Somebody takes on a finding; again is no change. Conflict before the drill is over."""
    if not drill.was_held:
        raise Conflict("drill-not-over")
    if any((lesson.code, lesson.note) == (finding.code, note) for lesson in drill.lessons):
        return drill
    return replace(
        drill, lessons=(*drill.lessons, Lesson(finding.code, finding.params, note, now, by.actor_id))
    )


def overdue(drill: Drill, now: datetime) -> bool:
    """Whether somebody forgot to stop it."""
    return drill.under_way and drill.started_at is not None and now - drill.started_at >= LONGEST


def deaf(drill: Drill | None) -> tuple[str, ...]:
    """Scanners and phones taken as silent for this drill's beacons now: none while it stands still."""
    if drill is None or drill.state is not DrillState.RUNNING:
        return ()
    return tuple(dict.fromkeys(source for inject in drill.injects for source in inject.sources))


def aim(kind: InjectKind, drill: Drill, scene: Scene, by: str, at: datetime) -> Inject:
    """What an inject hits: the same for the same seed and scene. Conflict when there is nothing to hit."""
    bare = Inject(kind, at, by)
    match kind:
        case InjectKind.SCANNER_OUTAGE:
            inject = replace(bare, sources=_outage(drill.seed, scene))
        case InjectKind.PHONE_DEAD:
            inject = replace(bare, sources=(_one(drill.seed, kind, sorted(scene.phones)),))
        case InjectKind.SECOND_CHILD:
            inject = replace(bare, child_id=_one(drill.seed, kind, sorted(scene.children)))
        case InjectKind.WRONG_CLOTHING:
            inject = replace(bare, outfit=_wrong(drill.seed, scene.outfit))
        case InjectKind.BORDER_CROSSING:
            where, neighbour_id = _crossing(drill.seed, scene)
            inject = replace(bare, where=where, neighbour_id=neighbour_id)
        case InjectKind.BAG_DROPPED:
            inject = replace(bare, after_s=float(10 + pick(drill.seed, kind, 51)))
    return inject


def pick(seed: int, what: str, n: int) -> int:
    """0 … n - 1, evenly, by the seed and what it is for."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{what}".encode()).digest()[:8]) % n


def duty(drills: Sequence[Drill], at: datetime) -> Duty:
    """What the month of `at` owes."""
    month = _month(at)
    held = sum(
        1 for drill in drills if drill.was_held and drill.started_at and _month(drill.started_at) == month
    )
    planned = sum(
        1
        for drill in drills
        if drill.state is DrillState.PLANNED and at <= drill.planned_at and _month(drill.planned_at) == month
    )
    return Duty(month, PER_MONTH, held, planned)


def dates(year: int, month: int, seed: int, now: datetime, count: int = PER_MONTH) -> tuple[datetime, ...]:
    """Times for `count` drills in what is left of a month: on working days, in the hours of outings, apart.

    Fewer when the month has fewer working days left.
    """
    last = calendar.monthrange(year, month)[1]
    days = [datetime(year, month, day, tzinfo=KST) for day in range(1, last + 1)]
    open_days = [day for day in days if day.weekday() < calendar.SATURDAY and day > now.astimezone(KST)]
    parts = min(count, len(open_days))
    chosen = []
    for part in range(parts):
        stretch = open_days[part * len(open_days) // parts : (part + 1) * len(open_days) // parts]
        what = f"{year}-{month}-{part}"
        hour, minute = _SLOTS[pick(seed, f"slot:{what}", len(_SLOTS))]
        chosen.append(stretch[pick(seed, f"day:{what}", len(stretch))].replace(hour=hour, minute=minute))
    return tuple(chosen)


def report(
    drill: Drill, case: Case, entries: Sequence[Entry], earlier: Sequence[Drill], policy: Policy
) -> DrillReport:
    """What the drill took, beside the last ten before it, and what it shows. case: its first."""
    before = sorted((d for d in earlier if _precedes(d, drill)), key=lambda d: d.stopped_at or d.planned_at)
    phases = phases_s(case)
    compared = {}
    for name, took_s in phases.items():
        known = spread([d.phases[name] for d in before[-COMPARED:] if name in d.phases])
        compared[name] = Compared(took_s, known.n, known.median_s, known.p90_s)
    end = drill.stopped_at or max(case.clock.values())
    return DrillReport(
        drill_id=drill.drill_id,
        is_secured="T12" in case.clock,
        clock={point: case.clock[point] for point in POINTS if point in case.clock},
        missing=tuple(point for point in POINTS if point not in case.clock),
        phases=compared,
        slowest=slowest(phases),
        stood_still_s=paused_s(case, case.clock["T4"], end),
        injects=drill.injects,
        findings=findings(case, compared, policy),
        lessons=drill.lessons,
        chain_holds=broken_at(case, entries) is None,
    )


def findings(case: Case, compared: Mapping[str, Compared], policy: Policy) -> tuple[Finding, ...]:
    """What is worth a lesson, the gravest first."""
    took = {name: round(phase.took_s) for name, phase in compared.items()}
    clock = case.clock
    rules: list[tuple[bool, Finding]] = [
        ("T12" not in clock, Finding("not-secured", {})),
        ("T5" not in clock, Finding("not-acknowledged", {})),
        (
            took.get("T5-T4", 0) > policy.second_operator_s,
            Finding(
                "acknowledged-late",
                {"took_s": took.get("T5-T4", 0), "limit_s": round(policy.second_operator_s)},
            ),
        ),
        ("T9" not in clock, Finding("police-not-told", {})),
        (
            took.get("T9-T4", 0) > policy.police_prompt_s,
            Finding(
                "police-late", {"took_s": took.get("T9-T4", 0), "limit_s": round(policy.police_prompt_s)}
            ),
        ),
        ("T6" not in clock, Finding("no-camera", {})),
        ("T7" not in clock, Finding("never-heard", {})),
        ("T8" not in clock, Finding("never-seen", {})),
        *(
            (
                phase.n > 0 and phase.took_s > phase.p90_s,
                Finding(
                    "slower-than-before",
                    {"phase": name, "took_s": took[name], "p90_s": round(phase.p90_s) if phase.n else 0},
                ),
            )
            for name, phase in compared.items()
            if name not in WHOLES
        ),
    ]
    slow = slowest({name: phase.took_s for name, phase in compared.items()})
    if slow:
        rules.append((True, Finding("slowest-step", {"phase": slow, "took_s": took[slow]})))
    return tuple(finding for holds, finding in rules if holds)


def _precedes(other: Drill, drill: Drill) -> bool:
    """Whether it counts among those a drill is compared with."""
    if not other.was_held or other.drill_id == drill.drill_id or other.stopped_at is None:
        return False
    return drill.stopped_at is None or other.stopped_at <= drill.stopped_at


def _month(at: datetime) -> str:
    return at.astimezone(KST).strftime("%Y-%m")


def _one(seed: int, kind: InjectKind, among: Sequence[str]) -> str:
    if not among:
        raise Conflict("inject-without-target")
    return among[pick(seed, kind, len(among))]


def _outage(seed: int, scene: Scene) -> tuple[str, ...]:
    """Neighbouring scanners around one of the eight nearest."""
    near = sorted(scene.scanners, key=lambda s: (distance_m(s.at, scene.where), s.scanner_id))
    if not near:
        raise Conflict("inject-without-target")
    middle = near[pick(seed, InjectKind.SCANNER_OUTAGE, min(8, len(near)))].at
    count = max(1, min(OUT_AT_ONCE, len(near) // 3))
    around = sorted(near, key=lambda s: (distance_m(s.at, middle), s.scanner_id))
    return tuple(sorted(s.scanner_id for s in around[:count]))


def _wrong(seed: int, outfit: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The outfit with one piece in another colour; of a child nobody described, a made-up top."""
    pieces = sorted(outfit) or ["top"]
    piece = pieces[pick(seed, "wrong-piece", len(pieces))]
    others = [colour for colour in COLOURS if colour != outfit.get(piece)]
    return tuple(sorted({**outfit, piece: others[pick(seed, "wrong-colour", len(others))]}.items()))


def _crossing(seed: int, scene: Scene) -> tuple[LatLon, str]:
    """A place just inside the nearest neighbour with an agreement, at one of its three nearest corners."""
    if not scene.agreements:
        raise Conflict("inject-without-target")

    def far_m(area: Area) -> float:
        return min(distance_m(corner, scene.home) for corner in area.ring)

    nearest = min(scene.agreements, key=lambda a: (far_m(a.neighbour_boundary), a.neighbour_id))
    area = nearest.neighbour_boundary
    corners = sorted(dict.fromkeys(area.ring), key=lambda corner: distance_m(corner, scene.home))[:3]
    corner = corners[pick(seed, InjectKind.BORDER_CROSSING, len(corners))]
    middle = LatLon(
        sum(c.lat_deg for c in area.ring) / len(area.ring), sum(c.lon_deg for c in area.ring) / len(area.ring)
    )
    plane = Plane(corner)
    x, y = plane.to_xy(middle)
    length = max(1.0, distance_m(corner, middle))
    steps = (plane.to_latlon(x / length * k * _BEYOND_M, y / length * k * _BEYOND_M) for k in range(1, 11))
    return next((at for at in steps if contains(area, at)), corner), nearest.neighbour_id
