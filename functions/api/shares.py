"""Sharing: offer a case to a neighbour, accept it, see what was agreed, and end it.

The only routes that look at another tenant's data. What a neighbour sees goes through `sharing.view` and is
not there before accepting, after revoking and after the end.
"""

from collections.abc import Callable
from typing import NamedTuple

from functions.api.cases import change, told_cameras, told_position, told_track
from functions.api.desk import AtDesk, Desk, new_router
from functions.api.places import tenant_name
from shared.adapters.wiring import Adapters
from shared.domain import case as rules
from shared.domain import sharing
from shared.domain.case import Case, Evidence, Kind, Look
from shared.domain.errors import Conflict, NotFound
from shared.domain.sharing import Share, View
from shared.schema import http

router = new_router()

_TRIES = 5
"""Two operators of a neighbour may decide at once; who is overtaken looks again."""


@router.get("/cases/<case_id>/shares", summary="Who was offered a case", tags=["sharing"])
def of_case(case_id: http.Id, desk: AtDesk) -> http.Shares:
    case = desk.case(case_id)
    return http.Shares(shares=[_told(share, desk) for share in desk.on.shares.of_case(case.case_id)])


@router.post(
    "/cases/<case_id>/shares", summary="Offer a case to a neighbour", tags=["sharing"], status_code=201
)
def offer(case_id: http.Id, body: http.ShareAsked, desk: AtDesk) -> http.OneShare:
    """Nothing but area, time, class and clothing is shown until it accepts. 404 without an agreement."""
    case = desk.case(case_id)
    agreements = desk.on.registry.agreements()
    agreement = next((a for a in agreements if a.neighbour_id == body.neighbour_id), None)
    if agreement is None:
        raise NotFound("agreement-not-found")
    fresh = sharing.offer(case, agreement, desk.on.registry.tenant().policy, desk.now)
    before = _offered(desk, case_id, body.neighbour_id)
    if before is not None:
        fresh = sharing.offered_again(sharing.expire(before, desk.now), fresh)
    saved = desk.on.shares.save(fresh)
    _record(desk, desk.on, saved, "share-offered")
    return http.OneShare(share=_told(saved, desk))


@router.post("/cases/<case_id>/shares/<neighbour_id>/revoke", summary="End a share", tags=["sharing"])
def revoke(case_id: http.Id, neighbour_id: http.Id, body: http.NothingAsked, desk: AtDesk) -> http.OneShare:
    """From the next read on the neighbour sees nothing of the case."""
    desk.case(case_id)
    share = _offered(desk, case_id, neighbour_id)
    if share is None:
        raise NotFound("share-not-found")
    after = sharing.revoke(share, desk.actor.actor_id, desk.now)
    if after != share:
        after = desk.on.shares.save(after)
        _record(desk, desk.on, after, "share-revoked")
    return http.OneShare(share=_told(after, desk))


@router.get("/offers", summary="What neighbours offer", tags=["sharing"])
def offers(desk: AtDesk) -> http.Offers:
    """Cases offered to this district, decided or not, newest first."""
    newest_first = sorted(desk.on.shares.inbox(), key=lambda share: share.offered_at, reverse=True)
    return http.Offers(offers=[_offer(share, desk) for share in newest_first])


@router.post("/offers/<owner_id>/<case_id>/accept", summary="Accept an offer", tags=["sharing"])
def accept(owner_id: http.Id, case_id: http.Id, body: http.NothingAsked, desk: AtDesk) -> http.OneShare:
    """Open the grant: this case, the agreed fields, until its end."""
    take = lambda share: sharing.accept(share, desk.actor.actor_id, desk.now)  # noqa: E731
    return _decided(desk, owner_id, case_id, take, "share-accepted")


@router.post("/offers/<owner_id>/<case_id>/decline", summary="Decline an offer", tags=["sharing"])
def decline(owner_id: http.Id, case_id: http.Id, body: http.NothingAsked, desk: AtDesk) -> http.OneShare:
    leave = lambda share: sharing.decline(share, desk.actor.actor_id, desk.now)  # noqa: E731
    return _decided(desk, owner_id, case_id, leave, "share-declined")


@router.get("/shared/<owner_id>/<case_id>", summary="A neighbour's case", tags=["sharing"])
def shared(owner_id: http.Id, case_id: http.Id, desk: AtDesk) -> http.OneSharedCase:
    """The agreed fields of a case this district accepted; 404 before, and after the end."""
    grant = _granted(desk, owner_id, case_id)
    name = grant.owner.registry.child(grant.view.child_id).name if sharing.NAME in grant.view.granted else ""
    owner_name = tenant_name(desk, owner_id)
    return http.OneSharedCase(now=desk.now, case=http.SharedCase.of(grant.view, owner_name, name, desk.now))


@router.get("/shared/<owner_id>/<case_id>/timeline", summary="What happened there", tags=["sharing"])
def shared_timeline(owner_id: http.Id, case_id: http.Id, desk: AtDesk, after: int = 0) -> http.Timeline:
    grant = _granted(desk, owner_id, case_id, sharing.TIMELINE)
    lines = grant.owner.cases.timeline(case_id, after)
    return http.Timeline(entries=[http.EntryTold.of(entry) for entry in lines])


@router.get("/shared/<owner_id>/<case_id>/position", summary="Where the bag is", tags=["sharing"])
def shared_position(owner_id: http.Id, case_id: http.Id, desk: AtDesk) -> http.OnePosition:
    grant = _granted(desk, owner_id, case_id, sharing.POSITION)
    return told_position(grant.owner, grant.case, desk.now)


@router.get("/shared/<owner_id>/<case_id>/track", summary="Where it has been", tags=["sharing"])
def shared_track(owner_id: http.Id, case_id: http.Id, desk: AtDesk) -> http.Track:
    """The track across the border: what both districts heard."""
    grant = _granted(desk, owner_id, case_id, sharing.TRACK)
    return told_track(grant.owner, grant.case)


@router.get("/shared/<owner_id>/<case_id>/cameras", summary="Which own cameras to open", tags=["sharing"])
def shared_cameras(owner_id: http.Id, case_id: http.Id, desk: AtDesk) -> http.RankedCameras:
    """This district's cameras, ranked for the neighbour's case."""
    grant = _granted(desk, owner_id, case_id, sharing.POSITION)
    return told_cameras(grant.owner, grant.case, desk)


@router.post(
    "/shared/<owner_id>/<case_id>/cameras/<camera_id>", summary="Mark an own camera", tags=["sharing"]
)
def shared_mark(
    owner_id: http.Id, case_id: http.Id, camera_id: http.Id, body: http.MarkAsked, desk: AtDesk
) -> http.RankedCameras:
    """What this district sees in its camera goes into the owner's search log, as `<district>/<camera>`."""
    grant = _granted(desk, owner_id, case_id, sharing.POSITION)
    camera = next((c for c in desk.on.registry.cameras() if c.camera_id == camera_id), None)
    if camera is None:
        raise NotFound("camera-not-found")
    name, look = sharing.camera_name(desk.on.tenant_id, camera_id), Look(body.mark)
    view = Evidence(Kind.SEEN, desk.now, camera.at, camera.range_m, name)
    case = change(
        grant.owner,
        case_id,
        lambda case: rules.mark_camera(case, name, look, desk.actor, desk.now, view=view),
    )
    return told_cameras(grant.owner, case, desk)


@router.post("/shared/<owner_id>/<case_id>/return", summary="Give a case back", tags=["sharing"])
def give_back(owner_id: http.Id, case_id: http.Id, body: http.NothingAsked, desk: AtDesk) -> http.OneShare:
    """The search here is over: the grant ends now, for this district."""
    _granted(desk, owner_id, case_id)
    end = lambda share: sharing.revoke(share, desk.actor.actor_id, desk.now)  # noqa: E731
    return _decided(desk, owner_id, case_id, end, "share-returned")


class Grant(NamedTuple):
    owner: Adapters
    case: Case
    view: View


def _granted(desk: Desk, owner_id: str, case_id: str, field: str = "") -> Grant:
    """The one door to a neighbour's case. NotFound unless the grant holds now and covers `field`.

    Every passage is in the owner's access log: it is a disclosure the guardian is told of.
    """
    share = desk.on.shares.received(owner_id, case_id)
    if not share.grants(desk.now):
        raise NotFound("share-not-found")
    owner = desk.of(owner_id)
    case = owner.cases.get(case_id)
    view = sharing.view(case, share, desk.now)
    if field and field not in view.granted:
        raise NotFound("share-not-found")
    desk.saw(case.subject.subject_id, f"share:{case_id}", owner)
    return Grant(owner, case, view)


def _decided(
    desk: Desk, owner_id: str, case_id: str, decide: Callable[[Share], Share], code: str
) -> http.OneShare:
    """Store the neighbour's decision and note it in the owner's timeline; the same again is no change."""
    for _ in range(_TRIES):
        before = desk.on.shares.received(owner_id, case_id)
        after = decide(before)
        if after == before:
            return http.OneShare(share=_told(after, desk))
        try:
            saved = desk.on.shares.save(after)
        except Conflict as conflict:
            if conflict.code != "share-overtaken":
                raise
            continue
        _record(desk, desk.of(owner_id), saved, code)
        return http.OneShare(share=_told(saved, desk))
    raise Conflict("share-overtaken", neighbour_id=desk.on.tenant_id)


def _record(desk: Desk, owner: Adapters, share: Share, code: str) -> None:
    """A line in the owner's timeline; its workflow and the screens of both districts look up."""
    params = {"neighbour_id": share.neighbour_id}
    change(owner, share.case_id, lambda case: rules.note(case, code, params, desk.actor, desk.now))
    for tenant_id in (share.owner_id, share.neighbour_id):
        desk.of(tenant_id).live.tell("offer", share.case_id, share.version)


def _offered(desk: Desk, case_id: str, neighbour_id: str) -> Share | None:
    shares = desk.on.shares.of_case(case_id)
    return next((share for share in shares if share.neighbour_id == neighbour_id), None)


def _offer(share: Share, desk: Desk) -> http.OfferTold:
    owner = desk.of(share.owner_id)
    try:
        case = owner.cases.get(share.case_id)
        preview = http.Preview.of(sharing.preview(case, share, desk.now))
    except NotFound:  # it has ended: that it was offered is all that is left
        preview = None
    else:
        desk.saw(case.subject.subject_id, f"offer:{share.case_id}", owner)
    told = _told(share, desk).model_dump()
    return http.OfferTold(**told, owner_name=tenant_name(desk, share.owner_id), preview=preview)


def _told(share: Share, desk: Desk) -> http.ShareTold:
    """The share as it stands now: past its end it is expired, whether or not that is stored yet."""
    return http.ShareTold.of(sharing.expire(share, desk.now))
