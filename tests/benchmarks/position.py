"""`make bench-position`: ours beside the peers' methods, on recorded data and on a simulated pole grid.

JIKIMI_DATA: folder of the recorded sets; those that are not there are left out and said so. Plots go to
.build/bench. Every ratio comes from this one run; what is learned is learned on the training split alone.
Speeds are CPU time of one core in plain Python.
"""

import argparse
import math
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import matplotlib as mpl
import numpy as np
from rich.console import Console
from rich.progress import track as progress
from rich.table import Table

from infra.local.calibrate import Array, Site, holds, learn_path_loss, learn_site
from shared.domain.case_track import SHADOWED, Motion, track_case
from shared.domain.geo import Ellipse, Plane
from shared.domain.past import forget as forget_moments
from shared.domain.position import Fix, beside, locate, track
from shared.domain.radio import OUTDOOR, RadioModel
from shared.domain.sighting import Window, merge
from tests.benchmarks import grid as world
from tests.benchmarks import near
from tests.benchmarks.peers import LIKELIHOOD_BASED, PEERS, kalman, knn
from tests.benchmarks.recorded import ORIGIN, Recorded, recorded

mpl.use("Agg")
from matplotlib import pyplot as plt

OUT = Path(".build/bench")
CONSOLE = Console(width=132, force_terminal=sys.stdout.isatty())
PLANE = Plane(ORIGIN)
SKIP = 10  # moments of a walk before it counts


@dataclass
class Scored:
    """Errors of one method, metres; NaN where it gave nothing. inside: per stated confidence."""

    errors: list[float] = field(default_factory=list)
    inside: dict[float, list[bool]] = field(default_factory=dict)
    areas: list[float] = field(default_factory=list)
    cpu_s: float = 0.0
    fixes: int = 0

    def add(self, at: Array | None, truth: Array) -> None:
        self.errors.append(math.nan if at is None else math.dist(at, truth))

    def add_fix(self, fix: Fix | None, truth: Array, plane: Plane) -> None:
        self.add(None if fix is None else np.array(plane.to_xy(fix.center)), truth)
        if fix is None:
            return
        there = plane.to_latlon(*truth)
        for ellipse in (fix.ellipse50, _at_confidence(fix, 0.68), fix.ellipse95):
            self.inside.setdefault(ellipse.confidence, []).append(holds(ellipse, there))
        self.areas.append(math.pi * fix.ellipse95.semi_major_m * fix.ellipse95.semi_minor_m)

    @property
    def rmse(self) -> float:
        return math.sqrt(float(np.nanmean(np.square(self.errors))))

    def row(self, name: str, *, bound: float | None = None) -> list[str]:
        e = np.array(self.errors)
        cover = "/".join(f"{100 * np.mean(v):.0f}" for _, v in sorted(self.inside.items())) or "–"
        return [
            name,
            f"{np.nanmedian(e):.2f}",
            f"{self.rmse:.2f}",
            f"{np.nanpercentile(e, 90):.2f}",
            f"{100 * np.mean(~np.isnan(e)):.0f}",
            cover,
            f"{np.median(self.areas):.4g}" if self.areas else "–",
            f"{self.fixes / self.cpu_s:,.0f}" if self.cpu_s else "–",
            f"{self.rmse / bound:.3f}" if bound else "–",
        ]


def _at_confidence(fix: Fix, confidence: float) -> Ellipse:
    """Between the 50 and 95 % ellipses, as a Gaussian would lie."""
    share = (math.sqrt(-2 * math.log(1 - confidence)) - 1.177) / (2.448 - 1.177)
    a, b = fix.ellipse50, fix.ellipse95
    return replace(
        b,
        semi_major_m=a.semi_major_m + share * (b.semi_major_m - a.semi_major_m),
        semi_minor_m=a.semi_minor_m + share * (b.semi_minor_m - a.semi_minor_m),
        confidence=confidence,
    )


def _table(title: str, rows: Sequence[Sequence[str]], last: str = "RMSE/bound") -> None:
    table = Table(title=title, title_justify="left")
    for name in (
        "method",
        "median",
        "RMSE",
        "p90",
        "fixes %",
        "cover 50/68/95",
        "95 % area m²",
        "fixes/s",
        last,
    ):
        table.add_column(name, justify="left" if name == "method" else "right")
    for row in rows:
        table.add_row(*row)
    CONSOLE.print(table)


def _timed(scored: Scored, works: Sequence[Callable[[], Fix | None]]) -> list[Fix | None]:
    begun = time.process_time()
    fixes = [work() for work in works]
    scored.cpu_s += time.process_time() - begun
    scored.fixes += len(fixes)
    return fixes


def _peer_fixes(
    name: str, moments: Sequence[tuple[Array, Array]], p0: float, n: float, scored: Scored
) -> list[Array | None]:
    begun = time.process_time()
    fixes = [PEERS[name](at, rssi, p0, n) for at, rssi in moments]
    scored.cpu_s, scored.fixes = time.process_time() - begun, len(fixes)
    return fixes


def bench_recorded(data: Recorded) -> None:
    """One recorded set: learn on its training split, locate its test windows, beside the peers."""
    with CONSOLE.status(f"{data.name}: learning from {len(data.survey.at)} places"):
        site = learn_site(
            data.survey, data.model, cell_m=data.cell_m, margin_m=data.margin_m, blur_m=data.blur_m
        )
        path = learn_path_loss(data.survey, data.model)
    rows = []
    offsets = np.array([path.receivers[i].offset_db for i in data.survey.ids])
    heard = [~np.isnan(w.rssi) for w in data.windows]
    moments = [
        (data.survey.receivers[h], (w.rssi - offsets)[h]) for w, h in zip(data.windows, heard, strict=True)
    ]
    for name in progress(list(PEERS), f"{data.name}: peers", console=CONSOLE, transient=True):
        scored = Scored()
        for fix, w in zip(
            _peer_fixes(name, moments, path.model.p0_dbm, path.model.exponent, scored),
            data.windows,
            strict=True,
        ):
            scored.add(fix, w.at)
        rows.append(scored.row(name))
    scored = Scored()
    for w in data.windows:
        scored.add(knn(data.survey.at, data.survey.rssi, w.rssi), w.at)
    rows.append(scored.row("kNN, same training data"))
    plain = replace(site.ground, weight=(1.0,) * len(site.ground.weight))
    for name, receivers, model, ground in (
        ("ours, path loss and offsets", path.receivers, path.model, plain),
        ("ours, learned map and ground", site.learned.receivers, site.learned.model, site.ground),
    ):
        scored = Scored()
        fixes = _timed(
            scored,
            [partial(locate, w.sightings, receivers, model=model, ground=ground) for w in data.windows],
        )
        for fix, w in zip(fixes, data.windows, strict=True):
            scored.add_fix(fix, w.at, PLANE)
        rows.append(scored.row(name))
    title = (
        f"{data.title} ({len(data.windows)} windows). {data.split}. temper {site.learned.model.temper_heard}"
    )
    _table(title, rows)
    _plot_recorded(data, site, fixes, scored)


def _plot_recorded(data: Recorded, site: Site, fixes: Sequence[Fix | None], scored: Scored) -> None:
    figure, (left, right) = plt.subplots(1, 2, figsize=(13, 6))
    g = site.ground
    weight = np.array(g.weight).reshape(-1, g.columns)
    x0, y0 = PLANE.to_xy(g.origin)
    extent = (x0, x0 + g.columns * g.cell_m, y0, y0 + len(weight) * g.cell_m)
    left.imshow(weight, origin="lower", extent=extent, cmap="Greys", alpha=0.35, aspect="equal")
    truth = np.array([w.at for w in data.windows])
    found = np.array([PLANE.to_xy(f.center) if f else (math.nan, math.nan) for f in fixes])
    for a, b in list(zip(truth, found, strict=True))[:: max(1, len(truth) // 250)]:
        left.plot([a[0], b[0]], [a[1], b[1]], color="tab:orange", lw=0.7)
    left.scatter(*truth.T, s=6, color="black", label="true place", zorder=3)
    left.scatter(*data.survey.receivers.T, s=50, marker="^", color="tab:blue", label="scanner", zorder=4)
    left.set(title=f"{data.title}: true place → our fix", xlabel="m east", ylabel="m north")
    left.legend(loc="upper right")
    right.plot(np.sort(scored.errors), np.linspace(0, 1, len(scored.errors)), label="error of our fix")
    stated = [math.sqrt(a / math.pi) for a in scored.areas]
    right.plot(np.sort(stated), np.linspace(0, 1, len(stated)), "--", label="stated 95 % radius")
    right.set(xlabel="m", ylabel="share of windows", title="what it was off by, and what it said")
    right.legend()
    right.grid(alpha=0.3)
    figure.savefig(OUT / f"position_{data.name}.png", dpi=110, bbox_inches="tight")
    plt.close(figure)


def bench_static(spacing_m: float, count: int) -> None:
    """The pole grid, one window at a time."""
    g = world.grid(spacing_m, 17)
    moments = world.windows(g, count, 21)
    truth = np.array([m.at for m in moments])
    many = np.array([len(m.sightings) >= 3 for m in moments])
    with CONSOLE.status(f"grid {spacing_m:.0f} m: Bayes floor of {len(moments)} windows"):
        floor = world.bayes_floor(g, moments)
    floor_rmse = math.sqrt(float(np.mean(np.sum((floor - truth) ** 2, 1))))
    bound, bound_many = (
        world.static_bound_m(g, [m for m, k in zip(moments, keep, strict=True) if k])
        for keep in (np.ones(len(moments), bool), many)
    )
    rows = []
    heard = [m.packets > 0 for m in moments]
    pairs = [(g.poles[h], m.rssi[h]) for m, h in zip(moments, heard, strict=True)]
    likelihood_speed = 0.0
    for name in progress(list(PEERS), f"grid {spacing_m:.0f} m: peers", console=CONSOLE, transient=True):
        scored = Scored()
        for fix, m in zip(_peer_fixes(name, pairs, -59.0, 2.7, scored), moments, strict=True):
            scored.add(fix, m.at)
        if name in LIKELIHOOD_BASED:
            likelihood_speed = max(likelihood_speed, scored.fixes / scored.cpu_s)
        rows.append(scored.row(name, bound=floor_rmse))
    result = Scored(errors=[math.dist(f, t) for f, t in zip(floor, truth, strict=True)])
    rows.append(result.row("Bayes floor (true model, fine lattice)", bound=floor_rmse))
    floor_many = _rmse(np.array(result.errors)[many])
    said, speed = [], 0.0
    for name, model in (("ours, as shipped", OUTDOOR), ("ours, this world's constants", world.KNOWN)):
        scored = _ours_static(g, moments, model)
        rows.append(scored.row(name, bound=floor_rmse))
        speed = max(speed, scored.fixes / scored.cpu_s)
        ours_many = _rmse(np.array(scored.errors)[many])
        said.append(
            f"  ≥ 3 heard, {name}: {ours_many:.2f} m, {ours_many / floor_many:.3f} × floor, "
            f"{ours_many / bound_many:.3f} × CRLB"
        )
    _table(f"pole grid {spacing_m:.0f} m, static, {len(moments)} windows", rows, "RMSE/floor")
    CONSOLE.print(
        f"  all windows: floor {floor_rmse:.2f} m, CRLB {bound:.2f} m · ≥ 3 heard "
        f"({100 * np.mean(many):.0f} %): floor {floor_many:.2f} m, which is {floor_many / bound_many:.3f} × "
        f"CRLB ({bound_many:.2f} m) for any estimator"
    )
    for line in said:
        CONSOLE.print(line)
    CONSOLE.print(
        f"  ordinary tier {speed:,.0f} fixes/s, {speed / likelihood_speed:.1f} × the fastest "
        "likelihood-based peer\n"
    )


def _rmse(errors: Array) -> float:
    return math.sqrt(float(np.mean(np.square(errors))))


def _ours_static(g: world.Grid, moments: Sequence[world.Moment], model: RadioModel) -> Scored:
    alive = g.alive
    for m in moments:  # neighbourhoods are made once in a scanner's life
        locate(m.sightings, g.receivers, alive, model=model)
    scored = Scored()
    fixes = _timed(scored, [partial(locate, m.sightings, g.receivers, alive, model=model) for m in moments])
    for fix, m in zip(fixes, moments, strict=True):
        scored.add_fix(fix, m.at, world.PLANE)
    return scored


def _best_kalman(paths: Sequence[Sequence[world.Moment]], raw: Sequence[list[Array | None]]) -> Scored:
    """The peers' usual filter with whichever of fifteen settings fits the truth best."""
    tried = []
    for noise_m in (5.0, 10.0, 20.0, 40.0, 80.0):
        for push in (0.05, 0.15, 0.4):
            scored = Scored()
            for p, fixes in zip(paths, raw, strict=True):
                smooth = kalman(fixes, 2.0, noise_m=noise_m, push_mps2=push)
                for fix, m in list(zip(smooth, p, strict=True))[SKIP:]:
                    scored.add(fix, m.at)
            tried.append(scored)
    return min(tried, key=lambda s: s.rmse)


def bench_tracked(walks: int, slots: int, *, correlated: bool) -> None:
    """Walks through the 40 m grid."""
    g = world.grid(40.0, 17)
    paths = [world.walk(g, slots, 100 + k, correlated=correlated) for k in range(walks)]
    bound = world.tracked_bound_m(g, paths, SKIP)
    rows = []
    for name in progress(list(PEERS), "tracked: peers", console=CONSOLE, transient=True):
        raw = [
            [
                PEERS[name](g.poles[m.packets > 0], m.rssi[m.packets > 0], -59.0, 2.7)
                if m.sightings
                else None
                for m in p
            ]
            for p in paths
        ]
        scored = _best_kalman(paths, raw)
        rows.append(scored.row(f"{name} + Kalman tuned on the truth", bound=bound))
    if correlated:
        tempers = {"temper_heard": SHADOWED.temper_heard, "temper_silent": SHADOWED.temper_silent}
        motion, model = Motion(), replace(world.KNOWN, **tempers)
    else:
        motion, model = Motion(decorrelation_m=0.0, astray=0.004), world.KNOWN
    case, ordinary, single = Scored(), Scored(), Scored()
    alive = g.alive
    for p in paths:  # neighbourhoods are made once in a scanner's life
        window = Window()
        for m in p:
            window = merge(window, m.sightings)
            track(window, g.receivers, alive)
            track_case(window, g.receivers, alive, model=model, motion=motion, particles=4)
    forget_moments()
    example: list[tuple[Array, Fix]] = []
    for k, p in enumerate(progress(paths, "tracked: case tier", console=CONSOLE, transient=True)):
        window = Window()
        for i, m in enumerate(p):
            window = merge(window, m.sightings)
            now = window
            follow = partial(track_case, now, g.receivers, alive, model=model, motion=motion)
            (fix,) = _timed(case, [follow])
            (found,) = _timed(ordinary, [partial(track, now, g.receivers, alive)])
            if i >= SKIP:
                case.add_fix(fix, m.at, world.PLANE)
                ordinary.add_fix(found, m.at, world.PLANE)
                single.add_fix(locate(now.sightings, g.receivers, alive), m.at, world.PLANE)
            if k == 0 and fix is not None:
                example.append((m.at, fix))
    rows += [
        single.row("ours, newest moment alone", bound=bound),
        ordinary.row("ours, ordinary tier", bound=bound),
        case.row("ours, case tier", bound=bound),
    ]
    kind = "correlated" if correlated else "independent"
    _table(f"walks, 40 m grid, {kind} shadowing, {walks} × {slots} moments; bound {bound:.2f} m", rows)
    _plot_walk(g, example, kind)


def bench_beside(count: int) -> None:
    """The short cut for children who are with the group."""
    beside_phone, located = Scored(), Scored()
    for at, sightings in near.groups(count, 31):
        beside_phone.add_fix(_timed(beside_phone, [partial(beside, sightings)])[0], at, world.PLANE)
        located.add_fix(_timed(located, [partial(locate, sightings, {})])[0], at, world.PLANE)
    rows = [beside_phone.row("ours, beside a phone"), located.row("ours, the whole posterior")]
    _table(f"children about two phones, {count} groups, the simulator's radio, GPS {near.GPS_M} m", rows)


def _plot_walk(g: world.Grid, example: Sequence[tuple[Array, Fix]], kind: str) -> None:
    figure, axes = plt.subplots(figsize=(8, 8))
    truth = np.array([at for at, _ in example])
    found = np.array([world.PLANE.to_xy(f.center) for _, f in example])
    axes.plot(*truth.T, color="black", label="true walk")
    axes.plot(*found.T, color="tab:orange", label="case tier")
    for _, fix in example[::6]:
        e = fix.ellipse95
        x, y = world.PLANE.to_xy(e.center)
        shape = mpl.patches.Ellipse(
            (x, y), 2 * e.semi_major_m, 2 * e.semi_minor_m, angle=90 - e.bearing_deg, fill=False, alpha=0.4
        )
        axes.add_patch(shape)
    axes.scatter(*g.poles.T, marker="^", color="tab:blue", s=40, label="pole")
    low, high = truth.min(0) - 50, truth.max(0) + 50
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), aspect="equal", xlabel="m", ylabel="m")
    axes.set_title(f"a tracked walk, {kind} shadowing; every sixth 95 % ellipse")
    axes.legend()
    figure.savefig(OUT / f"position_walk_{kind}.png", dpi=110, bbox_inches="tight")
    plt.close(figure)


def bench_data() -> None:
    """The recorded sets that are present."""
    folder = os.environ.get("JIKIMI_DATA", "")
    sets = list(recorded(Path(folder))) if folder else []
    if not sets:
        CONSOLE.print("Recorded sets left out: JIKIMI_DATA names no folder that holds them.")
    for data in sets:
        bench_recorded(data)


def main() -> None:
    """All parts, or those named."""
    names = ("static", "tracked", "beside", "recorded")
    parser = argparse.ArgumentParser(
        prog="make bench-position", description="Error and coverage of positions."
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(names)}; all without one")
    parser.add_argument("--quick", action="store_true", help="a tenth of them")
    asked = parser.parse_args()
    if unknown := set(asked.parts) - set(names):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    quick = asked.quick
    OUT.mkdir(parents=True, exist_ok=True)
    windows, walks, moments = (200, 3, 30) if quick else (1500, 16, 50)
    parts: dict[str, list[Callable[[], None]]] = {
        "static": [partial(bench_static, spacing_m, windows) for spacing_m in (40.0, 25.0)],
        "tracked": [partial(bench_tracked, walks, moments, correlated=each) for each in (False, True)],
        "beside": [partial(bench_beside, 9 if quick else 90)],
        "recorded": [bench_data],
    }
    for name in asked.parts or parts:
        for bench in parts[name]:
            bench()
    CONSOLE.print(f"plots: {OUT}/position_*.png")


if __name__ == "__main__":
    main()
