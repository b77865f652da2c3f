"""`jikimi report` and `jikimi audit verify`: a tenant's figures, and whether its timelines hold."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from rich.console import Console
from rich.table import Table

from infra.local.deploy import STACK, Place, outputs
from infra.local.start import CloudFailed, running
from shared.adapters.cases import DynamoCases, audit, opened_in
from shared.adapters.tenants import stored_tenants
from shared.domain.drill import KST
from shared.domain.report import Kpi, kpi
from shared.i18n import sentence
from shared.ports import Cases

YEAR = timedelta(days=365)
BEGINNING = datetime.min.replace(tzinfo=UTC)


class Ledger:
    """The cases of every tenant of a stack, read only."""

    def __init__(self, place: Place, stack: str = STACK) -> None:
        known = outputs(place, stack)
        self._dynamodb = place.client("dynamodb")
        self._lambda, self._keeper = place.client("lambda"), known["KeepRecordsFunction"]
        self._registry, self._cases = known["RegistryTable"], known["CasesTable"]

    def tenants(self) -> Sequence[str]:
        return stored_tenants(self._registry, self._dynamodb)

    def cases(self, tenant_id: str) -> Cases:
        """The tenant's cases. CloudFailed when there is no such tenant."""
        if tenant_id not in self.tenants():
            raise CloudFailed(f"There is no tenant {tenant_id!r}. There are: {', '.join(self.tenants())}")
        return DynamoCases(tenant_id, self._cases, self._dynamodb)

    def log_faults(self, tenant_id: str) -> Sequence[Mapping[str, Any]]:
        """Where the tenant's access log does not fit its chain or its anchors, as its keeper finds."""
        order = json.dumps({"do": "verify", "tenant_id": tenant_id}).encode()
        answer = self._lambda.invoke(FunctionName=self._keeper, Payload=order)
        told = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            raise CloudFailed(f"The access log of {tenant_id} was not checked: {told.get('errorType', told)}")
        faults: Sequence[Mapping[str, Any]] = told["faults"]
        return faults


def ledger(endpoint: str, *, aws: bool, region: str, stack: str) -> Ledger:
    """Of the local cloud that runs, of an emulator, or of AWS. CloudFailed when there is none."""
    return Ledger(place_of(endpoint, aws=aws, region=region), stack)


def place_of(endpoint: str, *, aws: bool, region: str) -> Place:
    """The local cloud that runs, an emulator, or AWS. CloudFailed when there is none."""
    if aws:
        return Place(None, region)
    known = running()
    if not endpoint and known is None:
        raise CloudFailed("No local cloud is running. Start one: jikimi up; or say --aws, or --endpoint.")
    return Place(endpoint or (known.endpoint if known else None), region)


@dataclass(frozen=True, slots=True)
class Period:
    """From when to when cases were opened. Aware times."""

    since: datetime
    until: datetime

    @classmethod
    def of(cls, since: str, until: str) -> "Period":
        """From two days in Korea ("2026-05-01"), both included; empty: today, and a year before the end."""
        try:
            last, first = (
                datetime.fromisoformat(day).replace(tzinfo=KST) if day else None for day in (until, since)
            )
        except ValueError as error:
            raise CloudFailed(f"A day looks like 2026-05-01. ({error})") from error
        end = datetime.now(KST) if last is None else last + timedelta(days=1)
        return cls(first or end - YEAR, end)


def show_figures(console: Console, cases: Cases, tenant_id: str, period: Period, language: str) -> None:
    """Print the figures of the cases opened in a period, each group by itself."""
    days = {"since": period.since, "until": period.until}
    said = {name: f"{at.astimezone(KST):%Y-%m-%d}" for name, at in days.items()}
    _say(console, "report.title", {"tenant": tenant_id, **said}, language, style="bold")
    for group in kpi(opened_in(cases, period.since, period.until)):
        _show(console, group, language)
    _say(console, "report.never", {}, language, style="dim")


def verify(console: Console, book: Ledger, tenant_ids: Sequence[str], language: str) -> int:
    """Walk the chain of every case and of the access log; print what was touched. Returns how much was."""
    touched = 0
    for tenant_id in tenant_ids:
        cases = book.cases(tenant_id)
        broken = audit(cases, BEGINNING)
        for case_id, line in broken.items():
            params: dict[str, Any] = {"tenant": tenant_id, "case_id": case_id, "line": line}
            _say(console, "report.broken" if line else "report.gone", params, language, style="bold red")
        faults = book.log_faults(tenant_id)
        for fault in faults:
            _say(console, "report.log-broken", {"tenant": tenant_id, **fault}, language, style="bold red")
        if not broken and not faults:
            params = {"tenant": tenant_id, "n": len(cases.listed(BEGINNING))}
            _say(console, "report.holds", params, language)
        touched += len(broken) + len(faults)
    return touched


def _show(console: Console, group: Kpi, language: str) -> None:
    name = sentence(f"report.group.{group.group}", {}, language)
    counted = {"n": group.n, "not_secured": group.not_secured, "still_open": group.still_open}
    _say(console, "report.cases", {"group": name, **counted}, language, style="bold")
    measured = {phase: spread for phase, spread in group.phases.items() if spread.n}
    if not measured:
        return
    table = Table()
    for column in ("phase", "n", "median", "p90", "max"):
        justify = "left" if column == "phase" else "right"
        table.add_column(sentence(f"report.column.{column}", {}, language), justify=justify)  # type: ignore[arg-type]
    for phase, spread in measured.items():
        seconds = (f"{value:.0f} s" for value in (spread.median_s, spread.p90_s, spread.max_s))
        table.add_row(sentence(f"report.phase.{phase}", {}, language), str(spread.n), *seconds)
    console.print(table)


def _say(console: Console, code: str, params: dict[str, Any], language: str, style: str = "") -> None:
    console.print(sentence(code, params, language), style=style, markup=False, soft_wrap=True)
