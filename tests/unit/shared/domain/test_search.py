"""Which cameras to open first."""

import math
import random
from collections.abc import Sequence

from shared.domain.case import Evidence, Kind, Look, Mark
from shared.domain.geo import LatLon, Plane, bearing_deg, distance_m
from shared.domain.places import Camera, Scanner
from shared.domain.reach import speed_mps
from shared.domain.search import heading, rank_cameras, walkers_about
from shared.domain.streets import Streets
from tests.casework import HOME, at, evidence, near


def camera(name: str, x_m: float, y_m: float = 0.0, *, towards: float = 0.0, fov: float = 90.0) -> Camera:
    return Camera(name, name, near(x_m, y_m), towards, fov, 40.0)


def ids(ranked: Sequence[object]) -> list[str]:
    return [each.camera.camera_id for each in ranked]  # type: ignore[attr-defined]


RING = [camera(f"cam-{n:02d}", 25 * n, 10, towards=180) for n in range(-6, 7)]


def test_at_2_3_at_most_eight_cameras_are_offered() -> None:
    block = [camera(f"cam-{x}-{y}", x, y, fov=360) for x in range(-90, 91, 45) for y in range(-90, 91, 45)]

    assert len(rank_cameras(block, evidence(), now=at(60), age_y=4)) == 8


def test_at_2_3_a_camera_that_looks_away_is_not_offered() -> None:
    here, away = camera("here", 0, -20, towards=0), camera("away", 0, 150, towards=0)

    assert ids(rank_cameras([away, here], evidence(radius_m=20), now=at(0), age_y=4)) == ["here"]


def test_at_2_3_two_cameras_on_one_spot_are_not_both_put_first() -> None:
    twins = [camera("a", 0, -20), camera("b", 0.1, -20)]
    other = camera("c", 60, -20)

    assert ids(rank_cameras([*twins, other], evidence(radius_m=40), now=at(30), age_y=4))[1] == "c"


def test_at_2_3_a_known_heading_puts_the_street_ahead_first() -> None:
    east, west = camera("east", 70, -10), camera("west", -70, -10)
    walkers = walkers_about(evidence(), mps=speed_mps(4), heading_deg=90)
    ranked = rank_cameras([west, east], evidence(), now=at(40), age_y=4, walkers=walkers)

    assert ids(ranked)[0] == "east"


def test_at_2_3_a_far_camera_says_in_how_many_seconds() -> None:
    far = rank_cameras([camera("far", 95, towards=270, fov=120)], evidence(radius_m=5), now=at(0), age_y=4)[0]

    assert (far.reason, far.params["in_s"]) == ("may-pass-soon", far.from_s)


def test_at_2_4_a_camera_somebody_watches_is_not_offered_again() -> None:
    marks = {"cam-00": Mark(Look.WATCHING, "operator-1", at(10), at(10))}

    assert "cam-00" not in ids(rank_cameras(RING, evidence(), now=at(20), age_y=4, marks=marks))


def test_at_2_4_where_nothing_was_seen_just_now_counts_for_less() -> None:
    pair = [camera("a", -30, -20), camera("b", 30, -20)]
    marks = {"a": Mark(Look.NOT_SEEN, "operator-1", at(10), at(5))}
    ranked = rank_cameras(pair, evidence(), now=at(20), age_y=4, marks=marks)

    assert ids(ranked) == ["b", "a"]


def test_a_scanner_that_heard_nothing_makes_its_street_less_likely() -> None:
    pair = [camera("a", -50, -20), camera("b", 50, -20)]
    quiet = [Scanner("s-1", near(-50, 0))]
    ranked = rank_cameras(pair, evidence(), now=at(40), age_y=4, silent=quiet)

    assert ids(ranked)[0] == "b"


def test_the_same_question_has_the_same_answer() -> None:
    shuffled = list(RING)
    random.Random(1).shuffle(shuffled)

    assert ids(rank_cameras(shuffled, evidence(), now=at(60), age_y=4)) == ids(
        rank_cameras(RING, evidence(), now=at(60), age_y=4)
    )


def sees(one: Camera, where: LatLon) -> bool:
    off_deg = (bearing_deg(one.at, where) - one.heading_deg + 180) % 360 - 180
    return distance_m(one.at, where) <= one.range_m and abs(off_deg) <= one.field_of_view_deg / 2


def test_at_2_3_the_top_three_see_the_child_more_often_than_the_nearest_three() -> None:
    """60 seeded searches in 600 m × 600 m with 100 cameras; the child walks on for a minute."""
    rng = random.Random(20260512)
    plane = Plane(HOME)
    hits = {"ranked": 0, "nearest": 0}
    for _ in range(60):
        cameras = [
            Camera(
                f"cam-{n:03d}",
                "",
                plane.to_latlon(rng.uniform(-300, 300), rng.uniform(-300, 300)),
                rng.uniform(0, 360),
                rng.choice([70, 90, 110]),
                rng.uniform(30, 60),
            )
            for n in range(100)
        ]
        age_s = rng.uniform(10, 90)
        found = Evidence(Kind.HEARD, at(-age_s), HOME, 35.0, "s")
        heading_deg, walk = _walk(rng, plane, age_s)
        walkers = walkers_about(found, mps=speed_mps(4), heading_deg=heading_deg)
        best = rank_cameras(cameras, found, now=at(0), age_y=4, walkers=walkers, limit=3)
        ranked = [each.camera for each in best]
        nearest = sorted(cameras, key=lambda one: distance_m(one.at, HOME))[:3]
        hits["ranked"] += any(sees(one, where) for one in ranked for where in walk)
        hits["nearest"] += any(sees(one, where) for one in nearest for where in walk)

    assert hits["ranked"] >= 1.2 * hits["nearest"]


def _walk(rng: random.Random, plane: Plane, age_s: float) -> tuple[float, list[LatLon]]:
    """The heading at the evidence, known to 30°, and where the child is over the coming minute."""
    x, y = rng.gauss(0, 14), rng.gauss(0, 14)
    turn, mps = rng.uniform(0, 2 * math.pi), speed_mps(4) * rng.uniform(0.4, 0.9)
    heading_deg = math.degrees(turn) + rng.gauss(0, 30)
    places = []
    for second in range(int(age_s) + 60):
        turn += rng.gauss(0, 0.15)
        x, y = x + mps * math.sin(turn), y + mps * math.cos(turn)
        if second >= age_s:
            places.append(plane.to_latlon(x, y))
    return heading_deg, places


def test_the_heading_is_where_the_last_places_lead() -> None:
    track = [evidence(at_s=0, x_m=0), evidence(at_s=20, x_m=30), evidence(at_s=40, x_m=60)]

    assert round(heading(track) or 0) == 90


def test_a_child_that_stands_has_no_heading() -> None:
    assert heading([evidence(at_s=0), evidence(at_s=20, x_m=5)]) is None


def test_an_old_place_gives_no_heading() -> None:
    assert heading([evidence(at_s=0), evidence(at_s=121, x_m=500)]) is None


def test_a_camera_round_the_corner_does_not_see_past_the_houses() -> None:
    streets = Streets(Plane(HOME), [(near(-100, 0), near(100, 0)), (near(-100, 60), near(100, 60))])
    here = Camera("here", "", near(-30, 0), 90, 90, 60)
    behind = Camera("behind", "", near(0, 60), 180, 90, 70)
    ranked = rank_cameras([behind, here], evidence(radius_m=15), now=at(0), age_y=4, streets=streets)

    assert ids(ranked) == ["here"]
