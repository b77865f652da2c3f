"""Whom a case is told to. A channel that fails is a line on the timeline, never a failure of the case."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from functions.notify import guardians
from functions.notify.police import hand_over
from shared.adapters.cases import change
from shared.adapters.reaching import reach
from shared.adapters.wiring import Adapters
from shared.domain import escalation
from shared.domain.case import (
    Case,
    Change,
    Entry,
    done,
    escalated,
    handover_content,
    note,
    system,
    tried,
)
from shared.domain.channels import TOPIC, Address, Alert, Recipient, of_contact, of_phone
from shared.domain.errors import NotFound
from shared.domain.places import SubjectClass
from shared.domain.sharing import Share, ShareState, telling
from shared.ports import Delivery, Message
from shared.schema.workflow import CaseRun, Told

On = Callable[[str], Adapters]
T = TypeVar("T")


def teachers(run: CaseRun, on: On) -> Told:
    """Tell every teacher's phone of the outing, or of the facility when there is no outing.

    A citizen who calls for help belongs to no facility, and no teacher hears of it.
    """
    here = on(run.tenant_id)
    case = here.cases.get(run.case_id)
    if not case.facility_id:
        _change(here, case, lambda c: (done(c, "told:teachers"), ()))
        return Told(sent=0, failed=0)
    return _until_told(run, on, "teachers", _phones, "push")


def operators(run: CaseRun, on: On) -> Told:
    """Tell the control room, and its people who are reached by number or mail."""
    return _until_told(run, on, "operators", lambda here, _: _on_duty(here, "operator"), "operators")


def escalate(run: CaseRun, on: On) -> Told:
    """Take every escalation step that is due, and call again whom a step before did not reach.

    Tell first, then remember: after a crash between the two, whoever was reached is not told again.
    """
    here = on(run.tenant_id)
    case, now = here.cases.get(run.case_id), here.clock.now()
    steps = (*escalation.due(case, here.registry.tenant().policy, now), *escalation.unheard(case))
    if steps:
        case = _change(here, case, lambda c: (tried(c, "escalation", now), ()))
    alerts: list[Alert] = []
    sent: list[Delivery] = []
    for step in steps:
        if step.audience == "guardian":
            alerts.append(guardians.opened(here, case))
            _change(here, case, partial(escalated, step=step.code, level=step.level, at=now, heard=True))
            continue
        called = _escalation(here, case, step)
        if step is escalation.GUARDIAN_PROMPT:
            alerts += guardians.prompted(here, case)
        alerts += called
        if step.audience == "police":
            sent += hand_over(here, case)
        heard = all(alert.is_settled(now) for alert in called)
        _change(here, case, partial(escalated, step=step.code, level=step.level, at=now, heard=heard))
    return _counted(sent, alerts)


def police(run: CaseRun, on: On) -> Told:
    """Hand the newest version over to the tenant's police, if it has agreed on an address."""
    here = on(run.tenant_id)
    case = here.cases.get(run.case_id)
    arrived = 0 < case.handover == case.handover_tried and case.handover_covers == handover_content(case)
    return _counted([] if arrived else hand_over(here, case))


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


def outcome(run: CaseRun, on: On) -> Told:
    """It is over: teachers, operators, police and guardian are told, each once."""
    here = on(run.tenant_id)
    case = here.cases.get(run.case_id)
    step = f"told:outcome:{case.clock.get('T14', case.opened_at).isoformat()}"
    if step in case.steps:
        return Told(sent=0, failed=0)
    alerts = reach(here, case, "case-closed", _phones(here, case), kind="push")
    alerts += reach(here, case, "case-closed", _on_duty(here, "operator"), kind="operators")
    sent = hand_over(here, case) if case.handover_tried else []
    alerts.append(guardians.closed(here, case))
    told = _counted(sent, alerts)
    _note(here, case, "outcome-told", told.model_dump(), step=step)
    return told


TASKS: dict[str, Callable[[CaseRun, On], Told]] = {
    "teachers": teachers,
    "operators": operators,
    "police": police,
    "escalate": escalate,
    "neighbours": neighbours,
    "guardians": guardians.guardians,
    "outcome": outcome,
}


def _until_told(
    run: CaseRun, on: On, audience: str, whom: Callable[[Adapters, Case], Sequence[Recipient]], kind: str
) -> Told:
    """Tell an audience. It counts as told when nobody is left to try; until then the task comes again.

    Nothing is written before the first push: a crash before the last line tries everybody again, and
    whoever was reached is known by the alert.
    """
    here = on(run.tenant_id)
    case = here.cases.get(run.case_id)
    if f"told:{audience}" in case.steps:
        return Told(sent=0, failed=0)
    now = here.clock.now()
    calls = case.subject.subject_class is SubjectClass.CITIZEN
    alerts = reach(here, case, "help-called" if calls else "case-opened", whom(here, case), kind=kind)
    told = _counted((), alerts)
    settled = [alert for alert in alerts if alert.is_settled(now)]
    missed = sum(1 for alert in settled if not alert.reached)
    lines: list[tuple[str, Mapping[str, Any], str]] = []
    if len(settled) == len(alerts):
        lines.append((f"{audience}-told", told.model_dump(), f"told:{audience}"))
    elif told.sent:
        lines.append((f"{audience}-told", told.model_dump(), f"begun:{audience}:{told.sent}"))
    else:
        params = {"audience": audience, "failed": told.failed, "reason": _reason(alerts)}
        lines.append(("channel-failed", params, f"failed:{audience}"))
    if missed:
        lines.append(("unreached", {"audience": audience, "count": missed}, f"unreached:{audience}"))
    _change(here, case, partial(_said, lines=lines, tried_for=audience, at=now))
    return told


def _phones(here: Adapters, case: Case) -> list[Recipient]:
    """Phones that can be told: the outing's, or all of the facility without one."""
    outing = _found(lambda: here.outings.get(case.outing_id)) if case.outing_id else None
    phones = here.registry.phones(case.facility_id)
    mine = [of_phone(phone) for phone in phones if outing is None or phone.phone_id in outing.phones]
    return [phone for phone in mine if phone.addresses]


def _on_duty(here: Adapters, duty: str) -> list[Recipient]:
    """The control room, and the contacts with that duty."""
    room = Recipient("control-room", (Address(TOPIC, here.tenant_id),))
    return [room, *(of_contact(each) for each in here.registry.contacts() if each.duty == duty)]


def _escalation(here: Adapters, case: Case, step: escalation.Step) -> list[Alert]:
    """Tell the control room and whom the step calls; the duty officer by every way at once."""
    every_way = step.audience == "duty-officer"
    whom = _on_duty(here, step.code)
    return reach(here, case, step.code, whom, kind="operators", level=step.level, every_way=every_way)


def _reason(alerts: Sequence[Alert]) -> str:
    return next((each.reason for alert in alerts for each in alert.attempts if each.reason), "")


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


def _found(look: Callable[[], T]) -> T | None:
    try:
        return look()
    except NotFound:
        return None


def _counted(sent: Sequence[Delivery], alerts: Sequence[Alert] = ()) -> Told:
    outcomes = Counter(delivery.outcome for delivery in sent)
    outcomes.update("sent" if alert.reached else "failed" for alert in alerts)
    lost = outcomes["failed"] + outcomes["down"] + outcomes["endpoint-gone"]
    return Told(sent=outcomes["sent"], failed=lost)


def _note(here: Adapters, case: Case, code: str, params: Mapping[str, Any], step: str) -> None:
    """A line of the timeline, once per step."""
    _change(here, case, partial(_said, lines=[(code, params, step)], at=here.clock.now()))


def _said(
    case: Case, *, lines: Sequence[tuple[str, Mapping[str, Any], str]], at: datetime, tried_for: str = ""
) -> Change:
    """Lines (code, params, step), each once per step; and that an audience was tried just now."""
    case = tried(case, tried_for, at) if tried_for else case
    written: list[Entry] = []
    for code, params, step in lines:
        if step not in case.steps:
            after, entries = note(case, code, params, system(case.tenant_id), at)
            case, written = done(after, step), [*written, *entries]
    return case, tuple(written)


def _change(here: Adapters, case: Case, how: Callable[[Case], Change]) -> Case:
    after, entries = change(here.cases, case.case_id, how)
    if entries:
        here.live.tell("case", case.case_id, after.version)
    return after
