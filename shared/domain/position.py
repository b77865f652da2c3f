"""Where the beacon is, with the error of that.

The posterior over a small lattice of cells around the strongest receiver: a product of table rows
(`radio`), one per receiver that heard or, being alive, did not. Mean, covariance and shape come from
the cells. Everything that does not depend on the beacon is computed once per neighbourhood and cached.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from operator import add, itemgetter, mul, truediv
from typing import NamedTuple

from shared.domain.geo import Ellipse, LatLon, Plane
from shared.domain.radio import (
    COLUMNS,
    MU_STEP_DB,
    OUTDOOR,
    RadioModel,
    column,
    heard_row,
    packet_class,
    sd_class,
    silent_row,
)
from shared.domain.sighting import Sighting, Window


class Shape(StrEnum):
    """What the 95 % region looks like; a person is told in words."""

    ELLIPSE = "ellipse"
    RING = "ring"
    TWO_PLACES = "two-places"


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


@dataclass(frozen=True, slots=True)
class Fix:
    """A position that states its error.

    at_ms: event time of the newest evidence, epoch ms UTC. center: posterior mean.
    ellipse50, ellipse95: from the posterior covariance, tempered until coverage is honest.
    method: "radio" or "gps". heard: sources used, strongest first; silent: alive sources whose
    silence was used. reason: code of the sentence that says why (i18n `fix.*`).
    """

    at_ms: int
    center: LatLon
    ellipse50: Ellipse
    ellipse95: Ellipse
    shape: Shape
    method: str
    heard: tuple[str, ...]
    silent: tuple[str, ...]
    reason: str


CHI2_50, CHI2_95 = 1.386, 5.991  # squared Mahalanobis radii of a two-dimensional Gaussian
MAX_HEARD = 12  # the strongest are enough; a beacon heard by 300 phones costs no more


class _Evidence(NamedTuple):
    """One receiver's share of the moment: mean strength over its packets, and packets per interval."""

    receiver: Receiver
    rssi_dbm: int
    packets: int


def locate(
    sightings: Sequence[Sighting],
    receivers: Mapping[str, Receiver],
    silent: Sequence[Receiver] = (),
    *,
    model: RadioModel = OUTDOOR,
    ground: Ground | None = None,
) -> Fix | None:
    """Where one beacon is, from the newest `model.span_ms` of its sightings; any order, any duplicates.

    receivers: the tenant's own, by source id; a sighting with `where` brings its own place (a moving
    phone, a neighbour's scanner), any other unknown source is ignored. silent: receivers alive at that
    moment; those that heard are not counted as silent, so one tuple of all that are alive serves every
    beacon, and is fastest. ground: the site's cells, in place of a lattice about the strongest receiver.
    None when no known source heard.
    """
    evidence = _moment(sightings, receivers, model)
    if not evidence:
        return None
    alive = _Same(silent if isinstance(silent, tuple) else tuple(silent))
    anchor = evidence[0].receiver
    if ground is not None:
        near = _neighbourhood(model, ground.origin, 0.0, alive, ground)
    elif anchor.accuracy_m == 0:
        near = _neighbourhood(model, anchor.at, _reach_m(model, evidence[0]), alive, None)
    else:  # a moving receiver is never met in this place again
        near = _Neighbourhood(model, anchor.at, _reach_m(model, evidence[0]), alive, None)
    return _fix(near, max([s.at_ms for s in sightings]), evidence)


def track(
    window: Window,
    receivers: Mapping[str, Receiver],
    silent: Sequence[Receiver] = (),
    *,
    model: RadioModel = OUTDOOR,
) -> Fix | None:
    """Where one beacon is now, from its whole window; any order, any duplicates. Otherwise as `locate`."""
    return locate(window.sightings, receivers, silent, model=model)


def gps_fix(at: LatLon, accuracy_m: float, at_ms: int) -> Fix:
    """A calling phone's own position. accuracy_m: 68 % radius, as phones state it."""
    sd_m = max(accuracy_m, 1.0) / 1.515  # 68 % of a circular Gaussian lie within 1.515 sd
    return Fix(
        at_ms=at_ms,
        center=at,
        ellipse50=Ellipse(at, sd_m * math.sqrt(CHI2_50), sd_m * math.sqrt(CHI2_50), 0.0, 0.5),
        ellipse95=Ellipse(at, sd_m * math.sqrt(CHI2_95), sd_m * math.sqrt(CHI2_95), 0.0, 0.95),
        shape=Shape.ELLIPSE,
        method="gps",
        heard=(),
        silent=(),
        reason="gps",
    )


class _Same:
    """A tuple compared by identity: alive receivers are many, and hashing them is dearer than a fix."""

    __slots__ = ("items",)

    def __init__(self, items: tuple[Receiver, ...]) -> None:
        self.items = items

    def __hash__(self) -> int:
        return id(self.items)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.items is self.items


class _Lattice(NamedTuple):
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


def _moment(
    sightings: Sequence[Sighting], receivers: Mapping[str, Receiver], model: RadioModel
) -> list[_Evidence]:
    """The newest `span_ms` in one piece per receiver, strongest first; a pure function of the set."""
    if not sightings:
        return []
    since_ms = max(s.at_ms for s in sightings) - model.span_ms
    by_source: dict[str, list[Sighting]] = {}
    for s in {s for s in sightings if s.at_ms > since_ms}:
        if s.where is not None or s.source_id in receivers:
            by_source.setdefault(s.source_id, []).append(s)
    evidence = [_summed(heard, receivers, model) for _, heard in sorted(by_source.items())]
    evidence.sort(key=lambda e: (e.receiver.offset_db - e.rssi_dbm, e.receiver.source_id))
    return evidence[:MAX_HEARD]


def _summed(heard: list[Sighting], receivers: Mapping[str, Receiver], model: RadioModel) -> _Evidence:
    newest = heard[0] if len(heard) == 1 else max(heard)
    packets = sum([s.packets for s in heard])
    rssi_dbm = round(sum([s.packets * s.rssi_dbm for s in heard]) / packets)
    if newest.where is None:
        receiver = receivers[newest.source_id]
    else:
        receiver = Receiver(newest.source_id, newest.where, accuracy_m=newest.accuracy_m)
    return _Evidence(receiver, rssi_dbm, packet_class(model, packets // len(heard)))


def _reach_m(model: RadioModel, strongest: _Evidence) -> float:
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
def _lattice(radius_m: float, cells: int) -> _Lattice:
    finest_m = radius_m / 4 / cells
    made: list[tuple[float, float, float]] = []
    for level in range(3):
        step_m = finest_m * 2**level
        hole_m = 0.0 if level == 0 else step_m * cells / 2
        centres = [(i + 0.5) * step_m for i in range(-cells, cells)]
        made += [(x, y, step_m) for x in centres for y in centres if max(abs(x), abs(y)) > hole_m]
    return _Lattice(
        tuple(x for x, _, _ in made),
        tuple(y for _, y, _ in made),
        tuple(x * x + h * h / 12 for x, _, h in made),
        tuple(y * y + h * h / 12 for _, y, h in made),
        tuple((h / finest_m) ** 2 for _, _, h in made),
    )


class _Neighbourhood:
    """What does not depend on the beacon: a lattice about one receiver, and the living ones near it."""

    __slots__ = ("_gathers", "lattice", "model", "near_ids", "plane", "silent_mass")

    def __init__(
        self, model: RadioModel, center: LatLon, radius_m: float, alive: _Same, ground: Ground | None
    ) -> None:
        self.model, self.plane = model, Plane(center)
        self.lattice = _lattice(radius_m, model.cells) if ground is None else _cells_of(ground)
        self._gathers: dict[Receiver, _Gather] = {}
        near = [r for r in alive.items if ground is not None or self._may_hear(r, radius_m)]
        self.near_ids = dict.fromkeys(r.source_id for r in near)
        self.silent_mass = [self._silent(near, gain) for gain in _gains(model)]

    def mass(self, evidence: Sequence[_Evidence]) -> list[float]:
        """Posterior mass of each cell, not normalised."""
        terms = [self._term(e) for e in evidence]
        total: list[float] = []
        for k, silent in enumerate(self.silent_mass):
            weights: Iterable[float] = silent
            for pick, rows in terms:
                weights = map(mul, weights, pick(rows[k]))
            total = list(map(add, total, weights)) if total else list(weights)
        return total

    def _term(self, e: _Evidence) -> tuple[_Pick, list[tuple[float, ...]]]:
        r = e.receiver
        if r.accuracy_m == 0:
            gather = self._gathers.get(r)
            if gather is None:
                gather = self._gathers[r] = self._columns(r)
        else:  # a moving receiver: its place is its own, and blurred; nothing to share
            gather = self._columns(r)
            distance_m = math.hypot(self.model.range_m(e.rssi_dbm - r.offset_db), r.accuracy_m)
            blur_db = 10 * self.model.exponent / math.log(10) * r.accuracy_m / distance_m
            gather = _Gather(gather.pick, (sd_class(math.hypot(r.sd_db, blur_db)),))
        over_silence = r.source_id in self.near_ids
        return gather.pick, _rows(self.model, gather.sds, e.packets, e.rssi_dbm, over_silence)

    def _may_hear(self, r: Receiver, radius_m: float) -> bool:
        """Whether it is near enough that its silence says something about a cell."""
        hears_m = self.model.range_m(self.model.threshold_dbm - r.offset_db - 2 * r.sd_db)
        return math.hypot(*self.plane.to_xy(r.at)) < radius_m + hears_m

    def _silent(self, near: Sequence[Receiver], gain: tuple[int, float]) -> tuple[float, ...]:
        """Prior mass of each cell, times the likelihood that all these are silent."""
        columns, weight = gain
        mass: Iterable[float] = [weight * a for a in self.lattice.area]
        for r in near:
            gather = self._columns(r)
            row = [v for sd in gather.sds for v in _shifted(silent_row(self.model, sd), columns)]
            mass = map(mul, mass, gather.pick(tuple(row)))
        return tuple(mass)

    def _columns(self, r: Receiver) -> _Gather:
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


_neighbourhood = lru_cache(maxsize=1024)(_Neighbourhood)


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


NEGLIGIBLE = 1e-3
"""Cells with less than this share of the heaviest one do not change an ellipse."""


def _cells_of(ground: Ground) -> _Lattice:
    h = ground.cell_m
    cells = [
        (k % ground.columns * h, k // ground.columns * h, w) for k, w in enumerate(ground.weight) if w > 0
    ]
    return _Lattice(
        tuple(x for x, _, _ in cells),
        tuple(y for _, y, _ in cells),
        tuple(x * x + h * h / 12 for x, _, _ in cells),
        tuple(y * y + h * h / 12 for _, y, _ in cells),
        tuple(w for _, _, w in cells),
    )


def _fix(near: _Neighbourhood, at_ms: int, evidence: Sequence[_Evidence]) -> Fix:
    lattice, mass = near.lattice, near.mass(evidence)
    xs, ys = lattice.xs, lattice.ys
    total = sum(mass)
    mass_x = list(map(mul, mass, xs))
    mx, my = sum(mass_x) / total, sum(map(mul, mass, ys)) / total
    xx = sum(map(mul, mass, lattice.xx)) / total - mx * mx
    yy = sum(map(mul, mass, lattice.yy)) / total - my * my
    xy = sum(map(mul, mass_x, ys)) / total - mx * my
    det = xx * yy - xy * xy
    a, b, c = yy / det, -2 * xy / det, xx / det
    d, e, f = -2 * a * mx - b * my, -2 * c * my - b * mx, a * mx * mx + b * mx * my + c * my * my
    least = NEGLIGIBLE * max(mass)
    spread = sorted(
        [
            (x * (a * x + b * y + d) + y * (c * y + e) + f, m, i)
            for i, (x, y, m) in enumerate(zip(xs, ys, mass, strict=True))
            if m > least
        ]
    )
    center = near.plane.to_latlon(mx, my)
    axes = _axes(xx, xy, yy)
    heard = tuple([e.receiver.source_id for e in evidence])
    return Fix(
        at_ms=at_ms,
        center=center,
        ellipse50=_ellipse(center, axes, _holding(spread, 0.5), 0.5),
        ellipse95=_ellipse(center, axes, _holding(spread, 0.95), 0.95),
        shape=_shape(lattice, spread, (mx, my), axes),
        method="radio",
        heard=heard,
        silent=tuple([i for i in near.near_ids if i not in heard]),
        reason=_REASONS[min(len(evidence), 3) - 1],
    )


_REASONS = ("heard-by-one", "heard-by-two", "heard-by-many")
_Spread = Sequence[tuple[float, float, int]]
"""(squared Mahalanobis distance from the mean, mass, number) of the cells that matter, nearest first."""


class _Axes(NamedTuple):
    """sd along and across the major axis, metres, and its angle from east, radians."""

    major_m: float
    minor_m: float
    angle: float


def _axes(xx: float, xy: float, yy: float) -> _Axes:
    mean, half = (xx + yy) / 2, math.hypot((xx - yy) / 2, xy)
    return _Axes(math.sqrt(mean + half), math.sqrt(mean - half), 0.5 * math.atan2(2 * xy, xx - yy))


def _holding(spread: _Spread, confidence: float) -> float:
    """The squared Mahalanobis radius that holds `confidence` of the mass."""
    wanted = confidence * sum([mass for _, mass, _ in spread])
    before = 0.0
    for squared, mass, _ in spread:
        wanted -= mass
        if wanted <= 0:  # the cell straddles the edge: as far into it as its mass is needed
            return max(0.3, squared + (before - squared) * -wanted / mass)
        before = squared
    return max(0.3, before)


def _ellipse(center: LatLon, axes: _Axes, squared: float, confidence: float) -> Ellipse:
    grown = math.sqrt(squared)
    bearing_deg = (90 - math.degrees(axes.angle)) % 180
    return Ellipse(center, axes.major_m * grown, axes.minor_m * grown, bearing_deg, confidence)


def _shape(lattice: _Lattice, spread: _Spread, mean: tuple[float, float], axes: _Axes) -> Shape:
    """Ring or two places when the middle is hollow: the mean is then where the beacon is least likely.

    Two places are flat-topped along the line that joins them and not across it; a ring is so both ways.
    """
    area = lattice.area
    squared, mass, middle = spread[0]
    if squared < 0.5 and mass / area[middle] > 0.4 * max([m / area[i] for _, m, i in spread]):
        return Shape.ELLIPSE
    ux, uy = math.cos(axes.angle), math.sin(axes.angle)
    cells = [(m, lattice.xs[i] - mean[0], lattice.ys[i] - mean[1]) for _, m, i in spread]
    along = sum(m * (x * ux + y * uy) ** 4 for m, x, y in cells) / axes.major_m**4
    across = sum(m * (y * ux - x * uy) ** 4 for m, x, y in cells) / axes.minor_m**4
    return Shape.TWO_PLACES if along < 0.75 * across else Shape.RING
