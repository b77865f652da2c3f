"""Merge what arrived into the stored state, derive what follows from it, and store it conditionally.

Windows and phones' reports are unions, and everything else is derived from them, so the final state does
not depend on order, duplicates or batches. Proximity needs a child's window *and* the phones' reports,
which are different items. What keeps it true under concurrent writers is one order of steps: tracks are
read before phones, phones are written before tracks, and a batch that changes a phone writes every track
that depends on it. Whoever writes a track last has then seen every report, and whoever has not loses.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from functions.ingest_sightings.directory import Directory
from shared.adapters.wiring import Adapters
from shared.domain.departure import assess_departure
from shared.domain.errors import Rejected
from shared.domain.outing import Member, Outing
from shared.domain.position import track as located
from shared.domain.proximity import proximity
from shared.domain.sighting import Sighting, merge
from shared.domain.watching import Alert, Fix, answered_ms, merge_reports, next_alarm, watched_until_ms
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
    """What became of it. failed: messages to deliver again. changed: outings where a level changed."""

    tracks: dict[str, Track] = field(default_factory=dict)
    phones: dict[str, PhoneTrack] = field(default_factory=dict)
    said: list[Said] = field(default_factory=list)
    changed: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)


def record(on: Adapters, directory: Directory, arrived: Arrived) -> Recorded:
    """Store what arrived for this tenant. Messages whose parts could not be stored are in `failed`."""
    done = Recorded()
    now = on.clock.now()
    touched = _touched(directory, arrived)
    depends = {m.beacon_id for o in touched for m in o.members if _collected(directory, m, on)}
    beacons, phones = set(arrived.heard) | depends, set(arrived.reported_ms)
    for _ in range(ROUNDS):
        if not beacons and not phones:
            break
        tracks = on.tracking.tracks(sorted(beacons))
        outings = {beacon_id: directory.outing_of(beacon_id) for beacon_id in beacons}
        watching = phones | {phone_id for o in outings.values() if o for phone_id in o.phones}
        stored = on.tracking.phone_tracks(sorted(watching))
        merged = {each: _merged(stored[each], arrived) for each in stored}
        changed = [phone for phone in merged.values() if phone != stored[phone.phone_id]]
        phones = set(on.tracking.save(changed, now=now)) if changed else set()
        done.phones |= {each: phone for each, phone in merged.items() if each not in phones}

        after: list[Track] = []
        said: dict[str, Said] = {}
        waiting = set()
        for beacon_id, before in tracks.items():
            outing = outings[beacon_id]
            if outing and not phones.isdisjoint(outing.phones):
                waiting.add(beacon_id)  # judged once its phones are stored
                continue
            try:
                track, saying = _derived(before, arrived.heard.get(beacon_id, ()), directory, outing, merged)
            except Exception:  # noqa: BLE001 - one beacon's fault must not hold up the others; it is not swallowed
                logger.exception("sightings not recorded", beacon_id=beacon_id)
                done.failed |= _concerned(arrived, beacon_id, outing)
                continue
            depends_on_changed = outing and any(p.phone_id in outing.phones for p in changed)
            if track != before or depends_on_changed:
                after.append(track)
                if saying:
                    said[beacon_id] = saying
        lost = set(on.tracking.save(after, now=now)) if after else set()
        for track in after:
            if track.beacon_id not in lost:
                _note(done, tracks[track.beacon_id], track, said.get(track.beacon_id))
        beacons = waiting | lost
    for each in beacons | phones:
        done.failed |= _concerned(arrived, each, directory.outing_of(each))
    return done


def _touched(directory: Directory, arrived: Arrived) -> list[Outing]:
    """Running outings one of whose phones reported: all their children are judged anew."""
    found = {o.outing_id: o for phone_id in arrived.reported_ms for o in directory.outings_of_phone(phone_id)}
    return list(found.values())


def _collected(directory: Directory, member: Member, on: Adapters) -> bool:
    try:
        directory.check_consent(member.beacon_id, on.clock.now())
    except Rejected:
        return False
    return True


def _merged(phone: PhoneTrack, arrived: Arrived) -> PhoneTrack:
    reported_ms = arrived.reported_ms.get(phone.phone_id, ())
    return merge_reports(phone, reported_ms, arrived.fixes.get(phone.phone_id, ()))


def _derived(
    before: Track,
    heard: Iterable[Sighting],
    directory: Directory,
    outing: Outing | None,
    phones: Mapping[str, PhoneTrack],
) -> tuple[Track, Said | None]:
    """The track after what was heard; the fix anew only where the window changed."""
    after = replace(before, window=merge(before.window, heard))
    if after.window != before.window:
        places = directory.places()
        after = replace(after, fix=located(after.window, places.receivers, places.alive))
    if outing is None:
        return replace(after, proximity=None, alarm={}), None
    group = [phones[phone_id] for phone_id in outing.phones]
    now_ms = watched_until_ms(group)
    if now_ms is None:
        return after, None
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
    near = round(proximity(child, group, reach_m=policy.reach_m, now_ms=now_ms), 2)
    alarm, alert = next_alarm(before.alarm, departure, outing, policy, now_ms=now_ms)
    said = Said(alert, outing, member.child_id, now_ms) if alert else None
    return replace(after, proximity=near, alarm=alarm), said


def _note(done: Recorded, before: Track, after: Track, said: Said | None) -> None:
    done.tracks[after.beacon_id] = after
    if said:
        done.said.append(said)
    if before.alarm.get("level") != after.alarm.get("level"):
        done.changed |= {str(alarm["outing_id"]) for alarm in (before.alarm, after.alarm) if alarm}


def _concerned(arrived: Arrived, part: str, outing: Outing | None) -> set[str]:
    """The messages a beacon or phone came in; for a silent child those of the phones that watch it."""
    ids = {part, *(outing.phones if outing else ())}
    return {message_id for each in ids for message_id in arrived.messages.get(each, ())}
