"""The packed window, and what an item holds beside it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.adapters.clock import ManualClock
from shared.adapters.memory import MemoryCloud
from shared.adapters.packing import micro, pack_window, unpack_window
from shared.adapters.tables import write_units
from shared.adapters.tracking import MemoryTracking
from shared.domain.geo import LatLon
from shared.domain.sighting import WINDOW_MAX, WINDOW_MS, Sighting, Window, merge
from shared.ports import AnyTrack, PhoneTrack, ScannerTrack, Track
from tests.district import START

NOW_MS = 1_780_000_000_000


def places() -> st.SearchStrategy[LatLon]:
    return st.builds(LatLon, st.floats(-90, 90), st.floats(-180, 180)).map(micro)


@st.composite
def sightings(draw: st.DrawFn) -> Sighting:
    where = draw(st.none() | places())
    return Sighting(
        draw(st.integers(NOW_MS, NOW_MS + WINDOW_MS - 1)),
        draw(st.sampled_from([f"garam-s-{n:03d}" for n in range(70)]) | st.text(min_size=1, max_size=40)),
        draw(st.integers(-127, 20)),
        draw(st.integers(1, 255)),
        where,
        draw(st.integers(0, 65_535)) if where else 0,
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(sightings(), max_size=70))
def test_a_window_survives_packing(heard: list[Sighting]) -> None:
    window = merge(Window(), heard)

    assert unpack_window(pack_window(window)) == window


def busiest() -> Window:
    """Full: two phones that move and three scanners."""
    heard = []
    for n in range(WINDOW_MAX):
        source = ("garam-p-000", "garam-p-001", "garam-s-000", "garam-s-001", "garam-s-002")[n % 5]
        where = micro(LatLon(37.4 + n / 10_000, 126.9)) if "-p-" in source else None
        heard.append(Sighting(NOW_MS + n * 1500, source, -70, 5, where, 8 if where else 0))
    return Window(tuple(heard))


def test_a_full_window_fits_a_kilobyte() -> None:
    assert len(pack_window(busiest())) <= 1024


def test_fifteen_children_heard_by_a_phone_for_90_seconds_are_written_for_one_unit() -> None:
    children = [f"{n * 0x1234567890ABCDE % 2**64:016x}" for n in range(1, 16)]
    reports = [NOW_MS + n * 4000 for n in range(22)]
    walks = [micro(LatLon(37.4 + n / 20_000, 126.9)) for n in range(22)]
    heard = {
        child: tuple(
            Sighting(t - 2000, "garam-p-001", -60 - n, 20, *((walks[n], 7) if n > 16 else ()))
            for n, t in enumerate(reports)
        )
        for child in children
    }
    fixes = tuple((t, walks[n], 7) for n, t in enumerate(reports[-3:]))
    tracking = MemoryTracking("garam", MemoryCloud(ManualClock(START)))
    tracking.save([PhoneTrack("garam-p-001", tuple(reports), fixes, heard=heard)], now=START)

    assert tracking.write_units == 1


def test_a_hundred_children_heard_by_a_scanner_are_written_for_two_units() -> None:
    children = [f"{n * 0x1234567890ABCDE % 2**64:016x}" for n in range(1, 101)]
    heard = {child: (Sighting(NOW_MS + n, "garam-s-001", -60, 7),) for n, child in enumerate(children)}
    tracking = MemoryTracking("garam", MemoryCloud(ManualClock(START)))
    tracking.save([ScannerTrack("garam-s-001", heard)], now=START)

    assert tracking.write_units <= 3


def test_more_than_a_full_window_is_refused() -> None:
    heard = tuple(Sighting(NOW_MS + n, "s", -70, 5) for n in range(WINDOW_MAX + 1))

    with pytest.raises(ValueError, match="at most 64"):
        pack_window(Window(heard))


def test_a_format_of_another_age_is_refused() -> None:
    with pytest.raises(ValueError, match="format 9"):
        unpack_window(bytes([9]) + pack_window(Window())[1:])


@pytest.mark.parametrize(("track", "hours"), [(ScannerTrack("s"), 6), (PhoneTrack("p"), 6), (Track("b"), 12)])
def test_what_was_heard_expires_after_six_hours_and_what_was_noted_after_twelve(
    track: AnyTrack, hours: int
) -> None:
    world = MemoryCloud(ManualClock(START))
    MemoryTracking("garam", world).save([track], now=START)

    (item,) = world.table("tracking").values()
    assert item["ttl"] - START.timestamp() == hours * 3600


@pytest.mark.parametrize(
    ("item", "units"),
    [
        ({"pk": "x"}, 1),
        ({"a": b"\0" * 1023}, 1),
        ({"a": b"\0" * 1024}, 2),
        ({"a": "가" * 341}, 1),
        ({"a": "가" * 342}, 2),
        ({"a": ["x" * 500, {"b": "y" * 500}]}, 1),
        ({"a": ["x" * 500, {"b": "y" * 520}]}, 2),
    ],
)
def test_a_write_unit_is_a_kilobyte_begun(item: dict[str, object], units: int) -> None:
    assert write_units(item) == units
