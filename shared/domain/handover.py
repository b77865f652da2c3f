"""What the police were given, how, and what they asked for: deliveries, personal links, information requests.

A delivery is a line of the case's hash-chained timeline (FIELD AT-4.2). A request's own lines are chained
the same way; with a case it also stands on the case's timeline.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from shared.domain.case import CHAIN_START, Actor, Case, Change, Entry, chained, handing_over, note
from shared.domain.errors import Conflict, NotFound, Rejected
from shared.domain.places import Status

LINK_LIVES = timedelta(hours=24)
LINK_GRACE = timedelta(minutes=15)
"""A link outlives the search by this much (FIELD AT-4.3)."""
KEPT = timedelta(days=92)
"""Police copies of a place are destroyed after three months (위치정보법 시행령 30의2②, FIELD L21)."""
ANSWER_DUE = timedelta(hours=1)
"""When the police name no time: somebody is missing."""


class Channel(StrEnum):
    """How a version got to its recipient."""

    WEBHOOK = "webhook"
    LINK = "link"
    PRINT = "print"
    FAX = "fax"
    MAIL = "mail"
    VISIT = "visit"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One version at one recipient. to: "police", an account or a station; receipt: the receiver's number."""

    seq: int
    at: datetime
    by: str
    to: str
    channel: Channel
    version: int
    checksum: str
    purpose: str
    receipt: str = ""


def numbered(case: Case, at: datetime) -> Case:
    """The case with a number for what it says now: the newest version's while that is still the same."""
    return replace(handing_over(case, at), tried=case.tried)


def delivered(
    case: Case,
    *,
    version: int,
    checksum: str,
    channel: Channel,
    to: str,
    purpose: str,
    by: Actor,
    at: datetime,
) -> Change:
    """The line that says who got which version, when, how and what for.

    Conflict for an exercise: nothing of it reaches the police (FIELD AT-10.2).
    """
    if case.status is not Status.ACTUAL:
        raise Conflict("exercise-wall")
    params = {
        "version": version,
        "checksum": checksum,
        "channel": channel.value,
        "to": to,
        "purpose": purpose,
    }
    return note(case, "delivered", params, by, at)


def deliveries(entries: Sequence[Entry]) -> tuple[Delivery, ...]:
    """Every delivery of a timeline, oldest first: those of the webhook and those by hand and link."""
    return tuple(_delivery(e) for e in entries if e.code in ("delivered", "handed-over"))


def _delivery(entry: Entry) -> Delivery:
    said = entry.params
    return Delivery(
        seq=entry.seq,
        at=entry.at,
        by=entry.actor,
        to=str(said.get("to", "police")),
        channel=Channel(said.get("channel", "webhook")),
        version=int(said["version"]),
        checksum=str(said.get("checksum", "")),
        purpose=str(said.get("purpose", "search")),
        receipt=str(said.get("receipt", "")),
    )


@dataclass(frozen=True, slots=True)
class PoliceLink:
    """One person's way to the newest version. to: the account that may open it, signed in, and nobody else.

    shown: newest version that was shown. version: rises with each save.
    """

    link_id: str
    case_id: str
    to: str
    purpose: str
    made_by: str
    made_at: datetime
    opened_at: datetime | None = None
    shown: int = 0
    stopped_at: datetime | None = None
    version: int = 0

    def ends_at(self, case: Case) -> datetime:
        """24 hours after it was made, or 15 minutes after the child was secured or the case closed."""
        over = [case.clock[point] + LINK_GRACE for point in ("T12", "T14") if point in case.clock]
        stopped = [self.stopped_at] if self.stopped_at else []
        return min([self.made_at + LINK_LIVES, *over, *stopped])


def opened(link: PoliceLink, case: Case, reader: str, now: datetime) -> PoliceLink:
    """The link as its recipient opens it. NotFound for anybody else, and after its end."""
    if reader != link.to or link.ends_at(case) <= now:
        raise NotFound("link-not-found")
    return link if link.opened_at else replace(link, opened_at=now)


class Basis(StrEnum):
    """The law a request for information rests on."""

    MISSING_CHILD_ACT = "missing-child-act-9-2"  # 실종아동법 9조의2: CCTV, cards, transit, medical
    LOCATION_ACT = "location-act-29"  # 위치정보법 29: personal location
    OTHER = "other"  # with the article in words


@dataclass(frozen=True, slots=True)
class Item:
    """One thing asked for. kind: "cctv", "position", "track", "subject", "guardian" or "other"."""

    kind: str
    detail: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of item `no` (from 1): given, exactly what; or refused, why."""

    no: int
    given: str = ""
    refused: str = ""


@dataclass(frozen=True, slots=True)
class InformationRequest:
    """What the police asked for (실종아동법 시행령 4의5), and the answer. lines: what happened, chained.

    station: who asks, as an organisation. document_no: the number on their request form.
    """

    request_id: str
    received_at: datetime
    received_by: str
    channel: str
    station: str
    document_no: str
    basis: Basis
    article: str
    purpose: str
    items: tuple[Item, ...]
    due_at: datetime
    case_id: str = ""
    answered_at: datetime | None = None
    answered_by: str = ""
    decisions: tuple[Decision, ...] = ()
    lines: tuple[Entry, ...] = ()
    version: int = 0

    def is_overdue(self, now: datetime) -> bool:
        """Whether nobody has answered and the time is over."""
        return self.answered_at is None and self.due_at <= now

    @property
    def was_late(self) -> bool:
        return self.answered_at is not None and self.due_at < self.answered_at

    @property
    def gives(self) -> bool:
        """Whether anything was given."""
        return any(each.given for each in self.decisions)


def asked(request: InformationRequest, by: Actor) -> InformationRequest:
    """A new request with its first line. Rejected when the basis is "other" and no article is named."""
    if request.basis is Basis.OTHER and not request.article.strip():
        raise Rejected("request-needs-article")
    return _line(request, "information-asked", by, request.received_at, _question(request))


def answered(
    request: InformationRequest, decisions: Sequence[Decision], by: Actor, at: datetime
) -> InformationRequest:
    """Each item given, exactly what, or refused with the reason.

    Conflict when it was answered already; Rejected unless every item is decided once, one way.
    """
    if request.answered_at is not None:
        raise Conflict("request-answered")
    if sorted(each.no for each in decisions) != list(range(1, len(request.items) + 1)):
        raise Rejected("request-items-undecided")
    if any(bool(each.given.strip()) == bool(each.refused.strip()) for each in decisions):
        raise Rejected("refusal-needs-reason")
    after = replace(request, answered_at=at, answered_by=by.actor_id, decisions=tuple(decisions))
    return _line(after, "information-answered", by, at, {"items": _exactly(after)})


def summary(request: InformationRequest) -> dict[str, Any]:
    """What the case's timeline says of an answer: counts, and the digest of the line with the exact items."""
    given = sum(bool(each.given) for each in request.decisions)
    return {
        "request_id": request.request_id,
        "basis": request.basis.value,
        "given": given,
        "refused": len(request.decisions) - given,
        "digest": request.lines[-1].chain,
    }


def chain_holds(request: InformationRequest) -> bool:
    """Whether no line of the request, nor what it says now, was edited."""
    previous = CHAIN_START
    for seq, entry in enumerate(request.lines, 1):
        if entry.seq != seq or entry.chain != chained(previous, entry):
            return False
        previous = entry.chain
    said = {entry.code: entry.params for entry in request.lines}
    question = {**said.get("information-asked", {})}
    question.pop("role", None)
    if question != _question(request):
        return False
    answer = said.get("information-answered")
    return (answer is None) == (request.answered_at is None) and (
        answer is None or list(answer["items"]) == _exactly(request)
    )


@dataclass(frozen=True, slots=True)
class LedgerCheck:
    """What the yearly check of the request ledger found (실종아동법 시행규칙 8의3, FIELD L7)."""

    year: int
    asked: int
    by_basis: Mapping[str, int]
    items_given: int
    items_refused: int
    answered_late: int
    overdue: tuple[str, ...]
    broken: tuple[str, ...]
    checked_at: datetime | None = None
    checked_by: str = ""


def ledger_check(requests: Sequence[InformationRequest], year: int, now: datetime) -> LedgerCheck:
    """The ledger of a year, counted and verified. requests: those received in that year."""
    decisions = [each for request in requests for each in request.decisions]
    return LedgerCheck(
        year=year,
        asked=len(requests),
        by_basis=dict(Counter(request.basis.value for request in requests)),
        items_given=sum(bool(each.given) for each in decisions),
        items_refused=sum(bool(each.refused) for each in decisions),
        answered_late=sum(request.was_late for request in requests),
        overdue=tuple(r.request_id for r in requests if r.is_overdue(now)),
        broken=tuple(r.request_id for r in requests if not chain_holds(r)),
    )


def _question(request: InformationRequest) -> dict[str, Any]:
    return {
        "station": request.station,
        "document_no": request.document_no,
        "basis": request.basis.value,
        "article": request.article,
        "purpose": request.purpose,
        "items": [f"{item.kind}: {item.detail}" for item in request.items],
        "due": request.due_at.isoformat(),
        "case_id": request.case_id,
        "channel": request.channel,
    }


def _exactly(request: InformationRequest) -> list[str]:
    ordered = sorted(request.decisions, key=lambda each: each.no)
    return [f"{d.no} given: {d.given}" if d.given else f"{d.no} refused: {d.refused}" for d in ordered]


def _line(
    request: InformationRequest, code: str, by: Actor, at: datetime, params: Mapping[str, Any]
) -> InformationRequest:
    previous = request.lines[-1].chain if request.lines else CHAIN_START
    bare = Entry(len(request.lines) + 1, at, by.actor_id, code, {"role": by.role, **params}, "")
    return replace(request, lines=(*request.lines, replace(bare, chain=chained(previous, bare))))
