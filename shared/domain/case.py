"""A case: somebody is missing, and who does what about it.

The case is an owner, a clock and an append-only timeline. Every function here is pure: it takes
a case and returns the case after, with the entries that say so, or raises Conflict.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from shared.domain.errors import Conflict
from shared.domain.geo import LatLon
from shared.domain.places import Status
from shared.domain.places import SubjectClass as SubjectClass  # noqa: PLC0414  part of this vocabulary

CHAIN_START = ""  # what the first entry of a case is chained to


class CaseState(StrEnum):
    REPORTED = "reported"
    ACKNOWLEDGED = "acknowledged"
    SEARCHING = "searching"
    SIGHTED = "sighted"
    CONFIRMED = "confirmed"
    SECURED = "secured"
    WITH_GUARDIAN = "with-guardian"
    CLOSED = "closed"


class CloseReason(StrEnum):
    FOUND = "found"
    FALSE_ALARM = "false-alarm"
    BAG_ONLY = "bag-only"
    MERGED = "merged"
    INCOMPLETE = "incomplete"


class Kind(StrEnum):
    """Three kinds of evidence stay apart for ever."""

    HEARD = "heard"  # a beacon, or a calling phone's GPS
    SEEN = "seen"  # a camera or a person
    REPORTED = "reported"  # somebody's word


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something: from the signed token, or "system"."""

    actor_id: str
    tenant_id: str
    role: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """One piece of evidence. radius_m: 95 %. source: scanner set, camera id, or actor id."""

    kind: Kind
    at: datetime
    where: LatLon
    radius_m: float
    source: str
    confirmed: bool = False


class Look(StrEnum):
    """What an operator says of a camera; together these are the search log (FIELD AT-2.4)."""

    WATCHING = "watching"
    NOT_SEEN = "not-seen"
    POSSIBLE = "possible"
    CONFIRMED = "confirmed"


@dataclass(frozen=True, slots=True)
class Mark:
    """The newest word on a camera in this case. since: when watching it began."""

    look: Look
    by: str
    at: datetime
    since: datetime


@dataclass(frozen=True, slots=True)
class Subject:
    """Who is missing. Names stay in the registry; outfit is today's, from the outing's card."""

    subject_id: str
    beacon_id: str
    subject_class: SubjectClass
    age_y: int
    outfit: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the timeline. code and params make the sentence (i18n `timeline.*`).

    seq: 1, 2, 3 … per case. chain: SHA-256 hex over the previous chain and this entry, so an edit shows.
    evidence: where, for the entries that are about a place. It is kept beside the entry and only its
    digest is chained, so that coordinates can be destroyed (위치정보법 23) and the chain still holds.
    """

    seq: int
    at: datetime
    actor: str
    code: str
    params: Mapping[str, Any]
    chain: str
    evidence: Evidence | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """A case as it stands. clock: T0…T14 where they happened; a missing key is "not yet".

    news: rises with each `Workflow.wake`, never by saving; the workflow waits while it stands still.
    version: rises with each change; a writer that read an older one loses.
    last: newest evidence of each kind, by event time.
    steps: codes of escalation steps already taken (`escalation.py`).
    tried: when the workflow last tried to tell an audience ("teachers", "operators", "police").
    handover: version of the newest hand-over the police received, 0 for none; handover_tried: the
    one on its way; handover_covers: digest of what that one says.
    marks: the newest word on each camera.
    pauses: stretches (from, to) an exercise stood still for something real; to None while it does.
    """

    case_id: str
    tenant_id: str
    status: Status
    state: CaseState
    subject: Subject
    facility_id: str
    outing_id: str
    opened_at: datetime
    opened_by: str
    owner: str = ""
    clock: Mapping[str, datetime] = field(default_factory=dict)
    last: Mapping[Kind, Evidence] = field(default_factory=dict)
    escalation: int = 0
    police_ref: str = ""
    close_reason: CloseReason | None = None
    close_note: str = ""
    chain: str = ""
    entries: int = 0
    news: int = 0
    version: int = 0
    steps: tuple[str, ...] = ()
    tried: Mapping[str, datetime] = field(default_factory=dict)
    handover: int = 0
    handover_tried: int = 0
    handover_covers: str = ""
    marks: Mapping[str, Mark] = field(default_factory=dict)
    pauses: tuple[tuple[datetime, datetime | None], ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether somebody is still missing, or not yet back with a guardian."""
        return self.state is not CaseState.CLOSED

    @property
    def is_paused(self) -> bool:
        """Whether this exercise stands still because something real happens."""
        return bool(self.pauses) and self.pauses[-1][1] is None


Change = tuple[Case, tuple[Entry, ...]]
"""The case after, and the lines to append; no lines when nothing happened."""

_ORDER = {state: rank for rank, state in enumerate(CaseState)}


def system(tenant_id: str) -> Actor:
    """The workflow itself, acting for a tenant."""
    return Actor("system", tenant_id, "system")


def open_case(
    case_id: str,
    by: Actor,
    at: datetime,
    *,
    status: Status,
    subject: Subject,
    facility_id: str,
    outing_id: str = "",
    pressed_at: datetime | None = None,
    clock: Mapping[str, datetime] | None = None,
    evidence: Evidence | None = None,
) -> Change:
    """A new case. `by`'s tenant owns it.

    pressed_at: when the teacher pressed, if the report waited in a queue (T4); never later than `at`.
    clock: T0…T3 when they happened before the report. evidence: where the child was last known.
    """
    pressed = min(pressed_at or at, at)
    case = Case(
        case_id=case_id,
        tenant_id=by.tenant_id,
        status=status,
        state=CaseState.REPORTED,
        subject=subject,
        facility_id=facility_id,
        outing_id=outing_id,
        opened_at=at,
        opened_by=by.actor_id,
        clock={**(clock or {}), "T4": pressed},
        last={} if evidence is None else {evidence.kind: evidence},
    )
    late_s = round((at - pressed).total_seconds())
    code = "help-called" if subject.subject_class is SubjectClass.CITIZEN else "opened"
    return _record(case, code, by, at, {"status": status.value, "late_s": late_s}, found=evidence)


def joined(case: Case, by: Actor, at: datetime) -> Change:
    """A second report of the same subject joins the open case."""
    return _record(_opened(case), "report-joined", by, at, {})


def acknowledge(case: Case, by: Actor, at: datetime) -> Change:
    """`by` owns the case from now on (T5); again by the owner is no change. Conflict(owner=…) by another."""
    _opened(case)
    if case.owner == by.actor_id:
        return case, ()
    if case.owner:
        raise Conflict("case-already-owned", owner=case.owner)
    return _record(
        replace(_stamped(case, "T5", at), owner=by.actor_id, state=_at_least(case, CaseState.ACKNOWLEDGED)),
        "acknowledged",
        by,
        at,
        {"after_s": round((at - case.clock["T4"]).total_seconds())},
    )


def hand_on(case: Case, to: str, by: Actor, at: datetime) -> Change:
    """The owner gives the case to another operator. Conflict unless `by` owns it or is a duty officer."""
    if by.actor_id != case.owner and by.role not in ("official", "admin"):
        raise Conflict("case-already-owned", owner=case.owner)
    return _record(replace(_opened(case), owner=to), "handed-on", by, at, {"to": to})


def searching(case: Case, by: Actor, at: datetime) -> Change:
    """The search is on; again is no change."""
    after = replace(_opened(case), state=_at_least(case, CaseState.SEARCHING))
    return (case, ()) if after == case else _record(after, "search-started", by, at, {})


def mark_camera(
    case: Case, camera_id: str, look: Look, by: Actor, at: datetime, *, view: Evidence | None = None
) -> Change:
    """An operator's word on a camera: the first one watched is T6, possible or confirmed is T8, T8c.

    view: where the camera looks, as evidence; ignored unless the look is possible or confirmed.
    ValueError when it is needed and missing.
    """
    known = _opened(case).marks.get(camera_id)
    since = known.since if known and known.look is Look.WATCHING else at
    mark = Mark(look, by.actor_id, at, since)
    after = replace(
        _stamped(case, "T6", at),
        marks={**case.marks, camera_id: mark},
        state=_at_least(case, CaseState.SEARCHING),
    )
    params = {"camera_id": camera_id, "since": since.isoformat()}
    after, said = _record(after, f"camera-{look.value}", by, at, params)
    if look not in (Look.POSSIBLE, Look.CONFIRMED):
        return after, said
    if view is None:
        raise ValueError("a sighting on a camera needs the place it looks at")
    seen = replace(view, kind=Kind.SEEN, at=at, source=camera_id, confirmed=look is Look.CONFIRMED)
    after, found = add_evidence(after, seen, by, at)
    return after, (*said, *found)


def add_evidence(case: Case, found: Evidence, by: Actor, at: datetime) -> Change:
    """Heard (T7), seen (T8), seen and confirmed (T8c) or reported. The stamps take the event's time.

    Evidence older than what is known of its kind is recorded and never moves the position back.
    """
    _opened(case)
    known = case.last.get(found.kind)
    late = known is not None and found.at < known.at
    after = case if late else replace(case, last={**case.last, found.kind: found})
    if found.kind is Kind.HEARD and found.at > case.clock["T4"]:
        after = replace(_stamped(after, "T7", found.at), state=_at_least(after, CaseState.SIGHTED))
    elif found.kind is Kind.SEEN:
        after = replace(_stamped(after, "T8", found.at), state=_at_least(after, CaseState.SIGHTED))
        if found.confirmed:
            after = replace(_stamped(after, "T8c", found.at), state=_at_least(after, CaseState.CONFIRMED))
    params = {
        "kind": found.kind.value,
        "radius_m": round(found.radius_m),
        "source": found.source,
        "confirmed": found.confirmed,
        "seen_at": found.at.isoformat(),
        "late": late,
    }
    return _record(after, "evidence", by, at, params, found=found)


def police_told(case: Case, receipt_no: str, channel: str, by: Actor, at: datetime) -> Change:
    """The 112 call, or the notice in its place: an act of its own with time and receipt (T9)."""
    after = replace(_stamped(_opened(case), "T9", at), police_ref=case.police_ref or receipt_no)
    return _record(after, "police-told", by, at, {"receipt_no": receipt_no, "channel": channel})


def police_acknowledged(case: Case, by: Actor, at: datetime, reference: str = "") -> Change:
    """The police say they have it (T10)."""
    after = replace(_stamped(_opened(case), "T10", at), police_ref=case.police_ref or reference)
    return _record(after, "police-acknowledged", by, at, {"reference": reference})


def officer_on_scene(case: Case, by: Actor, at: datetime) -> Change:
    """An officer is there (T11)."""
    return _record(_stamped(_opened(case), "T11", at), "officer-on-scene", by, at, {})


def secured(case: Case, secured_by: str, by: Actor, at: datetime) -> Change:
    """Somebody holds the child's hand (T12): `secured_by` ("police", "teacher", "citizen") as `by` says."""
    if "T12" in _opened(case).clock:
        return case, ()
    after = replace(_stamped(case, "T12", at), state=_at_least(case, CaseState.SECURED))
    return _record(after, "secured", by, at, {"by": secured_by})


def with_guardian(case: Case, by: Actor, at: datetime) -> Change:
    """Handed to the guardian, identity checked (T13). Conflict before somebody has secured the child."""
    if "T12" not in _opened(case).clock:
        raise Conflict("case-not-secured")
    if "T13" in case.clock:
        return case, ()
    after = replace(_stamped(case, "T13", at), state=_at_least(case, CaseState.WITH_GUARDIAN))
    return _record(after, "with-guardian", by, at, {})


def close(case: Case, reason: CloseReason, note_text: str, by: Actor, at: datetime) -> Change:
    """End the case (T14); again with the same reason is no change.

    Conflict: `found` before anybody secured the child; `incomplete` without a note saying why.
    """
    if not case.is_open and case.close_reason is reason:
        return case, ()
    _opened(case)
    if reason is CloseReason.FOUND and "T12" not in case.clock:
        raise Conflict("case-not-secured")
    if reason is CloseReason.INCOMPLETE and not note_text.strip():
        raise Conflict("close-needs-note")
    after = replace(
        _stamped(case, "T14", at), state=CaseState.CLOSED, close_reason=reason, close_note=note_text
    )
    return _record(after, "closed", by, at, {"reason": reason.value})


def merge(case: Case, into: Case, by: Actor, at: datetime) -> Change:
    """Close `case` because `into` is the same event; again is no change.

    Conflict for itself, for a closed or foreign one, and for an exercise into something real or back.
    """
    same = into.case_id == case.case_id or into.tenant_id != case.tenant_id or into.status is not case.status
    if same or not into.is_open:
        raise Conflict("case-cannot-merge")
    if case.close_reason is CloseReason.MERGED:
        return case, ()
    after = replace(
        _stamped(_opened(case), "T14", at), state=CaseState.CLOSED, close_reason=CloseReason.MERGED
    )
    return _record(after, "closed", by, at, {"reason": CloseReason.MERGED.value, "into": into.case_id})


def absorb(case: Case, other: Case, by: Actor, at: datetime) -> Change:
    """`other` was merged into this case: a line, once, so that its timeline is found from here."""
    step = f"absorbed:{other.case_id}"
    if step in _opened(case).steps:
        return case, ()
    return _record(done(case, step), "absorbed", by, at, {"case_id": other.case_id})


def describe(case: Case, outfit: Mapping[str, str], by: Actor, at: datetime) -> Change:
    """Somebody says how the missing person is dressed now; the colours stay out of the timeline."""
    worn = tuple(sorted(outfit.items()))
    if worn == _opened(case).subject.outfit:
        return case, ()
    after = replace(case, subject=replace(case.subject, outfit=worn))
    return _record(after, "described", by, at, {"pieces": len(worn)})


def separated(case: Case, separated_at: datetime, by: Actor, at: datetime) -> Change:
    """The observer of an exercise says when the child left (T0); once said it stays.

    Conflict for a real case, where nobody knows, and for a time after the report.
    """
    if case.status is not Status.EXERCISE:
        raise Conflict("case-not-exercise")
    if separated_at > case.clock["T4"]:
        raise Conflict("separated-after-report")
    if "T0" in case.clock:
        return case, ()
    return _record(_stamped(case, "T0", separated_at), "separated", by, at, {})


def pause(case: Case, reason: str, by: Actor, at: datetime) -> Change:
    """An exercise stands still; nobody is told anything of it until it goes on. Again is no change."""
    if case.status is not Status.EXERCISE:
        raise Conflict("case-not-exercise")
    if case.is_paused or not case.is_open:
        return case, ()
    after = replace(case, pauses=(*case.pauses, (at, None)))
    return _record(after, "paused", by, at, {"reason": reason})


def resume(case: Case, by: Actor, at: datetime) -> Change:
    """An exercise goes on where it stood; the clock leaves the pause out. Again is no change."""
    if not case.is_paused or not case.is_open:
        return case, ()
    since = case.pauses[-1][0]
    after = replace(case, pauses=(*case.pauses[:-1], (since, at)))
    return _record(after, "resumed", by, at, {"after_s": round((at - since).total_seconds())})


def paused_s(case: Case, start: datetime, end: datetime) -> float:
    """Seconds of `start`…`end` in which the case stood still."""
    stretches = ((max(start, since), min(end, until or end)) for since, until in case.pauses)
    return sum(max(0.0, (b - a).total_seconds()) for a, b in stretches)


def reopen(case: Case, by: Actor, at: datetime) -> Change:
    """The search goes on. What was secured, handed over and closed keeps its times as T12.1, T13.1, T14.1."""
    if case.is_open:
        raise Conflict("case-still-open")
    nth = 1 + sum(1 for key in case.clock if key.startswith("T14."))
    clock = {f"{key}.{nth}" if key in ("T12", "T13", "T14") else key: t for key, t in case.clock.items()}
    state = CaseState.SEARCHING if case.owner else CaseState.REPORTED
    after = replace(case, clock=clock, state=state, close_reason=None, close_note="", steps=())
    return _record(after, "reopened", by, at, {"nth": nth})


def escalated(case: Case, step: str, level: int, at: datetime, *, heard: bool = True) -> Change:
    """The workflow took an escalation step; each is taken once. heard: False while it is called again."""
    case = undone(case, f"unheard:{step}") if heard else done(case, f"unheard:{step}")
    if step in case.steps:
        return case, ()
    after = replace(case, steps=(*case.steps, step), escalation=max(case.escalation, level))
    return _record(after, "escalated", system(case.tenant_id), at, {"step": step, "level": level})


def escalate(case: Case, by: Actor, at: datetime) -> Change:
    """An operator asks for the duty officer now, without waiting for the clock; again is no change."""
    if {"duty-officer", "duty-officer-asked"} & set(_opened(case).steps):
        return case, ()
    return _record(replace(case, steps=(*case.steps, "duty-officer-asked")), "duty-officer-asked", by, at, {})


def tried(case: Case, audience: str, at: datetime) -> Case:
    """The workflow is about to tell an audience; when that fails it is tried again later, not at once."""
    return replace(case, tried={**case.tried, audience: at})


def done(case: Case, step: str) -> Case:
    """A step of the workflow that is taken once per case has been taken."""
    return case if step in case.steps else replace(case, steps=(*case.steps, step))


def undone(case: Case, step: str) -> Case:
    """A step that no longer stands: what it says has come to an end."""
    return replace(case, steps=tuple(each for each in case.steps if each != step))


def handover_content(case: Case) -> str:
    """Digest of what a hand-over of this case would say: when it changes, the police get a new version."""
    last = sorted((kind.value, digest(found)) for kind, found in case.last.items())
    # T9p is the hand-over's own arrival: no news for those at whose desk it arrived.
    clock = sorted((key, at.isoformat()) for key, at in case.clock.items() if key != "T9p")
    what = [case.state.value, case.owner, last, clock, str(case.close_reason or "")]
    return hashlib.sha256(json.dumps(what, ensure_ascii=False).encode()).hexdigest()


def handing_over(case: Case, at: datetime) -> Case:
    """A hand-over sets out: the same version while it says the same and has not arrived, else the next."""
    covers = handover_content(case)
    version = case.handover_tried
    if covers != case.handover_covers:
        version += 1
    return replace(tried(case, "police", at), handover_tried=version, handover_covers=covers)


def handed_over(
    case: Case, version: int, receipt: str, by: Actor, at: datetime, *, checksum: str = ""
) -> Change:
    """Hand-over `version` reached the police (T9p the first); an older or repeated one changes nothing."""
    if version <= case.handover:
        return case, ()
    after = done(replace(_stamped(case, "T9p", at), handover=version), "told:police")
    return _record(
        after, "handed-over", by, at, {"version": version, "receipt": receipt, "checksum": checksum}
    )


def guardian_told(case: Case, how: str, by: Actor, at: datetime) -> Change:
    """A person told the guardian (TG), as `how` says; again is a line and moves nothing."""
    return _record(_stamped(case, "TG", at), "guardian-told", by, at, {"how": how})


def places_destroyed(case: Case, by: Actor, at: datetime) -> Change:
    """Where the child was is destroyed (T15); again is no change. Conflict while somebody is missing."""
    if case.is_open:
        raise Conflict("case-still-open")
    if "T15" in case.clock:
        return case, ()
    return _record(replace(_stamped(case, "T15", at), last={}), "places-destroyed", by, at, {})


def note(case: Case, code: str, params: Mapping[str, Any], by: Actor, at: datetime) -> Change:
    """Any other line of the timeline, also on a closed case. params: no name, number or coordinate."""
    return _record(case, code, by, at, params)


def chained(previous: str, entry: Entry) -> str:
    """The chain value of an entry that follows `previous`: SHA-256 hex over both."""
    what = [entry.seq, entry.at.isoformat(), entry.actor, entry.code, entry.params]
    text = json.dumps(what, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(f"{previous}\n{text}".encode()).hexdigest()


def digest(found: Evidence) -> str:
    """SHA-256 hex of a piece of evidence; it stays in the chain when the coordinates are destroyed."""
    where = [found.where.lat_deg, found.where.lon_deg, found.radius_m]
    what = [found.kind.value, found.at.isoformat(), *where, found.source, found.confirmed]
    return hashlib.sha256(json.dumps(what, ensure_ascii=False).encode()).hexdigest()


def broken_at(case: Case, entries: Sequence[Entry]) -> int | None:
    """The first timeline line that was edited, dropped, added or moved, or None when the chain holds.

    Lines missing at the end show too: the case itself carries their number and the last chain.
    """
    previous = CHAIN_START
    for seq, entry in enumerate(entries, 1):
        evidence_changed = entry.evidence is not None and digest(entry.evidence) != entry.params.get("digest")
        if entry.seq != seq or entry.chain != chained(previous, entry) or evidence_changed:
            return seq
        previous = entry.chain
    return None if (len(entries), previous) == (case.entries, case.chain) else len(entries) + 1


def _opened(case: Case) -> Case:
    if not case.is_open:
        raise Conflict("case-closed", reason=str(case.close_reason or ""))
    return case


def _stamped(case: Case, point: str, at: datetime) -> Case:
    """The clock point where it happened first; it is never overwritten."""
    return case if point in case.clock else replace(case, clock={**case.clock, point: at})


def _at_least(case: Case, state: CaseState) -> CaseState:
    return max(case.state, state, key=_ORDER.__getitem__)


def _record(
    case: Case,
    code: str,
    by: Actor,
    at: datetime,
    params: Mapping[str, Any],
    *,
    found: Evidence | None = None,
) -> Change:
    params = {"role": by.role, **params}
    if by.tenant_id != case.tenant_id:
        params["tenant_id"] = by.tenant_id
    if found is not None:
        params["digest"] = digest(found)
    bare = Entry(case.entries + 1, at, by.actor_id, code, params, "", found)
    entry = replace(bare, chain=chained(case.chain, bare))
    return replace(case, entries=entry.seq, chain=entry.chain), (entry,)
