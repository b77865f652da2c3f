"""Phones' reports, and what is said about a child while it is gone."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.departure import Departure, Level
from shared.domain.geo import LatLon
from shared.domain.outing import Answer, Member, Outing, OutingState
from shared.domain.places import Policy, Status
from shared.domain.proximity import PhoneTrack
from shared.domain.sighting import WINDOW_MS
from shared.domain.watching import (
    REPORTS_MAX,
    Alert,
    Fix,
    merge_reports,
    next_alarm,
    stopped,
    watched_until_ms,
)
from tests.district import START

START_MS = round(START.timestamp() * 1000)
CHILD = Member("c-1", "b-1", "01")
OUTING = Outing(
    "o-1", "garam", "f-1", Status.ACTUAL, OutingState.RUNNING, START, "t", ("p-1", "p-2"), (CHILD,)
)
POLICY = Policy()


def gone(level: Level, *, since_s: float) -> Departure:
    params: dict[str, Any] = {"phones": 2, "heard_by": "p-1", "heard_ms": START_MS, "silent_s": 9}
    return Departure(level, START_MS + round(since_s * 1000), "unheard", params)


def said(judgements: Sequence[tuple[float, Departure]], member: Member = CHILD) -> list[tuple[float, Alert]]:
    """What is said, and when, through a series of judgements."""
    alarm: dict[str, Any] = {}
    spoken = []
    for at_s, departure in judgements:
        now_ms = START_MS + round(at_s * 1000)
        alarm, alert = next_alarm(alarm, departure, OUTING, member, policy=POLICY, now_ms=now_ms)
        spoken += [(at_s, alert)] if alert else []
    return spoken


def sliding(until_s: int) -> list[tuple[float, Departure]]:
    """A child gone since 0 s, judged every second by a window of two minutes."""
    return [
        (t, gone(Level.DEPARTED if t >= 20 else Level.WARNED, since_s=max(0, t - 115)))
        for t in range(8, until_s)
    ]


def test_a_warning_is_said_once() -> None:
    assert said([(t, gone(Level.WARNED, since_s=0)) for t in range(8, 19)]) == [(8, Alert.WARNED)]


def test_the_alarm_sounds_every_five_seconds_however_long_the_child_is_gone() -> None:
    alarms = [at_s for at_s, alert in said(sliding(400)) if alert is Alert.DEPARTED]

    assert {b - a for a, b in pairwise(alarms)} == {5}


def test_a_child_gone_for_minutes_was_warned_of_once() -> None:
    assert [alert for _, alert in said(sliding(400))].count(Alert.WARNED) == 1


@pytest.mark.parametrize("answer", [Answer.SEARCHING, Answer.LEFT_BEHIND, Answer.BAG_ONLY])
def test_an_answer_holds_however_long_the_search_takes(answer: Answer) -> None:
    answered = replace(CHILD, answer=answer, answered_at=START + timedelta(seconds=9))

    assert said(sliding(400), answered) == [(8, Alert.WARNED)]


def test_an_answer_to_an_earlier_departure_does_not_hold() -> None:
    answered = replace(CHILD, answer=Answer.SEARCHING, answered_at=START - timedelta(seconds=9))

    assert len(said([(20, gone(Level.DEPARTED, since_s=0))], answered)) == 1


def test_a_child_that_came_back_and_left_again_is_warned_of_again() -> None:
    back = Departure(Level.NEAR, START_MS, "within-reach")
    judgements = [(9, gone(Level.WARNED, since_s=0)), (12, back), (40, gone(Level.WARNED, since_s=31))]

    assert said(judgements) == [(9, Alert.WARNED), (40, Alert.WARNED)]


def test_a_departed_child_is_back_only_when_it_is_certainly_within_reach() -> None:
    perhaps, surely = (Departure(Level.NEAR, START_MS, "within-reach", near=near) for near in (0.6, 0.97))
    away = (30, gone(Level.DEPARTED, since_s=0))

    assert (said([away, (35, perhaps)]), said([away, (35, surely)])) == (
        [(30, Alert.DEPARTED), (35, Alert.DEPARTED)],
        [(30, Alert.DEPARTED)],
    )


def test_while_nobody_watches_the_alarm_stays_as_it_was() -> None:
    before = {"level": "departed", "outing_id": "o-1"}
    blind = Departure(Level.UNWATCHED, START_MS, "monitoring-stopped")

    assert next_alarm(before, blind, OUTING, CHILD, policy=POLICY, now_ms=START_MS) == (before, None)


def test_an_alarm_of_another_outing_counts_for_nothing() -> None:
    before = {"level": "departed", "outing_id": "yesterday", "warned_ms": 1, "told_ms": START_MS + 8000}
    _, alert = next_alarm(
        before, gone(Level.WARNED, since_s=0), OUTING, CHILD, policy=POLICY, now_ms=START_MS + 9000
    )

    assert alert is Alert.WARNED


def phone(phone_id: str, *reported_s: float, told_s: float = 0) -> PhoneTrack:
    told_ms = START_MS + round(told_s * 1000) if told_s else 0
    return PhoneTrack(phone_id, tuple(START_MS + round(t * 1000) for t in reported_s), told_ms=told_ms)


@pytest.mark.parametrize(
    ("second", "found"),
    [
        (phone("p-2", 11), []),
        (phone("p-2", 10), ["p-2"]),
        (phone("p-2"), ["p-2"]),
        (phone("p-2", 5, told_s=25), []),
        (phone("p-2", 8, told_s=5), ["p-2"]),
    ],
)
def test_a_phone_has_stopped_after_twenty_silent_seconds_until_it_was_told(
    second: PhoneTrack, found: list[str]
) -> None:
    phones = {"p-1": phone("p-1", 29), "p-2": second}

    assert [p.phone_id for p in stopped(OUTING, phones, POLICY, now_ms=START_MS + 30_000)] == found


def test_a_group_is_watched_until_its_newest_report() -> None:
    assert watched_until_ms([phone("p-1", 1, 5), phone("p-2", 3), phone("p-3")]) == START_MS + 5000


def test_a_group_whose_phones_never_reported_is_not_watched() -> None:
    assert watched_until_ms([phone("p-1"), phone("p-2")]) is None


times = st.integers(START_MS, START_MS + 2 * WINDOW_MS)
fixes = st.tuples(times, st.sampled_from([LatLon(37, 127), LatLon(37, 127.001)]), st.integers(1, 3))


@settings(max_examples=100)
@given(st.lists(times, max_size=20), st.lists(fixes, max_size=20), st.randoms())
def test_reports_merge_in_any_order_any_parts_and_any_number_of_times(
    reported: list[int], found: list[Fix], random: Any
) -> None:
    once = merge_reports(PhoneTrack("p-1"), reported, found)
    torn = PhoneTrack("p-1")
    parts: list[tuple[list[int], list[Fix]]] = [([t], []) for t in reported] + [([], [f]) for f in found]
    parts += random.choices(parts, k=len(parts)) if parts else []
    random.shuffle(parts)
    for more_reports, more_fixes in parts:
        torn = merge_reports(torn, more_reports, more_fixes)
    torn = merge_reports(torn, reported, found)

    assert torn == once


def test_a_phones_track_is_bounded() -> None:
    track = merge_reports(PhoneTrack("p-1"), range(START_MS, START_MS + 2 * WINDOW_MS, 100), [])

    assert (len(track.reported_ms), track.reported_ms[-1]) == (REPORTS_MAX, START_MS + 2 * WINDOW_MS - 100)
