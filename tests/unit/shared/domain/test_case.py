"""The life of a case."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from shared.domain import case as cases
from shared.domain.case import (
    Actor,
    Case,
    CaseState,
    Change,
    CloseReason,
    Evidence,
    Kind,
    Look,
    broken_at,
)
from shared.domain.errors import Conflict
from shared.domain.places import Status
from tests.casework import at, evidence, opened, opening, who


def after(*steps: Callable[[Case], Change], start: Change | None = None) -> Change:
    """The case and its whole timeline after the steps."""
    case, entries = start or opening(found=evidence())
    for step in steps:
        case, more = step(case)
        entries = (*entries, *more)
    return case, entries


def acknowledge(case: Case) -> Change:
    return cases.acknowledge(case, who(), at(10))


def secured(case: Case) -> Change:
    return cases.secured(case, "police", who("police"), at(300))


def closed(case: Case) -> Change:
    return cases.close(case, CloseReason.FOUND, "", who(), at(400))


def test_at_1_4_a_report_that_waited_in_a_queue_keeps_the_press_time_as_t4() -> None:
    case, _ = opening(pressed_at=at(-42))

    assert case.clock["T4"] == at(-42)


def test_a_press_time_from_the_future_is_the_time_of_arrival() -> None:
    case, _ = opening(pressed_at=at(3600))

    assert case.clock["T4"] == at(0)


def test_at_2_2_a_second_acknowledger_is_told_who_owns_the_case() -> None:
    case, _ = acknowledge(opened())

    with pytest.raises(Conflict) as conflict:
        cases.acknowledge(case, who(actor_id="operator-2"), at(11))

    assert conflict.value.params == {"owner": "operator-1"}


def test_at_2_2_the_owner_acknowledging_again_changes_nothing() -> None:
    case, _ = acknowledge(opened())

    assert acknowledge(case) == (case, ())


def test_a_case_walks_from_the_report_to_the_guardian() -> None:
    states = []
    case = opened()
    for step in (
        acknowledge,
        lambda c: cases.searching(c, who(), at(12)),
        lambda c: cases.add_evidence(c, evidence(at_s=60), who(), at(60)),
        lambda c: cases.add_evidence(c, evidence(Kind.SEEN, at_s=90, confirmed=True), who(), at(90)),
        secured,
        lambda c: cases.with_guardian(c, who("police"), at(350)),
        closed,
    ):
        case, _ = step(case)
        states.append(case.state.value)

    assert states == [
        "acknowledged",
        "searching",
        "sighted",
        "confirmed",
        "secured",
        "with-guardian",
        "closed",
    ]


def test_clock_points_are_stamped_where_they_happen_and_never_overwritten() -> None:
    case, _ = after(
        acknowledge,
        lambda c: cases.police_told(c, "112-1", "phone", who("teacher"), at(30)),
        lambda c: cases.police_told(c, "112-2", "phone", who(), at(90)),
        lambda c: cases.police_acknowledged(c, who("police"), at(100)),
        lambda c: cases.officer_on_scene(c, who("police"), at(200)),
    )

    assert {key: (t - at(0)).total_seconds() for key, t in case.clock.items()} == {
        "T4": 0,
        "T5": 10,
        "T9": 30,
        "T10": 100,
        "T11": 200,
    }


def test_the_first_receipt_number_stays_the_reference() -> None:
    case, _ = after(
        lambda c: cases.police_told(c, "112-1", "phone", who("teacher"), at(30)),
        lambda c: cases.police_told(c, "112-2", "phone", who(), at(90)),
    )

    assert case.police_ref == "112-1"


def test_being_heard_before_the_report_is_no_re_sighting() -> None:
    case, _ = cases.add_evidence(opened(), evidence(at_s=-5), who(), at(1))

    assert ("T7" in case.clock, case.state) == (False, CaseState.REPORTED)


def test_late_evidence_is_recorded_and_moves_nothing_back() -> None:
    known = evidence(at_s=60, x_m=200)
    case, entries = after(
        lambda c: cases.add_evidence(c, known, who(), at(60)),
        lambda c: cases.add_evidence(c, evidence(at_s=20, x_m=50), who(), at(61)),
    )

    assert (case.last[Kind.HEARD], entries[-1].params["late"]) == (known, True)


def test_the_three_kinds_of_evidence_stay_apart() -> None:
    found: list[Evidence] = [evidence(kind, at_s=10, x_m=n) for n, kind in enumerate(Kind)]
    case, _ = after(
        *(lambda c, each=each: cases.add_evidence(c, each, who(), at(10)) for each in found)  # type: ignore[misc]
    )

    assert list(case.last.values()) == found


def test_the_first_camera_watched_is_t6_and_a_confirmed_look_is_t8_twice() -> None:
    view = evidence(Kind.SEEN, x_m=120)
    case, _ = after(
        lambda c: cases.mark_camera(c, "cam-1", Look.WATCHING, who(), at(20)),
        lambda c: cases.mark_camera(c, "cam-1", Look.NOT_SEEN, who(), at(40)),
        lambda c: cases.mark_camera(c, "cam-2", Look.WATCHING, who(), at(45)),
        lambda c: cases.mark_camera(c, "cam-2", Look.CONFIRMED, who(), at(70), view=view),
    )

    assert [(case.clock[key] - at(0)).total_seconds() for key in ("T6", "T8", "T8c")] == [20, 70, 70]


def test_a_mark_remembers_since_when_the_camera_was_watched() -> None:
    case, _ = after(
        lambda c: cases.mark_camera(c, "cam-1", Look.WATCHING, who(), at(20)),
        lambda c: cases.mark_camera(c, "cam-1", Look.NOT_SEEN, who(), at(40)),
    )

    assert (case.marks["cam-1"].since, case.marks["cam-1"].at) == (at(20), at(40))


def test_a_camera_sighting_without_its_place_is_refused() -> None:
    with pytest.raises(ValueError, match="place"):
        cases.mark_camera(opened(), "cam-1", Look.POSSIBLE, who(), at(20))


@pytest.mark.parametrize(
    "act",
    [
        acknowledge,
        lambda c: cases.add_evidence(c, evidence(), who(), at(500)),
        lambda c: cases.police_told(c, "1", "phone", who(), at(500)),
        lambda c: cases.police_acknowledged(c, who(), at(500)),
        lambda c: cases.officer_on_scene(c, who(), at(500)),
        lambda c: cases.secured(c, "police", who(), at(500)),
        lambda c: cases.with_guardian(c, who(), at(500)),
        lambda c: cases.close(c, CloseReason.FALSE_ALARM, "", who(), at(500)),
        lambda c: cases.mark_camera(c, "cam", Look.WATCHING, who(), at(500)),
        lambda c: cases.joined(c, who(), at(500)),
        lambda c: cases.hand_on(c, "operator-2", who(), at(500)),
        lambda c: cases.escalate(c, who(), at(500)),
        lambda c: cases.searching(c, who(), at(500)),
    ],
)
def test_nothing_happens_to_a_closed_case(act: Callable[[Case], Change]) -> None:
    case, _ = after(acknowledge, secured, closed)

    with pytest.raises(Conflict, match="case-closed"):
        act(replace(case, owner="operator-1"))


def test_a_case_is_not_closed_as_found_before_somebody_has_the_child() -> None:
    with pytest.raises(Conflict, match="case-not-secured"):
        closed(opened())


def test_at_2_8_a_case_closed_incomplete_says_why_and_by_which_role() -> None:
    case, entries = cases.close(opened(), CloseReason.INCOMPLETE, "기록 부족", who("official"), at(50))

    assert (case.close_note, entries[0].params["role"]) == ("기록 부족", "official")


def test_at_2_8_a_case_closed_incomplete_without_a_note_is_refused() -> None:
    with pytest.raises(Conflict, match="close-needs-note"):
        cases.close(opened(), CloseReason.INCOMPLETE, " ", who("official"), at(50))


def test_closing_again_for_the_same_reason_changes_nothing() -> None:
    case, _ = after(acknowledge, secured, closed)

    assert closed(case) == (case, ())


def test_at_2_8_a_merged_case_closes_and_names_the_other() -> None:
    case, entries = cases.merge(opened(), opened(case_id="case-2"), who(), at(50))

    assert (case.close_reason, entries[0].params["into"]) == (CloseReason.MERGED, "case-2")


@pytest.mark.parametrize("into", [opened(), opened(case_id="case-2", tenant_id="haneul")])
def test_at_2_8_a_case_merges_only_into_another_of_its_tenant(into: Case) -> None:
    with pytest.raises(Conflict, match="case-cannot-merge"):
        cases.merge(opened(), into, who(), at(50))


def test_at_2_8_a_reopened_case_keeps_when_it_was_secured_and_closed_the_first_time() -> None:
    case, _ = after(
        acknowledge,
        secured,
        closed,
        lambda c: cases.reopen(c, who(), at(500)),
        lambda c: cases.secured(c, "teacher", who("teacher"), at(600)),
    )

    assert [case.clock[key] for key in ("T12.1", "T14.1", "T12")] == [at(300), at(400), at(600)]


def test_an_open_case_is_not_reopened() -> None:
    with pytest.raises(Conflict, match="case-still-open"):
        cases.reopen(opened(), who(), at(500))


def test_a_case_changes_hands_only_by_its_owner_or_an_official() -> None:
    case, _ = acknowledge(opened())

    with pytest.raises(Conflict, match="case-already-owned"):
        cases.hand_on(case, "operator-3", Actor("operator-2", "garam", "operator"), at(20))


def test_an_escalation_step_is_taken_once() -> None:
    case, _ = cases.escalated(opened(), "second-operator", 1, at(20))

    assert cases.escalated(case, "second-operator", 1, at(21)) == (case, ())


def test_a_hand_over_that_has_not_arrived_keeps_its_version_while_it_says_the_same() -> None:
    tried = cases.handing_over(opened(), at(1))
    again = cases.handing_over(tried, at(16))
    said_more, _ = acknowledge(again)

    assert [c.handover_tried for c in (tried, again, cases.handing_over(said_more, at(31)))] == [1, 1, 2]


def test_a_receipt_for_an_old_version_changes_nothing() -> None:
    case, _ = cases.handed_over(opened(), 2, "r", who(), at(5))

    assert cases.handed_over(case, 1, "r", who(), at(6)) == (case, ())


def test_an_act_of_another_tenant_carries_its_name() -> None:
    _, entries = cases.note(opened(), "share-accepted", {}, who(tenant_id="haneul"), at(5))

    assert entries[0].params == {"role": "operator", "tenant_id": "haneul"}


def test_no_coordinate_is_in_a_timeline_line() -> None:
    _, entries = opening(found=evidence(x_m=123.4))

    assert "37." not in str(entries[0].params)


def test_at_2_8_an_untouched_chain_holds() -> None:
    case, entries = after(acknowledge, secured, closed)

    assert broken_at(case, entries) is None


def test_at_2_8_the_chain_holds_when_coordinates_are_destroyed() -> None:
    case, entries = after(acknowledge, secured, closed)

    assert broken_at(case, [replace(entry, evidence=None) for entry in entries]) is None


@pytest.mark.parametrize(
    ("tamper", "line"),
    [
        (lambda e: [e[0], replace(e[1], actor="somebody"), *e[2:]], 2),
        (lambda e: [e[0], replace(e[1], at=at(99)), *e[2:]], 2),
        (lambda e: [*e[:2], replace(e[2], params={"by": "teacher"}), *e[3:]], 3),
        (lambda e: [e[0], *e[2:]], 2),
        (lambda e: [e[0], e[2], e[1], *e[3:]], 2),
        (lambda e: e[:-1], 4),
        (lambda e: [*e, replace(e[-1], seq=5)], 5),
        (lambda e: [replace(e[0], evidence=evidence(x_m=999)), *e[1:]], 1),
    ],
    ids=["actor", "time", "params", "deleted", "swapped", "cut", "added", "place moved"],
)
def test_at_2_8_an_edited_timeline_shows_the_line(
    tamper: Callable[[list[cases.Entry]], list[cases.Entry]], line: int
) -> None:
    case, entries = after(acknowledge, secured, closed)

    assert broken_at(case, tamper(list(entries))) == line


def test_at_2_8_an_exercise_never_merges_with_something_real() -> None:
    drill = opened(case_id="case-2", status=Status.EXERCISE)
    for one, other in ((drill, opened()), (opened(), drill)):
        with pytest.raises(Conflict, match="case-cannot-merge"):
            cases.merge(one, other, who(), at(50))


def test_at_2_8_merging_again_changes_nothing() -> None:
    into = opened(case_id="case-2")
    merged, _ = cases.merge(opened(), into, who(), at(50))
    absorbed, _ = cases.absorb(into, merged, who(), at(50))

    assert cases.merge(merged, into, who(), at(51)) == (merged, ())
    assert cases.absorb(absorbed, merged, who(), at(51)) == (absorbed, ())


def test_the_colours_of_clothes_stay_out_of_the_timeline() -> None:
    case, entries = cases.describe(opened(), {"top": "green"}, who(), at(9))

    assert (case.subject.outfit, "green" in str(entries)) == ((("top", "green"),), False)


@pytest.mark.parametrize(
    "act",
    [
        lambda c: cases.pause(c, "real-case", who(), at(9)),
        lambda c: cases.separated(c, at(-60), who(), at(9)),
    ],
)
def test_only_an_exercise_is_paused_or_knows_when_the_child_left(act: Callable[[Case], Change]) -> None:
    with pytest.raises(Conflict, match="case-not-exercise"):
        act(opened())


def test_at_10_3_a_paused_exercise_goes_on_and_knows_how_long_it_stood_still() -> None:
    case, _ = cases.pause(opened(status=Status.EXERCISE), "real-case", who(), at(100))
    case, _ = cases.resume(case, who(), at(160))
    case, _ = cases.pause(case, "supervisor", who(), at(200))

    assert (case.is_paused, cases.paused_s(case, at(90), at(150)), cases.paused_s(case, at(0), at(210))) == (
        True,
        50,
        70,
    )
