"""How probable it is that the child is with the group: within reach of any teacher's phone.

A probability over the distance to the nearest phone: spread a little as time passes, then multiplied by
what the phones heard, or that they heard nothing. Silence counts only when every phone that is awake has
reported on that moment; a phone that did not report says nothing.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from operator import itemgetter, mul

from shared.domain.geo import LatLon
from shared.domain.radio import OUTDOOR, RadioModel, column, heard_row, packet_class, sd_class, silent_row
from shared.domain.sighting import Sighting

PHONE = replace(OUTDOOR, temper_heard=0.35, temper_silent=0.35, floor=1e-3)
"""A phone among people: bodies shadow for seconds on end, so one interval weighs a third."""

BIN_M = 2.0
BINS = 40
STEP_MS = 2000  # one slot of judgement
BLANK_MS = 10_000  # a longer interval between two reports is time that nobody watched
AWAKE_MS = 20_000  # a phone that reported within this may still report on the moment


@dataclass(frozen=True, slots=True)
class PhoneTrack:
    """A phone's recent life: when it reported, and where it was. Oldest first, unique by time.

    fixes: (at_ms, position, accuracy_m). told_ms: when the others were last told that it stopped, 0 never.
    """

    phone_id: str
    reported_ms: tuple[int, ...] = ()
    fixes: tuple[tuple[int, LatLon, int], ...] = ()
    version: int = 0
    told_ms: int = 0


def proximity(
    child: Sequence[Sighting],
    phones: Sequence[PhoneTrack],
    *,
    reach_m: float,
    now_ms: int,
    model: RadioModel = PHONE,
) -> float:
    """Probability, 0..1, that the child is within `reach_m` of one of the phones at `now_ms`.

    child: its sightings, any order; those by anything but these phones are ignored, as are later ones.
    Phones that never reported say nothing; with none that did, the answer is the prior.
    """
    history = near_by_slot(child, phones, reach_m=reach_m, now_ms=now_ms, model=model)
    return history[-1][1] if history else sum(_prior()[: _bins_within(reach_m)])


def near_by_slot(
    child: Sequence[Sighting],
    phones: Sequence[PhoneTrack],
    *,
    reach_m: float,
    now_ms: int,
    since_ms: int = 0,
    model: RadioModel = PHONE,
) -> tuple[tuple[int, float], ...]:
    """(end of slot ms, probability of being within reach) for each slot that somebody reported on.

    since_ms: evidence before it does not count (the outing had not begun).
    """
    ids = {p.phone_id for p in phones}
    heard = sorted({s[:4] for s in child if s.source_id in ids and since_ms <= s.at_ms <= now_ms})
    reports = [tuple(sorted({t for t in p.reported_ms if since_ms <= t <= now_ms})) for p in phones]
    return _history(tuple(heard), tuple(sorted(r for r in reports if r)), reach_m, model)


@lru_cache(maxsize=512)
def _history(
    heard: tuple[tuple[int, str, int, int], ...],
    reports: tuple[tuple[int, ...], ...],
    reach_m: float,
    model: RadioModel,
) -> tuple[tuple[int, float], ...]:
    strongest: dict[int, tuple[int, int]] = {}
    for at_ms, _, rssi_dbm, packets in heard:
        slot = at_ms // STEP_MS
        strongest[slot] = max(strongest.get(slot, (-200, 0)), (rssi_dbm, packets))
    silent = _watched_by_all(reports)
    slots = sorted(silent | strongest.keys())
    if not slots:
        return ()
    belief: Sequence[float] = _prior()
    inside, before, made = _bins_within(reach_m), slots[0] - 1, []
    for slot in slots:
        belief = _spread(belief, min(15, slot - before))
        belief = list(map(mul, belief, _likelihood(model, *strongest.get(slot, (0, 0)))))
        total = sum(belief)
        belief = [b / total for b in belief]
        before = slot
        made.append(((slot + 1) * STEP_MS, sum(belief[:inside])))
    return tuple(made)


def _watched_by_all(reports: Sequence[Sequence[int]]) -> set[int]:
    """Slots that each phone awake at the time has reported on."""
    covered: dict[int, int] = {}
    awake: dict[int, int] = {}
    for times in reports:
        mine, listening = set(), set()
        for before_ms, at_ms in pairwise((times[0] - STEP_MS, *times)):
            if at_ms - before_ms <= BLANK_MS:
                mine |= set(range(-(-before_ms // STEP_MS), at_ms // STEP_MS))
            listening |= set(range(before_ms // STEP_MS, min(at_ms, before_ms + AWAKE_MS) // STEP_MS))
        listening |= set(range(times[-1] // STEP_MS, (times[-1] + AWAKE_MS) // STEP_MS))
        for slot in mine:
            covered[slot] = covered.get(slot, 0) + 1
        for slot in listening | mine:
            awake[slot] = awake.get(slot, 0) + 1
    return {slot for slot, count in covered.items() if count == awake[slot]}


@lru_cache(maxsize=4096)
def _likelihood(model: RadioModel, rssi_dbm: int, packets: int) -> tuple[float, ...]:
    """Over distance, of the strongest sighting of a slot; packets 0: of silence."""
    sd = sd_class(math.hypot(SHADOW_DB, model.gain_sd_db))
    columns = itemgetter(*(column(model.mean_dbm((i + 0.5) * BIN_M)) for i in range(BINS)))
    if packets == 0:
        row = silent_row(model, sd)
    else:
        row = heard_row(model, sd, packet_class(model, packets), rssi_dbm)
    return tuple(columns(row))


SHADOW_DB = 6.0


@lru_cache(maxsize=1)
def _prior() -> tuple[float, ...]:
    """Before anything is heard the child is with the group: mostly within 20 m."""
    weights = [math.exp(-(i + 0.5) * BIN_M / 8) for i in range(BINS)]
    return tuple(w / sum(weights) for w in weights)


def _bins_within(reach_m: float) -> int:
    return max(1, min(BINS - 1, round(reach_m / BIN_M)))


def _spread(belief: Sequence[float], steps: int) -> Sequence[float]:
    """Either may walk about 1 m/s: bins leak to their neighbours, and none is lost at the ends."""
    for _ in range(steps):
        padded = (belief[1], belief[0], *belief, belief[-1], belief[-2])
        belief = [
            0.1 * (a + e) + 0.2 * (b + d) + 0.4 * c
            for a, b, c, d, e in zip(padded, padded[1:], padded[2:], padded[3:], padded[4:], strict=False)
        ]
    return belief
