"""From a queue record to a reading: who really sent it, what it says, and when that was."""

import math
from dataclasses import dataclass

from functions.ingest_sightings.directory import Directory
from shared.domain.errors import Rejected
from shared.domain.geo import LatLon
from shared.domain.sighting import Sighting
from shared.domain.watching import Fix
from shared.ports import Clock
from shared.schema.sightings import Envelope, SightingsV1, WireFix, read_payload

TRUSTED_MS = 120_000  # a source's clock this close to the receipt is believed
FIX_AGE_MS = 10_000  # a phone's fix tells where it was this long before and after


@dataclass(frozen=True, slots=True)
class Reading:
    """One accepted message. Times are epoch ms of the scenario, corrected for the source's clock.

    sent_ms: when it left; the source reported then, even if it heard nothing. normalised: its clock was
    too far off, so ages were counted back from the receipt. fix: a phone's own place.
    """

    message_id: str
    tenant_id: str
    thing: str
    is_phone: bool
    received_ms: int
    sent_ms: int
    normalised: bool
    heard: tuple[tuple[str, Sighting], ...]
    fix: Fix | None = None


def read(message_id: str, envelope: Envelope, directory: Directory, clock: Clock) -> Reading:
    """The message, if it is from whom it says and says what it may. Rejected with the reason otherwise.

    Codes: client-is-not-thing, thing-unknown, fix-from-a-scanner, and those of `read_payload`.
    """
    if envelope.client != envelope.thing:
        raise Rejected("client-is-not-thing")
    is_phone = directory.phone(envelope.thing) is not None
    if not is_phone and envelope.thing not in directory.places().receivers:
        raise Rejected("thing-unknown")
    said = read_payload(envelope.payload)
    if said.fix and not is_phone:
        raise Rejected("fix-from-a-scanner")
    received_ms = clock.from_wall_ms(envelope.received_ms)
    normalised = abs(received_ms - said.sent) > TRUSTED_MS
    sent_ms = received_ms if normalised else said.sent
    fix = _fix(said.fix, sent_ms) if said.fix else None
    return Reading(
        message_id=message_id,
        tenant_id=envelope.tenant,
        thing=envelope.thing,
        is_phone=is_phone,
        received_ms=received_ms,
        sent_ms=sent_ms,
        normalised=normalised,
        heard=_heard(said, envelope.thing, sent_ms, fix),
        fix=fix,
    )


def on_grid(at: LatLon) -> LatLon:
    """The position to the millionth of a degree (0.11 m), as windows are stored."""
    return LatLon(round(at.lat_deg, 6), round(at.lon_deg, 6))


def _fix(said: WireFix, sent_ms: int) -> Fix:
    lat_deg, lon_deg, accuracy_m, before_ms = said
    return sent_ms - before_ms, on_grid(LatLon(lat_deg, lon_deg)), math.ceil(accuracy_m)


def _heard(said: SightingsV1, thing: str, sent_ms: int, fix: Fix | None) -> tuple[tuple[str, Sighting], ...]:
    """Each sighting with the phone's place at that moment, if its fix is near enough in time."""
    if fix is None:
        return tuple([(each[0], Sighting(sent_ms - each[1], thing, each[2], each[3])) for each in said.s])
    fixed_ms, where, accuracy_m = fix
    heard = []
    for beacon_id, before_ms, rssi_dbm, packets in said.s:
        at_ms = sent_ms - before_ms
        is_near = -FIX_AGE_MS <= fixed_ms - at_ms <= FIX_AGE_MS
        placed = (where, accuracy_m) if is_near else ()
        heard.append((beacon_id, Sighting(at_ms, thing, rssi_dbm, packets, *placed)))
    return tuple(heard)
