import pytest

from events.simulator.recorded import Row
from infra.local.replay import learn, moments
from shared.domain.geo import LatLon
from shared.domain.radio import OUTDOOR

HERE = LatLon(37.5, 127.0)
THERE = LatLon(37.5001, 127.0)  # 11.1 m north


def row(
    at_s: float, rssi: float | None = -70, *, receiver: str = "north", truth: LatLon | None = None
) -> Row:
    return Row(at_s, receiver, HERE, "tag", rssi, truth)


def test_readings_of_one_interval_become_one_with_their_mean() -> None:
    (moment,) = moments([row(0.0, -70), row(1.0, -72)], interval_s=2, gap_s=10)

    assert moment.heard == {"north": [("tag", 1.5, -71, 10)]}


def test_a_receiver_that_heard_nothing_still_listened() -> None:
    (moment,) = moments([row(0.0), row(0.5, None, receiver="south")], interval_s=2, gap_s=10)

    assert moment.heard["south"] == []


def test_packets_count_against_the_best_receiver() -> None:
    readings = [row(t / 4) for t in range(4)] + [row(0.3, receiver="south")]
    (moment,) = moments(sorted(readings, key=lambda r: r.at_s), interval_s=2, gap_s=10)

    assert {name: heard[0][3] for name, heard in moment.heard.items()} == {"north": 10, "south": 2}


def test_a_long_pause_is_shortened() -> None:
    found = moments([row(0.0), row(2.0), row(1002.0)], interval_s=2, gap_s=10)

    assert [m.at_s for m in found] == [0, 2, 12]


def test_the_truth_of_a_moment_is_the_mean_of_its_readings() -> None:
    (moment,) = moments([row(0.0, truth=HERE), row(1.0, truth=THERE)], interval_s=2, gap_s=10)

    assert moment.truth["tag"].lat_deg == pytest.approx(37.50005)


def test_a_receiver_that_hears_better_than_the_model_gets_an_offset() -> None:
    expected = OUTDOOR.mean_dbm(11.12)
    offset, _ = learn([row(t, expected + 4, truth=THERE) for t in range(5)])["north"]

    assert offset == pytest.approx(4, abs=0.01)


def test_readings_without_truth_teach_nothing() -> None:
    assert learn([row(0.0), row(1.0, None, truth=HERE)]) == {}
