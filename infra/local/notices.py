"""Whether every handing on of a child's place was told to its guardian: `jikimi notices check`."""

from datetime import UTC, datetime, timedelta

from rich.console import Console
from rich.table import Table

from infra.local.deploy import STACK, Place, outputs
from infra.local.start import REGION, CloudFailed, running
from shared.adapters.cases import DynamoCases
from shared.adapters.notices import Check, check
from shared.adapters.tenants import stored_tenants

out = Console(highlight=False)


def check_notices(
    *, days: int, tenant: str = "", aws: bool = False, region: str = REGION, stack: str = STACK
) -> int:
    """Print disclosures against notices for each district. Returns 1 when a notice is missing or late."""
    known = None if aws else running()
    if known is None and not aws:
        raise CloudFailed("No local cloud is running. Start one (jikimi up), or look at AWS: --aws.")
    place = Place(None if known is None else known.endpoint, region)
    tables = outputs(place, stack) if known is None else known.outputs
    dynamodb, now = place.client("dynamodb"), datetime.now(UTC)
    tenants = [tenant] if tenant else stored_tenants(tables["RegistryTable"], dynamodb)
    checks = {
        each: check(DynamoCases(each, tables["CasesTable"], dynamodb), now - timedelta(days=days), now)
        for each in tenants
    }
    out.print(table(checks))
    for each, found in checks.items():
        for what, lines in (("no notice", found.missing), ("late", found.late)):
            for case_id, line in lines:
                out.print(f"{each} {case_id} line {line}: {what}", style="red")
    return int(any(found.missing or found.late for found in checks.values()))


def table(checks: dict[str, Check]) -> Table:
    """disclosures = notices + deferred, by district."""
    made = Table(box=None, pad_edge=False)
    for name in ("district", "cases", "disclosures", "notices", "deferred", "difference", "late"):
        made.add_column(name, justify="left" if name == "district" else "right")
    for tenant, found in checks.items():
        numbers = (
            found.cases,
            found.disclosures,
            found.sent,
            found.deferred,
            found.difference,
            len(found.late),
        )
        made.add_row(tenant, *(str(number) for number in numbers))
    return made
