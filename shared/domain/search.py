"""Which cameras to open first: few, in order, and with the reason.

The child is somewhere around the newest evidence, further out the older it is, and walks on. That cloud
is laid out as weighted paths over the coming minute; a camera is worth the weight of the paths that cross
its view and that no better camera on the list sees already. So two cameras on one crossing are not both
recommended while a street nobody watches stays empty.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.domain.case import Evidence, Look, Mark
from shared.domain.geo import Plane, bearing_deg, distance_m
from shared.domain.places import Camera, Scanner, SubjectClass
from shared.domain.reach import speed_mps

AHEAD_S = tuple(range(0, 61, 10))  # the moments a camera is opened for, seconds from now
NOT_SEEN_S = 60.0  # how long "not seen" counts against a place: the child may come later
_HEADING_S = 120.0
_CELL_M = 40.0
_DIRECTIONS = 24
_QUANTILES = (0.05, 0.2, 0.4, 0.6, 0.8, 0.95)  # of the distance walked
_SILENT_M = 30.0  # a scanner hears a bag this near almost surely (POSITIONING)
_SILENT_FACTOR = 0.3  # … and "almost" is worth this much doubt
_PERSISTENCE = 2.0  # how much a known heading outweighs turning round: von Mises concentration


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

    cells: square → (path, moment, x, y) in metres from the evidence.
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
    mps = speed_mps(age_y, subject_class)
    cloud = _cloud(found, plane, now=now, mps=mps, heading_deg=heading_deg, silent=silent)
    weights = cloud.weights
    sees = {camera.camera_id: _seen(camera, plane, cloud) for camera in cameras}
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


def _cloud(
    found: Evidence,
    plane: Plane,
    *,
    now: datetime,
    mps: float,
    heading_deg: float | None,
    silent: Sequence[Scanner],
) -> _Cloud:
    """Every direction × distance quantile as a path over the moments ahead, in squares of `_CELL_M`."""
    age_s = max(0.0, (now - found.at).total_seconds())
    deaf = [plane.to_xy(scanner.at) for scanner in silent]
    # 95 % within what was walked + the evidence's own 95 % radius; a Rayleigh law in between.
    spread_m = [math.hypot(mps * (age_s + s), found.radius_m) / 2.448 for s in AHEAD_S]
    weights: list[float] = []
    cells: dict[tuple[int, int], list[tuple[int, int, float, float]]] = {}
    for k in range(_DIRECTIONS):
        angle = 2 * math.pi * k / _DIRECTIONS
        turn = 0.0 if heading_deg is None else math.cos(angle - math.radians(heading_deg))
        for quantile in _QUANTILES:
            far = math.sqrt(-2 * math.log(1 - quantile))
            path = [(far * m * math.sin(angle), far * m * math.cos(angle)) for m in spread_m]
            x0, y0 = path[0]
            unheard = any(math.hypot(x0 - x, y0 - y) < _SILENT_M for x, y in deaf)
            for moment, (x, y) in enumerate(path):
                cell = (int(x // _CELL_M), int(y // _CELL_M))
                cells.setdefault(cell, []).append((len(weights), moment, x, y))
            weights.append(math.exp(_PERSISTENCE * turn) * (_SILENT_FACTOR if unheard else 1.0))
    total = sum(weights)
    return _Cloud([weight / total for weight in weights], cells)


def _seen(camera: Camera, plane: Plane, cloud: _Cloud) -> dict[int, tuple[int, int]]:
    """Paths that cross the camera's view, each with the first and last moment it does."""
    cx, cy = plane.to_xy(camera.at)
    heading = math.radians(camera.heading_deg)
    hx, hy = math.sin(heading), math.cos(heading)
    narrowest = math.cos(math.radians(min(180.0, camera.field_of_view_deg / 2)))
    reach_m = camera.range_m
    columns = range(int((cx - reach_m) // _CELL_M), int((cx + reach_m) // _CELL_M) + 1)
    rows = range(int((cy - reach_m) // _CELL_M), int((cy + reach_m) // _CELL_M) + 1)
    seen: dict[int, tuple[int, int]] = {}
    for cell in ((column, row) for column in columns for row in rows):
        for path, moment, x, y in cloud.cells.get(cell, ()):
            dx, dy = x - cx, y - cy
            far_m = math.hypot(dx, dy)
            if far_m <= reach_m and dx * hx + dy * hy >= narrowest * far_m:
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
