"""Who looks without a case breaks a glass, and who asks for what is not theirs stands in the log."""

from datetime import timedelta

import pytest

from tests.unit.functions.api.routes import CALLS, Call, prepared, send
from tests.unit.functions.api.town import (
    AUDITOR,
    NEIGHBOUR,
    ONE_OF_EACH,
    OPERATOR,
    SECOND,
    START,
    TEACHER,
    Town,
)

WHERE = "GET /v1/children/c-1/position"
REASON = {"reason": "버스 사고 현장, 아이들이 흩어졌을 수 있음"}


def broken(town: Town) -> None:
    told = town.ask(OPERATOR, "POST /v1/children/c-1/break-glass", REASON)
    assert (told.status, told.body["told"]) == (200, "sent")


def test_at_9_6_a_child_without_a_case_is_seen_after_breaking_the_glass_only(town: Town):
    before = town.ask(OPERATOR, WHERE).status
    broken(town)

    assert (before, town.ask(OPERATOR, WHERE).status) == (404, 200)


def test_at_9_6_the_supervisor_is_told_at_once_and_not_which_name_or_why(town: Town):
    broken(town)
    (sent,) = [each for each in town.cloud.sent if each.body.get("code") == "break-glass"]

    assert (sent.kind, sent.body) == ("operators", {"code": "break-glass", "level": 2, "child": "c-1"})


def test_at_9_6_a_broken_glass_is_for_one_person_and_ten_minutes(town: Town):
    broken(town)
    another = town.ask(SECOND, WHERE).status
    town.later(601)

    assert (another, town.ask(OPERATOR, WHERE).status) == (404, 404)


def test_the_log_says_why_the_glass_was_broken_and_what_was_seen(town: Town):
    broken(town)
    town.ask(OPERATOR, WHERE)
    lines = town.ask(AUDITOR, "GET /v1/access", query={"since": START.isoformat(), "child_id": "c-1"})
    told = [(each["what"].split(" ")[0], each["reason"], each["basis"]) for each in lines.body["lines"]]

    assert sorted(told) == [("GET", "", "urgent-life"), ("POST", REASON["reason"], "urgent-life")]


@pytest.mark.parametrize("reason", ["", "because", " " * 40, "x" * 301])
def test_a_glass_is_not_broken_without_a_reason(town: Town, reason: str):
    told = town.ask(OPERATOR, "POST /v1/children/c-1/break-glass", {"reason": reason})

    assert told.status == 422


def test_a_teacher_breaks_no_glass(town: Town):
    assert town.ask(TEACHER, "POST /v1/children/c-1/break-glass", REASON).status == 403


def test_every_refused_attempt_is_in_the_log_of_whoever_tried():
    town, ids = prepared()
    calls: list[Call] = [c for c in CALLS if c.has_ids and not c.is_public and not c.link]
    unlogged = []
    for call in calls:
        for role, who in ONE_OF_EACH.items():
            if role in call.roles:
                continue
            assert send(town, call, who, ids).status == 403
            tried = town.on("garam").access_log.of("actor", who.name, town.clock.at - timedelta(minutes=1))
            if (call.route, "refused:role-not-allowed") not in {(t.what, t.purpose) for t in tried}:
                unlogged.append((call.route, role))

    assert unlogged == []


def test_what_belongs_to_another_district_is_asked_for_on_record(town: Town):
    town.ask(NEIGHBOUR, f"GET /v1/cases/{town.case()}")
    (line,) = town.on("nuri").access_log.since(START)

    assert (line.actor_id, line.purpose, line.subject_id[:2]) == (
        NEIGHBOUR.name,
        "refused:case-not-found",
        "c-",
    )


def test_whatever_else_is_written_into_a_path_is_not_kept(town: Town):
    town.ask(OPERATOR, f"GET /v1/cases/{'x' * 100}")
    lines = town.on("garam").access_log.since(START)

    assert [line.subject_id for line in lines] == [""]
