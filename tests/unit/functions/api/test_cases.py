"""A case from the report to the close, at the real handler."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.domain.case import CaseState
from shared.domain.geo import LatLon
from shared.domain.places import Camera
from shared.domain.streets import Street
from tests.unit.functions.api.town import (
    AUDITOR,
    DIRECTOR,
    GATE,
    OPERATOR,
    POLICE,
    SECOND,
    START,
    TEACHER,
    WALL,
    Town,
)


def test_a_report_opens_a_case_with_its_workflow_and_its_watch(town: Town):
    case_id = town.case("c-1")

    started = town.cloud.table("workflow.started")
    watched = [
        (each.beacon_id, each.case_id, each.owner_id) for each in town.on("garam").watch_list.entries()
    ]
    assert (len(started), watched) == (1, [("b-1", case_id, "garam")])


def test_a_second_report_joins_the_open_case(town: Town):
    first = town.ask(TEACHER, "POST /v1/cases", {"child_id": "c-1"})
    second = town.ask(DIRECTOR, "POST /v1/cases", {"child_id": "c-1"})

    case_ids = {told.body["case"]["case_id"] for told in (first, second)}
    assert (first.status, second.status, len(case_ids), second.body["joined"]) == (201, 200, 1, True)


def test_a_report_that_waited_for_the_network_keeps_the_time_it_was_pressed(town: Town):
    pressed = START - timedelta(seconds=95)

    told = town.ask(TEACHER, "POST /v1/cases", {"child_id": "c-1", "pressed_at": pressed.isoformat()})

    assert told.body["case"]["clock"]["T4"] == "2026-05-05T00:58:25Z"


def test_a_press_the_phones_clock_puts_in_the_future_counts_as_now(town: Town):
    pressed = START + timedelta(seconds=95)

    told = town.ask(TEACHER, "POST /v1/cases", {"child_id": "c-1", "pressed_at": pressed.isoformat()})

    assert told.body["case"]["clock"]["T4"] == "2026-05-05T01:00:00Z"


def test_a_press_of_another_day_is_refused(town: Town):
    pressed = START - timedelta(days=2)

    told = town.ask(TEACHER, "POST /v1/cases", {"child_id": "c-1", "pressed_at": pressed.isoformat()})

    assert (told.status, told.code) == (400, "pressed-too-long-ago")


def test_a_case_takes_status_clothes_and_alarm_times_from_the_outing(town: Town):
    members = [{"child_id": "c-1", "outfit": {"top": "yellow", "bag": "red"}}]
    outing_id = town.ask(TEACHER, "POST /v1/outings", {"members": members, "status": "Exercise"}).body[
        "outing"
    ]["outing_id"]
    warned_ms = round(START.timestamp() * 1000)
    town.heard(alarm={"level": "departed", "warned_ms": warned_ms, "departed_ms": warned_ms + 12_000})
    town.later(20)
    town.ask(TEACHER, f"POST /v1/outings/{outing_id}/answers", {"child_id": "c-1", "answer": "searching"})

    case = town.ask(TEACHER, "POST /v1/cases", {"child_id": "c-1"}).body["case"]

    assert (case["status"], case["outing_id"], case["subject"]["outfit"], sorted(case["clock"])) == (
        "Exercise",
        outing_id,
        {"top": "yellow", "bag": "red"},
        ["T1", "T2", "T3", "T4"],
    )


def test_a_case_starts_from_where_the_bag_was_last_heard(town: Town):
    town.heard(at=LatLon(37.481, 126.951))

    case = town.ask(TEACHER, "POST /v1/cases", {"child_id": "c-1"}).body["case"]

    assert (case["last"]["heard"]["lat"], case["last"]["heard"]["lon"]) == (37.481, 126.951)


def test_at_2_2_a_second_operator_is_told_who_has_the_case(town: Town):
    case_id = town.case()
    first = town.ask(OPERATOR, f"POST /v1/cases/{case_id}/acknowledge", {})

    second = town.ask(SECOND, f"POST /v1/cases/{case_id}/acknowledge", {})

    assert (first.body["case"]["owner"], second.status, second.code, second.body["params"]) == (
        "operator-1",
        409,
        "case-already-owned",
        {"owner": "operator-1"},
    )


def test_acknowledging_twice_is_acknowledging_once(town: Town):
    case_id = town.case()
    town.ask(OPERATOR, f"POST /v1/cases/{case_id}/acknowledge", {})

    again = town.ask(OPERATOR, f"POST /v1/cases/{case_id}/acknowledge", {})

    lines = town.ask(OPERATOR, f"GET /v1/cases/{case_id}/timeline").body["entries"]
    assert (again.status, [line["code"] for line in lines]) == (200, ["opened", "acknowledged"])


@pytest.mark.parametrize(
    ("path", "body", "who"),
    [
        ("acknowledge", {}, OPERATOR),
        ("escalate", {}, OPERATOR),
        (
            "evidence",
            {"kind": "seen", "lat": 37.48, "lon": 126.95, "radius_m": 9, "source": "cam-1"},
            OPERATOR,
        ),
        ("police", {"receipt_no": "1", "channel": "112-call"}, TEACHER),
        ("police/acknowledge", {"reference": "P-1"}, POLICE),
        ("police/on-scene", {}, POLICE),
        ("secured", {"by": "police"}, POLICE),
        ("close", {"reason": "false-alarm"}, OPERATOR),
        ("cameras/cam-1", {"mark": "watching"}, OPERATOR),
    ],
)
def test_what_changes_a_case_wakes_its_workflow_and_tells_the_screens(town: Town, path, body, who):
    case_id = town.case()
    before = town.on("garam").cases.get(case_id)

    told = town.ask(who, f"POST /v1/cases/{case_id}/{path}", body)

    after = town.on("garam").cases.get(case_id)
    assert (told.status, after.version, after.news - before.news) == (200, before.version + 1, 1)


def test_a_whole_search_stamps_every_clock_point_and_reports_its_phases(town: Town):
    case_id = town.case()
    steps = [
        (OPERATOR, "acknowledge", {}),
        (OPERATOR, "cameras/cam-1", {"mark": "watching"}),
        (TEACHER, "police", {"receipt_no": "112-7", "channel": "112-call"}),
        (POLICE, "police/acknowledge", {"reference": "P-1"}),
        (OPERATOR, "cameras/cam-1", {"mark": "confirmed"}),
        (POLICE, "police/on-scene", {}),
        (POLICE, "secured", {"by": "police"}),
        (POLICE, "guardian", {}),
        (OPERATOR, "close", {"reason": "found"}),
    ]
    for who, path, body in steps:
        town.later(10)
        assert town.ask(who, f"POST /v1/cases/{case_id}/{path}", body).status == 200

    report = town.ask(OPERATOR, f"GET /v1/cases/{case_id}/report").body
    stamped = ["T4", "T5", "T6", "T9", "T10", "T8", "T8c", "T11", "T12", "T13", "T14"]
    assert (set(report["clock"]), report["phases"]["T12-T4"], report["chain_holds"]) == (
        set(stamped),
        70.0,
        True,
    )


def test_nobody_reaches_the_guardian_before_somebody_holds_the_child(town: Town):
    told = town.ask(OPERATOR, f"POST /v1/cases/{town.case()}/guardian", {})

    assert (told.status, told.code) == (409, "case-not-secured")


def test_a_closed_case_takes_no_more_evidence(town: Town):
    case_id = town.case()
    town.ask(OPERATOR, f"POST /v1/cases/{case_id}/close", {"reason": "false-alarm"})
    seen = {"kind": "seen", "lat": 37.48, "lon": 126.95, "radius_m": 9, "source": "cam-1"}

    told = town.ask(OPERATOR, f"POST /v1/cases/{case_id}/evidence", seen)

    assert (told.status, told.code) == (409, "case-closed")


def test_only_control_room_and_police_confirm(town: Town):
    seen = {"kind": "seen", "lat": 37.48, "lon": 126.95, "radius_m": 9, "source": "t", "confirmed": True}

    told = town.ask(TEACHER, f"POST /v1/cases/{town.case()}/evidence", seen)

    assert (told.status, told.code) == (403, "confirming-not-allowed")


def test_nobody_can_claim_that_a_beacon_was_heard(town: Town):
    heard = {"kind": "heard", "lat": 37.48, "lon": 126.95, "radius_m": 9, "source": "x"}

    assert town.ask(OPERATOR, f"POST /v1/cases/{town.case()}/evidence", heard).status == 422


def test_the_three_kinds_of_evidence_stay_apart(town: Town):
    town.heard()
    case_id = town.case()
    for kind in ("seen", "reported"):
        body = {"kind": kind, "lat": 37.49, "lon": 126.95, "radius_m": 9, "source": "x"}
        town.ask(OPERATOR, f"POST /v1/cases/{case_id}/evidence", body)

    told = town.ask(OPERATOR, f"GET /v1/cases/{case_id}/position").body

    assert {kind: round(each["lat"], 5) for kind, each in told["evidence"].items()} == {
        "heard": GATE.lat_deg,
        "seen": 37.49,
        "reported": 37.49,
    }


def test_a_position_tells_its_age_its_error_and_what_was_and_was_not_heard(town: Town):
    town.heard(rssi=-85)
    case_id = town.case()
    town.later(42)

    told = town.ask(OPERATOR, f"GET /v1/cases/{case_id}/position").body["position"]

    error_m = told["ellipse95"]["semi_major_m"]
    seen = {key: told[key] for key in ("label", "age_s", "stale", "method", "heard_count", "silent_count")}
    assert (seen, error_m > 0, told["reach"]["radius_m"]) == (
        {
            "label": "bag-position",
            "age_s": 42.0,
            "stale": False,
            "method": "radio",
            "heard_count": 1,
            "silent_count": 1,
        },
        True,
        pytest.approx(error_m + 42 * 1.3, abs=0.1),
    )


def test_a_position_older_than_a_minute_is_stale(town: Town):
    town.heard()
    case_id = town.case()
    town.later(61)

    assert town.ask(OPERATOR, f"GET /v1/cases/{case_id}/position").body["position"]["stale"] is True


def test_a_bag_never_heard_has_no_position(town: Town):
    told = town.ask(OPERATOR, f"GET /v1/cases/{town.case()}/position")

    assert (told.status, told.body["position"], told.body["evidence"]) == (200, None, {})


def test_the_track_is_in_the_order_things_happened_not_in_the_order_they_were_told(town: Town):
    case_id = town.case()
    for minutes_ago in (1, 3, 2):
        at = (START - timedelta(minutes=minutes_ago)).isoformat()
        body = {
            "kind": "seen",
            "lat": 37.48,
            "lon": 126.95,
            "radius_m": 9,
            "source": f"m{minutes_ago}",
            "at": at,
        }
        town.ask(OPERATOR, f"POST /v1/cases/{case_id}/evidence", body)

    points = town.ask(OPERATOR, f"GET /v1/cases/{case_id}/track").body["points"]

    assert [point["source"] for point in points] == ["m3", "m2", "m1"]


def test_the_camera_list_is_short_ranked_and_says_why(town: Town):
    town.heard()
    cameras = town.ask(OPERATOR, f"GET /v1/cases/{town.case()}/cameras").body["cameras"]

    shares = [camera["probability"] for camera in cameras]
    assert (0 < len(cameras) <= 8, shares == sorted(shares, reverse=True), cameras[0]["reason"]["code"]) == (
        True,
        True,
        "may-see-now",
    )


def test_a_camera_a_colleague_watches_is_not_offered_and_stays_on_the_own_list(town: Town):
    town.heard()
    case_id = town.case()
    first = town.ask(OPERATOR, f"GET /v1/cases/{case_id}/cameras").body["cameras"][0]["camera_id"]
    town.ask(OPERATOR, f"POST /v1/cases/{case_id}/cameras/{first}", {"mark": "watching"})

    lists = {
        who.name: [c["camera_id"] for c in town.ask(who, f"GET /v1/cases/{case_id}/cameras").body["cameras"]]
        for who in (OPERATOR, SECOND)
    }

    assert {name: first in cameras for name, cameras in lists.items()} == {
        "operator-1": True,
        "operator-2": False,
    }


def test_a_camera_of_nowhere_cannot_be_marked(town: Town):
    told = town.ask(OPERATOR, f"POST /v1/cases/{town.case()}/cameras/cam-404", {"mark": "watching"})

    assert (told.status, told.code) == (404, "camera-not-found")


def test_a_teacher_takes_a_report_back_within_fifteen_seconds_only(town: Town):
    early, late = town.case("c-1"), town.case("c-2")
    close = {"reason": "false-alarm", "note": ""}
    in_time = town.ask(TEACHER, f"POST /v1/cases/{early}/close", close)
    town.later(16)

    too_late = town.ask(TEACHER, f"POST /v1/cases/{late}/close", close)

    assert (in_time.status, too_late.status, too_late.code) == (200, 403, "closing-not-allowed")


def test_a_list_masks_names_and_the_case_itself_does_not(town: Town):
    case_id = town.case()
    listed = town.ask(OPERATOR, "GET /v1/cases").body["cases"][0]["subject"]["name"]
    opened = town.ask(OPERATOR, f"GET /v1/cases/{case_id}").body["case"]["subject"]["name"]

    assert (listed, opened) == ("김○○", "김하늘")


def test_walls_and_auditors_learn_neither_name_nor_place(town: Town):
    town.heard()
    town.case()

    seen = [town.ask(who, "GET /v1/cases").body["cases"][0] for who in (WALL, AUDITOR)]

    assert [(case["subject"]["name"], case["last"]) for case in seen] == [("김○○", {}), ("김○○", {})]


def test_the_timeline_holds_no_coordinates(town: Town):
    town.heard()
    case_id = town.case()
    body = {"kind": "seen", "lat": 37.4812345, "lon": 126.9512345, "radius_m": 9, "source": "cam-1"}
    town.ask(OPERATOR, f"POST /v1/cases/{case_id}/evidence", body)

    told = town.ask(OPERATOR, f"GET /v1/cases/{case_id}/timeline")

    assert "37.48" not in str(told.body)
    assert "126.95" not in str(told.body)


def test_a_list_since_a_moment_leaves_out_what_closed_before(town: Town):
    old = town.case("c-1")
    town.ask(OPERATOR, f"POST /v1/cases/{old}/close", {"reason": "false-alarm"})
    town.later(60)
    new = town.case("c-2")

    cases = town.ask(OPERATOR, "GET /v1/cases", query={"since": "2026-05-05T01:00:30Z"}).body["cases"]

    assert [case["case_id"] for case in cases] == [new]


def test_a_report_overtaken_by_a_colleagues_joins_it(town: Town, monkeypatch: pytest.MonkeyPatch):
    case_id = town.case("c-1")
    cases = town.on("garam").cases
    monkeypatch.setattr(cases, "open_case_of", lambda _: None)  # read before the colleague's was stored

    told = town.ask(TEACHER, "POST /v1/cases", {"child_id": "c-1"})

    assert (told.status, told.body["case"]["case_id"]) == (200, case_id)


def test_handing_on_gives_the_case_to_a_colleague(town: Town):
    case_id = town.case()
    town.ask(OPERATOR, f"POST /v1/cases/{case_id}/acknowledge", {})

    told = town.ask(OPERATOR, f"POST /v1/cases/{case_id}/hand-on", {"to": "operator-2"})

    assert (told.status, told.body["case"]["owner"], told.body["case"]["state"]) == (
        200,
        "operator-2",
        CaseState.ACKNOWLEDGED.value,
    )


def test_every_reading_of_a_case_is_in_the_access_log(town: Town):
    town.heard()
    case_id = town.case()
    for part in ("", "/timeline", "/report", "/position", "/track", "/cameras"):
        town.ask(OPERATOR, f"GET /v1/cases/{case_id}{part}")

    lines = town.ask(AUDITOR, "GET /v1/access", query={"since": "2026-05-05T00:00:00Z"}).body["lines"]

    read = {(line["actor_id"], line["subject_id"], line["purpose"]) for line in lines}
    assert (len(lines), read) == (6, {("operator-1", "c-1", f"case:{case_id}")})


def test_a_screen_that_asks_every_two_seconds_reads_once_a_minute(town: Town):
    case_id = town.case()
    for _ in range(30):
        town.ask(OPERATOR, f"GET /v1/cases/{case_id}/position")
        town.later(2)
    town.ask(OPERATOR, f"GET /v1/cases/{case_id}/position")

    assert len(town.on("garam").access_log.since(START)) == 2


def test_at_2_3_where_streets_are_known_the_cameras_along_them_come_first(town: Town):
    town.heard(rssi=-70)
    here, along, across = GATE, (0.0, 0.0009), (0.0005, 0.0009)
    street = (LatLon(here.lat_deg, here.lon_deg - 0.002), LatLon(here.lat_deg, here.lon_deg + 0.002))
    town.on("garam").registry.put(
        Street("w-1", street),
        *(replace(camera, range_m=1.0) for camera in town.on("garam").registry.cameras()),
        *(
            Camera(name, name, LatLon(here.lat_deg + north, here.lon_deg + east), 270, 90, 90)
            for name, (north, east) in (("along", along), ("across", across))
        ),
    )

    cameras = town.ask(OPERATOR, f"GET /v1/cases/{town.case()}/cameras").body["cameras"]

    names = [each["camera_id"] for each in cameras]
    assert ("along" in names, "across" in names) == (True, False)
