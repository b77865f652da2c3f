import math

import pytest

from events.simulator.recorded import Complaint, Unreadable, read
from shared.domain.geo import LatLon, distance_m

HEADER = "time,receiver,receiver_x_m,receiver_y_m,beacon,rssi,true_x_m,true_y_m"
GOOD = "1.5,north,0,10,tag,-70,3,4"


def log(*rows: str, header: str = HEADER) -> list[str]:
    return [f"{line}\n" for line in (header, *rows)]


def test_a_row_in_metres_becomes_a_place_on_earth() -> None:
    (row,), _ = read(log(GOOD), LatLon(37.5, 127.0))

    assert distance_m(row.place, LatLon(37.5, 127.0)) == pytest.approx(10, abs=0.01)
    assert row.truth is not None
    assert distance_m(row.truth, LatLon(37.5, 127.0)) == pytest.approx(5, abs=0.01)


def test_a_row_in_degrees_is_taken_as_it_is() -> None:
    header = "time,receiver,receiver_lat,receiver_lon,beacon,rssi"
    (row,), _ = read(log("2026-05-14T10:30:00+09:00,north,37.51,127.02,tag,-70", header=header))

    assert (row.place, row.truth, row.at_s) == (LatLon(37.51, 127.02), None, 1_778_722_200.0)


def test_an_empty_rssi_means_that_the_receiver_listened_in_vain() -> None:
    (row,), _ = read(log("1,north,0,10,tag,,,"))

    assert row.rssi_dbm is None


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("noon,north,0,10,tag,-70,3,4", "time is neither seconds nor ISO 8601"),
        ("1,,0,10,tag,-70,3,4", "no receiver"),
        ("1,north,,,tag,-70,3,4", "no place of the receiver"),
        ("1,north,0,,tag,-70,3,4", "receiver_y_m is not a number"),
        ("1,north,99,10,tag,-70,3,4", "stood somewhere else"),
        ("1,north,0,10,,-70,3,4", "not a beacon id"),
        ("1,north,0,10,tag 7,-70,3,4", "not a beacon id"),
        ("1,north,0,10,tag,loud,3,4", "rssi is not a number"),
        ("1,north,0,10,tag,70,3,4", "rssi is not between"),
        ("1,north,0,10,tag,nan,3,4", "rssi is not between"),
        ("1,north,0,10,tag,-70,east,4", "true_x_m is not a number"),
        ("1,north,0,10,tag", "not as many cells"),
        ("1,north,0,10,tag,-70,3,4,5", "not as many cells"),
    ],
)
def test_a_bad_row_is_named_by_line_and_reason_and_the_others_stand(row: str, reason: str) -> None:
    rows, complaints = read(log(GOOD, row, GOOD))

    assert [c.line for c in complaints] == [3]
    assert reason in complaints[0].reason
    assert len(rows) == 2


def test_a_log_without_a_needed_column_is_refused() -> None:
    with pytest.raises(Unreadable, match="no column beacon, rssi"):
        read(log(header="time,receiver,receiver_x_m,receiver_y_m"))


def test_a_log_that_does_not_say_where_receivers_stand_is_refused() -> None:
    with pytest.raises(Unreadable, match="receiver_lat"):
        read(log(header="time,receiver,receiver_x_m,beacon,rssi"))


def test_an_empty_file_is_refused() -> None:
    with pytest.raises(Unreadable):
        read([])


def test_rows_come_in_the_order_of_time() -> None:
    rows, complaints = read(log("5,north,0,10,tag,-70,,", "1,north,0,10,tag,-71,,"))

    assert [r.at_s for r in rows] == [1, 5]
    assert complaints == list[Complaint]()


def test_other_columns_do_not_matter() -> None:
    rows, _ = read(log(f"{GOOD},2402", header=f"{HEADER},channel"))

    assert math.isclose(rows[0].rssi_dbm or 0, -70)
