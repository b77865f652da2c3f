"""Police liaison on the wire: who got the hand-over, personal links to it, and requests for information."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

from annotated_types import Interval
from pydantic import ConfigDict, Field, StringConstraints

from shared.domain.case import Case
from shared.domain.handover import (
    Basis,
    Decision,
    Delivery,
    InformationRequest,
    LedgerCheck,
    PoliceLink,
    chain_holds,
)
from shared.schema.handover import HandOver
from shared.schema.http import Asked, Id, Moment, Note, Told

Station = Annotated[str, StringConstraints(min_length=1, max_length=80, strip_whitespace=True)]
"""An organisation, never a person's name."""
Words = Annotated[str, StringConstraints(max_length=400)]
Year = Annotated[int, Interval(ge=2000, le=2199)]
Purpose = Literal["search", "drill-report", "investigation"]


class DeliveryAsked(Asked):
    """The page was printed, faxed, mailed or carried to somebody."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"version": 1, "channel": "fax", "to": "가람경찰서 여성청소년과"}]}
    )

    version: Annotated[int, Field(ge=1, le=999_999)]
    channel: Literal["print", "fax", "mail", "visit"]
    to: Station
    purpose: Purpose = "search"


class DeliveryTold(Told):
    """Who got which version. seq: its line on the timeline; receipt: the receiver's number."""

    seq: int
    at: datetime
    by: str
    to: str
    channel: str
    version: int
    checksum: str
    purpose: str
    receipt: str

    @classmethod
    def of(cls, each: Delivery) -> "DeliveryTold":
        return cls(
            seq=each.seq,
            at=each.at,
            by=each.by,
            to=each.to,
            channel=each.channel.value,
            version=each.version,
            checksum=each.checksum,
            purpose=each.purpose,
            receipt=each.receipt,
        )


class Deliveries(Told):
    """acknowledged_at: T10. prompt: nobody acknowledged in time and the operator is asked to call."""

    now: datetime
    acknowledged_at: datetime | None
    prompt: bool
    deliveries: list[DeliveryTold]

    @classmethod
    def of(cls, case: Case, each: Sequence[Delivery], now: datetime) -> "Deliveries":
        return cls(
            now=now,
            acknowledged_at=case.clock.get("T10"),
            prompt="police-silent" in case.steps and "T10" not in case.clock,
            deliveries=[DeliveryTold.of(one) for one in each],
        )


class LinkAsked(Asked):
    """to: the account that may open it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"to": "officer-1"}]})

    to: Id
    purpose: Purpose = "search"


class LinkTold(Told):
    """A personal link. path: what the recipient opens after signing in. shown: newest version it showed."""

    link_id: str
    path: str
    to: str
    purpose: str
    made_by: str
    made_at: datetime
    ends_at: datetime
    open: bool
    opened_at: datetime | None
    shown: int

    @classmethod
    def of(cls, link: PoliceLink, case: Case, now: datetime) -> "LinkTold":
        ends_at = link.ends_at(case)
        return cls(
            link_id=link.link_id,
            path=f"/police#{link.link_id}",
            to=link.to,
            purpose=link.purpose,
            made_by=link.made_by,
            made_at=link.made_at,
            ends_at=ends_at,
            open=now < ends_at,
            opened_at=link.opened_at,
            shown=link.shown,
        )


class OneLink(Told):
    link: LinkTold


class Links(Told):
    links: list[LinkTold]


class LinkOpened(Told):
    """The newest version. updated_at: when it was made; acknowledged_at: T10, null until somebody says so.

    page: the version as HTML, for whoever shows it without asking twice.
    """

    now: datetime
    updated_at: datetime
    ends_at: datetime
    acknowledged_at: datetime | None
    hand_over: HandOver
    page: str


class ItemAsked(Asked):
    """One thing asked for. detail: which cameras, from when to when, and so on."""

    kind: Literal["cctv", "position", "track", "subject", "guardian", "other"]
    detail: Words = ""


class RequestAsked(Asked):
    """A request for information (실종아동법 시행령 4의5). article: needed for the basis "other"."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "station": "가람경찰서 여성청소년과",
                    "channel": "e-mail",
                    "document_no": "2026-0117",
                    "basis": "missing-child-act-9-2",
                    "purpose": "실종아동 수색",
                    "items": [{"kind": "cctv", "detail": "cam-1, 10:20-10:40"}],
                }
            ]
        }
    )

    station: Station
    document_no: Annotated[str, StringConstraints(max_length=64)] = ""
    basis: Basis
    article: Words = ""
    purpose: Annotated[str, StringConstraints(min_length=1, max_length=400)]
    items: Annotated[list[ItemAsked], Field(min_length=1, max_length=20)]
    due_at: Moment | None = None
    case_id: Id | None = None
    channel: Literal["system", "e-mail", "fax"] = "system"


class DecisionAsked(Asked):
    """What becomes of item `no` (from 1): `given`, exactly what; or `refused`, why."""

    no: Annotated[int, Field(ge=1, le=20)]
    given: Note = ""
    refused: Note = ""


class DecisionsAsked(Asked):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [{"no": 1, "given": "cam-1 영상 10:20-10:40 사본 1부"}]}]}
    )

    items: Annotated[list[DecisionAsked], Field(min_length=1, max_length=20)]

    def decisions(self) -> tuple[Decision, ...]:
        return tuple(Decision(each.no, each.given.strip(), each.refused.strip()) for each in self.items)


class ItemTold(Told):
    """given, refused: "" until it is decided."""

    no: int
    kind: str
    detail: str
    given: str
    refused: str


class RequestTold(Told):
    """A request as it stands. due_in_s: negative once it is late; null when it is answered."""

    request_id: str
    received_at: datetime
    received_by: str
    channel: str
    station: str
    document_no: str
    basis: Basis
    article: str
    purpose: str
    case_id: str
    due_at: datetime
    due_in_s: float | None
    overdue: bool
    items: list[ItemTold]
    answered_at: datetime | None
    answered_by: str
    chain_holds: bool

    @classmethod
    def of(cls, request: InformationRequest, now: datetime) -> "RequestTold":
        decided = {each.no: each for each in request.decisions}
        is_open = request.answered_at is None
        return cls(
            request_id=request.request_id,
            received_at=request.received_at,
            received_by=request.received_by,
            channel=request.channel,
            station=request.station,
            document_no=request.document_no,
            basis=request.basis,
            article=request.article,
            purpose=request.purpose,
            case_id=request.case_id,
            due_at=request.due_at,
            due_in_s=round((request.due_at - now).total_seconds(), 1) if is_open else None,
            overdue=request.is_overdue(now),
            items=[
                ItemTold(
                    no=no,
                    kind=item.kind,
                    detail=item.detail,
                    given=decided[no].given if no in decided else "",
                    refused=decided[no].refused if no in decided else "",
                )
                for no, item in enumerate(request.items, 1)
            ],
            answered_at=request.answered_at,
            answered_by=request.answered_by,
            chain_holds=chain_holds(request),
        )


class OneRequest(Told):
    now: datetime
    request: RequestTold


class Requests(Told):
    """Oldest first; the open ones are the inbox."""

    now: datetime
    requests: list[RequestTold]


class CheckAsked(Asked):
    model_config = ConfigDict(json_schema_extra={"examples": [{"year": 2026}]})

    year: Year


class CheckTold(Told):
    """The request ledger of a year. broken: requests whose chain does not hold."""

    year: int
    asked: int
    by_basis: dict[str, int]
    items_given: int
    items_refused: int
    answered_late: int
    overdue: list[str]
    broken: list[str]
    checked_at: datetime | None
    checked_by: str

    @classmethod
    def of(cls, check: LedgerCheck) -> "CheckTold":
        return cls(
            year=check.year,
            asked=check.asked,
            by_basis=dict(check.by_basis),
            items_given=check.items_given,
            items_refused=check.items_refused,
            answered_late=check.answered_late,
            overdue=list(check.overdue),
            broken=list(check.broken),
            checked_at=check.checked_at,
            checked_by=check.checked_by,
        )


class OneCheck(Told):
    """now: the ledger as it is. checks: the checks that were made of that year, oldest first."""

    now: CheckTold
    checks: list[CheckTold]
