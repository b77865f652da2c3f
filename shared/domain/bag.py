"""What the bag does. Of the child it says nothing: the beacon is in the bag."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from shared.domain.departure import NEAR
from shared.domain.geo import distance_m
from shared.domain.position import CHI2_95, Fix


class BagState(StrEnum):
    WITH_GROUP = "with-group"
    MOVING_ALONE = "moving-alone"
    STILL = "still"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Bag:
    """reason_code: key of the sentence (i18n `bag.*`); params: metres and seconds it rests on."""

    state: BagState
    reason_code: str
    params: Mapping[str, int] = field(default_factory=dict)


STILL_S = 60.0
"""Shorter than this, a child that stands and a bag that lies are the same."""
STILL_MPS = 0.15
"""Slower than a toddler wanders (0.4 m/s)."""
STILL_REACH_M = 40.0
"""Two fixes this near each other, errors included, are one place as far as poles can tell."""


def bag_state(near: float | None, fixes: Sequence[Fix]) -> Bag:
    """What the bag does, from its proximity to the group and its fixes of the last minutes, any order.

    near: probability of being within reach of the group's phones; None without an outing.
    Away from the group it moves when the two ends of its track lie further apart than both errors allow,
    and lies still when they cannot; between the two nobody knows, and says so.
    """
    if near is not None and near >= NEAR:
        return Bag(BagState.WITH_GROUP, "bag-with-group")
    ordered = sorted(fixes, key=lambda f: f.at_ms)
    if len(ordered) < 2:
        return Bag(BagState.UNKNOWN, "bag-unknown")
    first, last = ordered[0], ordered[-1]
    lasted_s = (last.at_ms - first.at_ms) / 1000
    moved_m = distance_m(first.center, last.center)
    error_m = math.hypot(_sd_m(first), _sd_m(last))
    params = {"moved_m": round(moved_m), "lasted_s": round(lasted_s)}
    if moved_m > 2 * error_m and moved_m > STILL_MPS * lasted_s:
        return Bag(BagState.MOVING_ALONE, "bag-moving-alone", params)
    if lasted_s >= STILL_S and moved_m + 2 * error_m <= STILL_MPS * lasted_s + STILL_REACH_M:
        return Bag(BagState.STILL, "bag-still", params)
    return Bag(BagState.UNKNOWN, "bag-unknown", params)


def _sd_m(fix: Fix) -> float:
    """Root of the mean variance of a fix, metres."""
    axes = math.hypot(fix.ellipse95.semi_major_m, fix.ellipse95.semi_minor_m)
    return axes / math.sqrt(2 * CHI2_95)
