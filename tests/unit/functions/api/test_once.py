"""A write that is sent twice is done once."""

from datetime import timedelta

import pytest

from tests.unit.functions.api.town import DIRECTOR, OPERATOR, SECOND, TEACHER, Town

KEY = "key-of-the-phone"


def test_the_same_report_sent_twice_is_answered_alike_and_done_once(town: Town):
    first = town.ask(TEACHER, "POST /v1/cases", {"child_id": "c-1"}, key=KEY)
    second = town.ask(TEACHER, "POST /v1/cases", {"child_id": "c-1"}, key=KEY)

    lines = town.on("garam").cases.timeline(first.body["case"]["case_id"])
    assert (second.status, second.body, second.headers["idempotency-replayed"], len(lines)) == (
        201,
        first.body,
        "true",
        1,
    )


def test_evidence_sent_twice_is_one_line(town: Town):
    case_id = town.case()
    seen = {"kind": "seen", "lat": 37.48, "lon": 126.95, "radius_m": 9, "source": "cam-1"}
    for _ in range(2):
        town.ask(OPERATOR, f"POST /v1/cases/{case_id}/evidence", seen, key=KEY)

    assert [entry.code for entry in town.on("garam").cases.timeline(case_id)] == ["opened", "evidence"]


def test_a_key_is_not_used_for_another_request(town: Town):
    town.ask(TEACHER, "POST /v1/cases", {"child_id": "c-1"}, key=KEY)

    told = town.ask(TEACHER, "POST /v1/cases", {"child_id": "c-2"}, key=KEY)

    assert (told.status, told.code) == (409, "idempotency-key-reused")


def test_two_people_may_use_the_same_key(town: Town):
    case_id = town.case()
    town.ask(OPERATOR, f"POST /v1/cases/{case_id}/acknowledge", {}, key=KEY)

    told = town.ask(SECOND, f"POST /v1/cases/{case_id}/acknowledge", {}, key=KEY)

    assert told.code == "case-already-owned"


def test_what_failed_may_be_tried_again_with_the_same_key(town: Town):
    failed = town.ask(TEACHER, "POST /v1/outings", {"members": [{"child_id": "c-3"}]}, key=KEY)
    child = town.on("garam").registry.child("c-3")
    consented = town.on("garam").registry.child("c-1").consent
    town.on("garam").registry.put(
        type(child)(**{f: getattr(child, f) for f in child.__slots__} | {"consent": consented})
    )

    again = town.ask(TEACHER, "POST /v1/outings", {"members": [{"child_id": "c-3"}]}, key=KEY)

    assert (failed.status, again.status) == (409, 201)


def test_a_request_still_being_handled_is_not_handled_twice(town: Town, monkeypatch: pytest.MonkeyPatch):
    inner = []
    report = town.on("garam").workflow.start

    def start(case: object, round_no: int = 0) -> None:
        if not inner:
            inner.append(town.ask(TEACHER, "POST /v1/cases", {"child_id": "c-1"}, key=KEY))
        report(case, round_no)  # type: ignore[arg-type]

    monkeypatch.setattr(town.on("garam").workflow, "start", start)
    town.ask(TEACHER, "POST /v1/cases", {"child_id": "c-1"}, key=KEY)

    assert (inner[0].status, inner[0].code) == (409, "request-in-progress")


def test_whoever_died_over_a_request_does_not_hold_it_for_ever(town: Town):
    answers = town.on("garam").answers
    answers.begin("teacher-1#x", "digest", now=town.clock.at)

    assert answers.begin("teacher-1#x", "digest", now=town.clock.at + timedelta(seconds=61)) is None


@pytest.mark.parametrize("key", [None, "short", "with space in it", "가나다라마바사아", "x" * 129])
def test_a_write_without_a_proper_key_is_refused(town: Town, key: str | None):
    told = town.ask(DIRECTOR, "POST /v1/cases", {"child_id": "c-1"}, key=key)

    assert (told.status, told.code) == (400, "idempotency-key-missing")
