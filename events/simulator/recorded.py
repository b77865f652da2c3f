"""Recorded radio logs: the tidy CSV that `jikimi replay` takes, and the data sets at hand turned into it.

One row is one reading of one receiver:

    time          seconds (any origin; epoch seconds will do) or ISO 8601
    receiver      the receiver's name
    receiver_lat, receiver_lon      where it stands, WGS 84 degrees, or
    receiver_x_m, receiver_y_m      metres east and north of any origin
    beacon        the beacon's id: letters, digits and . _ : - (at most 64)
    rssi          dBm; empty: the receiver listened and heard nothing
    true_lat, true_lon | true_x_m, true_y_m      where the beacon truly was (optional)

Rows need no order. Other columns are ignored. A row that cannot be used is reported with its line
number and the reason; the others stand. The header is line 1.
"""

import csv
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from shared.domain.geo import LatLon, Plane

ORIGIN = LatLon(37.5, 127.0)  # where local metres begin when a log has no latitude
SIDE_BY_SIDE = 8  # transmissions of the campus set that are replayed at once
MOVED_M = 1.0  # a receiver may not stand in two places
ID = re.compile(r"^[0-9A-Za-z._:-]{1,64}$")


@dataclass(frozen=True, slots=True)
class Row:
    """One reading. rssi_dbm None: listened and heard nothing. truth None: not known."""

    at_s: float
    receiver: str
    place: LatLon
    beacon: str
    rssi_dbm: float | None
    truth: LatLon | None = None


@dataclass(frozen=True, slots=True)
class Complaint:
    """A row that cannot be used, and why."""

    line: int
    reason: str


class Unreadable(ValueError):
    """The file as a whole is no tidy log; the text says what is missing."""


def read(lines: Iterable[str], origin: LatLon = ORIGIN) -> tuple[list[Row], list[Complaint]]:
    """A tidy log's good rows in the order of time, and what is wrong with the others.

    Unreadable when a needed column is missing.
    """
    table = csv.DictReader(lines, strict=True)
    parse = _Parser(table.fieldnames or (), Plane(origin))
    rows: list[Row] = []
    complaints: list[Complaint] = []
    while True:
        try:
            cells = next(table)
            rows.append(parse.row(cells))
        except StopIteration:
            break
        except (csv.Error, ValueError) as error:
            complaints.append(Complaint(table.line_num, str(error)))
    return sorted(rows, key=lambda r: (r.at_s, r.receiver)), complaints


class _Parser:
    def __init__(self, columns: Iterable[str], plane: Plane) -> None:
        given = set(columns)
        missing = {"time", "receiver", "beacon", "rssi"} - given
        if missing:
            raise Unreadable(f"no column {', '.join(sorted(missing))}; the header is line 1")
        self._plane = plane
        self._receiver_at = self._place_from("receiver", given)
        if self._receiver_at is None:
            raise Unreadable("no receiver_lat and receiver_lon, nor receiver_x_m and receiver_y_m")
        self._truth_at = self._place_from("true", given)
        self._stands: dict[str, LatLon] = {}

    def row(self, cells: Mapping[str, str | None]) -> Row:
        """ValueError with a sentence when the row cannot be used."""
        if None in cells or None in cells.values():
            raise ValueError("not as many cells as the header has columns")
        text = {name: (value or "").strip() for name, value in cells.items()}
        receiver, beacon = text["receiver"], text["beacon"]
        if not receiver:
            raise ValueError("no receiver")
        if not ID.match(beacon):
            raise ValueError(f"not a beacon id: {beacon!r}")
        at_s = _time(text["time"])
        rssi = None if text["rssi"] == "" else _number("rssi", text["rssi"], -127, 20)
        place = self._receiver_at(text) if self._receiver_at else None
        if place is None:
            raise ValueError("no place of the receiver")
        stands = self._stands.setdefault(receiver, place)
        if math.dist(self._plane.to_xy(stands), self._plane.to_xy(place)) > MOVED_M:
            raise ValueError(f"receiver {receiver} stood somewhere else before")
        return Row(at_s, receiver, stands, beacon, rssi, self._truth_at(text) if self._truth_at else None)

    def _place_from(self, who: str, given: set[str]) -> Callable[[Mapping[str, str]], LatLon | None] | None:
        """How to read a place from a row, or None when the log has no such columns."""
        degrees, metres = (f"{who}_lat", f"{who}_lon"), (f"{who}_x_m", f"{who}_y_m")
        for names in (degrees, metres):
            if given.issuperset(names):
                break
        else:
            return None
        limits = ((-90.0, 90.0), (-180.0, 180.0)) if names == degrees else ((-5e4, 5e4), (-5e4, 5e4))

        def place(text: Mapping[str, str]) -> LatLon | None:
            if not any(text[name] for name in names):
                return None
            a, b = (_number(name, text[name], *limit) for name, limit in zip(names, limits, strict=True))
            return LatLon(a, b) if names == degrees else self._plane.to_latlon(a, b)

        return place


def _number(name: str, text: str, low: float, high: float) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{name} is not a number: {text!r}") from None
    if not low <= value <= high:  # also not-a-number
        raise ValueError(f"{name} is not between {low:g} and {high:g}: {text}")
    return value


def _time(text: str) -> float:
    try:
        return _number("time", text, -1e12, 1e12)
    except ValueError:
        try:
            return datetime.fromisoformat(text).timestamp()
        except ValueError:
            raise ValueError(f"time is neither seconds nor ISO 8601: {text!r}") from None


# --- data sets ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Log:
    """A data set's test log, and the training log to learn the receivers' offsets from."""

    test: list[Row]
    training: list[Row]


def tetam(folder: Path) -> Log:
    """Hall with 12 sensors: the nine walks, side by side; training on the static fingerprints."""
    at = {r["alias"]: _local(r["x_m"], r["y_m"]) for r in _table(folder / "sensors.csv")}
    began: dict[str, float] = {}
    test = []
    for r in _table(folder / "tracks.csv"):
        when_s = float(r["t_s"])
        since_s = when_s - began.setdefault(r["track"], when_s)
        truth = _local(r["x_m"], r["y_m"])
        test.append(Row(since_s, r["sensor"], at[r["sensor"]], r["track"], float(r["rssi"]), truth))
    training = [
        Row(0.0, r["sensor"], at[r["sensor"]], "tag", float(r["mean"]), _local(r["x_m"], r["y_m"]))
        for r in _table(folder / "fingerprints.csv")
    ]
    return Log(sorted(test, key=lambda r: r.at_s), training)


def kolakowski(folder: Path) -> Log:
    """Flat with 6 anchors: the robot's test run; training on the survey."""
    at = {r["id"]: _local(r["x"], r["y"]) for r in _table(folder / "anchors.csv")}

    def rows(name: str) -> list[Row]:
        return [
            Row(
                float(r["t_s"]),
                anchor,
                place,
                "tag",
                float(r[f"rssi_{anchor}"]) if r[f"rssi_{anchor}"] else None,
                _local(r["x"], r["y"]),
            )
            for r in _table(folder / name)
            for anchor, place in at.items()
        ]

    return Log(rows("test_robot.csv"), rows("survey.csv"))


def frs(folder: Path) -> Log:
    """Campus with 29 receivers: the authors' grid split, outdoors and on campus.

    A reading within 3 dB of the weakest a receiver ever gave is its noise: it listened and heard nothing.
    Transmissions lie minutes to days apart, so each is a moment of its own: SIDE_BY_SIDE of them at a time,
    ten seconds after those before.
    """
    at = {r["rx_id"]: LatLon(float(r["lat"]), float(r["lon"])) for r in _table(folder / "receivers.csv")}
    readings: dict[str, list[tuple[str, float]]] = {}
    floor: dict[str, float] = {}
    for r in _table(folder / "rss.csv"):
        rssi = float(r["rss_dbm"])
        readings.setdefault(r["sample"], []).append((r["rx_id"], rssi))
        floor[r["rx_id"]] = min(rssi, floor.get(r["rx_id"], 0.0))
    log, seen = Log([], []), 0
    for r in _table(folder / "transmissions.csv"):
        if r["off_campus"] == "1" or r["transport"] == "inside" or r["sample"] not in readings:
            continue
        part = log.test if r["authors_grid_test"] == "1" else log.training
        turn, beacon = divmod(seen, SIDE_BY_SIDE)
        seen += part is log.test
        truth = LatLon(float(r["tx_lat"]), float(r["tx_lon"]))
        for receiver, rssi in readings[r["sample"]]:
            heard = rssi if rssi > floor[receiver] + 3 else None
            part.append(Row(10.0 * turn, receiver, at[receiver], f"radio-{beacon:02d}", heard, truth))
    return log


SETS: Mapping[str, Callable[[Path], Log]] = {"tetam": tetam, "kolakowski": kolakowski, "frs": frs}


def _local(x_m: str, y_m: str) -> LatLon:
    return Plane(ORIGIN).to_latlon(float(x_m), float(y_m))


def _table(path: Path) -> Iterator[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)
