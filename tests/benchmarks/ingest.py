"""`make bench-ingest`: ours and two plain handlers over one recorded trace, side by side in one run.

    python -m tests.benchmarks.ingest [--seconds 60] [--warm 60] [--districts 1 10 100]

Everything up to the socket is real (parsing, geometry, boto3's serialising and signing); DynamoDB is
`store.Store`, whose own CPU time is taken off everybody alike. Each handler runs in a process of its own.
Ratios within one run mean more than absolute figures: they come from whatever machine this is.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import warnings
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from shared.adapters.clock import ManualClock, from_epoch_ms
from shared.domain.places import Scanner
from tests.benchmarks.baselines import batch_writer, get_and_update
from tests.benchmarks.replay import ORDINARY, Run, deliver, run_ours
from tests.benchmarks.store import Store
from tests.benchmarks.trace import BUILD, Trace, TraceSpec, districts, load

OUT = BUILD / "bench"
BASELINE_S = 4  # trace seconds for the plain handlers: they do the same for every sighting
COLD = "import functions.ingest_sightings.handler as _; import sys; assert 'numpy' not in sys.modules"
REFERENCE = TraceSpec(seconds=180)
GROWTH = TraceSpec(groups=4, seconds=60)
"""A tenth of the groups, so that a hundred districts of them fit."""
HANDLERS = ("ours", "get + 2×update", "batch writer")


def measure(name: str, seconds: float, warm_s: float, count: int) -> dict[str, Any]:
    """One handler's figures; in this process."""
    trace = load(GROWTH if count > 1 or name == "ours, 4 groups" else REFERENCE)
    spec = trace.spec
    if name.startswith("ours"):
        messages = districts(trace, count, warm_s + seconds)
        run = run_ours(trace, messages, tenants=count, warm_s=warm_s)
        child_hours = spec.groups * spec.children * seconds / 3600 * count
    else:
        messages = districts(trace, count, BASELINE_S)
        run = _plain(name, trace, messages)
        child_hours = spec.groups * spec.children * BASELINE_S / 3600 * count
    up = sum(
        len(m.payload)
        for m in messages
        if m.at_ms >= messages[0].at_ms + warm_s * 1000 or not name.startswith("ours")
    )
    return _figures(run, child_hours, up)


def _plain(name: str, trace: Trace, messages: Any) -> Run:
    store = Store()
    places = {r.scanner_id: r.at for r in trace.records if isinstance(r, Scanner)}
    handle = (
        get_and_update(store.client(), places) if name.startswith("get") else batch_writer(store.resource())
    )
    return deliver(handle, messages, ORDINARY, store, ManualClock(from_epoch_ms(messages[0].at_ms)))


def _figures(run: Run, child_hours: float, up: int) -> dict[str, Any]:
    meter = run.meter
    return {
        "child-hours": child_hours,
        "sightings": run.sightings,
        "failed": run.failed,
        "sightings/s per core": run.sightings / run.cpu_s,
        "CPU ms / 1,000 sightings": run.cpu_s / run.sightings * 1e6,
        "of that writing": run.write_s / run.sightings * 1e6 if run.write_s else None,
        "write units / child-hour": meter.units / child_hours,
        "of them wasted %": 100 * meter.wasted_units / max(1, meter.units),
        "read units / child-hour": meter.read_units / child_hours,
        "invocations / child-hour": run.batches / child_hours,
        "messages / child-hour": run.messages / child_hours,
        "of them heartbeats": run.heartbeats / child_hours,
        "KB up / child-hour": up / child_hours / 1000,
        "peak memory MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "by kind": {kind: units / child_hours for kind, units in meter.write_units.items()},
        "item bytes": {k: meter.bytes_written[k] / n for k, n in meter.writes.items() if n},
        "calls": dict(meter.calls),
    }


def in_process_of_its_own(name: str, seconds: float, warm_s: float, count: int) -> dict[str, Any]:
    """`measure` in a fresh interpreter."""
    asked = [sys.executable, "-W", "ignore", "-m", "tests.benchmarks.ingest", "--one", name]
    asked += ["--seconds", str(seconds), "--warm", str(warm_s), "--count", str(count)]
    said = subprocess.run(asked, check=True, capture_output=True, text=True, timeout=1800)
    figures: dict[str, Any] = json.loads(said.stdout.splitlines()[-1])
    return figures


def cold_import_ms(runs: int = 5) -> float:
    """Median CPU milliseconds to import the handler; the interpreter's own start is taken off."""
    bare, full = _children_ms("pass", runs), _children_ms(COLD, runs)
    return statistics.median(full) - statistics.median(bare)


def _children_ms(code: str, runs: int) -> list[float]:
    times = []
    for _ in range(runs):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=120)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
        times.append(spent * 1000)
    return times


def package_bytes() -> int:
    """The function's own code and the layer's, zipped, without third-party packages."""
    OUT.mkdir(parents=True, exist_ok=True)
    path = OUT / "ingest.zip"
    root = Path(__file__).parents[2]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for folder in ("functions/ingest_sightings", "shared"):
            for each in sorted((root / folder).rglob("*.py")):
                file.write(each, each.relative_to(root))
    return path.stat().st_size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60, help="of the trace that count")
    parser.add_argument(
        "--warm", type=float, default=60, help="of the trace before that, to fill the windows"
    )
    parser.add_argument("--districts", type=int, nargs="*", default=[1, 10, 100])
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--count", type=int, default=1, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        warnings.simplefilter("ignore")
        print(json.dumps(measure(asked.one, asked.seconds, asked.warm, asked.count)))
        return
    load(REFERENCE)
    load(GROWTH)
    side_by_side = {name: in_process_of_its_own(name, asked.seconds, asked.warm, 1) for name in HANDLERS}
    _print_side_by_side(side_by_side)
    print(f"\ncold import of the handler: {cold_import_ms():.0f} ms CPU, numpy absent")
    print(f"package: {package_bytes() / 1000:.0f} kB of code, layer included, third parties not")
    growth = {}
    for count in asked.districts:
        growth[count] = in_process_of_its_own("ours, 4 groups", max(4.0, 20 / count), 4, count)
    _print_growth(growth)
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "ingest.json").write_text(
        json.dumps({"side by side": side_by_side, "growth": growth, "lane": asdict(ORDINARY)}, indent=1)
    )
    _plot(side_by_side, growth, OUT / "ingest.png")
    print(f"\n{(OUT / 'ingest.png').relative_to(BUILD.parent)} and ingest.json written")


def _print_side_by_side(found: dict[str, dict[str, Any]]) -> None:
    ours = found["ours"]
    print(f"{'':28}" + "".join(f"{name:>18}" for name in found))
    for row, value in ours.items():
        if isinstance(value, dict):
            continue
        cells = [each[row] for each in found.values()]
        print(f"{row:28}" + "".join(f"{'—' if c is None else f'{c:,.1f}':>18}" for c in cells))
    print(
        "\nwrite units / child-hour by kind: ",
        _short(ours["by kind"]),
        "; mean item: ",
        _short(ours["item bytes"]),
    )
    per_1000 = "CPU ms / 1,000 sightings"
    for name in HANDLERS[1:]:
        ratio = found[name][per_1000] / ours[per_1000]
        print(f"{name} uses {ratio:.1f} × our CPU", end="")
        if ours["of that writing"]:
            print(
                f" ({found[name][per_1000] / ours['of that writing']:.1f} × what we use for writing)", end=""
            )
        print()


def _short(found: dict[str, float]) -> str:
    return ", ".join(f"{kind} {value:,.0f}" for kind, value in found.items())


def _print_growth(growth: dict[int, dict[str, Any]]) -> None:
    print("\nour handler, one queue for all districts")
    rows = (
        "sightings/s per core",
        "write units / child-hour",
        "of them wasted %",
        "invocations / child-hour",
    )
    print(f"{'districts':28}" + "".join(f"{count:>14}" for count in growth))
    for row in (*rows, "peak memory MB"):
        print(f"{row:28}" + "".join(f"{each[row]:>14,.1f}" for each in growth.values()))


def _plot(found: dict[str, dict[str, Any]], growth: dict[int, dict[str, Any]], path: Path) -> None:
    os.environ.setdefault("MPLBACKEND", "Agg")
    from matplotlib import pyplot  # noqa: PLC0415 - slow to import, and only the last step needs it

    figure, axes = pyplot.subplots(1, 3, figsize=(13, 4))
    names = list(found)
    for axis, row in zip(axes, ("CPU ms / 1,000 sightings", "write units / child-hour"), strict=False):
        axis.bar(names, [found[name][row] for name in names], color=["#2b6cb0", "#a0aec0", "#cbd5e0"])
        axis.set_yscale("log")
        axis.set_title(row)
        axis.bar_label(axis.containers[0], fmt="{:,.0f}")
    for row in ("sightings/s per core", "write units / child-hour"):
        first = growth[min(growth)][row]
        axes[2].plot(list(growth), [each[row] / first for each in growth.values()], "o-", label=row)
    axes[2].set_xscale("log")
    axes[2].set_ylim(bottom=0)
    axes[2].set_xlabel("districts on one queue")
    axes[2].set_title("growth, relative to one district")
    axes[2].legend()
    figure.tight_layout()
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
