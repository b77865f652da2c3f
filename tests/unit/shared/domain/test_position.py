"""A fix never lies: what it rests on, how sure it is, and that order and place change nothing."""

import math
import random
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.case_track import Motion, track_case
from shared.domain.geo import LatLon, Plane, distance_m
from shared.domain.position import Ground, RadioMap, Receiver, Shape, gps_fix, locate, track
from shared.domain.radio import OUTDOOR
from shared.domain.sighting import Sighting, Window, merge

ORIGIN = LatLon(37.5, 127.0)
PLANE = Plane(ORIGIN)
NOW_MS = 1_760_000_000_000
PLAIN = replace(OUTDOOR, gain_sd_db=0.0)


def pole(name: str, x_m: float, y_m: float) -> Receiver:
    return Receiver(name, PLANE.to_latlon(x_m, y_m))


POLES = {f"s{i}{j}": pole(f"s{i}{j}", 25.0 * i, 25.0 * j) for i in range(5) for j in range(5)}
ALIVE = tuple(POLES.values())


def heard(name: str, rssi_dbm: int, packets: int = 10, ago_ms: int = 0) -> Sighting:
    return Sighting(NOW_MS - ago_ms, name, rssi_dbm, packets)


def strength(at: tuple[float, float], receiver: Receiver) -> float:
    return OUTDOOR.mean_dbm(math.dist(at, PLANE.to_xy(receiver.at)))


def heard_at(x_m: float, y_m: float, poles: dict[str, Receiver], ago_ms: int = 0) -> list[Sighting]:
    means = {name: strength((x_m, y_m), r) for name, r in poles.items()}
    return [heard(name, round(m), ago_ms=ago_ms) for name, m in means.items() if m >= -93]


sightings = st.lists(
    st.builds(
        heard,
        st.sampled_from(sorted(POLES)),
        st.integers(-110, -20),
        st.integers(1, 12),
        st.integers(0, 9000),
    ),
    min_size=1,
    max_size=30,
)


def test_three_poles_put_the_beacon_among_them():
    fix = locate(heard_at(60, 65, POLES), POLES, ALIVE)

    assert fix is not None
    assert distance_m(fix.center, PLANE.to_latlon(60, 65)) < 8


def test_one_pole_gives_a_ring_and_never_a_point():
    lonely = {"s": pole("s", 0, 0)}

    fix = locate([heard("s", -84)], lonely, tuple(lonely.values()), model=PLAIN)

    assert fix is not None
    assert (fix.shape, fix.reason) == (Shape.RING, "heard-by-one")


def test_two_poles_give_two_places_when_the_beacon_may_be_on_either_side():
    two = {"a": pole("a", 0, 0), "b": pole("b", 30, 0)}
    sharp = replace(PLAIN, exponent=3.5)
    two = {name: replace(r, sd_db=2.0) for name, r in two.items()}
    rssi = round(sharp.mean_dbm(25))

    fix = locate([heard("a", rssi), heard("b", rssi)], two, model=replace(sharp, threshold_dbm=-115))

    assert fix is not None
    assert fix.shape is Shape.TWO_PLACES


def test_nobody_known_heard_it_so_nothing_is_said():
    assert locate([heard("stranger", -70)], POLES, ALIVE) is None


def test_a_phone_is_a_receiver_where_it_was():
    at = PLANE.to_latlon(500, 500)

    fix = locate([Sighting(NOW_MS, "phone", -60, 10, at, 5)], POLES, ALIVE)

    assert fix is not None
    assert distance_m(fix.center, at) < 5


def test_a_phone_that_knows_its_place_less_well_gives_a_wider_fix():
    at = PLANE.to_latlon(500, 500)

    radii = []
    for accuracy_m in (3, 30):
        fix = locate([Sighting(NOW_MS, "phone", -60, 10, at, accuracy_m)], {})
        assert fix is not None
        radii.append(fix.ellipse95.semi_major_m)

    assert radii[1] > radii[0]


def test_old_sightings_do_not_hold_a_beacon_back():
    old, new = heard_at(10, 10, POLES, ago_ms=20_000), heard_at(90, 90, POLES)

    assert locate([*old, *new], POLES, ALIVE) == locate(new, POLES, ALIVE)


def test_at_2_5_a_fix_says_its_time_its_radius_and_what_it_rests_on():
    fix = locate(heard_at(60, 65, POLES), POLES, ALIVE)

    assert fix is not None
    assert (fix.at_ms, fix.method, fix.ellipse95.confidence, fix.ellipse95.semi_major_m > 5) == (
        NOW_MS,
        "radio",
        0.95,
        True,
    )


def test_at_2_6_the_living_that_did_not_hear_are_named_and_a_dark_scanner_is_not():
    evidence = heard_at(50, 50, POLES)
    dark = POLES["s33"]

    fix = locate(evidence, POLES, tuple(r for r in ALIVE if r is not dark))

    assert fix is not None
    assert ("s30" in fix.silent, "s33" in fix.silent) == (True, False)


def test_at_2_6_silence_of_a_living_scanner_moves_the_fix_away_from_it():
    evidence = [heard("s22", -88)]
    beside = PLANE.to_latlon(70, 50)
    silent = Receiver("x", beside)

    without, with_silence = (locate(evidence, POLES, s) for s in ((), (silent,)))

    assert without is not None
    assert with_silence is not None
    assert distance_m(with_silence.center, beside) > distance_m(without.center, beside)


def test_gps_of_a_calling_phone_is_the_fix():
    fix = gps_fix(ORIGIN, 10, NOW_MS)

    assert (fix.center, fix.method, round(fix.ellipse95.semi_major_m)) == (ORIGIN, "gps", 16)


@settings(max_examples=25)
@given(sightings, st.randoms(use_true_random=False))
def test_order_and_duplicates_change_neither_fix_nor_track(found: list[Sighting], chance: random.Random):
    shuffled = [*found, *found[:5]]
    chance.shuffle(shuffled)

    window, again = merge(Window(), found), merge(merge(Window(), shuffled[::2]), shuffled)

    assert (locate(shuffled, POLES, ALIVE), track(again, POLES, ALIVE)) == (
        locate(found, POLES, ALIVE),
        track(window, POLES, ALIVE),
    )


@settings(max_examples=5)
@given(sightings, st.randoms(use_true_random=False))
def test_order_and_split_do_not_change_the_track_of_a_case(found: list[Sighting], chance: random.Random):
    shuffled = list(found)
    chance.shuffle(shuffled)

    tracks = [
        track_case(window, POLES, ALIVE, particles=60)
        for window in (merge(Window(), found), merge(merge(Window(), shuffled[:7]), shuffled[3:]))
    ]

    assert tracks[0] == tracks[1]


def moved(receivers: dict[str, Receiver], turn: float, dx_m: float, dy_m: float) -> dict[str, Receiver]:
    c, s = math.cos(turn), math.sin(turn)
    made = {}
    for name, r in receivers.items():
        x, y = PLANE.to_xy(r.at)
        made[name] = replace(r, at=PLANE.to_latlon(c * x - s * y + dx_m, s * x + c * y + dy_m))
    return made


@settings(max_examples=40)
@given(
    st.floats(-math.pi, math.pi),
    st.floats(-900, 900),
    st.floats(-900, 900),
    st.floats(50, 110),
    st.floats(50, 110),
)
def test_turning_and_shifting_the_map_moves_the_fix_with_it(
    turn: float, dx_m: float, dy_m: float, x_m: float, y_m: float
):
    there = moved(POLES, turn, dx_m, dy_m)
    evidence = heard_at(x_m, y_m, POLES)

    here_fix, there_fix = (
        locate(evidence, receivers, tuple(receivers.values())) for receivers in (POLES, there)
    )

    assert here_fix is not None
    assert there_fix is not None
    x, y = PLANE.to_xy(here_fix.center)
    c, s = math.cos(turn), math.sin(turn)
    expected = PLANE.to_latlon(c * x - s * y + dx_m, s * x + c * y + dy_m)
    # the lattice does not turn with the map: a quarter of its cells' width is what that may cost
    assert distance_m(there_fix.center, expected) < 2.5


@settings(max_examples=12)
@given(st.integers(-92, -60), st.lists(st.sampled_from(sorted(POLES)), max_size=8, unique=True))
def test_more_silent_poles_never_make_their_own_surroundings_likelier(rssi: int, names: list[str]):
    evidence = [heard("s22", rssi)]
    before = locate(evidence, POLES, (), model=PLAIN)
    assert before is not None
    for name in names:
        if name == "s22":
            continue
        after = locate(evidence, POLES, (POLES[name],), model=PLAIN)
        assert after is not None
        at = POLES[name].at
        assert distance_m(after.center, at) >= distance_m(before.center, at) - 0.05


@settings(max_examples=25)
@given(sightings)
def test_an_ellipse_is_always_an_ellipse(found: list[Sighting]):
    fix = locate(found, POLES, ALIVE)

    assert fix is not None
    assert all(
        0 < e.semi_minor_m <= e.semi_major_m < math.inf and 0 <= e.bearing_deg < 180
        for e in (fix.ellipse50, fix.ellipse95)
    )


@pytest.mark.parametrize(
    "found",
    [
        [heard("s22", -128)],
        [heard("s22", 20)],
        [heard(name, -60) for name in POLES],
        [heard("s22", -70, packets=10_000)],
    ],
)
def test_strengths_at_the_limits_still_give_a_fix(found: Sequence[Sighting]):
    assert locate(found, POLES, ALIVE) is not None


def test_receivers_in_one_place_still_give_a_fix():
    same = {name: pole(name, 0, 0) for name in "abc"}

    assert locate([heard(name, -75) for name in "abc"], same, tuple(same.values())) is not None


def test_three_hundred_beacons_at_one_pole_each_get_a_fix():
    fixes = [locate([heard("s22", -60 - n % 30)], POLES, ALIVE) for n in range(300)]

    assert None not in fixes


def test_the_case_tier_follows_a_walk_better_than_moment_by_moment():
    rng = random.Random(4)
    follow = partial(
        track_case,
        receivers=POLES,
        silent=ALIVE,
        model=PLAIN,
        motion=Motion(decorrelation_m=0),
        particles=200,
    )
    window, single, tracked = Window(), [], []
    for k in range(16):
        at = (20 + 2.4 * k, 40.0)
        found = []
        for name, r in POLES.items():
            rssi = strength(at, r) + rng.gauss(0, 6)
            if rssi >= -95:
                found.append(Sighting(NOW_MS + 2000 * k, name, round(rssi), 10))
        window = merge(window, found)
        truth = PLANE.to_latlon(*at)
        plain, case = track(window, POLES, ALIVE, model=PLAIN), follow(window)
        if k >= 6 and plain and case:
            single.append(distance_m(plain.center, truth) ** 2)
            tracked.append(distance_m(case.center, truth) ** 2)

    assert sum(tracked) < sum(single)


def test_a_learned_map_moves_the_fix_to_where_the_strength_was_found():
    louder_east = RadioMap(
        PLANE.to_latlon(-60, -60), 10.0, 13, tuple(8.0 * (k % 13 > 6) - 4 for k in range(169)), (3.0,) * 169
    )
    receiver = replace(pole("s", 0, 0), learned=louder_east)

    fix = locate([heard("s", -70)], {"s": receiver}, (receiver,), model=PLAIN)

    assert fix is not None
    assert PLANE.to_xy(fix.center)[0] > 0.3


def test_on_a_known_ground_the_fix_stays_on_it():
    yard = Ground(PLANE.to_latlon(0, 0), 2.0, 10, (1.0,) * 100)

    fix = locate([heard("s00", -95)], POLES, model=PLAIN, ground=yard)

    assert fix is not None
    x, y = PLANE.to_xy(fix.center)
    assert 0 <= x <= 20
    assert 0 <= y <= 20
