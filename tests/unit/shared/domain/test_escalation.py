"""When people do not answer."""

from dataclasses import replace

import pytest

from shared.domain import case as cases
from shared.domain.case import Case
from shared.domain.errors import Rejected
from shared.domain.escalation import due, next_due, validated
from shared.domain.places import Policy, Status, SubjectClass
from tests.casework import at, opened, who

POLICY = Policy()
TOLD = cases.police_told(opened(), "112-1", "phone", who("teacher"), at(5))[0]
OWNED = cases.acknowledge(opened(), who(), at(5))[0]
BOTH = cases.police_told(OWNED, "112-1", "phone", who("teacher"), at(5))[0]
HEARD = cases.police_acknowledged(BOTH, who("police"), at(6))[0]
REACHED = cases.done(cases.guardian_told(HEARD, "phone", who("director"), at(30))[0], "guardian-app")
LATE = ["guardian-not-told", "guardian-app"]
SAFE = cases.secured(opened(), "teacher", who("teacher"), at(7))[0]
CLOSED = cases.close(opened(), cases.CloseReason.FALSE_ALARM, "", who(), at(7))[0]
ASKED = cases.escalate(OWNED, who(), at(8))[0]
SECOND = replace(opened(), steps=("second-operator",))


@pytest.mark.parametrize(
    ("case", "after_s", "steps"),
    [
        (opened(), 0, []),
        (opened(), 19.9, []),
        (opened(), 20, ["second-operator"]),
        (opened(), 59.9, ["second-operator"]),
        (opened(), 60, ["second-operator", "duty-officer", "police-not-told"]),
        (opened(), 600, ["second-operator", "duty-officer", "police-not-told", *LATE, "police-hard-stop"]),
        (SECOND, 60, ["duty-officer", "police-not-told"]),
        (TOLD, 60, ["second-operator", "duty-officer"]),
        (TOLD, 125, ["second-operator", "duty-officer", "police-silent"]),
        (OWNED, 59, []),
        (OWNED, 60, ["police-not-told"]),
        (OWNED, 600, ["police-not-told", *LATE, "police-hard-stop"]),
        (BOTH, 124.9, []),
        (BOTH, 125, ["police-silent"]),
        (REACHED, 3600, []),
        (ASKED, 9, ["duty-officer"]),
        (SAFE, 3600, []),
        (CLOSED, 3600, []),
    ],
)
def test_at_2_1_what_is_due(case: Case, after_s: float, steps: list[str]) -> None:
    assert [step.code for step in due(case, POLICY, at(after_s))] == steps


@pytest.mark.parametrize(
    ("case", "when_s"),
    [(opened(), 20), (SECOND, 60), (OWNED, 60), (BOTH, 125), (HEARD, 180), (REACHED, None), (SAFE, None)],
)
def test_the_next_deadline_is_the_earliest_untaken_step(case: Case, when_s: float | None) -> None:
    assert next_due(case, POLICY) == (None if when_s is None else at(when_s))


def test_a_tenant_decides_its_own_times() -> None:
    policy = Policy(second_operator_s=5, duty_officer_s=10)

    assert [step.code for step in due(opened(), policy, at(10))] == ["second-operator", "duty-officer"]


def test_the_duty_officer_is_reached_by_more_than_the_screen() -> None:
    audiences = {step.code: step.audience for step in due(opened(), POLICY, at(600))}

    assert (audiences["duty-officer"], audiences["police-hard-stop"]) == ("duty-officer", "police")


@pytest.mark.parametrize(
    "policy",
    [
        Policy(second_operator_s=0),
        Policy(second_operator_s=60, duty_officer_s=60),
        Policy(duty_officer_s=301),
        Policy(police_prompt_s=0),
        Policy(police_prompt_s=600),
        Policy(police_hard_stop_s=601),
        Policy(warn_s=20, alarm_s=20),
        Policy(reach_m=0),
        Policy(grant_s=0),
        Policy(guardian_call_s=0),
        Policy(guardian_call_s=301),
    ],
)
def test_a_policy_that_makes_no_sense_is_rejected(policy: Policy) -> None:
    with pytest.raises(Rejected):
        validated(policy)


def test_the_default_policy_makes_sense() -> None:
    assert validated(POLICY) is POLICY


def test_at_10_3_nobody_is_called_for_an_exercise_that_stands_still() -> None:
    paused, _ = cases.pause(opened(status=Status.EXERCISE), "real-case", who(), at(10))

    assert (due(paused, POLICY, at(600)), next_due(paused, POLICY)) == ((), None)


def test_at_10_3_a_resumed_exercise_is_late_by_what_it_ran_and_not_by_what_it_stood() -> None:
    case, _ = cases.pause(opened(status=Status.EXERCISE), "real-case", who(), at(10))
    case, _ = cases.resume(case, who(), at(310))

    assert [next_due(case, POLICY), due(case, POLICY, at(319)), len(due(case, POLICY, at(320)))] == [
        at(320),
        (),
        1,
    ]


@pytest.mark.parametrize(
    ("case", "after_s", "steps"),
    [
        (HEARD, 179, []),
        (HEARD, 180, ["guardian-not-told"]),
        (HEARD, 299, ["guardian-not-told"]),
        (HEARD, 300, LATE),
        (cases.guardian_told(HEARD, "phone", who("director"), at(30))[0], 30, ["guardian-app"]),
        (replace(HEARD, status=Status.EXERCISE), 3600, []),
        (replace(HEARD, subject=replace(HEARD.subject, subject_class=SubjectClass.CITIZEN)), 3600, []),
    ],
)
def test_at_5_2_a_person_tells_the_guardian_first_and_the_app_after(
    case: Case, after_s: float, steps: list[str]
) -> None:
    assert [step.code for step in due(case, POLICY, at(after_s))] == steps
