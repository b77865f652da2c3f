"""A case's life beyond the search: merged, re-opened, given up; and what is real beside what is a drill."""

import pytest

from shared.adapters.cases import audit
from shared.domain.case import broken_at
from tests.unit.functions.api.town import DIRECTOR, OFFICIAL, OPERATOR, START, TEACHER, Told, Town


def codes(town: Town, case_id: str) -> list[str]:
    return [entry.code for entry in town.on("garam").cases.timeline(case_id)]


def merge(town: Town, case_id: str, into: str) -> Told:
    return town.ask(OPERATOR, f"POST /v1/cases/{case_id}/merge", {"into": into})


def close(town: Town, case_id: str, reason: str = "false-alarm", note: str = "") -> Told:
    return town.ask(OPERATOR, f"POST /v1/cases/{case_id}/close", {"reason": reason, "note": note})


def test_at_2_8_a_merged_case_closes_and_both_timelines_name_the_other(town: Town):
    first, second = town.case("c-1"), town.case("c-2")

    told = merge(town, second, first).body["case"]

    lines = {c: town.on("garam").cases.timeline(c)[-1] for c in (first, second)}
    assert (told["open"], told["close_reason"]) == (False, "merged")
    assert (lines[first].params["case_id"], lines[second].params["into"]) == (second, first)


def test_at_2_8_merging_twice_is_one_merge(town: Town):
    first, second = town.case("c-1"), town.case("c-2")
    statuses = [merge(town, second, first).status for _ in range(2)]

    assert (statuses, codes(town, first).count("absorbed")) == ([200, 200], 1)


def test_at_2_8_a_case_does_not_merge_into_itself_a_closed_one_or_one_of_another_district(town: Town):
    first, second = town.case("c-1"), town.case("c-2")
    close(town, first)

    statuses = [merge(town, second, into).status for into in (second, first, "c-of-nuri")]

    assert (statuses, codes(town, second)) == ([409, 409, 404], ["opened"])


def test_at_2_8_a_refused_merge_leaves_no_line_on_either_side(town: Town):
    real, drill = town.case("c-1"), town.case("c-2", status="Exercise")

    assert (merge(town, real, drill).status, codes(town, drill)) == (409, ["opened"])


def test_at_2_8_a_reopened_case_runs_again_is_listened_for_and_keeps_its_first_end(town: Town):
    case_id = town.case()
    close(town, case_id)
    town.on("garam").watch_list.remove("b-1")

    told = town.ask(OPERATOR, f"POST /v1/cases/{case_id}/reopen", {}).body["case"]

    assert (told["open"], "T14.1" in told["clock"], "T14" in told["clock"]) == (True, True, False)
    assert [watched.case_id for watched in town.on("garam").watch_list.entries()] == [case_id]
    assert len(town.cloud.table("workflow.started")) == 2


def test_at_2_8_a_case_is_not_reopened_beside_the_childs_next_one(town: Town):
    first = town.case()
    close(town, first)
    second = town.case()

    told = town.ask(OPERATOR, f"POST /v1/cases/{first}/reopen", {})

    assert (told.status, told.code, told.body["params"]["case_id"]) == (409, "subject-has-open-case", second)


@pytest.mark.parametrize(("note", "status"), [("기록 부족으로 종결", 200), ("", 409)])
def test_at_2_8_a_case_is_given_up_only_with_a_reason_and_the_role_is_kept(
    town: Town, note: str, status: int
):
    case_id = town.case()

    told = town.ask(OFFICIAL, f"POST /v1/cases/{case_id}/close", {"reason": "incomplete", "note": note})

    last = town.on("garam").cases.timeline(case_id)[-1]
    given_up = (last.code, last.params.get("role"), last.params.get("reason"))
    assert (told.status, given_up == ("closed", "official", "incomplete")) == (status, status == 200)


def test_at_2_8_the_chain_holds_through_every_act_and_shows_the_line_somebody_edited(town: Town):
    case_id, other = town.case("c-1"), town.case("c-2")
    merge(town, other, case_id)
    close(town, case_id, "bag-only")
    town.ask(OPERATOR, f"POST /v1/cases/{case_id}/reopen", {})
    cases = town.on("garam").cases
    assert (audit(cases, START), broken_at(cases.get(case_id), cases.timeline(case_id))) == ({}, None)

    lines = town.cloud.table("cases.timeline")[("garam", case_id)]
    lines.pop(1)

    assert audit(cases, START) == {case_id: 2}


def test_one_child_has_one_open_case_whoever_reports(town: Town):
    first, second = town.case("c-1", TEACHER), town.case("c-1", DIRECTOR)

    assert (first == second, codes(town, first)) == (True, ["opened", "report-joined"])


def test_at_10_3_a_real_report_about_a_child_in_a_drill_is_a_case_of_its_own(town: Town):
    drill = town.case("c-1", status="Exercise")

    real = town.case("c-1")

    cases = town.on("garam").cases
    assert (cases.get(real).status.value, cases.get(drill).is_open) == ("Actual", False)
    assert cases.get(drill).close_note == "real-case"


def test_at_10_3_who_says_that_it_is_real_is_taken_at_their_word_in_an_exercise_too(town: Town):
    town.outing("c-1", status="Exercise")

    assert [
        town.on("garam").cases.get(town.case("c-1", OPERATOR, **said)).status.value
        for said in ({}, {"status": "Exercise"}, {"status": "Actual"})
    ] == ["Exercise", "Exercise", "Actual"]


def test_a_report_from_a_real_outing_is_real_whatever_it_says(town: Town):
    town.outing("c-1")

    assert town.on("garam").cases.get(town.case("c-1", status="Exercise")).status.value == "Actual"
