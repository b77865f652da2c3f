"""Ids that change on the air: published vectors, the window they hold in, and eavesdroppers (D5)."""

import itertools
import random

import pytest

from events.simulator.tags import Antennas, tag_of
from shared.adapters.tags import aes_block, pack_ids, unpack_ids
from shared.domain.ephemeral_id import (
    PERIOD_S,
    TOLERANCE_S,
    Issued,
    Tag,
    ephemeral_id,
    issued,
    window_of,
    windows_at,
)

DAY_S = 86_400
START_S = 1_777_000_000


@pytest.mark.parametrize(
    ("key", "exponent", "counter_s", "expected"),
    [
        # The same vector in two independent implementations of the specification (Python and Rust).
        ("7c91330e61dfea4606b5b3ecb4457d76", 0, 0, "436bfe57d5a09505"),  # pragma: allowlist secret
        # RadiusNetworks/ephemeral_calc, spec/encryptor_spec.rb: a fresh beacon, and one 2,000 s old.
        ("0102030405060708090a111213141516", 10, 0, "a9b76a71c5f89290"),  # pragma: allowlist secret
        ("0102030405060708090a111213141516", 10, 2000, "4144413e45fefa58"),  # pragma: allowlist secret
    ],
)
def test_an_id_is_the_published_one(key: str, exponent: int, counter_s: int, expected: str):
    found = ephemeral_id(bytes.fromhex(key), counter_s, aes_block, exponent=exponent)

    assert found == expected


def test_an_id_stays_for_512_seconds_of_the_beacons_counter_and_then_changes():
    key = bytes(range(16))
    seen = [ephemeral_id(key, counter_s, aes_block) for counter_s in range(3 * PERIOD_S)]

    assert [seen.count(each) for each in dict.fromkeys(seen)] == [PERIOD_S] * 3


@pytest.mark.parametrize("counter_s", [-1, 1 << 32])
def test_a_counter_has_32_bits(counter_s: int):
    with pytest.raises(ValueError, match="counter"):
        ephemeral_id(bytes(16), counter_s, aes_block)


def test_every_period_of_a_beacon_begins_in_exactly_one_window():
    tag = Tag("b-1", bytes(range(16)), START_S - 12_345)
    first = window_of(START_S)
    begun = [found.begins_s for n in range(300) if (found := issued(tag, first + n, aes_block))]

    assert [b - a for a, b in itertools.pairwise(begun)] == [PERIOD_S] * 299
    assert [window_of(each) for each in begun] == list(range(first, first + 300))


def resolved(heard: str, at_s: float, tags: list[Tag]) -> str:
    """Whose id it is at that moment, as ingest resolves it; "" when nobody's."""
    known = {
        found.ephemeral_id: found
        for window in windows_at(at_s)
        for tag in tags
        if (found := issued(tag, window, aes_block))
    }
    found = known.get(heard)
    return found.beacon_id if found and found.holds(at_s) else ""


@pytest.mark.parametrize("drift_s", [-TOLERANCE_S, -600, -13, 0, 13, 600, TOLERANCE_S - 1])
def test_a_beacon_whose_clock_is_off_is_known_within_the_tolerance(drift_s: int):
    rng = random.Random(drift_s)
    tag = tag_of("b-1", seed=1, zero_s=START_S - 5_000)
    truth = Tag(tag.beacon_id, tag.identity_key, tag.zero_s + drift_s)
    for _ in range(50):
        at_s = START_S + rng.uniform(0, DAY_S)
        heard = ephemeral_id(tag.identity_key, int(at_s - truth.zero_s), aes_block)
        assert resolved(heard, at_s, [tag]) == "b-1"


def test_a_counter_read_at_a_visit_sets_a_drifted_beacon_right():
    tag = tag_of("b-1", seed=1, zero_s=START_S)
    at_s = START_S + 200 * DAY_S
    counter_s = round(200 * DAY_S * (1 + 150e-6))
    heard = ephemeral_id(tag.identity_key, counter_s, aes_block)
    synced = Tag(tag.beacon_id, tag.identity_key, at_s - counter_s)

    assert (resolved(heard, at_s, [tag]), resolved(heard, at_s, [synced])) == ("", "b-1")


def test_no_replayed_and_no_forged_id_is_taken_outside_its_window():
    rng = random.Random(7)
    tags = [tag_of(f"b-{n}", seed=n, zero_s=START_S - rng.randrange(DAY_S)) for n in range(20)]
    now_s = START_S + DAY_S
    known = [f for w in windows_at(now_s) for tag in tags if (f := issued(tag, w, aes_block))]
    by_id = {each.ephemeral_id: each for each in known}
    taken = 0
    for n in range(10_000):
        if n % 2:
            heard = rng.randbytes(8).hex()
        else:  # recorded between 26 minutes and a month ago, sent again now
            tag = rng.choice(tags)
            counter_s = now_s - tag.zero_s - rng.uniform(PERIOD_S + TOLERANCE_S, 30 * DAY_S)
            heard = ephemeral_id(tag.identity_key, max(0, int(counter_s)), aes_block)
        found = by_id.get(heard)
        taken += bool(found and found.holds(now_s))

    assert taken == 0


def test_an_eavesdropper_with_antennas_everywhere_loses_every_beacon_when_its_id_changes():
    jitter_s = 30
    antennas = Antennas()
    tags = [tag_of(f"b-{n}", seed=n, zero_s=START_S - n * 977) for n in range(40)]
    for at_s in range(START_S, START_S + 6 * 3600, 16):
        for tag in tags:
            antennas.hear(tag.on_air(at_s, jitter_s=jitter_s), at_s)

    assert antennas.longest_s() <= PERIOD_S + jitter_s
    assert len(antennas.followed) >= 40 * 6 * 3600 // PERIOD_S


def test_a_static_id_is_followed_all_day():
    antennas = Antennas()
    for at_s in (START_S, START_S + 6 * 3600):
        antennas.hear("b-1", at_s)

    assert antennas.longest_s() == 6 * 3600


def test_a_windows_ids_come_back_from_their_bytes():
    window = window_of(START_S)
    entries = [
        Issued(random.Random(n).randbytes(8).hex(), f"garam-비콘-{n}", window * PERIOD_S + n)
        for n in range(512)
    ]

    assert list(unpack_ids(pack_ids(entries, window), window)) == entries
