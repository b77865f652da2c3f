"""`jikimi report` and `jikimi audit verify`, on the stack itself."""

import io
from dataclasses import replace
from datetime import timedelta

import pytest
from rich.console import Console

from infra.local.cloud import LocalCloud
from infra.local.figures import Ledger, Period, show_figures, verify
from infra.local.start import CloudFailed
from shared.adapters import wiring
from shared.adapters.cases import change
from shared.adapters.wiring import AwsAdapters
from shared.domain import case as cases
from shared.domain.case import CloseReason
from shared.domain.places import Status, Tenant
from tests.casework import START, SUBJECT, at, opening, strip, who
from tests.integration.conftest import environment_of, fresh_tenant

PERIOD = Period(START - timedelta(days=1), START + timedelta(days=1))


@pytest.fixture
def tenant(local_cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> str:
    """A tenant with a real case that took ten minutes, a drill that took two, and a false alarm."""
    monkeypatch.setattr(wiring, "client", local_cloud.client)
    tenant_id = fresh_tenant()
    on = AwsAdapters(tenant_id, environment_of(local_cloud))
    on.registry.put(Tenant(tenant_id, "가람구", strip(0)))
    for case_id, status, secured_s, reason in (
        ("real", Status.ACTUAL, 600, CloseReason.FOUND),
        ("drill", Status.EXERCISE, 120, CloseReason.FOUND),
        ("false", Status.ACTUAL, 0, CloseReason.FALSE_ALARM),
    ):
        subject = replace(SUBJECT, subject_id=f"child-{case_id}")
        on.cases.create(*opening(tenant_id=tenant_id, case_id=case_id, status=status, subject=subject))
        if secured_s:
            change(on.cases, case_id, lambda c, s=secured_s: cases.secured(c, "police", who(), at(s)))  # type: ignore[misc]
        change(on.cases, case_id, lambda c, r=reason: cases.close(c, r, "", who(), at(700)))  # type: ignore[misc]
    return tenant_id


def test_figures_are_printed_group_by_group(local_cloud: LocalCloud, tenant: str) -> None:
    said = io.StringIO()
    book = Ledger(local_cloud.place)

    show_figures(Console(file=said, width=200), book.cases(tenant), tenant, PERIOD, "en")

    lines = said.getvalue().splitlines()
    assert [line for line in lines if "not secured" in line] == [
        "real: 1 cases · 0 not secured (0 still searched for)",
        "[Drill]: 1 cases · 0 not secured (0 still searched for)",
        "false alarm: 1 cases · 1 not secured (0 still searched for)",
    ]
    assert [line.split("│")[3].strip() for line in lines if "report → secured" in line] == ["600 s", "120 s"]


def test_at_2_8_a_touched_line_is_named_and_counted(local_cloud: LocalCloud, tenant: str) -> None:
    book, said = Ledger(local_cloud.place), io.StringIO()
    console = Console(file=said, width=200)
    before = verify(console, book, [tenant], "en")
    key = {"pk": {"S": f"{tenant}#case#real"}, "sk": {"S": "t#000002"}}
    local_cloud.client("dynamodb").delete_item(TableName=local_cloud.outputs["CasesTable"], Key=key)

    after = verify(console, book, [tenant], "en")

    assert (before, after) == (0, 1)
    assert said.getvalue().splitlines() == [
        f"{tenant}: the timelines of 3 cases and the access log hold.",
        f"{tenant}: in case real line 2 was edited or removed.",
    ]


def test_a_tenant_that_is_not_there_is_said_to_be_so(local_cloud: LocalCloud) -> None:
    with pytest.raises(CloudFailed, match="no tenant"):
        Ledger(local_cloud.place).cases("nowhere")
