"""`jikimi drill`: rehearse a drill in this process and print its report; or many, and what they took."""

import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from events.simulator.city import City, CitySpec
from infra.local.demo import Language, Voice, percentile
from infra.local.rehearsal import Outcome, Plan, around, rehearse
from shared.domain.drill import KST, LONGEST, POINTS, InjectKind
from shared.i18n import sentence

FACILITIES = 68  # of the reference district
RESAMPLES = 10_000
OURS = ("operators", "push")
"""Kinds of messages an exercise may send: to consoles, here and where there is an agreement, and phones."""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def drill(
    *,
    seed: Annotated[int, typer.Option(help="The same seed is the same walk, people and injects.")] = 7,
    inject: Annotated[
        list[InjectKind] | None, typer.Option(help="What goes wrong on purpose; may be repeated.")
    ] = None,
    many: Annotated[
        int, typer.Option(min=0, max=200, help="So many walks in the reference district instead.")
    ] = 0,
    lang: Annotated[Language, typer.Option(help="The language of the report.")] = Language.KO,
) -> None:
    """Rehearse a drill: a decoy walks away, people search, the report is printed. Nothing leaves here."""
    console = Console(highlight=False, file=sys.stdout)  # what the functions print meanwhile is kept from it
    told = _Words(console, lang.value)
    if many:
        _rehearse_many(told, many, seed)
        return
    city = City.build(CitySpec.demo(), 7)
    console.rule(told("drill.title", seed=seed))
    console.print(told("drill.simulated"), style="dim")
    began = time.perf_counter()
    outcome = rehearse(city, Plan(seed, injects=tuple(inject or ())), told.happened)
    took_s = time.perf_counter() - began
    told.report(outcome)
    console.print(f"[dim]{outcome.lasted_s:.0f} s × {outcome.lasted_s / took_s:.0f}[/]")
    if leaks(outcome) or not outcome.report["chain_holds"]:
        raise typer.Exit(1)


def leaks(outcome: Outcome) -> int:
    """Messages that left an exercise for whom they must not reach, or unmarked: 0, or there is a fault."""
    return sum(1 for each in outcome.sent if each.status != "Exercise" or each.kind not in OURS)


def interval(values: Sequence[float], seed: int = 0) -> tuple[float, float, float]:
    """Mean, and its 95 % confidence interval by 10,000 bootstrap samples. ValueError for nothing."""
    if not values:
        raise ValueError("no values")
    drawn = np.random.default_rng(seed).choice(np.asarray(values), (RESAMPLES, len(values)))
    low, high = np.percentile(drawn.mean(axis=1), [2.5, 97.5])
    return statistics.fmean(values), float(low), float(high)


class _Words(Voice):
    """The sentences of a drill on a console."""

    def __call__(self, code: str, **params: Any) -> str:
        return sentence(code, params, self._language)

    def happened(self, at_s: float, code: str, params: Mapping[str, Any]) -> None:
        """One line of the story."""
        words = {k: self(f"drill.kind.{v}") if k == "kind" else v for k, v in params.items()}
        self.line(f"{at_s:6.0f} s  {self(f'drill.{code}', **words)}")

    def line(self, text: str) -> None:
        self._console.print(text, markup=False, soft_wrap=True)

    def report(self, outcome: Outcome) -> None:
        """The drill's report, as the API tells it."""
        told = outcome.report
        clock = {point: datetime.fromisoformat(at) for point, at in told["clock"].items()}
        points = Table(title=self("demo.clock"), title_justify="left", show_header=False)
        for point in POINTS:
            at = clock.get(point)
            since = "" if at is None or "T4" not in clock else f"{(at - clock['T4']).total_seconds():+.0f} s"
            moment = "–" if at is None else f"{at.astimezone(KST):%H:%M:%S}"
            points.add_row(point, self(f"demo.{point}"), moment, since)
        phases = Table(title_justify="left")
        for name in ("phase", "took", "before", "median", "p90"):
            phases.add_column(self(f"report.column.{name}"), justify="left" if name == "phase" else "right")
        for name, phase in told["phases"].items():
            figures = (phase["took_s"], phase["n"], phase["median_s"], phase["p90_s"])
            phases.add_row(self(f"report.phase.{name}"), *("–" if f is None else f"{f:.0f}" for f in figures))
        for table in (points, phases):
            self._console.print(table)
        self.line(self("drill.slowest", phase=self(f"report.phase.{told['slowest']}")))
        self.line(self("drill.missing", points=", ".join(told["missing"]) or "–"))
        self.line(f"{self('drill.lessons')}:")
        for finding in told["findings"]:
            self.line(f"  · {self.finding(finding)}")
        self.line(self("drill.wall", n=len(outcome.sent), leaks=leaks(outcome)))

    def finding(self, finding: Mapping[str, Any]) -> str:
        """A finding as a sentence, its phase named in words."""
        params = {k: self(f"report.phase.{v}") if k == "phase" else v for k, v in finding["params"].items()}
        return self(f"drill.lesson.{finding['code']}", **params)


def _rehearse_many(told: _Words, many: int, first_seed: int) -> None:
    """Walks at as many daycares of the reference district, and what they took (AT-10.6)."""
    city = City.build(CitySpec.reference(), 7)
    tenant = city.tenants[0].tenant_id
    told.line(told("drill.many.title", n=many))
    outcomes = []
    for seed in range(first_seed, first_seed + many):
        number = 1 + seed * 29 % FACILITIES
        near = around(city, city.facilities[tenant][number - 1])
        plan = Plan(seed, facility=number, children=2, until_secured=True)
        outcomes.append(rehearse(near, plan))
        took = {name: outcomes[-1].took_s(name) for name in ("T12-T4", "T12-T0")}
        minutes = {k: "–" if s is None else f"{s / 60:.1f}" for k, s in took.items()}
        told.line(
            told(
                "drill.many.walk",
                seed=seed,
                facility=number,
                report=minutes["T12-T4"],
                left=minutes["T12-T0"],
            )
        )
    told.line(told("drill.many.found", found=sum(o.report["secured"] for o in outcomes), n=many))
    for phase in ("T12-T4", "T12-T0"):
        taken = sorted(s / 60 for o in outcomes if (s := o.took_s(phase)) is not None)
        if taken:
            told.line(_figures(told, phase, taken))
    unfound = [LONGEST.total_seconds() / 60] * sum(not o.report["secured"] for o in outcomes)
    taken = [s / 60 for o in outcomes if (s := o.took_s("T12-T4")) is not None]
    if unfound:
        told.line(told("drill.many.open", mean=f"{statistics.fmean(taken + unfound):.1f}"))
    told.line(told("drill.many.beside"))
    told.line(told("drill.simulated"))


def _figures(told: _Words, phase: str, taken: Sequence[float]) -> str:
    mean, low, high = interval(taken)
    figures = {
        "mean": mean,
        "low": low,
        "high": high,
        "median": statistics.median(taken),
        "p90": percentile(taken, 0.9),
    }
    said = {name: f"{value:.1f}" for name, value in figures.items()}
    return told("drill.many.mean", phase=told(f"report.phase.{phase}"), n=len(taken), **said)


def main(arguments: list[str]) -> int:
    """`jikimi drill …`; the exit code."""
    return int(app(arguments, prog_name="jikimi drill", standalone_mode=False) or 0)
