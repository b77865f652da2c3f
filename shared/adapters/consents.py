"""What a guardian decides, taken in and carried out: consent, pause, withdrawal and what it destroys.

The child's record says whether its beacon may be collected, and ingest obeys it within seconds; the form, the
contacts and what became of a withdrawal stand with the guardian (위치정보법 24, 26; FIELD L13–L16).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from shared.adapters.cases import change
from shared.adapters.hearing import forget
from shared.adapters.notices import BATCHED, NOTICE, contact_id
from shared.adapters.wiring import Adapters
from shared.domain.case import Actor, Case, note, places_destroyed, system
from shared.domain.errors import Conflict
from shared.domain.guardian import Certificate, Filed, Guardianship, Owed, consented
from shared.domain.places import Child, Contact

PURGE = "purge"
PURGED_BY = timedelta(hours=24)  # FIELD AT-5.6
AGAIN = timedelta(minutes=5)  # what is held is looked at again after this long

HELD_AGAIN = timedelta(hours=1)

OPEN_CASE = "open-case"
LEGAL_HOLD = "legal-hold"
NOTICE_OWED = "notice-owed"
PERMANENT = {"access-log": "access-log-law", "case-record": "public-record"}
"""Kept by other laws, without a place, a name or a number: for how long is said with the ground."""


def file_consent(on: Adapters, child: Child, filed: Filed, *, mobile: str, email: str) -> Guardianship:
    """Take a consent in. Rejected with the reason when the law does not let it count."""
    consent = consented(filed, child.subject_class)
    before = on.guardians.of(child.child_id)
    if filed.separate.batch is not None and not (mobile or email or before.endpoint):
        raise Conflict("guardian-unreachable")  # who is told later must be reachable then
    after = on.guardians.save(replace(before, filed=filed, withdrawn_at=None, certificate=None))
    on.registry.put(Contact(contact_id(child.child_id), "", mobile, email), replace(child, consent=consent))
    return after


def pause(on: Adapters, child: Child, by: Actor, *, paused: bool, confirmed: bool) -> Child:
    """Stop collecting this child's beacon, or go on; the same again is no change.

    Conflict: `consent-missing`; `pause-needs-confirmation` while the child is missing and nobody confirmed.
    """
    now = on.clock.now()
    if child.consent is None or (child.consent.ended_at is not None and child.consent.ended_at <= now):
        raise Conflict("consent-missing", child_id=child.child_id)
    case = on.cases.open_case_of(child.child_id)
    if paused and case is not None and not confirmed:
        raise Conflict("pause-needs-confirmation", case_id=case.case_id)
    if child.consent.paused == paused:
        return child
    after = replace(child, consent=replace(child.consent, paused=paused))
    on.registry.put(after)
    _show_in_outings(on, after, paused=paused)
    if case is not None:
        code = "tracking-paused" if paused else "tracking-resumed"
        change(on.cases, case.case_id, lambda open_: note(open_, code, {}, by, now))
        on.workflow.wake(case.case_id)
    elif paused and child.beacon_id:
        forget(on, [child.beacon_id])
    return after


def withdraw(on: Adapters, child: Child, by: Actor, *, confirmed: bool) -> Guardianship:
    """End a consent and destroy what it allowed to be kept; again is no change.

    Conflict: `withdrawal-needs-confirmation` while the child is missing and nobody confirmed.
    """
    now, before = on.clock.now(), on.guardians.of(child.child_id)
    if before.withdrawn_at is not None:
        return before
    case = on.cases.open_case_of(child.child_id)
    if case is not None and not confirmed:
        raise Conflict("withdrawal-needs-confirmation", case_id=case.case_id)
    if child.consent is not None:
        on.registry.put(replace(child, consent=replace(child.consent, ended_at=now)))
    _show_in_outings(on, child, paused=True)
    if case is not None:
        change(on.cases, case.case_id, lambda open_: note(open_, "consent-withdrawn", {}, by, now))
        on.workflow.wake(case.case_id)
    on.guardians.owe(Owed(PURGE, child.child_id, now, now + PURGED_BY, "withdrawn"))
    on.guardians.save(replace(before, withdrawn_at=now))
    return purge(on, child.child_id)


def purge(on: Adapters, subject_id: str) -> Guardianship:
    """Destroy what a withdrawn consent allowed to be kept, but for what a law holds; say so in a certificate.

    What is held is looked at again within minutes. A guardian who did not withdraw loses nothing.
    """
    before, now = on.guardians.of(subject_id), on.clock.now()
    if before.withdrawn_at is None:
        return before
    _hurry(on, subject_id, now)
    held = dict(PERMANENT)
    gone = Counter(before.certificate.destroyed if before.certificate else {})
    owed = [each for each in on.guardians.owed() if each.subject_id == subject_id]
    if on.cases.open_case_of(subject_id) is not None:
        held |= dict.fromkeys(("case-places", "track", "contacts"), OPEN_CASE)
    else:
        keep = {hold.case_id for hold in on.records.holds()}
        cases = on.cases.of_subject(subject_id)
        if any(case.case_id in keep for case in cases):
            held["case-places"] = LEGAL_HOLD
        gone += _destroy_places(on, subject_id, [case for case in cases if case.case_id not in keep])
        if any(each.what == NOTICE for each in owed):
            held["contacts"] = NOTICE_OWED
        elif before.filed is not None or before.endpoint:
            on.registry.put(Contact(contact_id(subject_id), ""))
            gone["contacts"] += 1
    keeps = "contacts" in held
    certificate = Certificate(subject_id, before.withdrawn_at, now, dict(gone), held)
    after = on.guardians.save(
        replace(
            before,
            filed=before.filed if keeps else None,
            endpoint=before.endpoint if keeps else "",
            certificate=certificate,
        )
    )
    for each in owed:
        if each.what == PURGE:
            on.guardians.settle(each)
            waits = {ground for what, ground in held.items() if what not in PERMANENT}
            if waits:
                again = HELD_AGAIN if waits == {LEGAL_HOLD} else AGAIN
                on.guardians.owe(replace(each, look_at=now + again, reason=min(waits)))
    return after


def _destroy_places(on: Adapters, subject_id: str, cases: Sequence[Case]) -> Counter[str]:
    """Every coordinate kept of somebody: the track, and the evidence of these closed cases."""
    gone: Counter[str] = Counter()
    child = on.registry.child(subject_id)
    if child.beacon_id:
        forget(on, [child.beacon_id])
        gone["track"] += 1
    by, now = system(on.tenant_id), on.clock.now()
    for case in cases:
        gone["case-places"] += on.cases.forget_places(case.case_id)
        on.police_desk.forget(case.case_id)
        change(on.cases, case.case_id, lambda closed: places_destroyed(closed, by, now))
    return gone


def _hurry(on: Adapters, subject_id: str, now: datetime) -> None:
    """Disclosures that waited to be told together are told by the next sweep, before the contacts go."""
    for owed in on.guardians.owed():
        if owed.subject_id == subject_id and owed.reason == BATCHED and owed.look_at > now:
            on.guardians.settle(owed)
            on.guardians.owe(replace(owed, look_at=now, due=now))


def _show_in_outings(on: Adapters, child: Child, *, paused: bool) -> None:
    """Teachers see at once that nobody listens for this bag, and count the child themselves."""
    for outing in on.outings.running():
        if any(member.child_id == child.child_id for member in outing.members):
            members = tuple(
                replace(m, paused=paused) if m.child_id == child.child_id else m for m in outing.members
            )
            saved = on.outings.save(replace(outing, members=members))
            on.live.tell("outing", saved.outing_id, saved.version)
