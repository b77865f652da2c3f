"""One turn of the workflow without an engine: what the state machine does after each look at a case."""

from collections.abc import Callable

from functions.assess_case.steps import STEPS
from functions.notify.tell import TASKS
from shared.adapters.wiring import Adapters
from shared.schema.workflow import CaseRun, Next

On = Callable[[str], Adapters]

WORK = {
    Next.ESCALATE: [("notify", "escalate")],
    Next.OFFER: [("assess", "offer"), ("notify", "neighbours")],
    Next.GRANT: [("assess", "grant"), ("notify", "guardians")],
    Next.END_SHARES: [("assess", "end-shares"), ("notify", "neighbours")],
    Next.TELL_GUARDIANS: [("notify", "guardians")],
    Next.HAND_OVER: [("notify", "police")],
    Next.TELL: [("assess", "open"), ("notify", "teachers"), ("notify", "operators"), ("notify", "police")],
    Next.CLOSE: [
        ("assess", "close"),
        ("assess", "revoke"),
        ("notify", "neighbours"),
        ("notify", "outcome"),
        ("notify", "guardians"),
        ("assess", "report"),
    ],
}


def run_of(case_id: str = "case-1", tenant_id: str = "garam") -> CaseRun:
    """An execution's state at its start."""
    return CaseRun(tenant_id=tenant_id, case_id=case_id, status="Actual", round=0, turns=0)


def turn(on: On, case_id: str = "case-1", *, again: bool = False) -> Next | None:
    """Look, and do what comes next. again: every task runs twice, as a retried or redriven one does."""
    run = STEPS["assess"](run_of(case_id), on)
    for where, task in WORK.get(run.next, []) if run.next else []:
        for _ in range(2 if again else 1):
            (STEPS if where == "assess" else TASKS)[task](run, on)
    return run.next


def settle(on: On, case_id: str = "case-1", *, again: bool = False, turns: int = 12) -> Next | None:
    """Turns until there is nothing to do but wait, or the case is closed."""
    for _ in range(turns):
        what = turn(on, case_id, again=again)
        if what not in WORK.keys() - {Next.CLOSE}:
            return what
    return what
