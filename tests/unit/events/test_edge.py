import json

from hypothesis import given
from hypothesis import strategies as st

from events.simulator.edge import KEEP_MS, PHONE, Edge, Heard, Lane, Located, Message
from shared.schema.sightings import SightingsV1

T0 = 1_778_722_200_000


def heard(beacon_id: str, at_s: float, rssi_dbm: int = -70) -> Heard:
    return Heard(beacon_id, T0 + round(at_s * 1000), rssi_dbm, 8)


def scan(edge: Edge, at_s: float, *beacons: str) -> list[Message]:
    """One scan that ends at `at_s`; everything it makes the device send is acknowledged."""
    edge.scanned([heard(b, at_s - 1) for b in beacons], now_ms=T0 + round(at_s * 1000))
    sent = edge.outbox(T0 + round(at_s * 1000))
    for message in sent:
        edge.acknowledged(message.seq)
    return sent


def running(known: str = "ours", watched: tuple[str, ...] = ()) -> Edge:
    edge = Edge(known.split(), now_ms=T0)
    edge.watch(watched)
    scan(edge, 0)
    return edge


def test_a_device_says_that_it_is_alive_when_it_starts() -> None:
    edge = Edge(["ours"], now_ms=T0)

    assert [m.heard for m in scan(edge, 0)] == [()]


def test_a_strangers_beacon_never_leaves_the_device() -> None:
    edge = running()
    sent = [m for at in range(2, 60, 2) for m in scan(edge, at, "stranger")]

    assert [h for m in sent for h in m.heard] == []


def test_an_ordinary_beacon_is_reported_every_ten_seconds() -> None:
    edge = running()
    sent = {at: scan(edge, at, "ours") for at in range(2, 31, 2)}

    assert [at for at, messages in sent.items() if messages] == [10, 20, 30]


def test_an_ordinary_report_holds_the_newest_scan_that_heard_the_beacon() -> None:
    edge = running()
    for at in (2, 4, 6):
        scan(edge, at, "ours")
    scan(edge, 8)
    (message,) = scan(edge, 10)

    assert message.heard == (heard("ours", 5),)


def test_a_phone_adds_up_the_scans_of_its_interval() -> None:
    edge = Edge(["ours"], PHONE, now_ms=T0)
    edge.scanned([Heard("ours", T0 + 1000, -70, 9)], now_ms=T0 + 2000)
    edge.scanned([Heard("ours", T0 + 3000, -80, 3)], now_ms=T0 + 4000)
    reported = [h for m in edge.outbox(T0 + 4000) for h in m.heard]

    assert reported == [Heard("ours", T0 + 2000, -72, 12)]


def test_a_phone_tells_at_once_who_came_or_went_and_half_as_often_that_nobody_did() -> None:
    edge = Edge(["a", "b"], PHONE, now_ms=T0)
    scan(edge, 0)
    around = {4: "a", 8: "a", 12: "a", 16: "a b", 20: "a b", 24: "a b", 28: "b", 32: "b"}
    sent = {at: scan(edge, at, *beacons.split()) for at, beacons in around.items()}

    assert [at for at, messages in sent.items() if messages] == [4, 12, 16, 24, 28]


def test_an_interval_that_waited_is_told_with_the_next_one() -> None:
    edge = Edge(["a"], PHONE, now_ms=T0)
    scan(edge, 0)
    sent = [m for at in (4, 8, 12) for m in scan(edge, at, "a")]

    assert [h.at_ms - T0 for m in sent for h in m.heard] == [2000, 6000, 10_000]


def test_neighbouring_scanners_speak_of_the_same_moment() -> None:
    early, late = (Edge(["ours"], now_ms=T0 + start_ms) for start_ms in (0, 7300))
    reported = []
    for edge in (early, late):
        for at in range(2, 41, 2):
            reported += [h.at_ms for m in scan(edge, at, "ours") for h in m.heard]

    assert len(set(reported)) == 4


def test_a_watched_beacon_goes_out_on_the_urgent_lane_after_every_scan() -> None:
    edge = running(watched=("missing",))
    lanes = [m.lane for at in range(2, 11, 2) for m in scan(edge, at, "missing")]

    assert lanes == [Lane.URGENT] * 5


def test_a_watched_beacon_is_not_reported_twice() -> None:
    edge = running(known="ours missing", watched=("missing",))
    sent = [m for at in range(2, 11, 2) for m in scan(edge, at, "missing", "ours")]

    assert [h.beacon_id for m in sent for h in m.heard if m.lane is Lane.ORDINARY] == ["ours"]


def test_a_neighbours_beacon_is_heard_only_while_it_is_watched() -> None:
    edge = running(watched=("neighbours",))
    edge.watch([])

    assert [m for at in range(2, 12, 2) for m in scan(edge, at, "neighbours")] == []


def test_a_silent_scanner_says_every_thirty_seconds_that_it_is_alive() -> None:
    edge = running()
    spoke = [at for at in range(2, 91, 2) if scan(edge, at)]

    assert spoke == [30, 60, 90]


def test_a_phone_tells_where_it_is_even_when_it_hears_nothing() -> None:
    edge = Edge([], PHONE, now_ms=T0)
    edge.scanned([], now_ms=T0 + 4000, located=Located(T0 + 3000, 37.5, 127.0, 5))

    assert edge.outbox(T0 + 4000)[0].payload(T0 + 4500)["fix"] == [37.5, 127.0, 5, 1500]


def test_what_was_heard_without_a_network_is_sent_later_in_order() -> None:
    edge = running(watched=("missing",))
    for at in range(2, 40, 2):
        edge.scanned([heard("missing", at - 1)], now_ms=T0 + at * 1000)
    sequence = [m.seq for m in edge.outbox(T0 + 40_000)]

    assert sequence == sorted(sequence)
    assert len(sequence) == 19


def test_a_message_lost_with_its_connection_is_sent_again() -> None:
    edge = running()
    edge.scanned([heard("ours", 9)], now_ms=T0 + 10_000)
    first = edge.outbox(T0 + 10_000)
    edge.disconnected()

    assert edge.outbox(T0 + 20_000) == first


def test_a_message_in_flight_is_not_sent_twice() -> None:
    edge = running()
    edge.scanned([heard("ours", 9)], now_ms=T0 + 10_000)
    edge.outbox(T0 + 10_000)

    assert edge.outbox(T0 + 20_000) == []


def test_an_acknowledged_message_is_forgotten() -> None:
    edge = running()
    scan(edge, 10, "ours")
    edge.disconnected()

    assert edge.outbox(T0 + 20_000) == []


def test_a_message_means_the_same_instants_whenever_it_is_sent() -> None:
    message = Message(1, Lane.ORDINARY, T0, (heard("ours", -1),), Located(T0, 37.5, 127.0, 4))
    now, later = (message.payload(T0 + wait) for wait in (50, 3_600_000))

    assert now["sent"] - now["s"][0][1] == later["sent"] - later["s"][0][1] == T0 - 1000
    assert now["sent"] - now["fix"][3] == later["sent"] - later["fix"][3] == T0


def test_a_day_without_network_loses_nothing() -> None:
    edge = Edge(["ours"], now_ms=T0)
    day = range(10_000, KEEP_MS + 1, 10_000)
    for at_ms in day:
        edge.scanned([Heard("ours", T0 + at_ms, -70, 5)], now_ms=T0 + at_ms)

    assert {h.at_ms for m in edge.outbox(T0 + KEEP_MS) for h in m.heard} == {T0 + at_ms for at_ms in day}


def test_what_is_older_than_a_day_is_dropped_because_nobody_takes_it() -> None:
    edge = running()
    edge.scanned([heard("ours", 9)], now_ms=T0 + 10_000)

    assert edge.outbox(T0 + 10_000 + KEEP_MS) == []


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=60), st.integers(0, KEEP_MS // 2))
def test_whatever_happens_the_wire_takes_every_message(scans: list[tuple[int, bool]], wait_ms: int) -> None:
    edge = Edge(["b0", "b1", "b2"], now_ms=T0)
    edge.watch(["b2", "b3"])
    for n, (beacons, located) in enumerate(scans):
        at = Located(T0 + n * 2000, 37.5, 127.0, 5) if located else None
        edge.scanned([heard(f"b{b}", 2 * n - 1) for b in range(beacons)], now_ms=T0 + n * 2000, located=at)
    now_ms = T0 + len(scans) * 2000 + wait_ms
    bodies = [json.dumps(m.payload(now_ms)) for m in edge.outbox(now_ms)]

    assert [SightingsV1.model_validate_json(b).v for b in bodies] == [1] * len(bodies)
