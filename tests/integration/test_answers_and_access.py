"""One contract for idempotent answers, the access log and push endpoints, in every world."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from shared.adapters.wiring import Adapters
from shared.domain.audit import Anchor, Link, faults
from shared.domain.ephemeral_id import Tag
from shared.domain.errors import Conflict, NotFound
from shared.domain.retention import Destroyed, Hold, Kind
from shared.ports import Access, AccessBy, Answer
from tests.integration.conftest import World

START = datetime(2026, 5, 5, 1, 0, 12, 345678, tzinfo=UTC)
GIVEN = Answer(201, '{"case": "한글"}')


@pytest.fixture
def on(cloud: World) -> Adapters:
    return cloud.adapters_for(cloud.tenant())


def access(**changes: object) -> Access:
    seen = Access("r-1", START, "operator-1", "garam", "operator", "203.0.113.7", "c-1", "GET /x", "case:c-9")
    return replace(seen, **changes)


def test_the_first_to_ask_does_it_and_the_second_is_given_the_answer(on: Adapters):
    first = on.answers.begin("k", "digest", now=START)
    on.answers.finish("k", "digest", GIVEN, now=START)

    assert (first, on.answers.begin("k", "digest", now=START)) == (None, GIVEN)


def test_whoever_asks_meanwhile_is_told_to_wait(on: Adapters):
    on.answers.begin("k", "digest", now=START)

    with pytest.raises(Conflict, match="request-in-progress"):
        on.answers.begin("k", "digest", now=START + timedelta(seconds=59))


def test_a_request_nobody_finished_is_taken_over_after_a_minute(on: Adapters):
    on.answers.begin("k", "digest", now=START)

    assert on.answers.begin("k", "digest", now=START + timedelta(seconds=61)) is None


def test_an_answer_given_long_ago_is_still_the_answer(on: Adapters):
    on.answers.begin("k", "digest", now=START)
    on.answers.finish("k", "digest", GIVEN, now=START)

    assert on.answers.begin("k", "digest", now=START + timedelta(hours=5)) == GIVEN


@pytest.mark.parametrize("is_done", [True, False])
def test_a_key_stands_for_one_request(on: Adapters, is_done: bool):
    on.answers.begin("k", "digest", now=START)
    if is_done:
        on.answers.finish("k", "digest", GIVEN, now=START)

    with pytest.raises(Conflict, match="idempotency-key-reused"):
        on.answers.begin("k", "another", now=START)


def test_an_abandoned_request_starts_afresh(on: Adapters):
    on.answers.begin("k", "digest", now=START)
    on.answers.abandon("k")

    assert on.answers.begin("k", "another", now=START) is None


def test_a_key_of_another_tenant_is_another_key(cloud: World):
    one, other = cloud.adapters_for(cloud.tenant()), cloud.adapters_for(cloud.tenant())
    one.answers.begin("k", "digest", now=START)

    assert other.answers.begin("k", "digest", now=START) is None


def test_readings_come_back_as_they_were_logged_oldest_first(on: Adapters):
    later = access(at=START + timedelta(minutes=2), access_id="r-2")
    on.access_log.record(later)
    on.access_log.record(access())

    assert on.access_log.since(START) == [access(), later]


def test_the_same_reading_within_a_minute_is_one_line(on: Adapters):
    for second in (0, 10, 47):
        on.access_log.record(access(at=START + timedelta(seconds=second), access_id=f"r-{second}"))

    assert [each.access_id for each in on.access_log.since(START)] == ["r-0"]


@pytest.mark.parametrize(
    "changes",
    [
        {"actor_id": "x"},
        {"actor_tenant_id": "nuri"},
        {"role": "x"},
        {"subject_id": "x"},
        {"what": "x"},
        {"purpose": "x"},
    ],
)
def test_another_reader_subject_or_purpose_is_another_line(on: Adapters, changes: dict[str, str]):
    on.access_log.record(access())
    on.access_log.record(access(**changes))

    assert len(on.access_log.since(START)) == 2


def test_the_log_is_read_from_a_moment_on(on: Adapters):
    on.access_log.record(access())

    assert on.access_log.since(START + timedelta(minutes=1)) == []


@pytest.mark.parametrize(
    ("by", "value"), [("subject", "c-1"), ("actor", "operator-1"), ("purpose", "case:c-9")]
)
def test_the_log_is_found_again_by_child_person_and_case(on: Adapters, by: AccessBy, value: str):
    named = {"subject": "subject_id", "actor": "actor_id", "purpose": "purpose"}[by]
    on.access_log.record(access())
    on.access_log.record(access(**{named: "another"}))

    assert on.access_log.of(by, value, START) == [access()]


def test_whoever_writes_next_the_chain_holds(cloud: World):
    tenant = cloud.tenant()
    for n in range(12):  # every line from another process
        again = access(subject_id=f"c-{n // 2}", access_id=f"r-{n}")
        cloud.adapters_for(tenant).access_log.record(again)
    log = cloud.adapters_for(tenant).access_log

    assert ([line.seq for line in log.lines(START)], log.end().seq) == (list(range(1, 7)), 6)
    assert faults(log.lines(START), log.end(), [], kept_since=START) == []


def test_an_edited_line_breaks_the_stored_chain(on: Adapters):
    for n in range(3):
        on.access_log.record(access(subject_id=f"c-{n}"))
    lines = list(on.access_log.lines(START))
    lines[1] = replace(lines[1], text=lines[1].text.replace("c-1", "c-7"))

    assert [each.seq for each in faults(lines, on.access_log.end(), [], kept_since=START)] == [2]


def test_a_days_first_anchor_counts_and_no_later_one(on: Adapters):
    for chain in ("a" * 64, "b" * 64):
        on.anchors.put(Anchor(START, Link(1, chain)))
    on.anchors.put(Anchor(START + timedelta(days=1), Link(2, "c" * 64)))

    assert [anchor.link.chain[0] for anchor in on.anchors.all()] == ["a", "c"]


def test_what_is_sealed_opens_after_a_rotation_and_never_after_it_was_shredded(cloud: World):
    tenant = cloud.tenant()
    stays, goes = (cloud.adapters_for(tenant).vault.seal(f"child#c-{n}", "name", "김하늘") for n in (1, 2))
    moved = [cloud.adapters_for(tenant).vault.rotate() for _ in range(2)]
    cloud.adapters_for(tenant).vault.shred("child#c-2")
    vault = cloud.adapters_for(tenant).vault

    assert (moved, vault.open("child#c-1", "name", stays)) == ([2, 2], "김하늘")
    with pytest.raises(NotFound, match="key-shredded"):
        vault.open("child#c-2", "name", goes)


def test_the_ids_of_a_window_are_worked_out_once_and_anew_for_a_new_beacon(on: Adapters):
    on.tags.put([Tag("b-1", bytes(16), 0)])
    first = [on.tags.issue([7, 8]), on.tags.issue([7, 8])]
    on.tags.put([Tag("b-2", bytes(range(16)), 100)])
    again = on.tags.issue([7, 8])

    assert (first, again) == ([2, 0], 4)
    assert sorted((i.beacon_id, i.begins_s) for i in on.tags.ids(7).values()) == [
        ("b-1", 3584),
        ("b-2", 3684),
    ]


def test_a_hold_lasts_until_it_is_lifted_and_a_certificate_stays(on: Adapters):
    hold, gone = Hold("c-1", "court", "evidence", START), Destroyed(START, Kind.CASE_PLACES, "c-2", 7)
    on.records.hold(hold)
    on.records.certify(gone)
    before = on.records.holds()
    on.records.lift("c-1")

    assert (before, on.records.holds(), on.records.certificates()) == ([hold], [], [gone])


def test_a_tenants_log_is_its_own(cloud: World):
    one, other = cloud.adapters_for(cloud.tenant()), cloud.adapters_for(cloud.tenant())
    one.access_log.record(access())

    assert other.access_log.since(START) == []


def test_a_phone_that_registers_twice_has_one_endpoint(on: Adapters):
    token = f"token-{uuid4().hex}"

    assert on.devices.endpoint("p-1", token) == on.devices.endpoint("p-1", token)


def test_a_token_that_was_another_phones_is_this_ones_now(on: Adapters):
    token = f"token-{uuid4().hex}"

    assert on.devices.endpoint("p-1", token) == on.devices.endpoint("p-2", token)
