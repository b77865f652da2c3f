"""Drills and figures on the wire, version 1."""

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Self

from pydantic import Field, StringConstraints

from shared.domain.drill import (
    Compared,
    Drill,
    DrillReport,
    DrillState,
    Duty,
    Finding,
    Inject,
    InjectKind,
    Lesson,
)
from shared.domain.places import Status
from shared.domain.report import Kpi, Spread
from shared.schema.http import Asked, Id, Moment, Told, _example

Seconds = Annotated[float, Field(ge=0)]
Words = Annotated[str, StringConstraints(max_length=500)]
Month = Annotated[str, StringConstraints(pattern=r"^2[01][0-9]{2}-(0[1-9]|1[0-2])$")]


class DrillAsked(Asked):
    """A drill to come. child_id: whose decoy bag is carried; absent, the seed chooses in the daycare.

    informed: accounts that know of an unannounced one. seed: decides what the injects hit.
    """

    model_config = _example(
        {
            "planned_at": "2100-05-06T01:00:00Z",
            "facility_id": "sun",
            "announced": False,
            "informed": ["official-2"],
            "injects": ["scanner-outage", "wrong-clothing"],
            "seed": 7,
        }
    )

    planned_at: Moment
    facility_id: Id
    child_id: Id | None = None
    announced: bool = True
    informed: Annotated[tuple[Id, ...], Field(max_length=20)] = ()
    injects: Annotated[tuple[InjectKind, ...], Field(max_length=6)] = ()
    seed: Annotated[int, Field(ge=0, le=2**31)] | None = None


class MonthAsked(Asked):
    """A month whose missing drills are planned on working days, in the hours of outings."""

    model_config = _example({"month": "2100-05", "facility_id": "sun"})

    month: Month
    facility_id: Id
    announced: bool = True
    informed: Annotated[tuple[Id, ...], Field(max_length=20)] = ()


class StartAsked(Asked):
    """separated_at: when the child really left (T0), as the observer saw it.

    report: open the case now; if not, the drill waits until the teacher of an exercise outing reports.
    """

    model_config = _example({"separated_at": "2026-05-05T01:00:00Z"})

    separated_at: Moment | None = None
    report: bool = True


class SeparatedAsked(Asked):
    """When the child really left (T0), as the observer saw it."""

    model_config = _example({"at": "2026-05-05T01:00:00Z"})

    at: Moment


class InjectAsked(Asked):
    """What goes wrong now."""

    model_config = _example({"kind": "wrong-clothing"})

    kind: InjectKind


class LessonAsked(Asked):
    """A finding of the report by its code, or own words."""

    model_config = _example({"code": "own", "note": "정문 카메라 번호를 이름표에 적는다"})

    code: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z-]{0,39}$")]
    note: Words = ""


class PlaceTold(Told):
    """Where the carrier of the decoy bag goes."""

    lat: float
    lon: float


class InjectTold(Told):
    """What went wrong on purpose, and what exactly. where, after_s: what who carries the decoy bag does."""

    kind: InjectKind
    at: datetime
    by: str
    sources: list[str]
    outfit: dict[str, str]
    child_id: str
    case_id: str
    where: PlaceTold | None
    neighbour_id: str
    after_s: float

    @classmethod
    def of(cls, inject: Inject) -> Self:
        return cls(
            kind=inject.kind,
            at=inject.at,
            by=inject.by,
            sources=list(inject.sources),
            outfit=dict(inject.outfit),
            child_id=inject.child_id,
            case_id=inject.case_id,
            where=None
            if inject.where is None
            else PlaceTold(lat=inject.where.lat_deg, lon=inject.where.lon_deg),
            neighbour_id=inject.neighbour_id,
            after_s=inject.after_s,
        )


class ScriptTold(Told):
    """An inject that is planned: due so many seconds after the first case."""

    kind: InjectKind
    after_s: float


class FindingTold(Told):
    """What a drill shows (i18n `drill.lesson.*`)."""

    code: str
    params: dict[str, str | int]

    @classmethod
    def of(cls, finding: Finding) -> Self:
        return cls(code=finding.code, params=dict(finding.params))


class LessonTold(FindingTold):
    """A finding somebody took on."""

    note: str
    at: datetime
    by: str

    @classmethod
    def taken(cls, lesson: Lesson) -> Self:
        return cls(code=lesson.code, params=dict(lesson.params), note=lesson.note, at=lesson.at, by=lesson.by)


class DrillTold(Told):
    """A drill. status: always Exercise. paused_for: "real-case" or "supervisor" while it stands still."""

    drill_id: str
    status: Status
    state: DrillState
    planned_at: datetime
    planned_by: str
    facility_id: str
    child_id: str
    seed: int
    announced: bool
    informed: list[str]
    script: list[ScriptTold]
    cases: list[str]
    injects: list[InjectTold]
    started_at: datetime | None
    separated_at: datetime | None
    stopped_at: datetime | None
    paused_for: str
    overdue: bool
    lessons: list[LessonTold]
    version: int

    @classmethod
    def of(cls, drill: Drill, *, overdue: bool) -> Self:
        same = (
            "drill_id",
            "state",
            "planned_at",
            "planned_by",
            "facility_id",
            "child_id",
            "seed",
            "announced",
        )
        times = ("started_at", "separated_at", "stopped_at", "paused_for", "version")
        return cls(
            **{name: getattr(drill, name) for name in same + times},
            status=Status.EXERCISE,
            informed=list(drill.informed),
            script=[ScriptTold(kind=kind, after_s=after_s) for kind, after_s in drill.script],
            cases=list(drill.cases),
            injects=[InjectTold.of(inject) for inject in drill.injects],
            overdue=overdue,
            lessons=[LessonTold.taken(lesson) for lesson in drill.lessons],
        )


class DutyTold(Told):
    """What the month owes: two drills."""

    month: str
    due: int
    held: int
    planned: int

    @classmethod
    def of(cls, duty: Duty) -> Self:
        return cls(month=duty.month, due=duty.due, held=duty.held, planned=duty.planned)


class OneDrill(Told):
    now: datetime
    drill: DrillTold


class DrillsTold(Told):
    now: datetime
    duty: DutyTold
    drills: list[DrillTold]


class ComparedTold(Told):
    """A phase, and the same of the last ten drills: how many had it (n), their median and 90th percentile."""

    took_s: float
    n: int
    median_s: float | None
    p90_s: float | None

    @classmethod
    def of(cls, phase: Compared) -> Self:
        return cls(took_s=phase.took_s, n=phase.n, median_s=number(phase.median_s), p90_s=number(phase.p90_s))


class DrillReportTold(Told):
    """What a drill took. missing: clock points that never happened. phases: without pauses, by name."""

    now: datetime
    drill_id: str
    status: Status
    secured: bool
    clock: dict[str, datetime]
    missing: list[str]
    phases: dict[str, ComparedTold]
    slowest: str
    stood_still_s: float
    injects: list[InjectTold]
    findings: list[FindingTold]
    lessons: list[LessonTold]
    chain_holds: bool

    @classmethod
    def of(cls, report: DrillReport, now: datetime) -> Self:
        return cls(
            now=now,
            drill_id=report.drill_id,
            status=Status.EXERCISE,
            secured=report.is_secured,
            clock=dict(report.clock),
            missing=list(report.missing),
            phases={name: ComparedTold.of(phase) for name, phase in report.phases.items()},
            slowest=report.slowest,
            stood_still_s=report.stood_still_s,
            injects=[InjectTold.of(inject) for inject in report.injects],
            findings=[FindingTold.of(finding) for finding in report.findings],
            lessons=[LessonTold.taken(lesson) for lesson in report.lessons],
            chain_holds=report.chain_holds,
        )


class SpreadTold(Told):
    """How long a phase took: how many cases had it, median, 90th percentile and the longest, seconds."""

    n: int
    median_s: float | None
    p90_s: float | None
    max_s: float | None

    @classmethod
    def of(cls, spread: Spread) -> Self:
        return cls(
            n=spread.n,
            median_s=number(spread.median_s),
            p90_s=number(spread.p90_s),
            max_s=number(spread.max_s),
        )


class GroupTold(Told):
    """One group of cases. not_secured: nobody has the child; still_open: those where the search goes on."""

    group: str
    n: int
    not_secured: int
    still_open: int
    phases: dict[str, SpreadTold]

    @classmethod
    def of(cls, kpi: Kpi) -> Self:
        return cls(
            group=kpi.group,
            n=kpi.n,
            not_secured=kpi.not_secured,
            still_open=kpi.still_open,
            phases={name: SpreadTold.of(spread) for name, spread in kpi.phases.items()},
        )


class KpiTold(Told):
    """The figures of a period: real cases, drills and false alarms, never in one mean."""

    since: datetime
    until: datetime
    groups: list[GroupTold]

    @classmethod
    def of(cls, groups: Sequence[Kpi], since: datetime, until: datetime) -> Self:
        return cls(since=since, until=until, groups=[GroupTold.of(group) for group in groups])


def number(value: float) -> float | None:
    """JSON knows no nan: nothing measured is null."""
    return None if math.isnan(value) else round(value, 1)
