"""Beacons with rotating ids as the air sees them, and somebody who listens to all of it."""

import random
from dataclasses import dataclass, field
from functools import lru_cache

from shared.adapters.tags import aes_block
from shared.domain.ephemeral_id import PERIOD_S, Tag, ephemeral_id


class RotatingTag(Tag):
    """A beacon in a bag. It changes its id at a moment of its own within each period, as the text advises."""

    def on_air(self, at_s: float, *, jitter_s: int = 0) -> str:
        """What it sends then. jitter_s: a new id may come this much late, by chance."""
        counter_s = int(at_s - self.zero_s)
        period, into_s = divmod(counter_s, PERIOD_S)
        late_s = _late_s(self.beacon_id, period, jitter_s)
        sent = period if into_s >= late_s or period == 0 else period - 1
        return _sent(self.identity_key, sent)


@lru_cache(maxsize=4096)
def _sent(identity_key: bytes, period: int) -> str:
    return ephemeral_id(identity_key, period * PERIOD_S, aes_block)


@lru_cache(maxsize=4096)
def _late_s(beacon_id: str, period: int, jitter_s: int) -> int:
    return random.Random(f"{beacon_id} {period}").randint(0, jitter_s)


def tag_of(beacon_id: str, *, seed: int, zero_s: int) -> RotatingTag:
    """A beacon with a key of its seed's."""
    return RotatingTag(beacon_id, random.Random(seed).randbytes(16), zero_s)


@dataclass
class Antennas:
    """An eavesdropper who hears every packet anywhere. followed: id → first and last second it was heard."""

    followed: dict[str, tuple[float, float]] = field(default_factory=dict)

    def hear(self, heard: str, at_s: float) -> None:
        """One packet."""
        first_s, _ = self.followed.get(heard, (at_s, at_s))
        self.followed[heard] = first_s, at_s

    def longest_s(self) -> float:
        """The longest time one id was to be followed."""
        return max(last_s - first_s for first_s, last_s in self.followed.values())
