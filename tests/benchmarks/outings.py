"""Seeded outings for the departure benchmark, heard through the simulator's radio, not the estimator's model.

Each outing has a class of children, two teachers with phones and at most one thing that happens.
"""

import math
from dataclasses import dataclass

import numpy as np

from events.simulator.radio import SCAN_S, Radio
from infra.local.calibrate import Array
from shared.domain.proximity import PhoneTrack
from shared.domain.sighting import Sighting

KINDS = ("leaves", "park", "street", "playground", "deaf phone", "crossing groups", "bag left")
CHILDREN = 6
LEAVES_S = 90.0
REACH_M = 30.0
START_MS = 1_760_000_000_000


@dataclass(frozen=True)
class Outing:
    """What happened and what was heard. distance_m: (children, scans), to the nearest phone."""

    kind: str
    sightings: list[list[Sighting]]
    phones: tuple[PhoneTrack, ...]
    distance_m: Array


def outing(kind: str, seed: int, *, lasts_s: float = 360.0, speed_mps: float = 0.4) -> Outing:
    """One outing. The first child leaves or loses its bag where the kind says so."""
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    scans = int(lasts_s / SCAN_S)
    middle = np.zeros((scans, 2))
    if kind in ("street", "bag left"):
        middle[:, 0] = 0.8 * SCAN_S * np.arange(scans)
    spread_m = {"street": 3.0, "playground": 9.0, "park": 6.0}.get(kind, 5.0)
    children = np.stack([middle + _wander(rng, scans, spread_m) for _ in range(CHILDREN)])
    teachers = np.stack([middle + _wander(rng, scans, 3.0, still=kind == "leaves") for _ in range(2)])
    bags = children.copy()
    began = int(LEAVES_S / SCAN_S)
    if kind == "leaves":
        turn = rng.uniform(0, 2 * math.pi)
        steps = np.arange(scans - began)[:, None] * SCAN_S * speed_mps
        bags[0, began:] = bags[0, began] + steps * np.array([math.cos(turn), math.sin(turn)])
    if kind == "bag left":
        bags[0, began:] = bags[0, began]
    facing = _facing(bags, rng)
    if kind == "bag left":
        facing[0, began:] = math.nan
    if kind == "crossing groups":  # strangers walk through: bodies between, and the phones' own group stands
        middle[:, 0] = 0
    deaf = np.zeros((2, scans), bool)
    if kind == "deaf phone":
        deaf[0, began : began + int(20 / SCAN_S)] = True
    radio = Radio(CHILDREN, 2, phones=(0, 1), heights_m=(1.2, 1.2), seed=seed * 7 + KINDS.index(kind))
    names = ("t-p-001", "t-p-002")
    sightings: list[list[Sighting]] = [[] for _ in range(CHILDREN)]
    crowd_db = _crowd(rng, scans) if kind == "crossing groups" else np.zeros((2, scans))
    for k in range(scans):
        scan = radio.scan(k * SCAN_S, bags[:, k], facing[:, k], teachers[:, k])
        at_ms = START_MS + int((k + 0.5) * SCAN_S * 1000)
        for b, r, rssi, packets in zip(scan.beacon, scan.receiver, scan.rssi_dbm, scan.packets, strict=True):
            weaker = rssi - crowd_db[r, k]
            if not deaf[r, k] and weaker >= -95:
                sightings[b].append(Sighting(at_ms, names[r], round(weaker), int(packets)))
    reports = tuple(START_MS + int((k + 1) * SCAN_S * 1000) for k in range(scans))
    distance = np.hypot(*np.moveaxis(bags[:, None] - teachers[None], -1, 0)).min(axis=1)
    return Outing(kind, sightings, tuple(PhoneTrack(n, reports) for n in names), distance)


def _wander(rng: "np.random.Generator", scans: int, spread_m: float, *, still: bool = False) -> Array:
    """(scans, 2) about a spot of its own, Ornstein–Uhlenbeck."""
    own = rng.normal(0, spread_m / 1.5, 2)
    sd_m, tau_s = (0.3, 30.0) if still else (2.0, 15.0)
    keep = math.exp(-SCAN_S / tau_s)
    off = np.empty((scans, 2))
    off[0] = rng.normal(0, sd_m, 2)
    for t in range(1, scans):
        off[t] = keep * off[t - 1] + rng.normal(0, sd_m * math.sqrt(1 - keep**2), 2)
    return own + off


def _facing(paths: Array, rng: "np.random.Generator") -> Array:
    step = np.diff(paths, axis=1, prepend=paths[:, :1])
    turning = np.cumsum(rng.normal(0, 0.7, paths.shape[:2]), axis=1) + rng.uniform(0, 7, (len(paths), 1))
    moving = np.hypot(step[..., 0], step[..., 1]) > 0.6
    return np.where(moving, np.arctan2(step[..., 1], step[..., 0]), turning)


def _crowd(rng: "np.random.Generator", scans: int) -> Array:
    """(2, scans) dB that a passing group takes: 8 dB for 15 s, at three times."""
    lost = np.zeros((2, scans))
    for start in rng.integers(10, scans - 10, 3):
        lost[:, start : start + int(15 / SCAN_S)] = 8.0
    return lost
