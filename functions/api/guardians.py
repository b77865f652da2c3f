"""Guardians: their consent, what they are told, what they may stop and see; for staff and by own link."""

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial

from aws_lambda_powertools.event_handler import Response

from functions.api.cases import change
from functions.api.desk import AtDesk, Desk, new_router
from functions.api.places import tenant_name
from functions.api.status_page import HEADERS, page
from shared.adapters import consents
from shared.adapters.notices import told_by
from shared.domain import case as rules
from shared.domain.case import Case
from shared.domain.errors import Conflict, NotFound, Rejected
from shared.domain.guardian import HOLD_AT_MOST, LIVES, SEOUL, Link, Use, status_until
from shared.domain.notices import hold, overdue, recipient
from shared.domain.places import Child, Status, SubjectClass
from shared.i18n import sentence
from shared.ports import Access
from shared.schema import guardians as wire
from shared.schema import http

router = new_router()

HISTORY = timedelta(days=90)
"""How far back a history goes unless asked for more."""
NOTICES = timedelta(days=90)
PATHS: Mapping[Use, str] = {
    Use.STATUS: "/v1/status/{}/page",
    Use.GUARDIAN: "/v1/guardians/{}",
    Use.DEVICE: "/v1/sos/{}",
    Use.CALL: "/v1/sos/{}/fixes",
}


# For the daycare and the municipality


@router.put("/children/<child_id>/consent", summary="File a consent", tags=["guardians"])
def file(child_id: http.Id, body: wire.ConsentAsked, desk: AtDesk) -> wire.ConsentTold:
    """The written consent with its proof. From now on the beacon may be collected, until it lapses."""
    child = _child(desk, child_id)
    filed = body.filed(desk.actor.actor_id, desk.now)
    consents.file_consent(desk.on, child, filed, **body.form.ways())
    return _consent(desk, child_id)


@router.get("/children/<child_id>/consent", summary="How a consent stands", tags=["guardians"])
def consent(child_id: http.Id, desk: AtDesk) -> wire.ConsentTold:
    child = _child(desk, child_id)
    desk.saw(child.child_id, "consent")
    return _consent(desk, child_id)


@router.post("/children/<child_id>/pause", summary="Stop listening, or go on", tags=["guardians"])
def pause(child_id: http.Id, body: wire.PauseAsked, desk: AtDesk) -> wire.ConsentTold:
    """As the guardian wishes. 409 with the reason while the child is missing, unless confirmed."""
    _paused(desk, _child(desk, child_id), body)
    return _consent(desk, child_id)


@router.post("/children/<child_id>/withdraw", summary="End a consent", tags=["guardians"])
def withdraw(child_id: http.Id, body: wire.WithdrawalAsked, desk: AtDesk) -> wire.CertificateTold:
    """What it allowed to be kept is destroyed at once; the certificate says what, and what a law holds."""
    consents.withdraw(desk.on, _child(desk, child_id), desk.actor, confirmed=body.confirmed)
    return _certificate(desk, child_id)


@router.get("/children/<child_id>/certificate", summary="What was destroyed", tags=["guardians"])
def certificate(child_id: http.Id, desk: AtDesk) -> wire.CertificateTold:
    return _certificate(desk, _child(desk, child_id).child_id)


@router.get("/children/<child_id>/history", summary="Who looked, when and why", tags=["guardians"])
def history(child_id: http.Id, desk: AtDesk, since: http.Moment | None = None) -> wire.HistoryTold:
    return _history(desk, _child(desk, child_id).child_id, since)


@router.put("/children/<child_id>/link", summary="Give out a link", tags=["guardians"])
def give_link(child_id: http.Id, body: wire.LinkAsked, desk: AtDesk) -> wire.LinkTold:
    """A guardian's own page, or a citizen's right to call for help. Told once; each time a new one."""
    child = _child(desk, child_id)
    use = Use(body.use)
    if use is Use.DEVICE and child.subject_class is not SubjectClass.CITIZEN:
        raise Conflict("not-a-citizen")
    return issue(desk, use, child.child_id)


@router.put("/cases/<case_id>/guardian/link", summary="A guardian's status page", tags=["guardians"])
def give_status(case_id: http.Id, body: http.NothingAsked, desk: AtDesk) -> wire.LinkTold:
    """To be sent to the guardian. It dies 24 h after the child is secured. 409 in an exercise."""
    case = desk.case(case_id)
    if case.status is not Status.ACTUAL:
        raise Conflict("exercise-wall")
    return issue(desk, Use.STATUS, case.subject.subject_id, case)


@router.post("/cases/<case_id>/guardian/contact", summary="The guardian was told", tags=["guardians"])
def contacted(case_id: http.Id, body: wire.ContactedAsked, desk: AtDesk) -> wire.CaseClockTold:
    """By a person, which is the best way (TG); or nobody answered, which is on record too."""
    desk.case(case_id)

    def said(case: Case) -> rules.Change:
        if body.how == "no-answer":
            return rules.note(case, "guardian-no-answer", {}, desk.actor, desk.now)
        return rules.guardian_told(case, body.how, desk.actor, desk.now)

    case = change(desk.on, case_id, said)
    return wire.CaseClockTold(now=desk.now, case_id=case_id, clock=dict(case.clock))


@router.get("/notices", summary="Disclosures and their notices", tags=["guardians"])
def notices(desk: AtDesk, since: http.Moment | None = None) -> wire.NoticesTold:
    """Every disclosure with what became of its notice: disclosures = sent + deferred, difference 0."""
    told = [
        each
        for case in desk.on.cases.recent(since or desk.now - NOTICES)
        if desk.caller.sees(case.facility_id)
        for each in _notices(desk, case)
    ]
    states = [each.state for each in told]
    return wire.NoticesTold(
        now=desk.now,
        disclosures=len(told),
        sent=states.count("sent"),
        deferred=states.count("deferred"),
        difference=states.count("missing"),
        late=sum(each.late for each in told),
        notices=told,
    )


@router.post("/cases/<case_id>/notices", summary="A person told of a disclosure", tags=["guardians"])
def noticed(case_id: http.Id, body: wire.NoticeAsked, desk: AtDesk) -> wire.CaseClockTold:
    """What no app could tell, a person told."""
    case = told_by(desk.on, desk.case(case_id), body.disclosure, desk.actor, body.how)
    return wire.CaseClockTold(now=desk.now, case_id=case_id, clock=dict(case.clock))


@router.post("/cases/<case_id>/notices/hold", summary="Hold notices back", tags=["guardians"])
def hold_notices(case_id: http.Id, body: wire.HoldAsked, desk: AtDesk) -> wire.CaseClockTold:
    """Where telling now would endanger a life: each is deferred with the reason, and sent by itself after."""
    desk.case(case_id)
    if not desk.now < body.until <= desk.now + HOLD_AT_MOST:
        raise Rejected("hold-too-long")
    held = partial(hold, reason=body.reason, until=body.until, by=desk.actor, at=desk.now)
    case = change(desk.on, case_id, held)
    return wire.CaseClockTold(now=desk.now, case_id=case_id, clock=dict(case.clock))


# For the guardian, by link


@router.get("/status/<token>", summary="How the search goes", tags=["guardians"])
def status(token: wire.Secret, desk: AtDesk) -> wire.StatusTold:
    """State, time of the last news and who works on it. No place and no name."""
    return _status(desk)


@router.get(
    "/status/<token>/page",
    summary="The same as a page",
    tags=["guardians"],
    responses={200: {"description": "A page", "content": {"text/html": {"schema": {"type": "string"}}}}},
)
def status_page(token: wire.Secret, desk: AtDesk) -> Response[str]:
    """No script, no picture, nothing from elsewhere; it asks again every half minute."""
    return Response(200, "text/html", page(_status(desk)), dict(HEADERS))


@router.get("/guardians/<token>", summary="My child's consent", tags=["guardians"])
def mine(token: wire.Secret, desk: AtDesk) -> wire.ConsentTold:
    return _consent(desk, desk.subject_id)


@router.post("/guardians/<token>/pause", summary="Stop listening, or go on", tags=["guardians"])
def pause_mine(token: wire.Secret, body: wire.PauseAsked, desk: AtDesk) -> wire.ConsentTold:
    """Takes effect within seconds. 409 with the reason while the child is missing, unless confirmed."""
    _paused(desk, desk.on.registry.child(desk.subject_id), body)
    return _consent(desk, desk.subject_id)


@router.post("/guardians/<token>/withdraw", summary="End my consent", tags=["guardians"])
def withdraw_mine(token: wire.Secret, body: wire.WithdrawalAsked, desk: AtDesk) -> wire.CertificateTold:
    child = desk.on.registry.child(desk.subject_id)
    consents.withdraw(desk.on, child, desk.actor, confirmed=body.confirmed)
    return _certificate(desk, desk.subject_id)


@router.get("/guardians/<token>/certificate", summary="What was destroyed", tags=["guardians"])
def my_certificate(token: wire.Secret, desk: AtDesk) -> wire.CertificateTold:
    return _certificate(desk, desk.subject_id)


@router.get("/guardians/<token>/history", summary="Who looked, when and why", tags=["guardians"])
def my_history(token: wire.Secret, desk: AtDesk, since: http.Moment | None = None) -> wire.HistoryTold:
    return _history(desk, desk.subject_id, since)


@router.put("/guardians/<token>/device", summary="Tell my phone", tags=["guardians"])
def my_device(token: wire.Secret, body: wire.DeviceEndpointAsked, desk: AtDesk) -> wire.ReachableTold:
    """The guardian's app is told of a missing child and of each handing on of its place."""
    on, before = desk.on, desk.on.guardians.of(desk.subject_id)
    endpoint = on.devices.endpoint(f"guardian-{desk.subject_id}", body.push_token)
    if endpoint != before.endpoint:
        on.guardians.save(replace(before, endpoint=endpoint))
    return wire.ReachableTold(reachable=True)


def issue(desk: Desk, use: Use, subject_id: str, case: Case | None = None) -> wire.LinkTold:
    """A new link of 256 random bits; what is stored opens nothing."""
    secret = f"{desk.on.tenant_id}.{secrets.token_urlsafe(32)}"
    link = Link(
        use=use,
        subject_id=subject_id,
        issued_at=desk.now,
        issued_by=desk.actor.actor_id,
        until=desk.now + LIVES[use],
        case_id=case.case_id if case else "",
    )
    desk.on.guardians.put_link(secret, link)
    return wire.LinkTold(use=use, path=PATHS[use].format(secret), secret=secret, until=link.until)


def _child(desk: Desk, child_id: str) -> Child:
    """A child of the caller's daycare; of the whole tenant for who is bound to none."""
    child = desk.on.registry.child(child_id)
    if not desk.caller.sees(child.facility_id):
        raise NotFound("child-not-found")
    return child


def _consent(desk: Desk, subject_id: str) -> wire.ConsentTold:
    child = desk.on.registry.child(subject_id)
    return wire.ConsentTold.of(child, desk.on.guardians.of(subject_id), desk.now)


def _paused(desk: Desk, child: Child, body: wire.PauseAsked) -> None:
    consents.pause(desk.on, child, desk.actor, paused=body.paused, confirmed=body.confirmed)


def _certificate(desk: Desk, subject_id: str) -> wire.CertificateTold:
    """Sealed with the digest of what it says, as the hand-over to the police is."""
    kept = desk.on.guardians.of(subject_id).certificate
    if kept is None:
        raise NotFound("certificate-not-found")
    held = [
        wire.HeldTold(what=what, ground=ground, text=sentence(f"guardian.ground.{ground}", {}))
        for what, ground in sorted(kept.held.items())
    ]
    told = wire.certificate(kept, desk.on.tenant_id, tenant_name(desk, desk.on.tenant_id), held)
    bare = told.model_dump(mode="json", exclude={"sha256"})
    text = json.dumps(bare, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return told.model_copy(update={"sha256": hashlib.sha256(text.encode()).hexdigest()})


def _history(desk: Desk, subject_id: str, since: http.Moment | None) -> wire.HistoryTold:
    """Readings from the access log, and disclosures from the cases' timelines."""
    begin = since or desk.now - HISTORY
    lines = [_read(desk, each) for each in desk.on.access_log.of("subject", subject_id, begin)]
    for case in desk.on.cases.of_subject(subject_id):
        for each in _notices(desk, case):
            if each.at >= begin:
                to = _named(desk, each.to)
                params = {"to": to, "purpose": each.purpose, "basis": each.basis}
                text = sentence("guardian.history.disclosed", params)
                lines.append(wire.ReadTold(at=each.at, who=to, text=text))
    lines.sort(key=lambda line: line.at, reverse=True)
    return wire.HistoryTold(now=desk.now, since=begin, lines=lines)


def _read(desk: Desk, access: Access) -> wire.ReadTold:
    kind = access.purpose.partition(":")[0]
    where = tenant_name(desk, access.actor_tenant_id)
    who = sentence("guardian.history.who", {"where": where, "role": access.role})
    why = sentence(f"guardian.purpose.{kind}", {})
    return wire.ReadTold(
        at=access.at, who=who, text=sentence("guardian.history.read", {"who": who, "why": why})
    )


def _notices(desk: Desk, case: Case) -> list[wire.NoticeTold]:
    entries = desk.on.cases.timeline(case.case_id)
    late = set(overdue(entries, desk.now))
    sent = {e.params["disclosure"] for e in entries if e.code == "notice-sent"}
    deferred = {e.params["disclosure"]: e.params for e in entries if e.code == "notice-deferred"}
    told: dict[str, wire.NoticeTold] = {}
    for entry in entries:
        if entry.code != "disclosed":
            continue
        disclosure = str(entry.params["disclosure"])
        waits = {} if disclosure in sent else deferred.get(disclosure, {})
        told[disclosure] = wire.NoticeTold(
            case_id=case.case_id,
            subject_id=case.subject.subject_id,
            disclosure=disclosure,
            to=recipient(disclosure),
            at=entry.at,
            purpose=str(entry.params["purpose"]),
            basis=str(entry.params["basis"]),
            state="sent" if disclosure in sent else "deferred" if waits else "missing",
            reason=str(waits.get("reason", "")),
            due=waits.get("due"),
            late=entry.seq in late,
        )
    return list(told.values())


def _status(desk: Desk) -> wire.StatusTold:
    """NotFound a day after the child was secured."""
    link = desk.link
    case = desk.on.cases.get(link.case_id)
    until = status_until(link, case.clock.get("T12"))
    if until <= desk.now:
        raise NotFound("link-not-found")
    tenant = desk.on.registry.tenant()
    facility = desk.on.registry.facility(case.facility_id).name if case.facility_id else tenant.name
    accepted = [s for s in desk.on.shares.of_case(case.case_id) if s.grants(desk.now)]
    working = wire.WorkingTold(
        control_room=bool(case.owner),
        police="T9" in case.clock or case.handover > 0,
        officer_on_scene="T11" in case.clock,
        neighbours=[tenant_name(desk, share.neighbour_id) for share in accepted],
    )
    updated_at = max([*case.clock.values(), *(found.at for found in case.last.values())])
    at = case.clock["T4"].astimezone(SEOUL).strftime("%H:%M")
    params = {"facility": facility, "at": at, "phone": tenant.phone}
    opened = "opened-with-police" if working.police else "opened"
    codes = [opened] if case.is_open and "T12" not in case.clock else []
    codes += [f"state.{case.state.value}"]
    codes += ["working.control-room"] if working.control_room else []
    codes += ["working.police"] if working.police else []
    codes += ["working.neighbours"] if accepted else []
    codes += ["phone"] if tenant.phone else []
    params["neighbours"] = ", ".join(working.neighbours)
    return wire.StatusTold(
        now=desk.now,
        state=case.state.value,
        facility=facility,
        opened_at=case.opened_at,
        updated_at=min(updated_at, desk.now),
        working=working,
        text=[sentence(f"guardian.status.{code}", params) for code in codes],
        phone=tenant.phone,
        until=until,
    )


def _named(desk: Desk, to: str) -> str:
    """A recipient in words: the police, or a municipality's name."""
    if to.startswith("police"):
        return sentence("common.value.police", {})
    return tenant_name(desk, to) or to
