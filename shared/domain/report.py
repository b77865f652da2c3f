"""What a case took, and what many cases took. Real, drill and false alarm never in one mean."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.domain.case import Case, CloseReason, Entry, broken_at, paused_s

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

WHOLES = ("T12-T4", "T12-T0", "T14-T4")
"""Phases that span others: never "the slowest step"."""

GROUPS = ("real", "drill", "false-alarm")
"""Cases of one group may enter one mean; of two groups never."""


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
    """One group of cases (`GROUPS`); never added up.

    not_secured: nobody has the child; still_open: those of them where the search goes on.
    """

    group: str
    n: int
    not_secured: int
    still_open: int
    phases: Mapping[str, Spread]


def case_report(case: Case, entries: Sequence[Entry]) -> CaseReport:
    """The report of one case from its clock and its whole timeline."""
    phases = phases_s(case)
    return CaseReport(
        case_id=case.case_id,
        status=case.status.value,
        outcome=case.close_reason.value if case.close_reason else case.state.value,
        clock=dict(sorted(case.clock.items(), key=lambda each: each[1])),
        phases=phases,
        slowest=slowest(phases),
        entries=len(entries),
        chain_holds=broken_at(case, entries) is None,
    )


def phases_s(case: Case) -> dict[str, float]:
    """Seconds of every phase whose both ends happened, without those an exercise stood still."""
    clock = case.clock
    return {
        name: (clock[end] - clock[start]).total_seconds() - paused_s(case, clock[start], clock[end])
        for name, (start, end) in PHASES.items()
        if start in clock and end in clock
    }


def slowest(phases: Mapping[str, float]) -> str:
    """The longest single step, "" without any."""
    steps = {name: took for name, took in phases.items() if name not in WHOLES}
    return max(steps, key=steps.__getitem__, default="")


def group_of(case: Case) -> str:
    """Which mean a case may enter: one of `GROUPS`, or "test" or "merged" which enter none.

    A merged case is the same event as another, which counts.
    """
    if case.status.value == "Test":
        return "test"
    if case.close_reason is CloseReason.MERGED:
        return "merged"
    if case.status.value == "Exercise":
        return "drill"
    harmless = (CloseReason.FALSE_ALARM, CloseReason.BAG_ONLY)
    return "false-alarm" if case.close_reason in harmless else "real"


def kpi(cases: Iterable[Case]) -> tuple[Kpi, ...]:
    """Per group: how many, how many never secured, and each phase's spread."""
    groups: dict[str, list[Case]] = {group: [] for group in GROUPS}
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
    taken = [phases_s(case) for case in cases]
    unsecured = [case for case in cases if "T12" not in case.clock]
    return Kpi(
        group=group,
        n=len(cases),
        not_secured=len(unsecured),
        still_open=sum(1 for case in unsecured if case.is_open),
        phases={name: spread([each[name] for each in taken if name in each]) for name in PHASES},
    )
