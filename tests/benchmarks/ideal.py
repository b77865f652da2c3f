"""What could be reached at all: a filter that knows the simulator's own statistics.

It hears every scan of both phones (not the sums the product gets), and knows the radio's constants, how
shadows are correlated, what bodies take, that a leaving child walks straight at exactly 0.4 m/s, how strays
stray and how children wander. It is the posterior of the true model by 8,000 particles, so no rule can tell
better from the same air, but for Monte Carlo error. It alarms at P(beyond reach) ≥ 0.5.
"""

import math
import os
import sys
from functools import lru_cache
from multiprocessing import get_context

import numpy as np
from rich.console import Console

from events.simulator.radio import SCAN_S, Air
from infra.local.calibrate import Array
from tests.benchmarks.outings import outing

CONSOLE = Console(width=120, force_terminal=sys.stdout.isatty())
PARTICLES = 8000
ALARM_AT = 0.5
FIRST_SEED = 2_000_000
_MEAN_BODY = float(np.mean(((1 + np.cos(np.linspace(0, 2 * np.pi, 3600, endpoint=False))) / 2) ** 1.5))
PLAYS, LEAVES, STRAYS, STAYS, RETURNS = range(5)


def bench_ideal(runs: int, reach_m: float) -> None:
    """Delays of `runs` departures at 0.4 m/s, and alarms for as many strays and quiet children."""
    jobs = [(kind, FIRST_SEED + n, reach_m) for n in range(runs) for kind in ("leaves", "strays", "park")]
    with get_context("fork").Pool(os.cpu_count()) as pool:
        found = pool.map(_alarm, jobs, chunksize=1)
    delays = np.array([math.inf if d is None else d for kind, d, _ in found if kind == "leaves"])
    false = {k: sum(n for kind, _, n in found if kind == k) for k in ("strays", "park")}
    CONSOLE.print(
        f"what could be reached at {reach_m:.0f} m: a filter that knows the simulator, {runs} departures\n"
        f"  alarm s p50/p95 {np.median(delays):.0f} / {np.sort(delays)[math.ceil(0.95 * runs) - 1]:.0f},"
        f" ≤ 30 s {100 * np.mean(delays <= 30):.0f} %, early {100 * np.mean(delays < -5):.0f} %;"
        f" false alarms: {false['strays']} for {runs} strays, {false['park']} for {runs} children in a park\n"
    )


def _alarm(job: tuple[str, int, float]) -> tuple[str, float | None, int]:
    """(kind, seconds from crossing to alarm, alarms within reach)."""
    kind, seed, reach_m = job
    run = outing(kind, seed, reach_m=reach_m)
    beyond = _filter(run.scans[0], reach_m, np.random.default_rng([seed, 9]))
    on = beyond >= ALARM_AT
    if run.gone is not None:
        first = np.flatnonzero(on[run.begins :])
        return kind, float((first[0] + run.begins + 1 - run.gone) * SCAN_S) if len(first) else None, 0
    inside = run.distance_m[0] <= reach_m
    begins = np.flatnonzero(on[1:] & ~on[:-1]) + 1
    return kind, None, int(sum(inside[max(0, k - 10) : k + 4].all() for k in begins))


def _filter(heard: Array, reach_m: float, rng: "np.random.Generator") -> Array:
    """(scans,) probability of being beyond reach after each scan. heard: (2, scans, 2)."""
    air, n = Air(), PARTICLES
    own, off = rng.normal(0, 5 / 1.5, (n, 2)), rng.normal(0, 2, (n, 2))
    phones = rng.normal(0, 2, (2, n, 2))
    at, kind = own + off, np.full(n, PLAYS)
    way, target, speed, stayed_s = np.zeros((n, 2)), np.zeros((n, 2)), np.zeros(n), np.zeros(n)
    face = rng.uniform(-math.pi, math.pi, n)
    gain = rng.normal(0, air.gain_sd_db, n)
    offset = rng.normal(air.phone_offset_db, air.phone_offset_sd_db, (2, n))
    body = np.clip(rng.normal(air.body_db, air.body_db / 4, n), 0, None)
    shadow = rng.normal(0, air.shadow_sd_db, (2, n))
    keep, told, beyond = math.exp(-SCAN_S / 15), np.zeros(n), np.zeros(heard.shape[1])
    for k in range(heard.shape[1]):
        before = at.copy()
        if k * SCAN_S >= 60:
            begins = (kind == PLAYS) & (rng.random(n) < SCAN_S / 150)
            leaves = begins & (rng.random(n) < 0.5)
            turn = rng.uniform(0, 2 * math.pi, n)
            there = np.stack([np.cos(turn), np.sin(turn)], axis=1)
            way[leaves], kind[leaves] = there[leaves], LEAVES
            strays = begins & ~leaves
            target[strays] = (there * (rng.uniform(0.4, 0.8, n) * reach_m)[:, None])[strays]
            speed[strays], kind[strays], stayed_s[strays] = rng.uniform(0.4, 0.8, strays.sum()), STRAYS, 0
        plays = kind == PLAYS
        off[plays] = keep * off[plays] + rng.normal(0, 2 * math.sqrt(1 - keep**2), (plays.sum(), 2))
        at[plays] = (own + off)[plays]
        at[kind == LEAVES] += way[kind == LEAVES] * 0.4 * SCAN_S
        stayed_s[kind == STAYS] += SCAN_S
        back = (kind == STAYS) & (stayed_s > 60)
        kind[back], target[back] = RETURNS, own[back]
        for moving, then in ((STRAYS, STAYS), (RETURNS, PLAYS)):
            walks = np.flatnonzero(kind == moving)
            away = target[walks] - at[walks]
            part = np.minimum(1.0, speed[walks] * SCAN_S / np.maximum(np.hypot(*away.T), 1e-6))
            at[walks] += away * part[:, None]
            arrived = walks[part >= 1]
            kind[arrived], off[arrived] = then, 0
        step = at - before
        far = np.hypot(*step.T)
        face = np.where(far > 0.6, np.arctan2(step[:, 1], step[:, 0]), face + rng.normal(0, 0.7, n))
        rho = np.exp(-far / air.decorrelation_m - SCAN_S / air.drift_s)
        nearest = np.full(n, np.inf)
        for phone in range(2):
            shadow[phone] = rho * shadow[phone] + np.sqrt(1 - rho**2) * rng.normal(0, air.shadow_sd_db, n)
            to = phones[phone] - at
            flat = np.hypot(*to.T)
            nearest = np.minimum(nearest, flat)
            front = np.cos(face - np.arctan2(to[:, 1], to[:, 0]))
            path = air.p0_dbm - 10 * air.n_phone * np.log10(np.maximum(np.hypot(flat, 0.5), 1.0))
            strength = path + offset[phone] + gain + shadow[phone]
            strength += body * (_MEAN_BODY - ((1 + front) / 2) ** 1.5)
            told += _log_likelihood(strength, heard[phone, k, 0], int(heard[phone, k, 1]))
        weights = np.exp(told - told.max())
        weights /= weights.sum()
        beyond[k] = weights[nearest > reach_m].sum()
        if 1 / (weights**2).sum() < n / 2:
            drawn = np.searchsorted(np.cumsum(weights), (np.arange(n) + rng.random()) / n).clip(0, n - 1)
            at, own, off, way, target = at[drawn], own[drawn], off[drawn], way[drawn], target[drawn]
            kind, speed, stayed_s, face = kind[drawn], speed[drawn], stayed_s[drawn], face[drawn]
            body, phones, shadow, told = body[drawn], phones[:, drawn], shadow[:, drawn], np.zeros(n)
            gain = gain[drawn] + rng.normal(0, 0.15, n)  # a little, or the particles run out of gains
            offset = offset[:, drawn] + rng.normal(0, 0.15, (2, n))
    return beyond


_GRID = np.arange(-130.0, -20.0, 0.5)


@lru_cache(maxsize=1)
def _decoding() -> tuple[Array, Array, Array]:
    """By strength of a link: chance of a packet, mean and variance of those decoded."""
    air, rng = Air(), np.random.default_rng(5)
    scale = air.fading_db / math.sqrt(air.fading_nu / (air.fading_nu - 2))
    packet = _GRID[:, None] + scale * rng.standard_t(air.fading_nu, 20_000)
    chance = air.decoded_at_best / (
        1 + np.exp(np.clip((air.threshold_dbm - packet) / air.threshold_soft_db, -40, 40))
    )
    total = np.maximum(chance.sum(axis=1), 1e-12)
    mean = (chance * packet).sum(axis=1) / total
    return chance.mean(axis=1), mean, (chance * (packet - mean[:, None]) ** 2).sum(axis=1) / total


def _log_likelihood(strength: Array, rssi_dbm: float, packets: int) -> Array:
    air = Air()
    chance, mean, variance = (
        each[np.clip(np.rint((strength - _GRID[0]) / 0.5).astype(int), 0, len(_GRID) - 1)]
        for each in _decoding()
    )
    p, burst = np.clip(chance, 1e-9, 1 - 1e-9), air.burst_in / (air.burst_in + air.burst_out)
    if packets == 0:
        return np.asarray(np.log(burst + (1 - burst) * (1 - p) ** air.packets))
    spread = variance / packets + 0.1
    log = packets * np.log(p) + (air.packets - packets) * np.log1p(-p) - (rssi_dbm - mean) ** 2 / (2 * spread)
    ways = math.comb(air.packets, packets)
    return np.asarray(np.log((1 - burst) * ways * np.exp(log) / np.sqrt(spread) + 1e-12))
