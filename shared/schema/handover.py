"""The hand-over to the police, version 1: what an officer needs, and nothing made up.

Blocks follow FIELD 4.2. What is not known reads `미상`, never blank. Heard, seen and reported stay apart.
A version never changes once it is made; its twins (page, CAP, GeoJSON) carry its version and checksum.
No resident registration number, ever. `checksum` is SHA-256 hex over the record without it, as canonical
JSON (sorted keys, no spaces, UTF-8), so a receiver can check what it holds with any tool.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from shared.domain.case import Case, Entry, Evidence, Kind
from shared.domain.guardian import Guardianship
from shared.domain.handover import KEPT, deliveries
from shared.domain.places import Child, Facility, Status, Tenant
from shared.domain.reach import reach
from shared.domain.sharing import Share
from shared.i18n import sentence

UNKNOWN = "미상"
RESTRICTION = "수색 목적 외 이용 금지"
LEGAL_BASIS = "실종아동등의 보호 및 지원에 관한 법률 6①, 9; 위치정보법 29"


class Block(BaseModel):
    """A block of the record."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SubjectBlock(Block):
    """Who is missing."""

    name: str = UNKNOWN
    sex: str = UNKNOWN
    age_y: int | str = UNKNOWN
    subject_class: str = UNKNOWN
    photo: str = UNKNOWN
    height: str = UNKNOWN
    build: str = UNKNOWN
    face: str = UNKNOWN
    hair: str = UNKNOWN
    marks: str = UNKNOWN
    outfit: Mapping[str, str] | str = UNKNOWN
    communication: str = UNKNOWN
    bag_no: str = UNKNOWN


class GuardianBlock(Block):
    """Whom the police must reach, and what consent stands."""

    name: str = UNKNOWN
    relation: str = UNKNOWN
    phone: str = UNKNOWN
    reached_at: datetime | str = UNKNOWN
    consent_collection: bool | str = UNKNOWN
    consent_police_location: bool | str = UNKNOWN
    consent_alert: bool | str = UNKNOWN


class ReporterBlock(Block):
    """Who reported, from where, and the 112 call as its own act."""

    reporter: str = UNKNOWN
    role: str = UNKNOWN
    facility: str = UNKNOWN
    facility_lat: float | str = UNKNOWN
    facility_lon: float | str = UNKNOWN
    reported_at: datetime | str = UNKNOWN
    police_told_at: datetime | str = UNKNOWN
    receipt_no: str = UNKNOWN


class Place(Block):
    """One place with its error: a circle that holds it with `confidence_percent`."""

    kind: Literal["heard", "seen", "reported"]
    at: datetime
    age_s: int
    lat: float
    lon: float
    shape: Literal["circle"] = "circle"
    radius_m: float
    confidence_percent: int = 95
    source: str
    confirmed: bool
    what: str


class CircumstancesBlock(Block):
    """The newest of each kind of evidence; they are never merged."""

    last_seen: Place | str = UNKNOWN
    last_heard: Place | str = UNKNOWN
    last_reported: Place | str = UNKNOWN


class CameraBlock(Block):
    """One line of the search log."""

    camera_id: str
    look: str
    by: str
    since: datetime
    at: datetime


class AreaBlock(Block):
    """How far the child can have got, and who was told beyond the border."""

    reach_lat: float | str = UNKNOWN
    reach_lon: float | str = UNKNOWN
    reach_radius_m: int | str = UNKNOWN
    neighbours: Mapping[str, str] = {}


class ActionBlock(Block):
    """One line of the append-only timeline; text: its code in words."""

    seq: int
    at: datetime
    actor: str
    code: str
    text: str


class DisclosureBlock(Block):
    """Who received what, under which restriction."""

    to: str
    at: datetime
    purpose: str
    restriction: str = RESTRICTION


class DeliveryBlock(Block):
    """Who got which earlier version, how, and what for."""

    to: str
    at: datetime
    channel: str
    version: int
    purpose: str


class Replaced(Block):
    """The version before this one."""

    version: int
    created_at: datetime
    checksum: str


class ClosingBlock(Block):
    """How it ended. destroy_by: when the police's copies of the places are to be gone (영 30의2②)."""

    secured_at: datetime | str = UNKNOWN
    secured_by: str = UNKNOWN
    with_guardian_at: datetime | str = UNKNOWN
    reason: str = UNKNOWN
    destroy_by: datetime | str = UNKNOWN


class HandOver(Block):
    """The whole record, version 1 of its schema."""

    v: Literal[1] = 1
    record_id: str
    version: int
    status: str
    case_id: str
    tenant_id: str
    tenant_name: str
    created_at: datetime
    created_by: str
    legal_basis: str = LEGAL_BASIS
    exercise_notice: str
    replaces: tuple[Replaced, ...] = ()
    subject: SubjectBlock
    guardian: GuardianBlock
    reporter: ReporterBlock
    circumstances: CircumstancesBlock
    history: tuple[Place, ...]
    cameras: tuple[CameraBlock, ...]
    area: AreaBlock
    actions: tuple[ActionBlock, ...]
    disclosures: tuple[DisclosureBlock, ...]
    deliveries: tuple[DeliveryBlock, ...]
    closing: ClosingBlock
    checksum: str = ""

    def sealed(self) -> "HandOver":
        """The record with its checksum."""
        return self.model_copy(update={"checksum": self.computed_checksum()})

    def computed_checksum(self) -> str:
        """SHA-256 hex over everything but the checksum."""
        return checksum(self.model_dump(mode="json"))


def checksum(record: Mapping[str, object]) -> str:
    """SHA-256 hex of a record as JSON without its `checksum`; what a receiver computes."""
    bare = {key: value for key, value in record.items() if key != "checksum"}
    text = json.dumps(bare, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def hand_over(
    case: Case,
    entries: Sequence[Entry],
    *,
    tenant: Tenant,
    child: Child | None,
    facility: Facility | None,
    shares: Sequence[Share],
    version: int,
    now: datetime,
    before: "HandOver | None" = None,
    guardianship: Guardianship | None = None,
) -> HandOver:
    """The sealed record of a case as it stands.

    entries: the whole timeline; before: the last version; guardianship: what is known of the guardian.
    """
    last = case.last
    return HandOver(
        record_id=f"{case.tenant_id}/{case.case_id}",
        version=version,
        status=case.status.value,
        case_id=case.case_id,
        tenant_id=case.tenant_id,
        tenant_name=tenant.name,
        created_at=now,
        created_by=case.owner or "system",
        exercise_notice="" if case.status is Status.ACTUAL else "[훈련] 실제 상황이 아닙니다",
        replaces=()
        if before is None
        else (Replaced(version=before.version, created_at=before.created_at, checksum=before.checksum),),
        subject=_subject(case, child),
        guardian=_guardian(case, child, guardianship, now),
        reporter=_reporter(case, entries, facility),
        circumstances=CircumstancesBlock(
            last_seen=_place(last.get(Kind.SEEN), now),
            last_heard=_place(last.get(Kind.HEARD), now),
            last_reported=_place(last.get(Kind.REPORTED), now),
        ),
        history=tuple(
            place
            for entry in entries
            if entry.evidence is not None and isinstance(place := _place(entry.evidence, now), Place)
        ),
        cameras=tuple(
            CameraBlock(camera_id=key, look=mark.look.value, by=mark.by, since=mark.since, at=mark.at)
            for key, mark in sorted(case.marks.items(), key=lambda each: each[1].at)
        ),
        area=_area(case, shares, now),
        actions=tuple(
            ActionBlock(
                seq=e.seq, at=e.at, actor=e.actor, code=e.code, text=sentence(f"timeline.{e.code}", e.params)
            )
            for e in entries
        ),
        disclosures=tuple(
            DisclosureBlock(to=str(e.params["to"]), at=e.at, purpose=str(e.params["purpose"]))
            for e in entries
            if e.code == "disclosed"
        ),
        deliveries=tuple(
            DeliveryBlock(to=d.to, at=d.at, channel=d.channel.value, version=d.version, purpose=d.purpose)
            for d in deliveries(entries)
        ),
        closing=_closing(case, entries),
    ).sealed()


def _subject(case: Case, child: Child | None) -> SubjectBlock:
    return SubjectBlock(
        name=child.name if child else UNKNOWN,
        sex=(child.sex if child else "") or UNKNOWN,
        age_y=case.subject.age_y,
        subject_class=case.subject.subject_class.value,
        outfit=dict(case.subject.outfit) or UNKNOWN,
        bag_no=child.bag_no if child else UNKNOWN,
    )


def _guardian(case: Case, child: Child | None, kept: Guardianship | None, now: datetime) -> GuardianBlock:
    """A consent that was not asked for yet is 미상, which is neither yes nor no."""
    consent, filed = child.consent if child else None, kept.filed if kept else None
    collection = UNKNOWN if consent is None else consent.allows(now)
    reached_at = case.clock.get("TG", UNKNOWN)
    if filed is None:
        return GuardianBlock(consent_collection=collection, reached_at=reached_at)
    police, alert = filed.separate.police_location, filed.separate.missing_alert
    return GuardianBlock(
        name=filed.form.guardian_name,
        relation=filed.relation or UNKNOWN,
        phone=filed.form.guardian_contact,
        reached_at=reached_at,
        consent_collection=collection,
        consent_police_location=UNKNOWN if police is None else police,
        consent_alert=UNKNOWN if alert is None else alert,
    )


def _reporter(case: Case, entries: Sequence[Entry], facility: Facility | None) -> ReporterBlock:
    opening = next((e for e in entries if e.code in ("opened", "help-called")), None)
    return ReporterBlock(
        reporter=case.opened_by,
        role=str(opening.params.get("role", UNKNOWN)) if opening else UNKNOWN,
        facility=facility.name if facility else UNKNOWN,
        facility_lat=facility.at.lat_deg if facility else UNKNOWN,
        facility_lon=facility.at.lon_deg if facility else UNKNOWN,
        reported_at=case.clock["T4"],
        police_told_at=case.clock.get("T9", UNKNOWN),
        receipt_no=case.police_ref or UNKNOWN,
    )


def _place(found: Evidence | None, now: datetime) -> Place | str:
    if found is None:
        return UNKNOWN
    what = {Kind.HEARD: "비콘(가방) 위치", Kind.SEEN: "목격 위치", Kind.REPORTED: "신고된 위치"}[found.kind]
    return Place(
        kind=found.kind.value,
        at=found.at,
        age_s=max(0, round((now - found.at).total_seconds())),
        lat=found.where.lat_deg,
        lon=found.where.lon_deg,
        radius_m=round(found.radius_m, 1),
        source=found.source,
        confirmed=found.confirmed,
        what=what,
    )


def _area(case: Case, shares: Sequence[Share], now: datetime) -> AreaBlock:
    ring = reach(case.last, now, case.subject.age_y, case.subject.subject_class)
    neighbours = {share.neighbour_id: share.state.value for share in shares}
    if ring is None or not case.is_open:
        return AreaBlock(neighbours=neighbours)
    return AreaBlock(
        reach_lat=ring.center.lat_deg,
        reach_lon=ring.center.lon_deg,
        reach_radius_m=round(ring.radius_m),
        neighbours=neighbours,
    )


def _closing(case: Case, entries: Sequence[Entry]) -> ClosingBlock:
    secured = next((e for e in reversed(entries) if e.code == "secured"), None)
    return ClosingBlock(
        secured_at=case.clock.get("T12", UNKNOWN),
        secured_by=str(secured.params["by"]) if secured and "T12" in case.clock else UNKNOWN,
        with_guardian_at=case.clock.get("T13", UNKNOWN),
        reason=case.close_reason.value if case.close_reason else UNKNOWN,
        destroy_by=case.clock["T14"] + KEPT if "T14" in case.clock else UNKNOWN,
    )
