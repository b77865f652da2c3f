"""The wire of sightings; what is refused is the table in the handler's tests."""

import base64
import json
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.errors import Rejected
from shared.i18n import sentences
from shared.schema.sightings import MAX_BYTES, SightingsV1, read_envelope, read_payload

REASONS = {
    "payload-duplicate-key",
    "payload-invalid",
    "payload-not-a-number",
    "payload-not-an-object",
    "payload-not-base64",
    "payload-not-deflated",
    "payload-not-json",
    "payload-not-utf8",
    "payload-too-deep",
    "payload-too-large",
    "payload-unknown-version",
}
OF_THE_SENDER = {"client-is-not-thing", "fix-from-a-scanner", "thing-unknown"}
GOOD: dict[str, Any] = {"v": 1, "sent": 1_778_547_600_000, "seq": 9, "s": [["garam-b-001", 250, -71, 4]]}


def encoded(payload: bytes) -> str:
    return base64.b64encode(payload).decode()


def test_a_scanners_message_is_read() -> None:
    assert read_payload(encoded(json.dumps(GOOD).encode())).s == (("garam-b-001", 250, -71, 4),)


def test_a_phones_fix_is_read() -> None:
    said = read_payload(encoded(json.dumps({**GOOD, "fix": [37, 126.95, 4.5, 0]}).encode()))

    assert said.fix == (37.0, 126.95, 4.5, 0)


def test_a_heartbeat_is_a_message_that_heard_nothing() -> None:
    assert read_payload(encoded(json.dumps({**GOOD, "s": []}).encode())).s == ()


def test_a_message_of_exactly_128_kb_is_read() -> None:
    payload = json.dumps(GOOD).encode().ljust(MAX_BYTES)

    assert read_payload(encoded(payload)).seq == 9


def test_a_deflated_message_is_the_same_message() -> None:
    plain = json.dumps(GOOD).encode()

    assert read_payload(encoded(zlib.compress(plain))) == read_payload(encoded(plain))


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (zlib.compress(json.dumps(GOOD).encode())[:-3], "payload-not-deflated"),
        (zlib.compress(json.dumps(GOOD).encode()) + b"x", "payload-not-deflated"),
        (b"x", "payload-not-deflated"),
        (b"x9 is no stream", "payload-not-deflated"),
        (zlib.compress(b" " * 100 * MAX_BYTES), "payload-too-large"),
        (zlib.compress(zlib.compress(json.dumps(GOOD).encode())), "payload-not-utf8"),
    ],
)
def test_what_does_not_inflate_to_a_message_is_refused(payload: bytes, code: str) -> None:
    with pytest.raises(Rejected) as refused:
        read_payload(encoded(payload))

    assert refused.value.code == code


def test_what_the_rule_says_of_the_sender_is_read() -> None:
    body = {"payload": "e30=", "tenant": "garam", "thing": "t", "client": "t", "received_ms": 7}

    assert read_envelope(json.dumps(body)).tenant == "garam"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)
near_misses = st.fixed_dictionaries(
    {"v": st.just(1)},
    optional={"sent": json_values, "seq": json_values, "s": json_values, "fix": json_values},
).map(lambda said: {**GOOD, **said})


def read_or_reason(payload: bytes) -> SightingsV1 | str:
    try:
        return read_payload(encoded(payload))
    except Rejected as refused:
        return refused.code


@settings(max_examples=200)
@given(st.binary(max_size=200) | (json_values | near_misses).map(lambda said: json.dumps(said).encode()))
def test_whatever_arrives_is_read_or_refused_with_a_reason_people_can_read(payload: bytes) -> None:
    found = read_or_reason(payload)

    assert isinstance(found, SightingsV1) or found in REASONS


@pytest.mark.parametrize("language", ["ko", "en"])
def test_every_reason_has_its_sentence(language: str) -> None:
    assert set(sentences(language)["quarantine"]) == REASONS | OF_THE_SENDER
