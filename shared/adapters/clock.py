"""The clocks. Every "now" in the functions comes from one of these."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime

from shared.ports import Clock


class SystemClock:
    """The wall clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def from_wall_ms(self, wall_ms: int) -> int:
        return wall_ms


@dataclass(frozen=True, slots=True)
class SimulatedClock:
    """A clock that started at `scenario_s0` when the wall stood at `wall_s0` and runs `rate` times as fast.

    It lets a simulated city run faster than life through real AWS APIs.
    """

    wall_s0: float
    scenario_s0: float
    rate: float

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.from_wall_ms(round(time.time() * 1000)) / 1000, UTC)

    def from_wall_ms(self, wall_ms: int) -> int:
        return round((self.scenario_s0 + (wall_ms / 1000 - self.wall_s0) * self.rate) * 1000)


@dataclass(slots=True)
class ManualClock:
    """A clock that stands still until somebody sets `at`: for the memory twins."""

    at: datetime

    def now(self) -> datetime:
        return self.at

    def from_wall_ms(self, wall_ms: int) -> int:
        return wall_ms


def clock_from(text: str) -> Clock:
    """The clock `JIKIMI_CLOCK` asks for: empty, or `<wall_s0>:<scenario_s0>:<rate>`.

    ValueError for anything else, and for a rate that is not positive.
    """
    if not text:
        return SystemClock()
    wall_s0, scenario_s0, rate = (float(part) for part in text.split(":"))
    if rate <= 0:
        raise ValueError("a clock runs forwards: the rate must be positive")
    return SimulatedClock(wall_s0, scenario_s0, rate)


def wall_span_ms(clock: Clock, span_ms: float) -> int:
    """How long a span of scenario time takes on the wall."""
    hour_ms = 3_600_000
    return round(span_ms * hour_ms / (clock.from_wall_ms(hour_ms) - clock.from_wall_ms(0)))


def epoch_ms(at: datetime) -> int:
    """Epoch milliseconds of an aware time."""
    return round(at.timestamp() * 1000)


def from_epoch_ms(ms: int) -> datetime:
    """The aware UTC time of epoch milliseconds."""
    return datetime.fromtimestamp(ms / 1000, UTC)
