"""The district, its devices and its people, at the real handler."""

import json
from datetime import timedelta

import pytest

from shared.adapters.clock import epoch_ms
from shared.ports import Quarantined
from tests.unit.functions.api.town import ADMIN, NEIGHBOUR_TEACHER, OPERATOR, START, TEACHER, Town


def test_the_district_tells_its_border_its_rules_and_its_neighbours(town: Town):
    told = town.ask(OPERATOR, "GET /v1/district").body

    assert (
        told["name"],
        len(told["boundary"]),
        told["policy"]["alarm_s"],
        told["neighbours"][0]["name"],
    ) == (
        "garam구",
        4,
        20.0,
        "nuri구",
    )


def test_a_scanner_without_a_heartbeat_for_a_minute_is_dark(town: Town):
    beats = {"garam-s-1": epoch_ms(START), "garam-s-2": epoch_ms(START - timedelta(seconds=61))}
    town.on("garam").tracking.heartbeat(beats)

    scanners = town.ask(OPERATOR, "GET /v1/scanners").body["scanners"]

    assert [(each["scanner_id"], each["dark"], each["age_s"]) for each in scanners] == [
        ("garam-s-1", False, 0.0),
        ("garam-s-2", True, 61.0),
        ("garam-s-3", True, None),
    ]


def test_a_walk_test_changes_a_scanner_for_good(town: Town):
    body = {"lat": 37.481, "lon": 126.951, "offset_db": -4.5, "sd_db": 5.0, "height_m": 6.0}
    town.ask(ADMIN, "PUT /v1/scanners/garam-s-1", body)

    scanner = town.on("garam").registry.scanners()[0]

    assert (scanner.at.lat_deg, scanner.offset_db, scanner.height_m) == (37.481, -4.5, 6.0)


def test_a_scanner_of_another_district_cannot_be_hung(town: Town):
    told = town.ask(ADMIN, "PUT /v1/scanners/nuri-s-1", {"lat": 37.48, "lon": 126.95})

    assert (told.status, len(town.on("nuri").registry.scanners())) == (404, 3)


def test_a_refused_message_can_be_read_back_by_its_reason_not_by_its_content(town: Town):
    body = "bGF0PTM3LjQ4"
    message = Quarantined("m-1", epoch_ms(START), "garam-s-1", "not-json", body)
    town.on("garam").tracking.quarantine([message], now=START)

    told = town.ask(ADMIN, "GET /v1/quarantine")

    assert (told.body["messages"][0]["reason"], body in str(told.body)) == ("not-json", False)


def test_a_phone_registers_for_push_and_its_token_is_not_told_back(town: Town):
    body = {"platform": "android", "push_token": "token-0001"}
    told = town.ask(TEACHER, "PUT /v1/devices/garam-p-1", body)

    phone = town.on("garam").registry.phone("garam-p-1")
    assert (told.status, phone.push_token, phone.endpoint, "token-0001" in str(told.body)) == (
        200,
        "token-0001",
        "arn:memory:endpoint/token-0001",
        False,
    )


PAGE = {
    "platform": "web",
    "subscription": {
        "endpoint": "https://updates.push.services.mozilla.com/wpush/v2/abc",
        "p256dh": "B" + "A" * 86,
        "auth": "A" * 22,
    },
}


def test_an_installed_page_registers_its_subscription(town: Town):
    told = town.ask(TEACHER, "PUT /v1/devices/garam-p-1", PAGE)
    phone = town.on("garam").registry.phone("garam-p-1")

    assert (told.status, phone.platform, json.loads(phone.endpoint)["keys"]["auth"]) == (200, "web", "A" * 22)


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://127.0.0.1:9001/2018-06-01/runtime",
        "https://internal.example/push",
        "http://fcm.googleapis.com/fcm/send/a",
        "https://fcm.googleapis.com.evil.example/a",
        "https://evil.example/fcm.googleapis.com/a",
    ],
)
def test_nothing_of_ours_calls_an_address_that_is_no_browsers_push_service(town: Town, endpoint: str):
    body = PAGE | {"subscription": PAGE["subscription"] | {"endpoint": endpoint}}  # type: ignore[operator]

    assert town.ask(TEACHER, "PUT /v1/devices/garam-p-1", body).status == 422


@pytest.mark.parametrize(
    "body",
    [
        {"platform": "web", "push_token": "token-0001"},
        {"platform": "android"},
        {**PAGE, "platform": "ios"},
        {**PAGE, "push_token": "token-0001"},
    ],
)
def test_an_app_has_a_token_and_a_page_a_subscription(town: Town, body: dict[str, object]):
    assert town.ask(TEACHER, "PUT /v1/devices/garam-p-1", body).code == "subscription-refused"


def test_a_page_learns_the_key_of_its_own_district(town: Town):
    keys = {who.tenant: town.ask(who, "GET /v1/push-key").body["key"] for who in (TEACHER, NEIGHBOUR_TEACHER)}

    assert len({key for key in keys.values() if len(key) == 87}) == 2


@pytest.mark.parametrize("phone", ["garam-p-9", "garam-p-404", "nuri-p-1"])
def test_a_teacher_registers_phones_of_the_own_daycare_only(town: Town, phone: str):
    body = {"platform": "android", "push_token": "token-0001"}

    assert town.ask(TEACHER, f"PUT /v1/devices/{phone}", body).code == "phone-not-found"


def test_where_no_live_feed_is_configured_a_screen_is_told_to_ask(town: Town):
    told = town.ask(OPERATOR, "GET /v1/live")

    assert (told.status, told.code) == (404, "live-unavailable")


def test_a_live_address_is_for_the_callers_own_district(town: Town):
    town.cloud.table("live")["url"] = "wss://live.example/mqtt"

    topics = town.ask(OPERATOR, "GET /v1/live").body["topics"]

    assert all("/garam/" in topic for topic in topics.values())


def test_signing_in_gives_a_token_and_tells_who_one_is(town: Town):
    told = town.ask(
        None, "POST /v1/sign-in", {"username": "park-01", "password": "<your password>"}, key=None
    )

    assert (
        told.status,
        bool(told.body["id_token"]),
        told.body["actor"]["role"],
        told.body["actor"]["facility_id"],
    ) == (
        200,
        True,
        "teacher",
        "sun",
    )


@pytest.mark.parametrize(
    ("username", "password", "code"),
    [
        ("park-01", "wrong", "sign-in-failed"),
        ("nobody", "x", "sign-in-failed"),
        ("new", "battery", "sign-in-incomplete"),
    ],
)
def test_a_wrong_sign_in_does_not_say_what_was_wrong(town: Town, username: str, password: str, code: str):
    told = town.ask(None, "POST /v1/sign-in", {"username": username, "password": password}, key=None)

    assert (told.status, told.code) == (401, code)


def test_a_refresh_token_keeps_somebody_signed_in(town: Town):
    session = town.ask(
        None, "POST /v1/sign-in", {"username": "park-01", "password": "<your password>"}, key=None
    )

    told = town.ask(
        None, "POST /v1/sign-in/refresh", {"refresh_token": session.body["refresh_token"]}, key=None
    )

    assert (told.status, told.body["actor"]) == (200, session.body["actor"])
