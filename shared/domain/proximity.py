"""How probable it is that the child is with the group: within reach of any teacher's phone."""

from dataclasses import dataclass

from shared.domain.geo import LatLon


@dataclass(frozen=True, slots=True)
class PhoneTrack:
    """A phone's recent life: when it reported, and where it was. Oldest first, unique by time.

    fixes: (at_ms, position, accuracy_m).
    """

    phone_id: str
    reported_ms: tuple[int, ...] = ()
    fixes: tuple[tuple[int, LatLon, int], ...] = ()
    version: int = 0
