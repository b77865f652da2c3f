"""When a child counts as gone: never for one lost packet, never for a phone that did not listen."""

import math
import random
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.bag import BagState, bag_state
from shared.domain.departure import WARN_AT, Departure, Level, alarm_due, assess_departure
from shared.domain.geo import Area, LatLon, Plane
from shared.domain.outing import Answer
from shared.domain.places import Policy
from shared.domain.position import Fix, Receiver, gps_fix
from shared.domain.proximity import PHONE, PhoneTrack, filtered, near_by_slot, proximity
from shared.domain.radio import OUTDOOR
from shared.domain.sighting import Sighting
from shared.domain.yard import assess_yard

START_MS = 1_760_000_000_000
POLICY = Policy()


readings = st.lists(st.tuples(st.integers(0, 90), st.integers(-120, 20)), max_size=40)


def at(second: float) -> int:
    return START_MS + round(second * 1000)


def phone(name: str = "p-1", until_s: int = 200, *, but: range = range(0)) -> PhoneTrack:
    """A phone that reports every two seconds, but not in the seconds `but`."""
    return PhoneTrack(name, tuple(at(s) for s in range(2, until_s + 1, 2) if s not in but))


def heard(seconds: range, rssi_dbm: int = -65, by: str = "p-1") -> list[Sighting]:
    return [Sighting(at(s + 1), by, rssi_dbm, 9) for s in seconds]


def judge(
    child: list[Sighting],
    phones: list[PhoneTrack],
    now_s: float,
    answer: Answer | None = None,
    answered_s: float | None = None,
) -> Departure:
    return assess_departure(
        child,
        phones,
        policy=POLICY,
        since_ms=START_MS,
        answer=answer,
        answered_ms=None if answered_s is None else at(answered_s),
        now_ms=at(now_s),
    )


def test_a_child_that_is_heard_strongly_is_near():
    assert judge(heard(range(0, 60, 2)), [phone()], 60).level is Level.NEAR


def test_one_lost_packet_is_not_a_departure():
    child = [s for s in heard(range(0, 60, 2)) if s.at_ms != at(41)]

    assert {judge(child, [phone()], now).level for now in range(40, 50)} == {Level.NEAR}


def test_at_1_1_a_bag_that_falls_silent_is_warned_of_within_15_s_and_alarmed_within_30_s():
    child = heard(range(0, 60, 2))

    levels = [judge(child, [phone()], 60 + s).level for s in range(32)]

    assert (levels.index(Level.WARNED) <= 15, levels.index(Level.DEPARTED) <= 30) == (True, True)


def reporting(name: str, until_s: int) -> PhoneTrack:
    """A phone as it is: it sums up four seconds."""
    return PhoneTrack(name, tuple(at(s) for s in range(4, until_s + 1, 4)))


def walked(seed: int, *, until_s: int, leaves_s: int = 60) -> list[Sighting]:
    """A child five metres from two phones walks off at 0.4 m/s; shadows last for ten metres or a minute."""
    chance = random.Random(seed)
    shadow = [chance.gauss(0, 5) for _ in range(2)]
    found = []
    for s in range(0, until_s, 4):
        away_m = 5 + 0.4 * max(0, s + 2 - leaves_s)
        keeps = math.exp(-4 / 25 if s > leaves_s else -4 / 60)
        for n, name in enumerate(("p-1", "p-2")):
            shadow[n] = keeps * shadow[n] + math.sqrt(1 - keeps**2) * chance.gauss(0, 5)
            turned = 4 if s > leaves_s else chance.gauss(0, 4)
            link = PHONE.mean_dbm(away_m) + shadow[n] + turned
            packets = [link + chance.gauss(0, 3) for _ in range(20)]
            decoded = [p for p in packets if p > -95 and chance.random() < 0.9]
            if decoded:
                found.append(Sighting(at(s + 2), name, round(sum(decoded) / len(decoded)), len(decoded)))
    return found


def levels_of(seed: int, times: range) -> list[Level]:
    child = walked(seed, until_s=times[-1] + 4)
    phones = [reporting("p-1", times[-1] + 4), reporting("p-2", times[-1] + 4)]
    return [judge(child, phones, now).level for now in times]


CROSSES_S = round(60 + (POLICY.reach_m - 5) / 0.4)


def test_at_1_1_a_child_that_walks_away_at_0_4_mps_is_warned_of_within_15_s_and_alarmed_within_30_s():
    levels = [levels_of(seed, range(CROSSES_S - 40, CROSSES_S + 31, 4)) for seed in range(6)]

    in_time = [(each[:14].count(Level.NEAR) < 14, Level.DEPARTED in each) for each in levels]
    assert in_time == [(True, True)] * 6


def test_at_1_1_a_child_that_walks_off_for_good_is_never_missed():
    late = range(CROSSES_S + 30, CROSSES_S + 90, 20)

    assert all(Level.DEPARTED in levels_of(seed, late) for seed in range(10, 16))


def test_a_child_that_plays_near_the_phones_is_left_alone():
    child = walked(3, until_s=200, leaves_s=1000)
    phones = [reporting("p-1", 200), reporting("p-2", 200)]

    assert {judge(child, phones, now).level for now in range(20, 200, 8)} == {Level.NEAR}


@settings(max_examples=20)
@given(st.lists(st.integers(-84, -50), min_size=24, max_size=24))
def test_a_child_that_is_plainly_near_is_judged_as_the_filter_would(strengths: list[int]):
    child = [Sighting(at(4 * n + 2), "p-1", rssi, 15) for n, rssi in enumerate(strengths)]
    phones = [reporting("p-1", 96)]

    plain = near_by_slot(child, phones, reach_m=30, now_ms=at(96))
    found = filtered(child, phones, reach_m=30, now_ms=at(96), since_ms=START_MS, model=PHONE)

    assert (len(plain), found[-1].beyond < WARN_AT) == (1, True)


def test_at_1_2_one_blocked_phone_is_no_alarm_while_a_second_teacher_still_hears():
    child = heard(range(0, 60, 2)) + heard(range(0, 100, 2), by="p-2")

    levels = {judge(child, [phone("p-1"), phone("p-2")], now).level for now in range(60, 100)}

    assert levels == {Level.NEAR}


def test_at_1_2_with_both_phones_blocked_there_is_an_alarm():
    child = heard(range(0, 60, 2)) + heard(range(0, 60, 2), by="p-2")

    assert judge(child, [phone("p-1"), phone("p-2")], 90).level is Level.DEPARTED


def test_at_1_3_an_alarm_says_who_heard_last_how_strongly_and_how_long_ago():
    found = judge(heard(range(0, 60, 2), rssi_dbm=-88), [phone()], 90)

    assert (
        found.reason_code,
        {k: found.params[k] for k in ("heard_by", "rssi_dbm", "silent_s", "phones")},
    ) == (
        "unheard",
        {"heard_by": "p-1", "rssi_dbm": -88, "silent_s": 31, "phones": 1},
    )


def test_at_1_3_nothing_in_a_reason_is_a_place_or_a_name():
    found = judge(heard(range(0, 60, 2)), [phone()], 90)

    assert set(found.params) <= {"heard_by", "heard_ms", "rssi_dbm", "silent_s", "phones"}


def test_at_1_6_phones_that_all_stopped_are_an_alarm_of_their_own():
    found = judge(heard(range(0, 60, 2)), [phone(until_s=60)], 85)

    assert (found.level, found.reason_code, found.since_ms) == (Level.UNWATCHED, "monitoring-stopped", at(60))


def test_a_phone_that_did_not_report_is_never_counted_as_not_hearing():
    deaf_then_back = phone(but=range(61, 79))

    assert judge(heard(range(0, 60, 2)), [deaf_then_back], 78).level is Level.NEAR


def test_without_phones_nobody_watches():
    assert judge([], [], 10).level is Level.UNWATCHED


def test_at_1_7_an_alarm_repeats_every_five_seconds_until_answered():
    gone = judge(heard(range(0, 60, 2)), [phone()], 90)

    due = [alarm_due(gone, last_alarm_ms=at(88), policy=POLICY, now_ms=at(88 + s)) for s in (1, 4.9, 5, 6)]

    assert due == [False, False, True, True]


def test_at_1_7_with_me_stops_the_alarm_and_60_s_of_silence_bring_it_back():
    child = heard(range(0, 60, 2))

    levels = [judge(child, [phone()], now, Answer.WITH_ME, 85).level for now in (86, 140, 150)]

    assert levels == [Level.NEAR, Level.NEAR, Level.DEPARTED]


def test_at_1_7_searching_stops_the_repeats_but_not_the_departure():
    gone = judge(heard(range(0, 60, 2)), [phone()], 90, Answer.SEARCHING, 86)

    assert (gone.level, alarm_due(gone, last_alarm_ms=None, policy=POLICY, now_ms=at(90))) == (
        Level.DEPARTED,
        False,
    )


def test_at_1_7_a_new_departure_resets_an_old_answer():
    child = heard(range(0, 60, 2)) + heard(range(100, 130, 2))

    gone = judge(child, [phone()], 160, Answer.SEARCHING, 86)

    assert (gone.level, gone.answered) == (Level.DEPARTED, False)


def test_reports_four_seconds_apart_that_name_the_child_leave_no_gap():
    slow = PhoneTrack("p-1", tuple(at(s) for s in range(4, 84, 4)))
    child = [Sighting(at(s - 0.2), "p-1", -60, 5) for s in range(4, 84, 4)]

    assert {judge(child, [slow], now).level for now in range(20, 80)} == {Level.NEAR}


@settings(max_examples=15)
@given(readings, st.randoms(use_true_random=False))
def test_order_and_duplicates_do_not_change_a_judgement(found: list[tuple[int, int]], chance: random.Random):
    child = [Sighting(at(s), "p-1", rssi, 5) for s, rssi in dict(found).items()]
    shuffled = [*child, *child[:3]]
    chance.shuffle(shuffled)

    assert judge(shuffled, [phone()], 95) == judge(child, [phone()], 95)


@settings(max_examples=15)
@given(readings)
def test_a_proximity_is_a_probability(found: list[tuple[int, int]]):
    child = [Sighting(at(s), "p-1", rssi, 5) for s, rssi in found]

    assert 0 <= proximity(child, [phone()], reach_m=30, now_ms=at(95)) <= 1


def test_who_is_heard_more_strongly_is_more_probably_near():
    strong, weak = (
        proximity(heard(range(0, 60, 2), rssi_dbm=r), [phone()], reach_m=30, now_ms=at(60))
        for r in (-60, -94)
    )

    assert strong > weak


PLANE = Plane(LatLon(37.5, 127.0))
POLES = {
    f"s{i}{j}": Receiver(f"s{i}{j}", PLANE.to_latlon(40.0 * i, 40.0 * j))
    for i in range(-3, 4)
    for j in range(-3, 4)
}
YARD = Area(tuple(PLANE.to_latlon(x, y) for x, y in ((-60, -60), (60, -60), (60, 60), (-60, 60))))


def by_poles(x_m: float, y_m: float, seconds: range) -> list[Sighting]:
    means = {n: OUTDOOR.mean_dbm(math.dist((x_m, y_m), PLANE.to_xy(r.at))) for n, r in POLES.items()}
    return [Sighting(at(s), n, round(m), 9) for s in seconds for n, m in means.items() if m > -94]


def yard_level(child: list[Sighting], now_s: float) -> Level:
    alive = tuple(POLES.values())
    return assess_yard(child, POLES, alive, yard=YARD, policy=POLICY, now_ms=at(now_s)).level


def test_poles_alone_notice_who_left_the_yard():
    child = by_poles(0, 0, range(0, 40, 2)) + by_poles(82, 3, range(40, 80, 2))

    assert (yard_level(child, 39), yard_level(child, 80)) == (Level.NEAR, Level.DEPARTED)


def test_a_yard_without_a_living_pole_is_not_watched():
    stopped = assess_yard([], POLES, (), yard=YARD, policy=POLICY, now_ms=at(10))

    assert stopped.level is Level.UNWATCHED


def moved_fixes(metres: float, accuracy_m: float = 5.0) -> list[Fix]:
    return [gps_fix(PLANE.to_latlon(metres * k / 12, 0), accuracy_m, at(10 * k)) for k in range(13)]


def test_a_bag_away_from_the_group_moves_or_lies_or_nobody_knows():
    far, still = moved_fixes(120), moved_fixes(0)
    vague = [replace(f, ellipse95=replace(f.ellipse95, semi_major_m=200.0)) for f in moved_fixes(60)]

    states = [
        bag_state(near, fixes).state for near, fixes in ((0.1, far), (0.1, still), (0.1, vague), (0.9, far))
    ]

    assert states == [BagState.MOVING_ALONE, BagState.STILL, BagState.UNKNOWN, BagState.WITH_GROUP]
