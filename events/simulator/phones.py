"""A teacher's phone as a receiver that moves: where it is, and where its GPS says it is."""

import math
from dataclasses import dataclass

import numpy as np

from events.simulator.walks import Path

HEIGHT_M = 1.2


@dataclass(frozen=True, slots=True)
class GpsFix:
    """A phone's own position. x_m, y_m: local metres; accuracy_m: 68 % radius as the phone states it."""

    at_s: float
    x_m: float
    y_m: float
    accuracy_m: int


class Gps:
    """A phone's GPS: an error that wanders (multipath, Gauss–Markov) plus a little noise of each fix.

    sd_m: of the wandering error per axis; tau_s: its memory. What the phone states is near the truth
    of it, not equal: phones misjudge themselves by a third either way.
    """

    def __init__(self, path: Path, seed: int, *, sd_m: float = 3.0, tau_s: float = 40.0) -> None:
        self._path = path
        self._rng = np.random.default_rng([seed, 88])
        self._sd_m, self._tau_s = sd_m, tau_s
        self._error = self._rng.normal(0, sd_m, 2)
        self._at_s = 0.0
        self._claim = float(self._rng.uniform(0.75, 1.35)) * sd_m * math.sqrt(2 * math.log(1 / 0.32))

    def fix(self, at_s: float) -> GpsFix:
        """The fix at `at_s`; calls must go forward in time."""
        keep = math.exp(-(at_s - self._at_s) / self._tau_s)
        self._error = keep * self._error + self._rng.normal(0, self._sd_m * math.sqrt(1 - keep**2), 2)
        self._at_s = at_s
        x, y = np.asarray(self._path.at(at_s)) + self._error + self._rng.normal(0, 0.5, 2)
        return GpsFix(at_s, float(x), float(y), max(3, round(self._claim)))
