"""Where the beacon is, with the error of that."""

from dataclasses import dataclass
from enum import StrEnum

from shared.domain.geo import Ellipse, LatLon


class Shape(StrEnum):
    """What the 95 % region looks like; a person is told in words."""

    ELLIPSE = "ellipse"
    RING = "ring"
    TWO_PLACES = "two-places"


@dataclass(frozen=True, slots=True)
class Receiver:
    """Something that hears: a pole scanner, or a phone where it was at that moment.

    accuracy_m: 68 % radius of `at`, 0 when surveyed. offset_db, sd_db: learned per scanner.
    """

    source_id: str
    at: LatLon
    offset_db: float = 0.0
    sd_db: float = 6.0
    accuracy_m: float = 0.0


@dataclass(frozen=True, slots=True)
class Fix:
    """A position that states its error.

    at_ms: event time of the newest evidence, epoch ms UTC. center: posterior mean.
    ellipse50, ellipse95: from the posterior covariance, tempered until coverage is honest.
    method: "radio" or "gps". heard: sources used, strongest first; silent: alive sources whose
    silence was used. reason: code of the sentence that says why (i18n `fix.*`).
    """

    at_ms: int
    center: LatLon
    ellipse50: Ellipse
    ellipse95: Ellipse
    shape: Shape
    method: str
    heard: tuple[str, ...]
    silent: tuple[str, ...]
    reason: str
