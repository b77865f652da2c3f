"""Peers' published methods, written anew as plain baselines. Names are of the method.

Each takes receivers (k, 2) metres and their mean strength (k,) dBm, with the path loss (p0, n) that was
learned for us too, and answers (2,) metres or None.
"""

import math
from collections.abc import Callable

import numpy as np
from scipy.optimize import least_squares, minimize

from infra.local.calibrate import Array

Peer = Callable[[Array, Array, float, float], "Array | None"]


def _range_m(rssi: Array, p0: float, n: float) -> Array:
    return np.asarray(np.clip(10 ** ((p0 - rssi) / (10 * n)), 0.1, 5_000.0))


def nearest(at: Array, rssi: Array, p0: float, n: float) -> Array | None:
    """Where the strongest receiver stands."""
    return np.asarray(at[int(np.argmax(rssi))])


def weighted_centroid(at: Array, rssi: Array, p0: float, n: float) -> Array | None:
    """Receivers weighted by one over their range."""
    w = 1 / _range_m(rssi, p0, n)
    return np.asarray((w[:, None] * at).sum(0) / w.sum())


def linear_least_squares(at: Array, rssi: Array, p0: float, n: float) -> Array | None:
    """Circles made linear by subtracting the last one; needs three."""
    if len(at) < 3:
        return None
    r = _range_m(rssi, p0, n)
    a = 2 * (at[:-1] - at[-1])
    b = (at[:-1] ** 2).sum(1) - (at[-1] ** 2).sum() - r[:-1] ** 2 + r[-1] ** 2
    return np.asarray(np.linalg.lstsq(a, b, rcond=None)[0])


def nlls(at: Array, rssi: Array, p0: float, n: float) -> Array | None:
    """Non-linear least squares of the ranges; needs three."""
    if len(at) < 3:
        return None
    r = _range_m(rssi, p0, n)
    start = weighted_centroid(at, rssi, p0, n)
    return np.asarray(least_squares(lambda p: np.hypot(*(p - at).T) - r, start, max_nfev=60).x)


def irls(at: Array, rssi: Array, p0: float, n: float) -> Array | None:
    """Gauss–Newton of the ranges, re-weighted by range and residual (home trilateration)."""
    if len(at) < 2:
        return None
    r = _range_m(rssi, p0, n)
    p = weighted_centroid(at, rssi, p0, n)
    assert p is not None
    for _ in range(20):
        way = p - at
        d = np.maximum(np.hypot(*way.T), 1e-3)
        residual = d - r
        w = 1 / (r**2 + 1) / (1 + np.abs(residual) / r)
        jacobian = way / d[:, None]
        normal = (jacobian * w[:, None]).T @ jacobian + 1e-6 * np.eye(2)
        step = np.linalg.solve(normal, -(jacobian * w[:, None]).T @ residual)
        p = p + np.clip(step, -20, 20)
        if float(np.hypot(*step)) < 1e-2:
            break
    return np.asarray(p)


def mle(at: Array, rssi: Array, p0: float, n: float) -> Array | None:
    """Maximum likelihood of the strengths that were heard, Gaussian in dB, by a simplex search."""

    def cost(p: Array) -> float:
        d = np.maximum(np.hypot(*(p - at).T), 1.0)
        return float(((rssi - p0 + 10 * n * np.log10(d)) ** 2).sum())

    start = weighted_centroid(at, rssi, p0, n)
    return np.asarray(minimize(cost, start, method="Nelder-Mead", options={"maxiter": 120}).x)


def nadaraya_watson(at: Array, rssi: Array, p0: float, n: float) -> Array | None:
    """Kernel average of the receivers, Gaussian in strength below the strongest."""
    w = np.exp(-(((rssi - rssi.max()) / 8.0) ** 2) / 2)
    return np.asarray((w[:, None] * at).sum(0) / w.sum())


PEERS: dict[str, Peer] = {
    "nearest scanner": nearest,
    "weighted centroid": weighted_centroid,
    "linear least squares": linear_least_squares,
    "NLLS": nlls,
    "IRLS": irls,
    "MLE": mle,
    "Nadaraya–Watson": nadaraya_watson,
}
LIKELIHOOD_BASED = ("MLE",)


def knn(survey_at: Array, survey_rssi: Array, rssi: Array, k: int = 5) -> Array:
    """The mean of the k fingerprints nearest in strength over what both heard; the same training data."""
    both = ~np.isnan(survey_rssi) & ~np.isnan(rssi)
    gap = np.where(both, survey_rssi - rssi, 0.0)
    distance = np.where(both.sum(1) > 0, (gap**2).sum(1) / np.maximum(both.sum(1), 1), math.inf)
    return np.asarray(survey_at[np.argsort(distance)[:k]].mean(0))


def kalman(
    fixes: list[Array | None], step_s: float, *, noise_m: float, push_mps2: float = 0.3
) -> list[Array | None]:
    """The usual constant-velocity Kalman filter over a peer's fixes; a missing one is coasted."""
    f = np.eye(4)
    f[0, 2] = f[1, 3] = step_s
    g = np.array([[step_s**2 / 2, 0], [0, step_s**2 / 2], [step_s, 0], [0, step_s]])
    q = g @ g.T * push_mps2**2
    h = np.eye(2, 4)
    x, p = np.zeros(4), np.eye(4) * 1e4
    smooth: list[Array | None] = []
    begun = False
    for z in fixes:
        x, p = f @ x, f @ p @ f.T + q
        if z is not None:
            if not begun:
                x, p, begun = np.r_[z, 0, 0], np.diag([noise_m**2] * 2 + [1.0, 1.0]), True
            gain = p @ h.T @ np.linalg.inv(h @ p @ h.T + noise_m**2 * np.eye(2))
            x, p = x + gain @ (z - h @ x), (np.eye(4) - gain @ h) @ p
        smooth.append(x[:2].copy() if begun else None)
    return smooth
