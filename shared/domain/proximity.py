"""How probable it is that the child is with the group: within reach of any teacher's phone.

A probability over the distance to the nearest phone and over whether the child keeps to the group or is
walking off. As time passes it spreads, back to the group or outwards; then it is multiplied by what the
phones heard, or that they heard nothing. Silence counts only when every phone that is awake has reported
on that moment; a phone that did not report says nothing.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import pairwise
from operator import itemgetter, mul
from typing import NamedTuple

from shared.domain.geo import LatLon
from shared.domain.radio import OUTDOOR, RadioModel, column, heard_row, packet_class, sd_class, silent_row
from shared.domain.sighting import Heard, Sighting

PHONE = replace(OUTDOOR, temper_heard=0.35, temper_silent=0.35, floor=1e-3)
"""A phone among people: bodies shadow for seconds on end, so one interval weighs a third."""

GROUP_M = 7.0  # children keep to a group with this sd about the phones, per axis
GROUP_S = 15.0  # and have forgotten where in it they were after this long
WALKS_OFF_S = 900.0  # mean time until a child starts to walk off
TURNS_BACK_S = 30.0  # and until one that walks off comes back
SHOWS_BAG_DB = 4.0  # who walks off shows the phone its back, and the bag on it
OUTWARDS = (0.05, 0.45, 0.42, 0.08)  # one bin nearer, the same, one or two further in a slot: 0.8 m/s
BIN_M = 3.0
BINS = 27
STEP_MS = 2000  # one slot of judgement
BLANK_MS = 10_000  # a longer interval between two reports is time that nobody watched
AWAKE_MS = 20_000  # a phone that reported within this may still report on the moment


@dataclass(frozen=True, slots=True)
class PhoneTrack:
    """A phone's recent life: when it reported, where it was and what it heard. Oldest first, unique by time.

    fixes: (at_ms, position, accuracy_m). told_ms: when the others were last told that it stopped, 0 never.
    heard: by beacon. A report and what it heard are one item, so that no report ever looks like silence.
    """

    phone_id: str
    reported_ms: tuple[int, ...] = ()
    fixes: tuple[tuple[int, LatLon, int], ...] = ()
    version: int = 0
    told_ms: int = 0
    heard: Heard = field(default_factory=dict)


class Judged(NamedTuple):
    """One slot. at_ms: its end. near: probability of being within reach. heard: by any phone."""

    at_ms: int
    near: float
    heard: bool


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
    return history[-1].near if history else sum(_prior()[: _bins_within(reach_m)])


def near_by_slot(
    child: Sequence[Sighting],
    phones: Sequence[PhoneTrack],
    *,
    reach_m: float,
    now_ms: int,
    since_ms: int = 0,
    model: RadioModel = PHONE,
) -> tuple[Judged, ...]:
    """Each slot that somebody reported on, oldest first; only the last ones of a child plainly within reach.

    since_ms: evidence before it does not count (the outing had not begun).
    """
    lately_ms = now_ms - LATELY_MS
    if since_ms < lately_ms:
        lately = _judged(child, phones, (lately_ms, now_ms), reach_m, model)
        if len(lately) >= SURE_SLOTS and all(slot.near >= SURE for slot in lately[-SURE_SLOTS:]):
            return lately  # plainly with the group, as nearly all are nearly always: a quarter of the work
    return _judged(child, phones, (since_ms, now_ms), reach_m, model)


LATELY_MS = 24_000
SURE, SURE_SLOTS = 0.9, 3


def _judged(
    child: Sequence[Sighting],
    phones: Sequence[PhoneTrack],
    span_ms: tuple[int, int],
    reach_m: float,
    model: RadioModel,
) -> tuple[Judged, ...]:
    since_ms, now_ms = span_ms
    ids = {p.phone_id for p in phones}
    heard = sorted({s[:4] for s in child if since_ms <= s.at_ms <= now_ms and s.source_id in ids})
    reports = [
        (p.phone_id, tuple(sorted({t for t in p.reported_ms if since_ms <= t <= now_ms}))) for p in phones
    ]
    return _history(tuple(heard), tuple(sorted(r for r in reports if r[1])), reach_m, model)


@lru_cache(maxsize=512)
def _history(
    heard: tuple[tuple[int, str, int, int], ...],
    reports: tuple[tuple[str, tuple[int, ...]], ...],
    reach_m: float,
    model: RadioModel,
) -> tuple[Judged, ...]:
    strongest: dict[int, tuple[int, int]] = {}
    for at_ms, _, rssi_dbm, packets in heard:
        slot = at_ms // STEP_MS
        strongest[slot] = max(strongest.get(slot, (-200, 0)), (rssi_dbm, packets))
    silent = _watched_by_all(reports, heard)
    slots = sorted(silent | strongest.keys())
    if not slots:
        return ()
    kept: Sequence[float] = [0.99 * p for p in _prior()]
    left: Sequence[float] = [0.01 * p for p in _prior()]
    inside, before, made = _bins_within(reach_m), slots[0] - 1, []
    for slot in slots:
        for _ in range(min(15, slot - before)):
            kept, left = _moved(kept, left)
        heard_now = strongest.get(slot, (0, 0))
        kept = list(map(mul, kept, _likelihood(model, *heard_now, 0.0)))
        left = list(map(mul, left, _likelihood(model, *heard_now, SHOWS_BAG_DB)))
        total = sum(kept) + sum(left)
        kept, left = [p / total for p in kept], [p / total for p in left]
        before = slot
        near = min(1.0, sum(kept[:inside]) + sum(left[:inside]))
        made.append(Judged((slot + 1) * STEP_MS, near, slot in strongest))
    return tuple(made)


def _watched_by_all(
    reports: Sequence[tuple[str, tuple[int, ...]]], heard: Sequence[tuple[int, str, int, int]]
) -> set[int]:
    """Slots of which each phone awake at the time has reported that it heard nothing.

    A report that does mention the child speaks for all of its interval, not for the last moment of it only.
    """
    covered: dict[int, int] = {}
    awake: dict[int, int] = {}
    for phone_id, times in reports:
        mentions = [at_ms for at_ms, source_id, _, _ in heard if source_id == phone_id]
        silent, spoken, listening = set(), set(), set()
        began_ms = times[0] - STEP_MS
        for before_ms, at_ms in pairwise((began_ms, *times)):
            if at_ms - before_ms > BLANK_MS:
                silent |= set(range(-(-began_ms // STEP_MS), before_ms // STEP_MS))
                began_ms = at_ms
            if bisect_right(mentions, before_ms) != bisect_right(mentions, at_ms):
                spoken |= set(range(before_ms // STEP_MS, -(-at_ms // STEP_MS)))
            listening |= set(range(before_ms // STEP_MS, min(at_ms, before_ms + AWAKE_MS) // STEP_MS))
        silent |= set(range(-(-began_ms // STEP_MS), times[-1] // STEP_MS))
        listening |= set(range(times[-1] // STEP_MS, (times[-1] + AWAKE_MS) // STEP_MS))
        mine = silent - spoken
        for slot in mine:
            covered[slot] = covered.get(slot, 0) + 1
        for slot in listening | mine:
            awake[slot] = awake.get(slot, 0) + 1
    return {slot for slot, count in covered.items() if count == awake[slot]}


@lru_cache(maxsize=4096)
def _likelihood(model: RadioModel, rssi_dbm: int, packets: int, gain_db: float) -> tuple[float, ...]:
    """Over distance, of the strongest sighting of a slot; packets 0: of silence."""
    sd = sd_class(math.hypot(SHADOW_DB, model.gain_sd_db))
    columns = itemgetter(*(column(model.mean_dbm((i + 0.5) * BIN_M) + gain_db) for i in range(BINS)))
    if packets == 0:
        row = silent_row(model, sd)
    else:
        row = heard_row(model, sd, packet_class(model, packets), rssi_dbm)
    return tuple(columns(row))


SHADOW_DB = 6.0


@lru_cache(maxsize=1)
def _prior() -> tuple[float, ...]:
    """Distance of a child that keeps to the group."""
    middles = [(i + 0.5) * BIN_M for i in range(BINS)]
    weights = [d * math.exp(-((d / GROUP_M) ** 2) / 2) + 1e-5 for d in middles]
    return tuple(w / sum(weights) for w in weights)


def _bins_within(reach_m: float) -> int:
    return max(1, min(BINS - 1, round(reach_m / BIN_M)))


def _moved(kept: Sequence[float], left: Sequence[float]) -> tuple[list[float], list[float]]:
    """One slot later: who keeps to the group wanders in it, who left goes on; some change their minds."""
    step_s = STEP_MS / 1000
    anew, off, back = 1 - math.exp(-step_s / GROUP_S), step_s / WALKS_OFF_S, step_s / TURNS_BACK_S
    drawn, stay = anew * sum(kept), 1 - anew
    p = (kept[0], *kept, kept[-1])
    wandered = [
        stay * (0.27 * (a + c) + 0.46 * b) + drawn * q
        for a, b, c, q in zip(p, p[1:], p[2:], _prior(), strict=False)
    ]
    nearer, same, one, two = OUTWARDS
    p = (0.0, 0.0, *left, 0.0)
    gone = [
        two * a + one * b + same * c + nearer * d for a, b, c, d in zip(p, p[1:], p[2:], p[3:], strict=False)
    ]
    gone[0] += nearer * left[0]
    gone[-1] += one * left[-1] + two * (left[-1] + left[-2])
    return (
        [(1 - off) * w + back * g for w, g in zip(wandered, gone, strict=True)],
        [off * w + (1 - back) * g for w, g in zip(wandered, gone, strict=True)],
    )
