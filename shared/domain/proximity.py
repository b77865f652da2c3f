"""How probable it is that the child is with the group: within reach of any teacher's phone.

Each phone keeps a probability over its distance to the child: spread a little as time passes, then
multiplied by what the phone heard, or that it heard nothing. A phone that did not report says nothing.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from operator import itemgetter

from shared.domain.geo import LatLon
from shared.domain.radio import OUTDOOR, RadioModel, column, heard_row, packet_class, sd_class, silent_row
from shared.domain.sighting import Sighting

PHONE = replace(OUTDOOR, temper_heard=0.35, temper_silent=0.35, floor=1e-3)
"""A phone among people: bodies shadow for seconds on end, so one interval weighs a third."""

BIN_M = 2.0
BINS = 50
STEP_MS = 2000  # spreading is by whole steps of this; a slower phone's interval takes several
BLANK_MS = 10_000  # a longer interval between two reports is time that nobody watched


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
    best = 0.0
    for phone in phones:
        history = [*near_by_report(child, phone, reach_m=reach_m, now_ms=now_ms, model=model)]
        best = max(best, history[-1][1] if history else _prior_near(reach_m))
    return best if phones else _prior_near(reach_m)


def near_by_report(
    child: Sequence[Sighting], phone: PhoneTrack, *, reach_m: float, now_ms: int, model: RadioModel = PHONE
) -> Iterator[tuple[int, float]]:
    """(at_ms, probability that the child is within reach of this phone) after each of its reports."""
    reports = sorted({t for t in phone.reported_ms if t <= now_ms})
    heard = sorted({s for s in child if s.source_id == phone.phone_id and s.at_ms <= now_ms})
    belief = _prior()
    inside = _bins_within(reach_m)
    i, since_ms = 0, reports[0] - STEP_MS if reports else 0
    for at_ms in reports:
        interval_ms = at_ms - since_ms
        belief = _spread(belief, max(1, min(15, round(interval_ms / STEP_MS))))
        mine = []
        while i < len(heard) and heard[i].at_ms <= at_ms:
            if heard[i].at_ms > at_ms - BLANK_MS:
                mine.append(heard[i])
            i += 1
        if mine or interval_ms <= BLANK_MS:
            seen = _likelihood(mine, model, interval_ms)
            belief = [b * w for b, w in zip(belief, seen, strict=True)]
            total = sum(belief)
            belief = [b / total for b in belief]
        since_ms = at_ms
        yield at_ms, sum(belief[:inside])


def _likelihood(heard: Sequence[Sighting], model: RadioModel, interval_ms: int) -> Sequence[float]:
    """Of one interval's evidence, over distance; a longer interval weighs more."""
    gather: Callable[[Sequence[float]], tuple[float, ...]] = _columns(model)
    sd = sd_class(math.hypot(6.0, model.gain_sd_db))
    weight = min(interval_ms, BLANK_MS) / model.interval_ms
    if not heard:
        return [v**weight for v in gather(silent_row(model, sd))]
    packets = sum(s.packets for s in heard)
    rssi_dbm = round(sum(s.packets * s.rssi_dbm for s in heard) / packets)
    return gather(heard_row(model, sd, packet_class(model, packets / max(weight, 0.5)), rssi_dbm))


@lru_cache(maxsize=16)
def _columns(model: RadioModel) -> "itemgetter[tuple[float, ...]]":
    return itemgetter(*(column(model.mean_dbm((i + 0.5) * BIN_M)) for i in range(BINS)))


@lru_cache(maxsize=1)
def _prior() -> list[float]:
    """Before anything is heard the child is with the group: mostly within 20 m."""
    weights = [math.exp(-(i + 0.5) * BIN_M / 8) for i in range(BINS)]
    total = sum(weights)
    return [w / total for w in weights]


def _bins_within(reach_m: float) -> int:
    return max(1, min(BINS, round(reach_m / BIN_M)))


def _prior_near(reach_m: float) -> float:
    return sum(_prior()[: _bins_within(reach_m)])


def _spread(belief: Sequence[float], steps: int) -> list[float]:
    """Either may walk about 1 m/s: bins leak to their neighbours; nobody leaves the last one for ever."""
    for _ in range(steps):
        padded = [belief[1], belief[0], *belief, belief[-1], belief[-2]]
        belief = [
            0.1 * a + 0.2 * b + 0.4 * c + 0.2 * d + 0.1 * e
            for a, b, c, d, e in zip(padded, padded[1:], padded[2:], padded[3:], padded[4:], strict=False)
        ]
    return list(belief)
