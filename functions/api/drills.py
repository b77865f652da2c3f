"""Drills: plan, start, disturb, stop, learn; and the figures of many cases."""

import secrets
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Query

from functions.api.cases import change, opened
from functions.api.desk import AtDesk, Desk, new_router
from shared.adapters import drills as adapters
from shared.adapters.cases import opened_in
from shared.domain import case as cases
from shared.domain import drill as rules
from shared.domain.case import Case
from shared.domain.drill import Drill, Finding, Inject, InjectKind, Scene
from shared.domain.errors import Conflict, NotFound
from shared.domain.places import Child, Status
from shared.domain.reach import newest
from shared.domain.report import kpi
from shared.schema import drills as wire
from shared.schema import http

router = new_router()

KPI_PERIOD = timedelta(days=365)
"""The figures of a year, unless asked otherwise."""


@router.get("/drills", summary="Drills", tags=["drills"])
def several(desk: AtDesk) -> wire.DrillsTold:
    """All drills the caller may know of, and what this month owes: two."""
    drills = desk.on.drills.several()
    mine = [_told(each, desk) for each in drills if _may_know(each, desk)]
    return wire.DrillsTold(now=desk.now, duty=wire.DutyTold.of(rules.duty(drills, desk.now)), drills=mine)


@router.post("/drills", summary="Plan a drill", tags=["drills"], status_code=201)
def plan(body: wire.DrillAsked, desk: AtDesk) -> wire.OneDrill:
    """Announced, or known to the named persons only until it starts."""
    return _one(_planned(desk, body), desk)


@router.post("/drills/months", summary="Plan a month's drills", tags=["drills"], status_code=201)
def plan_month(body: wire.MonthAsked, desk: AtDesk) -> wire.DrillsTold:
    """The drills that a month still owes, on working days to come; none when it owes none."""
    drills = desk.on.drills.several()
    year, month = (int(part) for part in body.month.split("-"))
    owed = rules.duty(drills, max(desk.now, datetime(year, month, 1, tzinfo=rules.KST)))
    lacking = max(0, owed.due - owed.held - owed.planned)
    when = rules.dates(year, month, secrets.randbits(31), desk.now, lacking) if lacking else ()
    for planned_at in when:
        _planned(
            desk,
            wire.DrillAsked(
                planned_at=planned_at,
                facility_id=body.facility_id,
                announced=body.announced,
                informed=body.informed,
            ),
        )
    return several(desk)


@router.get("/drills/<drill_id>", summary="A drill", tags=["drills"])
def one(drill_id: http.Id, desk: AtDesk) -> wire.OneDrill:
    return _one(_known(desk, drill_id), desk)


@router.post("/drills/<drill_id>/start", summary="Start a drill", tags=["drills"])
def start(drill_id: http.Id, body: wire.StartAsked, desk: AtDesk) -> wire.OneDrill:
    """Open the Exercise case as a report does, or wait for the report. 409 while something real is open."""
    drill = _known(desk, drill_id)
    rules.started(drill, "", desk.now)  # refused before a case is opened
    _nothing_real(desk)
    if desk.on.drills.under_way() is not None:
        raise Conflict("drill-under-way")
    if body.separated_at is not None and body.separated_at > desk.now:
        raise Conflict("separated-after-report")
    case_id = _exercise(desk, drill.child_id).case_id if body.report else ""

    drill = adapters.change(desk.on.drills, drill_id, lambda each: rules.started(each, case_id, desk.now))
    if body.separated_at is not None:
        drill = adapters.observe(desk.on, drill_id, body.separated_at)
    return _shown(_unless_real(desk, drill), desk)


@router.post("/drills/<drill_id>/separated", summary="When the child left", tags=["drills"])
def separated(drill_id: http.Id, body: wire.SeparatedAsked, desk: AtDesk) -> wire.OneDrill:
    """The observer's T0; once said it stays."""
    _running(_known(desk, drill_id))
    return _shown(adapters.observe(desk.on, drill_id, body.at), desk)


@router.post("/drills/<drill_id>/injects", summary="Let something go wrong", tags=["drills"])
def inject(drill_id: http.Id, body: wire.InjectAsked, desk: AtDesk) -> wire.OneDrill:
    """Takes effect at once; what it hits follows from the drill's seed. 409 when it was done already."""
    drill = _known(desk, drill_id)
    rules.disturbed(drill, Inject(body.kind, desk.now, desk.actor.actor_id))  # refused before it takes effect
    if not drill.cases:
        raise Conflict("drill-without-case")
    case = desk.on.cases.get(drill.cases[0])
    done = rules.aim(body.kind, drill, _scene(desk, drill, case), desk.actor.actor_id, desk.now)
    if body.kind is InjectKind.WRONG_CLOTHING:
        said = dict(done.outfit)
        change(desk.on, case.case_id, lambda each: cases.describe(each, said, desk.actor, desk.now))
    if body.kind is InjectKind.SECOND_CHILD:
        done = replace(done, case_id=_exercise(desk, done.child_id).case_id)
    try:
        drill = adapters.change(desk.on.drills, drill_id, lambda each: rules.disturbed(each, done))
    except Conflict:  # stopped meanwhile, perhaps for something real: nothing of this inject may go on
        if done.case_id:
            change(desk.on, done.case_id, lambda each: _called_off(each, desk))
        raise
    adapters.listen(desk.on, drill)  # an outage is heard through the watch list
    return _shown(drill, desk)


@router.post("/drills/<drill_id>/pause", summary="Let a drill stand still", tags=["drills"])
def pause(drill_id: http.Id, body: http.NothingAsked, desk: AtDesk) -> wire.OneDrill:
    _running(_known(desk, drill_id))
    return _one(adapters.stand_still(desk.on, drill_id, "supervisor", desk.actor), desk)


@router.post("/drills/<drill_id>/resume", summary="Let a drill go on", tags=["drills"])
def resume(drill_id: http.Id, body: http.NothingAsked, desk: AtDesk) -> wire.OneDrill:
    """409 while something real is open."""
    _known(desk, drill_id)
    _nothing_real(desk)
    return _one(_unless_real(desk, adapters.go_on(desk.on, drill_id, desk.actor)), desk)


@router.post("/drills/<drill_id>/stop", summary="End a drill", tags=["drills"])
def stop(drill_id: http.Id, body: http.NothingAsked, desk: AtDesk) -> wire.OneDrill:
    """Its open cases close, and its report is there at once. One that was only planned is called off."""
    _known(desk, drill_id)
    return _one(adapters.end(desk.on, drill_id, desk.actor), desk)


@router.get("/drills/<drill_id>/report", summary="What a drill took", tags=["drills"])
def report(drill_id: http.Id, desk: AtDesk) -> wire.DrillReportTold:
    """T0–T13, the phases beside the last ten drills, the slowest step, and what is worth a lesson."""
    return wire.DrillReportTold.of(_report(desk, _known(desk, drill_id)), desk.now)


@router.post("/drills/<drill_id>/lessons", summary="Take on a lesson", tags=["drills"])
def learn(drill_id: http.Id, body: wire.LessonAsked, desk: AtDesk) -> wire.OneDrill:
    """One click for a finding of the report; with "own" and a note for anything else."""
    found = {each.code: each for each in _report(desk, _known(desk, drill_id)).findings}
    finding = Finding("own", {}) if body.code == "own" and body.note.strip() else found.get(body.code)
    if finding is None:
        raise NotFound("finding-not-found")
    return _one(
        adapters.change(
            desk.on.drills,
            drill_id,
            lambda each: rules.learned(each, finding, body.note, desk.actor, desk.now),
        ),
        desk,
    )


@router.get("/kpi", summary="What many cases took", tags=["operations"])
def figures(
    desk: AtDesk,
    since: Annotated[http.Moment | None, Query(alias="from")] = None,
    until: Annotated[http.Moment | None, Query(alias="to")] = None,
) -> wire.KpiTold:
    """Cases opened in the period (the last year): real, drill and false alarm, never in one mean."""
    start_at, end_at = since or desk.now - KPI_PERIOD, until or desk.now
    return wire.KpiTold.of(kpi(opened_in(desk.on.cases, start_at, end_at)), start_at, end_at)


def _planned(desk: Desk, body: wire.DrillAsked) -> Drill:
    seed = secrets.randbits(31) if body.seed is None else body.seed
    facility = desk.on.registry.facility(body.facility_id)
    able = _able(desk, facility.facility_id)
    child_id = body.child_id or (able[rules.pick(seed, "decoy", len(able))].child_id if able else "")
    if child_id not in {child.child_id for child in able}:
        raise NotFound("child-not-found")
    drill = rules.plan(
        f"d-{secrets.token_hex(10)}",
        desk.actor,
        desk.now,
        planned_at=body.planned_at,
        facility_id=facility.facility_id,
        child_id=child_id,
        seed=seed,
        announced=body.announced,
        informed=body.informed,
        injects=body.injects,
    )
    return desk.on.drills.save(drill)


def _able(desk: Desk, facility_id: str) -> list[Child]:
    """Children whose bags may be listened for: consent holds, and there is a beacon."""
    roster = desk.on.registry.children(facility_id)
    return [c for c in roster if c.beacon_id and c.consent is not None and c.consent.allows(desk.now)]


def _exercise(desk: Desk, child_id: str) -> Case:
    """The child's Exercise case, opened as a report opens it. Conflict when something real is open for it."""
    child = desk.on.registry.child(child_id)
    case, _ = opened(desk, child, http.CaseAsked(child_id=child_id, status=Status.EXERCISE))
    desk.on.live.tell("case", case.case_id, case.version)
    if case.status is not Status.EXERCISE:
        raise Conflict("subject-has-open-case", case_id=case.case_id)
    return case


def _scene(desk: Desk, drill: Drill, case: Case) -> Scene:
    """What is there for an inject to hit."""
    last = newest(case.last)
    outing = desk.on.outings.get(case.outing_id) if case.outing_id else None
    phones = [phone.phone_id for phone in desk.on.registry.phones(drill.facility_id)]
    home = desk.on.registry.facility(drill.facility_id).at
    busy = {each.subject.subject_id for each in desk.on.cases.open_cases()}
    return Scene(
        home=home,
        where=last.where if last else home,
        scanners=desk.on.registry.scanners(),
        phones=outing.phones if outing else phones,
        children=[c.child_id for c in _able(desk, drill.facility_id) if c.child_id not in busy],
        outfit=dict(case.subject.outfit),
        agreements=[a for a in desk.on.registry.agreements() if desk.now < a.until],
    )


def _report(desk: Desk, drill: Drill) -> rules.DrillReport:
    if not drill.cases:
        raise NotFound("drill-without-case")
    case = desk.on.cases.get(drill.cases[0])
    entries = desk.on.cases.timeline(case.case_id)
    policy = desk.on.registry.tenant().policy
    return rules.report(drill, case, entries, desk.on.drills.several(), policy)


def _nothing_real(desk: Desk) -> None:
    if _real(desk):
        raise Conflict("real-case-open")


def _unless_real(desk: Desk, drill: Drill) -> Drill:
    """The drill that goes on now; standing still again if something real was opened in the same moment."""
    for case in _real(desk):
        adapters.interrupted(desk.on, case)
        drill = desk.on.drills.get(drill.drill_id)
    return drill


def _real(desk: Desk) -> list[Case]:
    return [case for case in desk.on.cases.open_cases() if case.status is Status.ACTUAL]


def _called_off(case: Case, desk: Desk) -> cases.Change:
    if not case.is_open:
        return case, ()
    return cases.close(case, cases.CloseReason.INCOMPLETE, "drill-stopped", desk.actor, desk.now)


def _running(drill: Drill) -> None:
    if not drill.under_way:
        raise Conflict("drill-not-running")


def _may_know(drill: Drill, desk: Desk) -> bool:
    return rules.may_know(drill, desk.actor.actor_id, desk.actor.role)


def _known(desk: Desk, drill_id: str) -> Drill:
    """The drill, for who may know of it."""
    drill = desk.on.drills.get(drill_id)
    if not _may_know(drill, desk):
        raise NotFound("drill-not-found")
    return drill


def _shown(drill: Drill, desk: Desk) -> wire.OneDrill:
    """Tell the screens, and the caller."""
    desk.on.live.tell("drill", drill.drill_id, drill.version)
    return _one(drill, desk)


def _one(drill: Drill, desk: Desk) -> wire.OneDrill:
    return wire.OneDrill(now=desk.now, drill=_told(drill, desk))


def _told(drill: Drill, desk: Desk) -> wire.DrillTold:
    return wire.DrillTold.of(drill, overdue=rules.overdue(drill, desk.now))
