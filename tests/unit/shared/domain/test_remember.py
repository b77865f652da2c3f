"""What a source remembers."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.geo import LatLon
from shared.domain.sighting import LAST_MS, PHONE_MS, PLACED_MS, Sighting, remember

T0 = 1_778_547_600_000
PLACES = [LatLon(37.478, 126.951), LatLon(37.479, 126.951)]


@st.composite
def sightings(draw: st.DrawFn) -> tuple[str, Sighting]:
    at_ms = T0 + draw(
        st.sampled_from([0, 1, 80_000, 89_999, 90_000, 90_001, 170_000, LAST_MS - 1, LAST_MS + 1])
    )
    where = draw(st.none() | st.sampled_from(PLACES))
    rssi_dbm, packets = draw(st.sampled_from([(-60, 3), (-60, 4), (-80, 9)]))
    return draw(st.sampled_from(["a", "b", "c"])), Sighting(
        at_ms, "p-1", rssi_dbm, packets, where, 5 if where else 0
    )


def after(heard: Any, newest_ms: int, *arrived: tuple[str, Sighting]) -> tuple[Any, int]:
    by_beacon: dict[str, list[Sighting]] = {}
    for beacon_id, sighting in arrived:
        by_beacon.setdefault(beacon_id, []).append(sighting)
    newest_ms = max([newest_ms, *(s.at_ms for _, s in arrived)])
    return remember(heard, by_beacon, newest_ms=newest_ms, lately_ms=PHONE_MS), newest_ms


@settings(max_examples=150, deadline=None)
@given(st.lists(sightings(), max_size=12), st.randoms())
def test_any_order_any_parts_and_any_number_of_times_end_in_the_same_memory(
    arrived: list[tuple[str, Sighting]], random: Any
) -> None:
    once, _ = after({}, 0, *arrived)
    parts = [[each] for each in arrived] + [random.choices(arrived, k=3) for _ in range(2) if arrived]
    random.shuffle(parts)
    torn: Any = {}
    newest_ms = 0
    for part in parts:
        torn, newest_ms = after(torn, newest_ms, *part)

    assert torn == once


def heard(*at_s: float) -> list[tuple[str, Sighting]]:
    return [("a", Sighting(T0 + round(t * 1000), "p-1", -60, 5, PLACES[0], 5)) for t in at_s]


def test_of_a_beacon_heard_long_ago_the_newest_sighting_and_its_place_are_remembered() -> None:
    other = ("b", Sighting(T0 + 3600_000, "p-1", -60, 5))
    known, _ = after({}, 0, *heard(0, 4, 8), other)

    assert known["a"] == (heard(8)[0][1],)


def test_where_a_source_was_is_remembered_for_what_it_heard_lately() -> None:
    known, _ = after({}, 0, *heard(0, 70, 80, 85))

    assert [s.where is not None for s in known["a"]] == [False, True, True, True]
    assert PLACED_MS == 20_000
