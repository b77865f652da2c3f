"""When people do not answer: what is due next, and who is told. Pure and table-tested.

All timings are the tenant's policy and count from the report (T4) or from what each rule names.
Each step is taken once; `Case.steps` remembers it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.domain.case import Case, paused_s
from shared.domain.channels import ordered as ordered_channels
from shared.domain.errors import Rejected
from shared.domain.places import Policy, Status, SubjectClass


@dataclass(frozen=True, slots=True)
class Step:
    """One escalation step. code: also the sentence (i18n `escalation.*`).

    audience: "operators" (every console), "duty-officer" (SMS or voice as well), "police" or "guardian".
    """

    code: str
    level: int
    audience: str


SECOND_OPERATOR = Step("second-operator", 1, "operators")
DUTY_OFFICER = Step("duty-officer", 2, "duty-officer")
ASKED = "duty-officer-asked"  # an operator did not wait for the clock (`case.escalate`)
POLICE_PROMPT = Step("police-not-told", 0, "operators")
POLICE_HARD_STOP = Step("police-hard-stop", 2, "police")
POLICE_SILENT = Step("police-silent", 0, "operators")


GUARDIAN_PROMPT = Step("guardian-not-told", 0, "operators")
GUARDIAN_APP = Step("guardian-app", 0, "guardian")


def _unowned(case: Case) -> bool:
    return not case.owner


def _police_untold(case: Case) -> bool:
    return "T9" not in case.clock


def _police_silent(case: Case) -> bool:
    return "T10" not in case.clock


def _has_guardian(case: Case) -> bool:
    """Whether a real guardian is to hear of it: a citizen has none, and no exercise reaches one."""
    return case.status is Status.ACTUAL and case.subject.subject_class is not SubjectClass.CITIZEN


def _guardian_untold(case: Case) -> bool:
    return _has_guardian(case) and "TG" not in case.clock


@dataclass(frozen=True, slots=True)
class _Rule:
    """`step` is due `after_s` seconds past clock point `since` while `while_` holds."""

    step: Step
    since: str
    after_s: Callable[[Policy], float]
    while_: Callable[[Case], bool]


_RULES = (
    _Rule(SECOND_OPERATOR, "T4", lambda policy: policy.second_operator_s, _unowned),
    _Rule(DUTY_OFFICER, "T4", lambda policy: policy.duty_officer_s, _unowned),
    _Rule(POLICE_PROMPT, "T4", lambda policy: policy.police_prompt_s, _police_untold),
    _Rule(POLICE_HARD_STOP, "T4", lambda policy: policy.police_hard_stop_s, _police_untold),
    _Rule(POLICE_SILENT, "T9", lambda policy: policy.police_ack_s, _police_silent),
    _Rule(POLICE_SILENT, "T9p", lambda policy: policy.police_ack_s, _police_silent),
    # A person tells the guardian; the app only after that, or when nobody did in time (FIELD AT-5.2).
    _Rule(GUARDIAN_PROMPT, "T4", lambda policy: policy.guardian_call_s, _guardian_untold),
    _Rule(GUARDIAN_APP, "T4", lambda policy: policy.guardian_app_s, _guardian_untold),
    _Rule(GUARDIAN_APP, "TG", lambda _: 0.0, _has_guardian),
)


def due(case: Case, policy: Policy, now: datetime) -> tuple[Step, ...]:
    """The steps to take now, in the order they fell due; nothing once the child is secured."""
    falls = [(at, step) for step, at in _pending(case, policy) if at <= now]
    in_order = (step for _, step in sorted(falls, key=lambda each: each[0]))
    return tuple(dict.fromkeys(in_order))  # a step that several rules ask for is one step


def unheard(case: Case) -> tuple[Step, ...]:
    """Steps that were taken and reached nobody yet whom they call; pointless once the child is secured."""
    if not case.is_open or case.is_paused or "T12" in case.clock:
        return ()
    steps = dict.fromkeys(rule.step for rule in _RULES)
    return tuple(step for step in steps if f"unheard:{step.code}" in case.steps)


def next_due(case: Case, policy: Policy) -> datetime | None:
    """When the next untaken step falls due if nothing changes; None when there is none."""
    return min((at for _, at in _pending(case, policy)), default=None)


def validated(policy: Policy) -> Policy:
    """The policy, if its escalation makes sense. Rejected otherwise.

    Positive, in order, the duty officer within 5 minutes, the police at the latest after 10
    (the bound the law sets big venues: 실종아동법 9-4), their acknowledgement awaited 10 at the most.
    """
    ordered_channels(policy.channels)
    ordered = 0 < policy.second_operator_s < policy.duty_officer_s <= 300
    if not ordered or not 0 < policy.police_prompt_s < policy.police_hard_stop_s <= 600:
        raise Rejected("policy-escalation-order")
    if not 0 < policy.police_ack_s <= 600:
        raise Rejected("policy-police-ack")
    if not 0 < policy.guardian_call_s <= policy.guardian_app_s:
        raise Rejected("policy-guardian-order")
    if not 0 < policy.warn_s < policy.alarm_s or policy.reach_m <= 0 or policy.grant_s <= 0:
        raise Rejected("policy-departure-order")
    return policy


def _pending(case: Case, policy: Policy) -> list[tuple[Step, datetime]]:
    if not case.is_open or case.is_paused or "T12" in case.clock:
        return []
    pending = [
        (rule.step, case.clock[rule.since] + timedelta(seconds=rule.after_s(policy) + _stood_s(case, rule)))
        for rule in _RULES
        if rule.since in case.clock and rule.step.code not in case.steps and rule.while_(case)
    ]
    if ASKED in case.steps and DUTY_OFFICER.code not in case.steps:
        pending = [(step, at) for step, at in pending if step is not DUTY_OFFICER]
        pending.append((DUTY_OFFICER, case.clock["T4"]))
    return pending


def _stood_s(case: Case, rule: _Rule) -> float:
    """How long an exercise stood still since the rule's clock began; nobody is late by that."""
    since = case.clock[rule.since]
    return paused_s(case, since, max([since, *(until for _, until in case.pauses if until)]))
