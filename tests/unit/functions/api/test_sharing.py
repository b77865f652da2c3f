"""What a neighbour sees of a case, and when, at the real handler."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.domain.case import Evidence, Kind, add_evidence, system
from shared.domain.geo import LatLon
from shared.domain.sharing import Share, signed
from tests.casework import agreed
from tests.unit.functions.api.town import (
    AUDITOR,
    NEIGHBOUR,
    NURI,
    OFFICIAL,
    OPERATOR,
    START,
    STRANGER,
    Town,
    Who,
)

COLLEAGUE = Who("operator-m", "nuri", "operator")
NEIGHBOURS_OFFICIAL = Who("official-n", "nuri", "official")


def test_an_offer_shows_area_class_and_clothes_and_nothing_more(town: Town):
    town.heard(at=LatLon(37.4801234, 126.9501234))
    town.share(town.case(), accept=False)

    told = town.ask(NEIGHBOUR, "GET /v1/offers")

    preview = told.body["offers"][0]["preview"]
    leaked = [word for word in ("김하늘", "b-1", "37.4801", "126.9501", "c-1'") if word in str(told.body)]
    assert (leaked, preview["age_y"], preview["area"]["radius_m"] > 350) == ([], 4, True)


def test_an_accepted_case_shows_the_agreed_fields(town: Town):
    town.heard()
    case_id = town.case()
    town.share(case_id)

    case = town.ask(NEIGHBOUR, f"GET /v1/shared/garam/{case_id}").body["case"]

    assert (case["subject"]["name"], case["owner_name"], case["granted"], "heard" in case["last"]) == (
        "김하늘",
        "garam구",
        ["name", "position", "timeline", "track"],
        True,
    )


@pytest.mark.parametrize(
    ("field", "path"),
    [("position", "/position"), ("track", "/track"), ("timeline", "/timeline"), ("position", "/cameras")],
)
def test_what_the_agreement_leaves_out_is_not_there(town: Town, field: str, path: str):
    fields = tuple(each for each in ("position", "track", "name", "timeline") if each != field)
    agreement = agreed("garam", "nuri", NURI, fields, START + timedelta(days=1))
    town.on("garam").registry.put(agreement)
    case_id = town.case()
    town.share(case_id)

    assert town.ask(NEIGHBOUR, f"GET /v1/shared/garam/{case_id}{path}").status == 404


def test_a_name_that_was_not_agreed_is_not_told(town: Town):
    town.on("garam").registry.put(agreed("garam", "nuri", NURI, ("position",), START + timedelta(days=1)))
    case_id = town.case()
    town.share(case_id)

    told = town.ask(NEIGHBOUR, f"GET /v1/shared/garam/{case_id}")

    assert "김하늘" not in str(told.body)
    assert told.body["case"]["subject"]["name"] == ""


def test_the_shared_track_goes_on_across_the_border(town: Town):
    town.heard(by="garam-s-1")
    case_id = town.case()
    town.share(case_id)
    cases = town.on("garam").cases
    across = Evidence(
        Kind.HEARD, START + timedelta(seconds=30), LatLon(37.48, 126.961), 30.0, "nuri-s-1,nuri-s-2"
    )
    after, lines = add_evidence(cases.get(case_id), across, system("garam"), START + timedelta(seconds=31))
    cases.save(after, lines)

    tracks = [
        town.ask(OPERATOR, f"GET /v1/cases/{case_id}/track").body["points"],
        town.ask(NEIGHBOUR, f"GET /v1/shared/garam/{case_id}/track").body["points"],
    ]

    heard = [[point["heard"] for point in points] for points in tracks]
    assert heard == [[["garam-s-1"], ["nuri-s-1", "nuri-s-2"]]] * 2


def test_the_neighbour_is_shown_its_own_cameras(town: Town):
    town.heard()
    case_id = town.case()
    town.share(case_id)
    own = town.on("nuri").registry.cameras()

    cameras = town.ask(NEIGHBOUR, f"GET /v1/shared/garam/{case_id}/cameras").body["cameras"]

    assert {camera["name"] for camera in cameras} <= {camera.name for camera in own}
    assert cameras


def test_a_camera_watched_in_the_owners_district_is_still_offered_in_the_neighbours(town: Town):
    town.heard()
    case_id = town.case()
    town.share(case_id)
    first = town.ask(OPERATOR, f"GET /v1/cases/{case_id}/cameras").body["cameras"][0]["camera_id"]
    town.ask(OPERATOR, f"POST /v1/cases/{case_id}/cameras/{first}", {"mark": "watching"})

    cameras = town.ask(NEIGHBOUR, f"GET /v1/shared/garam/{case_id}/cameras").body

    assert first in [camera["camera_id"] for camera in cameras["cameras"]]
    assert cameras["marked"] == {}


def test_accepting_is_in_the_owners_timeline_with_the_neighbours_name(town: Town):
    case_id = town.case()
    town.share(case_id)

    lines = town.ask(OPERATOR, f"GET /v1/cases/{case_id}/timeline").body["entries"]

    told = [(line["code"], line["params"].get("neighbour_id")) for line in lines[1:]]
    assert told == [("share-offered", "nuri"), ("share-accepted", "nuri")]


def test_accepting_wakes_the_owners_workflow_and_the_screens_of_both(town: Town):
    case_id = town.case()
    before = town.on("garam").cases.get(case_id).news
    town.share(case_id)

    heard = town.cloud.table("live")["heard"]
    topics = {topic for topic, message in heard if b'"offer"' in message}
    assert (town.on("garam").cases.get(case_id).news - before, len(topics)) == (2, 2)


def test_a_declined_offer_can_be_made_again(town: Town):
    case_id = town.case()
    town.share(case_id, accept=False)
    town.ask(NEIGHBOUR, f"POST /v1/offers/garam/{case_id}/decline", {})

    again = town.ask(OPERATOR, f"POST /v1/cases/{case_id}/shares", {"neighbour_id": "nuri"})

    assert (again.status, again.body["share"]["state"]) == (201, "offered")


def test_an_open_offer_is_not_made_twice(town: Town):
    case_id = town.case()
    town.share(case_id, accept=False)

    again = town.ask(OPERATOR, f"POST /v1/cases/{case_id}/shares", {"neighbour_id": "nuri"})

    assert (again.status, again.code) == (409, "already-offered")


def test_a_district_without_agreement_cannot_be_offered_a_case(town: Town):
    told = town.ask(OPERATOR, f"POST /v1/cases/{town.case()}/shares", {"neighbour_id": "bora"})

    assert (told.status, told.code) == (404, "agreement-not-found")


def test_nothing_is_offered_under_an_agreement_that_has_ended(town: Town):
    case_id = town.case()
    town.later(366 * 24 * 3600)

    told = town.ask(OPERATOR, f"POST /v1/cases/{case_id}/shares", {"neighbour_id": "nuri"})

    assert (told.status, told.code) == (409, "agreement-ended")


def test_a_revoked_offer_cannot_be_accepted(town: Town):
    case_id = town.case()
    town.share(case_id, accept=False)
    town.ask(OPERATOR, f"POST /v1/cases/{case_id}/shares/nuri/revoke", {})

    told = town.ask(NEIGHBOUR, f"POST /v1/offers/garam/{case_id}/accept", {})

    assert (told.status, told.code, told.body["params"]) == (409, "offer-not-open", {"state": "revoked"})


def test_an_expired_offer_shows_no_more_than_that_it_was(town: Town):
    town.share(town.case(), accept=False)
    town.later(3 * 3600)

    offer = town.ask(NEIGHBOUR, "GET /v1/offers").body["offers"][0]

    assert (offer["state"], offer["preview"]) == ("expired", None)


def test_a_share_past_its_end_shows_as_expired_to_the_owner(town: Town):
    case_id = town.case()
    town.share(case_id)
    town.later(3 * 3600)

    shares = town.ask(OPERATOR, f"GET /v1/cases/{case_id}/shares").body["shares"]

    assert [share["state"] for share in shares] == ["expired"]


def test_what_a_neighbour_reads_is_in_the_owners_access_log(town: Town):
    case_id = town.case()
    town.share(case_id)
    town.ask(NEIGHBOUR, f"GET /v1/shared/garam/{case_id}/position")

    lines = town.ask(AUDITOR, "GET /v1/access", query={"since": "2026-05-05T00:00:00Z"}).body["lines"]

    told = [(line["actor_tenant_id"], line["actor_id"], line["purpose"]) for line in lines]
    assert told == [("nuri", "operator-n", f"share:{case_id}")]


def test_a_stranger_has_no_offers(town: Town):
    town.share(town.case())

    assert town.ask(STRANGER, "GET /v1/offers").body["offers"] == []


def test_at_3_2_two_operators_who_accept_at_once_are_both_told_it_is_accepted(
    town: Town, monkeypatch: pytest.MonkeyPatch
):
    case_id = town.case()
    town.share(case_id, accept=False)
    desk = town.on("nuri").shares
    save = desk.save

    def overtaken(share: Share) -> Share:
        """A colleague's request comes in between reading and saving."""
        monkeypatch.undo()
        town.ask(COLLEAGUE, f"POST /v1/offers/garam/{case_id}/accept", {})
        return save(share)

    monkeypatch.setattr(desk, "save", overtaken)
    told = town.ask(NEIGHBOUR, f"POST /v1/offers/garam/{case_id}/accept", {})

    lines = town.ask(OPERATOR, f"GET /v1/cases/{case_id}/timeline").body["entries"]
    codes = [line["code"] for line in lines]
    assert (told.status, told.body["share"]["state"], codes.count("share-accepted")) == (200, "accepted", 1)


def test_at_3_4_who_accepts_while_the_owner_revokes_gets_nothing(town: Town, monkeypatch: pytest.MonkeyPatch):
    case_id = town.case()
    town.share(case_id, accept=False)
    desk = town.on("nuri").shares
    save = desk.save

    def revoked(share: Share) -> Share:
        monkeypatch.undo()
        town.ask(OPERATOR, f"POST /v1/cases/{case_id}/shares/nuri/revoke", {})
        return save(share)

    monkeypatch.setattr(desk, "save", revoked)
    told = town.ask(NEIGHBOUR, f"POST /v1/offers/garam/{case_id}/accept", {})

    seen = town.ask(NEIGHBOUR, f"GET /v1/shared/garam/{case_id}").status
    assert (told.status, told.code, seen) == (409, "offer-not-open", 404)


def test_at_3_2_accepting_twice_is_one_grant(town: Town):
    case_id = town.case()
    town.share(case_id)
    first = town.on("nuri").shares.received("garam", case_id)
    town.later(60)
    town.ask(NEIGHBOUR, f"POST /v1/offers/garam/{case_id}/accept", {})

    assert town.on("nuri").shares.received("garam", case_id) == first


def test_a_neighbour_marks_its_own_camera_in_the_owners_search_log(town: Town):
    town.heard()
    case_id = town.case()
    town.share(case_id)
    town.ask(OPERATOR, f"POST /v1/cases/{case_id}/cameras/cam-1", {"mark": "not-seen"})

    told = town.ask(NEIGHBOUR, f"POST /v1/shared/garam/{case_id}/cameras/cam-1", {"mark": "confirmed"})

    case = town.on("garam").cases.get(case_id)
    assert {name: mark.look.value for name, mark in case.marks.items()} == {
        "cam-1": "not-seen",
        "nuri/cam-1": "confirmed",
    }
    assert (told.body["marked"]["cam-1"]["mark"], case.last[Kind.SEEN].source, "T8c" in case.clock) == (
        "confirmed",
        "nuri/cam-1",
        True,
    )


def test_a_neighbours_mark_is_on_the_timeline_with_its_district(town: Town):
    town.heard()
    case_id = town.case()
    town.share(case_id)
    town.ask(NEIGHBOUR, f"POST /v1/shared/garam/{case_id}/cameras/cam-2", {"mark": "watching"})

    last = town.ask(OPERATOR, f"GET /v1/cases/{case_id}/timeline").body["entries"][-1]

    assert (last["code"], last["actor"], last["params"]["tenant_id"], last["params"]["camera_id"]) == (
        "camera-watching",
        "operator-n",
        "nuri",
        "nuri/cam-2",
    )


def test_a_neighbour_marks_no_camera_that_is_not_its_own(town: Town):
    town.heard()
    case_id = town.case()
    town.share(case_id)

    told = town.ask(NEIGHBOUR, f"POST /v1/shared/garam/{case_id}/cameras/cam-404", {"mark": "watching"})

    assert (told.status, told.code) == (404, "camera-not-found")


def test_a_neighbour_gives_a_case_back_and_sees_it_no_more(town: Town):
    case_id = town.case()
    town.share(case_id)

    told = town.ask(NEIGHBOUR, f"POST /v1/shared/garam/{case_id}/return", {})

    last = town.ask(OPERATOR, f"GET /v1/cases/{case_id}/timeline").body["entries"][-1]["code"]
    seen = town.ask(NEIGHBOUR, f"GET /v1/shared/garam/{case_id}").status
    assert (told.status, last, seen) == (200, "share-returned", 404)


def test_a_neighbour_cannot_offer_on_what_was_shared_with_it(town: Town):
    town.on("nuri").registry.put(agreed("nuri", "bora", NURI))
    case_id = town.case()
    town.share(case_id)

    told = town.ask(NEIGHBOUR, f"POST /v1/cases/{case_id}/shares", {"neighbour_id": "bora"})

    assert (told.status, town.ask(STRANGER, "GET /v1/offers").body["offers"]) == (404, [])


def test_an_unsigned_agreement_offers_nothing(town: Town):
    half = agreed("garam", "nuri", NURI)
    town.on("garam").registry.put(replace(half, signatures=half.signatures[:1]))

    told = town.ask(OPERATOR, f"POST /v1/cases/{town.case()}/shares", {"neighbour_id": "nuri"})

    assert (told.status, told.code) == (409, "agreement-unsigned")


def test_an_agreement_holds_once_both_districts_have_signed_it(town: Town):
    unsigned = replace(agreed("garam", "nuri", NURI), signatures=())
    town.on("garam").registry.put(unsigned)
    body = {"owner_id": "garam", "neighbour_id": "nuri", "terms": unsigned.terms}

    states = [
        town.ask(who, "POST /v1/agreements/sign", body).body["agreement"]["in_force"]
        for who in (OFFICIAL, NEIGHBOURS_OFFICIAL)
    ]

    received = town.ask(NEIGHBOURS_OFFICIAL, "GET /v1/agreements", query={"owner_id": "garam"}).body[
        "received"
    ]
    assert (states, [s["tenant_id"] for s in received[0]["signatures"]]) == ([False, True], ["garam", "nuri"])


def test_nobody_signs_terms_that_were_changed_after_reading(town: Town):
    body = {"owner_id": "garam", "neighbour_id": "nuri", "terms": "0" * 64}

    told = town.ask(OFFICIAL, "POST /v1/agreements/sign", body)

    assert (told.status, told.code) == (409, "agreement-changed")


def test_a_third_district_can_neither_sign_nor_see_an_agreement(town: Town):
    terms = town.on("garam").registry.agreements()[0].terms
    stranger = Who("official-b", "bora", "official")
    body = {"owner_id": "garam", "neighbour_id": "nuri", "terms": terms}

    told = town.ask(stranger, "POST /v1/agreements/sign", body)

    seen = town.ask(stranger, "GET /v1/agreements", query={"owner_id": "garam"}).body
    assert (told.status, seen) == (404, {"given": [], "received": []})


def test_a_signature_overwritten_at_the_same_moment_is_given_again(
    town: Town, monkeypatch: pytest.MonkeyPatch
):
    unsigned = replace(agreed("garam", "nuri", NURI), signatures=())
    town.on("garam").registry.put(unsigned)
    registry = town.on("garam").registry
    put = registry.put

    def late(record: Any) -> None:
        """The neighbour signed what it had read before ours was stored."""
        monkeypatch.undo()
        put(record)
        put(signed(unsigned, "nuri", "official-n", START))

    monkeypatch.setattr(registry, "put", late)
    body = {"owner_id": "garam", "neighbour_id": "nuri", "terms": unsigned.terms}
    told = town.ask(OFFICIAL, "POST /v1/agreements/sign", body)

    assert told.body["agreement"]["in_force"]
