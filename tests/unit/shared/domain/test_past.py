"""What was heard before limits where a child can be now, and never forbids."""

import math
from dataclasses import replace

from shared.domain.geo import LatLon, Plane, distance_m
from shared.domain.position import Fix, Receiver, Shape, locate, track
from shared.domain.radio import OUTDOOR
from shared.domain.sighting import Sighting, Window, merge

PLANE = Plane(LatLon(37.5, 127.0))
NOW_MS = 1_760_000_000_000
POLES = {
    f"s{i}-{j}": Receiver(f"s{i}-{j}", PLANE.to_latlon(40.0 * i, 40.0 * j))
    for i in range(12)
    for j in range(5)
}
ALIVE = tuple(POLES.values())


def heard_at(x_m: float, y_m: float, ago_ms: int, but: str = "") -> list[Sighting]:
    found = []
    for name, r in POLES.items():
        rssi_dbm = round(OUTDOOR.mean_dbm(math.dist((x_m, y_m), PLANE.to_xy(r.at))))
        if rssi_dbm >= -93 and name != but:
            found.append(Sighting(NOW_MS - ago_ms, name, rssi_dbm, 10))
    return found


def stood(x_m: float, y_m: float, *, until_ms: int = 4000) -> list[Sighting]:
    return [s for ago_ms in range(until_ms, 20_000, 2000) for s in heard_at(x_m, y_m, ago_ms)]


def now(*found: Sighting, before: list[Sighting]) -> Fix:
    fix = track(merge(Window(), [*before, *found]), POLES, ALIVE)
    assert fix is not None
    return fix


def test_one_strange_report_does_not_carry_a_child_away() -> None:
    strange = Sighting(NOW_MS, "s5-2", -85, 1)
    alone = locate([strange], POLES, ALIVE)
    assert alone is not None
    here = PLANE.to_latlon(70, 70)

    fix = now(strange, before=stood(70, 70))

    assert distance_m(fix.center, here) < distance_m(alone.center, here)


def test_a_child_that_many_poles_hear_elsewhere_is_elsewhere() -> None:
    there = PLANE.to_latlon(370, 70)

    fix = now(*heard_at(370, 70, 0), before=stood(70, 70))  # 300 m in four seconds: in a car, or an error

    assert distance_m(fix.center, there) < 15


def test_of_two_places_it_leans_to_where_it_can_have_got_to() -> None:
    sharp = {n: replace(POLES[n], sd_db=2.0) for n in ("s2-2", "s3-2")}
    above = PLANE.to_latlon(100, 110)
    rssi = round(OUTDOOR.mean_dbm(math.hypot(20, 30)))
    both = [Sighting(NOW_MS, name, rssi, 10) for name in sharp]
    before = [
        Sighting(NOW_MS - ago_ms, "s2-3", round(OUTDOOR.mean_dbm(15)), 10)
        for ago_ms in range(4000, 16_000, 2000)
    ]
    radio = replace(OUTDOOR, gain_sd_db=0.0, threshold_dbm=-115.0)
    receivers = POLES | sharp

    unsure, sure = (
        track(merge(Window(), found), receivers, model=radio) for found in (both, [*both, *before])
    )

    assert unsure is not None
    assert sure is not None
    assert unsure.shape is Shape.TWO_PLACES
    assert distance_m(sure.center, above) < 0.8 * distance_m(unsure.center, above)


def test_a_child_that_stays_is_known_better_than_by_one_moment() -> None:
    moment = heard_at(70, 70, 0)
    alone = locate(moment, POLES, ALIVE)
    assert alone is not None

    fix = now(*moment, before=stood(70, 70))

    assert fix.ellipse95.semi_major_m < alone.ellipse95.semi_major_m


def test_what_was_heard_too_long_ago_changes_nothing() -> None:
    moment = heard_at(70, 70, 0)

    fix = now(*moment, before=heard_at(300, 70, 60_000))

    assert fix == locate(moment, POLES, ALIVE)
