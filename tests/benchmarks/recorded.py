"""The recorded data sets as surveys to learn from and windows to locate, split as their authors did."""

import csv
import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from infra.local.calibrate import Array, Survey
from shared.domain.geo import LatLon
from shared.domain.radio import OUTDOOR, RadioModel
from shared.domain.sighting import Sighting

ORIGIN = LatLon(37.5, 127.0)  # the sets are in metres of their own; any origin will do
PLAIN = replace(
    OUTDOOR, packets=1, fading_db=0.5, threshold_dbm=-130.0, loss=0.01, gain_sd_db=0.0, max_heard=64
)
"""Readings that are there whatever their strength: a missing one is chance and says nothing."""


@dataclass(frozen=True)
class Windowed:
    """One moment to locate. at: (2,) true metres. run, t_s: which walk, and when in it."""

    at: Array
    sightings: list[Sighting]
    rssi: Array
    run: str
    t_s: float


@dataclass(frozen=True)
class Recorded:
    """A data set. cell_m, margin_m, blur_m: the grid to learn on, how far past it, how wide a path is."""

    name: str
    title: str
    split: str
    survey: Survey
    windows: list[Windowed]
    model: RadioModel
    cell_m: float
    margin_m: float
    blur_m: float
    walks: bool


def recorded(folder: Path) -> Iterator[Recorded]:
    """The sets present under `folder`."""
    for name, load in (("tetam_ble", _hall), ("kolakowski_flat", _flat), ("frs_campus", _campus)):
        if (folder / name).is_dir():
            yield load(folder / name)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _sightings(ids: tuple[str, ...], rssi: Array, packets: Array, t_s: float) -> list[Sighting]:
    return [
        Sighting(round(t_s * 1000), name, round(r), int(n))
        for name, r, n in zip(ids, rssi, packets, strict=True)
        if not math.isnan(r)
    ]


def _hall(folder: Path) -> Recorded:
    sensors = _rows(folder / "sensors.csv")
    ids = tuple(r["alias"] for r in sensors)
    points: dict[tuple[str, str, str], dict[str, dict[str, str]]] = defaultdict(dict)
    for r in _rows(folder / "fingerprints.csv"):
        points[r["set"], r["x_m"], r["y_m"]][r["sensor"]] = r
    keys = sorted(points)
    rssi = np.array(
        [[float(points[k][i]["mean"]) if i in points[k] else math.nan for i in ids] for k in keys]
    )
    survey = Survey(
        ORIGIN,
        ids,
        np.array([[float(r["x_m"]), float(r["y_m"])] for r in sensors]),
        np.array([[float(k[1]), float(k[2])] for k in keys]),
        rssi,
        np.zeros(rssi.shape, bool),
        np.array([k[0] == "set_2" for k in keys]).astype(np.int64),
    )
    packets: dict[tuple[str, int], list[dict[str, str]]] = defaultdict(list)
    tracks = _rows(folder / "tracks.csv")
    began: dict[str, float] = {}
    for r in tracks:
        began[r["track"]] = min(began.get(r["track"], math.inf), float(r["t_s"]))
    for r in tracks:
        packets[r["track"], int((float(r["t_s"]) - began[r["track"]]) // 2)].append(r)
    windows = []
    for (track, slot), rows in sorted(packets.items()):
        heard = {i: [float(r["rssi"]) for r in rows if r["sensor"] == i] for i in ids}
        mean = np.array([np.mean(heard[i]) if heard[i] else math.nan for i in ids])
        count = np.array([float(len(heard[i])) for i in ids])
        at = np.mean([[float(r["x_m"]), float(r["y_m"])] for r in rows], axis=0)
        windows.append(Windowed(at, _sightings(ids, mean, count, slot * 2.0), mean, track, slot * 2.0))
    # a packet's spread about its point's mean, from the training histograms
    fading = math.sqrt(np.mean([float(p["sd"]) ** 2 for point in points.values() for p in point.values()]))
    model = replace(PLAIN, packets=10, fading_db=fading)
    split = "train: static fingerprints set_1 + set_2; test: 9 walks, 2 s windows"
    return Recorded(
        "tetam_ble", "hall, 12 scanners", split, survey, windows, model, 0.4, 0.4, 1.5, walks=True
    )


def _flat(folder: Path) -> Recorded:
    anchors = _rows(folder / "anchors.csv")
    ids = tuple(r["id"] for r in anchors)

    def load(name: str) -> tuple[Array, Array, Array]:
        rows = _rows(folder / name)
        rssi = [[float(r[f"rssi_{i}"]) if r[f"rssi_{i}"] else math.nan for i in ids] for r in rows]
        at = np.array([[float(r["x"]), float(r["y"])] for r in rows])
        return at, np.array(rssi), np.array([float(r["t_s"]) for r in rows])

    at, rssi, _ = load("survey.csv")
    survey = Survey(
        ORIGIN,
        ids,
        np.array([[float(r["x"]), float(r["y"])] for r in anchors]),
        at,
        rssi,
        np.zeros(rssi.shape, bool),
        _squares(at, 1.0),
    )
    test_at, test_rssi, t_s = load("test_robot.csv")
    one = np.ones(len(ids))
    windows = [
        Windowed(p, _sightings(ids, r, one, t), r, "robot", t)
        for p, r, t in zip(test_at, test_rssi, t_s, strict=True)
    ]
    split = "train: survey; test: the separate robot run"
    return Recorded(
        "kolakowski_flat", "flat, 6 scanners", split, survey, windows, PLAIN, 0.25, 0.4, 0.5, walks=True
    )


def _campus(folder: Path) -> Recorded:
    receivers = _rows(folder / "receivers.csv")
    ids = tuple(r["rx_id"] for r in receivers)
    sent = _rows(folder / "transmissions.csv")
    row_of = {r["sample"]: i for i, r in enumerate(sent)}
    rssi = np.full((len(sent), len(ids)), math.nan)
    column_of = {name: j for j, name in enumerate(ids)}
    for r in _rows(folder / "rss.csv"):
        rssi[row_of[r["sample"]], column_of[r["rx_id"]]] = float(r["rss_dbm"])
    at = np.array([[float(r["x_m"]), float(r["y_m"])] for r in sent])
    used = np.array([r["transport"] != "inside" and r["off_campus"] == "0" for r in sent])
    test = np.array([r["authors_grid_test"] == "1" for r in sent])
    train = used & ~test
    survey = Survey(
        ORIGIN,
        ids,
        np.array([[float(r["x_m"]), float(r["y_m"])] for r in receivers]),
        at[train],
        rssi[train],
        np.zeros(rssi[train].shape, bool),
        _squares(at[train], 150.0),
    )
    one = np.ones(len(ids))
    windows = [
        Windowed(at[i], _sightings(ids, rssi[i], one, 0.0), rssi[i], sent[i]["run"], 0.0)
        for i in np.flatnonzero(used & test)
    ]
    split = "the authors' grid split, outdoor, on campus"
    return Recorded(
        "frs_campus", "campus, 29 receivers", split, survey, windows, PLAIN, 40.0, 100.0, 120.0, walks=False
    )


def _squares(at: Array, side_m: float) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """Five folds of spatial squares: a held-out place has no neighbour in training."""
    cell = np.floor(at / side_m).astype(np.int64)
    return np.asarray((cell[:, 0] * 2 + cell[:, 1]) % 5)
