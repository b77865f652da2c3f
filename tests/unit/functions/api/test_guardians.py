"""Guardians over the API: consent, pause, withdrawal, what they are told and what they may see."""

import base64
import copy
import hashlib
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from functions.ingest_sightings.ingest import ingest
from functions.watch_silence.sweep import sweep
from shared.adapters.cases import change
from shared.adapters.clock import epoch_ms
from shared.adapters.hearing import fix_of
from shared.adapters.notices import check, serve, soon
from shared.domain.case import Actor, CloseReason, close
from shared.domain.errors import NotFound
from shared.domain.notices import disclose, disclosing
from shared.domain.retention import Hold
from shared.schema.guardians import ConsentAsked
from tests.unit.functions.api.town import (
    DIRECTOR,
    MOON_TEACHER,
    OFFICIAL,
    OPERATOR,
    POLICE,
    START,
    TEACHER,
    Told,
    Town,
)

FORM: dict[str, Any] = ConsentAsked.model_config["json_schema_extra"]["examples"][0]  # type: ignore[index, call-overload]


def form(**changes: Any) -> dict[str, Any]:
    """The document's own example, with other fields on its form."""
    body = copy.deepcopy(FORM)
    body["form"] |= changes
    return body


def file(town: Town, child: str = "c-3", **changes: Any) -> Told:
    return town.ask(DIRECTOR, f"PUT /v1/children/{child}/consent", form(**changes))


def heard_raw(town: Town, beacon: str, thing: str = "garam-s-1") -> dict[str, int]:
    """A scanner or phone says that it hears the beacon; what ingest dropped, by reason."""
    now_ms = epoch_ms(town.clock.at)
    payload = {"v": 1, "sent": now_ms, "seq": 1, "s": [[beacon, 200, -60, 4]]}
    envelope = {
        "tenant": "garam",
        "thing": thing,
        "client": thing,
        "received_ms": now_ms,
        "payload": base64.b64encode(json.dumps(payload).encode()).decode(),
    }
    return dict(ingest([{"messageId": "m-1", "body": json.dumps(envelope)}], town.on).dropped)


def disclosed(town: Town, case_id: str, to: str = "nuri") -> str:
    """The case's place went to somebody just now."""
    by, at = Actor("system", "garam", "system"), town.clock.at
    how = {"purpose": "search", "basis": "agreement"}
    change(town.on("garam").cases, case_id, lambda case: disclose(case, to, at, by, at, **how))
    return disclosing(to, at)


def ended(town: Town, case_id: str) -> None:
    by = Actor("operator-1", "garam", "operator")
    how = CloseReason.FALSE_ALARM
    change(town.on("garam").cases, case_id, lambda case: close(case, how, "", by, town.clock.at))


# Consent


def test_at_5_1_a_consent_with_the_fields_of_the_decree_lets_a_child_be_listened_for(town: Town):
    before = town.on("garam").registry.child("c-3").consent
    told = file(town)

    consent = town.on("garam").registry.child("c-3").consent
    assert (before, told.body["state"], consent is not None and consent.allows(town.clock.at)) == (
        None,
        "valid",
        True,
    )


@pytest.mark.parametrize("missing", sorted(FORM["form"]))
def test_at_5_1_a_form_without_one_of_its_fields_is_refused(town: Town, missing: str):
    body = form()
    del body["form"][missing]

    assert town.ask(DIRECTOR, "PUT /v1/children/c-3/consent", body).status == 422


@pytest.mark.parametrize("extra", ["resident_number", "photo", "fingerprint"])
def test_at_5_1_a_form_with_a_field_more_is_refused(town: Town, extra: str):
    assert file(town, **{extra: "x"}).status == 422


def test_at_5_1_without_the_proof_there_is_no_consent(town: Town):
    body = form()
    del body["proof"]

    assert town.ask(DIRECTOR, "PUT /v1/children/c-3/consent", body).status == 422


def test_at_5_1_from_nine_on_the_consent_must_be_verified(town: Town):
    refused = file(town, subject_born="2016-01-01")
    body = form(subject_born="2016-01-01") | {"verified": "phone-call"}

    assert (refused.code, town.ask(DIRECTOR, "PUT /v1/children/c-3/consent", body).status) == (
        "consent-verification-missing",
        200,
    )


def test_at_5_1_contacts_stand_apart_from_the_child_and_in_no_log(
    town: Town, caplog: pytest.LogCaptureFixture
):
    caplog.set_level("INFO")
    file(town)

    child = repr(town.on("garam").registry.child("c-3"))
    assert [each for each in ("김보호", "010-0000", "해님로") if each in child + caplog.text] == []


def test_the_number_is_kept_where_channels_find_it(town: Town):
    file(town, guardian_contact="010-1234-5678")

    assert town.on("garam").registry.contact("guardian-c-3").mobile == "+821012345678"


def test_another_daycares_director_files_nothing(town: Town):
    told = town.ask(replace(DIRECTOR, facility="moon"), "PUT /v1/children/c-3/consent", form())

    assert told.status == 404


# Contact on a missing child


def test_at_5_2_that_a_person_told_the_guardian_is_a_clock_point_of_its_own(town: Town):
    case_id = town.case("c-1")
    town.later(90)
    told = town.ask(DIRECTOR, f"POST /v1/cases/{case_id}/guardian/contact", {"how": "phone"})

    assert told.body["clock"]["TG"] == "2026-05-05T01:01:30Z"


def test_at_5_2_a_call_nobody_answered_is_on_record_and_stamps_nothing(town: Town):
    case_id = town.case("c-1")
    told = town.ask(DIRECTOR, f"POST /v1/cases/{case_id}/guardian/contact", {"how": "no-answer"})

    codes = [entry.code for entry in town.on("garam").cases.timeline(case_id)]
    assert ("TG" in told.body["clock"], codes[-1]) == (False, "guardian-no-answer")


# Status page


def test_at_5_3_a_guardian_sees_state_time_and_who_works_on_it_and_no_place(town: Town):
    town.heard()
    case_id = town.case("c-1")
    secret = town.link("status", case_id=case_id)
    town.ask(OPERATOR, f"POST /v1/cases/{case_id}/acknowledge", {})
    told = town.ask(None, f"GET /v1/status/{secret}")

    said = json.dumps(told.body, ensure_ascii=False)
    assert (told.body["state"], told.body["working"]["control_room"], told.body["updated_at"]) == (
        "acknowledged",
        True,
        "2026-05-05T01:00:00Z",
    )
    assert [each for each in ("김하늘", "37.48", "126.95", "lat") if each in said] == []


def test_at_5_2_the_words_are_the_reviewed_ones_and_say_112_only_once_it_was_told(town: Town):
    tenant = town.on("garam").registry.tenant()
    town.on("garam").registry.put(replace(tenant, phone="02-1234-5678"))
    case_id = town.case("c-1")
    secret = town.link("status", case_id=case_id)
    before = town.ask(None, f"GET /v1/status/{secret}").body["text"]
    town.ask(OPERATOR, f"POST /v1/cases/{case_id}/police", {"receipt_no": "1"})
    after = town.ask(None, f"GET /v1/status/{secret}").body["text"]

    assert (before[0], after[0], after[-1]) == (
        "10:00 해님어린이집에서 아이를 찾고 있습니다. 관제센터가 함께 움직이고 있어요.",
        "10:00 해님어린이집에서 아이를 찾고 있습니다. 관제센터와 112가 함께 움직이고 있어요.",
        "담당 02-1234-5678",
    )


def test_at_5_3_the_status_page_is_plain_and_lets_nothing_in(town: Town):
    secret = town.link("status", case_id=town.case("c-1"))
    told = town.ask(None, f"GET /v1/status/{secret}/page")

    policy = told.headers["content-security-policy"]
    assert (told.status, "<script" in told.body, policy.startswith("default-src 'none'")) == (
        200,
        False,
        True,
    )
    assert (told.headers["cache-control"], told.headers["referrer-policy"]) == ("no-store", "no-referrer")


@pytest.mark.parametrize(("hours", "status"), [(23.9, 200), (24.1, 404)])
def test_at_5_3_the_status_page_expires_a_day_after_the_child_is_secured(
    town: Town, hours: float, status: int
):
    case_id = town.case("c-1")
    secret = town.link("status", case_id=case_id)
    town.ask(POLICE, f"POST /v1/cases/{case_id}/secured", {"by": "police"})
    town.later(hours * 3600)

    assert town.ask(None, f"GET /v1/status/{secret}").status == status


def test_at_5_3_an_exercise_gives_out_no_status_page(town: Town):
    case_id = town.case("c-1", status="Exercise")

    assert town.ask(DIRECTOR, f"PUT /v1/cases/{case_id}/guardian/link", {}).code == "exercise-wall"


def test_a_link_is_kept_as_a_digest_only(town: Town):
    secret = town.link("guardian")

    assert secret.partition(".")[2] not in repr(town.cloud.tables)


# Notices


def test_at_5_4_disclosures_are_notices_plus_deferred_and_the_difference_is_zero(town: Town):
    case_id = town.case("c-1")
    disclosed(town, case_id)
    sweep_notices(town, case_id)
    told = town.ask(OFFICIAL, "GET /v1/notices").body

    assert (told["disclosures"], told["sent"] + told["deferred"], told["difference"], told["late"]) == (
        1,
        1,
        0,
        0,
    )


def test_at_5_4_a_disclosure_nobody_was_told_of_for_a_minute_is_found(town: Town):
    case_id = town.case("c-1")
    disclosed(town, case_id)
    town.later(61)
    told = town.ask(OFFICIAL, "GET /v1/notices").body
    found = check(town.on("garam").cases, START, town.clock.at)

    assert (told["difference"], told["late"], found.difference, len(found.late)) == (1, 1, 1, 1)


def test_at_5_4_a_notice_past_its_due_date_reaches_the_operators_each_day_until_a_person_tells(town: Town):
    case_id = town.case("c-1")
    disclosure = disclosed(town, case_id)
    sweep_notices(town, case_id)
    late = []
    for _ in range(2):
        town.later(24 * 3600)
        late.append(sweep(town.on("garam")).notices_late)
    reminders = [m for m in town.cloud.sent if m.body["code"] == "notice-overdue"]
    body = {"disclosure": disclosure, "how": "phone"}
    told = town.ask(DIRECTOR, f"POST /v1/cases/{case_id}/notices", body)
    town.later(24 * 3600)

    assert (late, len(reminders), told.status, sweep(town.on("garam")).notices_late) == ([1, 1], 2, 200, 0)


def sweep_notices(town: Town, case_id: str) -> None:
    """What the case's workflow does as soon as something was disclosed."""
    serve(town.on("garam"), town.on("garam").cases.get(case_id))


def test_at_5_4_what_is_disclosed_of_a_closed_case_is_served_by_the_next_sweep(town: Town):
    case_id = town.case("c-1")
    ended(town, case_id)
    on = town.on("garam")
    on.guardians.save(replace(on.guardians.of("c-1"), endpoint="endpoint-g"))
    soon(on, on.cases.get(case_id), disclosed(town, case_id, "police-request"))
    town.later(15)
    sweep(on)

    assert [m.body["code"] for m in town.cloud.sent if m.kind == "guardian"] == ["disclosure-notice"]


def test_at_5_4_a_notice_that_would_endanger_a_life_waits_with_reason_and_date_and_is_then_sent(town: Town):
    case_id = town.case("c-1")
    on = town.on("garam")
    on.guardians.save(replace(on.guardians.of("c-1"), endpoint="endpoint-g"))
    until = START + timedelta(hours=6)
    body = {"reason": "endangers-life", "until": until.isoformat()}
    held = town.ask(OFFICIAL, f"POST /v1/cases/{case_id}/notices/hold", body)
    disclosed(town, case_id, "police")
    sweep_notices(town, case_id)
    before = town.ask(OFFICIAL, "GET /v1/notices").body["notices"][0]
    town.later(6 * 3600)
    sweep(on)
    after = town.ask(OFFICIAL, "GET /v1/notices").body["notices"][0]

    assert (held.status, before["state"], before["reason"], before["due"], after["state"]) == (
        200,
        "deferred",
        "endangers-life",
        "2026-05-05T07:00:00Z",
        "sent",
    )


@pytest.mark.parametrize("hours", [-1, 7 * 24 + 1])
def test_at_5_4_a_notice_waits_a_week_at_the_most(town: Town, hours: float):
    until = START + timedelta(hours=hours)
    body = {"reason": "endangers-life", "until": until.isoformat()}

    assert town.ask(OFFICIAL, f"POST /v1/cases/{town.case('c-1')}/notices/hold", body).code == "hold-too-long"


# Pause


def test_at_5_5_a_pause_stops_the_next_sighting_within_a_minute(town: Town):
    town.outing("c-1")
    town.later(5)
    before = heard_raw(town, "b-1")
    town.ask(None, f"POST /v1/guardians/{town.link('guardian')}/pause", {"paused": True})
    town.later(60)

    assert (before, heard_raw(town, "b-1")) == ({}, {"paused": 1})


def test_at_5_5_a_paused_child_is_shown_so_to_its_teachers_on_the_roster_and_out(town: Town):
    outing_id = town.outing("c-1")
    town.watch()
    town.heard()
    town.ask(None, f"POST /v1/guardians/{town.link('guardian')}/pause", {"paused": True})
    roster = town.ask(TEACHER, "GET /v1/children").body["children"]
    member = town.ask(TEACHER, f"GET /v1/outings/{outing_id}").body["outing"]["members"][0]

    assert ([c["paused"] for c in roster if c["child_id"] == "c-1"], member["paused"], member["state"]) == (
        [True],
        True,
        "unknown",
    )


def test_at_5_5_nobody_is_alarmed_about_a_bag_that_is_not_listened_for(town: Town):
    phone = town.on("garam").registry.phone("garam-p-1")
    town.on("garam").registry.put(replace(phone, endpoint="endpoint-t"))
    town.outing("c-1", "c-2")
    town.ask(None, f"POST /v1/guardians/{town.link('guardian')}/pause", {"paused": True})
    town.later(61)
    for _ in range(30):
        town.later(2)
        heard_raw(town, "b-2", thing="garam-p-1")

    assert [m.body for m in town.cloud.sent if m.kind == "push"] == []


def test_at_5_5_a_pause_forgets_where_the_bag_was(town: Town):
    town.heard()
    before = fix_of(town.on("garam"), "b-1")
    town.ask(DIRECTOR, "POST /v1/children/c-1/pause", {"paused": True})

    assert (before is not None, fix_of(town.on("garam"), "b-1")) == (True, None)


def test_at_5_5_while_the_child_is_missing_a_pause_asks_for_confirmation_and_explains(town: Town):
    case_id = town.case("c-1")
    pause = f"POST /v1/guardians/{town.link('guardian')}/pause"
    asked = town.ask(None, pause, {"paused": True})
    done = town.ask(None, pause, {"paused": True, "confirmed": True})

    codes = [entry.code for entry in town.on("garam").cases.timeline(case_id)]
    assert (asked.status, asked.code, "수색이 늦어질 수 있습니다" in asked.body["detail"]) == (
        409,
        "pause-needs-confirmation",
        True,
    )
    assert (done.body["state"], codes[-1]) == ("paused", "tracking-paused")


def test_at_5_5_after_a_pause_the_child_is_listened_for_again(town: Town):
    pause = f"POST /v1/guardians/{town.link('guardian')}/pause"
    town.ask(None, pause, {"paused": True})

    assert town.ask(None, pause, {"paused": False}).body["state"] == "valid"


# Withdrawal


def test_at_5_6_a_withdrawal_destroys_coordinates_and_contacts_and_says_so(town: Town):
    file(town, "c-1")
    town.heard()
    case_id = town.case("c-1")
    ended(town, case_id)
    told = town.ask(None, f"POST /v1/guardians/{town.link('guardian')}/withdraw", {})

    on = town.on("garam")
    places = [entry.evidence for entry in on.cases.timeline(case_id) if entry.evidence]
    left = (
        fix_of(on, "b-1"),
        places,
        on.cases.get(case_id).last,
        on.guardians.of("c-1").filed,
    )
    assert (told.status, told.body["complete"], left) == (200, True, (None, [], {}, None))
    assert told.body["destroyed"] == {"case-places": 1, "contacts": 1, "track": 1}
    assert on.registry.contact("guardian-c-1").mobile == ""


def test_at_5_6_the_certificate_is_there_to_download_and_its_digest_can_be_checked(town: Town):
    secret = town.link("guardian")
    town.ask(None, f"POST /v1/guardians/{secret}/withdraw", {})
    told = town.ask(None, f"GET /v1/guardians/{secret}/certificate").body
    bare = {key: value for key, value in told.items() if key != "sha256"}
    text = json.dumps(bare, ensure_ascii=False, sort_keys=True, separators=(",", ":"))

    assert told["sha256"] == hashlib.sha256(text.encode()).hexdigest()


def test_at_5_6_what_a_law_holds_is_shown_with_its_ground(town: Town):
    told = town.ask(None, f"POST /v1/guardians/{town.link('guardian')}/withdraw", {})

    assert {held["what"]: held["ground"] for held in told.body["held"]} == {
        "access-log": "access-log-law",
        "case-record": "public-record",
    }
    assert all(held["text"] for held in told.body["held"])


def test_at_5_6_during_a_search_the_withdrawal_must_be_confirmed_and_is_finished_after_it(town: Town):
    file(town, "c-1")
    town.heard()
    case_id = town.case("c-1")
    withdraw = f"POST /v1/guardians/{town.link('guardian')}/withdraw"
    asked = town.ask(None, withdraw, {})
    begun = town.ask(None, withdraw, {"confirmed": True})
    ended(town, case_id)
    town.later(600)
    sweep(town.on("garam"))
    kept = town.on("garam").guardians.of("c-1")

    assert (asked.code, begun.body["complete"]) == ("withdrawal-needs-confirmation", False)
    assert {held["ground"] for held in begun.body["held"]} >= {"open-case"}
    assert kept.certificate is not None
    assert (kept.filed, sorted(kept.certificate.held)) == (None, ["access-log", "case-record"])


def test_at_5_6_nothing_is_collected_from_the_moment_of_the_withdrawal(town: Town):
    town.outing("c-1")
    town.later(5)
    town.ask(None, f"POST /v1/guardians/{town.link('guardian')}/withdraw", {})
    town.later(11)

    assert heard_raw(town, "b-1") == {"no-consent": 1}


def test_at_5_6_a_notice_that_is_owed_keeps_the_contact_until_it_is_told(town: Town):
    file(town, "c-1")
    case_id = town.case("c-1")
    disclosure = disclosed(town, case_id)
    town.cloud.table("channels.dead")["guardian-c-1"] = "failed"
    sweep_notices(town, case_id)
    ended(town, case_id)
    begun = town.ask(None, f"POST /v1/guardians/{town.link('guardian')}/withdraw", {})
    town.ask(DIRECTOR, f"POST /v1/cases/{case_id}/notices", {"disclosure": disclosure, "how": "phone"})
    town.later(600)
    sweep(town.on("garam"))

    held = {each["what"]: each["ground"] for each in begun.body["held"]}
    assert (held.get("contacts"), town.on("garam").guardians.of("c-1").filed) == ("notice-owed", None)


def test_at_5_6_a_case_under_legal_hold_keeps_its_places_and_the_certificate_says_why(town: Town):
    town.heard()
    case_id = town.case("c-1")
    ended(town, case_id)
    on = town.on("garam")
    on.records.hold(Hold(case_id, "court", "evidence", START))
    told = town.ask(None, f"POST /v1/guardians/{town.link('guardian')}/withdraw", {})
    kept = [entry for entry in on.cases.timeline(case_id) if entry.evidence]
    on.records.lift(case_id)
    town.later(3600)
    sweep(on)

    held = {each["what"]: each["ground"] for each in told.body["held"]}
    assert (held["case-places"], told.body["complete"], len(kept)) == ("legal-hold", False, 1)
    assert [entry for entry in on.cases.timeline(case_id) if entry.evidence] == []


def test_after_a_withdrawal_a_new_consent_may_be_given(town: Town):
    town.ask(None, f"POST /v1/guardians/{town.link('guardian')}/withdraw", {})

    assert file(town, "c-1").body["state"] == "valid"


# History


def test_at_5_7_a_guardian_reads_who_looked_when_and_why_in_words(town: Town):
    town.heard()
    case_id = town.case("c-1")
    town.ask(OPERATOR, f"GET /v1/cases/{case_id}/position")
    disclosed(town, case_id)
    told = town.ask(None, f"GET /v1/guardians/{town.link('guardian')}/history").body["lines"]

    assert [line["text"] for line in told if "관제요원" in line["text"]] == [
        "garam구 관제요원이(가) 실종된 아이를 찾기 위해 아이의 정보를 보았습니다."
    ]
    assert [line["text"] for line in told if line["who"] == "nuri구"] == [
        "nuri구에 수색 목적으로 아이의 위치를 제공했습니다 (근거: 협약과 보호자 동의)."
    ]


def test_at_5_7_a_history_names_nobody(town: Town):
    case_id = town.case("c-1")
    town.ask(OPERATOR, f"GET /v1/cases/{case_id}/position")
    told = town.ask(DIRECTOR, "GET /v1/children/c-1/history")

    assert "operator-1" not in json.dumps(told.body, ensure_ascii=False)


def test_at_5_7_another_daycares_child_has_no_history_here(town: Town):
    assert (
        town.ask(replace(DIRECTOR, facility=MOON_TEACHER.facility), "GET /v1/children/c-1/history").status
        == 404
    )


# Links


def test_a_guardians_app_is_told_by_push_once_it_registered(town: Town):
    secret = town.link("guardian")
    told = town.ask(None, f"PUT /v1/guardians/{secret}/device", {"push_token": "a-push-token"})

    assert (told.body, town.on("garam").guardians.of("c-1").endpoint) == (
        {"reachable": True},
        "arn:memory:endpoint/a-push-token",
    )


def test_a_link_is_dead_after_its_time(town: Town):
    secret = town.link("guardian")
    town.later(timedelta(days=365).total_seconds())

    assert town.ask(None, f"GET /v1/guardians/{secret}").status == 404


def test_a_secret_opens_nothing_in_another_district(town: Town):
    secret = town.link("guardian")

    with pytest.raises(NotFound):
        town.on("nuri").guardians.link(secret)
    assert town.ask(None, f"GET /v1/guardians/{secret.replace('garam', 'nuri')}").status == 404
