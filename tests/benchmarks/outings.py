"""Seeded outings for the departure benchmark, heard through the simulator's radio, not the estimator's model.

Each outing has children, two teachers with phones and at most one thing that happens. What the phones say is
said by the reference device (`events/simulator/edge.py`), in its own time and sums.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from events.simulator.edge import PHONE, Cadence, Edge, Heard, Located
from events.simulator.radio import SCAN_S, Radio
from infra.local.calibrate import Array
from shared.domain.proximity import PhoneTrack
from shared.domain.sighting import Sighting
from shared.domain.watching import merge_reports

LEAVING = ("leaves", "runs", "bag left", "both deaf")  # of whom an alarm is due
REFERENCE = ("park", "street", "playground", "deaf phone", "crossing groups")  # nobody leaves
QUIET = (*REFERENCE, "strays")
KINDS = (*LEAVING, *QUIET)
STARTS_S = 90.0  # about when what happens begins
START_MS = 1_760_000_000_000
NAMES = ("t-p-001", "t-p-002")
_HERE = Located(START_MS, 37.5, 127.0, 5)


@dataclass(frozen=True, slots=True)
class Report:
    """What one phone said at once. heard: by child."""

    at_ms: int
    phone: int
    heard: dict[int, list[Sighting]]


@dataclass(frozen=True)
class Outing:
    """What happened and what was said. distance_m: (children, scans), to the nearest phone, at a scan's end.

    scans: (children, 2, scans, 2) mean dBm and packets of every scan, 0 packets for silence. begins: the scan
    at which what happens begins. gone: the scan from which on the first child is to be alarmed of, None if
    never.
    """

    kind: str
    reports: list[Report]
    distance_m: Array
    scans: Array
    begins: int
    gone: int | None
    children: int = field(default=1)

    def heard(self, child: int) -> Iterator[tuple[int, tuple[PhoneTrack, ...]]]:
        """The phones' tracks as they are stored after each report, and when that was."""
        tracks = [PhoneTrack(name) for name in NAMES]
        for report in self.reports:
            heard = {"b": report.heard[child]} if child in report.heard else {}
            tracks[report.phone] = merge_reports(tracks[report.phone], [report.at_ms], [], heard)
            yield report.at_ms, tuple(tracks)


def outing(
    kind: str, seed: int, *, reach_m: float, speed_mps: float = 0.4, cadence: Cadence = PHONE
) -> Outing:
    """One outing. The first child leaves, strays or loses its bag where the kind says so."""
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    speed = {"leaves": speed_mps, "runs": 1.2, "bag left": 0.8}.get(kind, 1.0)
    children = 4 if kind in QUIET and kind != "strays" else 1
    lasts_s = STARTS_S + (reach_m / speed + 120 if kind in LEAVING else 300 if kind == "strays" else 450)
    scans = int(lasts_s / SCAN_S)
    begins = int((STARTS_S + rng.uniform(0, 8)) / SCAN_S)
    middle = np.zeros((scans, 2))
    if kind in ("street", "bag left"):
        middle[:, 0] = 0.8 * SCAN_S * np.arange(scans)
    spread_m = {"street": 3.0, "playground": 9.0, "park": 6.0}.get(kind, 5.0)
    bags = np.stack([middle + _wander(rng, scans, spread_m) for _ in range(children)])
    phones = np.stack([middle + _wander(rng, scans, 3.0, still=kind == "leaves") for _ in NAMES])
    turn = rng.uniform(0, 2 * math.pi)
    outwards = np.array([math.cos(turn), math.sin(turn)])
    if kind in ("leaves", "runs"):
        bags[0, begins:] = bags[0, begins] + np.arange(scans - begins)[:, None] * SCAN_S * speed * outwards
    if kind == "bag left":
        bags[0, begins:] = bags[0, begins]
    if kind == "strays":
        bags[0] = _stray(rng, bags[0], begins, rng.uniform(0.4, 0.8) * reach_m * outwards)
    facing = _facing(bags, rng)
    if kind == "bag left":
        facing[0, begins:] = math.nan
    lost_db = _lost(kind, rng, scans, begins)
    radio = Radio(children, 2, phones=(0, 1), heights_m=(1.2, 1.2), seed=seed * 16 + KINDS.index(kind))
    heard = np.zeros((children, 2, scans, 2))
    for k in range(scans):
        scan = radio.scan(k * SCAN_S, bags[:, k], facing[:, k], phones[:, k])
        weaker = scan.rssi_dbm - lost_db[scan.receiver, k]
        on = weaker >= -95
        heard[scan.beacon[on], scan.receiver[on], k] = np.stack([weaker[on], scan.packets[on]], axis=1)
    distance = np.hypot(*np.moveaxis(bags[:, None] - phones[None], -1, 0)).min(axis=1)
    gone = begins if kind == "both deaf" else None
    if kind in ("leaves", "runs", "bag left"):
        gone = int(np.flatnonzero(distance[0] <= reach_m)[-1]) + 1
    return Outing(kind, _reports(heard, cadence), distance, heard, begins, gone, children)


def _reports(heard: Array, cadence: Cadence) -> list[Report]:
    """What the two phones say, in the order of its times."""
    children, _, scans, _ = heard.shape
    names = {f"b{c}": c for c in range(children)}
    made = []
    for phone in range(2):
        edge = Edge(names, cadence, now_ms=START_MS)
        for k in range(scans):
            at_ms, end_ms = (START_MS + round((k + part) * SCAN_S * 1000) for part in (0.5, 1.0))
            found = [
                Heard(name, at_ms, round(heard[c, phone, k, 0]), int(heard[c, phone, k, 1]))
                for name, c in names.items()
                if heard[c, phone, k, 1] > 0
            ]
            edge.scanned(found, now_ms=end_ms, located=_HERE)
            for message in edge.outbox(end_ms):
                edge.acknowledged(message.seq)
                said: dict[int, list[Sighting]] = {}
                for h in message.heard:
                    sighting = Sighting(h.at_ms, NAMES[phone], h.rssi_dbm, h.packets)
                    said.setdefault(names[h.beacon_id], []).append(sighting)
                made.append(Report(end_ms, phone, said))
    return sorted(made, key=lambda report: (report.at_ms, report.phone))


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


def _stray(rng: "np.random.Generator", path: Array, begins: int, target: Array) -> Array:
    """`path`, but from `begins` on out to `target`, a minute there, and back to where it was."""
    home, at, stayed_s, strayed = path[begins], path[begins], 0.0, path.copy()
    step_m = rng.uniform(0.4, 0.8) * SCAN_S
    for k in range(begins, len(path)):
        goal = target if stayed_s < 60 else home
        away = goal - at
        far = float(np.hypot(*away))
        at = goal if far < step_m else at + away / far * step_m
        if stayed_s < 60 and far < step_m:
            stayed_s += SCAN_S
        strayed[k] = at + rng.normal(0, 0.3, 2)
    return strayed


def _facing(paths: Array, rng: "np.random.Generator") -> Array:
    step = np.diff(paths, axis=1, prepend=paths[:, :1])
    turning = np.cumsum(rng.normal(0, 0.7, paths.shape[:2]), axis=1) + rng.uniform(0, 7, (len(paths), 1))
    moving = np.hypot(step[..., 0], step[..., 1]) > 0.6
    return np.where(moving, np.arctan2(step[..., 1], step[..., 0]), turning)


def _lost(kind: str, rng: "np.random.Generator", scans: int, begins: int) -> Array:
    """(2, scans) dB that each phone loses: deaf for 20 s, both deaf for good, a passing group's bodies."""
    lost = np.zeros((2, scans))
    if kind == "deaf phone":
        lost[0, begins : begins + int(20 / SCAN_S)] = 100.0
    if kind == "both deaf":
        lost[:, begins:] = 100.0
    if kind == "crossing groups":  # strangers walk through: 8 dB for 15 s, three times
        for start in rng.integers(10, scans - 10, 3):
            lost[:, start : start + int(15 / SCAN_S)] = 8.0
    return lost
