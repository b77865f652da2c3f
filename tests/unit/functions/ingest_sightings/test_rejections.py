"""A5: what is not accepted, why, and that its batch-mates are stored all the same."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from functions.ingest_sightings.handler import lambda_handler
from shared.adapters.clock import epoch_ms
from shared.adapters.hearing import hearing, hearings
from tests.district import START, District, district

SENT = epoch_ms(START)
GOOD: dict[str, Any] = {"v": 1, "sent": SENT, "seq": 1, "s": [["garam-b-000", 100, -60, 3]]}
SCANNER, PHONE = "garam-s-000", "garam-p-000"


def said(**other: Any) -> bytes:
    return json.dumps({**GOOD, **other}).encode()


def sighting(*values: Any) -> bytes:
    return said(s=[["garam-b-000", 100, -60, 3], list(values)])


def from_scanner(payload: bytes) -> Callable[[District], dict[str, Any]]:
    return lambda d: d.record(SCANNER, payload)


REJECTED: dict[str, tuple[Callable[[District], dict[str, Any]], str]] = {
    "not JSON": (from_scanner(b"scanner says hello"), "payload-not-json"),
    "nothing at all": (from_scanner(b""), "payload-not-json"),
    "cut in the middle": (from_scanner(said()[:-9]), "payload-not-json"),
    "two messages in one": (from_scanner(said() + said()), "payload-not-json"),
    "not UTF-8": (from_scanner(b"\xff\xfe\x00\x81"), "payload-not-utf8"),
    "not base64": (lambda d: d.record(SCANNER, b"", payload="%%%"), "payload-not-base64"),
    "an array": (from_scanner(b"[]"), "payload-not-an-object"),
    "a number": (from_scanner(b"7"), "payload-not-an-object"),
    "nested a hundred thousand deep": (from_scanner(b"[" * 100_000), "payload-too-deep"),
    "objects nested deep": (from_scanner(b'{"s":' * 20_000), "payload-too-deep"),
    "larger than 128 KB": (from_scanner(said(s=[["garam-b-000", 1, -60, 3]] * 7000)), "payload-too-large"),
    "128 KB of white space": (from_scanner(b" " * (128 * 1024) + said()), "payload-too-large"),
    "a key twice": (from_scanner(b'{"v":1,"v":1}'), "payload-duplicate-key"),
    "a key twice further down": (from_scanner(b'{"v":1,"s":[{"a":1,"a":2}]}'), "payload-duplicate-key"),
    "NaN": (from_scanner(b'{"v":NaN}'), "payload-not-a-number"),
    "minus infinity": (from_scanner(b'{"v":1,"sent":-Infinity}'), "payload-not-a-number"),
    "an integer of 5,000 digits": (from_scanner(b'{"v":1,"sent":' + b"9" * 5000 + b"}"), "payload-not-json"),
    "an integer of 30 digits": (from_scanner(said(sent=10**30)), "payload-invalid sent less_than_equal"),
    "no version": (from_scanner(b"{}"), "payload-unknown-version"),
    "version 2": (from_scanner(said(v=2)), "payload-unknown-version"),
    "version true": (from_scanner(said(v=True)), "payload-unknown-version"),
    "version as text": (from_scanner(said(v="1")), "payload-unknown-version"),
    "an extra field": (from_scanner(said(tenant="narae")), "payload-invalid tenant extra_forbidden"),
    "an extra field that is no text": (
        from_scanner(said()[:-1] + b',"\\ud800":1}'),
        "payload-invalid string_unicode",
    ),
    "no sightings field": (from_scanner(b'{"v":1,"sent":1,"seq":1}'), "payload-invalid s missing"),
    "sent before 1970": (from_scanner(said(sent=-1)), "payload-invalid sent greater_than_equal"),
    "sent after 2100": (from_scanner(said(sent=4_200_000_000_000)), "payload-invalid sent less_than_equal"),
    "sent as text": (from_scanner(said(sent=str(SENT))), "payload-invalid sent int_type"),
    "sent with a fraction": (from_scanner(said(sent=SENT + 0.5)), "payload-invalid sent int_type"),
    "heard in the future": (
        from_scanner(sighting("b", -1, -60, 3)),
        "payload-invalid s.1.1 greater_than_equal",
    ),
    "heard days ago": (
        from_scanner(sighting("b", 90_000_000, -60, 3)),
        "payload-invalid s.1.1 less_than_equal",
    ),
    "absurdly weak": (from_scanner(sighting("b", 0, -300, 3)), "payload-invalid s.1.2 greater_than_equal"),
    "absurdly strong": (from_scanner(sighting("b", 0, 90, 3)), "payload-invalid s.1.2 less_than_equal"),
    "half a decibel": (from_scanner(sighting("b", 0, -60.5, 3)), "payload-invalid s.1.2 int_type"),
    "heard without a packet": (
        from_scanner(sighting("b", 0, -60, 0)),
        "payload-invalid s.1.3 greater_than_equal",
    ),
    "heard with 256 packets": (
        from_scanner(sighting("b", 0, -60, 256)),
        "payload-invalid s.1.3 less_than_equal",
    ),
    "a sighting of three values": (from_scanner(sighting("b", 0, -60)), "payload-invalid s.1.3 missing"),
    "a sighting of five values": (from_scanner(sighting("b", 0, -60, 3, 3)), "payload-invalid s.1 too_long"),
    "a sighting that is an object": (from_scanner(said(s=[{"b": 1}])), "payload-invalid s.0 tuple_type"),
    "a beacon id that is a number": (
        from_scanner(sighting(7, 0, -60, 3)),
        "payload-invalid s.1.0 string_type",
    ),
    "a beacon id that is a key": (
        from_scanner(sighting("x#window", 0, -60, 3)),
        "payload-invalid s.1.0 string_pattern_mismatch",
    ),
    "a beacon id of 65 letters": (
        from_scanner(sighting("b" * 65, 0, -60, 3)),
        "payload-invalid s.1.0 string_pattern_mismatch",
    ),
    "a fix off the globe": (
        lambda d: d.record(PHONE, said(fix=[91, 0, 5, 0])),
        "payload-invalid fix.0 less_than_equal",
    ),
    "an infinite fix": (
        lambda d: d.record(PHONE, said()[:-1] + b',"fix":[1e999,0,5,0]}'),
        "payload-invalid fix.0 finite_number",
    ),
    "a scanner with a fix": (from_scanner(said(fix=[37.4, 126.9, 5, 0])), "fix-from-a-scanner"),
    "a thing nobody registered": (lambda d: d.record("garam-s-999", said()), "thing-unknown"),
    "another tenant's thing": (lambda d: d.record("narae-s-000", said()), "thing-unknown"),
    "a client that is not the thing": (
        lambda d: d.record(SCANNER, said(), client="garam-s-001"),
        "client-is-not-thing",
    ),
    "a client without a name": (lambda d: d.record(SCANNER, said(), client=""), "client-is-not-thing"),
}


@pytest.fixture
def here() -> District:
    d = district().people()
    d.outing()
    return d


@pytest.mark.parametrize("name", REJECTED)
def test_it_is_quarantined_with_its_reason(here: District, name: str) -> None:
    record, reason = REJECTED[name]

    lambda_handler({"Records": [record(here)]}, None, here.on)

    assert [each.reason for each in here.adapters.tracking.quarantined()] == [reason]


@pytest.mark.parametrize("name", REJECTED)
def test_its_batch_mates_are_stored_and_nothing_is_delivered_again(here: District, name: str) -> None:
    record, _ = REJECTED[name]
    mates = [
        here.message(SCANNER, [(here.beacon(0), 0, -60, 3)]),
        here.message("garam-s-001", [(here.beacon(1), 0, -60, 3)]),
    ]

    answer = lambda_handler({"Records": [mates[0], record(here), mates[1]]}, None, here.on)

    known = hearings(here.adapters, [here.beacon(0), here.beacon(1)])
    assert ([len(each.window.sightings) for each in known.values()], answer) == (
        [1, 1],
        {"batchItemFailures": []},
    )


def test_a_rejected_message_stores_none_of_its_sightings(here: District) -> None:
    lambda_handler({"Records": [here.record(SCANNER, sighting("b", 0, -300, 3))]}, None, here.on)

    assert hearing(here.adapters, here.beacon(0)).window.sightings == ()


def test_what_arrived_can_be_read_back_cut_to_4_kb(here: District) -> None:
    lambda_handler({"Records": [here.record(SCANNER, b"x" * 9000)]}, None, here.on)

    assert [len(each.body) for each in here.adapters.tracking.quarantined()] == [4096]


@pytest.mark.parametrize(
    "body",
    ["", "{}", "[]", "null", '{"tenant": 7}', '{"payload":"","tenant":"garam","thing":"garam-s-000"}'],
)
def test_a_record_the_rule_did_not_write_goes_to_the_dead_letter_queue_alone(
    here: District, body: str
) -> None:
    mate = here.message(SCANNER, [(here.beacon(0), 0, -60, 3)])

    answer = lambda_handler({"Records": [{"messageId": "odd", "body": body}, mate]}, None, here.on)

    stored = len(hearing(here.adapters, here.beacon(0)).window.sightings)
    assert (answer["batchItemFailures"], stored) == ([{"itemIdentifier": "odd"}], 1)
