"""One suite over every tracking adapter and its twin: memory, moto, and the local cloud's real table."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.adapters.watch_list import DynamoWatchList
from shared.adapters.wiring import Adapters
from shared.domain.geo import LatLon
from shared.domain.proximity import PhoneTrack
from shared.domain.sighting import Sighting, Window
from shared.ports import GroupTrack, Quarantined, ScannerTrack, Track, Tracks, Watched
from tests.integration.conftest import START, MotoCloud, World

NOW_MS = 1_780_000_000_000
HERE = LatLon(37.478123, 126.951456)
HEARD = (
    Sighting(NOW_MS - 119_999, "s-1", -127, 1),
    Sighting(NOW_MS, "p-1", -60, 255, HERE, 12),
    Sighting(NOW_MS, "s-1", 20, 7),
)


@pytest.fixture
def anywhere(cloud: World) -> Adapters:
    return cloud.adapters_for(cloud.tenant())


@pytest.fixture
def here(cloud: World) -> Adapters:
    """Where the hot writes can be shown."""
    if cloud.name == "moto":
        pytest.skip("moto neither takes parameters in a PartiQL INSERT nor evaluates conditions")
    return cloud.adapters_for(cloud.tenant())


def one(on: Adapters, beacon_id: str = "b-1") -> Track:
    return on.tracking.read(beacons=[beacon_id]).beacons[beacon_id]


def test_what_was_never_stored_is_empty_with_version_0(anywhere: Adapters) -> None:
    asked = anywhere.tracking.read(beacons=["b"], phones=["p"], scanners=["s"], groups=["o"])

    assert asked == Tracks(
        {"b": Track("b")}, {"p": PhoneTrack("p")}, {"s": ScannerTrack("s")}, {"o": GroupTrack("o")}
    )


def test_whatever_is_stored_together_comes_back_together(here: Adapters) -> None:
    by_phone = {"b-1": (Sighting(NOW_MS, "p-1", -60, 255, HERE, 12),)}
    by_scanner = {"b-1": (Sighting(NOW_MS, "s-1", -60, 7),), "b-2": (Sighting(NOW_MS + 1, "s-1", -90, 1),)}
    beacon = Track("b-1", Window(HEARD), frozenset({"phone#p-9", "scanner#s-1"}))
    phone = PhoneTrack("p-1", (NOW_MS, NOW_MS + 2000), ((NOW_MS, HERE, 12),), 0, NOW_MS, by_phone)
    scanner = ScannerTrack("s-1", by_scanner)
    group = GroupTrack("o-1", {"b-1": {"level": "warned", "since_ms": NOW_MS}}, frozenset({"scanner#s-1"}))
    here.tracking.save([beacon, phone, scanner, group], now=START)

    asked = here.tracking.read(beacons=["b-1"], phones=["p-1"], scanners=["s-1"], groups=["o-1"])
    assert asked == Tracks(
        {"b-1": replace(beacon, version=1)},
        {"p-1": replace(phone, version=1)},
        {"s-1": replace(scanner, version=1)},
        {"o-1": replace(group, version=1)},
    )


def test_a_track_is_replaced_by_whoever_read_it_last(here: Adapters) -> None:
    here.tracking.save([Track("b-1", Window(HEARD))], now=START)
    here.tracking.save([Track("b-1", Window(HEARD[1:]), version=1)], now=START)

    assert one(here) == Track("b-1", Window(HEARD[1:]), version=2)


@pytest.mark.parametrize("version", [0, 1, 3])
def test_a_writer_that_read_another_version_loses(here: Adapters, version: int) -> None:
    here.tracking.save([Track("b-1")], now=START)
    here.tracking.save([Track("b-1", version=1)], now=START)
    late = Track("b-1", Window(HEARD), version=version)

    assert here.tracking.save([late], now=START) == [late]


def test_a_writer_of_a_track_that_was_forgotten_loses(here: Adapters) -> None:
    here.tracking.save([Track("b-1")], now=START)
    here.tracking.forget(["b-1"])
    late = Track("b-1", Window(HEARD), version=1)

    assert here.tracking.save([late], now=START) == [late]


def test_only_the_losers_of_a_large_save_are_named_and_nothing_of_theirs_is_stored(
    here: Adapters,
) -> None:
    here.tracking.save([Track("b-007"), Track("b-033")], now=START)
    everybody = [Track(f"b-{n:03d}", Window(HEARD)) for n in range(60)]

    lost = here.tracking.save(everybody, now=START)

    stored = here.tracking.read(beacons=[t.beacon_id for t in everybody]).beacons.values()
    assert lost == [everybody[7], everybody[33]]
    assert [t.beacon_id for t in stored if not t.window.sightings] == ["b-007", "b-033"]


def test_more_tracks_than_one_read_holds_come_back(here: Adapters) -> None:
    ids = [f"b-{n:03d}" for n in range(120)]
    here.tracking.save([Track(each, Window(HEARD)) for each in ids], now=START)

    assert {each.version for each in here.tracking.read(beacons=ids).beacons.values()} == {1}


def test_kinds_with_the_same_id_are_different_tracks(here: Adapters) -> None:
    here.tracking.save([Track("x"), PhoneTrack("x", (NOW_MS,))], now=START)

    assert here.tracking.save([Track("x"), PhoneTrack("x", version=1)], now=START) == [Track("x")]


def test_a_forgotten_track_is_gone(here: Adapters) -> None:
    here.tracking.save([Track("b-1", Window(HEARD)), Track("b-2", Window(HEARD))], now=START)
    here.tracking.forget(["b-1", "b-3"])

    assert (one(here, "b-1").version, one(here, "b-2").version) == (0, 1)


def test_a_heartbeat_never_moves_backwards(here: Adapters) -> None:
    for seen in ({"s-1": 2000, "s-2": 1000}, {"s-1": 1000, "s-2": 3000}, {"s-2": 3000}):
        here.tracking.heartbeat(seen)

    assert here.tracking.heartbeats() == {"s-1": 2000, "s-2": 3000}


def test_quarantined_messages_are_read_newest_first(anywhere: Adapters) -> None:
    messages = [Quarantined(f"m-{n}", NOW_MS + n, "s-1", "payload-not-json", "eA==") for n in range(30)]
    anywhere.tracking.quarantine(messages, now=START)

    assert list(anywhere.tracking.quarantined(3)) == messages[:-4:-1]


def test_a_message_quarantined_twice_is_there_once(anywhere: Adapters) -> None:
    message = Quarantined("m-1", NOW_MS, "s-1", "payload-not-json", "eA==")
    anywhere.tracking.quarantine([message, message], now=START)
    anywhere.tracking.quarantine([message], now=START)

    assert list(anywhere.tracking.quarantined()) == [message]


def test_a_tenant_sees_its_own(cloud: World, here: Adapters) -> None:
    here.tracking.save([Track("b-1", Window(HEARD)), PhoneTrack("p-1", (NOW_MS,))], now=START)
    here.tracking.heartbeat({"s-1": NOW_MS})
    here.tracking.quarantine([Quarantined("m-1", NOW_MS, "s-1", "r", "")], now=START)
    here.watch_list.add(Watched("b-1", "case-1", here.tenant_id, None))
    other = cloud.adapters_for(cloud.tenant())

    seen = (
        one(other).version,
        other.tracking.read(phones=["p-1"]).phones["p-1"].version,
        other.tracking.heartbeats(),
        list(other.tracking.quarantined()),
        list(other.watch_list.entries()),
    )
    assert seen == (0, 0, {}, [], [])


def test_the_watch_list_is_what_was_added_and_not_removed(anywhere: Adapters) -> None:
    until = START + timedelta(hours=2)
    anywhere.watch_list.add(Watched("b-2", "case-1", "narae", until))
    anywhere.watch_list.add(Watched("b-1", "case-2", anywhere.tenant_id, None))
    anywhere.watch_list.add(Watched("b-3", "case-3", anywhere.tenant_id, None))
    anywhere.watch_list.remove("b-3")

    assert list(anywhere.watch_list.entries()) == [
        Watched("b-1", "case-2", anywhere.tenant_id, None),
        Watched("b-2", "case-1", "narae", until),
    ]


class RememberedTopics:
    """What is published, by topic."""

    def __init__(self) -> None:
        self.retained: dict[str, bytes] = {}

    def publish(self, *, topic: str, payload: bytes, retain: bool, qos: int) -> None:
        assert (retain, qos) == (True, 1)
        self.retained[topic] = payload


def test_scanners_are_told_the_beacons_and_nothing_of_whose_they_are(moto_cloud: MotoCloud) -> None:
    told = RememberedTopics()
    table = moto_cloud.environment.tracking_table
    watch_list = DynamoWatchList("garam", table, moto_cloud.client("dynamodb"), lambda: told)
    watch_list.add(Watched("b-2", "case-1", "narae", None))
    watch_list.add(Watched("b-1", "case-2", "garam", None))

    assert json.loads(told.retained["cmd/jikimi/garam/watch"]) == {"v": 1, "beacons": ["b-1", "b-2"]}
