"""The simulated pole grid: windows and walks with truth, the Bayes floor and the Cramér–Rao bounds.

n 2.7, −59 dBm at 1 m, shadowing 6 dB, fading 3 dB, threshold −95 dBm, 10 packets in 2 s. A walk is
Ornstein–Uhlenbeck in velocity, 0.85 m/s per axis, memory 20 s (1.2 m/s on the whole). Shadowing is drawn
anew per window and link (independent), or decorrelates over 10 m of walking (correlated).

Bounds: with I(mu) the Fisher information about a link's mean strength mu in what is seen of it (packets
and their mean, silence included), J = sum_i I(mu_i) (10 n / (ln 10 d_i))² u_i u_iᵀ; static bound
sqrt(mean trace J⁻¹) (Kay, Estimation Theory, 3.6). It bounds unbiased estimators and looks no further than
the slope at the true place; beside poles that is too hopeful, and the Bayes floor stands above it. Tracked
J_k = (Q + F J_{k−1}⁻¹ Fᵀ)⁻¹ + J(p_k) on the true path (Tichavský, Muravchik, Nehorai 1998, equation 21,
conditional on the path).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from scipy.special import ndtr

from infra.local.calibrate import Array
from shared.domain.geo import LatLon, Plane
from shared.domain.position import Receiver
from shared.domain.radio import OUTDOOR
from shared.domain.sighting import Sighting

PLANE = Plane(LatLon(37.5, 127.0))
KNOWN = replace(OUTDOOR, gain_sd_db=0.0, loss=0.0, temper_silent=1.0, floor=1e-9)
"""The estimator's model with this world's constants."""
SPEED, TAU_S, STEP_S = 0.85, 20.0, 2.0
START_MS = 1_000_000_000


@dataclass(frozen=True)
class Grid:
    """Poles `spacing_m` apart. poles: (m, 2) metres."""

    spacing_m: float
    ids: tuple[str, ...]
    poles: Array
    receivers: dict[str, Receiver]
    alive: tuple[Receiver, ...]


@dataclass(frozen=True)
class Moment:
    """packets, rssi: (m,) per pole; 0 packets where silent. at: (2,) truth."""

    at: Array
    packets: Array
    rssi: Array
    sightings: tuple[Sighting, ...]


def grid(spacing_m: float, side: int) -> Grid:
    """side × side poles around the origin."""
    axis = (np.arange(side) - (side - 1) / 2) * spacing_m
    poles = np.array([(x, y) for x in axis for y in axis])
    ids = tuple(f"s{k:03d}" for k in range(len(poles)))
    receivers = {n: Receiver(n, PLANE.to_latlon(*p)) for n, p in zip(ids, poles, strict=True)}
    return Grid(spacing_m, ids, poles, receivers, tuple(receivers.values()))


def heard(g: Grid, at: Array, shadow: Array, rng: np.random.Generator, at_ms: int) -> Moment:
    d = np.maximum(1.0, np.hypot(*(g.poles - at).T))
    strength = -59 - 27 * np.log10(d) + shadow
    r = strength[:, None] + rng.normal(0, 3, (len(d), 10))
    decoded = r >= -95
    n = decoded.sum(1)
    mean = np.round((r * decoded).sum(1) / np.maximum(n, 1))
    sightings = tuple(Sighting(at_ms, g.ids[k], int(mean[k]), int(n[k])) for k in np.flatnonzero(n))
    return Moment(at, n.astype(float), mean, sightings)


def windows(g: Grid, count: int, seed: int) -> list[Moment]:
    """Moments at places drawn evenly from the middle cell; those nobody heard are left out."""
    rng = np.random.default_rng(seed)
    places = rng.uniform(-g.spacing_m / 2, g.spacing_m / 2, (count, 2))
    made = [heard(g, p, rng.normal(0, 6, len(g.poles)), rng, START_MS) for p in places]
    return [m for m in made if m.sightings]


def walk(g: Grid, slots: int, seed: int, *, correlated: bool) -> list[Moment]:
    """One walk from the middle cell, a moment every 2 s."""
    rng = np.random.default_rng([seed, correlated])
    keep = math.exp(-STEP_S / TAU_S)
    v, at = rng.normal(0, SPEED, 2), rng.uniform(-g.spacing_m / 2, g.spacing_m / 2, 2)
    shadow = rng.normal(0, 6, len(g.poles))
    made = []
    for k in range(slots):
        v_next = keep * v + SPEED * math.sqrt(1 - keep**2) * rng.normal(size=2)
        step = STEP_S * (v + v_next) / 2
        at, v = at + step, v_next
        rho = math.exp(-float(np.hypot(*step)) / 10) if correlated else 0.0
        shadow = rho * shadow + math.sqrt(1 - rho**2) * rng.normal(0, 6, len(g.poles))
        made.append(heard(g, at, shadow, rng, START_MS + int((k + 0.5) * STEP_S * 1000)))
    return made


_MU = np.arange(-150.0, -20.0, 0.25)
_S = np.arange(-190.0, 20.0, 0.25)


@cache
def _kernel() -> Array:
    k = np.exp(-((_S[None] - _MU[:, None]) ** 2) / 72)
    return np.asarray(k / k.sum(1, keepdims=True))


@cache
def _log_likelihood(packets: int, rssi: float) -> Array:
    """(len(_MU),) the exact one, unlike the estimator's: no classes, no floor, quarter-dB columns."""
    missed = ndtr((-95 - _S) / 3) ** (10 - packets)
    seen = np.exp(-packets * (rssi - _S) ** 2 / (2 * (9 + packets / 12))) if packets else 1.0
    return np.asarray(np.log(np.maximum(_kernel() @ (seen * missed), 1e-300)))


def bayes_floor(g: Grid, moments: Sequence[Moment]) -> Array:
    """(n, 2) posterior means on a fine lattice with the true model: no estimator has a smaller RMSE.

    The lattice reaches six poles out: with a closer edge it would know whereabouts the windows are drawn.
    """
    step_m, half_m = g.spacing_m / 16, 6 * g.spacing_m
    axis = np.arange(-half_m, half_m + step_m / 2, step_m)
    x, y = (a.ravel() for a in np.meshgrid(axis, axis))
    column = np.empty((len(g.poles), len(x)), np.int16)
    for i, (px, py) in enumerate(g.poles):
        mu = -59 - 13.5 * np.log10(np.maximum(1.0, (x - px) ** 2 + (y - py) ** 2))
        column[i] = np.clip(np.round((mu - _MU[0]) / 0.25), 0, len(_MU) - 1)
    quiet = _log_likelihood(0, 0.0)
    silent = np.zeros(len(x))
    for c in column:
        silent += quiet[c]
    means = []
    for m in moments:
        log_post = silent.copy()
        for k in np.flatnonzero(m.packets):
            log_post += (_log_likelihood(int(m.packets[k]), float(m.rssi[k])) - quiet)[column[k]]
        w = np.exp(log_post - log_post.max())
        means.append((float(w @ x) / w.sum(), float(w @ y) / w.sum()))
    return np.array(means)


@cache
def _information() -> tuple[Array, Array]:
    """(mu, I(mu)): expected squared slope of the log-likelihood, by simulation."""
    rng = np.random.default_rng(5)
    at = np.arange(-145.0, -30.0, 2.0)
    found = []
    for mu in at:
        strength = mu + rng.normal(0, 6, 400)
        r = strength[:, None] + rng.normal(0, 3, (400, 10))
        decoded = r >= -95
        n = decoded.sum(1)
        mean = np.round((r * decoded).sum(1) / np.maximum(n, 1))
        k = round(float(mu - _MU[0]) / 0.25)
        slope = [(row[k + 2] - row[k - 2]) for row in map(_log_likelihood, n.tolist(), mean.tolist())]
        found.append(float(np.mean(np.square(slope))))
    return at, np.array(found)


def information(g: Grid, at: Array) -> Array:
    """(2, 2) expected information about a place."""
    way = at - g.poles
    d = np.maximum(1.0, np.hypot(*way.T))
    u = way / d[:, None]
    weight = np.interp(-59 - 27 * np.log10(d), *_information()) * (27 / math.log(10) / d) ** 2
    return np.asarray((weight[:, None, None] * u[:, :, None] * u[:, None, :]).sum(0))


def static_bound_m(g: Grid, moments: Sequence[Moment]) -> float:
    """RMS of the Cramér–Rao bound over the places of these moments."""
    return math.sqrt(float(np.mean([np.trace(np.linalg.inv(information(g, m.at))) for m in moments])))


def tracked_bound_m(g: Grid, walks: Sequence[Sequence[Moment]], skip: int) -> float:
    """RMS of the tracking bound conditional on the true paths, without each walk's first `skip` moments."""
    keep = math.exp(-STEP_S / TAU_S)
    move = np.eye(4)
    move[0, 2] = move[1, 3] = STEP_S * (1 + keep) / 2
    move[2, 2] = move[3, 3] = keep
    push = np.array([[STEP_S / 2, 0], [0, STEP_S / 2], [1, 0], [0, 1]])
    noise = SPEED**2 * (1 - keep**2) * push @ push.T + 1e-6 * np.eye(4)
    traces = []
    for w in walks:
        j = np.diag([12 / g.spacing_m**2] * 2 + [1 / SPEED**2] * 2)
        for k, m in enumerate(w):
            if k:
                j = np.linalg.inv(noise + move @ np.linalg.inv(j) @ move.T)
            j[:2, :2] += information(g, m.at)
            if k >= skip:
                traces.append(float(np.trace(np.linalg.inv(j)[:2, :2])))
    return math.sqrt(float(np.mean(traces)))
