"""Where a child is who is with the group: beside a phone."""

from shared.domain.geo import LatLon, distance_m
from shared.domain.position import BESIDE_MS, beside
from shared.domain.sighting import Sighting

HERE, THERE = LatLon(37.478, 126.951), LatLon(37.479, 126.951)
NOW_MS = 1_780_000_000_000


def by_phone(rssi_dbm: int, where: LatLon = HERE, *, before_ms: int = 0, who: str = "p-1") -> Sighting:
    return Sighting(NOW_MS - before_ms, who, rssi_dbm, 8, where, 5)


def test_it_is_at_the_phone_that_hears_it_best() -> None:
    fix = beside([by_phone(-80, THERE, who="p-2"), by_phone(-60)])

    assert fix is not None
    assert (fix.center, fix.heard) == (HERE, ("p-1", "p-2"))


def test_a_weaker_beacon_may_be_further_off() -> None:
    near, far = beside([by_phone(-55)]), beside([by_phone(-80)])

    assert near is not None
    assert far is not None
    assert near.ellipse95.semi_major_m < far.ellipse95.semi_major_m


def test_its_time_is_that_of_the_phone_that_heard_it() -> None:
    fix = beside([by_phone(-60, before_ms=4000), Sighting(NOW_MS, "s-1", -90, 1)])

    assert fix is not None
    assert fix.at_ms == NOW_MS - 4000


def test_an_old_report_is_no_place() -> None:
    assert beside([by_phone(-60, before_ms=BESIDE_MS), Sighting(NOW_MS, "s-1", -90, 1)]) is None


def test_the_order_of_what_was_heard_does_not_matter() -> None:
    heard = [by_phone(-60), by_phone(-60, THERE, who="p-2"), by_phone(-70, before_ms=2000)]

    assert beside(heard) == beside(heard[::-1])
    assert distance_m(HERE, THERE) > 100
