"""Which cameras to open first: few, in order, and with the reason.

A few hundred walkers stand where the child may be, each going its way: those of the track's particle
filter, or drawn about the newest evidence. They walk on to now and for a minute more, along the streets
where these are known. A camera is worth the weight of the walkers that cross its view and that no better
camera on the list sees already, so two cameras on one crossing are not both recommended while a street
nobody watches stays empty.
"""

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.domain.case import Evidence, Look, Mark, SubjectClass
from shared.domain.case_track import OFF_STREET, STREET_SD_M
from shared.domain.geo import Plane, bearing_deg, distance_m
from shared.domain.places import Camera, Scanner
from shared.domain.reach import speed_mps
from shared.domain.streets import Spot, Streets

AHEAD_S = tuple(range(0, 61, 10))  # the moments a camera is opened for, seconds from now
NOT_SEEN_S = 60.0  # how long "not seen" counts against a place: the child may come later
_HEADING_S = 120.0
_CELL_M = 40.0
_WALKERS = 400
_GOLDEN = (math.sqrt(5) - 1) / 2
_KEEPS_S = 60.0  # how long somebody in the open keeps a direction
_SLOW, _FAST = 0.35, 0.8  # of the class's 95 % speed: between these people walk along a street
_STANDS = 0.1  # share of the time somebody just stands
_BESIDE_STREET_M = 10.0  # a camera this near a street's middle looks along it
_SILENT_M = 30.0  # a scanner hears a bag this near almost surely (POSITIONING)
_SILENT_FACTOR = 0.3  # … and "almost" is worth this much doubt
_PERSISTENCE = 2.0  # how much a known heading outweighs turning round: von Mises concentration


@dataclass(frozen=True, slots=True)
class Walkers:
    """Where the child may have been at `at`, and its velocity there; all equally likely.

    Metres and m/s on `plane`, east and north.
    """

    plane: Plane
    at: datetime
    x: Sequence[float]
    y: Sequence[float]
    vx: Sequence[float]
    vy: Sequence[float]


@dataclass(frozen=True, slots=True)
class RankedCamera:
    """A camera worth opening. score: share of the child's likely paths only this one adds, 0..1.

    from_s, to_s: seconds from now in which the child may pass. bearing_deg: from the evidence to the
    camera. reason: code of the sentence (i18n `camera.*`), params: what it needs.
    """

    camera: Camera
    score: float
    distance_m: float
    bearing_deg: float
    from_s: float
    to_s: float
    reason: str
    params: dict[str, int]


@dataclass(frozen=True, slots=True)
class _Cloud:
    """Paths the child may be walking: the weight of each (they sum to 1), and their places by square.

    cells: square → (path, moment, x, y) in metres on the walkers' plane.
    """

    weights: list[float]
    cells: Mapping[tuple[int, int], list[tuple[int, int, float, float]]]


def rank_cameras(
    cameras: Sequence[Camera],
    found: Evidence,
    *,
    now: datetime,
    age_y: int,
    subject_class: SubjectClass = SubjectClass.CHILD,
    walkers: Walkers | None = None,
    streets: Streets | None = None,
    marks: Mapping[str, Mark] | None = None,
    silent: Sequence[Scanner] = (),
    limit: int = 8,
) -> tuple[RankedCamera, ...]:
    """At most `limit` cameras, best first; fewer when no more can see a likely place.

    found: the newest evidence. walkers: the track's, when that is what was found; without, as
    `walkers_about`. streets: of the neighbourhood, where known. marks: the case's search log. A camera
    somebody is watching is not offered again, and what it sees counts as seen to; where one saw nothing
    just now the child is less likely to be. silent: scanners alive that have not heard the beacon since.
    """
    mps = speed_mps(age_y, subject_class)
    walkers = walkers or walkers_about(found, mps=mps)
    plane = walkers.plane if streets is None else streets.plane
    cloud = _cloud(walkers, plane, now=now, mps=mps, streets=streets, silent=silent)
    weights = cloud.weights
    sees = {camera.camera_id: _seen(camera, plane, cloud, streets) for camera in cameras}
    watched = {key for key, mark in (marks or {}).items() if mark.look is Look.WATCHING}
    left = set(range(len(weights))).difference(*(sees.get(key, {}) for key in watched))
    for key, mark in (marks or {}).items():
        if mark.look is Look.NOT_SEEN and (now - mark.at).total_seconds() < NOT_SEEN_S:
            for i in sees.get(key, {}):
                weights[i] *= _SILENT_FACTOR
    offered = {c.camera_id: c for c in cameras if c.camera_id not in watched and sees[c.camera_id]}
    chosen: list[RankedCamera] = []
    while offered and len(chosen) < limit:
        gains = {key: sum(weights[i] for i in sees[key].keys() & left) for key in offered}
        best = max(offered, key=lambda key: (gains[key], -distance_m(offered[key].at, found.where), key))
        if gains[best] <= 1e-6:
            break
        moments = [moment for both in sees[best].values() for moment in both]
        chosen.append(_ranked(offered.pop(best), found, gains[best], moments))
        left.difference_update(sees[best])
    return tuple(chosen)


def walkers_about(found: Evidence, *, mps: float, heading_deg: float | None = None) -> Walkers:
    """Walkers within the evidence's own 95 % radius, going all ways, 95 % of them slower than `mps`.

    heading_deg: which way the child was last moving, if known: most then go there.
    """
    sd_m, sd_mps = found.radius_m / 2.448, mps / 2.448
    x, y, vx, vy = [], [], [], []
    for k in range(_WALKERS):
        far, pace = (
            math.sqrt(-2 * math.log(1 - share)) for share in ((k + 0.5) / _WALKERS, (k * 0.7548777) % 1)
        )
        where, way = 2 * math.pi * ((k * _GOLDEN) % 1), 2 * math.pi * ((k * 0.5698403) % 1)
        if heading_deg is not None:
            way = _towards(way, math.radians(heading_deg))
        x.append(sd_m * far * math.sin(where))
        y.append(sd_m * far * math.cos(where))
        vx.append(sd_mps * pace * math.sin(way))
        vy.append(sd_mps * pace * math.cos(way))
    return Walkers(Plane(found.where), found.at, x, y, vx, vy)


def _towards(way: float, heading: float) -> float:
    """An even angle bent towards `heading`, so that even ones become a wrapped normal of `_PERSISTENCE`."""
    off = math.remainder(way - heading, 2 * math.pi)
    return heading + off / math.sqrt(_PERSISTENCE)


def _cloud(
    walkers: Walkers,
    plane: Plane,
    *,
    now: datetime,
    mps: float,
    streets: Streets | None,
    silent: Sequence[Scanner],
) -> _Cloud:
    """Every walker's path over the moments ahead, in squares of `_CELL_M`."""
    age_s = max(0.0, (now - walkers.at).total_seconds())
    deaf = [plane.to_xy(scanner.at) for scanner in silent]
    dx, dy = plane.to_xy(walkers.plane.origin)
    rng = random.Random(20180615)  # the same question has the same answer
    weights: list[float] = []
    cells: dict[tuple[int, int], list[tuple[int, int, float, float]]] = {}
    for wx, wy, *velocity in zip(walkers.x, walkers.y, walkers.vx, walkers.vy, strict=True):
        pace = mps * rng.uniform(_SLOW, _FAST) * (1 - _STANDS)
        street = None if streets is None else streets.nearest(wx + dx, wy + dy)
        if streets is None or street is None:
            weight = OFF_STREET if streets else 1.0
            path = _in_the_open((wx + dx, wy + dy), velocity, age_s)
        else:
            spot, off_m = street
            weight = math.exp(-((off_m / STREET_SD_M) ** 2) / 2) + OFF_STREET
            forward = rng.random() < 1 / (1 + math.exp(-4 * streets.speed_along(spot, *velocity)))
            path = list(_along_streets(streets, (spot, forward), age_s, pace, rng))
        x0, y0 = path[0]
        unheard = any(math.hypot(x0 - x, y0 - y) < _SILENT_M for x, y in deaf)
        for moment, (x, y) in enumerate(path):
            cell = (int(x // _CELL_M), int(y // _CELL_M))
            cells.setdefault(cell, []).append((len(weights), moment, x, y))
        weights.append(weight * (_SILENT_FACTOR if unheard else 1.0))
    total = sum(weights)
    return _Cloud([weight / total for weight in weights], cells)


def _in_the_open(
    at: tuple[float, float], velocity: Sequence[float], age_s: float
) -> list[tuple[float, float]]:
    """Where somebody is at `AHEAD_S` from now who keeps a direction for about `_KEEPS_S`."""
    gone_s = [_KEEPS_S * (1 - math.exp(-(age_s + ahead_s) / _KEEPS_S)) for ahead_s in AHEAD_S]
    return [(at[0] + velocity[0] * s, at[1] + velocity[1] * s) for s in gone_s]


def _along_streets(
    streets: Streets, begin: tuple[Spot, bool], age_s: float, pace_mps: float, rng: random.Random
) -> Iterator[tuple[float, float]]:
    """Where somebody is at `AHEAD_S` from now who walks on along the streets, turning as people do."""
    spot, forward = begin
    before_s = 0.0
    for after_s in (age_s + ahead_s for ahead_s in AHEAD_S):
        spot, forward = streets.walked(spot, forward, pace_mps * (after_s - before_s), rng.random)
        before_s = after_s
        yield streets.at(spot)


def _seen(camera: Camera, plane: Plane, cloud: _Cloud, streets: Streets | None) -> dict[int, tuple[int, int]]:
    """Paths that cross the camera's view, each with the first and last moment it does."""
    cx, cy = plane.to_xy(camera.at)
    heading = math.radians(camera.heading_deg)
    hx, hy = math.sin(heading), math.cos(heading)
    narrowest = math.cos(math.radians(min(180.0, camera.field_of_view_deg / 2)))
    reach_m = camera.range_m
    columns = range(int((cx - reach_m) // _CELL_M), int((cx + reach_m) // _CELL_M) + 1)
    rows = range(int((cy - reach_m) // _CELL_M), int((cy + reach_m) // _CELL_M) + 1)
    ways = [] if streets is None else streets.ways_at(cx, cy, _BESIDE_STREET_M)
    seen: dict[int, tuple[int, int]] = {}
    for cell in ((column, row) for column in columns for row in rows):
        for path, moment, x, y in cloud.cells.get(cell, ()):
            dx, dy = x - cx, y - cy
            far_m = math.hypot(dx, dy)
            if far_m > reach_m or dx * hx + dy * hy < narrowest * far_m:
                continue
            # Where it stands on a street, houses leave it that street to see.
            if not ways or any(abs(dx * uy - dy * ux) <= _BESIDE_STREET_M for ux, uy in ways):
                first, last = seen.get(path, (moment, moment))
                seen[path] = min(first, moment), max(last, moment)
    return seen


def _ranked(camera: Camera, found: Evidence, score: float, moments: Sequence[int]) -> RankedCamera:
    from_s, to_s = float(AHEAD_S[min(moments)]), float(AHEAD_S[max(moments)])
    far_m = distance_m(found.where, camera.at)
    return RankedCamera(
        camera=camera,
        score=score,
        distance_m=far_m,
        bearing_deg=bearing_deg(found.where, camera.at) if far_m >= 1 else 0.0,
        from_s=from_s,
        to_s=to_s,
        reason="may-see-now" if from_s == 0 else "may-pass-soon",
        params={"percent": round(100 * score), "distance_m": round(far_m), "in_s": round(from_s)},
    )


def heading(track: Sequence[Evidence]) -> float | None:
    """Which way the child last went, degrees clockwise from north; None when it stood or nobody knows.

    track: oldest first. The newest place against the newest one that is far enough away (more than both
    their 68 % radii) and at most two minutes older.
    """
    if not track:
        return None
    last = track[-1]
    for before in reversed(track[:-1]):
        if (last.at - before.at).total_seconds() > _HEADING_S:
            break
        if distance_m(before.where, last.where) > (before.radius_m + last.radius_m) / 1.6:
            return bearing_deg(before.where, last.where)
    return None
