"""Where the beacon is, with the error of that.

Mean, covariance and shape of the posterior (`lattice`), and words for what it rests on.
"""

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate
from operator import mul, truediv
from typing import NamedTuple, cast

from shared.domain.geo import Ellipse, LatLon, Plane
from shared.domain.lattice import Lattice, Same, neighbourhood_of
from shared.domain.past import past_of
from shared.domain.radio import OUTDOOR, RadioModel
from shared.domain.receiver import Ground as Ground  # noqa: PLC0414  one vocabulary for callers
from shared.domain.receiver import RadioMap as RadioMap  # noqa: PLC0414
from shared.domain.receiver import Receiver as Receiver  # noqa: PLC0414
from shared.domain.receiver import evidence_of
from shared.domain.sighting import Sighting, Window


class Shape(StrEnum):
    """What the 95 % region looks like; a person is told in words."""

    ELLIPSE = "ellipse"
    RING = "ring"
    TWO_PLACES = "two-places"


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
    return _located(sightings, receivers, Same.of(silent), model, ground, window=None)


def track(
    window: Window,
    receivers: Mapping[str, Receiver],
    silent: Sequence[Receiver] = (),
    *,
    model: RadioModel = OUTDOOR,
) -> Fix | None:
    """Where one beacon is now, from its whole window; any order, any duplicates. Otherwise as `locate`.

    The newest moment as `locate` sees it, and what the moments before leave possible (`past`): between two
    places or around a ring it is where it can have got to.
    """
    return _located(window.sightings, receivers, Same.of(silent), model, None, window=window)


def _located(
    sightings: Sequence[Sighting],
    receivers: Mapping[str, Receiver],
    alive: Same,
    model: RadioModel,
    ground: Ground | None,
    *,
    window: Window | None,
) -> Fix | None:
    evidence = evidence_of(sightings, receivers, model)
    if not evidence:
        return None
    near = neighbourhood_of(evidence, alive, model, ground)
    points, mass = near.posterior(evidence)
    past = past_of(window, receivers, alive, model, near.plane) if window else None
    heard = tuple([e.receiver.source_id for e in evidence])
    return fix_of(
        near.plane,
        points,
        past.weight(points, mass) if past else mass,
        at_ms=max([s.at_ms for s in sightings]),
        heard=heard,
        silent=tuple([i for i in near.near_ids if i not in heard]),
    )


def beside(sightings: Sequence[Sighting], *, model: RadioModel = OUTDOOR) -> Fix | None:
    """Where a beacon within reach is: at the phone that hears it best, give or take strength and GPS.

    From the newest report of a source that brings its place, at most BESIDE_MS older than what came last;
    any order, any duplicates. A hundredth of the work of `locate`, and a child who is with the group needs
    no more. None when there is no such report.
    """
    if not sightings:
        return None
    newest_ms = max([s.at_ms for s in sightings])
    moving = [s for s in sightings if s.where is not None and s.at_ms > newest_ms - BESIDE_MS]
    if not moving:
        return None
    since_ms = max([s.at_ms for s in moving]) - model.span_ms
    best, sources = moving[0], set()
    for s in moving:
        if s.at_ms > since_ms:
            sources.add(s.source_id)
            if best.at_ms <= since_ms or _louder(s) > _louder(best):
                best = s
    off_m = model.range_m(best.rssi_dbm - BODY_DB)
    sources.discard(best.source_id)
    return _circle(
        cast(LatLon, best.where),
        math.hypot(best.accuracy_m, off_m),
        best.at_ms,
        method="radio",
        heard=(best.source_id, *sorted(sources)),
        reason="beside-phone",
    )


def _louder(s: Sighting) -> tuple[int, int, str]:
    return s.rssi_dbm, s.at_ms, s.source_id


BESIDE_MS = 10_000
BODY_DB = 6.0
"""What a body between takes, about."""


def gps_fix(at: LatLon, accuracy_m: float, at_ms: int) -> Fix:
    """A calling phone's own position. accuracy_m: 68 % radius, as phones state it."""
    return _circle(at, accuracy_m, at_ms, method="gps", heard=(), reason="gps")


_SD = 1 / 1.515  # 68 % of a circular Gaussian lie within 1.515 sd
_WITHIN_50, _WITHIN_95 = _SD * math.sqrt(CHI2_50), _SD * math.sqrt(CHI2_95)


def _circle(
    at: LatLon, accuracy_m: float, at_ms: int, *, method: str, heard: tuple[str, ...], reason: str
) -> Fix:
    """accuracy_m: 68 % radius, at least 1 m."""
    half_m, most_m = max(accuracy_m, 1.0) * _WITHIN_50, max(accuracy_m, 1.0) * _WITHIN_95
    return Fix(
        at_ms=at_ms,
        center=at,
        ellipse50=Ellipse(at, half_m, half_m, 0.0, 0.5),
        ellipse95=Ellipse(at, most_m, most_m, 0.0, 0.95),
        shape=Shape.ELLIPSE,
        method=method,
        heard=heard,
        silent=(),
        reason=reason,
    )


def fix_of(
    plane: Plane,
    points: Lattice,
    mass: Sequence[float],
    *,
    at_ms: int,
    heard: tuple[str, ...],
    silent: tuple[str, ...],
) -> Fix:
    """The fix that a posterior amounts to. mass: (n,) of the points, not normalised; n at least 2."""
    xs, ys = points.xs, points.ys
    total = sum(mass)
    mass_x, mass_y = list(map(mul, mass, xs)), list(map(mul, mass, ys))
    mx, my = sum(mass_x) / total, sum(mass_y) / total
    xx = max(sum(map(mul, mass, points.xx)) / total - mx * mx, 0.01)
    yy = max(sum(map(mul, mass, points.yy)) / total - my * my, 0.01)
    xy = sum(map(mul, mass_x, ys)) / total - mx * my
    det = max(xx * yy - xy * xy, 1e-4 * xx * yy)
    a, b, c = yy / det, -2 * xy / det, xx / det
    d, e, f = -2 * a * mx - b * my, -2 * c * my - b * mx, a * mx * mx + b * mx * my + c * my * my
    squared = [(a * x + b * y + d) * x + (c * y + e) * y + f for x, y in zip(xs, ys, strict=True)]
    order = sorted(range(len(squared)), key=squared.__getitem__)
    held = list(accumulate([mass[i] for i in order]))
    half, most = [_radius(squared, mass, order, held, share * held[-1]) for share in (0.5, 0.95)]
    center, axes = plane.to_latlon(mx, my), _axes(xx, xy, yy)
    return Fix(
        at_ms=at_ms,
        center=center,
        ellipse50=_ellipse(center, axes, half, 0.5),
        ellipse95=_ellipse(center, axes, most, 0.95),
        shape=_shape(points, mass, (mx, my), axes, (order[0], squared[order[0]])),
        method="radio",
        heard=heard,
        silent=silent,
        reason=_REASONS[min(len(heard), 3) - 1],
    )


_REASONS = ("heard-by-one", "heard-by-two", "heard-by-many")


class _Axes(NamedTuple):
    """sd along and across the major axis, metres, and its angle from east, radians."""

    major_m: float
    minor_m: float
    angle: float


def _axes(xx: float, xy: float, yy: float) -> _Axes:
    mean, half = (xx + yy) / 2, math.hypot((xx - yy) / 2, xy)
    return _Axes(
        math.sqrt(mean + half), math.sqrt(max(mean - half, 1e-4 * mean)), 0.5 * math.atan2(2 * xy, xx - yy)
    )


def _radius(
    squared: Sequence[float],
    mass: Sequence[float],
    order: Sequence[int],
    held: Sequence[float],
    wanted: float,
) -> float:
    """The squared Mahalanobis radius that holds the wanted mass. order: nearest first; held: up to each."""
    k = min(bisect_left(held, wanted), len(order) - 1)
    i = order[k]
    before = squared[order[k - 1]] if k else 0.0
    # the cell straddles the edge: as far into it as its mass is needed
    return max(0.3, squared[i] - (squared[i] - before) * (held[k] - wanted) / mass[i])


def _ellipse(center: LatLon, axes: _Axes, squared: float, confidence: float) -> Ellipse:
    grown = math.sqrt(squared)
    bearing_deg = (90 - math.degrees(axes.angle)) % 180
    return Ellipse(center, axes.major_m * grown, axes.minor_m * grown, bearing_deg, confidence)


def _shape(
    points: Lattice,
    mass: Sequence[float],
    mean: tuple[float, float],
    axes: _Axes,
    middle: tuple[int, float],
) -> Shape:
    """Ring or two places when the middle is hollow: the mean is then where the beacon is least likely.

    Two places are flat-topped along the line that joins them and not across it; a ring is so both ways.
    middle: the point nearest to the mean, and its squared Mahalanobis distance.
    """
    density = list(map(truediv, mass, points.area))
    if middle[1] < 0.5 and density[middle[0]] > 0.4 * max(density):
        return Shape.ELLIPSE
    ux, uy = math.cos(axes.angle), math.sin(axes.angle)
    mx, my = mean
    along, across = (
        sum(
            map(
                mul,
                mass,
                [(cx * (x - mx) + cy * (y - my)) ** 4 for x, y in zip(points.xs, points.ys, strict=True)],
            )
        )
        / sd_m**4
        for cx, cy, sd_m in ((ux, uy, axes.major_m), (-uy, ux, axes.minor_m))
    )
    return Shape.TWO_PLACES if along < 0.75 * across else Shape.RING
