"""Drills over the API: who knows of one, what an inject does, what is real, and what comes of it."""

import json
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from functions.assess_case.steps import STEPS
from shared.adapters.drills import interrupted
from shared.domain.case import CloseReason, Subject, SubjectClass, open_case, system
from shared.domain.drill import Drill
from shared.domain.places import Status
from shared.schema.workflow import CaseRun
from tests.unit.functions.api.town import (
    ADMIN,
    AUDITOR,
    OFFICIAL,
    OPERATOR,
    POLICE,
    START,
    TEACHER,
    Told,
    Town,
    Who,
)

OTHER = Who("official-2", "garam", "official")


def act(town: Town, drill_id: str, what: str, body: Any = None, who: Who = OFFICIAL) -> Told:
    return town.ask(who, f"POST /v1/drills/{drill_id}/{what}", body or {})


def started(town: Town, **body: Any) -> tuple[str, str]:
    """A running drill and its case."""
    drill_id = town.drill()
    told = act(town, drill_id, "start", body)
    assert told.status == 200, told.body
    return drill_id, told.body["drill"]["cases"][0]


def inject(town: Town, drill_id: str, kind: str) -> Any:
    told = act(town, drill_id, "injects", {"kind": kind})
    assert told.status == 200, told.body
    return told.body["drill"]["injects"][-1]


def run_through(town: Town, *, police_s: float = 20) -> str:
    """A whole drill with every point there is a person for; the report's drill."""
    drill_id, case_id = started(town, separated_at=(town.clock.at - timedelta(seconds=60)).isoformat())
    acts = [
        (8, OPERATOR, "acknowledge", {}),
        (12, OPERATOR, "cameras/cam-1", {"mark": "watching"}),
        (police_s, TEACHER, "police", {"receipt_no": "112-1"}),
        (police_s + 9, POLICE, "police/acknowledge", {}),
        (120, OPERATOR, "cameras/cam-1", {"mark": "confirmed"}),
        (240, POLICE, "police/on-scene", {}),
        (300, POLICE, "secured", {"by": "police"}),
        (360, POLICE, "guardian", {}),
    ]
    for (before_s, *_), (at_s, who, path, body) in pairwise([(0.0, OPERATOR, "", {}), *acts]):
        town.later(at_s - before_s)
        told = town.ask(who, f"POST /v1/cases/{case_id}/{path}", body)
        assert told.status == 200, told.body
    act(town, drill_id, "stop")
    return drill_id


def really_missed(town: Town) -> None:
    """Another request opens a real case at the same time."""
    subject = Subject("c-9", "b-9", SubjectClass.CHILD, 3)
    how = {"status": Status.ACTUAL, "subject": subject, "facility_id": "moon"}
    case, entries = open_case("c-real", system("garam"), town.clock.at, **how)  # type: ignore[arg-type]
    interrupted(town.on("garam"), town.on("garam").cases.create(case, entries))


def report(town: Town, drill_id: str, who: Who = OFFICIAL) -> Any:
    return town.ask(who, f"GET /v1/drills/{drill_id}/report").body


def live(town: Town) -> list[dict[str, Any]]:
    """What the screens heard, oldest first."""
    heard = town.cloud.table("live").get("heard", [])
    return [json.loads(payload) for topic, payload in heard if topic.endswith("events")]


def test_at_10_1_a_month_is_planned_with_what_it_still_owes(town: Town):
    month = {"month": "2026-05", "facility_id": "sun"}
    first = town.ask(ADMIN, "POST /v1/drills/months", month).body
    again = town.ask(ADMIN, "POST /v1/drills/months", month).body

    assert (first["duty"], len(first["drills"]), len(again["drills"])) == (
        {"month": "2026-05", "due": 2, "held": 0, "planned": 2},
        2,
        2,
    )


def test_at_10_1_an_unannounced_drill_is_not_there_for_who_is_not_informed(town: Town):
    drill_id = town.drill(announced=False, informed=["admin-1"])

    seen = {who.name: town.ask(who, f"GET /v1/drills/{drill_id}").status for who in (OFFICIAL, ADMIN, OTHER)}
    listed = [len(town.ask(who, "GET /v1/drills").body["drills"]) for who in (OFFICIAL, OTHER, AUDITOR)]

    assert (seen, listed) == ({"official-1": 200, "admin-1": 200, "official-2": 404}, [1, 0, 1])
    assert act(town, drill_id, "start", who=OTHER).status == 404


def test_a_drill_starts_with_an_exercise_case_in_the_same_engine(town: Town):
    _, case_id = started(town)

    case = town.on("garam").cases.get(case_id)
    assert (case.status.value, case.subject.subject_id, len(town.cloud.table("workflow.started"))) == (
        "Exercise",
        "c-1",
        1,
    )
    assert [watched.beacon_id for watched in town.on("garam").watch_list.entries()] == ["b-1"]


def test_a_drill_may_wait_for_the_teachers_report_and_gives_it_the_observers_t0(town: Town):
    town.outing("c-1", status="Exercise")
    drill_id = town.drill()
    act(town, drill_id, "start", {"report": False})
    act(town, drill_id, "separated", {"at": START.isoformat()})
    town.later(45)
    case_id = town.case("c-1")

    drill = town.ask(OFFICIAL, f"GET /v1/drills/{drill_id}").body["drill"]

    assert (drill["cases"], town.on("garam").cases.get(case_id).clock["T0"]) == ([case_id], START)


def test_an_observers_time_after_the_report_is_refused_and_never_refuses_a_report(town: Town):
    town.outing("c-1", status="Exercise")
    drill_id = town.drill()
    future = act(town, drill_id, "start", {"separated_at": (START + timedelta(hours=1)).isoformat()})
    act(town, drill_id, "start", {"report": False})
    act(town, drill_id, "separated", {"at": (START + timedelta(seconds=9)).isoformat()})
    case_id = town.case("c-1")  # pressed before the observer's time

    assert (future.code, "T0" in town.on("garam").cases.get(case_id).clock) == (
        "separated-after-report",
        False,
    )


def test_at_10_3_a_real_report_in_the_moment_a_drill_starts_is_not_missed(
    town: Town, monkeypatch: pytest.MonkeyPatch
):
    drills = town.on("garam").drills
    save = drills.save

    def saved_while_a_child_is_missed(drill: Drill) -> Drill:
        monkeypatch.setattr(drills, "save", save)
        really_missed(town)  # the drill is not under way yet: the report finds nothing to stop
        return save(drill)

    drill_id = town.drill()
    monkeypatch.setattr(drills, "save", saved_while_a_child_is_missed)

    told = act(town, drill_id, "start").body["drill"]

    assert (told["state"], told["paused_for"]) == ("paused", "real-case")


def test_at_10_3_an_inject_that_a_real_report_overtakes_leaves_no_case_behind(
    town: Town, monkeypatch: pytest.MonkeyPatch
):
    drill_id, _ = started(town)
    drills = town.on("garam").drills
    save = drills.save

    def saved_while_a_child_is_missed(drill: Drill) -> Drill:
        monkeypatch.setattr(drills, "save", save)
        really_missed(town)
        return save(drill)

    monkeypatch.setattr(drills, "save", saved_while_a_child_is_missed)

    told = act(town, drill_id, "injects", {"kind": "second-child"})

    left = [
        c for c in town.on("garam").cases.open_cases() if c.status.value == "Exercise" and not c.is_paused
    ]
    assert (told.code, left) == ("drill-not-running", [])


def test_a_drill_does_not_start_while_something_real_is_open(town: Town):
    town.case("c-2")

    assert act(town, town.drill(), "start").code == "real-case-open"


def test_two_drills_are_not_under_way_at_once(town: Town):
    started(town)

    assert act(town, town.drill(child_id="c-2"), "start").code == "drill-under-way"


@pytest.mark.parametrize("child", ["c-2", "c-1"], ids=["another child", "the drill's own child"])
def test_at_10_3_a_real_report_stops_the_drill_at_once_on_every_screen(town: Town, child: str):
    drill_id, exercise = started(town)
    inject(town, drill_id, "scanner-outage")
    before = len(live(town))

    town.case(child)

    drill = town.ask(OFFICIAL, f"GET /v1/drills/{drill_id}").body["drill"]
    told = {(event["kind"], event["id"]) for event in live(town)[before:]}
    assert (drill["state"], drill["paused_for"]) == ("paused", "real-case")
    assert {("drill", drill_id), ("case", exercise)} <= told
    shown = town.ask(OPERATOR, f"GET /v1/cases/{exercise}").body["case"]
    assert shown["paused"] or not shown["open"]
    assert [watched.deaf for watched in town.on("garam").watch_list.entries()] == [()] * (
        2 if child == "c-2" else 1
    )


def test_at_10_3_the_workflow_stops_a_drill_too_for_a_case_that_came_another_way(town: Town):
    drill_id, _ = started(town)
    town.cloud.table("drills.under-way").clear()  # as if the report had not known of the drill
    real = town.case("c-2")
    town.cloud.table("drills.under-way")["garam"] = drill_id

    run = CaseRun(tenant_id="garam", case_id=real, status="Actual", round=0, turns=0)
    STEPS["open"](run, town.on)

    assert town.on("garam").drills.get(drill_id).paused_for == "real-case"


def test_at_10_3_a_drill_goes_on_only_when_what_was_real_is_over(town: Town):
    drill_id, exercise = started(town)
    real = town.case("c-2")
    early = act(town, drill_id, "resume")
    town.later(300)
    town.ask(OPERATOR, f"POST /v1/cases/{real}/close", {"reason": "false-alarm"})

    late = act(town, drill_id, "resume").body["drill"]

    case = town.on("garam").cases.get(exercise)
    assert (early.code, late["state"], case.is_paused) == ("real-case-open", "running", False)
    assert case.pauses[0][1] == town.clock.at


def test_at_10_3_an_exercise_does_not_stop_another_drills_case(town: Town):
    drill_id, _ = started(town)

    town.case("c-2", status="Exercise")

    assert town.on("garam").drills.get(drill_id).state.value == "running"


def test_at_10_4_a_scanner_outage_silences_scanners_for_the_drills_beacon(town: Town):
    drill_id, _ = started(town)

    done = inject(town, drill_id, "scanner-outage")

    (watched,) = town.on("garam").watch_list.entries()
    assert (watched.deaf, len(done["sources"])) == (tuple(done["sources"]), 1)


def test_at_10_4_a_silenced_scanner_stays_silent_when_the_workflow_opens_the_case(town: Town):
    drill_id, case_id = started(town)
    done = inject(town, drill_id, "scanner-outage")

    run = CaseRun(tenant_id="garam", case_id=case_id, status="Exercise", round=0, turns=0)
    STEPS["open"](run, town.on)

    assert town.on("garam").watch_list.entries()[0].deaf == tuple(done["sources"])


def test_at_10_4_a_dead_phone_is_one_of_the_outings(town: Town):
    town.outing("c-1", status="Exercise")
    drill_id, _ = started(town)

    assert inject(town, drill_id, "phone-dead")["sources"] == ["garam-p-1"]


def test_at_10_4_wrong_clothing_changes_what_the_operators_are_shown(town: Town):
    members = [{"child_id": "c-1", "outfit": {"top": "yellow", "bag": "red"}}]
    town.ask(TEACHER, "POST /v1/outings", {"members": members, "status": "Exercise"})
    drill_id, case_id = started(town)

    done = inject(town, drill_id, "wrong-clothing")

    shown = town.ask(OPERATOR, f"GET /v1/cases/{case_id}").body["case"]["subject"]["outfit"]
    assert (shown, shown != {"top": "yellow", "bag": "red"}) == (done["outfit"], True)


def test_at_10_4_a_second_child_opens_a_second_exercise_case(town: Town):
    drill_id, first = started(town)

    done = inject(town, drill_id, "second-child")

    second = town.on("garam").cases.get(done["case_id"])
    assert (second.status.value, second.subject.subject_id, second.case_id != first) == (
        "Exercise",
        "c-2",
        True,
    )


def test_at_10_4_the_carrier_of_the_bag_is_told_where_to_cross_and_when_to_leave_it(town: Town):
    drill_id, _ = started(town)

    crossing, bag = (inject(town, drill_id, kind) for kind in ("border-crossing", "bag-dropped"))

    assert (crossing["neighbour_id"], crossing["where"]["lon"] > 126.96, bag["after_s"] >= 10) == (
        "nuri",
        True,
        True,
    )


def test_an_inject_is_not_done_twice_nor_in_a_drill_that_stands_still(town: Town):
    drill_id, _ = started(town)
    inject(town, drill_id, "bag-dropped")
    twice = act(town, drill_id, "injects", {"kind": "bag-dropped"})
    act(town, drill_id, "pause")

    still = act(town, drill_id, "injects", {"kind": "second-child"})

    assert (twice.code, still.code, len(town.on("garam").cases.open_cases())) == (
        "inject-done",
        "drill-not-running",
        1,
    )


def test_at_10_5_the_report_is_there_when_the_drill_stops(town: Town):
    drill_id = run_through(town)

    told = report(town, drill_id)

    assert (told["secured"], told["slowest"], told["chain_holds"], told["missing"]) == (
        True,
        "T8-T6",
        True,
        ["T1", "T2", "T3", "T7"],
    )
    assert (told["phases"]["T12-T4"]["took_s"], told["phases"]["T12-T0"]["took_s"]) == (300, 360)
    assert [finding["code"] for finding in told["findings"]] == ["never-heard", "slowest-step"]


def test_at_10_5_a_drill_is_compared_with_the_ten_before_it(town: Town):
    for n in range(11):
        run_through(town, police_s=20 + n)
    last = run_through(town, police_s=60)

    phase = report(town, last)["phases"]["T9-T4"]

    assert phase == {"took_s": 60.0, "n": 10, "median_s": 25.5, "p90_s": 29.0}
    findings = report(town, last)["findings"]
    assert {"code": "slower-than-before", "params": {"phase": "T9-T4", "took_s": 60, "p90_s": 29}} in findings


def test_at_10_5_a_finding_becomes_a_lesson_with_one_click(town: Town):
    drill_id = run_through(town)
    act(town, drill_id, "lessons", {"code": "never-heard"})
    act(town, drill_id, "lessons", {"code": "own", "note": "정문에 카메라 번호를 붙인다"})
    unknown = act(town, drill_id, "lessons", {"code": "no-camera"})

    lessons = report(town, drill_id)["lessons"]

    assert ([(lesson["code"], lesson["by"]) for lesson in lessons], unknown.code) == (
        [("never-heard", "official-1"), ("own", "official-1")],
        "finding-not-found",
    )


def test_a_drill_that_stops_without_the_child_closes_incomplete_with_role_and_reason(town: Town):
    drill_id, case_id = started(town)
    act(town, drill_id, "stop")

    case = town.on("garam").cases.get(case_id)
    assert (case.close_reason, case.close_note, report(town, drill_id)["secured"]) == (
        CloseReason.INCOMPLETE,
        "drill-stopped",
        False,
    )
    assert town.on("garam").cases.timeline(case_id)[-1].params["role"] == "official"


def test_a_drill_that_was_only_planned_is_called_off(town: Town):
    drill_id = town.drill()

    told = act(town, drill_id, "stop").body["drill"]

    assert (told["state"], town.ask(OFFICIAL, "GET /v1/drills").body["duty"]["held"]) == ("stopped", 0)
    assert town.ask(OFFICIAL, f"GET /v1/drills/{drill_id}/report").status == 404


def test_at_10_5_drills_never_change_the_real_figures(town: Town):
    case_id = town.case("c-2")
    for at_s, path, body in ((30, "acknowledge", {}), (570, "secured", {"by": "police"})):
        town.later(at_s)
        town.ask(OPERATOR, f"POST /v1/cases/{case_id}/{path}", body)
    town.ask(OPERATOR, f"POST /v1/cases/{case_id}/close", {"reason": "found"})
    before = town.ask(AUDITOR, "GET /v1/kpi").body["groups"]
    run_through(town)

    after = {group["group"]: group for group in town.ask(AUDITOR, "GET /v1/kpi").body["groups"]}

    assert after["real"] == next(group for group in before if group["group"] == "real")
    assert (after["real"]["phases"]["T12-T4"]["median_s"], after["drill"]["n"]) == (600, 1)


def test_figures_are_those_of_the_period_asked_for(town: Town):
    town.case("c-1")
    town.later(3600)
    since = town.clock.at.isoformat()
    town.case("c-2")

    told = [
        town.ask(ADMIN, "GET /v1/kpi", query=query).body["groups"][0]["n"]
        for query in ({}, {"from": since}, {"to": since.replace("+00:00", "Z")}, {"to": START.isoformat()})
    ]

    assert told == [2, 1, 2, 1]
