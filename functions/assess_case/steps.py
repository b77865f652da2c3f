"""The workflow's own acts on a case: open, look, offer, grant, end shares, go on afresh, close, report."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial, reduce

from functions.assess_case.decision import (
    Situation,
    decide,
    ended,
    to_offer,
    unagreed,
    ungranted,
)
from shared.adapters.cases import change
from shared.adapters.drills import interrupted, watched
from shared.adapters.wiring import Adapters
from shared.domain import sharing
from shared.domain.case import Case, Change, done, note, searching, system
from shared.domain.errors import NotFound
from shared.domain.notices import disclose
from shared.domain.report import case_report
from shared.domain.sharing import Share, ShareState, ending, granting, shortened
from shared.ports import Watched
from shared.schema.workflow import CaseRun, Next

CALM_WAIT_S = 20  # the literal TimeoutSeconds of `AwaitNews`

On = Callable[[str], Adapters]


def open_case(run: CaseRun, on: On) -> CaseRun:
    """Every scanner of the district listens before anybody is told; a drill gives way to what is real."""
    here = on(run.tenant_id)
    case = here.cases.get(run.case_id)
    if case.is_open:
        here.watch_list.add(watched(here, case))
        interrupted(here, case)
    return run


def assess(run: CaseRun, on: On) -> CaseRun:
    """Look at the case and say what comes next; `seen` is the news it looked at."""
    here = on(run.tenant_id)
    try:
        case = here.cases.get(run.case_id)
    except NotFound:
        return run.model_copy(update={"next": Next.GONE})
    if case.owner and case.is_open:
        case, _ = change(here.cases, run.case_id, lambda c: _search(c, on))
    at = _situation(case, run.turns, here)
    return run.model_copy(update={"next": decide(at), "seen": str(case.news), "turns": run.turns + 1})


def offer(run: CaseRun, on: On) -> CaseRun:
    """Offer the case to every neighbour the ring touches; say so where no agreement reaches."""
    here = on(run.tenant_id)
    case = here.cases.get(run.case_id)
    at = _situation(case, run.turns, here)
    for agreement in to_offer(at):
        here.shares.save(sharing.offer(case, agreement, at.tenant.policy, at.now))
        _note(here, case, "share-offered", {"neighbour_id": agreement.neighbour_id})
        on(agreement.neighbour_id).live.tell("offer", case.case_id, 1)
    if unagreed(at):
        _note(here, case, "no-agreement", {}, steps=("no-agreement",))
    return run


def grant(run: CaseRun, on: On) -> CaseRun:
    """An accepted share takes effect: the neighbour's scanners listen, and the disclosure is on record."""
    here = on(run.tenant_id)
    case = here.cases.get(run.case_id)
    for share in ungranted(here.shares.of_case(case.case_id), case, here.clock.now()):
        until = shortened(share, case).until
        watched = Watched(share.beacon_id, case.case_id, case.tenant_id, until)
        on(share.neighbour_id).watch_list.add(watched)
        after, _ = change(here.cases, case.case_id, partial(_disclosed, share=share, now=here.clock.now()))
        here.live.tell("case", case.case_id, after.version)
    return run


def _disclosed(case: Case, *, share: Share, now: datetime) -> Change:
    after, entries = disclose(
        case,
        share.neighbour_id,
        share.offered_at,
        system(case.tenant_id),
        now,
        purpose="search",
        basis="agreement",
        fields=",".join(share.fields),
        until=shortened(share, case).until.isoformat(),
    )
    return done(after, granting(share)), entries


def end_shares(run: CaseRun, on: On) -> CaseRun:
    """Shares whose time is over expire, and a neighbour that may no longer listen stops."""
    here = on(run.tenant_id)
    case, now = here.cases.get(run.case_id), here.clock.now()
    for share in ended(here.shares.of_case(case.case_id), case, now):
        _end(here, on, case, share, sharing.expire(shortened(share, case), now))
    return run


def renew(run: CaseRun, on: On) -> CaseRun:
    """The same case goes on in a fresh execution, before this one's history is full."""
    here = on(run.tenant_id)
    here.workflow.start(here.cases.get(run.case_id), run.round + 1)
    return run


def close(run: CaseRun, on: On) -> CaseRun:
    """Nobody listens for the beacon for this case any more; a newer case of the child goes on."""
    here = on(run.tenant_id)
    case = here.cases.get(run.case_id)
    other = here.cases.open_case_of(case.subject.subject_id)
    if other is None or other.case_id == case.case_id:
        here.watch_list.remove(case.subject.beacon_id)
    return run


def revoke(run: CaseRun, on: On) -> CaseRun:
    """Every share that is still open ends with the case."""
    here = on(run.tenant_id)
    case, now = here.cases.get(run.case_id), here.clock.now()
    for share in here.shares.of_case(case.case_id):
        if share.is_open or (granting(share) in case.steps and ending(share) not in case.steps):
            _end(here, on, case, share, sharing.revoke(share, "system", now))
    return run


def report(run: CaseRun, on: On) -> CaseRun:
    """The report goes onto the timeline: the phases in seconds, and whether the chain holds."""
    here = on(run.tenant_id)
    case = here.cases.get(run.case_id)
    made = case_report(case, here.cases.timeline(case.case_id))
    phases = {name: round(took) for name, took in made.phases.items()}
    _note(here, case, "reported", {"outcome": made.outcome, "chain_holds": made.chain_holds, **phases})
    return run


STEPS: dict[str, Callable[[CaseRun, On], CaseRun]] = {
    "open": open_case,
    "assess": assess,
    "offer": offer,
    "grant": grant,
    "end-shares": end_shares,
    "renew": renew,
    "close": close,
    "revoke": revoke,
    "report": report,
}


def _situation(case: Case, turns: int, here: Adapters) -> Situation:
    calm_ms = here.clock.from_wall_ms(CALM_WAIT_S * 1000) - here.clock.from_wall_ms(0)
    return Situation(
        case=case,
        tenant=here.registry.tenant(),
        agreements=here.registry.agreements(),
        shares=here.shares.of_case(case.case_id),
        now=here.clock.now(),
        turns=turns,
        calm=timedelta(milliseconds=calm_ms),
    )


def _search(case: Case, on: On) -> Change:
    return (
        searching(case, system(case.tenant_id), on(case.tenant_id).clock.now())
        if case.is_open
        else (case, ())
    )


def _end(here: Adapters, on: On, case: Case, before: Share, after: Share) -> None:
    """Save the end of a share, stop the neighbour listening and say so; each of it harmless twice."""
    if before.is_open:
        here.shares.save(replace(after, version=before.version))
    neighbour = on(after.neighbour_id)
    if granting(after) in case.steps:
        neighbour.watch_list.remove(after.beacon_id)
    code = "share-expired" if after.state is ShareState.EXPIRED else "share-revoked"
    if not before.is_open:  # somebody ended it and said so; what is new is that nobody listens there
        code = "listening-stopped"
    _note(here, case, code, {"neighbour_id": after.neighbour_id}, steps=(ending(after),))
    neighbour.live.tell("offer", case.case_id, after.version)


def _note(
    here: Adapters,
    case: Case,
    code: str,
    params: dict[str, str | int | bool],
    steps: tuple[str, ...] = (),
) -> None:
    """A line of the timeline, once: when its steps are already taken there is nothing to say."""

    def said(case: Case) -> Change:
        if steps and set(steps) <= set(case.steps):
            return case, ()
        after, entries = note(case, code, params, system(case.tenant_id), here.clock.now())
        return reduce(done, steps, after), entries

    after, _ = change(here.cases, case.case_id, said)
    here.live.tell("case", case.case_id, after.version)
