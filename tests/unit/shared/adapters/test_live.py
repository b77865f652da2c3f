"""The live feed: what is told to the screens, and what its listeners may do."""

import json
import struct
from datetime import UTC, datetime

import pytest

from shared.adapters.clock import ManualClock
from shared.adapters.live import MemoryLive, listener_policy, topics
from shared.adapters.memory import MemoryCloud
from shared.domain.errors import NotFound
from shared.domain.geo import Area, LatLon
from shared.ports import Group
from shared.schema.live import box, encode_frame

AT = datetime(2026, 5, 14, 1, 30, tzinfo=UTC)
DISTRICT = Area((LatLon(37.0, 127.0), LatLon(37.0, 127.4), LatLon(37.4, 127.4), LatLon(37.4, 127.0)))


def decoded(frame: bytes) -> list[tuple[float, float, int, int]]:
    """Latitude, longitude, children and state of each group, as a screen reads them."""
    _, _, count, _, _ = struct.unpack_from("<BBHdH", frame)
    south, west, north, east = box(DISTRICT)
    found = []
    for i in range(count):
        _, children, x, y, state = struct.unpack_from("<3sBHHB", frame, 14 + 9 * i)
        lat, lon = south + (north - south) * y / 65535, west + (east - west) * x / 65535
        found.append((lat, lon, children, state))
    return found


def test_a_frame_says_where_each_group_is_to_a_metre() -> None:
    frame = encode_frame([Group("o-1", LatLon(37.123456, 127.234567), 16, 2)], boundary=DISTRICT, at=AT)

    assert decoded(frame) == [
        (pytest.approx(37.123456, abs=1e-5), pytest.approx(127.234567, abs=1e-5), 16, 2)
    ]


def test_a_group_far_outside_is_drawn_on_the_edge() -> None:
    frame = encode_frame([Group("o-1", LatLon(40, 120), 300, 0)], boundary=DISTRICT, at=AT)

    assert decoded(frame) == [(pytest.approx(37.5), pytest.approx(126.9), 255, 0)]


def test_a_frame_of_a_whole_district_fits_a_message() -> None:
    groups = [Group(f"o-{n}", LatLon(37.1, 127.1), 1, 0) for n in range(3100)]

    assert len(encode_frame(groups, boundary=DISTRICT, at=AT)) == 14 + 3100 * 9


def test_an_event_says_that_something_changed_and_not_what() -> None:
    world = MemoryCloud(ManualClock(AT))
    MemoryLive("garam", world).tell("case", "c-1", 4)

    topic, payload = world.table("live")["heard"][0]
    assert (topic, json.loads(payload)) == (
        "live/jikimi/garam/events",
        {"v": 1, "kind": "case", "id": "c-1", "version": 4},
    )


def test_an_unknown_kind_of_event_is_refused() -> None:
    with pytest.raises(ValueError, match="kind"):
        MemoryLive("garam", MemoryCloud(ManualClock(AT))).tell("name", "c-1", 1)


def test_no_address_is_given_where_nobody_listens() -> None:
    with pytest.raises(NotFound, match="live-unavailable"):
        MemoryLive("garam", MemoryCloud(ManualClock(AT))).address("park")


def test_a_listener_may_only_listen_and_only_to_its_own_district(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "ap-northeast-2")
    policy = listener_policy("arn:aws:iam::123456789012:role/live", topics("garam"), "live-garam-1")

    allowed = {
        (s["Action"], tuple([s["Resource"]] if isinstance(s["Resource"], str) else s["Resource"]))
        for s in policy["Statement"]
    }
    arn = "arn:aws:iot:ap-northeast-2:123456789012:"
    assert allowed == {
        ("iot:Connect", (f"{arn}client/live-garam-1",)),
        (
            "iot:Subscribe",
            (f"{arn}topicfilter/live/jikimi/garam/frame", f"{arn}topicfilter/live/jikimi/garam/events"),
        ),
        ("iot:Receive", (f"{arn}topic/live/jikimi/garam/frame", f"{arn}topic/live/jikimi/garam/events")),
    }
