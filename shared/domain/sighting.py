"""A sighting, and the window of them that is a beacon's state.

State is a pure function of the *set* of sightings in a window: any order, any duplicates and
any split into batches end in the same window. Everything else is derived from it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from shared.domain.geo import LatLon

WINDOW_MS = 120_000  # how far back the newest sighting's company reaches
WINDOW_MAX = 64  # sightings a window holds: keeps the stored item near one write unit
PHONE_MS = 90_000
"""How far back a phone remembers all it heard: a child that strolls away shows in its trend that long."""
SCANNER_MS = 30_000
"""How far back a scanner does: three of its reports."""
PLACED_MS = 20_000
"""How far back a source remembers where it was when it heard."""
LAST_MS = 4 * 3600 * 1000
"""How far back a source remembers of each beacon the newest sighting: longer than a search."""


class Sighting(NamedTuple):
    """One beacon heard by one source in one interval. Sorts by time.

    at_ms: event time, epoch milliseconds UTC, already corrected for the source's clock.
    source_id: `<tenant>/<thing>` of the scanner or phone that heard it.
    rssi_dbm: mean over the interval's packets; packets: how many were decoded, at least 1.
    where: where the source was, if it moves (a phone) or belongs to another tenant;
        None for the tenant's own scanners, whose place the registry knows.
    accuracy_m: of `where` (68 %), 0 when `where` is None or surveyed.
    """

    at_ms: int
    source_id: str
    rssi_dbm: int
    packets: int
    where: LatLon | None = None
    accuracy_m: int = 0


@dataclass(frozen=True, slots=True)
class Window:
    """A beacon's recent sightings, oldest first, unique by (at_ms, source_id)."""

    sightings: tuple[Sighting, ...] = ()

    @property
    def newest_ms(self) -> int:
        """Event time of the newest sighting; 0 when empty."""
        return self.sightings[-1].at_ms if self.sightings else 0


def merge(window: Window, arrived: Iterable[Sighting]) -> Window:
    """The window with what arrived: a union, cut to the newest WINDOW_MS and WINDOW_MAX.

    Both cuts keep the top of a total order, so merging commutes, associates and absorbs
    duplicates. Two sightings of one source at one instant that differ are a fault of the
    source; the stronger is kept, the same one in any order.
    """
    by_key: dict[tuple[int, str], Sighting] = {}
    for s in (*window.sightings, *arrived):
        key = (s.at_ms, s.source_id)
        kept = by_key.get(key)
        if kept is None or _rank(s) > _rank(kept):
            by_key[key] = s
    if not by_key:
        return Window()
    ordered = [by_key[key] for key in sorted(by_key)]
    horizon_ms = ordered[-1].at_ms - WINDOW_MS
    return Window(tuple(s for s in ordered if s.at_ms > horizon_ms)[-WINDOW_MAX:])


def _rank(s: Sighting) -> tuple[int, int, float, float, int]:
    where = s.where or LatLon(0, 0)
    return s.rssi_dbm, s.packets, where.lat_deg, where.lon_deg, s.accuracy_m


Heard = Mapping[str, tuple[Sighting, ...]]
"""What one source heard: by beacon, oldest first, unique by `at_ms`."""


def remember(
    heard: Heard, arrived: Mapping[str, Sequence[Sighting]], *, newest_ms: int, lately_ms: int
) -> Heard:
    """What one source remembers after what arrived: all since `lately_ms` before, and each beacon's newest.
    The places of what is older than PLACED_MS are left out.

    newest_ms: event time of whatever the source said last. Both cuts keep the top of a total order, so
    any order, any duplicates and any batches end in the same. `heard` itself is left as it is.
    """
    since_ms, oldest_ms = newest_ms - lately_ms, newest_ms - LAST_MS
    kept: dict[str, tuple[Sighting, ...]] = {}
    for beacon_id in heard.keys() | arrived.keys():
        known = _united(heard.get(beacon_id, ()), arrived.get(beacon_id, ()))
        first = next((n for n, s in enumerate(known) if s.at_ms > since_ms), len(known) - 1)
        if known[first].at_ms > oldest_ms:
            kept[beacon_id] = _placed_lately(known[first:], newest_ms - PLACED_MS)
    return kept


def _placed_lately(known: tuple[Sighting, ...], since_ms: int) -> tuple[Sighting, ...]:
    """Without the places of what is older; the newest keeps its own. Nobody asks where a phone was then."""
    late = [n for n, s in enumerate(known[:-1]) if s.where is not None and s.at_ms <= since_ms]
    if not late:
        return known
    lean = list(known)
    for n in late:
        lean[n] = known[n]._replace(where=None, accuracy_m=0)
    return tuple(lean)


def _united(known: tuple[Sighting, ...], arrived: Sequence[Sighting]) -> tuple[Sighting, ...]:
    if not arrived:
        return known
    if len(arrived) == 1 and (not known or arrived[0].at_ms > known[-1].at_ms):
        return *known, arrived[0]  # as nearly always
    by_time: dict[int, Sighting] = {}
    for s in (*known, *arrived):
        kept = by_time.get(s.at_ms)
        if kept is None or _rank(s) > _rank(kept):
            by_time[s.at_ms] = s
    return tuple([by_time[at_ms] for at_ms in sorted(by_time)])
