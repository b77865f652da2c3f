"""What should happen next in this case? One pure function over what is known."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.domain import escalation
from shared.domain.case import Case, handover_content
from shared.domain.notices import unnoticed
from shared.domain.places import Agreement, Status, Tenant
from shared.domain.reach import leaves, reach, touched, touches_at
from shared.domain.sharing import Share, ending, granting, shortened, telling
from shared.schema.workflow import Next

MAX_TURNS = 1_000  # of at most ~24 history events each: a fresh execution before AWS's limit of 25,000
RETELL_S = 15.0  # an audience that could not be told is tried again after this long
UPDATE_S = 15.0  # the police get a new version at most this often


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything the decision looks at. calm: how long a calm wait lasts, in the clock's own time."""

    case: Case
    tenant: Tenant
    agreements: Sequence[Agreement]
    shares: Sequence[Share]
    now: datetime
    turns: int
    calm: timedelta


def decide(at: Situation) -> Next:
    """The one most urgent thing; the state machine asks again after it."""
    case = at.case
    if not case.is_open:
        return Next.CLOSE
    if at.turns >= MAX_TURNS:
        return Next.RENEW
    if case.is_paused:  # an exercise behind something real: shares may end, and nobody is told anything
        return Next.END_SHARES if ended(at.shares, case, at.now) else Next.AWAIT_NEWS
    asked = (
        (Next.TELL, _retell(at)),
        (Next.ESCALATE, bool(escalation.due(case, at.tenant.policy, at.now)) or _call_again(at)),
        (Next.END_SHARES, bool(ended(at.shares, case, at.now)) or _untold(at, over=True)),
        (Next.GRANT, bool(ungranted(at.shares, case, at.now))),
        (Next.OFFER, bool(to_offer(at)) or unagreed(at) or _untold(at, over=False)),
        (Next.TELL_GUARDIANS, bool(unnoticed(case))),
        (Next.HAND_OVER, _handover_due(at)),
    )
    return next((what for what, is_due in asked if is_due), None) or _await(at)


def to_offer(at: Situation) -> tuple[Agreement, ...]:
    """Neighbours whose border the reach ring touches and who have not been offered this case."""
    if not at.case.is_open or "T12" in at.case.clock:
        return ()
    ring = reach(at.case.last, at.now, at.case.subject.age_y, at.case.subject.subject_class)
    asked = {share.neighbour_id for share in at.shares}
    near = touched(ring, at.agreements) if ring else ()
    return tuple(agreement for agreement in near if agreement.neighbour_id not in asked)


def unagreed(at: Situation) -> bool:
    """Whether the ring leaves the district where no agreement reaches, and nobody was told so yet."""
    if "T12" in at.case.clock or "no-agreement" in at.case.steps:
        return False
    ring = reach(at.case.last, at.now, at.case.subject.age_y, at.case.subject.subject_class)
    known = [agreement.neighbour_boundary for agreement in at.agreements if agreement.in_force(at.now)]
    return ring is not None and leaves(ring, at.tenant.boundary, known)


def ungranted(shares: Sequence[Share], case: Case, now: datetime) -> tuple[Share, ...]:
    """Accepted shares whose neighbour does not listen for the beacon yet."""
    return tuple(s for s in shares if shortened(s, case).grants(now) and granting(s) not in case.steps)


def ended(shares: Sequence[Share], case: Case, now: datetime) -> tuple[Share, ...]:
    """Shares whose time is over, or that ended and whose neighbour still listens."""
    return tuple(
        s
        for s in shares
        if (s.is_open and shortened(s, case).until <= now)
        or (not s.is_open and granting(s) in case.steps and ending(s) not in case.steps)
    )


def _untold(at: Situation, *, over: bool) -> bool:
    """A neighbour's control room does not know yet of an offer (or, when `over`, of a share's end)."""
    return any(
        share.is_open is not over and telling(share) and telling(share) not in at.case.steps
        for share in at.shares
    )


def _retell(at: Situation) -> bool:
    """Somebody has not been told at all, and the last try is a while ago."""
    return any(
        f"told:{audience}" not in at.case.steps and _rested(at, audience, RETELL_S)
        for audience in ("teachers", "operators")
    )


def _call_again(at: Situation) -> bool:
    """Whom an escalation step calls has not been reached, and the last try is a while ago."""
    return bool(escalation.unheard(at.case)) and _rested(at, "escalation", RETELL_S)


def _handover_due(at: Situation) -> bool:
    if at.case.status is not Status.ACTUAL or not at.tenant.police_url or not _rested(at, "police", UPDATE_S):
        return False
    return at.case.handover != at.case.handover_tried or handover_content(at.case) != at.case.handover_covers


def _rested(at: Situation, audience: str, rest_s: float) -> bool:
    tried = at.case.tried.get(audience)
    return tried is None or (at.now - tried).total_seconds() >= rest_s


def _await(at: Situation) -> Next:
    """How closely to watch: nobody owns the case; something falls due soon; or all is calm."""
    case, policy = at.case, at.tenant.policy
    if not case.owner and escalation.DUTY_OFFICER.code not in case.steps and "T12" not in case.clock:
        return Next.AWAIT_ACKNOWLEDGEMENT
    soon = at.now + at.calm
    deadlines = [escalation.next_due(case, policy), *_borders(at), *_ends(at), *_retries(at)]
    return Next.AWAIT_NEWS_BRIEFLY if any(d and d <= soon for d in deadlines) else Next.AWAIT_NEWS


def _borders(at: Situation) -> list[datetime | None]:
    if "T12" in at.case.clock:
        return []
    asked = {share.neighbour_id for share in at.shares}
    subject = at.case.subject
    return [
        touches_at(at.case.last, agreement, subject.age_y, subject.subject_class)
        for agreement in at.agreements
        if agreement.neighbour_id not in asked and agreement.in_force(at.now)
    ]


def _ends(at: Situation) -> list[datetime]:
    return [shortened(share, at.case).until for share in at.shares if share.is_open]


def _retries(at: Situation) -> list[datetime]:
    """When what could not be told, or has changed since, may be told again."""
    case = at.case
    missing = [a for a in ("teachers", "operators") if f"told:{a}" not in case.steps]
    changed = case.handover != case.handover_tried or handover_content(case) != case.handover_covers
    if case.status is Status.ACTUAL and at.tenant.police_url and changed:
        missing.append("police")
    if escalation.unheard(case):
        missing.append("escalation")
    return [case.tried[a] + timedelta(seconds=RETELL_S) for a in missing if a in case.tried]
