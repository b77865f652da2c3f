"""Merge what arrived into what each source remembers, store it, and judge who left by what is stored then.

A source's memory is a union, and everything else is derived from such memories, so the final state does not
depend on order, duplicates or batches. A phone's report and what it heard are one item: there is no instant
at which the report is known and what it heard is not.

A child is judged by all phones of its outing, and writers run at once. So a phone is stored first; then all
phones are read, the alarms that changed are written, and the phones are looked at once more: who judged by
reports that were overtaken meanwhile judges again. Whoever stores a report last sees every report before it.

Which sources know a beacon is noted before they do, so that whoever asks for the beacon finds them all.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from functions.ingest_sightings.directory import Directory
from shared.adapters.wiring import Adapters
from shared.domain.departure import assess_departure
from shared.domain.outing import Member, Outing
from shared.domain.position import Fix as Located
from shared.domain.position import gps_fix
from shared.domain.position import track as located
from shared.domain.sighting import SCANNER_MS, Sighting, merge, remember
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
from shared.ports import AnyTrack, GroupTrack, PhoneTrack, ScannerTrack, Tracks, key_of

ROUNDS = 6  # against other writers; then the queue delivers the message again

Hears = dict[str, list[Sighting]]


def _hears() -> Hears:
    return defaultdict(list)


@dataclass(slots=True)
class Arrived:
    """What a batch brought for one owner.

    heard: by source and beacon; a phone is in `reported_ms` too. watched: by beacon on the watch list, of
    any source. noted: by key of an outing or beacon, the keys of sources that know it. calls: where a
    citizen's phone is that is looked for. messages: by key of phone, scanner or beacon, those it came in.
    """

    heard: dict[str, Hears] = field(default_factory=lambda: defaultdict(_hears))
    reported_ms: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    fixes: dict[str, list[Fix]] = field(default_factory=lambda: defaultdict(list))
    watched: Hears = field(default_factory=_hears)
    noted: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    calls: dict[str, list[Fix]] = field(default_factory=lambda: defaultdict(list))
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

    found: fixes of watched beacons and calling phones. phones, groups: of the outings whose phones reported,
    as stored now. stopped: phones that fell silent. changed: outings where a level changed. failed:
    messages to deliver again.
    """

    found: dict[str, Located] = field(default_factory=dict)
    phones: dict[str, PhoneTrack] = field(default_factory=dict)
    groups: dict[str, GroupTrack] = field(default_factory=dict)
    said: list[Said] = field(default_factory=list)
    stopped: list[tuple[Outing, PhoneTrack]] = field(default_factory=list)
    changed: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)


def record(on: Adapters, directory: Directory, arrived: Arrived) -> Recorded:
    """Store what arrived for this tenant. Messages whose parts could not be stored are in `failed`."""
    done = Recorded()
    keys = {f"phone#{each}" for each in arrived.reported_ms}
    keys |= {f"scanner#{each}" for each in arrived.heard if each not in arrived.reported_ms}
    _in_rounds(keys, lambda waiting: _store_sources(on, directory, arrived, done, waiting), arrived, done)
    keys = {f"beacon#{each}" for each in arrived.watched}
    _in_rounds(keys, lambda waiting: _store_watched(on, directory, arrived, done, waiting), arrived, done)
    for thing, fixes in arrived.calls.items():
        at_ms, at, accuracy_m = max(fixes, key=lambda fix: (fix[0], -fix[2]))
        done.found[thing] = replace(gps_fix(at, accuracy_m, at_ms), heard=(thing,))
    _judge(on, directory, arrived, done)
    return done


def _in_rounds(
    keys: set[str], store: Callable[[set[str]], set[str]], arrived: Arrived, done: Recorded
) -> None:
    """Store what has these keys until no other writer is in the way, and give up after ROUNDS."""
    for _ in range(ROUNDS):
        if not keys:
            return
        keys = store(keys)
    for key in keys:
        done.failed |= arrived.messages[key]


def _store_sources(
    on: Adapters, directory: Directory, arrived: Arrived, done: Recorded, keys: set[str]
) -> set[str]:
    """One round over these phones and scanners. Returns those to go over again."""
    unknown = directory.not_noted(arrived.noted)
    known = _read(on, keys | unknown.keys())
    if unknown and not _note(on, directory, known, unknown):
        return keys
    changed: list[AnyTrack] = []
    for each in known.sources:
        try:
            after = _with(each, arrived)
        except Exception:  # noqa: BLE001 - one source's fault must not hold up the others, nor be swallowed
            logger.exception("sightings not recorded", source=key_of(each))
            done.failed |= arrived.messages[key_of(each)]
            continue
        if after != each:
            changed.append(after)
    return {key_of(each) for each in on.tracking.save(changed, now=on.clock.now())} if changed else set()


def _with(track: PhoneTrack | ScannerTrack, arrived: Arrived) -> PhoneTrack | ScannerTrack:
    if isinstance(track, PhoneTrack):
        mine = track.phone_id
        return merge_reports(track, arrived.reported_ms[mine], arrived.fixes[mine], arrived.heard[mine])
    heard = arrived.heard[track.scanner_id]
    newest_ms = max(s.at_ms for known in (*track.heard.values(), *heard.values()) for s in known)
    return replace(track, heard=remember(track.heard, heard, newest_ms=newest_ms, lately_ms=SCANNER_MS))


def _note(on: Adapters, directory: Directory, known: Tracks, unknown: Mapping[str, set[str]]) -> bool:
    """Note sources with their outings and beacons. False if another writer was in the way."""
    noted = {key_of(each): each for each in known.noted}
    new = [
        replace(noted[key], sources=noted[key].sources | sources)
        for key, sources in unknown.items()
        if not sources <= noted[key].sources
    ]
    if new and on.tracking.save(new, now=on.clock.now()):
        return False
    for key, sources in unknown.items():
        directory.note(key, sources)
    return True


def _store_watched(
    on: Adapters, directory: Directory, arrived: Arrived, done: Recorded, keys: set[str]
) -> set[str]:
    """One round over beacons on the watch list. Returns those to go over again."""
    changed: list[AnyTrack] = []
    for beacon_id, track in _read(on, keys).beacons.items():
        try:
            window = merge(track.window, arrived.watched[beacon_id])
            places = directory.places(beacon_id)
            found = located(window, places.receivers, places.alive)
        except Exception:  # noqa: BLE001 - one beacon's fault must not hold up the others, nor be swallowed
            logger.exception("sightings not recorded", beacon_id=beacon_id)
            done.failed |= arrived.messages[key_of(track)]
            continue
        if found:
            done.found[beacon_id] = found
        if window != track.window:
            changed.append(replace(track, window=window))
    lost = on.tracking.save(changed, now=on.clock.now()) if changed else []
    for each in lost:
        done.found.pop(key_of(each).partition("#")[2], None)
    return {key_of(each) for each in lost}


def _read(on: Adapters, keys: Iterable[str]) -> Tracks:
    by_kind: dict[str, list[str]] = defaultdict(list)
    for key in sorted(keys):
        kind, _, each = key.partition("#")
        by_kind[kind].append(each)
    return on.tracking.read(
        beacons=by_kind["beacon"],
        phones=by_kind["phone"],
        scanners=by_kind["scanner"],
        groups=by_kind["outing"],
    )


# --- judging -------------------------------------------------------------------------------------


def _judge(on: Adapters, directory: Directory, arrived: Arrived, done: Recorded) -> None:
    """Every child of an outing one of whose phones reported."""
    touched = {o.outing_id: o for each in arrived.reported_ms for o in directory.outings_of_phone(each)}
    waiting = list(touched.values())
    for _ in range(ROUNDS):
        if not waiting:
            break
        waiting = _judge_once(on, directory, done, waiting)
    for outing in waiting:
        done.failed |= _messages_of(outing, arrived)
    if touched:
        _mark_stopped(on, directory, touched.values(), done)


def _judge_once(
    on: Adapters, directory: Directory, done: Recorded, outings: Sequence[Outing]
) -> list[Outing]:
    """One round. Returns outings to judge again: overtaken, or judged by old reports."""
    known = on.tracking.read(phones=_phones_of(outings), groups=[each.outing_id for each in outings])
    done.phones |= known.phones
    judged: dict[str, tuple[Outing, GroupTrack, list[Said]]] = {}
    for outing in outings:
        before = known.groups[outing.outing_id]
        group = [known.phones[phone_id] for phone_id in outing.phones]
        alarms, said = _judged(directory, outing, before.alarms, group)
        done.groups[outing.outing_id] = after = replace(before, alarms=alarms)
        if alarms != before.alarms:
            judged[outing.outing_id] = outing, after, said
    if not judged:
        return []
    lost = {
        key_of(each)
        for each in on.tracking.save([after for _, after, _ in judged.values()], now=on.clock.now())
    }
    for outing, after, said in judged.values():
        if key_of(after) not in lost:
            done.said += said
            if _levels(known.groups[outing.outing_id].alarms) != _levels(after.alarms):
                done.changed.add(outing.outing_id)
    newest = on.tracking.read(phones=_phones_of([outing for outing, _, _ in judged.values()])).phones
    moved = {each for each in newest if newest[each].version != known.phones[each].version}
    return [
        outing
        for outing, after, _ in judged.values()
        if key_of(after) in lost or not moved.isdisjoint(outing.phones)
    ]


def _judged(
    directory: Directory,
    outing: Outing,
    before: Mapping[str, Mapping[str, Any]],
    group: Sequence[PhoneTrack],
) -> tuple[dict[str, Mapping[str, Any]], list[Said]]:
    """The outing's alarms after what its phones reported and heard, and what to say about them."""
    now_ms = watched_until_ms(group)
    if now_ms is None:
        return dict(before), []
    policy = directory.tenant().policy
    since_ms = round(outing.started_at.timestamp() * 1000)
    alarms: dict[str, Mapping[str, Any]] = {}
    said: list[Said] = []
    for member in directory.members(outing):
        departure = assess_departure(
            _heard_of(member, group),
            group,
            policy=policy,
            since_ms=since_ms,
            answer=member.answer,
            answered_ms=answered_ms(member),
            now_ms=now_ms,
        )
        known = before.get(member.beacon_id, {})
        alarm, alert = next_alarm(known, departure, outing, member, policy=policy, now_ms=now_ms)
        if alarm:
            alarms[member.beacon_id] = alarm
        if alert:
            said.append(Said(alert, outing, member.child_id, now_ms))
    return alarms, said


def _heard_of(member: Member, group: Sequence[PhoneTrack]) -> list[Sighting]:
    return [s for phone in group for s in phone.heard.get(member.beacon_id, ())]


def _mark_stopped(on: Adapters, directory: Directory, touched: Iterable[Outing], done: Recorded) -> None:
    """Phones that fell silent while others of their outing report, marked so that one writer tells."""
    policy = directory.tenant().policy
    for outing in touched:
        group = {phone_id: done.phones[phone_id] for phone_id in outing.phones if phone_id in done.phones}
        now_ms = watched_until_ms(group.values())
        if now_ms is None or len(group) < len(outing.phones):
            continue
        found = stopped(outing, group, policy, now_ms=now_ms)
        lost = on.tracking.save(found, now=on.clock.now()) if found else []
        done.stopped += [(outing, phone) for phone in found if phone not in lost]


def _levels(alarms: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    return {beacon_id: alarm["level"] for beacon_id, alarm in alarms.items()}


def _phones_of(outings: Collection[Outing]) -> list[str]:
    return list({phone_id: None for outing in outings for phone_id in outing.phones})


def _messages_of(outing: Outing, arrived: Arrived) -> set[str]:
    """The messages of the phones that watch over an outing."""
    return {m for each in outing.phones for m in arrived.messages.get(f"phone#{each}", ())}
