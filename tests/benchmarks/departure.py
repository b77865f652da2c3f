"""`make bench-departure`: how soon a departure is noticed, and how often one is cried for nothing.

Seeded outings through the simulator's radio (body, correlated shadows, bursts): a park, a street walk, a
playground, a phone deaf for 20 s, groups that cross, a bag left on a bench, and a child that walks off at
0.4 m/s. Ours beside a threshold on mean strength and a time-out. Then a fenced yard heard by poles alone.
Plots go to .build/bench.
"""

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib as mpl
import numpy as np
from rich.console import Console
from rich.progress import track as progress
from rich.table import Table

from infra.local.calibrate import Array
from shared.domain.departure import Level, assess_departure
from shared.domain.places import Policy
from shared.domain.proximity import near_by_slot
from shared.domain.sighting import WINDOW_MS
from tests.benchmarks.outings import KINDS, LEAVES_S, START_MS, Outing, outing
from tests.benchmarks.yard import bench_yard

mpl.use("Agg")
from matplotlib import pyplot as plt

OUT = Path(".build/bench")
CONSOLE = Console(width=120, force_terminal=sys.stdout.isatty())
POLICY = Policy()
SCAN_S = 2.0
CLASS = 20  # children of a class: false alarms are per class-hour


@dataclass
class Tally:
    """Delays in seconds after crossing, None where it never came; false episodes of watched child-hours."""

    warned: list[float] = field(default_factory=list)
    alarmed: list[float] = field(default_factory=list)
    missed: int = 0
    false_warnings: int = 0
    false_alarms: int = 0
    child_hours: float = 0.0

    def departure(self, gone_s: Array, crossed: int) -> None:
        """gone_s: (n,) how long the rule has held the child for gone, per scan."""
        since = int(LEAVES_S / SCAN_S)
        warn, alarm = (np.flatnonzero(gone_s[since:] >= s) for s in (POLICY.warn_s, POLICY.alarm_s))
        if len(alarm) == 0:
            self.missed += 1
            return
        self.warned.append((int(warn[0]) + since - crossed + 1) * SCAN_S)
        self.alarmed.append((int(alarm[0]) + since - crossed + 1) * SCAN_S)

    def quiet(self, gone_s: Array) -> None:
        self.child_hours += len(gone_s) * SCAN_S / 3600
        for name, limit_s in (("false_warnings", POLICY.warn_s), ("false_alarms", POLICY.alarm_s)):
            on = gone_s >= limit_s
            setattr(self, name, getattr(self, name) + int((on[1:] & ~on[:-1]).sum()))

    def row(self, name: str) -> list[str]:
        w, a = np.array(self.warned or [math.nan]), np.array(self.alarmed or [math.nan])
        hours = self.child_hours / CLASS
        return [
            name,
            f"{np.median(w):.0f} / {np.percentile(w, 90):.0f}",
            f"{100 * np.mean(w <= 15):.0f}",
            f"{np.median(a):.0f} / {np.percentile(a, 90):.0f}",
            f"{100 * np.mean(a <= 30):.0f}",
            f"{self.missed}/{self.missed + len(self.alarmed)}",
            f"{self.false_alarms / hours:.2f}",
            f"{self.false_warnings / hours:.2f}",
        ]


Rule = Callable[[Outing, int], Array]
"""(scans,) per scan, whether the child counts as with the group."""


def _ours(run: Outing, child: int, reach_m: float) -> tuple[Array, Array]:
    end_ms = run.phones[0].reported_ms[-1]
    history = near_by_slot(
        run.sightings[child], run.phones, reach_m=reach_m, now_ms=end_ms, since_ms=START_MS
    )
    scans = run.distance_m.shape[1]
    near, heard = np.zeros(scans), np.zeros(scans, bool)
    for judged in history:
        k = (judged.at_ms - START_MS) // 2000 - 1
        near[k], heard[k] = judged.near, judged.heard
    return heard & (near >= 0.5), near


def _strength(run: Outing, child: int, threshold_dbm: float) -> Array:
    """Mean of the strongest phone's last five scans above a threshold."""
    best = _best_rssi(run, child)
    mean = np.array([np.mean(best[max(0, k - 4) : k + 1]) for k in range(len(best))])
    return np.asarray(mean >= threshold_dbm)


def _timeout(run: Outing, child: int) -> Array:
    """Heard at all."""
    return np.asarray(_best_rssi(run, child) > -100)


def _best_rssi(run: Outing, child: int) -> Array:
    best = np.full(run.distance_m.shape[1], -100.0)
    for s in run.sightings[child]:
        k = (s.at_ms - START_MS) // 2000
        best[k] = max(best[k], s.rssi_dbm)
    return best


def _gone_s(with_group: Array) -> Array:
    gone, now = np.zeros(len(with_group)), 0.0
    for k, near in enumerate(with_group):
        now = 0.0 if near else now + SCAN_S
        gone[k] = now
    return gone


def bench_outings(per_kind: int, reach_m: float) -> None:
    """All kinds of outing."""
    rules: dict[str, Rule] = {
        "mean strength ≥ −85 dBm": lambda o, c: _strength(o, c, -85.0),
        "mean strength ≥ −90 dBm": lambda o, c: _strength(o, c, -90.0),
        "time-out": _timeout,
        "ours": lambda o, c: _ours(o, c, reach_m)[0],
    }
    tallies = {name: Tally() for name in rules}
    by_kind = {kind: Tally() for kind in KINDS}
    said: list[tuple[float, bool]] = []
    agrees: list[bool] = []
    runs = [(kind, seed) for seed in range(per_kind) for kind in KINDS]
    for kind, seed in progress(runs, f"outings, reach {reach_m:.0f} m", console=CONSOLE, transient=True):
        run = outing(kind, 10_000 + seed)
        for child in range(len(run.sightings)):
            leaves = child == 0 and kind in ("leaves", "bag left")
            inside = run.distance_m[child] <= reach_m
            near, probability = _ours(run, child, reach_m)
            if not (child == 0 and kind == "bag left"):
                said += list(zip(probability[5::7], inside[5::7], strict=True))
            for name, rule in rules.items():
                gone = _gone_s(near if name == "ours" else rule(run, child))
                if not leaves:
                    tallies[name].quiet(gone)
                    if name == "ours":
                        by_kind[kind].quiet(gone)
                elif kind == "leaves":
                    crossed = int(np.flatnonzero(inside)[-1]) + 1
                    tallies[name].departure(gone, crossed)
                    if name == "ours":
                        agrees.append(_agrees(run, child, gone, reach_m))
    table = Table(title=f"{len(runs)} outings, reach {reach_m:.0f} m, two phones", title_justify="left")
    for head in (
        "rule",
        "warning s p50/p90",
        "≤ 15 s %",
        "alarm s p50/p90",
        "≤ 30 s %",
        "missed",
        "false alarms /class-h",
        "false warnings /class-h",
    ):
        table.add_column(head, justify="left" if head == "rule" else "right")
    for name, tally in tallies.items():
        table.add_row(*tally.row(name))
    CONSOLE.print(table)
    kinds = " · ".join(f"{k} {t.false_alarms / (t.child_hours / CLASS):.1f}" for k, t in by_kind.items())
    CONSOLE.print(f"  our false alarms per class-hour by kind: {kinds}")
    CONSOLE.print(f"  the windowed assess_departure says the same in {100 * np.mean(agrees):.0f} % of checks")
    _calibration(said, reach_m)


def _agrees(run: Outing, child: int, gone: Array, reach_m: float) -> bool:
    """Whether the product's function, on its window alone, ends at the level this benchmark counted."""
    now_ms = run.phones[0].reported_ms[-1]
    window = [s for s in run.sightings[child] if s.at_ms > now_ms - WINDOW_MS][-64:]
    departure = assess_departure(
        window,
        run.phones,
        policy=Policy(reach_m=reach_m),
        since_ms=START_MS,
        answer=None,
        answered_ms=None,
        now_ms=now_ms,
    )
    return (departure.level is Level.DEPARTED) == bool(gone[-1] >= POLICY.alarm_s)


def _calibration(said: Sequence[tuple[float, bool]], reach_m: float) -> None:
    """Expected calibration error of the proximity score over ten bins, and its reliability plot."""
    p, truth = np.array([a for a, _ in said]), np.array([b for _, b in said])
    bins = np.clip((p * 10).astype(int), 0, 9)
    points = [(p[bins == b].mean(), truth[bins == b].mean(), (bins == b).sum()) for b in np.unique(bins)]
    error = sum(abs(a - b) * n for a, b, n in points) / len(p)
    CONSOLE.print(
        f"  proximity, reach {reach_m:.0f} m: expected calibration error {error:.3f} over {len(p):,}\n"
    )
    figure, axes = plt.subplots(figsize=(6, 6))
    axes.plot([0, 1], [0, 1], color="grey", lw=0.8)
    axes.scatter(
        [a for a, _, _ in points], [b for _, b, _ in points], s=[20 + 4 * math.sqrt(n) for *_, n in points]
    )
    axes.set(
        xlabel="said: within reach with probability",
        ylabel="was within reach",
        title=f"reach {reach_m:.0f} m",
    )
    figure.savefig(OUT / f"departure_reliability_{reach_m:.0f}m.png", dpi=110, bbox_inches="tight")
    plt.close(figure)


def main() -> None:
    """Everything; `--quick` for a tenth of it."""
    quick = "--quick" in sys.argv
    OUT.mkdir(parents=True, exist_ok=True)
    for reach_m in (30.0, 50.0):
        bench_outings(10 if quick else 150, reach_m)
    bench_yard(*((40, 1) if quick else ()))
    CONSOLE.print(f"plots: {OUT}/departure_*.png")


if __name__ == "__main__":
    main()
