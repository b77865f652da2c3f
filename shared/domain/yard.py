"""Has the child left a fenced yard that only poles hear? A sequential test on the posterior.

Each interval's evidence gives odds: how well the cells just outside the fence explain it, over how well
those inside do. The odds are tempered, since a shadow lasts for several intervals, and followed through a
chain with two states. Silence of every pole is no evidence: a bag can lie in a locker.
"""

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache

from shared.domain.departure import Departure, Level
from shared.domain.geo import Area, distance_to_area_m
from shared.domain.lattice import Neighbourhood, Same, neighbourhood_of
from shared.domain.places import Policy
from shared.domain.position import Receiver
from shared.domain.radio import OUTDOOR, RadioModel
from shared.domain.receiver import evidence_of
from shared.domain.sighting import Sighting

BESIDE_M = 40.0
"""Cells up to here beyond the fence stand for "outside": who has left is near it at first."""
LEAVES_S = 1800.0
RETURNS_S = 120.0
TEMPER = 0.5
ALARM = 0.97
WARN = 0.7


def outside_by_slot(
    child: Sequence[Sighting],
    receivers: Mapping[str, Receiver],
    alive: Sequence[Receiver] = (),
    *,
    yard: Area,
    model: RadioModel = OUTDOOR,
    temper: float = TEMPER,
) -> tuple[tuple[int, float], ...]:
    """(end of interval ms, probability of being outside the yard), oldest first; any order of sightings."""
    by_slot: dict[int, list[Sighting]] = {}
    for s in child:
        by_slot.setdefault(s.at_ms // model.interval_ms, []).append(s)
    outside, before, made = 0.02, min(by_slot, default=0) - 1, []
    for slot in sorted(by_slot):
        evidence = evidence_of(by_slot[slot], receivers, model)
        for _ in range(min(60, slot - before)):
            step_s = model.interval_ms / 1000
            outside += (1 - outside) * step_s / LEAVES_S - outside * step_s / RETURNS_S
        before = slot
        if evidence:
            near = neighbourhood_of(evidence, Same.of(alive), model)
            within, beyond = _split(near, yard)
            mass = near.mass(evidence)
            odds = _odds(mass, near.lattice.area, within, beyond) ** temper
            outside = outside * odds / (outside * odds + 1 - outside)
        made.append(((slot + 1) * model.interval_ms, outside))
    return tuple(made)


def assess_yard(
    child: Sequence[Sighting],
    receivers: Mapping[str, Receiver],
    alive: Sequence[Receiver] = (),
    *,
    yard: Area,
    policy: Policy,
    now_ms: int,
    model: RadioModel = OUTDOOR,
) -> Departure:
    """How the child stands at `now_ms`, by poles alone. alive: receivers with a fresh heartbeat.

    No living pole: UNWATCHED. Poles are slower and surer of themselves than they should be beside a fence:
    a group with teachers' phones is judged by the phones.
    """
    known = [s for s in child if s.at_ms <= now_ms]
    last = max(known, default=None)
    if not alive:
        return Departure(Level.UNWATCHED, now_ms, "monitoring-stopped", {"phones": 0, "silent_s": 0}, last)
    history = outside_by_slot(known, receivers, alive, yard=yard, model=model)
    if last is None or not history:
        return Departure(Level.NEAR, now_ms, "never-heard", {"poles": len(alive)}, last)
    params: dict[str, str | int | float] = {
        "heard_by": last.source_id,
        "heard_ms": last.at_ms,
        "silent_s": (now_ms - last.at_ms) // 1000,
        "rssi_dbm": last.rssi_dbm,
    }
    at_ms, outside = history[-1]
    since_ms = next((t for t, p in reversed(history) if p < WARN), history[0][0])
    if outside >= ALARM:
        return Departure(Level.DEPARTED, since_ms, "outside-yard", params, last)
    if outside >= WARN:
        return Departure(Level.WARNED, since_ms, "outside-yard", params, last)
    return Departure(Level.NEAR, at_ms, "within-yard", params, last)


def _odds(
    mass: Sequence[float], area: Sequence[float], within: Sequence[int], beyond: Sequence[int]
) -> float:
    """Mean likelihood outside over inside, kept between e-6 and e6: one interval never decides alone."""
    if not within or not beyond:
        return 1.0 if not within and not beyond else math.exp(6 if beyond else -6)
    inside = sum([mass[i] for i in within]) / sum([area[i] for i in within])
    outside = sum([mass[i] for i in beyond]) / sum([area[i] for i in beyond])
    return min(math.exp(6), max(math.exp(-6), outside / inside if inside > 0 else math.exp(6)))


@lru_cache(maxsize=512)
def _split(near: Neighbourhood, yard: Area) -> tuple[tuple[int, ...], tuple[int, ...]]:
    cells = zip(near.lattice.xs, near.lattice.ys, strict=True)
    far = [distance_to_area_m(yard, near.plane.to_latlon(x, y)) for x, y in cells]
    within = tuple(i for i, d in enumerate(far) if d == 0)
    return within, tuple(i for i, d in enumerate(far) if 0 < d <= BESIDE_M)
