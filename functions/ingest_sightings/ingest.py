"""The use case: a batch of queue records, read, kept for a purpose, recorded, told."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from functions.ingest_sightings.directory import Directory, directory_of
from functions.ingest_sightings.reading import Reading, on_grid, read
from functions.ingest_sightings.recording import Arrived, record
from functions.ingest_sightings.telling import show, sound, tell_cases
from shared.adapters.clock import epoch_ms, wall_span_ms
from shared.adapters.wiring import Adapters
from shared.domain.errors import Rejected
from shared.domain.sighting import Sighting
from shared.observability import logger
from shared.ports import Quarantined
from shared.schema.sightings import Envelope, read_envelope

BODY_KEPT = 4096  # characters of base64 kept of a message that was not accepted
HEARTBEAT_MS = 30_000  # a scanner's heartbeat is written this often at the most; it is dark after 60 s

On = Callable[[str], Adapters]


@dataclass(slots=True)
class Report:
    """What a batch came to: for the log line and the metrics.

    sent_lag_ms, received_lag_ms: per message, from `sent` and from IoT's receipt until all was written,
    in milliseconds of the wall clock. write_units: of the tracking table, by size.
    """

    failed: set[str] = field(default_factory=set)
    quarantined: int = 0
    sightings: int = 0
    stored: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    normalised: int = 0
    pushes: Counter[str] = field(default_factory=Counter)
    news: int = 0
    write_units: int = 0
    sent_lag_ms: list[int] = field(default_factory=list)
    received_lag_ms: list[int] = field(default_factory=list)


def ingest(records: Iterable[Mapping[str, Any]], on: On) -> Report:
    """Store what may be stored of a batch of SQS records. AWS errors come out: the queue retries it all."""
    report = Report()
    arrived: dict[str, Arrived] = {}
    readings = _read_all(records, on, arrived, report)
    for tenant_id, mine in arrived.items():
        adapters = on(tenant_id)
        directory = directory_of(adapters)
        units = adapters.tracking.write_units
        done = record(adapters, directory, mine)
        report.write_units += adapters.tracking.write_units - units
        report.failed |= done.failed
        report.pushes.update(sound(adapters, directory, done))
        report.news += tell_cases(adapters, directory, done.tracks.values())
        show(adapters, directory, done, mine.reported_ms)
    _heartbeats(readings, on)
    _lags(readings, on, report)
    return report


def _read_all(
    records: Iterable[Mapping[str, Any]], on: On, arrived: dict[str, Arrived], report: Report
) -> list[Reading]:
    """The records that are readings, sorted into `arrived`. The others are quarantined, or fail alone."""
    readings: list[Reading] = []
    refused: dict[str, list[Quarantined]] = {}
    for each in records:
        message_id = str(each["messageId"])
        try:
            envelope = read_envelope(each["body"])
            adapters = on(envelope.tenant)
            try:
                reading = read(message_id, envelope, directory_of(adapters), adapters.clock)
            except Rejected as error:
                refused.setdefault(envelope.tenant, []).append(_refused(message_id, envelope, error))
                continue
            _sort(reading, on, arrived, report)
            readings.append(reading)
        except Rejected as error:  # nobody's: the dead-letter queue keeps it
            logger.warning("record refused", message_id=message_id, reason=error.code)
            report.failed.add(message_id)
        except Exception:  # noqa: BLE001 - a fault of ours in one message must not hold up its mates; the
            # message is delivered again and ends in the dead-letter queue, the trace in the log.
            logger.exception("message not read", message_id=message_id)
            report.failed.add(message_id)
    for tenant_id, messages in refused.items():
        on(tenant_id).tracking.quarantine(messages, now=on(tenant_id).clock.now())
        report.quarantined += len(messages)
    return readings


def _refused(message_id: str, envelope: Envelope, error: Rejected) -> Quarantined:
    reason = " ".join([error.code, *(str(value) for value in error.params.values())])
    logger.warning(
        "message quarantined",
        message_id=message_id,
        tenant=envelope.tenant,
        thing=envelope.thing,
        reason=reason,
    )
    body = envelope.payload[:BODY_KEPT]
    return Quarantined(message_id, envelope.received_ms, envelope.thing, reason, body)


def _sort(reading: Reading, on: On, arrived: dict[str, Arrived], report: Report) -> None:
    """Put each sighting that may be collected with its owner; count the others by reason."""
    own = directory_of(on(reading.tenant_id))
    report.normalised += reading.normalised
    report.sightings += len(reading.heard)
    is_dead = reading.is_phone and own.is_dead(reading.thing)
    if reading.is_phone and not is_dead:
        mine = arrived.setdefault(reading.tenant_id, Arrived())
        mine.reported_ms[reading.thing].append(reading.sent_ms)
        mine.fixes[reading.thing] += [reading.fix] if reading.fix else []
        mine.messages[reading.thing].add(reading.message_id)
    for heard, sighting in reading.heard:
        try:
            beacon_id = own.beacon(heard, sighting.at_ms, lambda owner_id: directory_of(on(owner_id)))
            if is_dead and beacon_id not in own.watched():  # even a dead phone helps a case that is no drill
                raise Rejected("drill-outage")
            owner_id, kept = _kept(beacon_id, sighting, own, on)
        except Rejected as error:
            report.dropped[error.code] += 1
            continue
        mine = arrived.setdefault(owner_id, Arrived())
        mine.heard[beacon_id].append(kept)
        mine.messages[beacon_id].add(reading.message_id)
        report.stored += 1


def _kept(beacon_id: str, sighting: Sighting, own: Directory, on: On) -> tuple[str, Sighting]:
    """Whose it is, and what of it. A sighting for another tenant carries the place of our scanner.

    Rejected with the reason when it may not be collected.
    """
    now = on(own.tenant_id).clock.now()
    purpose = own.purpose(beacon_id, now)
    if sighting.at_ms < purpose.since_ms:
        raise Rejected("before-outing")
    if sighting.source_id in purpose.deaf:
        raise Rejected("drill-outage")
    directory_of(on(purpose.owner_id)).check_consent(beacon_id, now)
    scanner = own.places().receivers.get(sighting.source_id)
    if purpose.owner_id != own.tenant_id and scanner:
        sighting = sighting._replace(where=on_grid(scanner.at))
    return purpose.owner_id, sighting


def _heartbeats(readings: Iterable[Reading], on: On) -> None:
    """Scanners that spoke. Judging who fell silent is the sweep's work, by the receipt's clock."""
    seen: dict[str, dict[str, int]] = {}
    for reading in readings:
        if not reading.is_phone:
            mine = seen.setdefault(reading.tenant_id, {})
            mine[reading.thing] = max(reading.received_ms, mine.get(reading.thing, 0))
    for tenant_id, newest in seen.items():
        written = directory_of(on(tenant_id)).heartbeats
        due = {each: ms for each, ms in newest.items() if ms >= written.get(each, 0) + HEARTBEAT_MS}
        if due:
            on(tenant_id).tracking.heartbeat(due)
            written.update(due)


def _lags(readings: Iterable[Reading], on: On, report: Report) -> None:
    for reading in readings:
        if reading.message_id not in report.failed:
            clock = on(reading.tenant_id).clock
            now_ms = epoch_ms(clock.now())
            report.sent_lag_ms.append(wall_span_ms(clock, now_ms - reading.sent_ms))
            report.received_lag_ms.append(wall_span_ms(clock, now_ms - reading.received_ms))
