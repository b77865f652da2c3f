"""The guardian is told: by a person first, by the app after; of every handing on; and how it ended."""

from collections.abc import Callable

from shared.adapters.notices import serve, tell
from shared.adapters.reaching import reach
from shared.adapters.wiring import Adapters
from shared.domain.case import Case
from shared.domain.channels import Alert, of_phone
from shared.schema.workflow import CaseRun, Told

On = Callable[[str], Adapters]


def guardians(run: CaseRun, on: On) -> Told:
    """A notice for each disclosure: told, batched, or owed by a person until its due date."""
    here = on(run.tenant_id)
    alerts = serve(here, here.cases.get(run.case_id))
    reached = sum(alert.reached for alert in alerts)
    return Told(sent=reached, failed=len(alerts) - reached)


def opened(here: Adapters, case: Case) -> Alert:
    """The daycare is looking for the child: said by the app only once a person had the time to say it."""
    return tell(here, case, "guardian-case-opened")


def prompted(here: Adapters, case: Case) -> list[Alert]:
    """Nobody has told the guardian yet: the daycare hears of it, its director at home as well."""
    phones = [of_phone(phone) for phone in here.registry.phones(case.facility_id)]
    return reach(here, case, "guardian-not-told", [each for each in phones if each.addresses], kind="push")


def closed(here: Adapters, case: Case) -> Alert:
    """It is over."""
    return tell(here, case, "case-closed")
