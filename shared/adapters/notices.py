"""What guardians are told, and what is still owed to them: the one use case behind every notice.

A disclosure is told at once; or with others, where the guardian consented to that apart (영 24); or, when
nobody could be reached, it is owed by a person until its due date. Whoever calls may call again: what was
told is on the case.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from shared.adapters.cases import change
from shared.adapters.reaching import reach
from shared.adapters.wiring import Adapters
from shared.domain.case import Actor, Case, Change, done, note, system
from shared.domain.channels import EMAIL, PUSH, SMS, TOPIC, Address, Alert, Recipient
from shared.domain.errors import NotFound
from shared.domain.guardian import NOTICE_DUE, Batch, Guardianship, Owed, look_up
from shared.domain.notices import WALLED, held, noticing, overdue, recipient, reconcile, unnoticed
from shared.domain.places import Status
from shared.ports import Cases

NOTICE = "notice"
NO_CHANNEL = "no-channel"
BATCHED = "batched-by-consent"
AT_ONCE = "at-once"
APP = "app"
SENT_WHEN_DUE = frozenset({AT_ONCE, BATCHED, "endangers-life"})
"""Reasons that end by themselves; whatever waits for another is a person's to tell."""


def contact_id(subject_id: str) -> str:
    """Under which the guardian's number is registered."""
    return f"guardian-{subject_id}"


def addressed(on: Adapters, guardianship: Guardianship, about: str = "") -> Recipient:
    """The guardian's ways: the app, text message, mail. about: what is told, so that each is told once."""
    own = contact_id(guardianship.subject_id)
    ways = [Address(PUSH, guardianship.endpoint)] if guardianship.endpoint else []
    try:
        contact = on.registry.contact(own)
    except NotFound:
        pass
    else:
        ways += [Address(SMS, own)] if contact.mobile else []
        ways += [Address(EMAIL, own)] if contact.email else []
    return Recipient(f"{own}:{about}" if about else own, tuple(ways))


def tell(on: Adapters, case: Case, code: str, about: str = "") -> Alert:
    """Tell the guardian of a case `code`. An exercise's wall and a guardian nobody can reach are outcomes."""
    to = addressed(on, on.guardians.of(case.subject.subject_id), about)
    return reach(on, case, code, [to], kind="guardian")[0]


def serve(on: Adapters, case: Case) -> list[Alert]:
    """A notice for each disclosure of the case that has none yet. Returns those that were sent now."""
    guardianship, now = on.guardians.of(case.subject.subject_id), on.clock.now()
    holding = held(case, now)
    alerts = []
    for disclosure in unnoticed(case):
        owed = Owed(
            what=NOTICE,
            subject_id=case.subject.subject_id,
            look_at=now + NOTICE_DUE,
            due=now + NOTICE_DUE,
            reason=NO_CHANNEL,
            case_id=case.case_id,
            disclosure=disclosure,
        )
        if case.status is not Status.ACTUAL:
            _deferred(on, replace(owed, reason=WALLED))
        elif holding is not None:
            _owe(on, replace(owed, look_at=holding[1], due=holding[1], reason=holding[0]))
        elif guardianship.batch is not None:
            _batched(on, owed, guardianship.batch)
        else:
            alerts.append(tell(on, case, "disclosure-notice", disclosure))
            if alerts[-1].reached:
                _sent(on, owed, system(on.tenant_id), APP)
            else:
                _owe(on, owed)
    return alerts


def soon(on: Adapters, case: Case, disclosure: str) -> None:
    """The next sweep serves this notice: for a disclosure of a case whose workflow may have ended."""
    now = on.clock.now()
    on.guardians.owe(Owed(NOTICE, case.subject.subject_id, now, now, AT_ONCE, case.case_id, disclosure))


def told_by(on: Adapters, case: Case, disclosure: str, by: Actor, how: str) -> Case:
    """A person told the guardian of a disclosure. NotFound when the case knows none of that name."""
    if disclosure not in case.steps or not disclosure.startswith("disclosed:"):
        raise NotFound("disclosure-not-found")
    now, subject_id = on.clock.now(), case.subject.subject_id
    for owed in on.guardians.owed():
        if (owed.case_id, owed.disclosure) == (case.case_id, disclosure):
            on.guardians.settle(owed)
    return _sent(on, Owed(NOTICE, subject_id, now, now, "", case.case_id, disclosure), by, how)


def send_due(on: Adapters, due: Sequence[Owed]) -> int:
    """Notices whose time has come: a batch goes out as one message; what a person owes, operators hear of.

    Returns how many are past their due date. What cannot be sent becomes a person's to tell.
    """
    for owed in due:
        if owed.reason == AT_ONCE:
            serve(on, on.cases.get(owed.case_id))
            on.guardians.settle(owed)
    late = [owed for owed in due if owed.reason not in SENT_WHEN_DUE]
    for owed in late:
        reach(on, on.cases.get(owed.case_id), "notice-overdue", [_desk(on, owed)], kind="operators")
        on.guardians.settle(owed)
        on.guardians.owe(replace(owed, look_at=on.clock.now() + NOTICE_DUE))
    batches: dict[str, list[Owed]] = {}
    for owed in due:
        if owed.reason in SENT_WHEN_DUE - {AT_ONCE}:
            batches.setdefault(owed.subject_id, []).append(owed)
    for batch in batches.values():
        _send_batch(on, batch)
    return len(late)


def _send_batch(on: Adapters, batch: Sequence[Owed]) -> None:
    alert = tell(on, on.cases.get(batch[0].case_id), "disclosure-notice", batch[0].disclosure)
    due = on.clock.now() + NOTICE_DUE
    for owed in batch:
        on.guardians.settle(owed)
        if alert.reached:
            _sent(on, owed, system(on.tenant_id), APP)
        else:
            _owe(on, replace(owed, look_at=due, due=due, reason=NO_CHANNEL))


def _batched(on: Adapters, owed: Owed, batch: Batch) -> None:
    """Into the guardian's batch; the one that fills it lets all of it go."""
    now, all_owed = on.clock.now(), on.guardians.owed()
    waiting = [each for each in all_owed if (each.subject_id, each.reason) == (owed.subject_id, BATCHED)]
    at = look_up(len(waiting), batch, now)
    if batch.unit == "days" and waiting:
        at = min(each.look_at for each in waiting)  # the batch began with the first of them
    _owe(on, replace(owed, look_at=at, due=at, reason=BATCHED))
    if at <= now:
        for each in waiting:
            on.guardians.settle(each)
            on.guardians.owe(replace(each, look_at=now))


def _owe(on: Adapters, owed: Owed) -> None:
    """First onto the list, then onto the case: what the case calls deferred is on the list."""
    on.guardians.owe(owed)
    _deferred(on, owed)


def _deferred(on: Adapters, owed: Owed) -> None:
    said = {"reason": owed.reason, "due": owed.due.isoformat()}
    steps = (f"deferred:{owed.reason}:{owed.disclosure}", noticing(owed.disclosure))
    _line(on, owed, "notice-deferred", system(on.tenant_id), said, steps)


def _sent(on: Adapters, owed: Owed, by: Actor, how: str) -> Case:
    steps = (f"told:{owed.disclosure}", noticing(owed.disclosure))
    return _line(on, owed, "notice-sent", by, {"how": how}, steps)


def _line(  # noqa: PLR0917 - one line of a timeline, said once
    on: Adapters, owed: Owed, code: str, by: Actor, said: dict[str, str], steps: tuple[str, str]
) -> Case:
    """A line about a notice, none when its first step is taken."""
    params = {"disclosure": owed.disclosure, "to": recipient(owed.disclosure), **said}

    def noted(case: Case) -> Change:
        if steps[0] in case.steps:
            return case, ()
        after, entries = note(case, code, params, by, on.clock.now())
        return done(done(after, steps[0]), steps[1]), entries

    after, entries = change(on.cases, owed.case_id, noted)
    if entries:
        on.live.tell("case", after.case_id, after.version)
    return after


def _desk(on: Adapters, owed: Owed) -> Recipient:
    """The control room, for one day's reminder of one notice."""
    name = f"{on.tenant_id}:{owed.look_at.isoformat()}:{owed.disclosure}"
    return Recipient(name, (Address(TOPIC, on.tenant_id),))


@dataclass(frozen=True, slots=True)
class Check:
    """Disclosures against their notices over many cases. late: (case id, line) of notices past their time."""

    cases: int
    disclosures: int
    sent: int
    deferred: int
    missing: tuple[tuple[str, int], ...]
    late: tuple[tuple[str, int], ...]

    @property
    def difference(self) -> int:
        """disclosures - notices - deferred; anything but 0 is a fault of ours."""
        return self.disclosures - self.sent - self.deferred


def check(cases: Cases, since: datetime, now: datetime) -> Check:
    """Count every disclosure of the cases open or closed since against what became of its notice."""
    looked_at = cases.recent(since)
    lines = {case.case_id: cases.timeline(case.case_id) for case in looked_at}
    balances = {case_id: reconcile(entries) for case_id, entries in lines.items()}
    return Check(
        cases=len(looked_at),
        disclosures=sum(balance.disclosures for balance in balances.values()),
        sent=sum(balance.sent for balance in balances.values()),
        deferred=sum(balance.deferred for balance in balances.values()),
        missing=tuple((case_id, seq) for case_id, balance in balances.items() for seq in balance.missing),
        late=tuple((case_id, seq) for case_id, entries in lines.items() for seq in overdue(entries, now)),
    )
