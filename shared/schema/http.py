"""The HTTP API on the wire, version 1: what is asked, and what is answered.

Requests forbid what they do not know. Times are ISO 8601 UTC, positions `lat` and `lon` in degrees, and
every sentence a person reads is a code with parameters (i18n). Answers are built from the domain here, so
that what a field means is said once.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from annotated_types import Interval
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from shared.domain.case import Case, CaseState, CloseReason, Entry, Evidence, Kind
from shared.domain.geo import Area, Ellipse
from shared.domain.outing import Answer
from shared.domain.places import Agreement, Camera, Child, Facility, Scanner, Status, Tenant
from shared.domain.position import Fix
from shared.domain.reach import Reach
from shared.domain.search import RankedCamera
from shared.domain.sharing import Share, ShareState, View
from shared.ports import Access

Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$")]
Word = Annotated[str, StringConstraints(max_length=40)]
Note = Annotated[str, StringConstraints(max_length=2000)]
Latitude = Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]
Longitude = Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]

Moment = Annotated[
    AwareDatetime,
    Interval(ge=datetime(2000, 1, 1, tzinfo=UTC), le=datetime(2200, 1, 1, tzinfo=UTC)),
]
"""A time with its zone, of this age: at the ends of the calendar a time has no UTC."""


def _example(body: Mapping[str, Any]) -> ConfigDict:
    """A valid body, for the document and for the tests that send it."""
    return ConfigDict(json_schema_extra={"examples": [dict(body)]})


class Asked(BaseModel):
    """A request's body. Built when first used: a cold start needs one of sixty."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Told(BaseModel):
    """An answer's body."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


# Signing in


class SignIn(Asked):
    """A user name and a password."""

    model_config = _example({"username": "park-01", "password": "<your password>"})

    username: Annotated[str, StringConstraints(min_length=1, max_length=128)]
    password: Annotated[str, StringConstraints(min_length=1, max_length=256)]


class Renew(Asked):
    """The refresh token of an earlier sign-in."""

    model_config = _example({"refresh_token": "<refresh token>"})

    refresh_token: Annotated[str, StringConstraints(min_length=1, max_length=4096)]


class ActorTold(Told):
    """Who is signed in."""

    actor_id: str
    role: str
    tenant_id: str
    facility_id: str
    name: str


class PersonTold(Told):
    """An account. facility_id: "" for who works for the whole district."""

    actor_id: str
    roles: list[str]
    facility_id: str
    enabled: bool


class PeopleTold(Told):
    people: list[PersonTold]


class SessionTold(Told):
    """A token for `Authorization: Bearer`. refresh_token: absent after renewing."""

    id_token: str
    refresh_token: str | None = None
    expires_in_s: int
    actor: ActorTold


# Places


class FacilityTold(Told):
    """A daycare."""

    facility_id: str
    name: str

    @classmethod
    def of(cls, facility: Facility) -> "FacilityTold":
        return cls(facility_id=facility.facility_id, name=facility.name)


class NeighbourTold(Told):
    """A district with an agreement."""

    neighbour_id: str
    name: str
    boundary: list[tuple[float, float]]
    fields: list[str]
    until: datetime


class DistrictTold(Told):
    """The tenant itself. boundary: corners as [lat, lon]."""

    tenant_id: str
    name: str
    boundary: list[tuple[float, float]]
    policy: dict[str, float | bool | tuple[str, ...]]
    neighbours: list[NeighbourTold]

    @classmethod
    def of(cls, tenant: Tenant, agreements: Sequence[Agreement], names: Mapping[str, str]) -> "DistrictTold":
        policy = tenant.policy
        return cls(
            tenant_id=tenant.tenant_id,
            name=tenant.name,
            boundary=_corners(tenant.boundary),
            policy={name: getattr(policy, name) for name in type(policy).__dataclass_fields__},
            neighbours=[
                NeighbourTold(
                    neighbour_id=a.neighbour_id,
                    name=names.get(a.neighbour_id, ""),
                    boundary=_corners(a.neighbour_boundary),
                    fields=list(a.fields),
                    until=a.until,
                )
                for a in agreements
            ],
        )


class ScannerAsked(Asked):
    """Where a scanner hangs, and what a walk test learned of it."""

    model_config = _example(
        {"lat": 37.4801, "lon": 126.9502, "height_m": 5.0, "offset_db": -2.5, "sd_db": 5.5}
    )

    lat: Latitude
    lon: Longitude
    height_m: Annotated[float, Field(ge=0, le=100)] = 5.0
    offset_db: Annotated[float, Field(ge=-40, le=40)] = 0.0
    sd_db: Annotated[float, Field(gt=0, le=30)] = 6.0


class ScannerTold(Told):
    """A scanner and its heartbeat. dark: nothing heard from it lately, so its silence is no evidence."""

    scanner_id: str
    lat: float
    lon: float
    height_m: float
    offset_db: float
    sd_db: float
    dark: bool
    heartbeat_at: datetime | None
    age_s: float | None

    @classmethod
    def of(cls, scanner: Scanner, heartbeat_at: datetime | None, now: datetime) -> "ScannerTold":
        return cls(
            scanner_id=scanner.scanner_id,
            lat=scanner.at.lat_deg,
            lon=scanner.at.lon_deg,
            height_m=scanner.height_m,
            offset_db=scanner.offset_db,
            sd_db=scanner.sd_db,
            dark=scanner.dark or heartbeat_at is None or (now - heartbeat_at).total_seconds() > DARK_S,
            heartbeat_at=heartbeat_at,
            age_s=None if heartbeat_at is None else age_s(heartbeat_at, now),
        )


class ScannersTold(Told):
    now: datetime
    scanners: list[ScannerTold]


class CameraTold(Told):
    """A camera. heading_deg: clockwise from north."""

    camera_id: str
    name: str
    lat: float
    lon: float
    heading_deg: float
    field_of_view_deg: float
    range_m: float

    @classmethod
    def of(cls, camera: Camera) -> "CameraTold":
        return cls(**_camera(camera))


class CamerasTold(Told):
    cameras: list[CameraTold]


class FacilitiesTold(Told):
    facilities: list[FacilityTold]


class BeaconTold(Told):
    """A beacon and the bag it is in; rotating: its id changes on the air."""

    beacon_id: str
    facility_id: str
    bag_no: str
    rotating: bool
    age_s: float | None


class BeaconsTold(Told):
    """age_s: since it was heard last; null where nothing is kept of it."""

    beacons: list[BeaconTold]


class ChildTold(Told):
    """A child on a facility's roster. consent: whether its beacon may be collected now.

    paused: the guardian wants a pause (일시중지): there is a consent, and the bag is not listened for.
    """

    child_id: str
    name: str
    bag_no: str
    age_y: int
    consent: bool
    paused: bool
    heard_age_s: float | None


class ChildrenTold(Told):
    children: list[ChildTold]


class QuarantinedTold(Told):
    """A message that was not accepted, and why. size: characters kept of it."""

    message_id: str
    received_at: datetime
    thing: str
    reason: str
    size: int


class QuarantineTold(Told):
    messages: list[QuarantinedTold]


class AccessLine(Told):
    """One reading: who (of which tenant, in which role), when, from where, whose, what, and what for."""

    at: datetime
    actor_id: str
    actor_tenant_id: str
    role: str
    source: str
    subject_id: str
    what: str
    purpose: str
    basis: str
    reason: str

    @classmethod
    def of(cls, access: Access) -> "AccessLine":
        return cls(**{name: getattr(access, name) for name in cls.model_fields})


class AccessTold(Told):
    lines: list[AccessLine]


class LiveTold(Told):
    """Where a screen listens. url: signed, a secret while it lasts."""

    url: str
    client_id: str
    topics: dict[str, str]
    expires_in_s: int


# Outings


class Outfit(Asked):
    """Today's colours, in a word each."""

    top: Word = ""
    bottom: Word = ""
    shoes: Word = ""
    bag: Word = ""

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The pieces that were filled in."""
        return tuple((piece, colour) for piece, colour in self.model_dump().items() if colour)


class MemberAsked(Asked):
    child_id: Id
    outfit: Outfit = Outfit()


class OutingAsked(Asked):
    """A group that goes out. phones: the teachers' that watch; empty: every phone of the facility."""

    model_config = _example(
        {"members": [{"child_id": "c-2", "outfit": {"top": "노랑", "bag": "빨강"}}], "status": "Actual"}
    )

    members: Annotated[list[MemberAsked], Field(min_length=1, max_length=100)]
    phones: Annotated[list[Id], Field(max_length=20)] = []
    status: Status = Status.ACTUAL
    facility_id: Id | None = None


class AnswerAsked(Asked):
    """A teacher's word on a child."""

    model_config = _example({"child_id": "c-1", "answer": "with-me"})

    child_id: Id
    answer: Answer


class EndAsked(Asked):
    """The words on those not with the group when the outing ends."""

    model_config = _example({"answers": [{"child_id": "c-1", "answer": "bag-only"}]})

    answers: Annotated[list[AnswerAsked], Field(max_length=100)] = []


class Reason(Told):
    """A sentence, as the code and the parameters it is made of."""

    code: str
    params: dict[str, str | int | float] = {}


MemberState = Literal["with", "warned", "departed", "unknown"]


class MemberTold(Told):
    """A child in the group. state: unknown when nothing fresh says that it is with the group.

    paused: nobody listens for this bag, as the guardian wishes (일시중지); a teacher's eyes must do.
    """

    child_id: str
    name: str
    bag_no: str
    state: MemberState
    age_s: float | None
    reason: Reason
    heard_by: str | None
    answer: Answer | None
    outfit: dict[str, str]
    paused: bool


class PhoneTold(Told):
    """A teacher's phone. watching: it reported lately."""

    phone_id: str
    teacher: str
    watching: bool
    age_s: float | None


class AnchorTold(Told):
    """Where the group is: the newest position of its phones."""

    at: datetime
    lat: float
    lon: float
    accuracy_m: int


class OutingSummary(Told):
    """A group in numbers: what a wall may show."""

    outing_id: str
    facility: FacilityTold
    status: Status
    state: str
    started_at: datetime
    version: int
    count: int
    with_group: Annotated[int, Field(serialization_alias="with")]
    warned: int
    departed: int
    unknown: int
    anchor: AnchorTold | None


class OutingTold(OutingSummary):
    """A group, child by child."""

    started_by: str
    ended_at: datetime | None
    phones: list[PhoneTold]
    members: list[MemberTold]


class OneOuting(Told):
    now: datetime
    outing: OutingTold


class Outings(Told):
    now: datetime
    outings: list[OutingSummary]


# Cases


class CaseAsked(Asked):
    """A missing report. pressed_at: when the teacher pressed, if it waited for the network.

    status: absent, as the outing's, or Actual without one; who says Actual is always taken at their word.
    """

    model_config = _example({"child_id": "c-1"})

    child_id: Id
    outing_id: Id | None = None
    pressed_at: Moment | None = None
    status: Status | None = None


class EvidenceAsked(Asked):
    """Seen, or somebody's word. at: when it was; radius_m: of the 95 % circle."""

    model_config = _example(
        {"kind": "seen", "lat": 37.4801, "lon": 126.9502, "radius_m": 20, "source": "cam-1"}
    )

    kind: Literal["seen", "reported"]
    lat: Latitude
    lon: Longitude
    radius_m: Annotated[float, Field(gt=0, le=50_000)]
    source: Id
    confirmed: bool = False
    at: Moment | None = None


class PoliceAsked(Asked):
    """The 112 call, or the notice in its place."""

    model_config = _example({"receipt_no": "2026-0505-0117", "channel": "112-call"})

    receipt_no: Annotated[str, StringConstraints(max_length=64)] = ""
    channel: Literal["112-call", "app", "webhook", "visit", "radio"] = "112-call"


class ReferenceAsked(Asked):
    """The police's own number for the case."""

    model_config = _example({"reference": "2026-0505-0117"})

    reference: Annotated[str, StringConstraints(max_length=64)] = ""


class SecuredAsked(Asked):
    """Who holds the child's hand."""

    model_config = _example({"by": "police"})

    by: Literal["police", "teacher", "operator", "citizen", "guardian", "self"]


class CloseAsked(Asked):
    model_config = _example({"reason": "false-alarm", "note": "놀이터에 있었음"})

    reason: CloseReason
    note: Note = ""


class MergeAsked(Asked):
    """The open case that is the same event."""

    model_config = _example({"into": "c-2f1c1f7a10"})

    into: Id


class MarkAsked(Asked):
    """What somebody sees in a camera: the search log."""

    model_config = _example({"mark": "watching"})

    mark: Literal["watching", "not-seen", "possible", "confirmed"]


class HandOnAsked(Asked):
    """Who works the case from now on."""

    model_config = _example({"to": "park-02"})

    to: Id


class NothingAsked(Asked):
    """An empty object."""

    model_config = _example({})


class EvidenceTold(Told):
    """One piece of evidence. The three kinds stay apart."""

    kind: Kind
    at: datetime
    age_s: float
    lat: float
    lon: float
    radius_m: float
    source: str
    confirmed: bool

    @classmethod
    def of(cls, found: Evidence, now: datetime) -> "EvidenceTold":
        return cls(
            kind=found.kind,
            at=found.at,
            age_s=age_s(found.at, now),
            lat=found.where.lat_deg,
            lon=found.where.lon_deg,
            radius_m=round(found.radius_m, 1),
            source=found.source,
            confirmed=found.confirmed,
        )


class SubjectTold(Told):
    """Who is missing. name: masked for whoever does not need it."""

    subject_id: str
    name: str
    age_y: int
    sex: str
    subject_class: str
    bag_no: str
    outfit: dict[str, str]


class CaseTold(Told):
    """A case as it stands. last: newest evidence of each kind. open: somebody is still missing.

    paused: an exercise that stands still, because something real happens or its supervisor says so.
    """

    case_id: str
    tenant_id: str
    status: Status
    state: CaseState
    open: bool
    paused: bool
    version: int
    subject: SubjectTold
    facility: FacilityTold
    outing_id: str
    opened_at: datetime
    opened_by: str
    owner: str
    escalation: int
    clock: dict[str, datetime]
    last: dict[Kind, EvidenceTold]
    police_ref: str
    close_reason: CloseReason | None
    close_note: str

    @classmethod
    def of(
        cls,
        case: Case,
        facility: FacilityTold,
        child: Child | None,
        now: datetime,
        *,
        masked: bool,
        places: bool,
    ) -> "CaseTold":
        """masked: the name; places: whether the reader may know where."""
        name = child.name if child is not None else ""
        return cls(
            case_id=case.case_id,
            tenant_id=case.tenant_id,
            status=case.status,
            state=case.state,
            open=case.is_open,
            paused=case.is_paused,
            version=case.version,
            subject=SubjectTold(
                subject_id=case.subject.subject_id,
                name=masked_name(name) if masked else name,
                age_y=case.subject.age_y,
                sex=child.sex if child is not None else "",
                subject_class=case.subject.subject_class.value,
                bag_no=child.bag_no if child is not None else "",
                outfit=dict(case.subject.outfit),
            ),
            facility=facility,
            outing_id=case.outing_id,
            opened_at=case.opened_at,
            opened_by=case.opened_by,
            owner=case.owner,
            escalation=case.escalation,
            clock=dict(case.clock),
            last={kind: EvidenceTold.of(e, now) for kind, e in case.last.items()} if places else {},
            police_ref=case.police_ref,
            close_reason=case.close_reason,
            close_note=case.close_note,
        )


class OneCase(Told):
    now: datetime
    case: CaseTold


class Reported(OneCase):
    """joined: the child had an open case already, and the report joined it."""

    joined: bool


class Cases(Told):
    now: datetime
    cases: list[CaseTold]


class EntryTold(Told):
    """One line of the timeline: code and params make the sentence (i18n `timeline.*`)."""

    seq: int
    at: datetime
    actor: str
    code: str
    params: dict[str, Any]
    chain: str

    @classmethod
    def of(cls, entry: Entry) -> "EntryTold":
        return cls(
            seq=entry.seq,
            at=entry.at,
            actor=entry.actor,
            code=entry.code,
            params=dict(entry.params),
            chain=entry.chain,
        )


class Timeline(Told):
    entries: list[EntryTold]


class ReportTold(Told):
    """What a case took. phases: seconds by name, "T12-T4" is report to secured."""

    case_id: str
    status: str
    outcome: str
    clock: dict[str, datetime]
    phases: dict[str, float]
    slowest: str
    entries: int
    chain_holds: bool


class EllipseTold(Told):
    """An area that holds the position with its confidence. bearing_deg: of the long axis, from north."""

    semi_major_m: float
    semi_minor_m: float
    bearing_deg: float

    @classmethod
    def of(cls, ellipse: Ellipse) -> "EllipseTold":
        return cls(
            semi_major_m=round(ellipse.semi_major_m, 1),
            semi_minor_m=round(ellipse.semi_minor_m, 1),
            bearing_deg=round(ellipse.bearing_deg, 1),
        )


class ReachTold(Told):
    """How far the child can have got since the newest evidence (95 %)."""

    lat: float
    lon: float
    radius_m: float
    speed_mps: float

    @classmethod
    def of(cls, reach: Reach, speed_mps: float) -> "ReachTold":
        return cls(
            lat=reach.center.lat_deg,
            lon=reach.center.lon_deg,
            radius_m=round(reach.radius_m, 1),
            speed_mps=speed_mps,
        )


class PositionTold(Told):
    """Where the beacon is: 비콘(가방) 위치, with its error, age, method and what was and was not heard.

    stale: older than a minute. label, reason: codes (i18n `api.*`, `fix.*`).
    """

    label: Literal["bag-position", "phone-position"]
    at: datetime
    age_s: float
    stale: bool
    lat: float
    lon: float
    ellipse50: EllipseTold
    ellipse95: EllipseTold
    shape: str
    method: str
    reason: str
    heard: list[str]
    heard_count: int
    silent: list[str]
    silent_count: int
    reach: ReachTold | None

    @classmethod
    def of(cls, fix: Fix, at: datetime, now: datetime, reach: ReachTold | None) -> "PositionTold":
        age = age_s(at, now)
        return cls(
            label="phone-position" if fix.method == "gps" else "bag-position",
            at=at,
            age_s=age,
            stale=age > STALE_S,
            lat=fix.center.lat_deg,
            lon=fix.center.lon_deg,
            ellipse50=EllipseTold.of(fix.ellipse50),
            ellipse95=EllipseTold.of(fix.ellipse95),
            shape=fix.shape.value,
            method=fix.method,
            reason=fix.reason,
            heard=list(fix.heard),
            heard_count=len(fix.heard),
            silent=list(fix.silent),
            silent_count=len(fix.silent),
            reach=reach,
        )


class OnePosition(Told):
    """position: null while nothing was heard. evidence: newest of each kind, apart."""

    now: datetime
    position: PositionTold | None
    evidence: dict[Kind, EvidenceTold] = {}


class PointTold(Told):
    """One place on the track. source: who heard, saw or said it; heard: the scanners, named by district."""

    at: datetime
    lat: float
    lon: float
    radius_m: float
    kind: Kind
    source: str
    heard: list[str]

    @classmethod
    def of(cls, found: Evidence) -> "PointTold":
        return cls(
            at=found.at,
            lat=found.where.lat_deg,
            lon=found.where.lon_deg,
            radius_m=round(found.radius_m, 1),
            kind=found.kind,
            source=found.source,
            heard=found.source.split(",") if found.kind is Kind.HEARD else [],
        )


class Track(Told):
    points: list[PointTold]


class MarkTold(Told):
    mark: Literal["watching", "not-seen", "possible", "confirmed"]
    by: str
    at: datetime


class RankedTold(CameraTold):
    """A camera worth opening. probability: share of the likely places that only this one adds."""

    probability: float
    distance_m: float
    bearing_deg: float
    arrives_from: datetime | None
    arrives_to: datetime | None
    reason: Reason
    mark: MarkTold | None

    @classmethod
    def ranked(
        cls, r: RankedCamera, arrives: tuple[datetime, datetime], mark: MarkTold | None
    ) -> "RankedTold":
        return cls(
            **_camera(r.camera),
            probability=round(r.score, 4),
            distance_m=round(r.distance_m, 1),
            bearing_deg=round(r.bearing_deg, 1),
            arrives_from=arrives[0],
            arrives_to=arrives[1],
            reason=Reason(code=r.reason, params=dict(r.params)),
            mark=mark,
        )


class RankedCameras(Told):
    """At most eight, best first, and those already marked."""

    cameras: list[RankedTold]
    marked: dict[str, MarkTold] = {}


# Shares


class ShareAsked(Asked):
    model_config = _example({"neighbour_id": "nuri"})

    neighbour_id: Id


class ShareTold(Told):
    """A case offered to a neighbour. fields: what it may see once it accepts."""

    owner_id: str
    case_id: str
    neighbour_id: str
    state: ShareState
    fields: list[str]
    offered_at: datetime
    decided_at: datetime | None
    until: datetime

    @classmethod
    def of(cls, share: Share) -> "ShareTold":
        return cls(
            owner_id=share.owner_id,
            case_id=share.case_id,
            neighbour_id=share.neighbour_id,
            state=share.state,
            fields=list(share.fields),
            offered_at=share.offered_at,
            decided_at=share.decided_at,
            until=share.until,
        )


class OneShare(Told):
    share: ShareTold


class Shares(Told):
    shares: list[ShareTold]


class AreaTold(Told):
    """A rough circle: enough to ready cameras, too little to follow."""

    lat: float
    lon: float
    radius_m: float

    @classmethod
    def of(cls, area: Ellipse) -> "AreaTold":
        center = area.center
        return cls(lat=center.lat_deg, lon=center.lon_deg, radius_m=round(area.semi_major_m))


class Preview(Told):
    """What an offer shows before it is accepted: area, time, class and clothing."""

    status: Status
    opened_at: datetime
    subject_class: str
    age_y: int
    outfit: dict[str, str]
    area: AreaTold | None

    @classmethod
    def of(cls, view: View) -> "Preview":
        return cls(
            status=Status(view.status),
            opened_at=view.opened_at,
            subject_class=view.subject_class,
            age_y=view.age_y,
            outfit=dict(view.outfit),
            area=None if view.area is None else AreaTold.of(view.area),
        )


class OfferTold(ShareTold):
    """An offer to this tenant. preview: null once it ended."""

    owner_name: str
    preview: Preview | None


class Offers(Told):
    offers: list[OfferTold]


class SharedSubject(Told):
    """Who is missing, as far as the grant goes; name: "" when it does not go so far."""

    name: str
    age_y: int
    subject_class: str
    outfit: dict[str, str]


class SharedCase(Told):
    """A neighbour's case. granted: the agreed fields; last: empty without "position"."""

    case_id: str
    owner_id: str
    owner_name: str
    status: Status
    state: str
    share: ShareState
    granted: list[str]
    opened_at: datetime
    until: datetime
    subject: SharedSubject
    area: AreaTold | None
    last: dict[Kind, EvidenceTold]

    @classmethod
    def of(cls, view: View, owner_name: str, name: str, now: datetime) -> "SharedCase":
        return cls(
            case_id=view.case_id,
            owner_id=view.owner_id,
            owner_name=owner_name,
            status=Status(view.status),
            state=view.state,
            share=view.share,
            granted=sorted(view.granted),
            opened_at=view.opened_at,
            until=view.until,
            subject=SharedSubject(
                name=name, age_y=view.age_y, subject_class=view.subject_class, outfit=dict(view.outfit)
            ),
            area=None if view.area is None else AreaTold.of(view.area),
            last={kind: EvidenceTold.of(found, now) for kind, found in view.last.items()},
        )


class OneSharedCase(Told):
    now: datetime
    case: SharedCase


# Errors


class Fault(Told):
    """One thing wrong with a request. where: dotted path; code: what is wrong, never what was sent."""

    where: str
    code: str


class Problem(Told):
    """Problem details (RFC 9457). code, params: the sentence (i18n `error.*`); detail: that sentence."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    params: dict[str, str | int | float] = {}
    errors: list[Fault] = []
    instance: str = ""


DARK_S = 60.0
"""A scanner without a heartbeat this long is dark (FIELD AT-2.6)."""
STALE_S = 60.0
"""A fix older than this is shown hollow (FIELD AT-2.5)."""


def age_s(at: datetime, now: datetime) -> float:
    """Seconds since `at`, to a tenth; 0 for what a faster clock says is still to come."""
    return round(max(0.0, (now - at).total_seconds()), 1)


def masked_name(name: str) -> str:
    """The family name, and a circle for every other letter: 김○○."""
    return name[:1] + "○" * (len(name) - 1)


def _camera(camera: Camera) -> Mapping[str, Any]:
    return {
        "camera_id": camera.camera_id,
        "name": camera.name,
        "lat": camera.at.lat_deg,
        "lon": camera.at.lon_deg,
        "heading_deg": camera.heading_deg,
        "field_of_view_deg": camera.field_of_view_deg,
        "range_m": camera.range_m,
    }


def _corners(area: Area) -> list[tuple[float, float]]:
    return [(corner.lat_deg, corner.lon_deg) for corner in area.ring]
