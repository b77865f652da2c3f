"""What becomes of a batch."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from functions.ingest_sightings.handler import lambda_handler
from shared.adapters.hearing import Hearing, hearing
from shared.adapters.hearing import fix_of as found
from shared.domain.case import Kind, Subject, SubjectClass, open_case, system
from shared.domain.outing import Answer
from shared.domain.places import Consent, Policy, Scanner, Status
from shared.domain.position import Fix
from shared.ports import Watched, key_of
from tests.district import CHILDREN, START, District, district, near


@pytest.fixture
def here() -> District:
    d = district().people()
    d.outing()
    return d


def deliver(d: District, *records: dict[str, Any]) -> list[str]:
    """Hand a batch over; what is to be delivered again comes back."""
    answer = lambda_handler({"Records": list(records)}, None, d.on)
    return [each["itemIdentifier"] for each in answer["batchItemFailures"]]


def at(d: District, seconds: float) -> None:
    d.clock.at = START + timedelta(seconds=seconds)


def known(d: District, n: int) -> Hearing:
    return hearing(d.adapters, d.beacon(n))


def is_stored(d: District, beacon_id: str) -> bool:
    """Whether anything at all is stored about a beacon."""
    return bool(hearing(d.adapters, beacon_id).window.sightings)


def phones_report(
    d: District, until_s: int, *, heard: range, since_s: int = 0, located: bool = False
) -> None:
    """Both phones report every four seconds, hearing these children near."""
    here = near(0, 0)
    fix = (here.lat_deg, here.lon_deg, 5.0, 0) if located else None
    for t in range(since_s, until_s + 1, 4):
        at(d, t)
        beacons = [(d.beacon(n), 200, -55, 5) for n in heard]
        deliver(d, *(d.message(phone, beacons, fix=fix, at_s=t) for phone in d.phones))


def answer(d: District, said: Answer, at_s: float) -> None:
    """A teacher answers for every child."""
    outing = d.adapters.outings.get("outing-1")
    answered_at = START + timedelta(seconds=at_s)
    members = [replace(m, answer=said, answered_at=answered_at) for m in outing.members]
    d.adapters.outings.save(replace(outing, members=tuple(members)))


def opened(d: District, n: int) -> str:
    """An open case of a child, watched for."""
    member = d.member(n)
    subject = Subject(member.child_id, member.beacon_id, SubjectClass.CHILD, 4)
    case, entries = open_case(
        "case-1",
        system(d.tenant_id),
        d.clock.now(),
        status=Status.ACTUAL,
        subject=subject,
        facility_id=f"{d.tenant_id}-f",
        outing_id="outing-1",
        pressed_at=d.clock.now(),
    )
    d.adapters.cases.create(case, entries)
    d.adapters.watch_list.add(Watched(member.beacon_id, "case-1", d.tenant_id, None))
    return "case-1"


def dropped(caplog: pytest.LogCaptureFixture) -> dict[str, int]:
    """What the newest batch's log line says was dropped, by reason."""
    line = next(record for record in reversed(caplog.records) if record.message == "batch ingested")
    counted: dict[str, int] = line.__dict__["dropped"]
    return counted


def fix_of(d: District, n: int) -> Fix:
    fix = found(d.adapters, d.beacon(n))
    assert fix is not None
    return fix


def test_a_beacon_heard_by_scanners_has_a_fix_that_says_who_heard(here: District) -> None:
    deliver(
        here,
        here.message(here.scanner(0), [(here.beacon(0), 100, -62, 5)], at_s=1),
        here.message(here.scanner(1), [(here.beacon(0), 300, -70, 5)], at_s=1),
    )

    assert fix_of(here, 0).heard == (here.scanner(0), here.scanner(1))


def test_a_scanner_the_registry_says_is_dark_is_no_evidence_of_silence(here: District) -> None:
    here.adapters.registry.put(Scanner(here.scanner(1), near(40, 0), dark=True))
    deliver(here, here.message(here.scanner(0), [(here.beacon(0), 0, -80, 5)]))

    silent = fix_of(here, 0).silent
    assert (here.scanner(1) in silent, here.scanner(3) in silent) == (False, True)


@pytest.mark.parametrize(
    ("consent", "reason"),
    [
        (Consent(START - timedelta(days=9), ended_at=START - timedelta(days=1)), "no-consent"),
        (Consent(START + timedelta(days=1)), "no-consent"),
        (Consent(START - timedelta(days=9), paused=True), "paused"),
    ],
)
def test_without_a_guardians_consent_nothing_is_stored(
    consent: Consent, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    d = district().people(consent=consent)
    d.outing()
    deliver(d, d.message(d.scanner(0), [(d.beacon(0), 0, -60, 5)]), d.message(d.phones[0]))

    assert (is_stored(d, d.beacon(0)), dropped(caplog)) == (False, {reason: 1})


def test_a_beacon_nobody_asked_for_is_dropped_and_counted(
    here: District, caplog: pytest.LogCaptureFixture
) -> None:
    deliver(here, here.message(here.scanner(0), [("stranger", 0, -60, 5), ("stranger", 500, -60, 5)]))

    assert (is_stored(here, "stranger"), dropped(caplog)) == (False, {"no-purpose": 2})


def test_before_the_outing_nothing_is_collected(here: District) -> None:
    deliver(here, here.message(here.scanner(0), [(here.beacon(0), 30_000, -60, 5)], at_s=20))

    assert not is_stored(here, here.beacon(0))


def test_after_the_outing_nothing_is_collected() -> None:
    d = district().people()
    deliver(d, d.message(d.scanner(0), [(d.beacon(0), 0, -60, 5)]))

    assert not is_stored(d, d.beacon(0))


def test_a_tenant_that_keeps_last_known_positions_collects_without_an_outing() -> None:
    d = district().people(Policy(keep_last_known=True))
    deliver(d, d.message(d.scanner(0), [(d.beacon(0), 0, -60, 5)]))

    assert is_stored(d, d.beacon(0))


def test_a_source_whose_clock_is_hours_off_is_dated_by_its_receipt(here: District) -> None:
    record = here.message(here.scanner(0), [(here.beacon(0), 1000, -60, 5)], at_s=20, sent=1_000_000)
    deliver(here, record)

    newest = known(here, 0).window.newest_ms
    assert newest == round(START.timestamp() * 1000) + 20_000 + 50 - 1000


def test_a_phone_that_hears_every_child_keeps_them_all_near(here: District) -> None:
    phones_report(here, 40, heard=range(CHILDREN))

    assert [known(here, n).with_group for n in range(CHILDREN)] == [True] * CHILDREN


def test_a_child_no_phone_hears_is_warned_of_once_and_then_alarmed_until_answered(here: District) -> None:
    phones_report(here, 40, heard=range(CHILDREN - 1))

    told = [m.body["code"] for m in here.world.sent if m.to == f"endpoint/{here.phones[0]}"]
    assert (told[:2], set(told[1:]), len(told) >= 3) == (
        ["child-warned", "child-departed"],
        {"child-departed"},
        True,
    )


def test_an_alarm_repeats_every_five_seconds_and_no_oftener(here: District) -> None:
    phones_report(here, 60, heard=range(CHILDREN - 1))

    at_ms = [
        int(m.key.split(":")[3])
        for m in here.world.sent
        if m.body["code"] == "child-departed" and m.to == f"endpoint/{here.phones[0]}"
    ]
    assert {b - a for a, b in pairwise(at_ms)} == {8000}  # reports come every 4 s


def test_an_answer_stops_the_alarm(here: District) -> None:
    phones_report(here, 40, heard=range(CHILDREN - 1))
    answer(here, Answer.SEARCHING, 41)
    told = len(here.world.sent)
    phones_report(here, 60, heard=range(CHILDREN - 1), since_s=44)

    assert len(here.world.sent) == told


def test_an_alarm_carries_codes_and_opaque_ids_only(here: District) -> None:
    phones_report(here, 30, heard=range(CHILDREN - 1))

    assert {frozenset(m.body) for m in here.world.sent} == {frozenset({"code", "tenant", "outing", "child"})}


def test_a_message_delivered_twice_alarms_once(here: District) -> None:
    phones_report(here, 40, heard=range(CHILDREN - 1))
    told = len(here.world.sent)
    deliver(here, here.message(here.phones[0], at_s=40), here.message(here.phones[0], at_s=40))

    assert len(here.world.sent) == told


def test_when_one_phone_stops_the_others_are_told_once(here: District) -> None:
    phones_report(here, 10, heard=range(CHILDREN))
    for t in range(12, 60, 4):
        at(here, t)
        near_by = [(here.beacon(n), 0, -55, 5) for n in range(CHILDREN)]
        deliver(here, here.message(here.phones[0], near_by, at_s=t))

    told = [(m.to, m.body["phone"]) for m in here.world.sent if m.body["code"] == "monitoring-stopped"]
    assert told == [(f"endpoint/{here.phones[0]}", here.phones[1])]


def test_a_neighbours_scanner_carries_on_the_track_of_a_shared_beacon(here: District) -> None:
    narae = District(here.on, here.clock, here.world, "narae").people()
    narae.adapters.watch_list.add(Watched(here.beacon(0), "case-1", "garam", START + timedelta(hours=2)))
    deliver(here, narae.message(narae.scanner(0), [(here.beacon(0), 0, -60, 5)]))

    heard = known(here, 0).window.sightings
    assert [(s.source_id, s.where is not None) for s in heard] == [("narae-s-000", True)]


def test_a_neighbour_keeps_nothing_of_a_shared_beacon(here: District) -> None:
    narae = District(here.on, here.clock, here.world, "narae").people()
    narae.adapters.watch_list.add(Watched(here.beacon(0), "case-1", "garam", START + timedelta(hours=2)))
    deliver(here, narae.message(narae.scanner(0), [(here.beacon(0), 0, -60, 5)]))

    assert not is_stored(narae, here.beacon(0))


def test_a_share_past_its_time_carries_nothing_on(here: District) -> None:
    narae = District(here.on, here.clock, here.world, "narae").people()
    narae.adapters.watch_list.add(Watched(here.beacon(0), "case-1", "garam", START + timedelta(minutes=1)))
    at(here, 61)
    deliver(here, narae.message(narae.scanner(0), [(here.beacon(0), 0, -60, 5)], at_s=61))

    assert not is_stored(here, here.beacon(0))


def test_an_open_case_hears_of_a_new_fix_and_its_workflow_wakes(here: District) -> None:
    case_id = opened(here, 0)
    deliver(here, here.message(here.scanner(0), [(here.beacon(0), 0, -60, 5)], at_s=3))

    case = here.adapters.cases.get(case_id)
    assert (case.last[Kind.HEARD].at, case.news) == (START + timedelta(seconds=3), 1)


def test_a_case_hears_at_most_every_five_seconds(here: District) -> None:
    case_id = opened(here, 0)
    for t in range(21):
        deliver(here, here.message(here.scanner(0), [(here.beacon(0), 0, -60, 5)], at_s=t))

    assert here.adapters.cases.get(case_id).news == 5


def test_a_case_hears_of_a_fix_that_was_stored_by_an_invocation_that_died(here: District) -> None:
    deliver(here, here.message(here.scanner(0), [(here.beacon(0), 0, -60, 5)], at_s=3))
    case_id = opened(here, 0)
    at(here, 2)
    deliver(here, here.message(here.scanner(0), [(here.beacon(0), 0, -60, 5)], at_s=3))

    assert here.adapters.cases.get(case_id).news == 1


class Refusing:
    """Tracking that never stores one source: somebody else is always first."""

    def __init__(self, tracking: Any, source: str) -> None:
        self._tracking, self._source = tracking, source

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tracking, name)

    def save(self, tracks: Any, *, now: Any) -> list[Any]:
        refused = [each for each in tracks if key_of(each) == self._source]
        return [*self._tracking.save([t for t in tracks if t not in refused], now=now), *refused]


def test_only_the_messages_of_what_could_not_be_stored_are_delivered_again(here: District) -> None:
    here.adapters.__dict__["tracking"] = Refusing(here.adapters.tracking, f"scanner#{here.scanner(0)}")
    lost = here.message(here.scanner(0), [(here.beacon(0), 0, -60, 5), (here.beacon(1), 0, -60, 5)])
    kept = here.message(here.scanner(1), [(here.beacon(1), 0, -60, 5)])

    assert deliver(here, lost, kept) == [lost["messageId"]]


def test_a_report_and_what_it_heard_are_stored_together_or_not_at_all(here: District) -> None:
    phones_report(here, 8, heard=range(CHILDREN))
    here.adapters.__dict__["tracking"] = Refusing(here.adapters.tracking, f"phone#{here.phones[0]}")
    for t in range(12, 40, 4):
        at(here, t)
        deliver(
            here, here.message(here.phones[0], [(here.beacon(n), 0, -55, 5) for n in range(CHILDREN)], at_s=t)
        )

    assert [m.body["code"] for m in here.world.sent if m.body["code"] == "child-departed"] == []


class Broken:
    """A registry that fails on one beacon in a way nobody foresaw."""

    def __init__(self, registry: Any, facility_id: str) -> None:
        self._registry, self._facility_id = registry, facility_id

    def __getattr__(self, name: str) -> Any:
        return getattr(self._registry, name)

    def phone(self, phone_id: str) -> Any:
        if phone_id == self._facility_id:
            raise ZeroDivisionError
        return self._registry.phone(phone_id)


def test_a_fault_of_ours_in_one_message_fails_that_message_alone_and_is_logged(
    here: District, caplog: pytest.LogCaptureFixture
) -> None:
    here.adapters.__dict__["registry"] = Broken(here.adapters.registry, here.scanner(1))
    poison = here.message(here.scanner(1), [(here.beacon(0), 0, -60, 5)])
    mate = here.message(here.scanner(0), [(here.beacon(1), 0, -60, 5)])

    failed = deliver(here, poison, mate)

    assert (failed, is_stored(here, here.beacon(1)), "ZeroDivisionError" in caplog.text) == (
        [poison["messageId"]],
        True,
        True,
    )


def test_a_scanners_heartbeat_is_its_receipt(here: District) -> None:
    deliver(here, here.message(here.scanner(0), at_s=7), here.message(here.scanner(0), at_s=3))

    assert here.adapters.tracking.heartbeats() == {here.scanner(0): round(START.timestamp() * 1000) + 7050}


def test_the_picture_shows_the_group_where_its_phones_are(here: District) -> None:
    phones_report(here, 0, heard=range(CHILDREN), located=True)

    topics = [topic for topic, _ in here.world.table("live")["heard"]]
    assert "live/jikimi/garam/frame" in topics


def test_screens_hear_that_an_outing_changed_when_a_child_is_missed(here: District) -> None:
    phones_report(here, 12, heard=range(CHILDREN - 1))

    events = [body for topic, body in here.world.table("live")["heard"] if topic.endswith("/events")]
    assert [b'"outing-1"' in event for event in events] == [True]


def test_nothing_personal_is_logged(here: District, caplog: pytest.LogCaptureFixture) -> None:
    opened(here, 0)
    phones_report(here, 30, heard=range(CHILDREN - 1), located=True)

    logged = str([record.__dict__ for record in caplog.records])
    assert not [word for word in ("아이", "김선생", "endpoint/", "37.47", "126.95") if word in logged]
