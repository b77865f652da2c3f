"""A seeded city: districts that share borders, streets, poles, cameras, daycares and children.

The same spec and seed build the same city, to the last camera. Lengths are metres on a local
plane around `CitySpec.origin` (x east, y north); what leaves here as a registry record is WGS 84.
The districts are invented and lie where no such districts are.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from shared.domain.geo import Area, LatLon, Plane
from shared.domain.places import (
    Agreement,
    Camera,
    Child,
    Consent,
    Facility,
    Phone,
    Policy,
    Scanner,
    Tenant,
)
from shared.domain.sharing import signed
from shared.domain.streets import Line, Street

Floats = NDArray[np.float64]
Record = Tenant | Facility | Scanner | Camera | Child | Phone | Agreement

GRANT_FIELDS = ("position", "track", "name")

_NAMED = (("garam", "가람구"), ("naru", "나루구"), ("saebyeok", "새벽시"))
_MORE = ("한울", "미르", "아라", "다온", "누리", "가온", "보라", "솔빛", "여울", "이든", "하람", "채움")
_DAYCARES = ("햇살", "별님", "무지개", "도토리", "새싹", "은하수", "꿈동산", "솔방울", "달팽이", "구름")
_SURNAMES = "김이박최정강조윤장임한오서신권황"
_GIVEN = ("서준", "하윤", "도윤", "지우", "시우", "서연", "하준", "지호", "수아", "예준", "다은", "유나")
_STREETS = ("가람로", "나루길", "새벽로", "은행나무길", "시냇가길", "솔숲로", "한마음길", "언덕로")


@dataclass(frozen=True, slots=True)
class DistrictSpec:
    """One municipality to build: how many of everything.

    focus: poles and cameras gather around the first park (a pilot) instead of all of them.
    """

    tenant_id: str
    name: str
    facilities: int
    children: int
    scanners: int
    cameras: int
    phones_per_facility: int = 2
    focus: bool = False


@dataclass(frozen=True, slots=True)
class CitySpec:
    """What to build. Districts lie in a brick pattern of `columns`, so neighbours share borders.

    width_m, height_m: of one district. block_m: between streets. pole_m: between poles on a street.
    """

    districts: tuple[DistrictSpec, ...]
    width_m: float = 3000.0
    height_m: float = 2400.0
    columns: int = 2
    block_m: float = 80.0
    pole_m: float = 40.0
    camera_m: float = 20.0
    origin: LatLon = field(default=LatLon(37.5, 127.0))
    since: datetime = datetime(2026, 3, 2, tzinfo=UTC)

    @staticmethod
    def demo() -> "CitySpec":
        """Three districts: 가람구 and 나루구 with a pilot at their border, 새벽시 south of both."""
        garam, naru, saebyeok = _NAMED
        return CitySpec(
            (
                DistrictSpec(*garam, facilities=2, children=48, scanners=34, cameras=170, focus=True),
                DistrictSpec(*naru, facilities=2, children=40, scanners=28, cameras=150, focus=True),
                DistrictSpec(*saebyeok, facilities=1, children=20, scanners=4, cameras=20, focus=True),
            )
        )

    @staticmethod
    def row() -> "CitySpec":
        """Seven small districts side by side: a child who walks east crosses one border after the other."""
        named = [*_NAMED, *((f"d{n:02d}", f"{_MORE[n % len(_MORE)]}구") for n in range(4, 8))]
        districts = tuple(
            DistrictSpec(
                slug, name, facilities=1, children=6, scanners=34 if n < 4 else 2, cameras=8, focus=True
            )
            for n, (slug, name) in enumerate(named)
        )
        return CitySpec(districts, width_m=260, height_m=480, columns=7)

    @staticmethod
    def of(name: str) -> "CitySpec":
        """The spec a scenario asks for: "demo" or "row"."""
        return {"demo": CitySpec.demo, "row": CitySpec.row}[name]()

    @staticmethod
    def reference(tenants: int = 1) -> "CitySpec":
        """Districts of the reference size: 68 daycares, 3,100 children, 340 scanners, 6,500 cameras."""
        named = [*_NAMED, *((f"d{n:02d}", f"{_MORE[n % len(_MORE)]}구") for n in range(4, tenants + 1))]
        districts = tuple(
            DistrictSpec(slug, name, facilities=68, children=3100, scanners=340, cameras=6500)
            for slug, name in named[:tenants]
        )
        return CitySpec(districts, width_m=5440, height_m=5440, columns=max(1, round(tenants**0.5)))


@dataclass(frozen=True, slots=True)
class Place:
    """Somewhere children play, or a road. place_id: `<tenant>-park-01` or `<tenant>-road-01`."""

    place_id: str
    tenant_id: str
    name: str
    x_m: float
    y_m: float


@dataclass(frozen=True, slots=True)
class Streets:
    """A grid of streets. xs_m: where the north–south ones run; ys_m: the east–west ones. Ascending."""

    xs_m: tuple[float, ...]
    ys_m: tuple[float, ...]

    def route(self, start: tuple[float, float], end: tuple[float, float]) -> list[tuple[float, float]]:
        """Corners of a way from `start` to `end` along the streets: to the street, one turn, and off it."""
        y = min(self.ys_m, key=lambda v: abs(v - start[1]))
        x = min(self.xs_m, key=lambda v: abs(v - end[0]))
        way = [start, (start[0], y), (x, y), (x, end[1]), end]
        return [way[0], *(b for a, b in pairwise(way) if a != b)]


@dataclass(frozen=True)
class City:
    """A built city. Everything of a tenant is in `records(tenant_id)`; ids start with its slug."""

    spec: CitySpec
    seed: int
    plane: Plane
    streets: Streets
    tenants: tuple[Tenant, ...]
    places: Sequence[Place]
    agreements: tuple[Agreement, ...]
    facilities: Mapping[str, Sequence[Facility]]
    scanners: Mapping[str, Sequence[Scanner]]
    cameras: Mapping[str, Sequence[Camera]]
    children: Mapping[str, Sequence[Child]]
    phones: Mapping[str, Sequence[Phone]]

    @staticmethod
    def build(spec: CitySpec, seed: int) -> "City":
        """The city of a spec and a seed."""
        return _Builder(spec, seed).build()

    def records(self, tenant_id: str) -> list[Record]:
        """Everything a tenant registers, its own record first. KeyError for a tenant not here."""
        return [
            next(t for t in self.tenants if t.tenant_id == tenant_id),
            *self.facilities[tenant_id],
            *self.scanners[tenant_id],
            *self.cameras[tenant_id],
            *self.children[tenant_id],
            *self.phones[tenant_id],
            *(a for a in self.agreements if a.tenant_id == tenant_id),
        ]

    def place(self, place_id: str) -> Place:
        """A place by id. KeyError when there is none."""
        for place in self.places:
            if place.place_id == place_id:
                return place
        raise KeyError(place_id)

    def tenant(self, tenant_id: str) -> Tenant:
        """A tenant by id. KeyError when there is none."""
        for tenant in self.tenants:
            if tenant.tenant_id == tenant_id:
                return tenant
        raise KeyError(tenant_id)

    def street_lines(self) -> Iterator[tuple[LatLon, LatLon]]:
        """Every street from end to end."""
        xs, ys = self.streets.xs_m, self.streets.ys_m
        at = self.plane.to_latlon
        yield from ((at(x, ys[0]), at(x, ys[-1])) for x in xs)
        yield from ((at(xs[0], y), at(xs[-1], y)) for y in ys)

    def streets_about(self, place: Place, within_m: float = 600.0) -> list[Street]:
        """Streets about a place as a municipality registers them, from crossing to crossing."""
        pieces = self.street_pieces(place.x_m, place.y_m, within_m)
        return [Street(f"{place.tenant_id}-w-{n:04d}", piece) for n, piece in enumerate(pieces, start=1)]

    def street_pieces(self, x_m: float, y_m: float, within_m: float) -> Iterator[Line]:
        """Streets in pieces from crossing to crossing, of a square about a place."""
        xs = [x for x in self.streets.xs_m if abs(x - x_m) <= within_m]
        ys = [y for y in self.streets.ys_m if abs(y - y_m) <= within_m]
        at = self.plane.to_latlon
        yield from ((at(x, a), at(x, b)) for x in xs for a, b in pairwise(ys))
        yield from ((at(a, y), at(b, y)) for y in ys for a, b in pairwise(xs))


class _Builder:
    def __init__(self, spec: CitySpec, seed: int) -> None:
        self.spec = spec
        self.seed = seed
        self.plane = Plane(spec.origin)

    def rng(self, *key: int) -> np.random.Generator:
        """A stream of its own for each part, so that one more camera moves no child."""
        return np.random.default_rng([self.seed, *key])

    def build(self) -> City:
        spec = self.spec
        rings = [self._ring(k) for k in range(len(spec.districts))]
        border = [p for p in rings[0] if len(rings) > 1 and p in set(rings[1])]
        scene = (_at_y(border, 0.0) - 140.0 if border else -self.spec.width_m / 2, 0.0)
        self.streets = self._streets(scene, rings)
        tenants = [
            Tenant(d.tenant_id, d.name, self._area(ring), Policy())
            for d, ring in zip(spec.districts, rings, strict=True)
        ]
        parks = [
            self._parks(k, d, np.asarray(ring), scene)
            for k, (d, ring) in enumerate(zip(spec.districts, rings, strict=True))
        ]
        built = list(zip(range(len(rings)), spec.districts, map(np.asarray, rings), parks, strict=True))
        return City(
            spec,
            self.seed,
            self.plane,
            self.streets,
            tuple(tenants),
            tuple(place for _, d, ring, p in built for place in (*p, self._road(d, ring, p[0]))),
            tuple(self._agreements(tenants, rings)),
            {d.tenant_id: tuple(self._facilities(k, d, p)) for k, d, _, p in built},
            {d.tenant_id: tuple(self._scanners(k, d, ring, p)) for k, d, ring, p in built},
            {d.tenant_id: tuple(self._cameras(k, d, ring, p)) for k, d, ring, p in built},
            {d.tenant_id: tuple(self._children(k, d)) for k, d, _, _ in built},
            {d.tenant_id: tuple(self._phones(k, d)) for k, d, _, _ in built},
        )

    # --- districts -------------------------------------------------------------------------

    def _ring(self, k: int) -> list[tuple[float, float]]:
        """Corners of district k's boundary, closed by its first. Shared edges are the same points."""
        spec = self.spec
        row, col = divmod(k, spec.columns)
        left = 2 * col + row % 2 - 2  # in half widths, so that the first two meet at x = 0
        top, bottom = -row, -row - 1
        corners = [(left, bottom), (left + 1, bottom), (left + 2, bottom), (left + 2, top)]
        corners += [(left + 1, top), (left, top), (left, bottom)]
        ring: list[tuple[float, float]] = []
        for a, b in pairwise(corners):
            edge = self._edge(min(a, b), max(a, b))
            ring += (edge if a < b else edge[::-1])[:-1]
        return ring

    def _corner(self, corner: tuple[int, int]) -> tuple[float, float]:
        dx, dy = self.rng(1, corner[0] + 500, corner[1] + 500).uniform(-60, 60, 2)
        return corner[0] * self.spec.width_m / 2 + dx, (corner[1] + 0.5) * self.spec.height_m + dy

    def _edge(self, a: tuple[int, int], b: tuple[int, int]) -> list[tuple[float, float]]:
        """A border between two corners, wandering like a stream."""
        (ax, ay), (bx, by) = self._corner(a), self._corner(b)
        rng = self.rng(2, a[0] + 500, a[1] + 500, b[0] + 500, b[1] + 500)
        n = 12
        t = np.arange(1, n) / n
        sway = rng.normal(0, 18, n - 1) / np.hypot(bx - ax, by - ay)
        xs = ax + t * (bx - ax) - sway * (by - ay)
        ys = ay + t * (by - ay) + sway * (bx - ax)
        inner = [(float(x), float(y)) for x, y in zip(xs, ys, strict=True)]
        return [(ax, ay), *inner, (bx, by)]

    def _area(self, ring: Sequence[tuple[float, float]]) -> Area:
        return Area(tuple(self.plane.to_latlon(x, y) for x, y in ring))

    def _agreements(
        self, tenants: Sequence[Tenant], rings: Sequence[Sequence[tuple[float, float]]]
    ) -> Iterator[Agreement]:
        until = self.spec.since + timedelta(days=365 * 3)
        for i, a in enumerate(tenants):
            for j, b in enumerate(tenants):
                if i != j and len(set(rings[i]) & set(rings[j])) > 1:
                    agreed = Agreement(a.tenant_id, b.tenant_id, b.boundary, GRANT_FIELDS, until)
                    for party in (a, b):
                        agreed = signed(agreed, party.tenant_id, "mayor", self.spec.since)
                    yield agreed

    # --- streets and places ----------------------------------------------------------------

    def _streets(self, scene: tuple[float, float], rings: Sequence[Sequence[tuple[float, float]]]) -> Streets:
        points = np.concatenate([np.asarray(r) for r in rings])
        low, high = points.min(axis=0), points.max(axis=0)

        def lines(through: float, low_m: float, high_m: float, key: int) -> tuple[float, ...]:
            rng, block = self.rng(3, key), self.spec.block_m
            n = int((high_m - low_m) / block) + 2
            up = through + np.cumsum(rng.uniform(0.94, 1.06, n) * block)
            down = through - np.cumsum(rng.uniform(0.94, 1.06, n) * block)
            every = np.concatenate([down[::-1], [through], up])
            return tuple(float(v) for v in every if low_m <= v <= high_m)

        return Streets(
            lines(scene[0], float(low[0]), float(high[0]), 1),
            lines(scene[1], float(low[1]), float(high[1]), 2),
        )

    def _parks(self, k: int, district: DistrictSpec, ring: Floats, scene: tuple[float, float]) -> list[Place]:
        """One park to a daycare, on crossings 60 m or more inside; the first is the one nearest the scene."""
        nodes = np.array([(x, y) for x in self.streets.xs_m for y in self.streets.ys_m])
        nodes = nodes[_inside(ring, nodes)]
        nodes = nodes[_to_ring_m(ring, nodes) >= 60]
        first = int(np.argmin(np.hypot(nodes[:, 0] - scene[0], nodes[:, 1] - scene[1])))
        others = [i for i in self.rng(4, k).permutation(len(nodes)) if i != first]
        return [
            Place(
                f"{district.tenant_id}-park-{n:02d}",
                district.tenant_id,
                f"{district.name[:-1]} {n}공원",
                float(nodes[i, 0]),
                float(nodes[i, 1]),
            )
            for n, i in enumerate([first, *others][: district.facilities], start=1)
        ]

    def _road(self, district: DistrictSpec, ring: Floats, park: Place) -> Place:
        """The main road: two blocks from the first park, north or south, still in the district."""
        ys = sorted(self.streets.ys_m, key=lambda y: abs(abs(y - park.y_m) - 2 * self.spec.block_m))
        inside = _inside(ring, np.array([(park.x_m, y) for y in ys]))
        return Place(
            f"{district.tenant_id}-road-01",
            district.tenant_id,
            f"{district.name[:-1]}대로",
            park.x_m,
            ys[int(np.argmax(inside))],
        )

    # --- what stands and lives there -------------------------------------------------------

    def _phones(self, k: int, district: DistrictSpec) -> Iterator[Phone]:
        each = district.phones_per_facility
        for n, name in enumerate(_names(self.rng(9, k), district.facilities * each)):
            slug = district.tenant_id
            yield Phone(f"{slug}-p-{n + 1:03d}", f"{slug}-f-{n // each + 1:02d}", name)

    def _facilities(self, k: int, district: DistrictSpec, parks: Sequence[Place]) -> Iterator[Facility]:
        rng = self.rng(5, k)
        for n, park in enumerate(parks, start=1):
            dx, dy = rng.uniform(15, 30, 2) * rng.choice([-1, 1], 2) - (self.spec.block_m, 0)
            name = f"{district.name[:-1]} {_DAYCARES[(n - 1) % len(_DAYCARES)]}어린이집"
            if n > len(_DAYCARES):
                name += f" {(n - 1) // len(_DAYCARES) + 1}호"
            yield Facility(
                f"{district.tenant_id}-f-{n:02d}", name, self.plane.to_latlon(park.x_m + dx, park.y_m + dy)
            )

    def _scanners(
        self, k: int, district: DistrictSpec, ring: Floats, parks: Sequence[Place]
    ) -> Iterator[Scanner]:
        poles, _ = self._along_streets(self.spec.pole_m, 0.0, ring)
        rng = self.rng(6, k)
        for n, i in enumerate(_nearest(poles, parks, district.scanners, focus=district.focus), start=1):
            x, y = poles[i] + rng.normal(0, 1.5, 2)
            yield Scanner(
                f"{district.tenant_id}-s-{n:03d}",
                self.plane.to_latlon(float(x), float(y)),
                height_m=round(float(rng.uniform(4, 6)), 1),
            )

    def _cameras(
        self, k: int, district: DistrictSpec, ring: Floats, parks: Sequence[Place]
    ) -> Iterator[Camera]:
        sites, bearing = self._along_streets(self.spec.camera_m, self.spec.camera_m / 2, ring)
        rng = self.rng(7, k)
        for n, i in enumerate(_nearest(sites, parks, district.cameras, focus=district.focus), start=1):
            dome = rng.random() < 0.08
            heading = (bearing[i] + rng.choice([0, 180]) + rng.normal(0, 8)) % 360
            x, y = sites[i] + rng.normal(0, 2, 2)
            yield Camera(
                f"{district.tenant_id}-k-{n:04d}",
                f"{_STREETS[int(rng.integers(len(_STREETS)))]} {int(rng.integers(1, 240))} 앞",
                self.plane.to_latlon(float(x), float(y)),
                heading_deg=round(float(heading), 1),
                field_of_view_deg=360.0 if dome else round(float(rng.uniform(60, 100)), 0),
                range_m=round(float(rng.uniform(30, 60)), 0),
            )

    def _along_streets(self, every_m: float, start_m: float, ring: Floats) -> tuple[Floats, Floats]:
        """Sites about `every_m` apart on every street of a district, and the street's bearing there."""
        xs, ys = np.asarray(self.streets.xs_m), np.asarray(self.streets.ys_m)
        along_y, along_x = _divide(ys, every_m, start_m), _divide(xs, every_m, start_m)
        along_x = along_x[~np.isin(along_x, xs)]  # crossings belong to the north–south street alone
        north = np.stack(np.meshgrid(xs, along_y, indexing="ij"), axis=-1).reshape(-1, 2)
        east = np.stack(np.meshgrid(along_x, ys, indexing="ij"), axis=-1).reshape(-1, 2)
        sites = np.concatenate([north, east])
        bearing = np.concatenate([np.zeros(len(north)), np.full(len(east), 90.0)])
        keep = _inside(ring, sites)
        return sites[keep], bearing[keep]

    def _children(self, k: int, district: DistrictSpec) -> Iterator[Child]:
        """Each daycare's roster. Its last child has no consent and the one before has paused it."""
        rng = self.rng(8, k)
        names = iter(_names(rng, district.children))
        n = 0
        for f, roster in enumerate(
            np.array_split(np.arange(district.children), district.facilities), start=1
        ):
            for bag in range(1, len(roster) + 1):
                n += 1
                left = len(roster) - bag
                consent = None if left == 0 else Consent(self.spec.since, paused=left == 1)
                yield Child(
                    f"{district.tenant_id}-c-{n:04d}",
                    f"{district.tenant_id}-f-{f:02d}",
                    next(names),
                    f"{bag:02d}",
                    rng.bytes(8).hex(),
                    age_y=int(rng.integers(3, 7)),
                    sex=str(rng.choice(["female", "male"])),
                    consent=consent,
                )


def _names(rng: np.random.Generator, n: int) -> list[str]:
    surnames, given = rng.integers(len(_SURNAMES), size=n), rng.integers(len(_GIVEN), size=n)
    return [_SURNAMES[s] + _GIVEN[g] for s, g in zip(surnames, given, strict=True)]


def _divide(lines: Floats, every_m: float, start_m: float) -> Floats:
    """Points along a street, each block cut into equal parts of about `every_m`; first at `start_m`."""
    parts = [
        np.linspace(a, b, max(1, round((b - a) / every_m)), endpoint=False) + start_m
        for a, b in pairwise(lines)
    ]
    return np.concatenate(parts)


def _inside(ring: Floats, points: Floats) -> NDArray[np.bool_]:
    """(n,) whether each of (n, 2) points lies in the ring (even-odd rule)."""
    inside = np.zeros(len(points), dtype=bool)
    x, y = points[:, 0], points[:, 1]
    for (ax, ay), (bx, by) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
        if ay != by:
            inside ^= ((ay > y) != (by > y)) & (x < (bx - ax) * (y - ay) / (by - ay) + ax)
    return inside


def _to_ring_m(ring: Floats, points: Floats) -> Floats:
    """(n,) metres from each of (n, 2) points to the nearest edge of the ring."""
    best = np.full(len(points), np.inf)
    for a, b in zip(ring, np.roll(ring, -1, axis=0), strict=True):
        d = b - a
        t = np.clip((points - a) @ d / (d @ d), 0, 1)[:, None]
        best = np.minimum(best, np.hypot(*(points - a - t * d).T))
    return best


def _nearest(sites: Floats, parks: Sequence[Place], n: int, *, focus: bool) -> list[int]:
    """Indices of n sites: the parks (only the first if `focus`) take their nearest free one in turn."""
    turns = parks[:1] if focus else parks
    orders = [iter(np.argsort(np.hypot(*(sites - (p.x_m, p.y_m)).T), kind="stable")) for p in turns]
    taken: dict[int, None] = {}
    while len(taken) < min(n, len(sites)):
        for order in orders:
            site = next((int(i) for i in order if int(i) not in taken), None)
            if site is not None and len(taken) < n:
                taken[site] = None
    return list(taken)


def _at_y(points: Sequence[tuple[float, float]], y_m: float) -> float:
    """x of a northward line of points at `y_m`."""
    ordered = sorted(points, key=lambda p: p[1])
    return float(np.interp(y_m, [p[1] for p in ordered], [p[0] for p in ordered]))
