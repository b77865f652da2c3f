"""The yard part of `make bench-departure`: a fenced yard heard by poles alone.

How soon a child that walks out through the fence is noticed by the poles, how often that is missed, and how
often it is cried of a child that plays within; beside two peers' rules. Shadows are correlated along the
walk, which the rule does not know.
"""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from rich.console import Console
from rich.progress import track as progress
from rich.table import Table

from infra.local.calibrate import Array
from shared.domain.geo import Area
from shared.domain.sighting import Sighting
from shared.domain.yard import outside_by_slot
from tests.benchmarks import grid as world

CONSOLE = Console(width=120, force_terminal=sys.stdout.isatty())
SCAN_S = 2.0
YARD_M = 120.0


def bench_yard(departures: int = 480, days: int = 10) -> None:
    """A square yard heard by poles 40 m apart, correlated shadowing; a day is 8 hours."""
    g = world.grid(40.0, 11)
    half = YARD_M / 2
    corners = ((-half, -half), (half, -half), (half, half), (-half, half))
    yard = Area(tuple(world.PLANE.to_latlon(*c) for c in corners))
    delays: dict[float, list[float]] = {}
    missed: dict[float, int] = {}
    false: dict[float, int] = {}
    thresholds = (0.7, 0.9, 0.97, 0.99, 0.997, 0.999)
    for t in thresholds:
        delays[t], missed[t], false[t] = [], 0, 0
    peers = {"nearest pole": _Peer(), "smoothed position": _Peer()}
    for seed in progress(range(departures), "yard: departures", console=CONSOLE, transient=True):
        path = _yard_walk(np.random.default_rng([seed, 1]), 120, leaves_at=45)
        crossed = int(np.flatnonzero(np.abs(path).max(1) <= half)[-1]) + 1
        sightings = _yard_sightings(g, path, seed)
        history = outside_by_slot([s for m in sightings for s in m], g.receivers, g.alive, yard=yard)
        p = _by_scan(history, len(path))
        for t in thresholds:
            on = np.flatnonzero(p[crossed - 10 :] >= t)
            if len(on) == 0:
                missed[t] += 1
            else:
                delays[t].append((int(on[0]) - 10 + 1) * SCAN_S)
        for name, peer in peers.items():
            peer.leaves(_peer_outside(name, g, sightings, half), crossed)
    scans = int(days * 8 * 3600 / SCAN_S)
    chunk = 1800
    for seed in progress(range(scans // chunk), "yard: quiet hours", console=CONSOLE, transient=True):
        path = _yard_walk(np.random.default_rng([seed, 2]), chunk, leaves_at=None)
        sightings = _yard_sightings(g, path, 1_000_000 + seed)
        history = outside_by_slot([s for m in sightings for s in m], g.receivers, g.alive, yard=yard)
        p = _by_scan(history, len(path))
        for t in thresholds:
            false[t] += _episodes(p >= t)
        for name, peer in peers.items():
            peer.false += _episodes(_peer_outside(name, g, sightings, half))
    table = Table(
        title=f"yard of {YARD_M:.0f} m by poles 40 m apart: {departures} departures, {days} child-days",
        title_justify="left",
    )
    for head in ("rule", "delay s p50/p90", "missed %", "false alarms /child-day"):
        table.add_column(head, justify="left" if head == "rule" else "right")
    for name, peer in peers.items():
        table.add_row(*peer.row(name, departures, days))
    for t in thresholds:
        ours = _Peer(delays[t], missed[t], false[t])
        table.add_row(*ours.row(f"ours, P(outside) ≥ {t}", departures, days))
    CONSOLE.print(table)


@dataclass
class _Peer:
    delays: list[float] = field(default_factory=list)
    missed: int = 0
    false: int = 0

    def leaves(self, outside: Array, crossed: int) -> None:
        on = np.flatnonzero(outside[crossed - 10 :])
        if len(on) == 0:
            self.missed += 1
        else:
            self.delays.append((int(on[0]) - 10 + 1) * SCAN_S)

    def row(self, name: str, departures: int, days: int) -> list[str]:
        d = np.array(self.delays or [math.nan])
        return [
            name,
            f"{np.median(d):.0f} / {np.percentile(d, 90):.0f}",
            f"{100 * self.missed / departures:.1f}",
            f"{self.false / days:.2f}",
        ]


def _by_scan(history: Sequence[tuple[int, float]], scans: int) -> Array:
    p, filled = np.zeros(scans), 0.0
    at = {(t - world.START_MS) // 2000 - 1: v for t, v in history}
    for k in range(scans):
        filled = at.get(k, filled)
        p[k] = filled
    return p


def _episodes(on: Array) -> int:
    """Alarms, those within a minute of each other counted once."""
    times = np.flatnonzero(on[1:] & ~on[:-1])
    return int(len(times) and 1 + (np.diff(times) > 30).sum())


def _yard_walk(rng: np.random.Generator, scans: int, *, leaves_at: int | None) -> Array:
    """Playing in the middle half of the yard; leaving straight through the fence at 1 m/s."""
    at, v = rng.uniform(-30, 30, 2), np.zeros(2)
    path = np.empty((scans, 2))
    turn = rng.uniform(0, 2 * math.pi)
    for k in range(scans):
        if leaves_at is not None and k >= leaves_at:
            at = at + 1.0 * SCAN_S * np.array([math.cos(turn), math.sin(turn)])
        else:
            v = 0.85 * v + 0.25 * rng.normal(size=2) - 0.004 * at
            at = np.clip(at + SCAN_S * v, -56, 56)
        path[k] = at
    return path


def _yard_sightings(g: world.Grid, path: Array, seed: int) -> list[tuple[Sighting, ...]]:
    rng = np.random.default_rng([seed, 3])
    shadow = rng.normal(0, 6, len(g.poles))
    made, before = [], path[0]
    for k, at in enumerate(path):
        rho = math.exp(-float(np.hypot(*(at - before))) / 10)
        shadow = rho * shadow + math.sqrt(1 - rho**2) * rng.normal(0, 6, len(g.poles))
        before = at
        made.append(
            world.heard(g, at, shadow, rng, world.START_MS + int((k + 0.5) * SCAN_S * 1000)).sightings
        )
    return made


def _peer_outside(name: str, g: world.Grid, sightings: Sequence[tuple[Sighting, ...]], half: float) -> Array:
    """Peers' rules with a hold of three scans: the strongest pole, or a smoothed position, is outside."""
    index = {n: i for i, n in enumerate(g.ids)}
    smooth, outside = np.zeros(2), np.zeros(len(sightings), bool)
    for k, moment in enumerate(sightings):
        if moment:
            if name == "nearest pole":
                smooth = g.poles[index[max(moment, key=lambda s: s.rssi_dbm).source_id]]
            else:
                w = np.array([10 ** (s.rssi_dbm / 27) for s in moment])
                at = (w[:, None] * g.poles[[index[s.source_id] for s in moment]]).sum(0) / w.sum()
                smooth = 0.7 * smooth + 0.3 * at
        outside[k] = float(np.abs(smooth).max()) > half
    held = outside.copy()
    held[1:] &= outside[:-1]
    held[2:] &= outside[:-2]
    return held


if __name__ == "__main__":
    bench_yard(*((40, 1) if "--quick" in sys.argv else ()))
