"""The case tier: one missing child's track from its window, by a particle filter that remembers links.

Particles carry place, velocity, the beacon's gain and what each link's shadow was a moment ago. Shadows
change over metres and tens of seconds, not from packet to packet; a filter that forgets this grows sure
of a bias (coverage of its 95 % ellipse falls from 91 to 62 %: POSITIONING section 1). The memory is a
scalar Kalman filter per link and particle, its variance shared by the particles (Rao–Blackwell).

Recomputed from the window each time, so order and duplicates change nothing. Chance comes from a fixed
table, so the same window gives the same fix anywhere. Steps already computed are remembered.
"""

import math
import random
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate, takewhile
from typing import NamedTuple

from shared.domain.geo import Plane
from shared.domain.lattice import Lattice, Neighbourhood, Same, neighbourhood_of
from shared.domain.position import Fix, fix_of
from shared.domain.radio import (
    MU_MIN_DBM,
    MU_STEP_DB,
    OUTDOOR,
    RadioModel,
    column,
    heard_row,
    sd_class,
    silent_row,
)
from shared.domain.receiver import Evidence, Receiver, evidence_of
from shared.domain.sighting import WINDOW_MAX, WINDOW_MS, Sighting, Window
from shared.domain.streets import Streets


@dataclass(frozen=True, slots=True)
class Motion:
    """How a child moves: velocity wanders about zero (Ornstein–Uhlenbeck). And how shadows change.

    speed_mps: sd of each component of the velocity, its memory tau_s. decorrelation_m, decorrelation_s: over
    which a link's shadow is forgotten; 0 m: at once. astray: share of particles that start anew each step, so
    that a track once lost is found again.
    """

    speed_mps: float = 0.85
    tau_s: float = 20.0
    decorrelation_m: float = 10.0
    decorrelation_s: float = 60.0
    astray: float = 0.005


WALK = Motion()
SHADOWED = replace(OUTDOOR, temper_heard=0.5, temper_silent=0.3)
"""Shadows outlast an interval: the memory takes back most of what repeats itself, the temper the rest."""
FORGOTTEN = 0.9  # share of a link's variance at which its memory is not worth keeping
GAIN_KEEP = 0.98  # a beacon's gain hardly changes; a little, so that particles do not all end on one
STREET_SD_M, OFF_STREET = 8.0, 0.05
"""Half a street, and the doubt that somebody is on one at all."""
BLOCK = 4
"""A track starts at a slot that is a multiple of this, so that steps stay the same as the window slides."""


class _About(NamedTuple):
    """What does not change along a track: who is alive to hear, and where people walk."""

    alive: Same
    streets: Streets | None


class _Slot(NamedTuple):
    """What was heard in one interval of the model."""

    number: int
    heard: tuple[Evidence, ...]


class Cloud(NamedTuple):
    """Particles after a slot, equally likely: metres on the plane and m/s, east and north.

    memory: per link, each particle's mean shadow in dB; variance: about it, shared by them, and of the link's
    shadows altogether, dB².
    """

    plane: Plane
    slot: int
    x: list[float]
    y: list[float]
    vx: list[float]
    vy: list[float]
    gain: list[float]
    memory: dict[str, list[float]]
    variance: dict[str, tuple[float, float]]


def track_case(
    window: Window,
    receivers: Mapping[str, Receiver],
    silent: Sequence[Receiver] = (),
    *,
    model: RadioModel = SHADOWED,
    motion: Motion = WALK,
    particles: int = 400,
    streets: Streets | None = None,
) -> Fix | None:
    """Where one beacon is at its newest sighting, from the whole window. Arguments otherwise as `locate`.

    streets: of the neighbourhood, where known; whoever is lost in a town is most likely on one. About a
    hundred times the work of an ordinary fix when nothing is remembered.
    """
    slots = _slots(window, receivers, model)
    if not slots:
        return None
    cloud = _after(model, motion, particles, _About(Same.of(silent), streets), slots)
    heard = tuple(e.receiver.source_id for e in slots[-1].heard)
    points = Lattice(
        tuple(cloud.x),
        tuple(cloud.y),
        tuple(x * x for x in cloud.x),
        tuple(y * y for y in cloud.y),
        (1.0,) * particles,
    )
    near = neighbourhood_of(slots[-1].heard, Same.of(silent), model)
    return fix_of(
        cloud.plane,
        points,
        [1.0] * particles,
        at_ms=window.newest_ms,
        heard=heard,
        silent=tuple(i for i in near.near_ids if i not in heard),
    )


def cloud_of(
    window: Window,
    receivers: Mapping[str, Receiver],
    silent: Sequence[Receiver] = (),
    *,
    model: RadioModel = SHADOWED,
    motion: Motion = WALK,
    particles: int = 400,
    streets: Streets | None = None,
) -> Cloud | None:
    """The particles that `track_case` speaks of: where the child may be, and which way it was going."""
    slots = _slots(window, receivers, model)
    return _after(model, motion, particles, _About(Same.of(silent), streets), slots) if slots else None


def _slots(window: Window, receivers: Mapping[str, Receiver], model: RadioModel) -> tuple[_Slot, ...]:
    by_slot: dict[int, list[Sighting]] = {}
    for s in window.sightings:
        by_slot.setdefault(s.at_ms // model.interval_ms, []).append(s)
    numbers = sorted(by_slot)
    if len(numbers) > 1 and (len(window.sightings) == WINDOW_MAX or _spans(window, numbers[0], model)):
        numbers = numbers[1:]  # cut by the window: who is missing from it need not have been silent
    starts = [n for n in numbers if n % BLOCK == 0 and numbers[-1] - n >= BLOCK]
    first = starts[0] if starts else numbers[0] if numbers else 0
    slots = (_Slot(n, tuple(evidence_of(by_slot[n], receivers, model))) for n in numbers if n >= first)
    return tuple(slot for slot in slots if slot.heard)


def _spans(window: Window, slot: int, model: RadioModel) -> bool:
    """Whether the slot began before the window does."""
    return slot * model.interval_ms <= window.newest_ms - WINDOW_MS


@lru_cache(maxsize=256)
def _after(
    model: RadioModel, motion: Motion, particles: int, about: _About, slots: tuple[_Slot, ...]
) -> Cloud:
    if len(slots) == 1:
        return _begin(model, motion, particles, about.alive, slots[0])
    before = _after(model, motion, particles, about, slots[:-1])
    return _step(before, slots[-1], model, motion, about)


def _begin(model: RadioModel, motion: Motion, particles: int, alive: Same, slot: _Slot) -> Cloud:
    """Particles from the static posterior of the first slot."""
    near = neighbourhood_of(slot.heard, alive, model)
    chance = _Chance(slot.number)
    xs, ys = _drawn(near, slot.heard, particles, chance)
    return Cloud(
        near.plane,
        slot.number,
        xs,
        ys,
        [motion.speed_mps * g for g in chance.normal(particles)],
        [motion.speed_mps * g for g in chance.normal(particles)],
        [model.gain_sd_db * g for g in chance.normal(particles)],
        {},
        {},
    )


def _drawn(
    near: Neighbourhood, heard: Sequence[Evidence], count: int, chance: "_Chance"
) -> tuple[list[float], list[float]]:
    """Places drawn from the static posterior, spread evenly over each cell."""
    steps = list(accumulate(near.mass(heard)))
    lattice = near.lattice
    xs, ys = [], []
    for k, (u, v) in enumerate(zip(chance.uniform(count), chance.uniform(count), strict=True)):
        i = min(bisect_left(steps, steps[-1] * (k + 0.5) / count), len(steps) - 1)
        x, y = lattice.xs[i], lattice.ys[i]
        xs.append(x + (u - 0.5) * math.sqrt(12 * max(lattice.xx[i] - x * x, 0.0)))
        ys.append(y + (v - 0.5) * math.sqrt(12 * max(lattice.yy[i] - y * y, 0.0)))
    return xs, ys


def _step(before: Cloud, slot: _Slot, model: RadioModel, motion: Motion, about: _About) -> Cloud:
    n, alive = len(before.x), about.alive
    chance = _Chance(slot.number)
    dt = (slot.number - before.slot) * model.interval_ms / 1000
    keep = math.exp(-dt / motion.tau_s)
    jolt = motion.speed_mps * math.sqrt(1 - keep * keep)
    vx = [keep * v + jolt * g for v, g in zip(before.vx, chance.normal(n), strict=True)]
    vy = [keep * v + jolt * g for v, g in zip(before.vy, chance.normal(n), strict=True)]
    half = dt / 2
    x = [p + half * (a + b) for p, a, b in zip(before.x, before.vx, vx, strict=True)]
    y = [p + half * (a + b) for p, a, b in zip(before.y, before.vy, vy, strict=True)]
    stir = model.gain_sd_db * math.sqrt(1 - GAIN_KEEP**2)
    gain = [GAIN_KEEP * g + stir * c for g, c in zip(before.gain, chance.normal(n), strict=True)]
    astray = round(motion.astray * n)
    if astray:
        near = neighbourhood_of(slot.heard, alive, model)
        xs, ys = _drawn(near, slot.heard, astray, chance)
        dx, dy = before.plane.to_xy(near.plane.origin)
        for k, (px, py) in enumerate(zip(xs, ys, strict=True)):
            i = (k * n) // astray
            x[i], y[i] = px + dx, py + dy
    moved = motion.speed_mps * dt
    rho = (
        math.exp(-moved / motion.decorrelation_m - dt / motion.decorrelation_s)
        if motion.decorrelation_m
        else 0.0
    )
    heard = frozenset(e.receiver.source_id for e in slot.heard)
    weights = _quiet(model, before.plane, alive).likelihood(x, y, heard)
    if about.streets is not None:
        away_m = about.streets.away_m(before.plane)
        on_street = (math.exp(-((away_m(*at) / STREET_SD_M) ** 2) / 2) for at in zip(x, y, strict=True))
        weights = [w * (p + OFF_STREET) for w, p in zip(weights, on_street, strict=True)]
    memory, variance = _remembered(before, rho)
    for e in slot.heard:
        name = e.receiver.source_id
        rx, ry = before.plane.to_xy(e.receiver.at)
        own = e.receiver.sd_db**2
        known = memory.get(name)
        open_db2 = own if known is None else variance[name][0]
        row = _long_row(model, sd_class(math.sqrt(open_db2)), e.packets, e.rssi_dbm)
        mu = _means(model, e.receiver, (rx, ry), (x, y, gain))
        if known is not None:
            mu = [a + b for a, b in zip(mu, known, strict=True)]
        weights = [w * row[int(m / MU_STEP_DB + _ROW_AT_0_DBM)] for w, m in zip(weights, mu, strict=True)]
        if rho > 0:
            noise = model.fading_db**2 / e.packets + 1 / 12
            share = open_db2 / (open_db2 + noise)
            old = known if known is not None else [0.0] * n
            memory[name] = [o + share * (e.rssi_dbm - m) for o, m in zip(old, mu, strict=True)]
            variance[name] = (open_db2 * (1 - share), own)
    chosen = _resampled(weights, chance)
    return Cloud(
        before.plane,
        slot.number,
        [x[i] for i in chosen],
        [y[i] for i in chosen],
        [vx[i] for i in chosen],
        [vy[i] for i in chosen],
        [gain[i] for i in chosen],
        {name: [m[i] for i in chosen] for name, m in memory.items()},
        variance,
    )


def _remembered(before: Cloud, rho: float) -> tuple[dict[str, list[float]], dict[str, tuple[float, float]]]:
    """Shadows faded by rho, their variance grown back; a link that is all but forgotten is dropped."""
    grown = {name: (v * rho * rho + own * (1 - rho * rho), own) for name, (v, own) in before.variance.items()}
    variance = {name: (v, own) for name, (v, own) in grown.items() if v < FORGOTTEN * own}
    return {name: [rho * m for m in before.memory[name]] for name in variance}, variance


def _means(
    model: RadioModel,
    r: Receiver,
    at: tuple[float, float],
    particles: tuple[list[float], list[float], list[float]],
) -> list[float]:
    """Mean strength at each particle (x, y, gain), dBm, of a receiver at `at`."""
    rx, ry = at
    k, blur, top = 5 * model.exponent, r.accuracy_m**2, model.p0_dbm + r.offset_db
    log10 = math.log10
    return [
        top + g - k * log10(d2 if (d2 := (px - rx) * (px - rx) + (py - ry) * (py - ry) + blur) > 1.0 else 1.0)
        for px, py, g in zip(*particles, strict=True)
    ]


_PADDING = 240  # columns: 120 dB past either end of a row, so that no particle needs clipping
_ROW_AT_0_DBM = _PADDING - MU_MIN_DBM / MU_STEP_DB + 0.5


@lru_cache(maxsize=4096)
def _long_row(model: RadioModel, sd: int, packets: int, rssi_dbm: int) -> tuple[float, ...]:
    row = heard_row(model, sd, packets, rssi_dbm)
    return (row[0],) * _PADDING + row + (row[-1],) * _PADDING


SILENCE_CELL_M = 4.0
TILE = 16  # silence cells to a tile: receivers are looked for by tile, not by cell
CERTAIN = 0.98  # silence this likely says nothing


class _Quiet:
    """How likely each living receiver's silence is from each cell of a coarse grid, made as cells are met."""

    def __init__(self, model: RadioModel, plane: Plane, alive: Same) -> None:
        self._receivers = [
            (r.source_id, *plane.to_xy(r.at), _silence_by_metre(model, r)) for r in alive.items
        ]
        self._tiles: dict[tuple[int, int], list[tuple[str, float, float, tuple[float, ...]]]] = {}
        self._cells: dict[tuple[int, int], tuple[tuple[str, float], ...]] = {}

    def likelihood(self, x: Sequence[float], y: Sequence[float], heard: frozenset[str]) -> list[float]:
        """At each place, that the living receivers which did not hear did not."""
        answer: dict[tuple[int, int], float] = {}
        made = []
        for px, py in zip(x, y, strict=True):
            key = (int(px // SILENCE_CELL_M), int(py // SILENCE_CELL_M))
            known = answer.get(key)
            if known is None:
                known = answer[key] = math.prod([v for name, v in self._cell(key) if name not in heard])
            made.append(known)
        return made

    def _cell(self, key: tuple[int, int]) -> tuple[tuple[str, float], ...]:
        cell = self._cells.get(key)
        if cell is None:
            x, y = (key[0] + 0.5) * SILENCE_CELL_M, (key[1] + 0.5) * SILENCE_CELL_M
            near = [(n, int(math.hypot(x - rx, y - ry)), row) for n, rx, ry, row in self._near(key)]
            cell = self._cells[key] = tuple((n, row[d]) for n, d, row in near if d < len(row))
        return cell

    def _near(self, key: tuple[int, int]) -> list[tuple[str, float, float, tuple[float, ...]]]:
        tile = (key[0] // TILE, key[1] // TILE)
        near = self._tiles.get(tile)
        if near is None:
            side_m = TILE * SILENCE_CELL_M
            x, y = (tile[0] + 0.5) * side_m, (tile[1] + 0.5) * side_m
            near = self._tiles[tile] = [
                r for r in self._receivers if math.hypot(x - r[1], y - r[2]) < len(r[3]) + 0.71 * side_m
            ]
        return near


def _silence_by_metre(model: RadioModel, r: Receiver) -> tuple[float, ...]:
    """How likely its silence is, by whole metres from it, as far as it says anything."""
    return _silences(model, round(2 * r.offset_db) / 2, sd_class(math.hypot(r.sd_db, model.gain_sd_db)))


@lru_cache(maxsize=1024)
def _silences(model: RadioModel, offset_db: float, sd: int) -> tuple[float, ...]:
    row = silent_row(model, sd)
    metres = range(math.ceil(model.range_m(MU_MIN_DBM - offset_db)))
    by_metre = (row[column(model.mean_dbm(d + 0.5) + offset_db)] for d in metres)
    return tuple(takewhile(lambda likelihood: likelihood < CERTAIN, by_metre))


@lru_cache(maxsize=64)
def _quiet(model: RadioModel, plane: Plane, alive: Same) -> _Quiet:
    return _Quiet(model, plane, alive)


def _resampled(weights: Sequence[float], chance: "_Chance") -> list[int]:
    """Systematic resampling: indices of the survivors, as many as there were."""
    steps = list(accumulate(weights))
    n, total = len(steps), steps[-1]
    if total <= 0:
        return list(range(n))
    offset, i, chosen = chance.uniform(1)[0], 0, []
    for k in range(n):
        wanted = total * (k + offset) / n
        while steps[i] < wanted and i < n - 1:
            i += 1
        chosen.append(i)
    return chosen


class _Chance:
    """Numbers from a fixed table, entered at a place that depends on the slot: the same for everybody."""

    _SIZE = 1 << 16

    def __init__(self, slot: int) -> None:
        self._at = slot * 7919

    def normal(self, count: int) -> list[float]:
        """Standard normal."""
        return self._taken(_normal_table(), count)

    def uniform(self, count: int) -> list[float]:
        """From 0 to 1."""
        return self._taken(_uniform_table(), count)

    def _taken(self, table: Sequence[float], count: int) -> list[float]:
        start = self._at % (self._SIZE - count)
        self._at += count + 101
        return list(table[start : start + count])


@lru_cache(maxsize=1)
def _normal_table() -> tuple[float, ...]:
    rng = random.Random(20180613)
    return tuple(rng.gauss(0, 1) for _ in range(_Chance._SIZE))


@lru_cache(maxsize=1)
def _uniform_table() -> tuple[float, ...]:
    rng = random.Random(20180614)
    return tuple(rng.random() for _ in range(_Chance._SIZE))
