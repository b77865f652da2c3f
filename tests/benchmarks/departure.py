"""`make bench-departure`: how soon a departure is noticed, and how often one is cried for nothing.

Seeded outings through the simulator's radio (body turns, correlated shadows, bursts of loss) and the
reference phone's own reports: a child walks off at 0.4 m/s from a group that stands still (AT-1.1), runs off
at 1.2 m/s, strays towards the edge and comes back, a park, a street walk, a playground, a phone deaf for 20 s
and both deaf (AT-1.2), strangers that walk through, a bag left on a bench. Ours is the product's own function
on the product's own memory, after every report; beside it a threshold on mean strength and a time-out.

- Crossing: the child is further than the reach from every phone, for the last time. Delays count from there;
  an alarm more than 5 s before it is *early* and counted as such, not among the false ones: the child leaves.
- False: an alarm, or a warning, that begins for a child that does not leave, is within reach, was so for 20 s
  and is so for another 5 s. Per class-hour: 20 child-hours of park, street, playground, deaf phone and
  crossing groups. Strays are a stress of their own and are counted by themselves.
- Seeds: constants were fitted on outings of seeds 0–239 of another generator; these begin at 1,000,000.

Then a filter that knows the simulator's own statistics (`ideal.py`), as what could be reached at all, and a
fenced yard heard by poles alone (`yard.py`). Plots go to .build/bench.
"""

import argparse
import math
import os
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

import matplotlib as mpl
import numpy as np
from rich.console import Console
from rich.progress import track as progress
from rich.table import Table

from events.simulator.edge import PHONE, Cadence
from events.simulator.radio import SCAN_S
from infra.local.calibrate import Array
from shared.domain.departure import Level, assess_departure
from shared.domain.places import Policy
from shared.domain.proximity import PhoneTrack
from tests.benchmarks.ideal import bench_ideal
from tests.benchmarks.outings import KINDS, LEAVING, REFERENCE, START_MS, STARTS_S, Outing, outing
from tests.benchmarks.yard import bench_yard

mpl.use("Agg")
from matplotlib import pyplot as plt

OUT = Path(".build/bench")
CONSOLE = Console(width=120, force_terminal=sys.stdout.isatty())
FIRST_SEED = 1_000_000
CLASS = 20  # children of a class: false alarms are per class-hour
EARLY_S, AGO_S, SOON_S = 5.0, 20.0, 5.0
WHOLE = 10  # one departure in so many is judged to its end, for the calibration
HOLD_S = (Policy().warn_s, Policy().alarm_s)  # the peers' rules: this long for a warning, an alarm
RULES = ("mean strength ≥ −85 dBm", "mean strength ≥ −90 dBm", "time-out", "ours")
Begun = tuple[list[float], list[float]]
"""When warnings and when alarms began, seconds of the outing."""


@dataclass
class Run:
    """One child of one outing. said: what proximity said, and whether it was so."""

    kind: str
    crossed_s: float | None
    hours: float
    begun: dict[str, Begun] = field(default_factory=dict)
    false: dict[str, tuple[int, int]] = field(default_factory=dict)
    said: list[tuple[float, bool]] = field(default_factory=list)
    judged: int = 0
    took_s: float = 0.0


def play(job: tuple[str, int, float, float]) -> list[Run]:
    """An outing's children, judged by every rule."""
    kind, seed, reach_m, cadence_s = job
    run = outing(kind, seed, reach_m=reach_m, cadence=Cadence(cadence_s, PHONE.heartbeat_s, sums=True))
    return [_judge(run, child, reach_m, seed) for child in range(run.children)]


def _judge(run: Outing, child: int, reach_m: float, seed: int) -> Run:
    inside = run.distance_m[child] <= reach_m
    leaves = child == 0 and run.gone is not None
    made = Run(run.kind, None if run.gone is None else run.gone * SCAN_S, len(inside) * SCAN_S / 3600)
    policy, best = Policy(reach_m=reach_m), []
    levels: list[tuple[float, Level]] = []
    whole = not leaves or seed % WHOLE == 0  # the others only until they are alarmed of
    for n, (now_ms, phones) in enumerate(run.heard(child)):
        at_s = (now_ms - START_MS) / 1000
        best.append((at_s, _strongest(phones, now_ms)))
        if not whole and (at_s < STARTS_S or (levels and levels[-1][1] is Level.DEPARTED)):
            continue
        began = time.process_time()
        departure = assess_departure(
            [s for p in phones for s in p.heard.get("b", ())],
            phones,
            policy=policy,
            since_ms=START_MS,
            answer=None,
            answered_ms=None,
            now_ms=now_ms,
        )
        made.took_s += time.process_time() - began
        made.judged += 1
        levels.append((at_s, departure.level))
        if whole and n % 5 == 4 and run.kind not in ("bag left", "both deaf"):
            made.said.append((departure.near, bool(inside[min(len(inside) - 1, int(at_s / SCAN_S) - 1)])))
    made.begun["ours"] = (
        _begins(levels, (Level.WARNED, Level.DEPARTED)),
        _begins(levels, (Level.DEPARTED,)),
    )
    for rule in RULES[:-1]:
        made.begun[rule] = _peer(rule, best)
    if not leaves:
        made.false = {rule: _false(begun, inside) for rule, begun in made.begun.items()}
    return made


def _strongest(phones: Iterable[PhoneTrack], now_ms: int) -> float:
    """The strongest any phone heard in the last 5 s; −100 for silence."""
    lately = [s.rssi_dbm for p in phones for s in p.heard.get("b", ()) if s.at_ms > now_ms - 5000]
    return float(max(lately, default=-100))


def _begins(levels: Sequence[tuple[float, Level]], which: Sequence[Level]) -> list[float]:
    on = [level in which for _, level in levels]
    return [levels[n][0] for n in range(len(on)) if on[n] and not (n and on[n - 1])]


def _peer(rule: str, best: Sequence[tuple[float, float]]) -> Begun:
    """A threshold on the mean of 10 s, or on being heard at all, with the policy's hold-down."""
    threshold = -99.5 if rule == "time-out" else -85.0 if "85" in rule else -90.0
    warned: list[float] = []
    alarmed: list[float] = []
    near_s, on = 0.0, [False, False]
    for n, (at_s, _) in enumerate(best):
        lately = [v for t, v in best[max(0, n - 8) : n + 1] if t > at_s - (10 if rule != "time-out" else 5)]
        if float(np.mean(lately)) >= threshold:
            near_s, on = at_s, [False, False]
        for which, (hold_s, begun) in enumerate(zip(HOLD_S, (warned, alarmed), strict=True)):
            if at_s - near_s >= hold_s and not on[which]:
                begun.append(at_s)
                on[which] = True
    return warned, alarmed


def _false(begun: Begun, inside: Array) -> tuple[int, int]:
    def counts(at_s: float) -> bool:
        first, last = max(0, int((at_s - AGO_S) / SCAN_S)), math.ceil((at_s + SOON_S) / SCAN_S)
        return bool(inside[first : last + 1].all())

    warned, alarmed = (sum(counts(at_s) for at_s in which) for which in begun)
    return warned, alarmed


def bench_outings(
    leaving: int, others: int, reach_m: float, cadence_s: float = PHONE.ordinary_s
) -> dict[str, list[str]]:
    """`leaving` outings of a child that walks off at 0.4 m/s, `others` of every other kind."""
    jobs = [("leaves", FIRST_SEED + n, reach_m, cadence_s) for n in range(leaving)]
    jobs += [(kind, FIRST_SEED + n, reach_m, cadence_s) for n in range(others) for kind in KINDS[1:]]
    with get_context("fork").Pool(os.cpu_count()) as pool:
        found = pool.imap_unordered(play, jobs, chunksize=4)
        told = progress(found, f"reach {reach_m:.0f} m", total=len(jobs), console=CONSOLE, transient=True)
        runs = [run for each in told for run in each]
    rows = {rule: _row(rule, runs) for rule in RULES}
    table = Table(
        title=f"{len(jobs):,} outings ({leaving:,} at 0.4 m/s), reach {reach_m:.0f} m, two phones that sum up"
        f" {cadence_s:.0f} s",
        title_justify="left",
    )
    for head in (
        "rule",
        "warning s p50/p95",
        "≤ 15 s %",
        "alarm s p50/p95",
        "≤ 30 s %",
        "early %",
        "missed",
        "false alarms /class-h",
        "false warnings /class-h",
    ):
        table.add_column(head, justify="left" if head == "rule" else "right")
    for row in rows.values():
        table.add_row(*row)
    CONSOLE.print(table)
    _kinds(runs)
    _calibration([pair for run in runs for pair in run.said], reach_m)
    judged = sum(run.judged for run in runs)
    each_us = 1e6 * sum(run.took_s for run in runs) / judged
    CONSOLE.print(f"  {judged:,} judgements, {each_us:.0f} µs of CPU each on average\n")
    return rows


def _row(rule: str, runs: Sequence[Run]) -> list[str]:
    left = [run for run in runs if run.kind == "leaves"]
    first = [[_first(run, rule, which) for run in left] for which in (0, 1)]
    warned, alarmed = (np.array([math.inf if d is None else d for d in each]) for each in first)
    quiet = [run for run in runs if run.kind in REFERENCE]
    hours = sum(run.hours for run in quiet) / CLASS
    false = [sum(run.false[rule][which] for run in quiet) / hours for which in (0, 1)]
    return [
        rule,
        f"{np.median(warned):.0f} / {_p95(warned)}",
        f"{100 * np.mean(warned <= 15):.1f}",
        f"{np.median(alarmed):.0f} / {_p95(alarmed)}",
        f"{100 * np.mean(alarmed <= 30):.1f}",
        f"{100 * np.mean(alarmed < -EARLY_S):.0f}",
        f"{int(np.isinf(alarmed).sum())}/{len(left)}",
        f"{false[1]:.2f}",
        f"{false[0]:.2f}",
    ]


def _p95(delays: Array) -> str:
    value = float(np.sort(delays)[math.ceil(0.95 * len(delays)) - 1])
    return "never" if math.isinf(value) else f"{value:.0f}"


def _first(run: Run, rule: str, which: int) -> float | None:
    """Seconds from the crossing to what began and held for it: the first of after the child set out."""
    crossed_s = run.crossed_s or 0.0
    begun = [at_s - crossed_s for at_s in run.begun[rule][which] if at_s >= STARTS_S]
    return min(begun, default=None)


def _kinds(runs: Sequence[Run]) -> None:
    """Ours, by kind of outing."""
    table = Table(title="  ours, by kind", title_justify="left")
    for head in ("kind", "alarm s p50/p95", "≤ 30 s %", "missed", "false alarms", "in class-hours"):
        table.add_column(head, justify="left" if head == "kind" else "right")
    for kind in KINDS:
        mine = [run for run in runs if run.kind == kind]
        if kind in LEAVING:
            delays = np.array([math.inf if (d := _first(r, "ours", 1)) is None else d for r in mine])
            gone = [f"{np.median(delays):.0f} / {_p95(delays)}", f"{100 * np.mean(delays <= 30):.1f}"]
            table.add_row(kind, *gone, f"{int(np.isinf(delays).sum())}/{len(mine)}", "", "")
        else:
            hours = sum(run.hours for run in mine) / CLASS
            false = str(sum(r.false["ours"][1] for r in mine))
            table.add_row(kind, "", "", "", false, f"{hours:.1f} ({len(mine)} children)")
    CONSOLE.print(table)


def _calibration(said: Sequence[tuple[float, bool]], reach_m: float) -> None:
    """Expected calibration error of the proximity score over ten bins, and its reliability plot."""
    p, truth = np.array([a for a, _ in said]), np.array([b for _, b in said])
    bins = np.clip((p * 10).astype(int), 0, 9)
    points = [(p[bins == b].mean(), truth[bins == b].mean(), (bins == b).sum()) for b in np.unique(bins)]
    error = sum(abs(a - b) * n for a, b, n in points) / len(p)
    CONSOLE.print(
        f"  proximity, reach {reach_m:.0f} m: expected calibration error {error:.3f} over {len(p):,}"
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
    """Print every table, or with `--outings` the one of the default reach."""
    parser = argparse.ArgumentParser(prog="make bench-departure", description="Delay, false alarms, misses.")
    parser.add_argument("--quick", action="store_true", help="a tenth of everything")
    parser.add_argument("--outings", type=int, help="only so many that leave, at the default reach")
    parser.add_argument("--cadence", type=float, default=4.0, help="seconds a phone sums up (default 4)")
    asked = parser.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    default_m = Policy().reach_m
    if asked.outings:
        bench_outings(asked.outings, max(1, asked.outings // 10), default_m, asked.cadence)
        return
    bench_outings(*((100, 12) if asked.quick else (1000, 100)), default_m, asked.cadence)
    for reach_m in {15.0, 20.0, 30.0} - {default_m}:
        bench_outings(*((40, 5) if asked.quick else (300, 30)), reach_m, asked.cadence)
    bench_ideal(4 if asked.quick else 20, default_m)
    bench_yard(*((40, 1) if asked.quick else ()))
    CONSOLE.print(f"plots: {OUT}/departure_*.png")


if __name__ == "__main__":
    main()
