"""A tenant whose beacons rotate: what ingest takes for whom, and what it refuses."""

import random
from datetime import timedelta

import pytest

from events.simulator.tags import RotatingTag, tag_of
from functions.ingest_sightings.handler import lambda_handler
from functions.watch_silence.sweep import sweep
from shared.adapters.hearing import hearing
from shared.domain.places import Policy
from shared.ports import Watched
from tests.district import CHILDREN, START, District, district

ROTATING = Policy(rotating_ids=True)
START_S = round(START.timestamp())


def tag(d: District, n: int) -> RotatingTag:
    return tag_of(d.beacon(n), seed=n, zero_s=START_S - 100_000 - 137 * n)


@pytest.fixture
def here() -> District:
    d = district().people(ROTATING)
    d.outing()
    d.adapters.tags.put([tag(d, n) for n in range(CHILDREN)])
    sweep(d.adapters)
    return d


def hear(d: District, heard: list[str], *, at_s: float = 1.0) -> dict[str, int]:
    """Let a scanner hear these ids; says what was dropped, by reason."""
    d.clock.at = START + timedelta(seconds=at_s)
    before = dict(d.world.table("tracking"))
    record = d.message(d.scanner(0), [(each, 0, -62, 5) for each in heard], at_s=at_s)
    assert lambda_handler({"Records": [record]}, None, d.on) == {"batchItemFailures": []}
    return {key[0]: 1 for key in set(d.world.table("tracking")) - set(before)}


def heard_of(d: District, n: int) -> int:
    return len(hearing(d.adapters, d.beacon(n)).window.sightings)


def test_an_id_on_the_air_is_stored_under_the_beacon_it_belongs_to(here: District):
    hear(here, [tag(here, n).on_air(START_S + 1) for n in range(CHILDREN)])

    assert [heard_of(here, n) for n in range(CHILDREN)] == [1] * CHILDREN


def test_a_beacon_is_followed_over_a_change_of_its_id(here: District):
    for at_s in range(1, 1200, 60):
        sweep(here.adapters)
        hear(here, [tag(here, 0).on_air(START_S + at_s)], at_s=at_s)

    assert hearing(here.adapters, here.beacon(0)).window.newest_ms == 1000 * (START_S + 1141)


@pytest.mark.parametrize("age_s", [27 * 60, 3600, 30 * 86_400])
def test_an_old_id_sent_again_is_not_taken(here: District, age_s: int):
    hear(here, [tag(here, 0).on_air(max(tag(here, 0).zero_s, START_S + 1 - age_s))])

    assert heard_of(here, 0) == 0


def test_a_forged_id_and_a_static_one_are_not_taken(here: District):
    stored = hear(here, [random.Random(1).randbytes(8).hex(), here.beacon(0), "x"])

    assert [key for key in stored if "beacon" in key] == []


def test_where_ids_do_not_rotate_a_static_one_is_the_fallback():
    d = district().people(Policy(rotating_ids=False))
    d.outing()
    hear(d, [d.beacon(0)])

    assert heard_of(d, 0) == 1


def test_a_neighbours_rotating_beacon_is_known_here_while_its_case_is_shared(here: District):
    beyond = District(here.on, here.clock, here.world, "nuri").people(Policy())
    beyond.outing()
    on_air = tag(here, 0).on_air(START_S + 1)
    hear(beyond, [on_air])
    before = heard_of(here, 0)
    watched = Watched(here.beacon(0), "case-1", here.tenant_id, None)
    beyond.adapters.watch_list.add(watched)
    hear(beyond, [tag(here, 0).on_air(START_S + 3), tag(here, 1).on_air(START_S + 3)], at_s=3)

    assert (before, heard_of(here, 0), heard_of(here, 1)) == (0, 1, 0)
