"""Cases: report, acknowledge, search, secure, close; and where the child may be."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from aws_lambda_powertools.event_handler import Response

from functions.api.access import Role
from functions.api.desk import AtDesk, Desk, new_router
from shared.adapters.cases import change as change_case
from shared.adapters.clock import epoch_ms, from_epoch_ms
from shared.adapters.drills import interrupted, joined, watched
from shared.adapters.hearing import Hearing, hearing, streets_about
from shared.adapters.wiring import Adapters
from shared.domain import case as rules
from shared.domain.case import Case, CloseReason, Evidence, Kind, Look, Mark, Subject
from shared.domain.errors import Conflict, Forbidden, NotFound, Rejected
from shared.domain.geo import LatLon, distance_m
from shared.domain.outing import Member, Outing
from shared.domain.places import Child, Facility, Scanner, Status, SubjectClass
from shared.domain.position import Fix, gps_fix
from shared.domain.reach import newest, reach, speed_mps
from shared.domain.report import case_report
from shared.domain.search import AHEAD_S, rank_cameras
from shared.domain.sharing import marks_in
from shared.domain.sighting import Window
from shared.schema import http

router = new_router()

LOOK_BACK = timedelta(hours=24)
"""Closed cases that a list without `since` still shows; and how long a report may have waited."""
CANCEL = timedelta(seconds=15)
"""A teacher may take a report back this long (the phone's 신고 취소)."""

GPS_95 = gps_fix(LatLon(0.0, 0.0), 100.0, 0).ellipse95.semi_major_m / 100.0
"""The 95 % radius of a phone's own position by the accuracy it states."""

HEARS_M = 50.0
"""A scanner further than this from every likely place says nothing by its silence."""


@router.post(
    "/cases",
    summary="Report a missing child",
    tags=["cases"],
    responses={
        status: {"description": what, "content": {"application/json": {"model": http.Reported}}}
        for status, what in ((201, "A new case"), (200, "The child's open case, joined"))
    },
)
def report(body: http.CaseAsked, desk: AtDesk) -> Response[http.Reported]:
    """Open a case (201), or join the child's open one (200). pressed_at is kept as T4."""
    child = desk.on.registry.child(body.child_id)
    if not desk.caller.sees(child.facility_id):
        raise NotFound("child-not-found")
    case, is_new = opened(desk, child, body)
    if not is_new:
        case = change(desk.on, case.case_id, lambda open_: rules.joined(open_, desk.actor, desk.now))
    desk.on.live.tell("case", case.case_id, case.version)
    told = http.Reported(now=desk.now, case=_told(desk, case), joined=not is_new)
    return Response(201 if is_new else 200, "application/json", told)


@router.get("/cases", summary="Cases", tags=["cases"])
def several(desk: AtDesk, since: http.Moment | None = None) -> http.Cases:
    """Open cases, and those closed since (by default in the last 24 hours). Names are masked."""
    cases = [
        c for c in desk.on.cases.recent(since or desk.now - LOOK_BACK) if desk.caller.sees(c.facility_id)
    ]
    return http.Cases(now=desk.now, cases=[_told(desk, case, in_list=True) for case in cases])


@router.get("/cases/<case_id>", summary="A case", tags=["cases"])
def one(case_id: http.Id, desk: AtDesk) -> http.OneCase:
    case = _seen(desk, case_id)
    return http.OneCase(now=desk.now, case=_told(desk, case))


@router.get("/cases/<case_id>/timeline", summary="What happened", tags=["cases"])
def timeline(case_id: http.Id, desk: AtDesk, after: int = 0) -> http.Timeline:
    """The lines after `after`, oldest first; append-only and hash-chained."""
    case = _seen(desk, case_id)
    lines = desk.on.cases.timeline(case.case_id, after)
    return http.Timeline(entries=[http.EntryTold.of(entry) for entry in lines])


@router.get("/cases/<case_id>/report", summary="What it took", tags=["cases"])
def its_report(case_id: http.Id, desk: AtDesk) -> http.ReportTold:
    """Clock points and the seconds between them."""
    case = _seen(desk, case_id)
    told = case_report(case, desk.on.cases.timeline(case.case_id))
    fields = http.ReportTold.model_fields
    return http.ReportTold(**{name: _plain(getattr(told, name)) for name in fields})


@router.post("/cases/<case_id>/acknowledge", summary="Take a case", tags=["cases"])
def acknowledge(case_id: http.Id, body: http.NothingAsked, desk: AtDesk) -> http.OneCase:
    """The caller works the case from now on (T5). 409 tells who has it already."""
    return _changed(desk, case_id, lambda case: rules.acknowledge(case, desk.actor, desk.now))


@router.post("/cases/<case_id>/hand-on", summary="Give a case to a colleague", tags=["cases"])
def hand_on(case_id: http.Id, body: http.HandOnAsked, desk: AtDesk) -> http.OneCase:
    return _changed(desk, case_id, lambda case: rules.hand_on(case, body.to, desk.actor, desk.now))


@router.post("/cases/<case_id>/escalate", summary="Report upwards now", tags=["cases"])
def escalate(case_id: http.Id, body: http.NothingAsked, desk: AtDesk) -> http.OneCase:
    """The operator wants the duty officer now, before the clock asks for one."""
    return _changed(desk, case_id, lambda case: rules.escalate(case, desk.actor, desk.now))


@router.post("/cases/<case_id>/evidence", summary="Say what was seen or reported", tags=["cases"])
def evidence(case_id: http.Id, body: http.EvidenceAsked, desk: AtDesk) -> http.OneCase:
    """A sighting by a person or a camera, or somebody's word. Confirming is for control room and police."""
    if body.confirmed and desk.caller.is_bound:
        raise Forbidden("confirming-not-allowed")
    found = Evidence(
        kind=Kind(body.kind),
        at=min(body.at or desk.now, desk.now),
        where=LatLon(body.lat, body.lon),
        radius_m=body.radius_m,
        source=body.source,
        confirmed=body.confirmed,
    )
    return _changed(desk, case_id, lambda case: rules.add_evidence(case, found, desk.actor, desk.now))


@router.post("/cases/<case_id>/police", summary="The police were told", tags=["cases"])
def police(case_id: http.Id, body: http.PoliceAsked, desk: AtDesk) -> http.OneCase:
    """The 112 call, an act of its own with time and receipt number (T9)."""
    return _changed(
        desk,
        case_id,
        lambda case: rules.police_told(case, body.receipt_no, body.channel, desk.actor, desk.now),
    )


@router.post("/cases/<case_id>/police/acknowledge", summary="The police have it", tags=["cases"])
def police_acknowledge(case_id: http.Id, body: http.ReferenceAsked, desk: AtDesk) -> http.OneCase:
    """T10, with the police's own reference."""
    return _changed(
        desk,
        case_id,
        lambda case: rules.police_acknowledged(case, desk.actor, desk.now, body.reference),
    )


@router.post("/cases/<case_id>/police/on-scene", summary="An officer is there", tags=["cases"])
def on_scene(case_id: http.Id, body: http.NothingAsked, desk: AtDesk) -> http.OneCase:
    """T11."""
    return _changed(desk, case_id, lambda case: rules.officer_on_scene(case, desk.actor, desk.now))


@router.post("/cases/<case_id>/secured", summary="Somebody holds the child's hand", tags=["cases"])
def secured(case_id: http.Id, body: http.SecuredAsked, desk: AtDesk) -> http.OneCase:
    """T12."""
    return _changed(desk, case_id, lambda case: rules.secured(case, body.by, desk.actor, desk.now))


@router.post("/cases/<case_id>/guardian", summary="With the guardian", tags=["cases"])
def guardian(case_id: http.Id, body: http.NothingAsked, desk: AtDesk) -> http.OneCase:
    """Handed to the guardian, identity checked (T13). 409 before the child is secured."""
    return _changed(desk, case_id, lambda case: rules.with_guardian(case, desk.actor, desk.now))


@router.post("/cases/<case_id>/close", summary="Close a case", tags=["cases"])
def close(case_id: http.Id, body: http.CloseAsked, desk: AtDesk) -> http.OneCase:
    """T14. A teacher may take back an own report as a false alarm within 15 seconds."""

    def closed(case: Case) -> rules.Change:
        if desk.caller.is_bound and case.is_open and not _may_cancel(case, body.reason, desk):
            raise Forbidden("closing-not-allowed")
        return rules.close(case, body.reason, body.note, desk.actor, desk.now)

    return _changed(desk, case_id, closed)


@router.post("/cases/<case_id>/merge", summary="Two cases are one event", tags=["cases"])
def merge(case_id: http.Id, body: http.MergeAsked, desk: AtDesk) -> http.OneCase:
    """Close this case because `into` is the same event; each timeline names the other."""
    case, into = desk.case(case_id), desk.case(body.into)
    rules.merge(case, into, desk.actor, desk.now)  # refused before anything is written
    change(desk.on, into.case_id, lambda each: rules.absorb(each, case, desk.actor, desk.now))
    return _changed(desk, case_id, lambda each: rules.merge(each, into, desk.actor, desk.now))


@router.post("/cases/<case_id>/reopen", summary="The search goes on", tags=["cases"])
def reopen(case_id: http.Id, body: http.NothingAsked, desk: AtDesk) -> http.OneCase:
    """Everybody is told again. 409 while it is open, or while the child has another open case."""
    told = _changed(desk, case_id, lambda case: rules.reopen(case, desk.actor, desk.now))
    _set_off(desk.on, desk.on.cases.get(case_id))
    return told


@router.get("/cases/<case_id>/position", summary="Where the bag is", tags=["search"])
def position(case_id: http.Id, desk: AtDesk) -> http.OnePosition:
    """비콘(가방) 위치: the newest fix with its error and age; and the newest evidence of each kind."""
    return told_position(desk.on, _seen(desk, case_id), desk.now)


@router.get("/cases/<case_id>/track", summary="Where it has been", tags=["search"])
def track(case_id: http.Id, desk: AtDesk) -> http.Track:
    """Every piece of evidence in the order it happened, from every district that heard."""
    return told_track(desk.on, _seen(desk, case_id))


@router.get("/cases/<case_id>/cameras", summary="Which cameras to open", tags=["search"])
def cameras(case_id: http.Id, desk: AtDesk) -> http.RankedCameras:
    """At most eight, best first; one that a colleague watches, or just watched in vain, is not offered."""
    return told_cameras(desk.on, _seen(desk, case_id), desk)


@router.post("/cases/<case_id>/cameras/<camera_id>", summary="Mark a camera", tags=["search"])
def mark(case_id: http.Id, camera_id: http.Id, body: http.MarkAsked, desk: AtDesk) -> http.OneCase:
    """The search log. The first watched is T6; possible and confirmed are evidence that it was seen."""
    camera = next((c for c in desk.on.registry.cameras() if c.camera_id == camera_id), None)
    if camera is None:
        raise NotFound("camera-not-found")
    look = Look(body.mark)
    view = Evidence(Kind.SEEN, desk.now, camera.at, camera.range_m, camera_id)
    return _changed(
        desk,
        case_id,
        lambda case: rules.mark_camera(case, camera_id, look, desk.actor, desk.now, view=view),
    )


def change(owner: Adapters, case_id: str, how: Callable[[Case], rules.Change]) -> Case:
    """Change a case of `owner`; when that changed something, its workflow and its screens look up."""
    case, entries = change_case(owner.cases, case_id, how)
    if entries:
        owner.workflow.wake(case_id)
        owner.live.tell("case", case_id, case.version)
    return case


def told_position(on: Adapters, case: Case, now: datetime) -> http.OnePosition:
    """The newest fix of the case's beacon, the reach ring, and the evidence."""
    fix = _fix(on, case, _hearing(on, case))
    last = known(case, fix)
    ring = reach(last, now, case.subject.age_y, case.subject.subject_class)
    told = {kind: http.EvidenceTold.of(found, now) for kind, found in last.items()}
    if fix is None:
        return http.OnePosition(now=now, position=None, evidence=told)
    mps = speed_mps(case.subject.age_y, case.subject.subject_class)
    reached = None if ring is None else http.ReachTold.of(ring, mps)
    where = http.PositionTold.of(fix, from_epoch_ms(fix.at_ms), now, reached)
    return http.OnePosition(now=now, position=where, evidence=told)


def told_track(on: Adapters, case: Case) -> http.Track:
    """The evidence of the whole timeline, in the order of event times."""
    found = [entry.evidence for entry in on.cases.timeline(case.case_id) if entry.evidence is not None]
    return http.Track(points=[http.PointTold.of(each) for each in sorted(found, key=lambda e: e.at)])


def told_cameras(owner: Adapters, case: Case, desk: Desk) -> http.RankedCameras:
    """The cameras of the caller's own district, ranked for a case of `owner`."""
    now = desk.now
    marks = marks_in(case, desk.on.tenant_id)
    marked = {camera_id: _mark(mark) for camera_id, mark in marks.items()}
    heard = _hearing(owner, case)
    fix = _fix(owner, case, heard)
    start = newest(known(case, fix))
    if start is None:
        return http.RankedCameras(cameras=[], marked=marked)
    streets = streets_about(desk.on, start.where)
    by_radio = heard is not None and fix is not None and start.at == from_epoch_ms(fix.at_ms)
    mps = speed_mps(case.subject.age_y, case.subject.subject_class)
    far_m = mps * ((now - start.at).total_seconds() + AHEAD_S[-1]) + start.radius_m
    near = [c for c in desk.on.registry.cameras() if distance_m(c.at, start.where) <= far_m + c.range_m]
    ranked = rank_cameras(
        near,
        start,
        now=now,
        age_y=case.subject.age_y,
        subject_class=case.subject.subject_class,
        walkers=heard.walkers(owner.registry.scanners(), streets) if heard and by_radio else None,
        streets=streets,
        marks={key: mark for key, mark in marks.items() if not _own(mark, desk)},
        silent=_silent(desk.on, start, fix, far_m, now, deaf=watched(owner, case).deaf),
    )
    return http.RankedCameras(
        cameras=[
            http.RankedTold.ranked(
                each,
                (now + timedelta(seconds=each.from_s), now + timedelta(seconds=each.to_s)),
                marked.get(each.camera.camera_id),
            )
            for each in ranked
        ],
        marked=marked,
    )


def known(case: Case, fix: Fix | None) -> Mapping[Kind, Evidence]:
    """The newest evidence of each kind; a fix that the workflow has not noted yet counts as heard."""
    heard = case.last.get(Kind.HEARD)
    if fix is None or (heard is not None and heard.at > from_epoch_ms(fix.at_ms)):
        return case.last
    return {**case.last, Kind.HEARD: _heard(fix)}


def _hearing(on: Adapters, case: Case) -> Hearing | None:
    """What is known of the case's beacon; None without one."""
    beacon_id = case.subject.beacon_id
    return hearing(on, beacon_id, case.outing_id) if beacon_id else None


def _fix(on: Adapters, case: Case, heard: Hearing | None) -> Fix | None:
    """Where the beacon is; of a citizen who calls, what the phone said last: there is nothing to locate."""
    if case.subject.subject_class is SubjectClass.CITIZEN:
        last = case.last.get(Kind.HEARD)
        return None if last is None else gps_fix(last.where, last.radius_m / GPS_95, epoch_ms(last.at))
    scanners = on.registry.scanners()
    rough = None if heard is None else heard.fix(scanners)
    if heard is None or rough is None:
        return None
    return heard.case_fix(scanners, streets_about(on, rough.center)) or rough


def _own(mark: Mark, desk: Desk) -> bool:
    """Whether the caller has this camera open: it stays on the own list."""
    return mark.look is Look.WATCHING and mark.by == desk.actor.actor_id


def _mark(mark: Mark) -> http.MarkTold:
    return http.MarkTold.model_validate({"mark": mark.look.value, "by": mark.by, "at": mark.at})


def _heard(fix: Fix) -> Evidence:
    at = from_epoch_ms(fix.at_ms)
    return Evidence(Kind.HEARD, at, fix.center, fix.ellipse95.semi_major_m, ",".join(fix.heard) or fix.method)


def opened(desk: Desk, child: Child, body: http.CaseAsked) -> tuple[Case, bool]:
    """A new case, or the child's open one, and whether it is new; its workflow runs and everybody listens.

    A drill about the child gives way to a real report: it ends, so that nobody takes the one for the other.
    """
    out = _outing_of(desk, child, body.outing_id)
    known_case = desk.on.cases.open_case_of(child.child_id)
    is_drill = known_case is not None and known_case.status is not Status.ACTUAL
    if known_case is not None and is_drill and _status(body, out[0]) is Status.ACTUAL:
        change(desk.on, known_case.case_id, lambda each: _give_way(each, desk.now))
        known_case = None
    case, is_new = (known_case, False) if known_case else _created(desk, child, body, out)
    _set_off(desk.on, case)
    return case, is_new


def _status(body: http.CaseAsked, outing: Outing | None) -> Status:
    """What is real stays real: an exercise is one only when nobody and nothing says otherwise."""
    if Status.ACTUAL in (body.status, outing.status if outing else None):
        return Status.ACTUAL
    return outing.status if outing else body.status or Status.ACTUAL


def _created(
    desk: Desk, child: Child, body: http.CaseAsked, out: tuple[Outing | None, Member | None]
) -> tuple[Case, bool]:
    """The new case; or the open one, when a colleague pressed as well."""
    outing, member = out
    outing_id = outing.outing_id if outing else ""
    known = hearing(desk.on, child.beacon_id, outing_id) if child.beacon_id else Hearing(Window())
    fix = known.fix(desk.on.registry.scanners())
    pressed_at = body.pressed_at or desk.now
    if pressed_at < desk.now - LOOK_BACK:
        raise Rejected("pressed-too-long-ago")
    case, entries = rules.open_case(
        f"c-{secrets.token_hex(10)}",
        desk.actor,
        desk.now,
        status=_status(body, outing),
        subject=Subject(
            subject_id=child.child_id,
            beacon_id=child.beacon_id,
            subject_class=child.subject_class,
            age_y=child.age_y,
            outfit=member.outfit if member else (),
        ),
        facility_id=child.facility_id,
        outing_id=outing_id,
        pressed_at=pressed_at,
        clock=_alarm_clock(known.alarm, member),
        evidence=_heard(fix) if fix else None,
    )
    try:
        return desk.on.cases.create(case, entries), True
    except Conflict as conflict:
        if conflict.code != "subject-has-open-case":
            raise
        return desk.on.cases.get(str(conflict.params["case_id"])), False


def _set_off(on: Adapters, case: Case) -> None:
    """The case's workflow runs, everybody listens for it, and a drill stands still for it or takes it on.

    Each of it is harmless twice; what matters most comes first.
    """
    on.workflow.start(case)
    on.watch_list.add(watched(on, case))
    interrupted(on, case)
    joined(on, case)


def _give_way(case: Case, now: datetime) -> rules.Change:
    by = rules.system(case.tenant_id)
    return rules.close(case, CloseReason.INCOMPLETE, "real-case", by, now) if case.is_open else (case, ())


def _outing_of(desk: Desk, child: Child, outing_id: str | None) -> tuple[Outing | None, Member | None]:
    """The outing the child is on: the one named, or the running one that has the child."""
    outings = [desk.outing(outing_id)] if outing_id else desk.on.outings.running()
    for outing in outings:
        for member in outing.members:
            if member.child_id == child.child_id:
                return outing, member
    if outing_id:
        raise NotFound("child-not-found")
    return None, None


def _alarm_clock(alarm: Mapping[str, Any], member: Member | None) -> dict[str, datetime]:
    """T1 and T2 from the alarm's bookkeeping, T3 from the teacher's answer to it."""
    clock = {
        point: from_epoch_ms(alarm[key])
        for point, key in (("T1", "warned_ms"), ("T2", "departed_ms"))
        if alarm.get(key)
    }
    answered_at = member.answered_at if member else None
    if answered_at is not None and answered_at >= clock.get("T1", answered_at + timedelta(seconds=1)):
        clock["T3"] = answered_at
    return clock


def _may_cancel(case: Case, reason: CloseReason, desk: Desk) -> bool:
    in_time = desk.now - case.opened_at <= CANCEL and case.opened_by == desk.actor.actor_id
    return in_time and reason is CloseReason.FALSE_ALARM


def _silent(
    on: Adapters, start: Evidence, fix: Fix | None, far_m: float, now: datetime, *, deaf: Sequence[str]
) -> list[Scanner]:
    """Scanners near enough that are alive and have not heard the beacon since `start`; none that is deaf."""
    heard = {*(fix.heard if fix else ()), *deaf}
    beats = on.tracking.heartbeats()
    return [
        scanner
        for scanner in on.registry.scanners()
        if scanner.scanner_id not in heard
        and not scanner.dark
        and beats.get(scanner.scanner_id, 0) / 1000 >= now.timestamp() - http.DARK_S
        and distance_m(scanner.at, start.where) <= far_m + HEARS_M
    ]


def _seen(desk: Desk, case_id: str) -> Case:
    """The case, with a line in the access log that the caller read it."""
    case = desk.case(case_id)
    desk.saw(case.subject.subject_id, f"case:{case.case_id}")
    return case


def _changed(desk: Desk, case_id: str, how: Callable[[Case], rules.Change]) -> http.OneCase:
    """Change a case the caller may see, and tell how it stands now."""
    desk.case(case_id)
    case = change(desk.on, case_id, how)
    return http.OneCase(now=desk.now, case=_told(desk, case))


def _told(desk: Desk, case: Case, *, in_list: bool = False) -> http.CaseTold:
    role = desk.caller.role
    return http.CaseTold.of(
        case,
        _facility(desk.on, case.facility_id),
        _child(desk.on, case.subject.subject_id),
        desk.now,
        masked=role in (Role.WALL, Role.AUDITOR) or (in_list and not desk.caller.is_bound),
        places=role not in (Role.WALL, Role.AUDITOR),
    )


def _child(on: Adapters, child_id: str) -> Child | None:
    """The child, or None once its record is deleted: the case outlives it."""
    try:
        return on.registry.child(child_id)
    except NotFound:
        return None


def _facility(on: Adapters, facility_id: str) -> http.FacilityTold:
    try:
        facility: Facility = on.registry.facility(facility_id)
    except NotFound:
        return http.FacilityTold(facility_id=facility_id, name="")
    return http.FacilityTold.of(facility)


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else value
