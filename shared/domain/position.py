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
from operator import itemgetter, mul, truediv
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


@dataclass(frozen=True, slots=True)
class Receiver:
    """Something that hears: a pole scanner, or a phone where it was at that moment.

    accuracy_m: 68 % radius of `at`, 0 when surveyed. offset_db, sd_db: learned per scanner.
    """

    source_id: str
    at: LatLon
    offset_db: float = 0.0
    sd_db: float = 6.0
    accuracy_m: float = 0.0


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


CELLS_ACROSS = 23  # lattice cells across the disc that may hold the beacon: ~400 in all
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
) -> Fix | None:
    """Where one beacon is, from the newest `model.span_ms` of its sightings; any order, any duplicates.

    receivers: the tenant's own, by source id; a sighting with `where` brings its own place (a moving
    phone, a neighbour's scanner), any other unknown source is ignored. silent: receivers alive at that
    moment; those that heard are not counted as silent, so one tuple of all that are alive serves every
    beacon, and is fastest. None when no known source heard.
    """
    evidence = _moment(sightings, receivers, model)
    if not evidence:
        return None
    cells = _posterior(evidence, silent, model)
    return _fix(cells, max(s.at_ms for s in sightings), evidence)


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


class _Cells(NamedTuple):
    """Weights over lattice cells, metres from `plane`'s origin; silent: ids whose silence counted."""

    plane: Plane
    xs: tuple[float, ...]
    ys: tuple[float, ...]
    step_m: float
    weights: list[float]
    silent: tuple[str, ...]


_Gather = Callable[[tuple[float, ...]], tuple[float, ...]]


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
    packets = sum(s.packets for s in heard)
    rssi_dbm = round(sum(s.packets * s.rssi_dbm for s in heard) / packets)
    newest = max(heard, key=lambda s: (s.at_ms, s.rssi_dbm, s.packets, s.accuracy_m))
    if newest.where is None:
        receiver = receivers[newest.source_id]
    else:
        receiver = Receiver(newest.source_id, newest.where, accuracy_m=newest.accuracy_m)
    return _Evidence(receiver, rssi_dbm, packet_class(model, packets / len(heard)))


def _posterior(evidence: Sequence[_Evidence], silent: Sequence[Receiver], model: RadioModel) -> _Cells:
    strongest = evidence[0]
    anchor = strongest.receiver
    radius_m = _reach_m(model, strongest)
    alive = _Same(silent if isinstance(silent, tuple) else tuple(silent))
    near = _near(model, anchor, radius_m, alive)
    near_ids = {r.source_id for r in near}
    total: list[float] | None = None
    for gain, prior in _gains(model):
        weights: Iterable[float] = _silent_map(model, anchor, radius_m, alive, gain)
        for e in evidence:
            gather, sd = _gather(model, anchor, e, radius_m)
            row = _row(model, sd, e.packets, e.rssi_dbm, gain, e.receiver.source_id in near_ids)
            weights = map(mul, weights, gather(row))
        if total is None:
            total = [prior * w for w in weights]
        else:
            total = [t + prior * w for t, w in zip(total, weights, strict=True)]
    xs, ys, step_m = _disc(radius_m)
    heard_ids = {e.receiver.source_id for e in evidence}
    used = tuple(r.source_id for r in near if r.source_id not in heard_ids)
    return _Cells(Plane(anchor.at), xs, ys, step_m, total or [], used)


def _reach_m(model: RadioModel, strongest: _Evidence) -> float:
    """Radius that surely holds the beacon, in steps of a quarter so that neighbourhoods are shared."""
    receiver = strongest.receiver
    spread_db = 2.7 * math.hypot(receiver.sd_db, model.gain_sd_db)
    far_m = model.range_m(strongest.rssi_dbm - receiver.offset_db - spread_db) + 2 * receiver.accuracy_m
    return float(2.0 ** (math.ceil(math.log2(max(far_m, 4.0)) * 3) / 3))


@lru_cache(maxsize=64)
def _gains(model: RadioModel) -> tuple[tuple[int, float], ...]:
    """Three-point Gauss–Hermite nodes of the common gain: (columns, weight)."""
    if model.gain_sd_db == 0:
        return ((0, 1.0),)
    node = round(math.sqrt(3) * model.gain_sd_db / MU_STEP_DB)
    return ((0, 2 / 3), (-node, 1 / 6), (node, 1 / 6))


@lru_cache(maxsize=64)
def _disc(radius_m: float) -> tuple[tuple[float, ...], tuple[float, ...], float]:
    step_m = 2 * radius_m / CELLS_ACROSS
    half = CELLS_ACROSS // 2
    cells = [
        (i * step_m, j * step_m)
        for i in range(-half, half + 1)
        for j in range(-half, half + 1)
        if math.hypot(i, j) * step_m <= radius_m
    ]
    return tuple(x for x, _ in cells), tuple(y for _, y in cells), step_m


def _gather(model: RadioModel, anchor: Receiver, e: _Evidence, radius_m: float) -> tuple[_Gather, int]:
    """Picks a row's values for every cell, and the class of the shadowing to read."""
    r = e.receiver
    if r.accuracy_m == 0 and anchor.accuracy_m == 0:
        return _columns(model, anchor, r, radius_m), sd_class(r.sd_db)
    distance_m = math.hypot(model.range_m(e.rssi_dbm - r.offset_db), r.accuracy_m)
    blur_db = 10 * model.exponent / math.log(10) * r.accuracy_m / distance_m
    return _columns.__wrapped__(model, anchor, r, radius_m), sd_class(math.hypot(r.sd_db, blur_db))


@lru_cache(maxsize=8192)
def _columns(model: RadioModel, anchor: Receiver, r: Receiver, radius_m: float) -> _Gather:
    xs, ys, _ = _disc(radius_m)
    rx, ry = Plane(anchor.at).to_xy(r.at)
    k, acc2 = 5 * model.exponent, r.accuracy_m**2
    mu0 = model.p0_dbm + r.offset_db
    return itemgetter(
        *(
            column(mu0 - k * math.log10(max((x - rx) ** 2 + (y - ry) ** 2 + acc2, 1.0)))
            for x, y in zip(xs, ys, strict=True)
        )
    )


@lru_cache(maxsize=4096)
def _near(model: RadioModel, anchor: Receiver, radius_m: float, alive: _Same) -> tuple[Receiver, ...]:
    """Alive receivers near enough that silence says something about a cell of the disc."""
    plane = Plane(anchor.at)
    near = []
    for r in alive.items:
        hears_m = model.range_m(model.threshold_dbm - r.offset_db - 2 * r.sd_db)
        if math.hypot(*plane.to_xy(r.at)) < radius_m + hears_m:
            near.append(r)
    return tuple(near)


@lru_cache(maxsize=4096)
def _silent_map(
    model: RadioModel, anchor: Receiver, radius_m: float, alive: _Same, gain: int
) -> tuple[float, ...]:
    weights: Iterable[float] = (1.0,) * len(_disc(radius_m)[0])
    for r in _near(model, anchor, radius_m, alive):
        row = _shifted(silent_row(model, sd_class(r.sd_db)), gain)
        weights = map(mul, weights, _columns(model, anchor, r, radius_m)(row))
    return tuple(weights)


@lru_cache(maxsize=32768)
def _row(  # noqa: PLR0917
    model: RadioModel,
    sd: int,
    packets: int,
    rssi_dbm: int,
    gain: int,
    over_silence: bool,  # noqa: FBT001
) -> tuple[float, ...]:
    """A heard row, shifted by a gain; over silence when the silent map already holds this receiver."""
    row = heard_row(model, sd, packets, rssi_dbm)
    if over_silence:
        row = tuple(map(truediv, row, silent_row(model, sd)))
    return _shifted(row, gain)


def _shifted(row: tuple[float, ...], columns: int) -> tuple[float, ...]:
    """The row read `columns` further right, its ends held."""
    return tuple(row[min(COLUMNS - 1, max(0, i + columns))] for i in range(COLUMNS))


def _fix(cells: _Cells, at_ms: int, evidence: Sequence[_Evidence]) -> Fix:
    w, xs, ys = cells.weights, cells.xs, cells.ys
    total = sum(w)
    wx, wy = list(map(mul, w, xs)), list(map(mul, w, ys))
    mx, my = sum(wx) / total, sum(wy) / total
    within = cells.step_m**2 / 12
    xx = sum(map(mul, wx, xs)) / total - mx * mx + within
    yy = sum(map(mul, wy, ys)) / total - my * my + within
    xy = sum(map(mul, wx, ys)) / total - mx * my
    det = xx * yy - xy * xy
    a, b, c = yy / det, -2 * xy / det, xx / det
    spread = sorted(
        (a * (x - mx) ** 2 + b * (x - mx) * (y - my) + c * (y - my) ** 2, weight)
        for x, y, weight in zip(xs, ys, w, strict=True)
    )
    center = cells.plane.to_latlon(mx, my)
    return Fix(
        at_ms=at_ms,
        center=center,
        ellipse50=_ellipse(center, xx, xy, yy, spread, total, 0.5),
        ellipse95=_ellipse(center, xx, xy, yy, spread, total, 0.95),
        shape=_shape(cells, mx, my, (xx, xy, yy)),
        method="radio",
        heard=tuple(e.receiver.source_id for e in evidence),
        silent=cells.silent,
        reason=("heard-by-one", "heard-by-two", "heard-by-many")[min(len(evidence), 3) - 1],
    )


def _ellipse(  # noqa: PLR0917
    center: LatLon,
    xx: float,
    xy: float,
    yy: float,
    spread: list[tuple[float, float]],
    total: float,
    confidence: float,
) -> Ellipse:
    """The covariance ellipse grown until it holds `confidence` of the posterior."""
    reached, squared = 0.0, 0.0
    for squared, weight in spread:  # noqa: B007
        reached += weight
        if reached >= confidence * total:
            break
    mean, half = (xx + yy) / 2, math.hypot((xx - yy) / 2, xy)
    bearing_deg = (90 - math.degrees(0.5 * math.atan2(2 * xy, xx - yy))) % 180
    squared = max(squared, 0.2)
    return Ellipse(
        center,
        math.sqrt((mean + half) * squared),
        math.sqrt(max(mean - half, 1e-9) * squared),
        bearing_deg,
        confidence,
    )


def _shape(cells: _Cells, mx: float, my: float, cov: tuple[float, float, float]) -> Shape:
    """Ring or two places when the middle is hollow: the mean is then where the beacon is least likely."""
    here = min(range(len(cells.xs)), key=lambda i: (cells.xs[i] - mx) ** 2 + (cells.ys[i] - my) ** 2)
    if cells.weights[here] > 0.4 * max(cells.weights):
        return Shape.ELLIPSE
    xx, xy, yy = cov
    angle = 0.5 * math.atan2(2 * xy, xx - yy)
    ux, uy = math.cos(angle), math.sin(angle)
    along2 = along4 = across2 = across4 = total = 0.0
    for x, y, w in zip(cells.xs, cells.ys, cells.weights, strict=True):
        u, v = (x - mx) * ux + (y - my) * uy, (y - my) * ux - (x - mx) * uy
        along2, along4 = along2 + w * u * u, along4 + w * u**4
        across2, across4 = across2 + w * v * v, across4 + w * v**4
        total += w
    flat_along, flat_across = along4 * total / along2**2, across4 * total / across2**2
    return Shape.TWO_PLACES if flat_along < 0.75 * flat_across else Shape.RING
