"""What a case took, and what many took."""

import math
from dataclasses import replace
from datetime import datetime

import pytest

from shared.domain import case as cases
from shared.domain.case import Case, CloseReason
from shared.domain.places import Status
from shared.domain.report import case_report, group_of, kpi, phases_s, spread
from tests.casework import at, opened, opening, who


def clocked(status: Status = Status.ACTUAL, reason: CloseReason | None = None, **clock: float) -> Case:
    """A case with the given clock points, seconds after the report."""
    points: dict[str, datetime] = {key: at(seconds) for key, seconds in clock.items()}
    return replace(opened(status=status), clock={"T4": at(0), **points}, close_reason=reason)


def test_a_phase_is_there_when_both_its_ends_happened() -> None:
    report = case_report(clocked(T5=10, T12=600), [])

    assert report.phases == {"T12-T4": 600, "T5-T4": 10}


def test_the_slowest_single_step_is_named() -> None:
    report = case_report(clocked(T5=10, T6=95, T12=600), [])

    assert report.slowest == "T6-T5"


def test_a_report_says_whether_the_chain_holds() -> None:
    case, entries = opening()
    broken = [replace(entries[0], actor="somebody")]

    assert [case_report(case, lines).chain_holds for lines in (entries, broken)] == [True, False]


@pytest.mark.parametrize(
    ("case", "group"),
    [
        (clocked(reason=CloseReason.FOUND), "real"),
        (clocked(reason=CloseReason.INCOMPLETE), "real"),
        (clocked(), "real"),
        (clocked(reason=CloseReason.FALSE_ALARM), "false-alarm"),
        (clocked(reason=CloseReason.BAG_ONLY), "false-alarm"),
        (clocked(reason=CloseReason.MERGED), "merged"),
        (clocked(Status.EXERCISE, CloseReason.MERGED), "merged"),
        (clocked(Status.EXERCISE, CloseReason.FOUND), "drill"),
        (clocked(Status.EXERCISE, CloseReason.FALSE_ALARM), "drill"),
        (clocked(Status.TEST), "test"),
    ],
)
def test_real_drill_and_false_alarm_are_never_one_group(case: Case, group: str) -> None:
    assert group_of(case) == group


def test_at_10_5_a_drill_does_not_move_the_real_figures() -> None:
    real = clocked(T12=600)
    alone, _, _ = kpi([real])
    beside, _, _ = kpi([real, clocked(Status.EXERCISE, T12=6000)])

    assert (alone.n, alone.phases["T12-T4"]) == (beside.n, beside.phases["T12-T4"])


def test_who_was_never_secured_is_counted() -> None:
    real, drill, _ = kpi([clocked(T12=1), clocked(), clocked(Status.EXERCISE)])

    assert (real.not_secured, drill.not_secured) == (1, 1)


def test_a_search_that_goes_on_is_not_yet_one_that_failed() -> None:
    given_up, _ = cases.close(clocked(), CloseReason.INCOMPLETE, "기록 부족", who(), at(900))

    real, _, _ = kpi([clocked(), given_up])

    assert (real.n, real.not_secured, real.still_open) == (2, 2, 1)


def test_at_10_3_the_clock_leaves_out_how_long_an_exercise_stood_still() -> None:
    case = replace(clocked(Status.EXERCISE, T5=10, T12=600), pauses=((at(100), at(400)),))

    assert phases_s(case) == {"T12-T4": 300, "T5-T4": 10}


@pytest.mark.parametrize(
    ("seconds", "figures"),
    [
        ([5.0], (1, 5, 5, 5)),
        ([4.0, 1.0, 3.0, 2.0], (4, 2.5, 4, 4)),
        ([float(n) for n in range(1, 11)], (10, 5.5, 9, 10)),
    ],
)
def test_n_median_p90_and_max(seconds: list[float], figures: tuple[float, ...]) -> None:
    found = spread(seconds)

    assert (found.n, found.median_s, found.p90_s, found.max_s) == figures


def test_nothing_measured_is_nothing_claimed() -> None:
    assert math.isnan(spread([]).median_s)


def test_the_clock_of_a_report_is_in_the_order_things_happened() -> None:
    case, _ = cases.acknowledge(clocked(T2=-30), who(), at(10))

    assert list(case_report(case, []).clock) == ["T2", "T4", "T5"]
