"""Whom a case is told to. A channel that fails is a line on the timeline, never a failure of the case."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar

from shared.adapters.cases import change
from shared.adapters.wiring import Adapters
from shared.domain import escalation
from shared.domain.case import (
    Case,
    Change,
    done,
    escalated,
    handed_over,
    handing_over,
    handover_content,
    note,
    system,
    tried,
)
from shared.domain.errors import NotFound
from shared.domain.notices import disclosing, noticing, recipient, unnoticed
from shared.domain.places import Phone, Status
from shared.domain.sharing import Share, ShareState, telling
from shared.ports import Delivery, Message
from shared.schema.handover import hand_over
from shared.schema.workflow import CaseRun, Told

NOTICE_DUE = timedelta(hours=24)  # a notice nobody could be sent is told by a person by then

On = Callable[[str], Adapters]
T = TypeVar("T")


def teachers(run: CaseRun, on: On) -> Told:
    """Push to every teacher's phone of the outing, or of the facility when there is no outing."""
    return _once(run, on, "teachers", lambda here, case: _push(here, case, "case-opened"))


def operators(run: CaseRun, on: On) -> Told:
    """Tell the control room."""
    return _once(run, on, "operators", lambda here, case: [_operators(here, case, "case-opened", 0)])


def escalate(run: CaseRun, on: On) -> Told:
    """Take every escalation step that is due: tell first, then remember, so that a crash tells twice."""
    here = on(run.tenant_id)
    case, now = here.cases.get(run.case_id), here.clock.now()
    sent: list[Delivery] = []
    for step in escalation.due(case, here.registry.tenant().policy, now):
        sent.append(_operators(here, case, step.code, step.level))
        if step.audience == "police":
            sent += _hand_over(here, case)
        _change(here, case, lambda c, step=step: escalated(c, step.code, step.level, now))  # type: ignore[misc]
    return _counted(sent)


def police(run: CaseRun, on: On) -> Told:
    """Hand the newest version over to the tenant's police, if it has agreed on an address."""
    here = on(run.tenant_id)
    case = here.cases.get(run.case_id)
    arrived = 0 < case.handover == case.handover_tried and case.handover_covers == handover_content(case)
    return _counted([] if arrived else _hand_over(here, case))


def neighbours(run: CaseRun, on: On) -> Told:
    """Tell each neighbour's control room of an offer, or that a share has ended."""
    here = on(run.tenant_id)
    case = here.cases.get(run.case_id)
    return _counted(
        [
            delivery
            for share in here.shares.of_case(case.case_id)
            for delivery in _neighbour(here, on(share.neighbour_id), case, share)
        ]
    )


def guardians(run: CaseRun, on: On) -> Told:
    """A notice for each disclosure: sent, or owed by a person until its due date, and on the timeline."""
    here = on(run.tenant_id)
    case, now = here.cases.get(run.case_id), here.clock.now()
    sent = []
    for disclosure in unnoticed(case):
        delivery = _guardian(here, case, "disclosure-notice", disclosure)
        sent.append(delivery)
        params = {"disclosure": disclosure, "to": recipient(disclosure)}
        code = "notice-sent"
        if delivery.outcome != "sent":
            code = "notice-deferred"
            params |= {"reason": delivery.reason, "due": (now + NOTICE_DUE).isoformat()}
        _note(here, case, code, params, step=noticing(disclosure))
    return _counted(sent)


def outcome(run: CaseRun, on: On) -> Told:
    """It is over: teachers, operators, police and guardian are told, each once."""
    here = on(run.tenant_id)
    case = here.cases.get(run.case_id)
    step = f"told:outcome:{case.clock.get('T14', case.opened_at).isoformat()}"
    if step in case.steps:
        return Told(sent=0, failed=0)
    sent = [*_push(here, case, "case-closed"), _operators(here, case, "case-closed", 0)]
    if case.handover_tried:
        sent += _hand_over(here, case)
    sent.append(_guardian(here, case, "case-closed", step))
    _note(here, case, "outcome-told", _counted(sent).model_dump(), step=step)
    return _counted(sent)


TASKS: dict[str, Callable[[CaseRun, On], Told]] = {
    "teachers": teachers,
    "operators": operators,
    "police": police,
    "escalate": escalate,
    "neighbours": neighbours,
    "guardians": guardians,
    "outcome": outcome,
}


def _once(run: CaseRun, on: On, audience: str, tell: Callable[[Adapters, Case], Sequence[Delivery]]) -> Told:
    """Tell an audience that has not been told; it counts as told when anybody was, or nobody is there."""
    here = on(run.tenant_id)
    now, step = here.clock.now(), f"told:{audience}"
    case = here.cases.get(run.case_id)
    if step in case.steps:
        return Told(sent=0, failed=0)
    case = _change(here, case, lambda c: (tried(c, audience, now), ()))
    sent = tell(here, case)
    told = _counted(sent)
    if told.sent or not told.failed:
        _note(here, case, f"{audience}-told", told.model_dump(), step=step)
    else:
        params = {"audience": audience, "failed": told.failed, "reason": sent[0].reason}
        _note(here, case, "channel-failed", params, step=f"failed:{audience}")
    return told


def _push(here: Adapters, case: Case, code: str) -> list[Delivery]:
    """One push to each phone; an endpoint that is gone is taken off its phone."""
    sent = []
    for phone in _phones(here, case):
        key = f"{case.case_id}:{code}:{phone.phone_id}"
        body = {"code": code, "case": case.case_id}
        delivery = here.push.send(Message("push", phone.endpoint, key, case.status.value, body))
        if delivery.outcome == "endpoint-gone":
            here.registry.put(replace(phone, endpoint="", push_token=""))
        sent.append(delivery)
    return sent


def _phones(here: Adapters, case: Case) -> list[Phone]:
    """Phones that can be pushed to: the outing's, or all of the facility without one."""
    phones = [phone for phone in here.registry.phones(case.facility_id) if phone.endpoint]
    outing = _found(lambda: here.outings.get(case.outing_id)) if case.outing_id else None
    return [phone for phone in phones if outing is None or phone.phone_id in outing.phones]


def _operators(here: Adapters, case: Case, code: str, level: int) -> Delivery:
    key = f"{case.case_id}:{code}:{case.clock['T4'].isoformat()}"
    body = {"code": code, "case": case.case_id, "level": level}
    return here.operators.send(Message("operators", here.tenant_id, key, case.status.value, body))


def _hand_over(here: Adapters, case: Case) -> list[Delivery]:
    """The newest version to the police. An exercise stops at the channel's wall and says so once."""
    tenant, now = here.registry.tenant(), here.clock.now()
    if not tenant.police_url:
        _note(here, case, "police-no-address", {}, step="police-no-address")
        return []
    case = _change(here, case, lambda c: (handing_over(c, now), ()))
    version = case.handover_tried
    record = hand_over(
        case,
        here.cases.timeline(case.case_id),
        tenant=tenant,
        child=_found(lambda: here.registry.child(case.subject.subject_id)),
        facility=_found(lambda: here.registry.facility(case.facility_id)),
        shares=here.shares.of_case(case.case_id),
        version=version,
        now=now,
    )
    key = f"{case.case_id}:v{version}"
    body = record.model_dump(mode="json")
    delivery = here.police.send(Message("police", tenant.police_url, key, case.status.value, body))
    if delivery.outcome == "sent":
        _disclosed_to_police(here, case)
        who = system(case.tenant_id)
        _change(here, case, lambda c: handed_over(c, version, delivery.receipt, who, now))
    else:
        params = {"version": version, "reason": delivery.reason}
        step = f"failed:police:{version}:{delivery.reason}"
        _note(here, case, f"police-{delivery.outcome}", params, step=step)
    return [delivery]


def _disclosed_to_police(here: Adapters, case: Case) -> None:
    disclosure = disclosing("police", case.clock["T4"])
    params = {"disclosure": disclosure, "to": "police", "purpose": "search", "basis": "missing-child-act"}
    _note(here, case, "disclosed", params, step=disclosure)


def _neighbour(here: Adapters, there: Adapters, case: Case, share: Share) -> list[Delivery]:
    code = "offer" if share.state is ShareState.OFFERED else "share-ended"
    step = telling(share)
    if not step or step in case.steps:
        return []
    body = {"code": code, "case": case.case_id, "owner": case.tenant_id}
    message = Message("operators", share.neighbour_id, f"{case.case_id}:{step}", case.status.value, body)
    delivery = there.operators.send(message)
    params = {"neighbour_id": share.neighbour_id, "what": code, "outcome": delivery.outcome}
    _note(here, case, "neighbour-told", params, step=step)
    return [delivery]


def _guardian(here: Adapters, case: Case, code: str, why: str) -> Delivery:
    child = _found(lambda: here.registry.child(case.subject.subject_id))
    key = f"{case.case_id}:{code}:{why}"
    if case.status is not Status.ACTUAL:
        return Delivery(key, "guardian", "withheld", reason="exercise-wall")
    if child is None or not child.guardian:
        return Delivery(key, "guardian", "withheld", reason="no-channel")
    body = {"code": code, "case": case.case_id}
    return here.push.send(Message("guardian", child.guardian, key, case.status.value, body))


def _found(look: Callable[[], T]) -> T | None:
    try:
        return look()
    except NotFound:
        return None


def _counted(sent: Sequence[Delivery]) -> Told:
    outcomes = Counter(delivery.outcome for delivery in sent)
    return Told(sent=outcomes["sent"], failed=outcomes["failed"] + outcomes["endpoint-gone"])


def _note(here: Adapters, case: Case, code: str, params: Mapping[str, Any], step: str) -> None:
    """A line of the timeline, once per step."""

    def said(case: Case) -> Change:
        if step in case.steps:
            return case, ()
        after, entries = note(case, code, params, system(case.tenant_id), here.clock.now())
        return done(after, step), entries

    _change(here, case, said)


def _change(here: Adapters, case: Case, how: Callable[[Case], Change]) -> Case:
    after, entries = change(here.cases, case.case_id, how)
    if entries:
        here.live.tell("case", case.case_id, after.version)
    return after
