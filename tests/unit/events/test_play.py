from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest

from events.simulator.city import City
from events.simulator.edge import Lane
from events.simulator.play import Emission, Play
from events.simulator.scenario import Scenario, Truth, load
from shared.domain.geo import LatLon, contains, distance_m
from shared.schema.sightings import SightingsV1


@pytest.fixture(scope="module")
def crossing(city: City) -> tuple[Play, list[Emission]]:
    """crosses_the_border with the case open from second 80 and shared from second 100."""
    play = Play(load("crosses_the_border"), city, 7)
    beacon = play.cast.children["child-07"].beacon_id
    emissions = []
    for emission in play:
        play.watch("garam", [beacon] if emission.at_s > 80 else [])
        play.watch("naru", [beacon] if emission.at_s > 100 else [])
        emissions.append(emission)
    return play, emissions


def changed(name: str, **fields: Any) -> Scenario:
    return Scenario.model_validate({**load(name).model_dump(by_alias=True), **fields})


def heard_by(emissions: Iterable[Emission], beacon_id: str) -> list[tuple[float, str, int]]:
    """(virtual second of the evidence, thing, rssi) of one beacon."""
    return [
        (e.at_s - age / 1000, e.thing, rssi)
        for e in emissions
        for beacon, age, rssi, _ in e.payload["s"]
        if beacon == beacon_id
    ]


def test_the_wire_takes_every_message(crossing: tuple[Play, list[Emission]]) -> None:
    _, emissions = crossing

    assert {SightingsV1.model_validate(e.payload).v for e in emissions} == {1}


def test_messages_come_in_the_order_of_time(crossing: tuple[Play, list[Emission]]) -> None:
    times = [e.at_s for e in crossing[1]]

    assert times == sorted(times)


def test_the_same_seed_plays_the_same_to_the_byte(city: City) -> None:
    short = changed("park_outing", moves=(), lasts_s=30)

    assert list(Play(short, city, 3)) == list(Play(short, city, 3))


def test_another_seed_plays_differently(city: City) -> None:
    short = changed("park_outing", moves=(), lasts_s=30)

    assert list(Play(short, city, 3)) != list(Play(short, city, 4))


def test_each_thing_counts_its_messages_without_a_gap(crossing: tuple[Play, list[Emission]]) -> None:
    counted: dict[str, list[int]] = {}
    for e in crossing[1]:
        counted.setdefault(e.thing, []).append(e.payload["seq"])

    assert all(seqs == list(range(1, len(seqs) + 1)) for seqs in counted.values())


def test_every_scanner_of_every_district_is_heard_from_every_half_minute(
    crossing: tuple[Play, list[Emission]],
) -> None:
    play, emissions = crossing
    spoke: dict[str, list[float]] = {thing: [0.0] for thing in play.things}
    for e in emissions:
        spoke[e.thing].append(e.at_s)
    gaps = [b - a for times in spoke.values() for a, b in pairwise(times)]

    assert max(gaps) <= 32


def test_the_child_crosses_the_border_where_the_marks_say(crossing: tuple[Play, list[Emission]]) -> None:
    play, _ = crossing
    beacon = play.cast.children["child-07"].beacon_id
    crosses_s = play.marks[Truth.CROSSES]
    naru = play.city.tenant("naru").boundary

    assert not contains(naru, play.truth(beacon, crosses_s - 2))
    assert contains(naru, play.truth(beacon, crosses_s + 2))


def test_the_crossing_childs_track_is_never_interrupted(crossing: tuple[Play, list[Emission]]) -> None:
    play, emissions = crossing
    beacon = play.cast.children["child-07"].beacon_id
    times = sorted(t for t, _, _ in heard_by(emissions, beacon))

    assert max(b - a for a, b in pairwise(times)) < 10


def test_both_districts_hear_the_crossing_child(crossing: tuple[Play, list[Emission]]) -> None:
    play, emissions = crossing
    beacon = play.cast.children["child-07"].beacon_id

    assert {thing.split("-")[0] for _, thing, _ in heard_by(emissions, beacon)} == {"garam", "naru"}


def test_the_neighbour_hears_nothing_of_the_child_before_it_watches(
    crossing: tuple[Play, list[Emission]],
) -> None:
    play, emissions = crossing
    beacon = play.cast.children["child-07"].beacon_id

    assert min(t for t, thing, _ in heard_by(emissions, beacon) if thing.startswith("naru")) > 100


def test_a_watched_beacon_changes_to_the_urgent_lane(crossing: tuple[Play, list[Emission]]) -> None:
    play, emissions = crossing
    beacon = play.cast.children["child-07"].beacon_id
    lanes = Counter((e.at_s > 82, e.lane) for e in emissions for s in e.payload["s"] if s[0] == beacon)

    assert set(lanes) == {(False, Lane.ORDINARY), (True, Lane.URGENT)}


def test_others_stay_on_the_ordinary_lane(crossing: tuple[Play, list[Emission]]) -> None:
    play, emissions = crossing
    beacon = play.cast.children["child-07"].beacon_id

    assert {s[0] for e in emissions if e.lane is Lane.URGENT for s in e.payload["s"]} == {beacon}


def test_the_child_walks_away_from_its_group(crossing: tuple[Play, list[Emission]]) -> None:
    play, _ = crossing

    assert distance_m(play.person("child-07", 150), play.person("group", 150)) > 100


def test_the_others_stay_with_their_group(crossing: tuple[Play, list[Emission]]) -> None:
    play, _ = crossing
    others = [who for who in play.cast.children if who != "child-07"]
    far = [
        distance_m(play.person(who, t), play.person("group", t)) for who in others for t in range(0, 300, 10)
    ]

    assert max(far) < 25


def test_a_teacher_reaches_the_child_in_the_end(crossing: tuple[Play, list[Emission]]) -> None:
    play, _ = crossing

    assert distance_m(play.person("teacher-2", 290), play.person("child-07", 290)) < 3


def test_children_do_not_jump(crossing: tuple[Play, list[Emission]]) -> None:
    play, _ = crossing
    steps = [
        distance_m(play.person(who, t), play.person(who, t + 1))
        for who in play.cast.children
        for t in range(299)
    ]

    assert max(steps) < 4


def test_a_phone_is_where_its_gps_says_within_its_error(crossing: tuple[Play, list[Emission]]) -> None:
    play, emissions = crossing
    phone = play.cast.teachers["teacher-1"].phone_id
    errors = []
    for e in emissions:
        if e.thing == phone:
            lat, lon, accuracy_m, age_ms = e.payload["fix"]
            truth = play.person("teacher-1", e.at_s - age_ms / 1000)
            errors.append(distance_m(LatLon(lat, lon), truth) / accuracy_m)

    assert 0.2 < sum(e < 1 for e in errors) / len(errors) < 0.99


def test_a_dropped_bag_stays_while_its_child_walks_on(city: City) -> None:
    play = Play(load("dropped_bag"), city, 7)
    beacon = play.cast.children["child-05"].beacon_id

    assert distance_m(play.truth(beacon, 61), play.truth(beacon, 290)) == 0
    assert distance_m(play.truth(beacon, 290), play.person("child-05", 290)) > 80


def test_a_dark_scanner_says_nothing_and_an_offline_one_catches_up(city: City) -> None:
    fault = {"at_s": 10, "for_s": 40, "near": {"place": "garam-park-01"}, "count": 2}
    quiet = {
        kind: [
            e
            for e in Play(
                changed("park_outing", moves=(), lasts_s=70, faults=[{"kind": kind, **fault}]), city, 7
            )
            if e.thing in {"garam-s-001", "garam-s-002"}
        ]
        for kind in ("dark-scanners", "offline-scanners")
    }
    during = {k: [e for e in es if 11 <= e.at_s < 50] for k, es in quiet.items()}
    evidence = {
        k: [e for e in es for s in e.payload["s"] if 12 <= e.at_s - s[1] / 1000 < 48]
        for k, es in quiet.items()
    }

    assert during == {"dark-scanners": [], "offline-scanners": []}
    assert evidence["dark-scanners"] == []
    assert len(evidence["offline-scanners"]) > 10


def test_a_silent_phone_reports_nothing(city: City) -> None:
    fault = {"kind": "silent-phone", "at_s": 20, "for_s": 30, "who": "teacher-2"}
    play = Play(changed("park_outing", moves=(), lasts_s=60, faults=[fault]), city, 7)
    phone = play.cast.teachers["teacher-2"].phone_id

    assert [e.at_s for e in play if e.thing == phone and 21 <= e.at_s < 50] == []


def test_a_deaf_phone_still_says_where_it_is(city: City) -> None:
    fault = {"kind": "deaf-phone", "at_s": 0, "for_s": 60, "who": "teacher-2"}
    play = Play(changed("park_outing", moves=(), lasts_s=40, faults=[fault]), city, 7)
    phone = play.cast.teachers["teacher-2"].phone_id
    said = [e.payload for e in play if e.thing == phone]

    assert [p["s"] for p in said] == [[]] * len(said)
    assert all("fix" in p for p in said)


def test_too_small_a_roster_is_refused(city: City) -> None:
    party = {**load("park_outing").party.model_dump(), "children": 40}

    with pytest.raises(ValueError, match="consented"):
        Play(changed("park_outing", party=party), city, 7)


def test_people_who_wait_for_each_other_are_refused(city: City) -> None:
    moves = [
        {"who": "child-01", "at_s": 5, "to": {"who": "child-02"}},
        {"who": "child-02", "at_s": 5, "to": {"who": "child-01"}},
    ]

    with pytest.raises(ValueError, match="wait for each other"):
        Play(changed("park_outing", moves=moves), city, 7)
