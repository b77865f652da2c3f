"""Streets as a graph: the nearest place on one, and walking on."""

from collections import Counter
from itertools import cycle

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.geo import LatLon, Plane
from shared.domain.streets import CELL_DEG, Line, Spot, Streets, cell_of, cells_about

PLANE = Plane(LatLon(37.5, 127.0))


def line(x1: float, y1: float, x2: float, y2: float) -> Line:
    return PLANE.to_latlon(x1, y1), PLANE.to_latlon(x2, y2)


CROSS = Streets(PLANE, [line(-100, 0, 0, 0), line(0, 0, 100, 0), line(0, -100, 0, 0), line(0, 0, 0, 100)])


def test_the_nearest_street_is_found_with_its_distance() -> None:
    spot, off_m = CROSS.nearest(50, 12) or (Spot(-1, 0), 0.0)

    assert (spot.piece, round(spot.along_m), round(off_m)) == (1, 50, 12)


def test_far_from_every_street_there_is_none() -> None:
    assert CROSS.nearest(1000, 1000) is None


def test_away_is_measured_from_any_plane_and_ends_at_60_m() -> None:
    away = CROSS.away_m(Plane(PLANE.to_latlon(50, 20)))

    assert (round(away(0, 0)), round(away(0, -5)), away(3000, 0)) == (20, 15, 60.0)


def test_a_walk_goes_on_along_its_street() -> None:
    spot, forward = CROSS.walked(Spot(0, 10), forward=True, step_m=30, chance=lambda: 0.0)

    assert (spot, forward) == (Spot(0, 40), True)


def test_at_a_crossing_most_go_straight_on_and_few_turn_round() -> None:
    drawn = [k / 1000 for k in range(1000)]
    after = Counter(
        CROSS.walked(Spot(0, 90), forward=True, step_m=20, chance=iter([u]).__next__)[0].piece for u in drawn
    )

    assert [round(after[n] / 1000, 2) for n in (1, 2, 3, 0)] == [0.55, 0.2, 0.2, 0.05]


def test_a_dead_end_sends_people_back() -> None:
    spot, forward = CROSS.walked(Spot(1, 90), forward=True, step_m=30, chance=lambda: 0.5)

    assert (spot.piece, round(spot.along_m), forward) == (1, 80, False)


def test_pieces_shorter_than_a_crossing_are_left_out() -> None:
    assert Streets(PLANE, [line(0, 0, 1, 0)]).nearest(0, 0) is None


@given(st.floats(0, 100), st.booleans(), st.floats(0, 500), st.lists(st.floats(0, 0.999), min_size=9))
def test_a_walk_never_leaves_the_streets(
    along_m: float, forward: bool, step_m: float, drawn: list[float]
) -> None:
    spot, _ = CROSS.walked(Spot(2, along_m), forward, step_m, cycle(drawn).__next__)

    assert (CROSS.nearest(*CROSS.at(spot)) or (spot, 99.0))[1] < 1e-6


@given(st.floats(-0.004, 0.004), st.floats(-0.004, 0.004), st.integers(0, 40))
def test_a_street_nearby_lies_in_one_of_the_squares_about(north: float, east: float, corner: int) -> None:
    at = LatLon(37.48 + corner * CELL_DEG, 126.95)
    street = LatLon(at.lat_deg + north, at.lon_deg + east)

    assert cell_of(street) in cells_about(at)
