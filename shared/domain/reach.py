"""How far somebody can have got: the reach ring, and the borders it touches."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.domain.case import Evidence, Kind, SubjectClass
from shared.domain.geo import Area, LatLon, Plane, contains, distance_to_area_m
from shared.domain.places import Agreement

AGE_SPEED_MPS = ((3, 0.8), (7, 1.3), (13, 1.7))
"""(younger than, metres a second): 95 % of a class gets along slower than this, as the crow flies.

Targets, not measurements: comfortable walking is 0.9–1.3 m/s at these ages and nobody walks a
straight line; the one well-documented 2-year-old made 0.39 m/s (FIELD finding 2).
"""
GROWN_SPEED_MPS = 1.9
DEMENTIA_SPEED_MPS = 1.3
CITIZEN_SPEED_MPS = 2.5
"""Somebody who calls for help may run; nobody is taken to be in a car. A target as well."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Where the child is with 95 % at `at`: within `radius_m` of the newest evidence."""

    center: LatLon
    radius_m: float
    at: datetime
    kind: Kind
    evidence_at: datetime


def speed_mps(age_y: int, subject_class: SubjectClass = SubjectClass.CHILD) -> float:
    """The 95 % speed of a class of people, metres a second as the crow flies. A disability goes by age."""
    if subject_class is SubjectClass.DEMENTIA:
        return DEMENTIA_SPEED_MPS
    if subject_class is SubjectClass.CITIZEN:
        return CITIZEN_SPEED_MPS
    return next((mps for below, mps in AGE_SPEED_MPS if age_y < below), GROWN_SPEED_MPS)


def newest(last: Mapping[Kind, Evidence]) -> Evidence | None:
    """What the search starts from: the newest of heard and seen, and somebody's word only without them."""
    firm = [found for kind, found in last.items() if kind is not Kind.REPORTED]
    return max(firm or last.values(), key=lambda found: found.at, default=None)


def reach(
    last: Mapping[Kind, Evidence], now: datetime, age_y: int, subject_class: SubjectClass = SubjectClass.CHILD
) -> Reach | None:
    """The reach ring at `now`; None when nobody knows anything of where the child was."""
    found = newest(last)
    if found is None:
        return None
    age_s = max(0.0, (now - found.at).total_seconds())
    radius_m = found.radius_m + speed_mps(age_y, subject_class) * age_s
    return Reach(found.where, radius_m, now, found.kind, found.at)


def touched(ring: Reach, agreements: Iterable[Agreement]) -> tuple[Agreement, ...]:
    """Agreements in force, signed by both, whose neighbour's border the ring touches; nearest first."""
    near = [
        (distance_to_area_m(agreement.neighbour_boundary, ring.center), agreement)
        for agreement in agreements
        if agreement.in_force(ring.at)
    ]
    reached = [(far_m, agreement) for far_m, agreement in near if far_m <= ring.radius_m]
    return tuple(agreement for _, agreement in sorted(reached, key=lambda each: each[0]))


def leaves(ring: Reach, home: Area, known: Sequence[Area]) -> bool:
    """Whether the ring reaches ground that is neither in the district nor in an area known by agreement.

    Looks at 32 points of the ring's edge.
    """
    plane = Plane(ring.center)
    edge = [
        plane.to_latlon(ring.radius_m * math.sin(turn), ring.radius_m * math.cos(turn))
        for turn in (2 * math.pi * k / 32 for k in range(32))
    ]
    return any(not contains(home, at) and not any(contains(area, at) for area in known) for at in edge)


def touches_at(
    last: Mapping[Kind, Evidence], agreement: Agreement, age_y: int, subject_class: SubjectClass
) -> datetime | None:
    """When the growing ring touches a neighbour's border if nothing new is heard."""
    found = newest(last)
    if found is None:
        return None
    gap_m = distance_to_area_m(agreement.neighbour_boundary, found.where) - found.radius_m
    return found.at + timedelta(seconds=max(0.0, gap_m) / speed_mps(age_y, subject_class))
