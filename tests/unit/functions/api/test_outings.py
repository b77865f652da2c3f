"""An outing from the roster to the way home, at the real handler."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.adapters.hearing import fix_of, hearing
from shared.domain.places import Child, Phone, Tenant
from tests.unit.functions.api.town import GATE, MOON_TEACHER, OPERATOR, START, TEACHER, WALL, Town


def states(town: Town, outing_id: str) -> dict[str, str]:
    members = town.ask(TEACHER, f"GET /v1/outings/{outing_id}").body["outing"]["members"]
    return {member["child_id"]: member["state"] for member in members}


def test_an_outing_starts_with_the_roster_the_clothes_and_every_phone_of_the_daycare(town: Town):
    members = [{"child_id": "c-1", "outfit": {"top": "yellow", "shoes": "red"}}]

    outing = town.ask(TEACHER, "POST /v1/outings", {"members": members}).body["outing"]

    told = [phone["phone_id"] for phone in outing["phones"]]
    assert (told, outing["members"][0]["outfit"], outing["status"]) == (
        ["garam-p-1"],
        {"top": "yellow", "shoes": "red"},
        "Actual",
    )


@pytest.mark.parametrize(
    ("child", "code"), [("c-3", "consent-missing"), ("c-9", "child-not-found"), ("c-404", "child-not-found")]
)
def test_a_child_without_consent_or_of_another_daycare_cannot_go_out(town: Town, child: str, code: str):
    assert town.ask(TEACHER, "POST /v1/outings", {"members": [{"child_id": child}]}).code == code


def test_a_child_whose_guardian_withdrew_consent_cannot_go_out(town: Town):
    child = town.on("garam").registry.child("c-1")
    consent = replace(child.consent, ended_at=START - timedelta(seconds=1))
    town.on("garam").registry.put(replace(child, consent=consent))

    assert town.ask(TEACHER, "POST /v1/outings", {"members": [{"child_id": "c-1"}]}).code == "consent-missing"


def test_a_child_without_a_beacon_cannot_go_out(town: Town):
    child = town.on("garam").registry.child("c-1")
    town.on("garam").registry.put(replace(child, beacon_id=""))

    told = town.ask(TEACHER, "POST /v1/outings", {"members": [{"child_id": "c-1"}]})

    assert told.code == "child-without-beacon"


def test_a_child_is_on_one_outing_at_a_time(town: Town):
    town.outing("c-1")

    told = town.ask(TEACHER, "POST /v1/outings", {"members": [{"child_id": "c-1"}]})

    assert (told.status, told.code) == (409, "child-already-out")


def test_a_phone_of_another_daycare_cannot_watch(town: Town):
    body = {"members": [{"child_id": "c-1"}], "phones": ["garam-p-9"]}

    assert town.ask(TEACHER, "POST /v1/outings", body).code == "phone-not-found"


def test_a_daycare_without_phones_cannot_go_out(town: Town):
    registry = town.on("garam").registry
    registry.put(Phone("garam-p-1", "moon", "김선생"))

    told = town.ask(TEACHER, "POST /v1/outings", {"members": [{"child_id": "c-1"}]})

    assert told.code == "outing-without-phone"


def test_a_teacher_cannot_start_an_outing_of_another_daycare(town: Town):
    body = {"members": [{"child_id": "c-9"}], "facility_id": "moon"}

    assert town.ask(TEACHER, "POST /v1/outings", body).code == "facility-not-found"


def test_a_child_just_heard_near_a_phone_is_with_the_group(town: Town):
    outing_id = town.outing()
    town.watch()
    for beacon in ("b-1", "b-2"):
        town.heard(beacon, by="garam-p-1")

    outing = town.ask(TEACHER, f"GET /v1/outings/{outing_id}").body["outing"]

    assert (outing["with"], outing["count"], outing["unknown"]) == (2, 2, 0)


def test_a_child_is_not_shown_as_with_the_group_when_no_phone_has_reported_for_ten_seconds(town: Town):
    outing_id = town.outing()
    town.watch()
    for beacon in ("b-1", "b-2"):
        town.heard(beacon, by="garam-p-1")
    town.later(10.5)

    assert states(town, outing_id) == {"c-1": "unknown", "c-2": "unknown"}


def test_a_child_no_phone_ever_heard_is_never_shown_as_with_the_group(town: Town):
    outing_id = town.outing()

    assert states(town, outing_id) == {"c-1": "unknown", "c-2": "unknown"}


def silence(town: Town, seconds: int) -> None:
    """The phone reports every second and hears nothing."""
    for _ in range(seconds):
        town.watch()
        town.later(1)
    town.watch()


@pytest.mark.parametrize("level", ["warned", "departed"])
def test_a_silent_child_is_shown_as_ingest_judged_it(town: Town, level: str):
    outing_id = town.outing("c-1")
    town.heard("b-1", by="garam-p-1")
    silence(town, 40)
    town.judged("b-1", level)

    assert states(town, outing_id) == {"c-1": level}


def test_a_silence_that_ingest_has_not_judged_is_unknown_and_no_alarm(town: Town):
    outing_id = town.outing("c-1")
    town.heard("b-1", by="garam-p-1")
    silence(town, 40)

    assert states(town, outing_id) == {"c-1": "unknown"}


def test_a_teachers_word_brings_a_silent_bag_back_for_a_minute(town: Town):
    outing_id = town.outing("c-1")
    silence(town, 40)
    town.judged("b-1", "departed")
    before = states(town, outing_id)
    told = town.ask(
        TEACHER, f"POST /v1/outings/{outing_id}/answers", {"child_id": "c-1", "answer": "with-me"}
    )

    assert (before, told.status, states(town, outing_id)) == ({"c-1": "departed"}, 200, {"c-1": "with"})


def test_an_answer_about_a_child_that_is_not_along_is_refused(town: Town):
    answer = {"child_id": "c-2", "answer": "with-me"}

    told = town.ask(TEACHER, f"POST /v1/outings/{town.outing('c-1')}/answers", answer)

    assert told.code == "child-not-found"


def test_an_outing_does_not_end_while_a_child_is_unaccounted_for(town: Town):
    outing_id = town.outing("c-1")

    told = town.ask(TEACHER, f"POST /v1/outings/{outing_id}/end", {})

    assert (told.status, told.code, told.body["params"]) == (
        409,
        "outing-unaccounted",
        {"count": 1, "children": "c-1"},
    )


def test_an_outing_ends_with_a_word_on_each_child_and_forgets_clothes_and_tracks(town: Town):
    outing_id = town.outing("c-1")
    town.heard()
    body = {"answers": [{"child_id": "c-1", "answer": "bag-only"}]}

    told = town.ask(TEACHER, f"POST /v1/outings/{outing_id}/end", body).body["outing"]

    known = hearing(town.on("garam"), "b-1", outing_id)
    assert (told["state"], told["members"][0]["outfit"], known.window.sightings) == ("ended", {}, ())


def test_the_track_of_a_missing_child_outlives_the_outing(town: Town):
    outing_id = town.outing("c-1")
    town.heard()
    town.case("c-1")

    told = town.ask(TEACHER, f"POST /v1/outings/{outing_id}/end", {})

    assert (told.status, fix_of(town.on("garam"), "b-1", outing_id) is None) == (200, False)


def test_ending_twice_is_ending_once(town: Town):
    outing_id = town.outing("c-1")
    body = {"answers": [{"child_id": "c-1", "answer": "with-me"}]}
    first = town.ask(TEACHER, f"POST /v1/outings/{outing_id}/end", body)

    second = town.ask(TEACHER, f"POST /v1/outings/{outing_id}/end", body)

    assert (second.status, second.body["outing"]["version"]) == (200, first.body["outing"]["version"])


def test_an_ended_outing_takes_no_answers(town: Town):
    outing_id = town.outing("c-1")
    town.ask(
        TEACHER,
        f"POST /v1/outings/{outing_id}/end",
        {"answers": [{"child_id": "c-1", "answer": "with-me"}]},
    )

    told = town.ask(
        TEACHER, f"POST /v1/outings/{outing_id}/answers", {"child_id": "c-1", "answer": "with-me"}
    )

    assert (told.status, told.code) == (409, "outing-ended")


def test_running_outings_are_told_in_numbers_to_those_who_may_see_them(town: Town):
    town.outing("c-1", "c-2")
    town.watch()

    counts = {
        who.name: [outing["count"] for outing in town.ask(who, "GET /v1/outings").body["outings"]]
        for who in (TEACHER, MOON_TEACHER, OPERATOR, WALL)
    }

    assert counts == {"teacher-1": [2], "teacher-9": [], "operator-1": [2], "wall-1": [2]}


def test_the_wall_learns_no_child(town: Town):
    town.outing("c-1", "c-2")

    assert "members" not in town.ask(WALL, "GET /v1/outings").body["outings"][0]


def test_the_groups_place_is_where_its_phones_are(town: Town):
    outing_id = town.outing()
    town.watch()

    anchor = town.ask(TEACHER, f"GET /v1/outings/{outing_id}").body["outing"]["anchor"]

    assert (anchor["lat"], anchor["lon"]) == (GATE.lat_deg, GATE.lon_deg)


def test_a_district_that_keeps_last_known_positions_keeps_them_after_the_outing(town: Town):
    registry = town.on("garam").registry
    tenant: Tenant = registry.tenant()
    registry.put(replace(tenant, policy=replace(tenant.policy, keep_last_known=True)))
    outing_id = town.outing("c-1")
    town.heard()
    town.ask(
        TEACHER,
        f"POST /v1/outings/{outing_id}/end",
        {"answers": [{"child_id": "c-1", "answer": "with-me"}]},
    )

    assert town.ask(TEACHER, "GET /v1/children/c-1/position").status == 200


def test_the_roster_tells_consent_and_when_each_bag_was_heard(town: Town):
    town.heard("b-1")
    town.later(7)

    roster = town.ask(TEACHER, "GET /v1/children").body["children"]

    assert [(child["child_id"], child["consent"], child["heard_age_s"]) for child in roster] == [
        ("c-1", True, 7.0),
        ("c-2", True, None),
        ("c-3", False, None),
    ]


def test_a_childs_position_is_there_only_during_an_outing_or_a_case(town: Town):
    town.heard()
    before = town.ask(TEACHER, "GET /v1/children/c-1/position")
    town.outing("c-1")

    during = town.ask(TEACHER, "GET /v1/children/c-1/position")

    assert (before.status, before.code, during.status) == (404, "position-not-available", 200)


def test_a_position_is_not_there_without_consent_even_in_a_case(town: Town):
    town.case("c-3")

    assert town.ask(OPERATOR, "GET /v1/children/c-3/position").code == "position-not-available"


def test_a_child_moved_to_another_daycare_is_on_that_roster_only(town: Town):
    registry = town.on("garam").registry
    moved: Child = replace(registry.child("c-2"), facility_id="moon")
    registry.put(moved)

    rosters = [
        [child["child_id"] for child in town.ask(who, "GET /v1/children").body["children"]]
        for who in (TEACHER, MOON_TEACHER)
    ]

    assert rosters == [["c-1", "c-3"], ["c-2", "c-9"]]
