"""Which cameras to open first: few, in order, and with the reason.

The child is somewhere around the newest evidence, further out the older it is. That cloud of
places, now and over the next minute, is laid out as weighted points; a camera is worth the weight
it sees that no better camera on the list sees already. So two cameras on one crossing are not both
recommended while a street nobody watches stays empty.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from shared.domain.case import Evidence, Look, Mark
from shared.domain.geo import Plane, bearing_deg, distance_m
from shared.domain.places import Camera, Scanner
from shared.domain.reach import speed_mps

AHEAD_S = (0.0, 20.0, 40.0, 60.0)  # the moments a camera is opened for, seconds from now
NOT_SEEN_S = 60.0  # how long "not seen" counts against a place: the child may come later
_DIRECTIONS = 24
_QUANTILES = (0.05, 0.2, 0.4, 0.6, 0.8, 0.95)  # of the distance walked
_SILENT_M = 30.0  # a scanner hears a bag this near almost surely (POSITIONING)
_SILENT_FACTOR = 0.3  # … and "almost" is worth this much doubt
_PERSISTENCE = 2.0  # how much a known heading outweighs turning round: von Mises concentration


@dataclass(frozen=True, slots=True)
class RankedCamera:
    """A camera worth opening. score: share of the child's likely places only this one adds, 0..1.

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
class _Place:
    x_m: float
    y_m: float
    ahead_s: float
    weight: float


def rank_cameras(
    cameras: Sequence[Camera],
    found: Evidence,
    *,
    now: datetime,
    age_y: int,
    heading_deg: float | None = None,
    marks: Mapping[str, Mark] | None = None,
    silent: Sequence[Scanner] = (),
    limit: int = 8,
) -> tuple[RankedCamera, ...]:
    """At most `limit` cameras, best first; fewer when no more can see a likely place.

    heading_deg: which way the child was last moving, if known. marks: the case's search log. A camera
    somebody is watching is not offered again, and what it sees counts as seen to; where one saw nothing
    just now the child is less likely to be. silent: scanners alive that have not heard the beacon since.
    """
    plane = Plane(found.where)
    places = _places(found, plane, now=now, age_y=age_y, heading_deg=heading_deg, silent=silent)
    sees = {camera.camera_id: _seen(camera, plane, places) for camera in cameras}
    watched = {key for key, mark in (marks or {}).items() if mark.look is Look.WATCHING}
    left = set(range(len(places))).difference(*(sees.get(key, frozenset()) for key in watched))
    for key, mark in (marks or {}).items():
        if mark.look is Look.NOT_SEEN and (now - mark.at).total_seconds() < NOT_SEEN_S:
            for i in sees.get(key, frozenset()):
                places[i] = replace(places[i], weight=places[i].weight * _SILENT_FACTOR)
    offered = {c.camera_id: c for c in cameras if c.camera_id not in watched and sees[c.camera_id]}
    chosen: list[RankedCamera] = []
    while offered and len(chosen) < limit:
        gains = {key: sum(places[i].weight for i in sees[key] & left) for key in offered}
        best = max(offered, key=lambda key: (gains[key], -distance_m(offered[key].at, found.where), key))
        if gains[best] <= 1e-6:
            break
        chosen.append(_ranked(offered.pop(best), found, gains[best], [places[i] for i in sees[best]]))
        left -= sees[best]
    return tuple(chosen)


def _places(
    found: Evidence,
    plane: Plane,
    *,
    now: datetime,
    age_y: int,
    heading_deg: float | None,
    silent: Sequence[Scanner],
) -> list[_Place]:
    """The cloud: every direction × distance quantile × moment ahead; weights sum to 1 over each moment."""
    age_s = max(0.0, (now - found.at).total_seconds())
    deaf = [plane.to_xy(scanner.at) for scanner in silent]
    places: list[_Place] = []
    for ahead_s in AHEAD_S:
        # 95 % within walked_m + the evidence's own 95 % radius; a Rayleigh law in between.
        spread_m = math.hypot(speed_mps(age_y) * (age_s + ahead_s), found.radius_m) / 2.448
        moment = []
        for k in range(_DIRECTIONS):
            angle_deg = 360.0 * k / _DIRECTIONS
            weight = 1.0
            if heading_deg is not None:
                weight = math.exp(_PERSISTENCE * math.cos(math.radians(angle_deg - heading_deg)))
            for quantile in _QUANTILES:
                far_m = spread_m * math.sqrt(-2 * math.log(1 - quantile))
                x, y = (
                    far_m * math.sin(math.radians(angle_deg)),
                    far_m * math.cos(math.radians(angle_deg)),
                )
                heard_nothing = any(math.hypot(x - sx, y - sy) < _SILENT_M for sx, sy in deaf)
                moment.append(_Place(x, y, ahead_s, weight * (_SILENT_FACTOR if heard_nothing else 1.0)))
        total = sum(place.weight for place in moment) * len(AHEAD_S)
        places += [_Place(p.x_m, p.y_m, p.ahead_s, p.weight / total) for p in moment]
    return places


def _seen(camera: Camera, plane: Plane, places: Sequence[_Place]) -> frozenset[int]:
    """Indexes of the places inside the camera's view."""
    cx, cy = plane.to_xy(camera.at)
    half_deg = camera.field_of_view_deg / 2
    seen = []
    for i, place in enumerate(places):
        dx, dy = place.x_m - cx, place.y_m - cy
        if dx * dx + dy * dy > camera.range_m**2:
            continue
        off_deg = (math.degrees(math.atan2(dx, dy)) - camera.heading_deg + 180) % 360 - 180
        if abs(off_deg) <= half_deg:
            seen.append(i)
    return frozenset(seen)


def _ranked(camera: Camera, found: Evidence, score: float, seen: Sequence[_Place]) -> RankedCamera:
    from_s, to_s = min(p.ahead_s for p in seen), max(p.ahead_s for p in seen)
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
