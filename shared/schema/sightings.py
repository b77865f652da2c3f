"""Sightings on the wire: the queue's record body, and the MQTT payload v1 inside it.

```
{"v":1,"sent":<epoch ms>,"seq":<n>,"s":[["<beacon id>",<ms before sent>,<mean rssi dBm>,<packets>],…],
 "fix":[<lat>,<lon>,<accuracy m>,<ms before sent>]}
```
Arrays, because they are a quarter of the bytes of objects; deflated (RFC 1950), if the source likes, it is
half of that. `fix` is a phone's own position. An empty `s` is a heartbeat. `sent` is the source's clock when
the message leaves; a source that holds a message back (no network) restamps `sent` and every `ms before sent`
by the same amount, so that a copy means the same instants and the receipt still tells how wrong the clock is.
"""

import base64
import json
import zlib
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from shared.domain.errors import Rejected

MAX_BYTES = 128 * 1024  # of the message, and of what it inflates to
DEFLATED = b"\x78"  # how such a message begins, and JSON never does
DAY_MS = 24 * 3600 * 1000
YEAR_2100_MS = 4_102_444_800_000

BeaconId = Annotated[str, StringConstraints(strict=True, pattern=r"^[0-9A-Za-z._:-]{1,64}$")]
BeforeMs = Annotated[int, Field(strict=True, ge=0, le=DAY_MS)]
RssiDbm = Annotated[int, Field(strict=True, ge=-127, le=20)]
Packets = Annotated[int, Field(strict=True, ge=1, le=255)]
Degrees = Annotated[float, Field(strict=True, allow_inf_nan=False)]
AccuracyM = Annotated[float, Field(strict=True, ge=0, le=65_535, allow_inf_nan=False)]

WireSighting = tuple[BeaconId, BeforeMs, RssiDbm, Packets]
WireFix = tuple[
    Annotated[Degrees, Field(ge=-90, le=90)], Annotated[Degrees, Field(ge=-180, le=180)], AccuracyM, BeforeMs
]
Name = Annotated[str, StringConstraints(strict=True, pattern=r"^[0-9A-Za-z_-]{1,128}$")]


class Envelope(BaseModel):
    """What the IoT rule puts on the queue: the payload untouched, and who sent it from topic and session.

    tenant, thing: from the topic, which the device's policy pins to its certificate; never from the payload.
    client: the MQTT client id. received_ms: IoT's receipt, epoch ms of the wall clock.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    payload: str
    tenant: Name
    thing: Name
    client: str
    received_ms: Annotated[int, Field(ge=0, le=YEAR_2100_MS)]


class SightingsV1(BaseModel):
    """One message of one scanner or phone."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    v: Literal[1]
    sent: Annotated[int, Field(strict=True, ge=0, le=YEAR_2100_MS)]
    seq: Annotated[int, Field(strict=True, ge=0, le=2**53)]
    s: tuple[WireSighting, ...]
    fix: WireFix | None = None


def read_envelope(body: str) -> Envelope:
    """The queue's record body. Rejected(envelope-…) when the rule did not write it."""
    try:
        return Envelope.model_validate_json(body)
    except ValidationError as error:
        raise Rejected("envelope-invalid", at=_where(error)) from error


def read_payload(encoded: str) -> SightingsV1:
    """The device's message. Rejected with the first thing that is wrong with it.

    Codes: payload-not-base64, payload-not-deflated, payload-too-large, payload-not-utf8, payload-not-json,
    payload-too-deep, payload-duplicate-key, payload-not-a-number, payload-not-an-object,
    payload-unknown-version, payload-invalid (`at`: where and what).
    """
    if len(encoded) > MAX_BYTES * 4 // 3 + 4:
        raise Rejected("payload-too-large")
    try:
        raw = base64.b64decode(encoded, validate=True)
    except ValueError as error:  # binascii.Error, or letters that are not even ASCII
        raise Rejected("payload-not-base64") from error
    if raw[:1] == DEFLATED:
        raw = _inflated(raw)
    if len(raw) > MAX_BYTES:
        raise Rejected("payload-too-large")
    found = _load(raw)
    if not isinstance(found, dict):
        raise Rejected("payload-not-an-object")
    if found.get("v") != 1 or isinstance(found.get("v"), bool):
        raise Rejected("payload-unknown-version")
    try:
        return SightingsV1.model_validate(found)
    except ValidationError as error:
        raise Rejected("payload-invalid", at=_where(error)) from error


def _inflated(raw: bytes) -> bytes:
    """At most a byte more than is allowed, whatever it claims to hold."""
    inflate = zlib.decompressobj()
    try:
        plain = inflate.decompress(raw, MAX_BYTES + 1)
    except zlib.error as error:
        raise Rejected("payload-not-deflated") from error
    if len(plain) <= MAX_BYTES and not (inflate.eof and not inflate.unused_data):
        raise Rejected("payload-not-deflated")
    return plain


def _load(raw: bytes) -> Any:
    try:
        return json.loads(raw.decode("utf-8"), object_pairs_hook=_object, parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise Rejected("payload-not-utf8") from error
    except RecursionError as error:
        raise Rejected("payload-too-deep") from error
    except ValueError as error:  # also an integer of thousands of digits
        raise Rejected("payload-not-json") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Rejected("payload-duplicate-key")
    return found


def _no_constant(_: str) -> Any:
    raise Rejected("payload-not-a-number")


def _where(error: ValidationError) -> str:
    """The first fault: its place and kind, in ASCII; never a value of the input."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"]).encode("ascii", "backslashreplace").decode()
    return f"{place[:80]} {first['type']}".strip()
