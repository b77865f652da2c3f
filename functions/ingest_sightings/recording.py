"""Merge what arrived into the stored state, derive what follows from it, and store it conditionally.

Windows and phones' reports are unions, and everything else is derived from them, so the final state does
not depend on order, duplicates or batches. Proximity needs a child's window *and* the phones' reports,
which are different items, and writers run at once. So phones are written first; then tracks are read,
then phones, tracks whose state changed are written, and phones are looked at once more: who judged by
reports that were overtaken meanwhile judges again. Whoever writes a report last sees every track written
before it, and whoever writes a track after it sees the report.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from functions.ingest_sightings.directory import Directory
from shared.adapters.wiring import Adapters
from shared.domain.departure import assess_departure
from shared.domain.outing import Outing
from shared.domain.position import beside
from shared.domain.position import track as located
from shared.domain.proximity import proximity
from shared.domain.sighting import Sighting, merge
from shared.domain.watching import (
    Alert,
    Fix,
    answered_ms,
    merge_reports,
    next_alarm,
    stopped,
    watched_until_ms,
)
from shared.observability import logger
from shared.ports import PhoneTrack, Track

ROUNDS = 6  # against other writers; then the queue delivers the message again


@dataclass(slots=True)
class Arrived:
    """What a batch brought for one owner: by beacon, by phone, and which messages each came in."""

    heard: dict[str, list[Sighting]] = field(default_factory=lambda: defaultdict(list))
    reported_ms: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    fixes: dict[str, list[Fix]] = field(default_factory=lambda: defaultdict(list))
    messages: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))


@dataclass(frozen=True, slots=True)
class Said:
    """Something to tell the phones of an outing about one of its children."""

    alert: Alert
    outing: Outing
    child_id: str
    at_ms: int


@dataclass(slots=True)
class Recorded:
    """What became of it.

    tracks: as they are stored now, changed or not. stopped: phones that fell silent. changed: outings where
    a level changed. failed: messages to deliver again.
    """

    tracks: dict[str, Track] = field(default_factory=dict)
    phones: dict[str, PhoneTrack] = field(default_factory=dict)
    said: list[Said] = field(default_factory=list)
    stopped: list[tuple[Outing, PhoneTrack]] = field(default_factory=list)
    changed: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)


def record(on: Adapters, directory: Directory, arrived: Arrived) -> Recorded:
    """Store what arrived for this tenant. Messages whose parts could not be stored are in `failed`."""
    done = Recorded()
    _store_phones(on, arrived, done)
    touched = _touched(directory, arrived)
    now = on.clock.now()
    silent = {m.beacon_id for o in touched for m in o.members if directory.consents(m.beacon_id, now)}
    beacons = set(arrived.heard) | silent
    for _ in range(ROUNDS):
        if not beacons:
            break
        beacons = _store_tracks(on, directory, arrived, done, beacons)
    for beacon_id in beacons:
        done.tracks.pop(beacon_id, None)
        done.failed |= _concerned(arrived, beacon_id, directory.outing_of(beacon_id))
    _mark_stopped(on, directory, touched, done)
    return done


def _store_phones(on: Adapters, arrived: Arrived, done: Recorded) -> None:
    waiting = set(arrived.reported_ms)
    for _ in range(ROUNDS):
        if not waiting:
            return
        stored = on.tracking.phone_tracks(sorted(waiting))
        merged = [
            merge_reports(phone, arrived.reported_ms[each], arrived.fixes[each])
            for each, phone in stored.items()
        ]
        changed = [phone for phone in merged if phone != stored[phone.phone_id]]
        waiting = set(on.tracking.save(changed, now=on.clock.now())) if changed else set()
    for phone_id in waiting:
        done.failed |= arrived.messages[phone_id]


def _store_tracks(
    on: Adapters, directory: Directory, arrived: Arrived, done: Recorded, beacons: set[str]
) -> set[str]:
    """One round over these beacons. Returns those to go over again: overtaken, or judged by old reports."""
    before = on.tracking.tracks(sorted(beacons))
    outings = {beacon_id: directory.outing_of(beacon_id) for beacon_id in beacons}
    watching = sorted({phone_id for outing in outings.values() if outing for phone_id in outing.phones})
    phones = on.tracking.phone_tracks(watching) if watching else {}
    done.phones |= phones
    derived: list[tuple[Track, Said | None]] = []
    for beacon_id, track in before.items():
        try:
            after, said = _derived(
                track, arrived.heard.get(beacon_id, ()), directory, outings[beacon_id], phones
            )
        except Exception:  # noqa: BLE001 - one beacon's fault must not hold up the others, nor be swallowed
            logger.exception("sightings not recorded", beacon_id=beacon_id)
            done.failed |= _concerned(arrived, beacon_id, outings[beacon_id])
            continue
        done.tracks[beacon_id] = after
        if after != track:
            derived.append((after, said))
    if not derived:
        return set()
    lost = set(on.tracking.save([track for track, _ in derived], now=on.clock.now()))
    for track, said in derived:
        if track.beacon_id not in lost:
            _note(done, before[track.beacon_id], track, said)
    newest = on.tracking.phone_tracks(watching) if watching else {}
    moved = {each for each in newest if newest[each].version != phones[each].version}
    return lost | {
        track.beacon_id
        for track, _ in derived
        if (outing := outings[track.beacon_id]) and not moved.isdisjoint(outing.phones)
    }


def _mark_stopped(on: Adapters, directory: Directory, touched: Sequence[Outing], done: Recorded) -> None:
    """Phones that fell silent while others of their outing report, marked so that one writer tells."""
    policy = directory.tenant().policy
    for outing in touched:
        group = {phone_id: done.phones[phone_id] for phone_id in outing.phones if phone_id in done.phones}
        now_ms = watched_until_ms(group.values())
        if now_ms is None or len(group) < len(outing.phones):
            continue
        found = stopped(outing, group, policy, now_ms=now_ms)
        lost = on.tracking.save(found, now=on.clock.now()) if found else []
        done.stopped += [(outing, phone) for phone in found if phone.phone_id not in lost]


def _touched(directory: Directory, arrived: Arrived) -> list[Outing]:
    """Running outings one of whose phones reported: all their children are judged anew."""
    found = {o.outing_id: o for phone_id in arrived.reported_ms for o in directory.outings_of_phone(phone_id)}
    return list(found.values())


def _derived(
    before: Track,
    heard: Iterable[Sighting],
    directory: Directory,
    outing: Outing | None,
    phones: Mapping[str, PhoneTrack],
) -> tuple[Track, Said | None]:
    """The track after what was heard, and what to say about it."""
    after = replace(before, window=merge(before.window, heard))
    if outing is None:
        return _placed(before, replace(after, proximity=None, alarm={}), directory, within_reach=False), None
    group = [phones[phone_id] for phone_id in outing.phones]
    now_ms = watched_until_ms(group)
    if now_ms is None:
        return _placed(before, after, directory, within_reach=False), None
    policy = directory.tenant().policy
    member = next(m for m in outing.members if m.beacon_id == before.beacon_id)
    child = after.window.sightings
    departure = assess_departure(
        child,
        group,
        policy=policy,
        since_ms=round(outing.started_at.timestamp() * 1000),
        answer=member.answer,
        answered_ms=answered_ms(member),
        now_ms=now_ms,
    )
    # Tenths: finer is noise, and every change is a write.
    near = round(proximity(child, group, reach_m=policy.reach_m, now_ms=now_ms), 1)
    alarm, alert = next_alarm(before.alarm, departure, outing, member, policy=policy, now_ms=now_ms)
    said = Said(alert, outing, member.child_id, now_ms) if alert else None
    after = replace(after, proximity=near, alarm=alarm)
    return _placed(before, after, directory, within_reach=not alarm), said


def _placed(before: Track, after: Track, directory: Directory, *, within_reach: bool) -> Track:
    """With its fix, anew only where what it follows from changed.

    A child who is with the group is beside a phone; who warns, is gone or is looked for is located by all
    that heard and did not.
    """
    same = after.window == before.window and bool(after.alarm) == bool(before.alarm)
    if same and before.version:
        return after
    sightings = after.window.sightings
    fix = None
    if within_reach and before.beacon_id not in directory.watched():
        fix = beside(sightings)
    if fix is None:
        places = directory.places(before.beacon_id)
        fix = located(after.window, places.receivers, places.alive)
    return replace(after, fix=fix)


def _note(done: Recorded, before: Track, after: Track, said: Said | None) -> None:
    if said:
        done.said.append(said)
    if before.alarm.get("level") != after.alarm.get("level"):
        done.changed |= {str(alarm["outing_id"]) for alarm in (before.alarm, after.alarm) if alarm}


def _concerned(arrived: Arrived, part: str, outing: Outing | None) -> set[str]:
    """The messages a beacon or phone came in; for a silent child those of the phones that watch it."""
    ids = {part, *(outing.phones if outing else ())}
    return {message_id for each in ids for message_id in arrived.messages.get(each, ())}
