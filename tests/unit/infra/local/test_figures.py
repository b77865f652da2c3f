"""What `jikimi report` and `jikimi audit verify` say, without a stack."""

import io
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest
from rich.console import Console

from infra.local.figures import Ledger, Period, verify
from infra.local.start import CloudFailed
from shared.adapters.clock import ManualClock
from shared.adapters.memory import MemoryCloud
from shared.adapters.wiring import memory_adapters
from shared.domain.drill import KST
from shared.ports import Cases
from tests.casework import START, opening


class Book(Ledger):
    """A ledger of one tenant in memory. faults: of its access log."""

    def __init__(self, faults: Sequence[Mapping[str, Any]] = ()) -> None:
        self.world = MemoryCloud(ManualClock(START))
        self.faults = faults
        self.cases("garam").create(*opening())

    def cases(self, tenant_id: str) -> Cases:
        return memory_adapters(self.world)(tenant_id).cases

    def log_faults(self, tenant_id: str) -> Sequence[Mapping[str, Any]]:
        return self.faults


def said(book: Book) -> tuple[int, list[str]]:
    out = io.StringIO()
    touched = verify(Console(file=out, width=200), book, ["garam"], "en")
    return touched, out.getvalue().splitlines()


def test_at_9_2_what_holds_is_said_to_hold() -> None:
    assert said(Book()) == (0, ["garam: the timelines of 1 cases and the access log hold."])


def test_at_9_2_a_touched_access_log_counts_and_names_its_line() -> None:
    touched, lines = said(Book([{"line": 7, "code": "chain"}]))

    assert (touched, lines) == (1, ["garam: line 7 of the access log is not as it was written (chain)."])


def test_at_2_8_a_case_that_is_gone_is_named() -> None:
    book = Book()
    book.world.table("cases").clear()

    assert said(book) == (1, ["garam: case case-1 was removed."])


def test_a_period_is_whole_days_in_korea() -> None:
    period = Period.of("2026-05-01", "2026-05-02")

    assert (period.until - period.since, period.since.utcoffset()) == (
        timedelta(days=2),
        KST.utcoffset(None),
    )


def test_a_day_that_is_none_is_said_to_be_none() -> None:
    with pytest.raises(CloudFailed, match="looks like 2026-05-01"):
        Period.of("May", "")
