"""The police liaison: the hand-over and its twins, who got it, personal links, requests for information.

The 112 call is an act of its own (`cases.police`): nothing here stands for it.
"""

import json
import secrets
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from aws_lambda_powertools.event_handler import Response

from functions.api.access import Role
from functions.api.cases import change
from functions.api.desk import AtDesk, Desk, new_router
from shared.adapters.handovers import newest, request_key, stored
from shared.adapters.notices import soon
from shared.domain import case as rules
from shared.domain import handover as deeds
from shared.domain.case import Case
from shared.domain.errors import Conflict, Forbidden, NotFound
from shared.domain.handover import Channel, Item, PoliceLink
from shared.domain.notices import disclose, disclosing
from shared.domain.places import Status
from shared.schema import handover_cap, handover_geojson, handover_page, http
from shared.schema import police as wire
from shared.schema.handover import HandOver

router = new_router()

INBOX = timedelta(days=31)
"""How far back a list of requests without `since` goes; open ones older than that are overdue anyway."""

_PAGE = {"Content-Security-Policy": handover_page.POLICY, "Referrer-Policy": "no-referrer"}


def _text(kind: str, what: str) -> dict[int, Any]:
    return {200: {"description": what, "content": {kind: {"schema": {"type": "string"}}}}}


# The hand-over and its twins


@router.get("/cases/<case_id>/hand-over", summary="The hand-over", tags=["police"])
def hand_over(case_id: http.Id, desk: AtDesk) -> HandOver:
    """The newest version as JSON, with its checksum; a new one when there is something new to say."""
    return _read(desk, case_id)


@router.get(
    "/cases/<case_id>/hand-over.html",
    summary="The hand-over as a page",
    tags=["police"],
    responses=_text(handover_page.CONTENT_TYPE, "One sheet of A4"),
)
def as_page(case_id: http.Id, desk: AtDesk) -> Response[str]:
    return _page(_read(desk, case_id))


@router.get(
    "/cases/<case_id>/hand-over.cap",
    summary="The hand-over as CAP 1.2",
    tags=["police"],
    responses=_text(handover_cap.CONTENT_TYPE, "A CAP 1.2 message"),
)
def as_cap(case_id: http.Id, desk: AtDesk) -> Response[str]:
    return Response(200, handover_cap.CONTENT_TYPE, handover_cap.cap(_read(desk, case_id)))


@router.get(
    "/cases/<case_id>/hand-over.geojson",
    summary="The hand-over's places as GeoJSON",
    tags=["police"],
    responses={
        200: {
            "description": "A FeatureCollection (RFC 7946)",
            "content": {handover_geojson.CONTENT_TYPE: {"schema": {"type": "object"}}},
        }
    },
)
def as_geojson(case_id: http.Id, desk: AtDesk) -> Response[str]:
    told = json.dumps(handover_geojson.geojson(_read(desk, case_id)), ensure_ascii=False)
    return Response(200, handover_geojson.CONTENT_TYPE, told)


# Deliveries


@router.get("/cases/<case_id>/deliveries", summary="Who got which version", tags=["police"])
def deliveries(case_id: http.Id, desk: AtDesk) -> wire.Deliveries:
    return _deliveries(desk, desk.case(case_id))


@router.post(
    "/cases/<case_id>/deliveries", summary="A version was printed, faxed or carried", tags=["police"]
)
def deliver(case_id: http.Id, body: wire.DeliveryAsked, desk: AtDesk) -> wire.Deliveries:
    """A line with recipient, time and purpose, and a notice to the guardian. 409 for an exercise."""
    desk.case(case_id)
    record = stored(desk.on, case_id, body.version)
    if record is None:
        raise NotFound("handover-not-found")
    return _deliveries(desk, _delivered(desk, record, Channel(body.channel), body.to, body.purpose))


# Personal links


@router.get("/cases/<case_id>/links", summary="Personal links", tags=["police"])
def links(case_id: http.Id, desk: AtDesk) -> wire.Links:
    case = desk.case(case_id)
    found = desk.on.police_desk.links(case_id)
    return wire.Links(links=[wire.LinkTold.of(link, case, desk.now) for link in found])


@router.post("/cases/<case_id>/links", summary="Make a personal link", tags=["police"], status_code=201)
def make_link(case_id: http.Id, body: wire.LinkAsked, desk: AtDesk) -> wire.OneLink:
    """For one account, to the newest version, until 24 h or 15 min after the child is secured."""
    case = desk.case(case_id)
    if case.status is not Status.ACTUAL:
        raise Conflict("exercise-wall")
    if not case.is_open:
        raise Conflict("case-closed")
    link = PoliceLink(
        link_id=f"{case_id}.{secrets.token_hex(16)}",
        case_id=case_id,
        to=body.to,
        purpose=body.purpose,
        made_by=desk.actor.actor_id,
        made_at=desk.now,
    )
    saved = desk.on.police_desk.save_link(link)
    case = change(
        desk.on, case_id, lambda c: rules.note(c, "link-made", {"to": body.to}, desk.actor, desk.now)
    )
    return wire.OneLink(link=wire.LinkTold.of(saved, case, desk.now))


@router.post("/cases/<case_id>/links/<link_id>/stop", summary="Stop a personal link", tags=["police"])
def stop_link(case_id: http.Id, link_id: http.Id, body: http.NothingAsked, desk: AtDesk) -> wire.OneLink:
    case, link = desk.case(case_id), desk.on.police_desk.link(link_id)
    if link.case_id != case_id:
        raise NotFound("link-not-found")
    if desk.now < link.ends_at(case):
        link = desk.on.police_desk.save_link(replace(link, stopped_at=desk.now))
        said = {"to": link.to}
        case = change(desk.on, case_id, lambda c: rules.note(c, "link-stopped", said, desk.actor, desk.now))
    return wire.OneLink(link=wire.LinkTold.of(link, case, desk.now))


@router.get("/links/<link_id>", summary="Open a personal link", tags=["police"])
def open_link(link_id: http.Id, desk: AtDesk) -> wire.LinkOpened:
    """The newest version, for its recipient only; 404 for anybody else and after its end."""
    link, case, record = _opened(desk, link_id)
    return wire.LinkOpened(
        now=desk.now,
        updated_at=record.created_at,
        ends_at=link.ends_at(case),
        acknowledged_at=case.clock.get("T10"),
        hand_over=record,
        page=handover_page.page(record),
    )


@router.get(
    "/links/<link_id>/page",
    summary="Open a personal link as a page",
    tags=["police"],
    responses=_text(handover_page.CONTENT_TYPE, "One sheet of A4"),
)
def open_page(link_id: http.Id, desk: AtDesk) -> Response[str]:
    return _page(_opened(desk, link_id)[2])


@router.post("/links/<link_id>/acknowledge", summary="The police have it", tags=["police"])
def acknowledge_link(link_id: http.Id, body: http.ReferenceAsked, desk: AtDesk) -> wire.LinkOpened:
    """T10, with the police's own reference; again is no change."""
    _opened(desk, link_id)
    case_id = desk.on.police_desk.link(link_id).case_id

    def acknowledged(case: Case) -> rules.Change:
        if "T10" in case.clock:
            return case, ()
        return rules.police_acknowledged(case, desk.actor, desk.now, body.reference)

    change(desk.on, case_id, acknowledged)
    return open_link(link_id, desk)


# Requests for information


@router.get("/police/requests", summary="What the police asked for", tags=["police"])
def requests(desk: AtDesk, since: http.Moment | None = None) -> wire.Requests:
    """Received since then (by default in the last month), with the time left to answer."""
    found = desk.on.police_desk.requests(since or desk.now - INBOX, desk.now + timedelta(seconds=1))
    return wire.Requests(now=desk.now, requests=[wire.RequestTold.of(each, desk.now) for each in found])


@router.post("/police/requests", summary="Ask for information", tags=["police"], status_code=201)
def ask(body: wire.RequestAsked, desk: AtDesk) -> wire.OneRequest:
    """By the police themselves, or by the control room for one that came on paper."""
    if body.case_id:
        desk.case(body.case_id)
    if body.channel == "system" and desk.caller.role is not Role.POLICE:
        raise Forbidden("request-came-by")
    request = deeds.InformationRequest(
        request_id=f"{request_key(desk.now)}-{secrets.token_hex(8)}",
        received_at=desk.now,
        received_by=desk.actor.actor_id,
        channel=body.channel,
        station=body.station,
        document_no=body.document_no,
        basis=body.basis,
        article=body.article,
        purpose=body.purpose,
        items=tuple(Item(each.kind, each.detail) for each in body.items),
        due_at=max(body.due_at or desk.now + deeds.ANSWER_DUE, desk.now),
        case_id=body.case_id or "",
    )
    saved = desk.on.police_desk.save_request(deeds.asked(request, desk.actor))
    said = {"request_id": saved.request_id, "basis": saved.basis.value, "items": len(saved.items)}
    if saved.case_id:
        change(
            desk.on,
            saved.case_id,
            lambda case: rules.note(case, "information-asked", said, desk.actor, desk.now),
        )
    desk.on.live.tell("request", saved.request_id, saved.version)
    return wire.OneRequest(now=desk.now, request=wire.RequestTold.of(saved, desk.now))


@router.get("/police/requests/<request_id>", summary="A request", tags=["police"])
def one_request(request_id: http.Id, desk: AtDesk) -> wire.OneRequest:
    found = desk.on.police_desk.request(request_id)
    return wire.OneRequest(now=desk.now, request=wire.RequestTold.of(found, desk.now))


@router.post("/police/requests/<request_id>/answer", summary="Answer a request", tags=["police"])
def answer(request_id: http.Id, body: wire.DecisionsAsked, desk: AtDesk) -> wire.OneRequest:
    """Each item given, exactly what, or refused, why. What is given owes the guardian a notice."""
    request = desk.on.police_desk.request(request_id)
    saved = desk.on.police_desk.save_request(deeds.answered(request, body.decisions(), desk.actor, desk.now))
    if saved.case_id:
        said = deeds.summary(saved)
        note = lambda case: rules.note(case, "information-answered", said, desk.actor, desk.now)  # noqa: E731
        case = change(desk.on, saved.case_id, note)
        if saved.gives and case.status is Status.ACTUAL:
            _disclosed(desk, saved.case_id, "police-request", desk.now, saved.basis.value)
    desk.on.live.tell("request", saved.request_id, saved.version)
    return wire.OneRequest(now=desk.now, request=wire.RequestTold.of(saved, desk.now))


@router.get("/police/ledger", summary="The request ledger of a year", tags=["police"])
def ledger(desk: AtDesk, year: wire.Year) -> wire.OneCheck:
    """Counted and verified now, with the checks that were made of it."""
    return _ledger(desk, year)


@router.post("/police/ledger/check", summary="Check the request ledger", tags=["police"])
def check(body: wire.CheckAsked, desk: AtDesk) -> wire.OneCheck:
    """The yearly check (실종아동법 시행규칙 8의3): what it found stays, with who checked and when."""
    desk.on.police_desk.save_check(
        replace(_checked(desk, body.year), checked_at=desk.now, checked_by=desk.actor.actor_id)
    )
    return _ledger(desk, body.year)


def _read(desk: Desk, case_id: str) -> HandOver:
    """The newest version, with a line in the access log that the caller read it."""
    case = desk.case(case_id)
    desk.saw(case.subject.subject_id, f"case:{case_id}")
    return newest(desk.on, case_id)


def _page(record: HandOver) -> Response[str]:
    return Response(200, handover_page.CONTENT_TYPE, handover_page.page(record), dict(_PAGE))


def _opened(desk: Desk, link_id: str) -> tuple[PoliceLink, Case, HandOver]:
    """The link, its case and the newest version, on record as delivered the first time it is shown."""
    link = desk.on.police_desk.link(link_id)
    case = desk.on.cases.get(link.case_id)
    after = deeds.opened(link, case, desk.actor.actor_id, desk.now)
    desk.saw(case.subject.subject_id, f"link:{link.case_id}")
    record = newest(desk.on, link.case_id)
    if record.version > link.shown:
        case = _delivered(desk, record, Channel.LINK, link.to, link.purpose)
        after = replace(after, shown=record.version)
    if after != link:
        after = _saved(desk, after)
    return after, case, record


def _saved(desk: Desk, link: PoliceLink) -> PoliceLink:
    """The link with what was shown; whoever was faster wrote as much."""
    try:
        return desk.on.police_desk.save_link(link)
    except Conflict:
        return desk.on.police_desk.link(link.link_id)


def _delivered(desk: Desk, record: HandOver, channel: Channel, to: str, purpose: str) -> Case:
    """First the disclosure, so that no delivery is without its notice; then the delivery's line."""
    case = desk.on.cases.get(record.case_id)
    if case.status is Status.ACTUAL:
        _disclosed(desk, case.case_id, "police", case.clock["T4"], "missing-child-act")
    return change(
        desk.on,
        record.case_id,
        lambda c: deeds.delivered(
            c,
            version=record.version,
            checksum=record.checksum,
            channel=channel,
            to=to,
            purpose=purpose,
            by=desk.actor,
            at=desk.now,
        ),
    )


def _disclosed(desk: Desk, case_id: str, to: str, since: datetime, basis: str) -> None:
    """A closed case's workflow has ended; then the next sweep tells the guardian."""
    before = desk.on.cases.get(case_id)
    after = change(
        desk.on,
        case_id,
        lambda case: disclose(case, to, since, desk.actor, desk.now, purpose="search", basis=basis),
    )
    disclosure = disclosing(to, since)
    if not after.is_open and disclosure not in before.steps:
        soon(desk.on, after, disclosure)


def _deliveries(desk: Desk, case: Case) -> wire.Deliveries:
    found = deeds.deliveries(desk.on.cases.timeline(case.case_id))
    return wire.Deliveries.of(case, found, desk.now)


def _checked(desk: Desk, year: int) -> deeds.LedgerCheck:
    first, after = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
    return deeds.ledger_check(desk.on.police_desk.requests(first, after), year, desk.now)


def _ledger(desk: Desk, year: int) -> wire.OneCheck:
    checks = desk.on.police_desk.checks(year)
    return wire.OneCheck(
        now=wire.CheckTold.of(_checked(desk, year)), checks=[wire.CheckTold.of(each) for each in checks]
    )
