"""Every disclosure of a child's place owes its guardian a notice (위치정보법 19③, FIELD L15).

A disclosure is on the case as a step `disclosed:<to>:<when>`, its answer as `noticed:disclosed:…`; the
timeline has a line for each, so that the two can be counted against each other years later.
A run of versions to one recipient is one disclosure; a new grant is a new one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.domain.case import Actor, Case, Change, Entry, done, note

AT_ONCE = timedelta(seconds=60)
"""A disclosure that is neither told nor deferred after this long is a fault (FIELD AT-5.4)."""
_HELD = "hold-notices:"
WALLED = "exercise-wall"
"""Why an exercise's notice is deferred for good: it never reaches a guardian."""


@dataclass(frozen=True, slots=True)
class Balance:
    """Disclosures against what became of their notices; `missing` are the owing lines' numbers."""

    disclosures: int
    sent: int
    deferred: int
    missing: tuple[int, ...]


def disclose(
    case: Case, to: str, since: datetime, by: Actor, at: datetime, *, purpose: str, basis: str, **said: str
) -> Change:
    """The child's place goes to a third party: on record once, and from now on the guardian is owed a notice.

    to: "police", "police-request" or a tenant's id. since: what makes it one disclosure (the offer, the
    report, the request). purpose, basis: codes (i18n `common.value.*`). said: more for the line.
    """
    disclosure = disclosing(to, since)
    if disclosure in case.steps:
        return case, ()
    params = {"disclosure": disclosure, "to": to, "purpose": purpose, "basis": basis, **said}
    after, entries = note(case, "disclosed", params, by, at)
    return done(after, disclosure), entries


def hold(case: Case, reason: str, until: datetime, by: Actor, at: datetime) -> Change:
    """Notices of this case wait until then: one would endanger a life (위치정보법 29⑥). On record."""
    params = {"reason": reason, "until": until.isoformat()}
    after, entries = note(case, "notices-held", params, by, at)
    return done(after, f"{_HELD}{until.isoformat()}:{reason}"), entries


def held(case: Case, now: datetime) -> tuple[str, datetime] | None:
    """(reason, until) of the hold on this case's notices that lasts longest, or None."""
    holds = [step.removeprefix(_HELD).rsplit(":", 1) for step in case.steps if step.startswith(_HELD)]
    lasting = [(datetime.fromisoformat(until), reason) for until, reason in holds]
    until, reason = max(lasting, default=(now, ""))
    return (reason, until) if until > now else None


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


def overdue(entries: Sequence[Entry], now: datetime) -> tuple[int, ...]:
    """Lines of disclosures whose notice is late: not told nor deferred in a minute, or past its due date."""
    sent = {str(e.params["disclosure"]) for e in entries if e.code == "notice-sent"}
    later = {str(e.params["disclosure"]): e.params for e in entries if e.code == "notice-deferred"}

    def is_late(line: Entry) -> bool:
        params = later.get(str(line.params["disclosure"]))
        if params is None:
            return now - line.at > AT_ONCE
        return params["reason"] != WALLED and datetime.fromisoformat(str(params["due"])) < now

    return tuple(
        e.seq for e in entries if e.code == "disclosed" and e.params["disclosure"] not in sent and is_late(e)
    )
