"""What hears, where it is, and what it heard at one moment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from shared.domain.geo import LatLon
from shared.domain.radio import RadioModel, packet_classes
from shared.domain.sighting import Sighting


@dataclass(frozen=True, slots=True, eq=False)
class RadioMap:
    """What a walk test taught about one receiver beyond its offset, on a grid of points.

    origin: the south-west point. offset_db, sd_db: row by row northwards, `columns` points a row, `cell_m`
    apart; added to the receiver's mean, and in place of its spread. Beyond the grid its edge holds.
    """

    origin: LatLon
    cell_m: float
    columns: int
    offset_db: tuple[float, ...]
    sd_db: tuple[float, ...]

    def at(self, x_m: float, y_m: float) -> tuple[float, float]:
        """(offset_db, sd_db) at metres east and north of the origin, bilinear."""
        rows = len(self.offset_db) // self.columns
        fx = min(max(x_m / self.cell_m, 0.0), self.columns - 1.001)
        fy = min(max(y_m / self.cell_m, 0.0), rows - 1.001)
        i, j = int(fx), int(fy)
        u, v = fx - i, fy - j
        k = j * self.columns + i
        corners = (k, k + 1, k + self.columns, k + self.columns + 1)
        shares = ((1 - u) * (1 - v), u * (1 - v), (1 - u) * v, u * v)
        return (
            sum(w * self.offset_db[c] for w, c in zip(shares, corners, strict=True)),
            sum(w * self.sd_db[c] for w, c in zip(shares, corners, strict=True)),
        )


@dataclass(frozen=True, slots=True)
class Receiver:
    """Something that hears: a pole scanner, or a phone where it was at that moment.

    accuracy_m: 68 % radius of `at`, 0 when surveyed. offset_db, sd_db: learned per scanner.
    learned: how strength departs from the path loss from place to place, where a walk test told.
    """

    source_id: str
    at: LatLon
    offset_db: float = 0.0
    sd_db: float = 6.0
    accuracy_m: float = 0.0
    learned: RadioMap | None = None

    def __hash__(self) -> int:
        """Of the name alone: receivers are looked up for every sighting."""
        return hash(self.source_id)


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """Where a beacon can be, on a small site that was walked: a hall, a yard, a campus.

    origin: the middle of the south-west cell. weight: prior mass, row by row northwards, `columns` cells
    a row, `cell_m` wide.
    """

    origin: LatLon
    cell_m: float
    columns: int
    weight: tuple[float, ...]


class Evidence(NamedTuple):
    """One receiver's share of the moment: mean strength over its packets, and packets per interval."""

    receiver: Receiver
    rssi_dbm: int
    packets: int


def evidence_of(
    sightings: Sequence[Sighting], receivers: Mapping[str, Receiver], model: RadioModel
) -> list[Evidence]:
    """The newest `span_ms` in one piece per receiver, strongest first; a pure function of the set."""
    if not sightings:
        return []
    since_ms = max([s.at_ms for s in sightings]) - model.span_ms
    by_source: dict[str, list[Sighting]] = {}
    for s in sightings:
        if s.at_ms > since_ms and (s.where is not None or s.source_id in receivers):
            kept = by_source.get(s.source_id)
            if kept is None:
                by_source[s.source_id] = [s]
            else:
                kept.append(s)
    classes = packet_classes(model)
    evidence = [_summed(heard, receivers, classes) for heard in by_source.values()]
    evidence.sort(key=_weakness)
    return evidence[: model.max_heard]


def _weakness(e: Evidence) -> tuple[float, str]:
    return e.receiver.offset_db - e.rssi_dbm, e.receiver.source_id


def _summed(heard: list[Sighting], receivers: Mapping[str, Receiver], classes: Sequence[int]) -> Evidence:
    newest = heard[0]
    packets, rssi_dbm = newest.packets, newest.rssi_dbm
    if len(heard) > 1:
        heard = sorted(set(heard), key=_rank)  # doubles count once
        newest = heard[-1]
        packets = sum([s.packets for s in heard])
        rssi_dbm = round(sum([s.packets * s.rssi_dbm for s in heard]) / packets)
        packets //= len(heard)
    if newest.where is None:
        receiver = receivers[newest.source_id]
    else:
        receiver = Receiver(newest.source_id, newest.where, accuracy_m=newest.accuracy_m)
    return Evidence(receiver, rssi_dbm, classes[min(packets, len(classes) - 1)])


def _rank(s: Sighting) -> tuple[int, int, int, int, float, float]:
    where = s.where or LatLon(0, 0)
    return s.at_ms, s.rssi_dbm, s.packets, s.accuracy_m, where.lat_deg, where.lon_deg
