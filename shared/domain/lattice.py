"""The posterior over a small lattice of cells around the strongest receiver.

A product of table rows (`radio`), one per receiver that heard or, being alive, did not. What does not
depend on the beacon is computed once per neighbourhood and kept.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from operator import add, itemgetter, mul, truediv
from typing import NamedTuple

from shared.domain.geo import LatLon, Plane
from shared.domain.radio import COLUMNS, MU_STEP_DB, RadioModel, column, heard_row, sd_class, silent_row
from shared.domain.receiver import Evidence, Ground, Receiver


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
    """Square cells about a centre: finest in the middle, twice as wide in each of two rings around.

    xs, ys: centres, metres. xx, yy: mean of x², y² over each cell. area: its prior mass.
    """

    xs: tuple[float, ...]
    ys: tuple[float, ...]
    xx: tuple[float, ...]
    yy: tuple[float, ...]
    area: tuple[float, ...]


_Pick = Callable[[tuple[float, ...]], tuple[float, ...]]


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
    finest_m = radius_m / 4 / cells
    made: list[tuple[float, float, float]] = []
    for level in range(3):
        step_m = finest_m * 2**level
        hole_m = 0.0 if level == 0 else step_m * cells / 2
        centres = [(i + 0.5) * step_m for i in range(-cells, cells)]
        made += [(x, y, step_m) for x in centres for y in centres if max(abs(x), abs(y)) > hole_m]
    return Lattice(
        tuple(x for x, _, _ in made),
        tuple(y for _, y, _ in made),
        tuple(x * x + h * h / 12 for x, _, h in made),
        tuple(y * y + h * h / 12 for _, y, h in made),
        tuple((h / finest_m) ** 2 for _, _, h in made),
    )


class Neighbourhood:
    """What does not depend on the beacon: a lattice about one receiver, and the living ones near it."""

    __slots__ = ("_gathers", "lattice", "model", "near_ids", "plane", "silent_mass")

    def __init__(
        self, model: RadioModel, center: LatLon, radius_m: float, alive: Same, ground: Ground | None
    ) -> None:
        self.model, self.plane = model, Plane(center)
        self.lattice = _lattice(radius_m, model.cells) if ground is None else _cells_of(ground)
        self._gathers: dict[Receiver, _Gather] = {}
        near = [r for r in alive.items if ground is not None or self._may_hear(r, radius_m)]
        self.near_ids = dict.fromkeys(r.source_id for r in near)
        gathers = [self.columns(r) for r in near]
        self.silent_mass = [self._silent(gathers, gain) for gain in _gains(model)]

    def mass(self, evidence: Sequence[Evidence]) -> list[float]:
        """Posterior mass of each cell, not normalised."""
        terms = [self._term(e) for e in evidence]
        total: list[float] = []
        for k, silent in enumerate(self.silent_mass):
            weights: Iterable[float] = silent
            for pick, rows in terms:
                weights = map(mul, weights, pick(rows[k]))
            total = list(map(add, total, weights)) if total else list(weights)
        return total

    def _term(self, e: Evidence) -> tuple[_Pick, list[tuple[float, ...]]]:
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
        return gather.pick, _rows(self.model, gather.sds, e.packets, e.rssi_dbm, over_silence)

    def _may_hear(self, r: Receiver, radius_m: float) -> bool:
        """Whether it is near enough that its silence says something about a cell."""
        hears_m = self.model.range_m(self.model.threshold_dbm - r.offset_db - 2 * r.sd_db)
        return math.hypot(*self.plane.to_xy(r.at)) < radius_m + hears_m

    def _silent(self, near: Sequence[_Gather], gain: tuple[int, float]) -> tuple[float, ...]:
        """Prior mass of each cell, times the likelihood that all these are silent."""
        columns, weight = gain
        mass: Iterable[float] = [weight * a for a in self.lattice.area]
        for gather in near:
            row = [v for sd in gather.sds for v in _shifted(silent_row(self.model, sd), columns)]
            mass = map(mul, mass, gather.pick(tuple(row)))
        return tuple(mass)

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


@lru_cache(maxsize=32768)
def _rows(
    model: RadioModel,
    sds: tuple[int, ...],
    packets: int,
    rssi_dbm: int,
    over_silence: bool,  # noqa: FBT001
) -> list[tuple[float, ...]]:
    """Per gain, heard rows for each class of shadowing; over silence if the silent mass has it too."""
    made = []
    for columns, _ in _gains(model):
        row: list[float] = []
        for sd in sds:
            heard: Iterable[float] = heard_row(model, sd, packets, rssi_dbm)
            if over_silence:
                heard = map(truediv, heard, silent_row(model, sd))
            row += _shifted(tuple(heard), columns)
        made.append(tuple(row))
    return made


def _shifted(row: tuple[float, ...], columns: int) -> tuple[float, ...]:
    """The row read `columns` further right, its ends held."""
    return tuple(row[min(COLUMNS - 1, max(0, i + columns))] for i in range(COLUMNS))


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
