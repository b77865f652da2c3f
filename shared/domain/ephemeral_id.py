"""Ids that change on the air: who has the key knows the beacon, everybody else sees noise.

Eddystone-EID (google/eddystone, eid-computation.md): 8 bytes, new every 2**K seconds of the beacon's own
counter, from two AES-128 encryptions under a key of its own. K = 9: nobody can follow a child for longer
than 512 s by its id. The cipher comes in as an argument.
"""

from collections.abc import Callable
from dataclasses import dataclass

EXPONENT = 9
PERIOD_S = 1 << EXPONENT
TOLERANCE_S = 2 * PERIOD_S
"""How far a beacon's counter may be off. The 150 ppm it may lose, 13 s a day, are 78 days without re-sync."""

Encrypt = Callable[[bytes, bytes], bytes]
"""AES-128 of one block of 16 bytes: (key, block) → block."""


@dataclass(frozen=True, slots=True)
class Tag:
    """A beacon's secret and its clock. zero_s: epoch second at which its counter stood at 0.

    Read anew at a visit (re-sync), `zero_s` is the instant minus the counter.
    """

    beacon_id: str
    identity_key: bytes
    zero_s: int


@dataclass(frozen=True, slots=True)
class Issued:
    """An id and whose it is. begins_s: epoch second from which the beacon sends it, by the clock we know."""

    ephemeral_id: str
    beacon_id: str
    begins_s: int

    def holds(self, at_s: float) -> bool:
        """Whether it may be heard then: in its period, or a clock's tolerance before or after."""
        return self.begins_s - TOLERANCE_S <= at_s < self.begins_s + PERIOD_S + TOLERANCE_S


def ephemeral_id(identity_key: bytes, counter_s: int, encrypt: Encrypt, *, exponent: int = EXPONENT) -> str:
    """What the beacon sends while its counter shows `counter_s`: 16 hex digits.

    ValueError for a counter that 32 bits cannot hold.
    """
    if not 0 <= counter_s < 1 << 32:
        raise ValueError(f"a beacon's counter cannot show {counter_s}")
    temporary_key = encrypt(
        identity_key, bytes(11) + b"\xff" + bytes(2) + (counter_s >> 16).to_bytes(2, "big")
    )
    cleared = counter_s >> exponent << exponent
    block = bytes(11) + exponent.to_bytes(1, "big") + cleared.to_bytes(4, "big")
    return encrypt(temporary_key, block)[:8].hex()


def window_of(at_s: float) -> int:
    """The number of the 512 s of ours in which an instant lies."""
    return int(at_s // PERIOD_S)


def windows_at(at_s: float) -> range:
    """The windows in which an id that may be heard now can have begun."""
    return range(window_of(at_s - PERIOD_S - TOLERANCE_S), window_of(at_s + TOLERANCE_S) + 1)


def issued(tag: Tag, window: int, encrypt: Encrypt) -> Issued | None:
    """The one id of the beacon that begins in our window; None before its counter began."""
    period = -((tag.zero_s - window * PERIOD_S) // PERIOD_S)
    if period < 0:
        return None
    return Issued(
        ephemeral_id(tag.identity_key, period * PERIOD_S, encrypt),
        tag.beacon_id,
        tag.zero_s + period * PERIOD_S,
    )
