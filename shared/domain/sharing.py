"""What a neighbour may see of a case, and until when. The one place that decides it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from shared.domain.case import Case, Evidence, Kind, Mark
from shared.domain.errors import Conflict, NotFound
from shared.domain.geo import Ellipse, LatLon
from shared.domain.places import Agreement, Policy, Signature

POSITION = "position"
TRACK = "track"
NAME = "name"
PHOTO = "photo"
TIMELINE = "timeline"
FIELDS = (POSITION, TRACK, NAME, PHOTO, TIMELINE)
"""What an agreement can name. Area, time, class and clothing are in every offer."""

ROUGH_M = 500.0  # a preview's area is a cell this wide: enough to ready cameras, too little to follow
GRACE_AFTER_SECURED = timedelta(minutes=15)  # FIELD AT-3.2: 2 h, or secured + 15 min


class ShareState(StrEnum):
    OFFERED = "offered"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    REVOKED = "revoked"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Share:
    """One case offered to one neighbour. A grant is a share that is accepted and not past `until`.

    fields: what the agreement lets a grant show. area: rough place for the preview, never exact.
    """

    owner_id: str
    case_id: str
    neighbour_id: str
    beacon_id: str
    state: ShareState
    fields: tuple[str, ...]
    offered_at: datetime
    until: datetime
    decided_at: datetime | None = None
    decided_by: str = ""
    version: int = 0

    def grants(self, now: datetime) -> bool:
        """Whether the neighbour may read the case at `now`."""
        return self.state is ShareState.ACCEPTED and now < self.until

    @property
    def is_open(self) -> bool:
        """Offered or accepted; the other states are final."""
        return self.state in (ShareState.OFFERED, ShareState.ACCEPTED)


@dataclass(frozen=True, slots=True)
class View:
    """What a neighbour may see of a case now.

    preview: nothing is accepted yet, so there is only area, time, class and clothing.
    area: rough (a 500 m cell, stated as a circle around it). granted: the agreed fields.
    last: newest evidence of each kind, empty without the field "position".
    child_id: opaque, to fetch name and photo with when they are granted; "" otherwise.
    """

    owner_id: str
    case_id: str
    status: str
    share: ShareState
    state: str
    preview: bool
    opened_at: datetime
    until: datetime
    subject_class: str
    age_y: int
    outfit: tuple[tuple[str, str], ...]
    area: Ellipse | None
    granted: frozenset[str]
    last: Mapping[Kind, Evidence]
    child_id: str = ""


def signed(agreement: Agreement, tenant_id: str, by: str, at: datetime) -> Agreement:
    """The agreement with a party's signature on its present terms; again is no change.

    NotFound for a tenant that is no party; Conflict when the agreement has ended.
    """
    if tenant_id not in (agreement.tenant_id, agreement.neighbour_id):
        raise NotFound("agreement-not-found")
    if tenant_id in agreement.signed_by:
        return agreement
    if agreement.until <= at:
        raise Conflict("agreement-ended", neighbour_id=agreement.neighbour_id)
    others = tuple(each for each in agreement.signatures if each.tenant_id != tenant_id)
    return replace(agreement, signatures=(*others, Signature(tenant_id, by, at, agreement.terms)))


def offer(case: Case, agreement: Agreement, policy: Policy, now: datetime) -> Share:
    """The offer of a case to a neighbour.

    Conflict when the agreement has ended or lacks a signature, or the case is closed.
    """
    if agreement.until <= now:
        raise Conflict("agreement-ended", neighbour_id=agreement.neighbour_id)
    if not agreement.in_force(now):
        raise Conflict("agreement-unsigned", neighbour_id=agreement.neighbour_id)
    if not case.is_open:
        raise Conflict("case-closed")
    return Share(
        owner_id=case.tenant_id,
        case_id=case.case_id,
        neighbour_id=agreement.neighbour_id,
        beacon_id=case.subject.beacon_id,
        state=ShareState.OFFERED,
        fields=tuple(f for f in FIELDS if f in agreement.fields),
        offered_at=now,
        until=min(now + timedelta(seconds=policy.grant_s), agreement.until),
    )


def offered_again(share: Share, fresh: Share) -> Share:
    """A new offer in the place of one that was declined, revoked or ran out. Conflict while it is open."""
    if share.is_open:
        raise Conflict("already-offered", neighbour_id=share.neighbour_id)
    return replace(fresh, version=share.version)


def accept(share: Share, by: str, now: datetime) -> Share:
    """The neighbour takes it; again is no change. Conflict when it is no longer on offer."""
    if share.grants(now):
        return share
    if share.state is not ShareState.OFFERED or share.until <= now:
        raise Conflict("offer-not-open", state=_state(share, now).value)
    return replace(share, state=ShareState.ACCEPTED, decided_at=now, decided_by=by)


def decline(share: Share, by: str, now: datetime) -> Share:
    """The neighbour does not take it; again is no change. Conflict when it is no longer on offer."""
    if share.state is ShareState.DECLINED:
        return share
    if share.state is not ShareState.OFFERED or share.until <= now:
        raise Conflict("offer-not-open", state=_state(share, now).value)
    return replace(share, state=ShareState.DECLINED, decided_at=now, decided_by=by)


def revoke(share: Share, by: str, now: datetime) -> Share:
    """The owner ends it, offered or accepted; a share that has ended stays as it is."""
    if not share.is_open:
        return share
    return replace(share, state=ShareState.REVOKED, decided_at=now, decided_by=by)


def expire(share: Share, now: datetime) -> Share:
    """The share after its time: `expired` when `until` has passed, else unchanged."""
    if not share.is_open or now < share.until:
        return share
    return replace(share, state=ShareState.EXPIRED, decided_at=now, decided_by="system")


def shortened(share: Share, case: Case) -> Share:
    """The share once the child is secured: it ends 15 minutes after, and never later than agreed."""
    secured_at = case.clock.get("T12")
    if secured_at is None or not share.is_open:
        return share
    return replace(share, until=min(share.until, secured_at + GRACE_AFTER_SECURED))


def camera_name(tenant_id: str, camera_id: str) -> str:
    """What the search log of another district's case calls a camera: two districts may have a "cam-1"."""
    return f"{tenant_id}/{camera_id}"


def marks_in(case: Case, tenant_id: str) -> dict[str, Mark]:
    """The marks on one district's own cameras, by the name it gives them."""
    if tenant_id == case.tenant_id:
        return {name: mark for name, mark in case.marks.items() if "/" not in name}
    own = camera_name(tenant_id, "")
    return {name.removeprefix(own): mark for name, mark in case.marks.items() if name.startswith(own)}


def granting(share: Share) -> str:
    """The case's step that says a grant took effect; a new offer to the same neighbour has another name."""
    return f"granted:{share.neighbour_id}:{share.offered_at.isoformat()}"


def ending(share: Share) -> str:
    """The case's step that says a share's end took effect."""
    return f"ended:{share.neighbour_id}:{share.offered_at.isoformat()}"


def telling(share: Share) -> str:
    """The case's step that says the neighbour's control room was told of an offer, or of a share's end.

    Empty when there is nothing to tell: what a neighbour decides itself it knows.
    """
    what = {ShareState.OFFERED: "offer", ShareState.REVOKED: "share-ended", ShareState.EXPIRED: "share-ended"}
    code = what.get(share.state, "")
    return f"told:{code}:{share.neighbour_id}:{share.offered_at.isoformat()}" if code else ""


def preview(case: Case, share: Share, now: datetime) -> View:
    """What an open offer shows before it is accepted: area, time, class, clothing. NotFound once it ended."""
    if not share.is_open or shortened(share, case).until <= now or not case.is_open:
        raise NotFound("share-not-found")
    return _view(case, share, granted=frozenset(), is_preview=True)


def view(case: Case, share: Share, now: datetime) -> View:
    """What the neighbour sees of a case it accepted. NotFound before accepting and after the end."""
    if not shortened(share, case).grants(now) or not case.is_open:
        raise NotFound("share-not-found")
    return _view(case, share, granted=frozenset(share.fields), is_preview=False)


def _view(case: Case, share: Share, *, granted: frozenset[str], is_preview: bool) -> View:
    return View(
        owner_id=share.owner_id,
        case_id=share.case_id,
        status=case.status.value,
        share=share.state,
        state=case.state.value,
        preview=is_preview,
        opened_at=case.opened_at,
        until=share.until,
        subject_class=case.subject.subject_class.value,
        age_y=case.subject.age_y,
        outfit=case.subject.outfit,
        area=_rough(case),
        granted=granted,
        last=case.last if POSITION in granted else {},
        child_id=case.subject.subject_id if granted & {NAME, PHOTO} else "",
    )


def _rough(case: Case) -> Ellipse | None:
    """The 500 m cell of the newest evidence, as the circle around the cell."""
    if not case.last:
        return None
    newest = max(case.last.values(), key=lambda found: found.at)
    lat_step = ROUGH_M / 111_195.0
    lon_step = lat_step / 0.8  # cos 37°: a cell need not be square to the metre
    lat = (newest.where.lat_deg // lat_step + 0.5) * lat_step
    lon = (newest.where.lon_deg // lon_step + 0.5) * lon_step
    radius_m = ROUGH_M * 0.71 + newest.radius_m
    return Ellipse(LatLon(lat, lon), radius_m, radius_m, 0.0, 0.95)


def _state(share: Share, now: datetime) -> ShareState:
    return expire(share, now).state
