"""Every disclosure of a child's place owes its guardian a notice (위치정보법 19③, FIELD L15).

A disclosure is on the case as a step `disclosed:<to>:<when>`, its answer as `noticed:disclosed:…`; the
timeline has a line for each, so that the two can be counted against each other years later.
A run of versions to one recipient is one disclosure; a new grant is a new one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.domain.case import Case, Entry


@dataclass(frozen=True, slots=True)
class Balance:
    """Disclosures against what became of their notices; `missing` are the owing lines' numbers."""

    disclosures: int
    sent: int
    deferred: int
    missing: tuple[int, ...]


def disclosing(to: str, at: datetime) -> str:
    """The step of one disclosure."""
    return f"disclosed:{to}:{at.isoformat()}"


def noticing(disclosure: str) -> str:
    """The step that answers a disclosure."""
    return f"noticed:{disclosure}"


def recipient(disclosure: str) -> str:
    """To whom a disclosure went: "police" or a tenant's id."""
    return disclosure.split(":")[1]


def unnoticed(case: Case) -> tuple[str, ...]:
    """Disclosures the guardian has neither been told of nor is owed later."""
    steps = set(case.steps)
    return tuple(s for s in case.steps if s.startswith("disclosed:") and noticing(s) not in steps)


def reconcile(entries: Sequence[Entry]) -> Balance:
    """Disclosures = notices + deferred; the difference by line number."""
    owed = {str(e.params["disclosure"]): e.seq for e in entries if e.code == "disclosed"}
    sent = {str(e.params["disclosure"]) for e in entries if e.code == "notice-sent"}
    deferred = {str(e.params["disclosure"]) for e in entries if e.code == "notice-deferred"} - sent
    missing = tuple(seq for disclosure, seq in owed.items() if disclosure not in sent | deferred)
    return Balance(len(owed), len(sent & set(owed)), len(deferred & set(owed)), missing)
