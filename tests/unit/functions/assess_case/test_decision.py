"""What should happen next: the table."""

from dataclasses import replace
from datetime import timedelta

import pytest

from functions.assess_case.decision import Situation, decide, to_offer, unagreed
from shared.domain import case as cases
from shared.domain import sharing
from shared.domain.case import Case, CloseReason, done
from shared.domain.notices import disclosing, noticing
from shared.domain.places import Agreement, Policy, Status, Tenant
from shared.domain.sharing import Share, granting, telling
from shared.schema.workflow import Next
from tests.casework import agreed, at, evidence, opened, strip, who

EAST = agreed("garam", "haneul", strip(1))
UNSIGNED = replace(EAST, signatures=EAST.signatures[1:])


def told(case: Case) -> Case:
    """Teachers and operators know."""
    return done(done(case, "told:teachers"), "told:operators")


def owned(case: Case) -> Case:
    return cases.acknowledge(case, who(), at(0))[0]


NEW = opened(found=evidence())
TOLD = told(NEW)
OWNED = owned(TOLD)
REACHED = done(cases.guardian_told(OWNED, "phone", who("director"), at(0))[0], "guardian-app")
CALLED = cases.police_acknowledged(
    cases.police_told(REACHED, "112", "phone", who("teacher"), at(0))[0], who("police"), at(0)
)[0]
BORDER = owned(told(opened(found=evidence(x_m=990))))
OFFERED = sharing.offer(BORDER, EAST, Policy(), at(0))
ACCEPTED = sharing.accept(OFFERED, "operator-9", at(1))
REVOKED = sharing.revoke(ACCEPTED, "operator-1", at(2))
CLOSED = cases.close(OWNED, CloseReason.FALSE_ALARM, "", who(), at(0))[0]
SECURED = cases.secured(OWNED, "police", who("police"), at(0))[0]
DISCLOSED = done(CALLED, disclosing("police", at(0)))
SENT = replace(cases.handing_over(CALLED, at(0)), handover=1)


def situation(
    case: Case,
    now_s: float = 1,
    *,
    shares: tuple[Share, ...] = (),
    agreements: tuple[Agreement, ...] = (EAST,),
    turns: int = 0,
    police_url: str = "",
) -> Situation:
    tenant = Tenant("garam", "가람구", strip(0), Policy(), police_url)
    return Situation(case, tenant, agreements, shares, at(now_s), turns, timedelta(seconds=20))


@pytest.mark.parametrize(
    ("look", "what"),
    [
        (situation(NEW), Next.TELL),
        (situation(cases.tried(cases.tried(NEW, "teachers", at(0)), "operators", at(0)), 14), "await"),
        (situation(cases.tried(cases.tried(NEW, "teachers", at(0)), "operators", at(0)), 15), Next.TELL),
        (situation(TOLD), Next.AWAIT_ACKNOWLEDGEMENT),
        (situation(TOLD, 20), Next.ESCALATE),
        (situation(replace(TOLD, steps=(*TOLD.steps, "second-operator")), 21), Next.AWAIT_ACKNOWLEDGEMENT),
        (situation(OWNED, 1), Next.AWAIT_NEWS),
        (situation(OWNED, 41), Next.AWAIT_NEWS_BRIEFLY),
        (situation(OWNED, 60), Next.ESCALATE),
        (situation(CALLED, 500), Next.AWAIT_NEWS),
        (situation(BORDER), Next.OFFER),
        (situation(BORDER, agreements=()), Next.OFFER),
        (situation(done(BORDER, "no-agreement"), agreements=()), Next.AWAIT_NEWS),
        (situation(done(BORDER, "no-agreement"), agreements=(UNSIGNED,)), Next.AWAIT_NEWS),
        (situation(BORDER, shares=(OFFERED,)), Next.OFFER),
        (situation(done(BORDER, telling(OFFERED)), shares=(OFFERED,)), Next.AWAIT_NEWS),
        (situation(BORDER, shares=(ACCEPTED,)), Next.GRANT),
        (situation(done(BORDER, granting(ACCEPTED)), shares=(ACCEPTED,)), Next.AWAIT_NEWS),
        (situation(done(BORDER, granting(REVOKED)), shares=(REVOKED,)), Next.END_SHARES),
        (situation(BORDER, shares=(REVOKED,)), Next.END_SHARES),
        (situation(done(BORDER, telling(REVOKED)), shares=(REVOKED,)), Next.AWAIT_NEWS),
        (situation(CALLED, 7200, shares=(OFFERED,)), Next.END_SHARES),
        (
            situation(done(done(CALLED, "no-agreement"), telling(OFFERED)), 7185, shares=(OFFERED,)),
            Next.AWAIT_NEWS_BRIEFLY,
        ),
        (situation(DISCLOSED), Next.TELL_GUARDIANS),
        (situation(done(DISCLOSED, noticing(disclosing("police", at(0))))), Next.AWAIT_NEWS),
        (situation(CALLED, police_url="https://p"), Next.HAND_OVER),
        (situation(SENT, 30, police_url="https://p"), Next.AWAIT_NEWS),
        (situation(replace(SENT, handover=0), 14, police_url="https://p"), Next.AWAIT_NEWS_BRIEFLY),
        (situation(replace(SENT, handover=0), 15, police_url="https://p"), Next.HAND_OVER),
        (situation(replace(CALLED, status=Status.EXERCISE), police_url="https://p"), Next.AWAIT_NEWS),
        (situation(SECURED, 4000), Next.AWAIT_NEWS),
        (situation(CALLED, turns=1000), Next.RENEW),
        (situation(CLOSED, turns=1000), Next.CLOSE),
    ],
)
def test_what_comes_next(look: Situation, what: str) -> None:
    assert decide(look).value.startswith(what)


def test_at_3_1_where_an_agreement_lacks_a_signature_the_owner_is_told_there_is_none() -> None:
    look = situation(BORDER, agreements=(UNSIGNED,))

    assert (to_offer(look), unagreed(look)) == ((), True)


def test_at_3_1_a_neighbour_that_declined_is_not_asked_again() -> None:
    declined = sharing.decline(OFFERED, "operator-9", at(1))

    assert to_offer(situation(BORDER, shares=(declined,))) == ()


def test_a_secured_child_is_offered_to_nobody() -> None:
    secured = cases.secured(BORDER, "police", who("police"), at(0))[0]

    assert to_offer(situation(secured, 100)) == ()


def test_at_3_1_the_wait_is_short_when_a_border_is_near() -> None:
    near = owned(told(opened(found=evidence(x_m=950))))

    assert decide(situation(near)) is Next.AWAIT_NEWS_BRIEFLY


def test_on_a_clock_that_runs_faster_a_calm_wait_covers_more_of_it() -> None:
    hurried = replace(situation(OWNED, 1), calm=timedelta(seconds=200))

    assert decide(hurried) is Next.AWAIT_NEWS_BRIEFLY


@pytest.mark.parametrize("case", [NEW, BORDER, DISCLOSED])
def test_at_10_3_nothing_is_done_about_an_exercise_that_stands_still(case: Case) -> None:
    exercise = replace(case, status=Status.EXERCISE)
    paused, _ = cases.pause(exercise, "real-case", who(), at(1))

    before, after = decide(situation(exercise, 900)), decide(situation(paused, 900))

    assert (before is Next.AWAIT_NEWS, after) == (False, Next.AWAIT_NEWS)
