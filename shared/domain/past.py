"""Where a beacon was a moment ago, as a prior for where it is now: the ordinary tier's memory.

Recomputed from the window each time, so any order gives the same. Each earlier interval is a Gaussian, its
information cut to a share, because its shadows are in part those of now; between them a child wanders
(Kalman). What is further off than a child can have got by now is unlikely, but never impossible: it may have
got into a car, a pole may be entered in the wrong place, and the next moment must be free to say so.
"""

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from shared.domain.geo import LatLon, Plane
from shared.domain.lattice import Lattice, Same, neighbourhood_of
from shared.domain.radio import RadioModel
from shared.domain.receiver import Evidence, Receiver, evidence_of
from shared.domain.sighting import WINDOW_MAX, Sighting, Window

SLOTS = 8
"""Earlier intervals that count; a child is elsewhere after more."""
SHARE, NOW = 0.06, 0.85
"""How much of its information an earlier moment keeps, and the power the newest is raised to: fitted on walks
with shadows that last, so that the ellipse still holds 95 % of a child that stands still in one."""
WANDERS_M2_PER_S = 6.0
"""Variance that a child's place gains a second, per axis: 0.85 m/s kept up for 20 s, ten seconds on."""
JUMPED = 13.8  # squared distance, in sd, that one step in a thousand goes: the track begins anew
FAR_OFF = 0.02
"""What a place out of reach keeps of its likelihood."""


class Past(NamedTuple):
    """A Gaussian on a plane: mean, metres, and covariance, m²."""

    x: float
    y: float
    xx: float
    xy: float
    yy: float

    def weight(self, points: Lattice, mass: Sequence[float]) -> list[float]:
        """`mass`, less where the beacon can hardly have got to."""
        det = self.xx * self.yy - self.xy * self.xy
        a, b, c = -0.5 * self.yy / det, self.xy / det, -0.5 * self.xx / det
        exp, mx, my = math.exp, self.x, self.y
        return [
            m**NOW * (FAR_OFF + exp((a * (x - mx) + b * (y - my)) * (x - mx) + c * (y - my) ** 2))
            for m, x, y in zip(mass, points.xs, points.ys, strict=True)
        ]


def past_of(
    window: Window,
    receivers: Mapping[str, Receiver],
    alive: Same,
    model: RadioModel,
    plane: Plane,
) -> Past | None:
    """Where it may be at the window's newest sighting, by what was heard before `model.span_ms` ago."""
    known: Past | None = None
    before = 0
    for slot, heard in _slots(window, model):
        evidence = evidence_of(heard, receivers, model)
        if not evidence:
            continue
        seen = _moment(tuple(evidence), alive, model)
        x, y = plane.to_xy(seen[0])
        new = Past(x, y, *(v / SHARE for v in seen[1]))
        known = new if known is None else _met(_spread(known, (slot - before) * model.interval_ms), new)
        before = slot
    if known is None:
        return None
    return _spread(known, window.newest_ms - before * model.interval_ms - model.interval_ms // 2)


def _slots(window: Window, model: RadioModel) -> list[tuple[int, list[Sighting]]]:
    """The last whole intervals before the newest moment, oldest first."""
    until = (window.newest_ms - model.span_ms) // model.interval_ms
    since = until - SLOTS
    if len(window.sightings) == WINDOW_MAX:  # cut: who is missing from its oldest interval need not be silent
        since = max(since, window.sightings[0].at_ms // model.interval_ms + 1)
    slots: dict[int, list[Sighting]] = {}
    for s in window.sightings:
        slot = s.at_ms // model.interval_ms
        if since <= slot < until:
            slots.setdefault(slot, []).append(s)
    return sorted(slots.items())


@lru_cache(maxsize=4096)
def _moment(
    evidence: tuple[Evidence, ...], alive: Same, model: RadioModel
) -> tuple[LatLon, tuple[float, float, float]]:
    """Mean and covariance (xx, xy, yy) of what one interval says alone."""
    near = neighbourhood_of(evidence, alive, model)
    points, mass = near.posterior(evidence)
    total = sum(mass)
    x = sum(m * v for m, v in zip(mass, points.xs, strict=True)) / total
    y = sum(m * v for m, v in zip(mass, points.ys, strict=True)) / total
    xx = sum(m * v for m, v in zip(mass, points.xx, strict=True)) / total - x * x
    yy = sum(m * v for m, v in zip(mass, points.yy, strict=True)) / total - y * y
    xy = sum(m * u * v for m, u, v in zip(mass, points.xs, points.ys, strict=True)) / total - x * y
    return near.plane.to_latlon(x, y), (max(xx, 0.01), xy, max(yy, 0.01))


def forget() -> None:
    """Forget the moments that are remembered, as a new process would have: for measuring what they cost."""
    _moment.cache_clear()


def _spread(at: Past, after_ms: int) -> Past:
    wandered = WANDERS_M2_PER_S * max(after_ms, 0) / 1000
    return at._replace(xx=at.xx + wandered, yy=at.yy + wandered)


def _met(known: Past, new: Past) -> Past:
    """What two independent Gaussians say together; the newer one alone where they contradict."""
    dx, dy = new.x - known.x, new.y - known.y
    sxx, sxy, syy = known.xx + new.xx, known.xy + new.xy, known.yy + new.yy
    det = sxx * syy - sxy * sxy
    if (syy * dx * dx - 2 * sxy * dx * dy + sxx * dy * dy) / det > JUMPED:
        return new
    kxx, kxy = (known.xx * syy - known.xy * sxy) / det, (known.xy * sxx - known.xx * sxy) / det
    kyx, kyy = (known.xy * syy - known.yy * sxy) / det, (known.yy * sxx - known.xy * sxy) / det
    return Past(
        known.x + kxx * dx + kxy * dy,
        known.y + kyx * dx + kyy * dy,
        known.xx - kxx * known.xx - kxy * known.xy,
        known.xy - kxx * known.xy - kxy * known.yy,
        known.yy - kyx * known.xy - kyy * known.yy,
    )
