"""A phone that calls for help: its fixes open a case and lead it, whatever they are."""

import json
from base64 import b64encode
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from functions.assess_case.steps import STEPS
from functions.ingest_sightings.ingest import ingest
from functions.notify.tell import TASKS
from shared.adapters.clock import epoch_ms
from shared.domain.case import Case, CloseReason, Kind
from shared.domain.geo import LatLon, distance_m
from shared.domain.places import SubjectClass
from shared.schema.workflow import CaseRun, Next
from tests.unit.functions.api.town import GATE, NEIGHBOUR, OFFICIAL, OPERATOR, START, Told, Town

EAST = LatLon(37.4800, 126.9590)  # 90 m from nuri's border


def fix(at: datetime = START, where: LatLon = GATE, accuracy_m: float = 12.0) -> dict[str, Any]:
    return {"at": at.isoformat(), "lat": where.lat_deg, "lon": where.lon_deg, "accuracy_m": accuracy_m}


def call(town: Town, **first: Any) -> Told:
    """The citizen's phone calls for help."""
    told = town.ask(None, f"POST /v1/sos/{town.link('device')}", {"fix": fix(town.clock.at, **first)})
    assert told.status == 200, told.body
    return told


def goes(town: Town, secret: str, *fixes: dict[str, Any]) -> Told:
    return town.ask(None, f"POST /v1/sos/{secret}/fixes", {"fixes": list(fixes)}, key=None)


def case_of(town: Town, told: Told) -> Case:
    return town.on("garam").cases.get(told.body["case_id"])


def test_a_call_opens_a_case_of_a_citizen_whose_phone_says_where(town: Town):
    case = case_of(town, call(town))
    found = case.last[Kind.HEARD]

    assert (case.subject.subject_class, case.facility_id, case.outing_id) == (SubjectClass.CITIZEN, "", "")
    assert (found.where, round(found.radius_m, 1), found.source) == (GATE, 19.4, "garam-p-77")


def test_a_case_of_a_citizen_runs_in_the_same_engine(town: Town):
    told = call(town)

    started = town.cloud.table("workflow.started").values()
    watched = [each.beacon_id for each in town.on("garam").watch_list.entries()]
    assert ([each["case_id"] for each in started], watched) == ([told.body["case_id"]], ["garam-p-77"])


def test_a_phone_that_does_not_know_where_it_is_calls_all_the_same(town: Town):
    told = town.ask(None, f"POST /v1/sos/{town.link('device')}", {})

    assert (told.status, case_of(town, told).last) == (200, {})


def test_calling_again_joins_the_same_call(town: Town):
    device = town.link("device")
    told = [town.ask(None, f"POST /v1/sos/{device}", {}).body["case_id"] for _ in range(2)]

    assert told[0] == told[1]


def test_the_caller_hears_that_it_was_received_and_then_that_somebody_has_it(town: Town):
    told = call(town)
    town.ask(OPERATOR, f"POST /v1/cases/{told.body['case_id']}/acknowledge", {})
    after = goes(town, told.body["secret"], fix())

    assert (told.body["text"], after.body["acknowledged"], after.body["text"]) == (
        "긴급신고가 접수되었습니다. 관제센터가 위치를 보고 있습니다.",
        True,
        "관제센터 담당자가 맡았습니다. 전화기를 켜 두세요.",
    )


def test_fixes_lead_the_case_in_any_order_and_one_every_five_seconds(town: Town):
    told = call(town)
    town.later(20)
    steps = [fix(START + timedelta(seconds=s), replace(GATE, lat_deg=37.48 + s / 1e4)) for s in range(1, 21)]
    after = goes(town, told.body["secret"], *reversed(steps))

    case = case_of(town, told)
    assert (after.body["taken"], case.last[Kind.HEARD].where.lat_deg) == (4, pytest.approx(37.482))


def test_a_late_fix_never_moves_the_caller_back(town: Town):
    told = call(town)
    town.later(30)
    goes(town, told.body["secret"], fix(town.clock.at, EAST))
    after = goes(town, told.body["secret"], fix(START + timedelta(seconds=10)))

    assert (after.body["taken"], case_of(town, told).last[Kind.HEARD].where) == (0, EAST)


def test_operators_see_the_phones_position_with_its_error_and_age(town: Town):
    told = call(town)
    town.later(7)
    where = town.ask(OPERATOR, f"GET /v1/cases/{told.body['case_id']}/position").body["position"]

    assert (where["label"], where["age_s"], round(where["ellipse95"]["semi_major_m"])) == (
        "phone-position",
        7.0,
        19,
    )
    assert round(where["reach"]["speed_mps"], 1) == 2.5


def test_near_a_border_the_neighbour_is_offered_the_call_and_its_teachers_hear_nothing(town: Town):
    told = call(town, where=EAST)
    town.ask(OPERATOR, f"POST /v1/cases/{told.body['case_id']}/acknowledge", {})
    run = CaseRun(tenant_id="garam", case_id=told.body["case_id"], status="Actual", round=0, turns=0)
    for task in ("teachers", "operators"):
        TASKS[task](run, town.on)
    town.later(40)
    after = STEPS["assess"](run, town.on)
    STEPS["offer"](run, town.on)
    offered = town.ask(NEIGHBOUR, "GET /v1/offers").body["offers"]

    assert (after.next, offered[0]["preview"]["subject_class"]) == (Next.OFFER, "citizen")
    assert {m.body["code"] for m in town.cloud.sent} == {"help-called"}


def test_the_call_goes_on_across_the_border_and_the_neighbour_follows_it(town: Town):
    told = call(town, where=EAST)
    town.share(told.body["case_id"])
    town.later(60)
    beyond = LatLon(37.4800, 126.9650)
    goes(town, told.body["secret"], fix(town.clock.at, beyond))
    seen = town.ask(NEIGHBOUR, f"GET /v1/shared/garam/{told.body['case_id']}/position").body["position"]

    assert distance_m(LatLon(seen["lat"], seen["lon"]), beyond) < 1


def test_when_the_case_is_closed_the_phone_is_told_to_stop(town: Town):
    told = call(town)
    closing = {"reason": CloseReason.FALSE_ALARM.value, "note": ""}
    town.ask(OPERATOR, f"POST /v1/cases/{told.body['case_id']}/close", closing)
    town.later(10)
    after = goes(town, told.body["secret"], fix(town.clock.at))

    assert (after.status, after.body["open"], after.body["taken"]) == (200, False, 0)


def test_that_the_caller_says_to_be_safe_is_on_record_and_ends_nothing(town: Town):
    told = call(town)
    after = town.ask(None, f"POST /v1/sos/{told.body['secret']}/safe", {})

    codes = [entry.code for entry in town.on("garam").cases.timeline(told.body["case_id"])]
    assert (after.body["open"], codes[0], codes[-1]) == (True, "help-called", "caller-says-safe")


@pytest.mark.parametrize(
    "bad",
    [
        {"lat": 91},
        {"lon": "x"},
        {"accuracy_m": 0},
        {"accuracy_m": -5},
        {"accuracy_m": 1e9},
        {"accuracy_m": None},
        {"at": "yesterday"},
        {"at": "2026-05-05T01:00:00"},
        {"altitude": 3},
    ],
)
def test_a_fix_that_makes_no_sense_is_refused_and_changes_nothing(town: Town, bad: dict[str, Any]):
    told = call(town)
    before = case_of(town, told)
    refused = goes(town, told.body["secret"], fix() | bad)

    assert (refused.status, case_of(town, told)) == (422, before)


@pytest.mark.parametrize("off_s", [-601, 31])
def test_a_fix_from_another_time_is_not_where_the_phone_is(town: Town, off_s: float):
    told = call(town)

    assert goes(town, told.body["secret"], fix(START + timedelta(seconds=off_s))).code == "fix-time-unusable"


def test_a_phone_that_floods_is_told_when_to_come_back(town: Town):
    told = call(town)
    statuses = [goes(town, told.body["secret"], fix()).status for _ in range(61)]
    refused = goes(town, told.body["secret"], fix())
    town.later(60)

    assert (statuses[-2:], refused.headers["retry-after"]) == ([200, 429], "60")
    assert goes(town, told.body["secret"], fix(town.clock.at)).status == 200


def test_a_calls_secret_lives_six_hours_and_takes_nothing_but_its_own_call(town: Town):
    told = call(town)
    again = town.ask(None, f"POST /v1/sos/{told.body['secret']}", {})
    town.later(6 * 3600)

    assert (again.status, goes(town, told.body["secret"], fix(town.clock.at)).status) == (404, 404)


def test_a_citizen_who_withdrew_cannot_be_followed(town: Town):
    told = call(town)
    town.ask(OFFICIAL, "POST /v1/children/s-1/withdraw", {"confirmed": True})

    assert goes(town, told.body["secret"], fix()).status == 404


def test_a_child_is_given_no_right_to_call_by_phone(town: Town):
    assert town.ask(OFFICIAL, "PUT /v1/children/c-1/link", {"use": "device"}).code == "not-a-citizen"


def by_mqtt(town: Town, where: LatLon, accuracy_m: float = 12.0) -> dict[str, int]:
    """The phone publishes its position as a teacher's phone would; what ingest dropped, by reason."""
    now_ms = epoch_ms(town.clock.at)
    fix = [where.lat_deg, where.lon_deg, accuracy_m, 0]
    payload = json.dumps({"v": 1, "sent": now_ms, "seq": 1, "s": [], "fix": fix}).encode()
    body = {"tenant": "garam", "thing": "garam-p-77", "client": "garam-p-77", "received_ms": now_ms}
    record = {"messageId": "m-1", "body": json.dumps(body | {"payload": b64encode(payload).decode()})}
    return dict(ingest([record], town.on).dropped)


def test_fixes_by_mqtt_lead_the_case_as_those_by_http_do(town: Town):
    told = call(town)
    town.later(30)
    by_mqtt(town, EAST)
    found = case_of(town, told).last[Kind.HEARD]

    assert (found.where, round(found.radius_m), found.source) == (EAST, 19, "garam-p-77")


def test_without_a_call_what_a_citizens_phone_says_is_kept_nowhere(town: Town):
    dropped = by_mqtt(town, EAST)
    stored = town.on("garam").tracking.read(phones=["garam-p-77"]).phones["garam-p-77"]

    assert (dropped, stored.reported_ms, stored.fixes) == ({"no-purpose": 1}, (), ())


def test_after_the_end_what_a_citizens_phone_says_is_dropped_again(town: Town):
    told = call(town)
    STEPS["close"](
        CaseRun(tenant_id="garam", case_id=told.body["case_id"], status="Actual", round=0, turns=0), town.on
    )
    town.later(30)

    assert by_mqtt(town, EAST) == {"no-purpose": 1}
