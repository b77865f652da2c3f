"""What an item holds beside the window, packed: phones' reports and lists of ids."""

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.adapters.clock import ManualClock
from shared.adapters.memory import MemoryCloud
from shared.adapters.tracking import MemoryTracking, micro, pack_reports, unpack_reports
from shared.domain.geo import Ellipse, LatLon
from shared.domain.position import Fix, Shape
from shared.domain.sighting import Sighting, Window
from shared.ports import PhoneTrack, Track
from tests.district import START

NOW_MS = 1_780_000_000_000
TIMES = st.integers(NOW_MS, NOW_MS + 120_000)
PLACES = st.builds(LatLon, st.floats(-90, 90), st.floats(-180, 180)).map(micro)
NAMES = st.sampled_from(["garam-s-001", "garam-s-002", "garam-p-001", "naru-s-001", "loner", "a-", "-b"])


@settings(max_examples=60, deadline=None)
@given(st.lists(TIMES, max_size=120), st.lists(st.tuples(TIMES, PLACES, st.integers(0, 65_535)), max_size=60))
def test_a_phones_reports_survive_packing(
    reported_ms: list[int], fixes: list[tuple[int, LatLon, int]]
) -> None:
    phone = PhoneTrack("garam-p-001", tuple(sorted(reported_ms)), tuple(sorted(fixes, key=lambda f: f[0])))

    assert unpack_reports(pack_reports(phone)) == (phone.reported_ms, phone.fixes)


@settings(max_examples=100, deadline=None)
@given(st.lists(NAMES, max_size=12), st.lists(NAMES, max_size=12))
def test_a_fix_survives_storing_with_whoever_heard_and_did_not(heard: list[str], silent: list[str]) -> None:
    at = LatLon(37.478123, 126.951456)
    small, large = Ellipse(at, 20.1, 10.1, 45.5, 0.5), Ellipse(at, 40.1, 20.1, 45.5, 0.95)
    fix = Fix(NOW_MS, at, small, large, Shape.RING, "radio", tuple(heard), tuple(silent), "heard-by-many")
    tracking = MemoryTracking("garam", MemoryCloud(ManualClock(START)))
    tracking.save([Track("b", Window((Sighting(NOW_MS, "s", -60, 1),)), fix)], now=START)

    assert tracking.tracks(["b"])["b"].fix == fix
