"""What one source said, packed, and lists of ids."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.adapters.clock import ManualClock
from shared.adapters.memory import MemoryCloud
from shared.adapters.packing import micro, pack_said, pack_seen, unpack_said, unpack_seen
from shared.adapters.tracking import MemoryTracking
from shared.domain.geo import LatLon
from shared.domain.sighting import LAST_MS, Sighting
from shared.ports import GroupTrack
from tests.district import START

NOW_MS = 1_780_000_000_000
TIMES = st.integers(NOW_MS, NOW_MS + 120_000) | st.integers(NOW_MS - LAST_MS, NOW_MS)
PLACES = st.builds(LatLon, st.floats(-90, 90), st.floats(-180, 180)).map(micro)
NEAR = st.builds(lambda n: micro(LatLon(37.4 + n / 10_000, 126.9)), st.integers(0, 9))
BEACONS = st.sampled_from(["d5a28b149f5325ce", "garam-b-001", "ab", "", "비콘"]) | st.text(max_size=40)
KEYS = st.sampled_from(["scanner#garam-s-001", "scanner#garam-s-002", "phone#garam-p-001", "a", "-b"])


@st.composite
def said(draw: st.DrawFn) -> Any:
    where = st.none() | NEAR | PLACES
    wide = st.integers(-127, 20), st.integers(1, 255)
    strengths, packets = draw(st.sampled_from([wide, (st.integers(-127, 0), st.integers(1, 31))]))
    heard = {}
    for beacon in draw(st.sets(BEACONS, max_size=12)):
        times = draw(st.sets(TIMES, min_size=1, max_size=6))
        heard[beacon] = tuple(
            Sighting(at_ms, "p-1", draw(strengths), draw(packets), *_placed(draw, where))
            for at_ms in sorted(times)
        )
    fixes = draw(st.lists(st.tuples(TIMES, PLACES, st.integers(0, 65_535)), max_size=5))
    return tuple(sorted(draw(st.lists(TIMES, max_size=20)))), tuple(sorted(fixes, key=lambda f: f[0])), heard


def _placed(draw: st.DrawFn, where: st.SearchStrategy[LatLon | None]) -> tuple[LatLon | None, int]:
    at = draw(where)
    return at, draw(st.integers(0, 65_535)) if at else 0


@settings(max_examples=60, deadline=None)
@given(said())
def test_what_a_source_said_survives_packing(said: Any) -> None:
    assert unpack_said(pack_said(*said), "p-1") == said


@given(st.dictionaries(st.text(min_size=1, max_size=20), st.integers(NOW_MS, NOW_MS + 2**32 - 1)))
def test_heartbeats_survive_packing(seen_ms: dict[str, int]) -> None:
    assert unpack_seen(pack_seen(seen_ms)) == seen_ms


@settings(max_examples=40, deadline=None)
@given(st.frozensets(KEYS, max_size=6))
def test_the_sources_of_an_outing_survive_storing(sources: frozenset[str]) -> None:
    tracking = MemoryTracking("garam", MemoryCloud(ManualClock(START)))
    tracking.save([GroupTrack("o-1", sources=sources)], now=START)

    assert tracking.read(groups=["o-1"]).groups["o-1"].sources == sources
