"""The use case: a batch of queue records, read, kept for a purpose, recorded, told."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from functions.ingest_sightings.directory import Directory, Purpose, directory_of
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
HEARTBEAT_MS = 10_000  # heartbeats are written together, this often; a scanner is dark after 60 s

On = Callable[[str], Adapters]
Purposes = dict[tuple[str, str], Purpose | str]
"""Why a beacon heard in a tenant may be collected, or the code of why not; for one batch."""


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
        report.news += tell_cases(adapters, directory, done.found)
        show(adapters, directory, done, mine.reported_ms)
    _heartbeats(readings, on)
    _lags(readings, on, report)
    return report


def _read_all(
    records: Iterable[Mapping[str, Any]], on: On, arrived: dict[str, Arrived], report: Report
) -> list[Reading]:
    """The records that are readings, sorted into `arrived`. The others are quarantined, or fail alone."""
    readings: list[Reading] = []
    purposes: Purposes = {}
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
            _sort(reading, on, arrived, report, purposes)
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


def _sort(reading: Reading, on: On, arrived: dict[str, Arrived], report: Report, purposes: Purposes) -> None:
    """Put each sighting that may be collected with its owner; count the others by reason."""
    own = directory_of(on(reading.tenant_id))
    report.normalised += reading.normalised
    report.sightings += len(reading.heard)
    if reading.is_phone and own.is_citizens(reading.thing):
        _call(reading, own, on, arrived, report)
        return
    is_dead = reading.is_phone and own.is_dead(reading.thing)
    source = f"{'phone' if reading.is_phone else 'scanner'}#{reading.thing}"
    mine = Arrived()
    if reading.is_phone and not is_dead:
        mine = arrived.setdefault(reading.tenant_id, mine)
        mine.reported_ms[reading.thing].append(reading.sent_ms)
        mine.fixes[reading.thing] += [reading.fix] if reading.fix else []
        mine.messages[source].add(reading.message_id)
    rotating = own.ids_rotate()
    for heard_id, sighting in reading.heard:
        beacon_id, why_not = _behind(heard_id, sighting.at_ms, own, on) if rotating else (heard_id, "")
        known = reading.tenant_id, beacon_id
        if not why_not and known not in purposes:
            purposes[known] = _purpose(beacon_id, own, on)
        purpose = why_not or purposes[known]
        if isinstance(purpose, str):
            report.dropped[purpose] += 1
        elif sighting.at_ms < purpose.since_ms:
            report.dropped["before-outing"] += 1
        elif sighting.source_id in purpose.deaf or (is_dead and not purpose.case_id):
            report.dropped["drill-outage"] += 1  # even a dead phone helps a case that is no drill
        else:
            report.stored += 1
            among = reading.is_phone and purpose.outing is not None and reading.thing in purpose.outing.phones
            if purpose.case_id:
                theirs = arrived.setdefault(purpose.owner_id, Arrived())
                theirs.watched[beacon_id].append(_placed(sighting, purpose, own))
                theirs.messages[f"beacon#{beacon_id}"].add(reading.message_id)
                if is_dead or not among:
                    continue
            mine = arrived.setdefault(reading.tenant_id, mine)
            mine.heard[reading.thing][beacon_id].append(sighting)
            if not among:
                outing = purpose.outing
                mine.noted[f"outing#{outing.outing_id}" if outing else f"beacon#{beacon_id}"].add(source)
    if reading.thing in mine.heard:
        mine.messages[source].add(reading.message_id)


def _behind(heard_id: str, at_ms: int, own: Directory, on: On) -> tuple[str, str]:
    """The beacon behind an id on the air; or the id, and why nobody knows it."""
    try:
        return own.beacon(heard_id, at_ms, lambda owner_id: directory_of(on(owner_id))), ""
    except Rejected as error:
        return heard_id, error.code


def _purpose(beacon_id: str, own: Directory, on: On) -> Purpose | str:
    """Why a beacon may be collected now, or the code of why not."""
    now = on(own.tenant_id).clock.now()
    try:
        purpose = own.purpose(beacon_id, now)
        directory_of(on(purpose.owner_id)).check_consent(beacon_id, now)
    except Rejected as error:
        return error.code
    return purpose


def _placed(sighting: Sighting, purpose: Purpose, own: Directory) -> Sighting:
    """A sighting for another tenant carries the place of our scanner."""
    scanner = own.places().receivers.get(sighting.source_id)
    if purpose.owner_id != own.tenant_id and scanner:
        return sighting._replace(where=on_grid(scanner.at))
    return sighting


def _call(reading: Reading, own: Directory, on: On, arrived: dict[str, Arrived], report: Report) -> None:
    """A citizen's own phone: where it is tells its open case, and nothing is kept otherwise."""
    report.dropped["no-purpose"] += len(reading.heard)
    entry, now = own.watched().get(reading.thing), on(own.tenant_id).clock.now()
    if reading.fix is None or entry is None or entry.owner_id != own.tenant_id:
        report.dropped["no-purpose"] += reading.fix is not None
    elif not own.consents(reading.thing, now):
        report.dropped["no-consent"] += 1
    else:
        arrived.setdefault(own.tenant_id, Arrived()).calls[reading.thing].append(reading.fix)
        report.stored += 1


def _heartbeats(readings: Iterable[Reading], on: On) -> None:
    """Scanners that spoke. Judging who fell silent is the sweep's work, by the receipt's clock."""
    tenants = set()
    for reading in readings:
        if not reading.is_phone:
            waiting = directory_of(on(reading.tenant_id)).heartbeats
            waiting[reading.thing] = max(reading.received_ms, waiting.get(reading.thing, 0))
            tenants.add(reading.tenant_id)
    for tenant_id in sorted(tenants):
        directory, now_ms = directory_of(on(tenant_id)), epoch_ms(on(tenant_id).clock.now())
        if abs(now_ms - directory.written_ms) >= HEARTBEAT_MS:
            on(tenant_id).tracking.heartbeat(directory.heartbeats)
            directory.heartbeats.clear()
            directory.written_ms = now_ms


def _lags(readings: Iterable[Reading], on: On, report: Report) -> None:
    for reading in readings:
        if reading.message_id not in report.failed:
            clock = on(reading.tenant_id).clock
            now_ms = epoch_ms(clock.now())
            report.sent_lag_ms.append(wall_span_ms(clock, now_ms - reading.sent_ms))
            report.received_lag_ms.append(wall_span_ms(clock, now_ms - reading.received_ms))
