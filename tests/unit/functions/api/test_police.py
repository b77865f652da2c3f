"""The police liaison at the real handler: hand-over, deliveries, personal links, requests for information."""

import pytest
from defusedxml.ElementTree import fromstring

from shared.domain.notices import unnoticed
from shared.schema.handover import HandOver, checksum
from tests.unit.functions.api.town import (
    AUDITOR,
    OFFICER,
    OFFICIAL,
    OPERATOR,
    POLICE,
    TEACHER,
    Town,
    Who,
)

ANOTHER = Who("officer-2", "garam", "officer")
ASKED = {
    "station": "가람경찰서",
    "basis": "missing-child-act-9-2",
    "purpose": "실종아동 수색",
    "items": [{"kind": "cctv", "detail": "cam-1 10:20-10:40"}, {"kind": "track"}],
}


@pytest.fixture
def case_id(town: Town) -> str:
    """A case about a child whose bag was heard."""
    town.heard()
    return town.case()


def codes(town: Town, case_id: str) -> list[str]:
    return [entry.code for entry in town.on("garam").cases.timeline(case_id)]


# The hand-over


def test_at_4_1_the_hand_over_is_there_as_json_page_cap_and_geojson_of_one_version(town: Town, case_id: str):
    record = town.ask(OPERATOR, f"GET /v1/cases/{case_id}/hand-over").body
    page, cap, places = (
        town.ask(OPERATOR, f"GET /v1/cases/{case_id}/hand-over.{kind}") for kind in ("html", "cap", "geojson")
    )

    assert HandOver.model_validate(record).computed_checksum() == checksum(record) == record["checksum"]
    assert [record["checksum"] in str(each.body) for each in (page, cap, places)] == [True, True, True]
    assert [each.headers["content-type"] for each in (page, cap, places)] == [
        "text/html",
        "application/cap+xml",
        "application/geo+json",
    ]
    assert (fromstring(cap.body).tag.endswith("alert"), places.body["jikimi"]["version"]) == (True, 1)


def test_at_4_1_reading_again_makes_no_new_version_and_news_makes_one(town: Town, case_id: str):
    read = lambda: town.ask(POLICE, f"GET /v1/cases/{case_id}/hand-over").body  # noqa: E731
    first, town.clock.at = read(), town.clock.at
    town.later(60)
    again = read()
    town.ask(OPERATOR, f"POST /v1/cases/{case_id}/acknowledge", {})
    after = read()

    assert (again, after["version"], after["replaces"][0]["checksum"]) == (first, 2, first["checksum"])


def test_the_page_is_answered_with_a_policy_that_runs_nothing(town: Town, case_id: str):
    told = town.ask(OPERATOR, f"GET /v1/cases/{case_id}/hand-over.html")

    assert "default-src 'none'" in told.headers["content-security-policy"]
    assert told.headers["cache-control"] == "no-store"


def test_reading_the_hand_over_is_in_the_access_log(town: Town, case_id: str):
    town.ask(POLICE, f"GET /v1/cases/{case_id}/hand-over.html")

    lines = town.ask(AUDITOR, "GET /v1/access", query={"since": "2026-05-05T00:00:00Z"}).body["lines"]
    assert [(each["actor_id"], each["what"]) for each in lines if "hand-over" in each["what"]] == [
        ("police-1", "GET /v1/cases/{case_id}/hand-over.html")
    ]


# Deliveries


def test_at_4_2_a_printed_version_is_delivered_with_recipient_time_and_purpose(town: Town, case_id: str):
    record = town.ask(OPERATOR, f"GET /v1/cases/{case_id}/hand-over").body
    town.later(5)
    body = {"version": 1, "channel": "fax", "to": "가람경찰서 여성청소년과"}
    told = town.ask(OPERATOR, f"POST /v1/cases/{case_id}/deliveries", body).body

    (only,) = told["deliveries"]
    assert (only["to"], only["channel"], only["purpose"], only["version"], only["checksum"], only["by"]) == (
        "가람경찰서 여성청소년과",
        "fax",
        "search",
        1,
        record["checksum"],
        "operator-1",
    )
    assert only["at"] == "2026-05-05T01:00:05Z"


def test_at_5_4_every_delivery_to_the_police_owes_the_guardian_one_notice(town: Town, case_id: str):
    town.ask(OPERATOR, f"GET /v1/cases/{case_id}/hand-over")
    for channel in ("print", "fax"):
        body = {"version": 1, "channel": channel, "to": "가람경찰서"}
        town.ask(OPERATOR, f"POST /v1/cases/{case_id}/deliveries", body)

    assert len(unnoticed(town.on("garam").cases.get(case_id))) == 1


def test_a_version_that_was_never_made_cannot_have_been_delivered(town: Town, case_id: str):
    body = {"version": 7, "channel": "print", "to": "가람경찰서"}

    told = town.ask(OPERATOR, f"POST /v1/cases/{case_id}/deliveries", body)

    assert (told.status, told.code) == (404, "handover-not-found")


def test_at_4_5_at_10_2_nothing_of_an_exercise_is_delivered_to_the_police(town: Town):
    case_id = town.case(status="Exercise")
    town.ask(OPERATOR, f"GET /v1/cases/{case_id}/hand-over")
    body = {"version": 1, "channel": "print", "to": "가람경찰서"}
    refused = [
        town.ask(OPERATOR, f"POST /v1/cases/{case_id}/deliveries", body).code,
        town.ask(OPERATOR, f"POST /v1/cases/{case_id}/links", {"to": "officer-1"}).code,
    ]

    page = town.ask(OPERATOR, f"GET /v1/cases/{case_id}/hand-over.html").body
    assert (refused, "[훈련]" in page) == (["exercise-wall", "exercise-wall"], True)


def test_at_4_2_the_operator_sees_the_polices_acknowledgement_at_once(town: Town, case_id: str):
    link_id = town.police_link(case_id)
    heard = town.cloud.table("live")["heard"]
    before = len(heard)
    told = town.ask(OFFICER, f"POST /v1/links/{link_id}/acknowledge", {"reference": "2026-7"}).body

    case = town.ask(OPERATOR, f"GET /v1/cases/{case_id}").body["case"]
    seen = town.ask(OPERATOR, f"GET /v1/cases/{case_id}/deliveries").body["acknowledged_at"]
    assert (case["police_ref"], seen) == ("2026-7", case["clock"]["T10"])
    assert told["acknowledged_at"] == case["clock"]["T10"]
    assert any(case_id.encode() in message for _, message in heard[before:])


def test_acknowledging_twice_is_one_line(town: Town, case_id: str):
    link_id = town.police_link(case_id)
    for _ in range(2):
        town.ask(OFFICER, f"POST /v1/links/{link_id}/acknowledge", {})

    assert codes(town, case_id).count("police-acknowledged") == 1


def test_the_112_call_stays_an_act_of_its_own(town: Town, case_id: str):
    link_id = town.police_link(case_id)
    town.ask(OFFICER, f"POST /v1/links/{link_id}/acknowledge", {"reference": "2026-7"})
    before = town.on("garam").cases.get(case_id).clock.get("T9")
    town.ask(TEACHER, f"POST /v1/cases/{case_id}/police", {"receipt_no": "112-9"})

    assert (before, "T9" in town.on("garam").cases.get(case_id).clock) == (None, True)


# Personal links


def test_at_4_3_a_link_opens_for_its_recipient_and_nobody_else(town: Town, case_id: str):
    link_id = town.police_link(case_id)
    askers = (OFFICER, ANOTHER, POLICE, Who("officer-1", "nuri", "officer"), None)

    statuses = [town.ask(who, f"GET /v1/links/{link_id}").status for who in askers]

    assert statuses == [200, 404, 404, 404, 401]


def test_an_officer_sees_what_a_link_shows_and_no_more(town: Town, case_id: str):
    paths = (f"/v1/cases/{case_id}", f"/v1/cases/{case_id}/hand-over", "/v1/cases", "/v1/district")

    assert [town.ask(OFFICER, f"GET {path}").status for path in paths] == [403] * 4


def test_at_4_3_a_link_shows_the_newest_version_and_when_it_was_made(town: Town, case_id: str):
    link_id = town.police_link(case_id)
    first = town.ask(OFFICER, f"GET /v1/links/{link_id}").body
    town.later(30)
    town.ask(OPERATOR, f"POST /v1/cases/{case_id}/acknowledge", {})
    second = town.ask(OFFICER, f"GET /v1/links/{link_id}").body

    assert [(told["hand_over"]["version"], told["updated_at"]) for told in (first, second)] == [
        (1, "2026-05-05T01:00:00Z"),
        (2, "2026-05-05T01:00:30Z"),
    ]


def test_at_4_3_each_version_a_link_shows_is_a_delivery_once(town: Town, case_id: str):
    link_id = town.police_link(case_id)
    for _ in range(3):
        town.ask(OFFICER, f"GET /v1/links/{link_id}")
    town.ask(OPERATOR, f"POST /v1/cases/{case_id}/acknowledge", {})
    town.ask(OFFICER, f"GET /v1/links/{link_id}/page")

    told = town.ask(OPERATOR, f"GET /v1/cases/{case_id}/deliveries").body["deliveries"]
    assert [(each["to"], each["channel"], each["version"]) for each in told] == [
        ("officer-1", "link", 1),
        ("officer-1", "link", 2),
    ]


@pytest.mark.parametrize(("seconds", "status"), [(15 * 60 - 1, 200), (15 * 60, 404)])
def test_at_4_3_a_link_dies_15_minutes_after_the_child_is_secured(
    town: Town, case_id: str, seconds: int, status: int
):
    link_id = town.police_link(case_id)
    town.ask(POLICE, f"POST /v1/cases/{case_id}/secured", {"by": "police"})
    town.later(seconds)

    assert town.ask(OFFICER, f"GET /v1/links/{link_id}").status == status


@pytest.mark.parametrize(("seconds", "status"), [(24 * 3600 - 1, 200), (24 * 3600, 404)])
def test_at_4_3_a_link_dies_after_24_hours(town: Town, case_id: str, seconds: int, status: int):
    link_id = town.police_link(case_id)
    town.later(seconds)

    assert town.ask(OFFICER, f"GET /v1/links/{link_id}").status == status


def test_a_link_that_was_stopped_is_not_there(town: Town, case_id: str):
    link_id = town.police_link(case_id)
    told = town.ask(OPERATOR, f"POST /v1/cases/{case_id}/links/{link_id}/stop", {}).body["link"]

    assert (told["open"], town.ask(OFFICER, f"GET /v1/links/{link_id}").status) == (False, 404)


# Requests for information


def test_at_4_4_a_request_waits_in_the_inbox_with_the_time_left(town: Town, case_id: str):
    town.police_request(case_id)
    town.later(60)

    (only,) = town.ask(OPERATOR, "GET /v1/police/requests").body["requests"]
    assert (only["due_in_s"], only["overdue"], only["basis"], only["received_by"]) == (
        3540.0,
        False,
        "missing-child-act-9-2",
        "police-1",
    )


def test_at_4_4_a_request_nobody_answered_in_time_is_overdue(town: Town):
    town.police_request()
    town.later(3600)

    assert town.ask(OPERATOR, "GET /v1/police/requests").body["requests"][0]["overdue"]


def test_at_4_4_an_answer_is_in_the_ledger_with_the_exact_items(town: Town, case_id: str):
    request_id = town.police_request(case_id, items=ASKED["items"])
    items = [
        {"no": 1, "given": "cam-1 10:20-10:40 사본 1부"},
        {"no": 2, "refused": "경로는 인계서로 이미 제공함"},
    ]
    told = town.ask(OPERATOR, f"POST /v1/police/requests/{request_id}/answer", {"items": items}).body

    stored = town.on("garam").police_desk.request(request_id)
    assert [(item["given"], item["refused"]) for item in told["request"]["items"]] == [
        ("cam-1 10:20-10:40 사본 1부", ""),
        ("", "경로는 인계서로 이미 제공함"),
    ]
    assert (told["request"]["chain_holds"], [line.code for line in stored.lines]) == (
        True,
        ["information-asked", "information-answered"],
    )
    assert codes(town, case_id)[-3:] == ["information-asked", "information-answered", "disclosed"]


def test_at_5_4_what_a_request_was_given_owes_the_guardian_a_notice_of_its_own(town: Town, case_id: str):
    request_id = town.police_request(case_id)
    before = unnoticed(town.on("garam").cases.get(case_id))
    body = {"items": [{"no": 1, "given": "사본 1부"}]}
    town.ask(OPERATOR, f"POST /v1/police/requests/{request_id}/answer", body)

    owed = unnoticed(town.on("garam").cases.get(case_id))
    assert (before, [step.split(":")[1] for step in owed]) == ((), ["police-request"])


def test_at_4_4_a_refused_request_discloses_nothing(town: Town, case_id: str):
    request_id = town.police_request(case_id)
    body = {"items": [{"no": 1, "refused": "보존 기간이 지났음"}]}
    town.ask(OPERATOR, f"POST /v1/police/requests/{request_id}/answer", body)

    assert unnoticed(town.on("garam").cases.get(case_id)) == ()


@pytest.mark.parametrize(
    ("items", "code"),
    [
        ([{"no": 1, "refused": "  "}], "refusal-needs-reason"),
        ([{"no": 1, "given": "a", "refused": "b"}], "refusal-needs-reason"),
        ([{"no": 2, "given": "a"}], "request-items-undecided"),
        ([{"no": 1, "given": "a"}, {"no": 1, "given": "b"}], "request-items-undecided"),
    ],
)
def test_at_4_4_every_item_is_decided_once_and_a_refusal_has_its_reason(
    town: Town, items: list[object], code: str
):
    request_id = town.police_request()

    told = town.ask(OPERATOR, f"POST /v1/police/requests/{request_id}/answer", {"items": items})

    assert (told.status, told.code) == (400, code)


def test_at_4_4_a_request_is_answered_once(town: Town):
    request_id = town.police_request()
    body = {"items": [{"no": 1, "given": "사본 1부"}]}
    town.ask(OPERATOR, f"POST /v1/police/requests/{request_id}/answer", body)

    told = town.ask(OFFICIAL, f"POST /v1/police/requests/{request_id}/answer", body)

    assert (told.status, told.code) == (409, "request-answered")


def test_at_4_4_a_request_on_another_law_names_the_article(town: Town):
    told = town.ask(POLICE, "POST /v1/police/requests", {**ASKED, "basis": "other"})

    assert (told.status, told.code) == (400, "request-needs-article")


def test_at_4_4_the_control_room_records_a_request_that_came_on_paper_and_none_by_system(town: Town):
    statuses = [
        town.ask(OPERATOR, "POST /v1/police/requests", {**ASKED, "channel": channel}).status
        for channel in ("fax", "e-mail", "system")
    ]

    assert statuses == [201, 201, 403]


def test_at_4_4_a_request_about_a_case_that_is_not_there_is_not_taken(town: Town):
    told = town.ask(POLICE, "POST /v1/police/requests", {**ASKED, "case_id": "c-404"})

    assert told.status == 404


def test_at_4_4_the_yearly_check_counts_the_ledger_and_stays_on_record(town: Town):
    first, second, _ = (town.police_request() for _ in range(3))
    given, refused = [{"no": 1, "given": "사본"}], [{"no": 1, "refused": "없음"}]
    town.ask(OPERATOR, f"POST /v1/police/requests/{first}/answer", {"items": given})
    town.later(3601)
    town.ask(OPERATOR, f"POST /v1/police/requests/{second}/answer", {"items": refused})
    town.ask(OFFICIAL, "POST /v1/police/ledger/check", {"year": 2026})
    told = town.ask(AUDITOR, "GET /v1/police/ledger", query={"year": "2026"}).body

    (check,) = told["checks"]
    figures = ("asked", "items_given", "items_refused", "answered_late", "broken")
    assert [check[name] for name in figures] == [3, 1, 1, 1, []]
    assert (len(check["overdue"]), check["checked_by"], told["now"]["checked_at"]) == (1, "official-1", None)


def test_at_4_4_the_yearly_check_names_a_request_that_was_edited(town: Town):
    request_id = town.police_request()
    table = town.cloud.table("handovers.requests")
    stored = table["garam", request_id]
    object.__setattr__(stored, "purpose", "다른 목적")

    told = town.ask(AUDITOR, "GET /v1/police/ledger", query={"year": "2026"}).body

    assert told["now"]["broken"] == [request_id]


def test_at_4_4_another_districts_requests_are_not_there(town: Town):
    request_id = town.police_request()
    elsewhere = Who("operator-n", "nuri", "operator")

    assert town.ask(elsewhere, f"GET /v1/police/requests/{request_id}").status == 404
    assert town.ask(elsewhere, "GET /v1/police/requests").body["requests"] == []
