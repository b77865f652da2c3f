"""What a sweep notices."""

from datetime import timedelta
from typing import Any

import pytest

from functions.watch_silence.handler import lambda_handler
from shared.adapters.clock import epoch_ms
from shared.adapters.drills import change
from shared.adapters.tenants import memory_tenants
from shared.domain import drill
from shared.domain.case import Actor, Subject, SubjectClass, open_case, system
from shared.domain.places import Phone, Status
from shared.domain.proximity import PhoneTrack
from shared.domain.sharing import Share, ShareState
from shared.ports import Watched
from tests.district import SCANNERS, START, District, district


@pytest.fixture
def here() -> District:
    d = district().people()
    d.outing()
    return d


def sweep(d: District, after_s: float) -> dict[str, int]:
    d.clock.at = START + timedelta(seconds=after_s)
    return lambda_handler({}, None, d.on, lambda: memory_tenants(d.world))


def report(d: District, phone: int, at_s: float) -> None:
    stored = d.adapters.tracking.read(phones=[d.phones[phone]]).phones[d.phones[phone]]
    at_ms = epoch_ms(START) + round(at_s * 1000)
    d.adapters.tracking.save([PhoneTrack(stored.phone_id, (at_ms,), version=stored.version)], now=START)


def beat(d: District, at_s: float, *, scanners: range = range(SCANNERS)) -> None:
    at_ms = epoch_ms(START) + round(at_s * 1000)
    d.adapters.tracking.heartbeat({d.scanner(n): at_ms for n in scanners})


def missing(d: District, status: Status) -> None:
    """An open case of the first child."""
    case, entries = open_case(
        "case-1",
        system("garam"),
        START,
        status=status,
        subject=Subject("garam-c-000", d.beacon(0), SubjectClass.CHILD, 4),
        facility_id="garam-f",
        outing_id="outing-1",
        pressed_at=START,
    )
    d.adapters.cases.create(case, entries)


def told(d: District) -> list[tuple[str, Any]]:
    return [(m.to, m.body["phone"]) for m in d.world.sent if m.body["code"] == "monitoring-stopped"]


def dark(d: District) -> list[str]:
    return [each.scanner_id for each in d.adapters.registry.scanners() if each.dark]


def test_phones_that_report_disturb_nobody(here: District) -> None:
    report(here, 0, 10)
    report(here, 1, 11)
    sweep(here, 25)

    assert told(here) == []


def test_a_phone_silent_for_twenty_seconds_is_told_to_the_others(here: District) -> None:
    report(here, 0, 10)
    report(here, 1, 30)
    sweep(here, 31)

    assert told(here) == [(f"endpoint/{here.phones[1]}", here.phones[0])]


def test_a_phone_that_never_reported_has_stopped_too(here: District) -> None:
    report(here, 1, 19)
    sweep(here, 20)

    assert told(here) == [(f"endpoint/{here.phones[1]}", here.phones[0])]


def test_a_phone_that_stays_silent_is_told_once(here: District) -> None:
    report(here, 1, 50)
    for after_s in (20, 35, 50):
        sweep(here, after_s)

    assert len(told(here)) == 1


def test_a_phone_that_came_back_and_stopped_again_is_told_again(here: District) -> None:
    report(here, 1, 100)
    sweep(here, 20)
    report(here, 0, 40)
    sweep(here, 60)

    assert len(told(here)) == 2


def test_the_phone_at_the_daycare_hears_of_it_and_another_outings_does_not(here: District) -> None:
    here.adapters.registry.put(
        Phone("garam-p-900", "garam-f", "원장", endpoint="endpoint/director"),
        Phone("garam-p-901", "garam-f", "박선생", endpoint="endpoint/elsewhere"),
    )
    here.outing("outing-2", phones=["garam-p-901"])
    report(here, 1, 19)
    report_of_other = PhoneTrack("garam-p-901", (epoch_ms(START) + 19_000,))
    here.adapters.tracking.save([report_of_other], now=START)
    sweep(here, 20)

    assert {to for to, _ in told(here)} == {f"endpoint/{here.phones[1]}", "endpoint/director"}


def test_a_scanner_without_a_heartbeat_for_a_minute_is_dark(here: District) -> None:
    beat(here, 0)
    beat(here, 30, scanners=range(1, SCANNERS))
    sweep(here, 60)

    assert dark(here) == [here.scanner(0)]


def test_a_dark_scanner_that_beats_again_is_back(here: District) -> None:
    sweep(here, 60)
    beat(here, 61)
    sweep(here, 75)

    assert dark(here) == []


def test_screens_hear_of_scanners_that_turned_and_of_no_others(here: District) -> None:
    beat(here, 0)
    beat(here, 50, scanners=range(2, SCANNERS))
    sweep(here, 60)
    sweep(here, 75)

    events = [body for _, body in here.world.table("live")["heard"] if b'"scanner"' in body]
    assert len(events) == 2


def test_the_sweep_says_how_many_are_dark(here: District) -> None:
    beat(here, 0, scanners=range(2))

    assert sweep(here, 30) == {"phones_stopped": 2, "scanners_dark": SCANNERS - 2}


def test_a_beacon_is_not_listened_for_past_its_time(here: District) -> None:
    here.adapters.watch_list.add(Watched("b-1", "case-1", "narae", START + timedelta(seconds=10)))
    here.adapters.watch_list.add(Watched("b-2", "case-2", "garam", None))
    sweep(here, 10)

    assert [each.beacon_id for each in here.adapters.watch_list.entries()] == ["b-2"]


@pytest.mark.parametrize(("after_s", "news"), [(59, 0), (60, 1)])
def test_a_case_with_a_share_past_its_time_is_woken(here: District, after_s: int, news: int) -> None:
    missing(here, Status.ACTUAL)
    until = START + timedelta(seconds=60)
    here.adapters.shares.save(
        Share("garam", "case-1", "narae", here.beacon(0), ShareState.ACCEPTED, ("position",), START, until)
    )
    sweep(here, after_s)

    assert here.adapters.cases.get("case-1").news == news


def test_a_tenant_whose_sweep_fails_does_not_keep_the_others_waiting(here: District) -> None:
    District(here.on, here.clock, here.world, "broken").people()
    here.on("broken").__dict__["outings"] = None
    report(here, 1, 19)

    with pytest.raises(RuntimeError, match="broken"):
        sweep(here, 20)
    assert len(told(here)) == 1


def test_a_drill_that_somebody_forgot_ends_after_half_an_hour(here: District) -> None:
    missing(here, Status.EXERCISE)
    by = Actor("official-1", "garam", "official")
    facts = {"planned_at": START, "facility_id": "garam-f", "child_id": "garam-c-000", "seed": 7}
    here.adapters.drills.save(drill.plan("d-1", by, START, **facts))  # type: ignore[arg-type]
    change(here.adapters.drills, "d-1", lambda each: drill.started(each, "case-1", START))
    states = []
    for after_s in (1799, 1800):
        sweep(here, after_s)
        states.append(
            (here.adapters.drills.get("d-1").state.value, here.adapters.cases.get("case-1").is_open)
        )

    assert states == [("running", True), ("stopped", False)]
