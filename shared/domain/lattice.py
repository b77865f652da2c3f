"""The posterior over a small lattice of cells around the strongest receiver.

A product of table rows (`radio`), one per receiver that heard or, being alive, did not. What does not
depend on the beacon is computed once per neighbourhood and kept.

Logarithms of the rows lie side by side in one big integer, sixteen bits a cell: a product over all cells is
then one addition, a tenth of a microsecond where a loop takes ten.
"""

import math
import struct
from array import array
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import compress
from operator import add, itemgetter, sub
from typing import Any, NamedTuple, TypeVar

from shared.domain.geo import LatLon, Plane
from shared.domain.radio import COLUMNS, MU_STEP_DB, RadioModel, column, heard_row, sd_class, silent_row
from shared.domain.receiver import Evidence, Ground, Receiver

T = TypeVar("T", int, float)


class Same:
    """A tuple compared by identity: alive receivers are many, and hashing them is dearer than a fix."""

    __slots__ = ("items",)

    def __init__(self, items: tuple[Receiver, ...]) -> None:
        self.items = items

    @staticmethod
    def of(items: Sequence[Receiver]) -> "Same":
        """A tuple stays itself, so that one tuple for every beacon is met again."""
        return Same(items if isinstance(items, tuple) else tuple(items))

    def __hash__(self) -> int:
        return id(self.items)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and other.items is self.items


class Lattice(NamedTuple):
    """Square cells about a centre: twice as wide in the outer half as in the inner one.

    xs, ys: centres, metres. xx, yy: mean of x², y² over each cell. area: its prior mass.
    """

    xs: tuple[float, ...]
    ys: tuple[float, ...]
    xx: tuple[float, ...]
    yy: tuple[float, ...]
    area: tuple[float, ...]


_Pick = Callable[[Sequence[Any]], tuple[Any, ...]]


class _Gather(NamedTuple):
    """pick: a row's values for every cell. sds: the classes of shadowing that make up the row."""

    pick: _Pick
    sds: tuple[int, ...]


def _reach_m(model: RadioModel, strongest: Evidence) -> float:
    """Half the lattice's width, in steps of a quarter so that neighbourhoods are shared."""
    receiver = strongest.receiver
    spread_db = model.reach_sd * math.hypot(receiver.sd_db, model.gain_sd_db)
    far_m = model.range_m(strongest.rssi_dbm - receiver.offset_db - spread_db) + 2 * receiver.accuracy_m
    return math.pow(2.0, math.ceil(math.log2(max(far_m, 8.0)) * 3) / 3)


@lru_cache(maxsize=64)
def _gains(model: RadioModel) -> tuple[tuple[int, float], ...]:
    """Three-point Gauss–Hermite nodes of the common gain: (columns of a row, weight)."""
    if model.gain_sd_db == 0:
        return ((0, 1.0),)
    node = round(math.sqrt(3) * model.gain_sd_db / MU_STEP_DB)
    return ((0, 2 / 3), (-node, 1 / 6), (node, 1 / 6))


@lru_cache(maxsize=256)
def _lattice(radius_m: float, cells: int) -> Lattice:
    finest_m = radius_m / 2 / cells
    made: list[tuple[float, float, float]] = []
    for step_m, hole_m in ((finest_m, 0.0), (2 * finest_m, radius_m / 2)):
        centres = [(i + 0.5) * step_m for i in range(-cells, cells)]
        made += [(x, y, step_m) for x in centres for y in centres if max(abs(x), abs(y)) > hole_m]
    return Lattice(
        tuple(x for x, _, _ in made),
        tuple(y for _, y, _ in made),
        tuple(x * x + h * h / 12 for x, _, h in made),
        tuple(y * y + h * h / 12 for _, y, h in made),
        tuple((h / finest_m) ** 2 for _, _, h in made),
    )


NATS = 12.0
"""What one receiver says for or against a cell at the most, as a logarithm; rows have a floor above that."""
_LANES = 1 << 16
_FINAL = 16  # units of a nat in the bytes of a posterior: 255 are sixteen nats, which is nothing
_MASS = (*(math.exp(-c / _FINAL) for c in range(255)), 0.0)
_MATTERS = bytes(c < 6 * _FINAL for c in range(256))  # below e⁻⁶ of the heaviest no cell changes an ellipse
_SATURATED = b"\x00" + b"\xff" * 255
_ONLY = tuple(bytes(c == v for c in range(256)) for v in range(256))


class Neighbourhood:
    """What does not depend on the beacon: a lattice about one receiver, and the living ones near it."""

    __slots__ = (
        "_gathers",
        "_lanes",
        "_ones",
        "_shift",
        "_silent",
        "_unit",
        "lattice",
        "model",
        "near_ids",
        "plane",
    )

    def __init__(
        self, model: RadioModel, center: LatLon, radius_m: float, alive: Same, ground: Ground | None
    ) -> None:
        self.model, self.plane = model, Plane(center)
        self.lattice = _lattice(radius_m, model.cells) if ground is None else _cells_of(ground)
        self._lanes = len(self.lattice.xs) * len(_gains(model))
        self._ones = int.from_bytes(b"\x01\x00" * self._lanes, "little")
        self._shift = 2 if model.max_heard <= 32 else 1 if model.max_heard <= 64 else 0
        self._unit = _FINAL << self._shift
        self._gathers: dict[Receiver, _Gather] = {}
        near = [r for r in alive.items if ground is not None or self._may_hear(r, radius_m)]
        self.near_ids = dict.fromkeys(r.source_id for r in near)
        self._silent = self._silence([self.columns(r) for r in near])

    def mass(self, evidence: Sequence[Evidence]) -> list[float]:
        """Posterior mass of every cell, not normalised."""
        return self._weighed(self._costs(evidence), None)

    def posterior(self, evidence: Sequence[Evidence]) -> tuple[Lattice, list[float]]:
        """The cells that matter, two at least, and their mass, not normalised."""
        costs = self._costs(evidence)
        cells = len(self.lattice.xs)
        bits = int.from_bytes(costs.translate(_MATTERS), "little")
        if self._lanes > cells:
            bits |= bits >> 8 * cells | bits >> 16 * cells
        found = list(compress(range(cells), bits.to_bytes(self._lanes, "little")))
        if len(found) == 1:
            found.append((found[0] + 1) % cells)
        pick = itemgetter(*found)
        return Lattice(*map(pick, self.lattice)), self._weighed(costs, pick)

    def _weighed(self, costs: bytes, pick: _Pick | None) -> list[float]:
        cells = len(self.lattice.xs)
        parts: list[Sequence[int]] = [costs[k : k + cells] for k in range(0, self._lanes, cells)]
        if pick is not None:
            parts = list(map(pick, parts))
        mass = _MASS
        if len(parts) == 1:
            return [mass[a] for a in parts[0]]
        return [mass[a] + mass[b] + mass[c] for a, b, c in zip(*parts, strict=True)]

    def _costs(self, evidence: Sequence[Evidence]) -> bytes:
        """By how much each cell is less likely than the likeliest, for each gain; 255: or more."""
        total = self._silent + sum([self._cost(e) for e in evidence])
        packed = total.to_bytes(2 * self._lanes, "little")
        high = packed[1::2]
        top = next(v for v in range(256) if v in high)
        low = min(compress(packed[::2], high.translate(_ONLY[top])))
        total = (total - (top << 8 | low) * self._ones) >> self._shift & (0xFFFF >> self._shift) * self._ones
        packed = total.to_bytes(2 * self._lanes, "little")
        over = int.from_bytes(packed[1::2].translate(_SATURATED), "little")
        return (int.from_bytes(packed[::2], "little") | over).to_bytes(self._lanes, "little")

    def _cost(self, e: Evidence) -> int:
        """What one receiver says of every cell, packed."""
        key = (self, e.receiver.source_id, e.packets, e.rssi_dbm)
        kept = _packed.get(key)
        if kept is not None and (kept[0] is e.receiver or kept[0] == e.receiver):
            return kept[1]
        if len(_packed) >= PACKED_MAX:
            _packed.clear()
        pick, rows = self._term(e)
        made = self._side_by_side([v for row in rows for v in pick(row)])
        _packed[key] = e.receiver, made
        return made

    def _side_by_side(self, values: Sequence[int]) -> int:
        return int.from_bytes(struct.pack(f"<{self._lanes}H", *values), "little")

    def _term(self, e: Evidence) -> tuple[_Pick, list[Sequence[int]]]:
        r = e.receiver
        if r.accuracy_m == 0:
            gather = self._gathers.get(r)
            if gather is None:
                gather = self._gathers[r] = self.columns(r)
        else:  # a moving receiver: its place is blurred, and its own; a group shares it for one report
            gather = _columns_of_moving(self, r)
            distance_m = math.hypot(self.model.range_m(e.rssi_dbm - r.offset_db), r.accuracy_m)
            blur_db = 10 * self.model.exponent / math.log(10) * r.accuracy_m / distance_m
            gather = _Gather(gather.pick, (sd_class(math.hypot(r.sd_db, blur_db)),))
        over_silence = r.source_id in self.near_ids
        return gather.pick, _rows(
            self.model, gather.sds, e.packets, e.rssi_dbm, over_silence, unit=self._unit
        )

    def _may_hear(self, r: Receiver, radius_m: float) -> bool:
        """Whether it is near enough that its silence says something about a cell."""
        hears_m = self.model.range_m(self.model.threshold_dbm - r.offset_db - 2 * r.sd_db)
        return math.hypot(*self.plane.to_xy(r.at)) < radius_m + hears_m

    def _silence(self, near: Sequence[_Gather]) -> int:
        """What the prior and the silence of all these say of every cell, packed."""
        total: list[float] = []
        for columns, weight in _gains(self.model):
            costs = [-self._unit * math.log(weight * a) for a in self.lattice.area]
            for gather in near:
                row = [c for sd in gather.sds for c in _quiet_row(self.model, sd, self._unit, columns)]
                costs = list(map(add, costs, gather.pick(row)))
            total += costs
        least, room = min(total), _LANES - 1 - round(2 * NATS * self._unit) * self.model.max_heard
        return self._side_by_side([min(room, round(c - least)) for c in total])

    def columns(self, r: Receiver) -> _Gather:
        """Where in its rows a receiver's mean strength at each cell is found."""
        lattice, model = self.lattice, self.model
        rx, ry = self.plane.to_xy(r.at)
        k, acc2, mu0 = 5 * model.exponent, r.accuracy_m**2, model.p0_dbm + r.offset_db
        mu = [
            mu0 - k * math.log10(max((x - rx) ** 2 + (y - ry) ** 2 + acc2, 1.0))
            for x, y in zip(lattice.xs, lattice.ys, strict=True)
        ]
        if r.learned is None:
            return _Gather(itemgetter(*map(column, mu)), (sd_class(r.sd_db),))
        ox, oy = self.plane.to_xy(r.learned.origin)
        learned = [r.learned.at(x - ox, y - oy) for x, y in zip(lattice.xs, lattice.ys, strict=True)]
        sds = sorted({sd_class(sd_db) for _, sd_db in learned})
        start = {sd: i * COLUMNS for i, sd in enumerate(sds)}
        places = [
            column(m + offset_db) + start[sd_class(sd_db)]
            for m, (offset_db, sd_db) in zip(mu, learned, strict=True)
        ]
        return _Gather(itemgetter(*places), tuple(sds))


_kept = lru_cache(maxsize=2048)(Neighbourhood)
_packed: dict[tuple[Neighbourhood, str, int, int], tuple[Receiver, int]] = {}
PACKED_MAX = 16_384
"""Rows kept, some 2 kB each; when full, begun anew."""


@lru_cache(maxsize=4096)
def _columns_of_moving(near: Neighbourhood, r: Receiver) -> _Gather:
    return near.columns(r)


NEARBY_DIGITS = 4
"""Of degrees: 11 m by 9 m, at most 7 m from where the receiver is, well inside the lattice's finest part."""


def neighbourhood_of(
    evidence: Sequence[Evidence], alive: Same, model: RadioModel, ground: Ground | None = None
) -> Neighbourhood:
    """The lattice for this evidence, strongest first; not empty."""
    if ground is not None:
        return _kept(model, ground.origin, 0.0, alive, ground)
    anchor = evidence[0].receiver
    if anchor.accuracy_m == 0:
        return _kept(model, anchor.at, _reach_m(model, evidence[0]), alive, None)
    # A moving receiver is never met in this place again; the neighbourhood of a place nearby is.
    center = LatLon(round(anchor.at.lat_deg, NEARBY_DIGITS), round(anchor.at.lon_deg, NEARBY_DIGITS))
    return _kept(model, center, _reach_m(model, evidence[0]), alive, None)


@lru_cache(maxsize=8192)
def _rows(
    model: RadioModel,
    sds: tuple[int, ...],
    packets: int,
    rssi_dbm: int,
    over_silence: bool,  # noqa: FBT001
    *,
    unit: int,
) -> list[Sequence[int]]:
    """Per gain, costs of what was heard for each class of shadowing; less silence's if that is in already."""
    made: list[Sequence[int]] = []
    least = round(NATS * unit)  # keeps costs above nothing, and moves no cell against another
    for columns, _ in _gains(model):
        row: list[int] = []
        for sd in sds:
            costs: Sequence[float] = _logs(heard_row(model, sd, packets, rssi_dbm), unit)
            if over_silence:
                costs = list(map(sub, costs, _silent_costs(model, sd, unit)))
            row += _shifted([least + round(c) for c in costs], columns)
        made.append(array("H", row))
    return made


@lru_cache(maxsize=256)
def _silent_costs(model: RadioModel, sd: int, unit: int) -> list[float]:
    return _logs(silent_row(model, sd), unit)


@lru_cache(maxsize=1024)
def _quiet_row(model: RadioModel, sd: int, unit: int, columns: int) -> list[float]:
    return _shifted(_silent_costs(model, sd, unit), columns)


def _logs(row: Sequence[float], unit: int) -> list[float]:
    least = math.exp(-NATS)
    return [-unit * math.log(max(v, least)) for v in row]


def _shifted(row: Sequence[T], columns: int) -> list[T]:
    """The row read `columns` further right, its ends held."""
    return [row[min(COLUMNS - 1, max(0, i + columns))] for i in range(COLUMNS)]


def _cells_of(ground: Ground) -> Lattice:
    h = ground.cell_m
    cells = [
        (k % ground.columns * h, k // ground.columns * h, w) for k, w in enumerate(ground.weight) if w > 0
    ]
    return Lattice(
        tuple(x for x, _, _ in cells),
        tuple(y for _, y, _ in cells),
        tuple(x * x + h * h / 12 for x, _, _ in cells),
        tuple(y * y + h * h / 12 for _, y, _ in cells),
        tuple(w for _, _, w in cells),
    )
