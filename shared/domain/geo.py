"""Points, distances and areas on a city's scale. Plain Python: it runs in the ingest path.

A district is a few kilometres wide, so an equirectangular plane around a nearby origin is
exact to better than 0.1 % (10 km at 37° N); nobody here needs a projection library.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

EARTH_RADIUS_M = 6_371_008.8  # mean radius R1, IUGG


@dataclass(frozen=True, slots=True)
class LatLon:
    """A WGS 84 position, degrees."""

    lat_deg: float
    lon_deg: float

    def __post_init__(self) -> None:
        if not (-90 <= self.lat_deg <= 90 and -180 <= self.lon_deg <= 180):
            raise ValueError("not a position: latitude is -90..90 and longitude -180..180 degrees")


@dataclass(frozen=True, slots=True)
class Plane:
    """Local metres around an origin: x east, y north."""

    origin: LatLon

    def to_xy(self, at: LatLon) -> tuple[float, float]:
        """`at` in metres (x east, y north) from the origin."""
        k = math.radians(1) * EARTH_RADIUS_M
        x = (at.lon_deg - self.origin.lon_deg) * k * math.cos(math.radians(self.origin.lat_deg))
        return x, (at.lat_deg - self.origin.lat_deg) * k

    def to_latlon(self, x_m: float, y_m: float) -> LatLon:
        """The position `x_m` east and `y_m` north of the origin."""
        k = math.radians(1) * EARTH_RADIUS_M
        lon = self.origin.lon_deg + x_m / (k * math.cos(math.radians(self.origin.lat_deg)))
        return LatLon(self.origin.lat_deg + y_m / k, lon)


@dataclass(frozen=True, slots=True)
class Ellipse:
    """An area that holds the position with probability `confidence` (0..1).

    bearing_deg: of the major axis, clockwise from north, 0..180.
    """

    center: LatLon
    semi_major_m: float
    semi_minor_m: float
    bearing_deg: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Area:
    """A simple polygon without holes: a district's boundary, a daycare's yard.

    ring: at least 3 corners in order, closed or not. ValueError below 3.
    """

    ring: tuple[LatLon, ...]

    def __post_init__(self) -> None:
        if len(self.ring) < 3:
            raise ValueError("an area needs at least 3 corners")


def distance_m(a: LatLon, b: LatLon) -> float:
    """Metres between two positions (haversine)."""
    p1, p2 = math.radians(a.lat_deg), math.radians(b.lat_deg)
    h = (
        math.sin((p2 - p1) / 2) ** 2
        + math.cos(p1) * math.cos(p2) * math.sin(math.radians(b.lon_deg - a.lon_deg) / 2) ** 2
    )
    return 2 * EARTH_RADIUS_M * math.asin(math.sqrt(min(1.0, h)))


def bearing_deg(a: LatLon, b: LatLon) -> float:
    """Direction from `a` to `b`, degrees clockwise from north, 0..360."""
    x, y = Plane(a).to_xy(b)
    return math.degrees(math.atan2(x, y)) % 360


def contains(area: Area, at: LatLon) -> bool:
    """Whether `at` lies inside the area (even-odd rule)."""
    inside = False
    x, y = at.lon_deg, at.lat_deg
    for a, b in _edges(area.ring):
        if (a.lat_deg > y) != (b.lat_deg > y):
            cross = (b.lon_deg - a.lon_deg) * (y - a.lat_deg) / (b.lat_deg - a.lat_deg) + a.lon_deg
            inside ^= x < cross
    return inside


def distance_to_area_m(area: Area, at: LatLon) -> float:
    """Metres from `at` to the area; 0 inside it."""
    if contains(area, at):
        return 0.0
    plane = Plane(at)
    return min(_to_segment_m(plane.to_xy(a), plane.to_xy(b)) for a, b in _edges(area.ring))


def _edges(ring: Sequence[LatLon]) -> Iterator[tuple[LatLon, LatLon]]:
    yield from pairwise(ring)
    if ring[0] != ring[-1]:
        yield ring[-1], ring[0]


def _to_segment_m(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Metres from the plane's origin to the segment a–b."""
    (ax, ay), (bx, by) = a, b
    dx, dy = bx - ax, by - ay
    length2 = dx * dx + dy * dy
    t = 0.0 if length2 == 0 else max(0.0, min(1.0, -(ax * dx + ay * dy) / length2))
    return math.hypot(ax + t * dx, ay + t * dy)
