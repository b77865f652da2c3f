"""What a push's opaque id stands for, and who opened it."""

from tests.unit.functions.api.town import (
    AUDITOR,
    MOON_TEACHER,
    NEIGHBOUR,
    OPERATOR,
    TEACHER,
    Town,
)


def test_whoever_got_a_push_learns_after_signing_in_what_it_is_about(town: Town):
    alert_id = town.alerted(case_id := town.case())

    assert town.ask(TEACHER, f"GET /v1/alerts/{alert_id}").body["alert"]["case_id"] == case_id


def test_the_first_reading_of_an_alert_counts(town: Town):
    alert_id = town.alerted(town.case())
    first = town.ask(TEACHER, f"POST /v1/alerts/{alert_id}/read", {}).body["alert"]["read_at"]
    town.later(60)
    again = town.ask(OPERATOR, f"POST /v1/alerts/{alert_id}/read", {}).body["alert"]["read_at"]

    assert (first is not None, again) == (True, first)


def test_an_operator_sees_who_was_told_by_which_channel_and_who_read_it(town: Town):
    town.ask(TEACHER, f"POST /v1/alerts/{town.alerted(case_id := town.case())}/read", {})
    told = town.ask(OPERATOR, f"GET /v1/cases/{case_id}/alerts").body

    assert [(c["channel"], c["outcome"]) for c in told["channels"]] == [("push", "sent")]
    assert [(a["recipient_id"], a["reached"], a["read_at"] is not None) for a in told["alerts"]] == [
        ("garam-p-1", True, True)
    ]


def test_an_alert_of_another_daycare_or_district_is_not_there(town: Town):
    alert_id = town.alerted(town.case())
    asked = [town.ask(who, f"GET /v1/alerts/{alert_id}").status for who in (MOON_TEACHER, NEIGHBOUR)]

    assert asked == [404, 404]


def test_a_receipt_for_an_alert_that_never_was_is_refused(town: Town):
    told = town.ask(TEACHER, "POST /v1/alerts/no-such.alert/read", {})

    assert (told.status, told.code) == (404, "alert-not-found")


def test_no_address_is_told_with_an_alert(town: Town):
    told = town.ask(AUDITOR, f"GET /v1/cases/{town.case()}/alerts")

    assert (told.status, "endpoint" in str(told.body)) == (200, False)
