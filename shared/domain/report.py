"""What a case took, and what many cases took. Real, drill and false alarm never in one mean."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.domain.case import Case, CloseReason, Entry, broken_at

PHASES = {
    "T12-T4": ("T4", "T12"),  # report → secured: comparable to the "10 minutes" of the drills
    "T12-T0": ("T0", "T12"),  # separation → secured: the honest one, drills only
    "T2-T0": ("T0", "T2"),
    "T4-T2": ("T2", "T4"),
    "T5-T4": ("T4", "T5"),
    "T6-T5": ("T5", "T6"),
    "T7-T4": ("T4", "T7"),
    "T8-T6": ("T6", "T8"),
    "T9-T4": ("T4", "T9"),
    "T10-T9": ("T9", "T10"),
    "T13-T12": ("T12", "T13"),
    "T14-T4": ("T4", "T14"),
}
"""Name → (from, to) clock points (FIELD 2.4)."""


@dataclass(frozen=True, slots=True)
class CaseReport:
    """One case. phases: seconds of those whose both ends happened; slowest: the longest single step."""

    case_id: str
    status: str
    outcome: str
    clock: Mapping[str, datetime]
    phases: Mapping[str, float]
    slowest: str
    entries: int
    chain_holds: bool


@dataclass(frozen=True, slots=True)
class Spread:
    """n, median, p90 and largest of a phase, seconds. n is 0 and the rest nan when nobody has it."""

    n: int
    median_s: float
    p90_s: float
    max_s: float


@dataclass(frozen=True, slots=True)
class Kpi:
    """One group of cases: "real", "drill" or "false-alarm"; never added up."""

    group: str
    n: int
    not_secured: int
    phases: Mapping[str, Spread]


def case_report(case: Case, entries: Sequence[Entry]) -> CaseReport:
    """The report of one case from its clock and its whole timeline."""
    phases = phases_s(case.clock)
    steps = {name: took for name, took in phases.items() if name not in ("T12-T4", "T12-T0", "T14-T4")}
    return CaseReport(
        case_id=case.case_id,
        status=case.status.value,
        outcome=case.close_reason.value if case.close_reason else case.state.value,
        clock=dict(sorted(case.clock.items(), key=lambda each: each[1])),
        phases=phases,
        slowest=max(steps, key=steps.__getitem__, default=""),
        entries=len(entries),
        chain_holds=broken_at(case, entries) is None,
    )


def phases_s(clock: Mapping[str, datetime]) -> dict[str, float]:
    """Seconds of every phase whose both ends happened."""
    return {
        name: (clock[end] - clock[start]).total_seconds()
        for name, (start, end) in PHASES.items()
        if start in clock and end in clock
    }


def group_of(case: Case) -> str:
    """Which mean a case may enter: "real", "drill", "false-alarm", or "test" which enters none."""
    if case.status.value != "Actual":
        return "drill" if case.status.value == "Exercise" else "test"
    harmless = (CloseReason.FALSE_ALARM, CloseReason.BAG_ONLY, CloseReason.MERGED)
    return "false-alarm" if case.close_reason in harmless else "real"


def kpi(cases: Iterable[Case]) -> tuple[Kpi, ...]:
    """Per group: how many, how many never secured, and each phase's spread."""
    groups: dict[str, list[Case]] = {"real": [], "drill": [], "false-alarm": []}
    for case in cases:
        if (group := group_of(case)) in groups:
            groups[group].append(case)
    return tuple(_kpi(group, members) for group, members in groups.items())


def spread(seconds: Sequence[float]) -> Spread:
    """n, median, p90 (nearest rank) and max."""
    if not seconds:
        return Spread(0, math.nan, math.nan, math.nan)
    ordered = sorted(seconds)
    middle = len(ordered) // 2
    median = ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
    return Spread(len(ordered), median, ordered[math.ceil(0.9 * len(ordered)) - 1], ordered[-1])


def _kpi(group: str, cases: Sequence[Case]) -> Kpi:
    taken = [phases_s(case.clock) for case in cases]
    return Kpi(
        group=group,
        n=len(cases),
        not_secured=sum(1 for case in cases if "T12" not in case.clock),
        phases={name: spread([each[name] for each in taken if name in each]) for name in PHASES},
    )
