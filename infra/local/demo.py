"""`jikimi demo`: a child leaves a group, is missed, searched for across a district border, and found."""

import statistics
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from enum import StrEnum
from functools import partial
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from events.simulator.city import City, CitySpec
from events.simulator.scenario import load, names
from infra.local.cloud import LocalCloud, local_cloud
from infra.local.meter import wall_s
from infra.local.performance import Performance, perform
from infra.local.police import PoliceDesk
from infra.local.stage import Line, Record, wall_clock
from shared.i18n import sentence

KST = timezone(timedelta(hours=9))
POINTS = (*(f"T{n}" for n in range(9)), "T8c", *(f"T{n}" for n in range(9, 15)))


class Language(StrEnum):
    KO = "ko"
    EN = "en"


class Voice:
    """The sentences of one language on a console."""

    def __init__(self, console: Console, language: str) -> None:
        self._console = console
        self._language = language

    def __call__(self, code: str, **params: Any) -> str:
        return sentence(f"demo.{code}", params, self._language)

    def tell(self, line: Line) -> None:
        """A line of the story, at its scenario time."""
        text = sentence(line.code, line.params, self._language)
        style = {"demo.outing-departed": "bold red", "timeline.opened": "bold"}.get(line.code, "")
        if line.code.startswith("demo.did-"):
            style = "cyan"
        self._console.print(f"[dim]{line.at.astimezone(KST):%H:%M:%S}[/] ", end="")
        self._console.print(text, style=style, markup=False)

    def show(self, shown: Performance) -> None:
        """The report: clock, positions, door, cost, latency, checks."""
        for table in (
            self._clock(shown),
            self._positions(shown),
            self._door(shown),
            self._cost(shown),
            self._checks(shown),
        ):
            self._console.print()
            self._console.print(table)

    def _clock(self, shown: Performance) -> Table:
        table = Table(title=self("clock"), title_justify="left")
        for heading in ("", "moment", "at", "from-report"):
            table.add_column(
                self(heading) if heading else "", justify="right" if "from" in heading else "left"
            )
        clock = clock_points(shown)
        for point in POINTS:
            at = clock.get(point)
            since = "" if at is None or "T4" not in clock else f"{(at - clock['T4']).total_seconds():+.0f} s"
            table.add_row(point, self(point), "–" if at is None else f"{at.astimezone(KST):%H:%M:%S}", since)
        return table

    def _positions(self, shown: Performance) -> Table:
        table = Table(title=self("positions"), title_justify="left", show_header=False)
        samples = shown.record.samples
        table.add_row(self("fixes"), str(len(samples)))
        if samples:
            errors = sorted(sample.error_m for sample in samples)
            table.add_row(self("median"), f"{statistics.median(errors):.1f} m")
            table.add_row(self("p90"), f"{percentile(errors, 0.9):.1f} m")
            table.add_row(self("radius"), f"{statistics.median(s.semi_major_m for s in samples):.1f} m")
            table.add_row(self("coverage"), f"{statistics.mean(s.inside for s in samples):.0%}")
            table.add_row(self("gap"), f"{shown.longest_gap_s:.0f} s")
        names = {tenant.tenant_id: tenant.name for tenant in shown.play.city.tenants}
        table.add_row(self("districts"), " → ".join(names[t] for t in shown.chain))
        return table

    def _door(self, shown: Performance) -> Table:
        table = Table(title=self("door"), title_justify="left")
        for heading in ("tenant", "door-moment", "answer"):
            table.add_column(self(heading))
        for knock in shown.record.knocks:
            table.add_row(knock.tenant_id, knock.moment, str(knock.status))
        return table

    def _cost(self, shown: Performance) -> Table:
        meter, record = shown.meter, shown.record
        table = Table(title=self("cost"), title_justify="left", show_header=False)
        table.add_row(self("messages"), f"{record.messages:,} ({record.payload_bytes / 1024:.0f} KB)")
        table.add_row(self("sightings"), f"{record.sightings:,}")
        table.add_row(self("stored"), f"{meter.stored:,}")
        table.add_row(
            self("dropped"), ", ".join(f"{k} {n:,}" for k, n in sorted(meter.dropped.items())) or "0"
        )
        table.add_row(self("quarantined"), str(meter.quarantined))
        calls = ", ".join(f"{name} {n:,}" for name, n in meter.invocations.items() if n)
        table.add_row(self("invocations"), f"{sum(meter.invocations.values()):,} ({calls})")
        table.add_row(self("write-units"), f"{meter.write_units:,}")
        table.add_row(self("transitions"), str(meter.transitions))
        exercise = shown.status != "Actual" and not shown.handovers
        table.add_row(self("police"), self("withheld") if exercise else f"{len(shown.handovers)}")
        lags = sorted(meter.lags_ms)
        if lags:
            p50, p99 = percentile(lags, 0.5), percentile(lags, 0.99)
            table.add_row(self("stored-lag"), f"p50 {p50 / 1000:.2f} s, p99 {p99 / 1000:.2f} s")
        if (push_s := first_push_s(shown.record)) is not None:
            table.add_row(self("push-lag"), f"{push_s:.2f} s")
        table.add_row(self("took"), f"{record.wall_s:.0f} s × {record.speed:g}")
        return table

    def _checks(self, shown: Performance) -> Table:
        table = Table(title=self("checks"), title_justify="left", show_header=False)
        for code, holds in shown.checks().items():
            table.add_row(self(code), "[green]" + self("ok") if holds else "[red]" + self("no"))
        return table


def clock_points(shown: Performance) -> dict[str, datetime]:
    """The case's clock; T0 is the truth only a simulation or a drill's observer knows."""
    points = {k: datetime.fromisoformat(v) for k, v in shown.record.case.get("clock", {}).items()}
    if (left_s := shown.play.marks.get("child leaves")) is not None:
        points["T0"] = datetime.fromtimestamp(shown.play.start_ms / 1000 + left_s, KST)
    return points


def first_push_s(record: Record) -> float | None:
    """Wall seconds from the report to the first push that a provider took, or None."""
    told = [entry for entry in record.timeline if entry["code"] == "teachers-told"]
    if not told or "T4" not in record.case.get("clock", {}):
        return None
    return wall_s(record.case["clock"]["T4"], told[0]["at"], record.speed)


def percentile(ordered: Sequence[float], share: float) -> float:
    """The nearest-rank percentile of values in ascending order."""
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def demo(
    *,
    scenario: Annotated[
        str, typer.Option(help=f"One of: {', '.join(names())}; or a file.")
    ] = "crosses_the_border",
    seed: Annotated[int, typer.Option(help="The same seed is the same city, walk and radio.")] = 7,
    speed: Annotated[
        float | None, typer.Option(help="Times faster than life. [default: 5, or 1 with --keep]")
    ] = None,
    lang: Annotated[Language, typer.Option(help="The language of the story.")] = Language.KO,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave it running and print addresses and logins.")
    ] = False,
    drill: Annotated[bool, typer.Option("--drill", help="As an exercise: the police are not told.")] = False,
) -> None:
    """Watch a child leave a group, be missed, searched for across a border, and found."""
    console = Console(highlight=False)
    voice = Voice(console, lang.value)
    story = load(scenario)
    rate = speed or (1.0 if keep else 5.0)
    setting, clock = wall_clock(rate)
    console.rule(f"{voice('title')} · {story.title[lang.value]}")
    with console.status(voice("opening")) as spinner, local_cloud(clock=setting, say=spinner.update) as cloud:
        with PoliceDesk(partial(police_secret, cloud)) as desk:

            def tell(line: Line) -> None:
                spinner.stop()
                voice.tell(line)

            shown = perform(
                cloud,
                story,
                City.build(CitySpec.of(story.city), seed),
                clock,
                desk=desk,
                seed=seed,
                speed=rate,
                status="Exercise" if drill else "Actual",
                say=spinner.update,
                tell=tell,
            )
        voice.show(shown)
        if keep:
            cloud.keep()
            _print_logins(console, voice, cloud)
    if not all(shown.checks().values()):
        raise typer.Exit(1)


def police_secret(cloud: LocalCloud) -> bytes:
    secret = cloud.client("secretsmanager").get_secret_value(SecretId=cloud.outputs["PoliceSecretArn"])
    return str(secret["SecretString"]).encode()


def _print_logins(console: Console, voice: Voice, cloud: LocalCloud) -> None:
    console.print()
    for page in ("console", "phone", "wall", "v1/openapi.json"):
        console.print(f"{cloud.api_url}/{page}", soft_wrap=True)
    table = Table(title=voice("logins"), title_justify="left", show_header=False)
    for username, password in sorted(cloud.passwords.items()):
        table.add_row(username, password)
    console.print(table)
    console.print(voice("kept"))


def main(arguments: list[str]) -> int:
    """`jikimi demo …`; the exit code."""
    return int(app(arguments, prog_name="jikimi demo", standalone_mode=False) or 0)
