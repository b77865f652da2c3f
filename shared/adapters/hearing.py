"""What is known of a beacon, gathered from what each source heard: its window, and from that its fix.

Nothing derived is stored; what is, is which sources know a beacon: the outing's phones, and those noted with
the outing or, without one, with the beacon. A watched beacon has a window of its own besides, for which
neighbours' scanners hear too.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from shared.adapters.clock import from_epoch_ms
from shared.adapters.wiring import Adapters
from shared.domain.case_track import cloud_of, track_case
from shared.domain.errors import NotFound
from shared.domain.geo import LatLon, Plane, distance_m
from shared.domain.outing import Outing
from shared.domain.places import Scanner
from shared.domain.position import Fix, Receiver, beside
from shared.domain.position import track as located
from shared.domain.search import Walkers
from shared.domain.sighting import Window, merge
from shared.domain.streets import Street, Streets, middle_of
from shared.ports import PhoneTrack, ScannerTrack, Tracks, key_of

PART_OF_TOWN_M = 700.0
"""Scanners further from where a child was heard last tell the case tier nothing by their silence."""
_ROUNDS = 6  # against writers of the same items


@dataclass(frozen=True, slots=True)
class Places:
    """The tenant's scanners. alive: those whose silence is evidence, always the same tuple while unchanged.

    Which are alive is the registry's slow `dark` flag and not this minute's heartbeats: a fix must be a
    function of the sightings alone, whatever the order and the batches they arrive in.
    """

    receivers: Mapping[str, Receiver]
    alive: tuple[Receiver, ...]


@lru_cache(maxsize=64)
def places_of(scanners: tuple[Scanner, ...], deaf: tuple[str, ...] = ()) -> Places:
    """Built once while nothing changes: positioning caches by the identity of `alive`.

    deaf: scanners that a drill takes as silent.
    """
    receivers = {s.scanner_id: Receiver(s.scanner_id, s.at, s.offset_db, s.sd_db) for s in scanners}
    alive = (s.scanner_id for s in scanners if not s.dark and s.scanner_id not in deaf)
    return Places(receivers, tuple(receivers[each] for each in alive))


@dataclass(frozen=True, slots=True)
class Hearing:
    """One beacon. alarm: bookkeeping of its departure alarm, {} when quiet. with_group: on an outing, and
    nobody misses it. deaf: scanners a drill takes as silent.
    """

    window: Window
    alarm: Mapping[str, Any] = field(default_factory=dict)
    with_group: bool = False
    deaf: tuple[str, ...] = ()

    def fix(self, scanners: Sequence[Scanner]) -> Fix | None:
        """Where it is. A child that is with the group is beside a phone; any other is located by all that
        heard and did not.
        """
        found = beside(self.window.sightings) if self.with_group else None
        if found is None:
            places = places_of(tuple(scanners), self.deaf)
            found = located(self.window, places.receivers, places.alive)
        return found

    def case_fix(self, scanners: Sequence[Scanner], streets: Streets | None) -> Fix | None:
        """Where a missed child is, by the case tier: nearer to the truth than `fix`, for more work."""
        around = self._around(scanners)
        return track_case(self.window, around.receivers, around.alive, streets=streets) if around else None

    def walkers(self, scanners: Sequence[Scanner], streets: Streets | None) -> Walkers | None:
        """Where a missed child may be and which way it was going; None if nobody heard it."""
        around = self._around(scanners)
        cloud = cloud_of(self.window, around.receivers, around.alive, streets=streets) if around else None
        if cloud is None:
            return None
        at = from_epoch_ms(self.window.newest_ms)
        return Walkers(cloud.plane, at, cloud.x, cloud.y, cloud.vx, cloud.vy)

    def _around(self, scanners: Sequence[Scanner]) -> Places | None:
        """The scanners of the part of town it was last heard in, and any other that heard it."""
        fix = self.fix(scanners)
        if fix is None:
            return None
        middle, heard = middle_of(fix.center), {s.source_id for s in self.window.sightings}
        near = (s for s in scanners if s.scanner_id in heard or distance_m(s.at, middle) < PART_OF_TOWN_M)
        return places_of(tuple(near), self.deaf)


def streets_about(on: Adapters, at: LatLon) -> Streets | None:
    """The streets of a neighbourhood; None where the municipality registered none."""
    middle = middle_of(at)
    streets = tuple(on.registry.streets(middle))
    return _streets(middle, streets) if streets else None


@lru_cache(maxsize=16)
def _streets(middle: LatLon, streets: tuple[Street, ...]) -> Streets:
    """Built once while nothing changes: the case tier remembers its steps by the identity of its streets."""
    return Streets(Plane(middle), [line for street in streets for line in street.lines()])


def hearings(on: Adapters, beacon_ids: Collection[str], outings: Iterable[Outing] = ()) -> dict[str, Hearing]:
    """What is known of these beacons, in two reads. outings: further ones than those that run."""
    mine = _outings_of(on, beacon_ids, outings)
    known = _around(on, beacon_ids, mine.values())
    noted = {key for each in known.noted for key in each.sources}
    sources = [*known.phones.values(), *_sources(on, noted)]
    watched = {each.beacon_id: each for each in on.watch_list.entries() if each.beacon_id in beacon_ids}
    found = {}
    for beacon_id in beacon_ids:
        heard = [s for each in sources for s in each.heard.get(beacon_id, ())]
        outing = mine.get(beacon_id)
        alarm = known.groups[outing.outing_id].alarms.get(beacon_id, {}) if outing else {}
        found[beacon_id] = Hearing(
            window=merge(known.beacons[beacon_id].window, heard),
            alarm=alarm,
            with_group=outing is not None and not alarm and beacon_id not in watched,
            deaf=watched[beacon_id].deaf if beacon_id in watched else (),
        )
    return found


def hearing(on: Adapters, beacon_id: str, outing_id: str = "") -> Hearing:
    """What is known of one beacon. outing_id: of the outing it was on, which may have ended."""
    outings = []
    if outing_id:
        with suppress(NotFound):
            outings.append(on.outings.get(outing_id))
    return hearings(on, [beacon_id], outings)[beacon_id]


def fix_of(on: Adapters, beacon_id: str, outing_id: str = "") -> Fix | None:
    """Where a beacon was when it was heard last; None if it never was."""
    return hearing(on, beacon_id, outing_id).fix(on.registry.scanners())


def forget(on: Adapters, beacon_ids: Collection[str], outing: Outing | None = None) -> None:
    """Strike beacons off every track that knows them: their outing is over, or consent ended.

    RuntimeError if other writers are faster every time; what is left expires.
    """
    mine = _outings_of(on, beacon_ids, [outing] if outing else ())
    known = _around(on, beacon_ids, mine.values())
    waiting = {key for each in known.noted for key in each.sources}
    waiting |= {key_of(each) for each in known.phones.values()}
    on.tracking.forget(beacon_ids)
    for _ in range(_ROUNDS):
        changed = [
            replace(each, heard={b: found for b, found in each.heard.items() if b not in beacon_ids})
            for each in _sources(on, waiting)
            if not each.heard.keys().isdisjoint(beacon_ids)
        ]
        if not changed:
            return
        waiting = {key_of(each) for each in on.tracking.save(changed, now=on.clock.now())}
    raise RuntimeError(f"{len(waiting)} tracks could not be cleared")


def _outings_of(on: Adapters, beacon_ids: Collection[str], outings: Iterable[Outing]) -> dict[str, Outing]:
    """By beacon; one that runs before one that does not."""
    among = {m.beacon_id: each for each in (*outings, *on.outings.running()) for m in each.members}
    return {each: among[each] for each in beacon_ids if each in among}


def _around(on: Adapters, beacon_ids: Collection[str], outings: Iterable[Outing]) -> Tracks:
    """What is stored about the beacons themselves and their outings, and the outings' phones."""
    around = {each.outing_id: each for each in outings}
    return on.tracking.read(
        beacons=beacon_ids,
        groups=around,
        phones={phone_id for each in around.values() for phone_id in each.phones},
    )


def _sources(on: Adapters, keys: Collection[str]) -> Sequence[PhoneTrack | ScannerTrack]:
    if not keys:
        return []
    by_kind: dict[str, list[str]] = {"phone": [], "scanner": []}
    for key in sorted(keys):
        kind, _, source_id = key.partition("#")
        by_kind[kind].append(source_id)
    return on.tracking.read(phones=by_kind["phone"], scanners=by_kind["scanner"]).sources
