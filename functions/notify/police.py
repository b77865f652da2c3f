"""The hand-over to the tenant's police: each version once, signed, with a receipt."""

from collections.abc import Callable, Mapping
from typing import Any

from shared.adapters.cases import change
from shared.adapters.handovers import newest
from shared.adapters.wiring import Adapters
from shared.domain.case import Case, Change, done, handed_over, note, system, tried
from shared.domain.notices import disclose
from shared.ports import Delivery, Message
from shared.schema.handover import HandOver


def hand_over(here: Adapters, case: Case) -> list[Delivery]:
    """The newest version to the police. An exercise stops at the channel's wall and says so once.

    A version is made and kept before it is sent, so a retry sends the same bytes under the same key.
    """
    tenant, now = here.registry.tenant(), here.clock.now()
    if not tenant.police_url:
        _note(here, case, "police-no-address", {}, step="police-no-address")
        return []
    _change(here, case, lambda c: (tried(c, "police", now), ()))
    record = newest(here, case.case_id)
    key = f"{case.case_id}:v{record.version}"
    body = record.model_dump(mode="json")
    delivery = here.police.send(Message("police", tenant.police_url, key, case.status.value, body))
    if delivery.outcome == "sent":
        _arrived(here, case, record, delivery.receipt)
    else:
        params = {"version": record.version, "reason": delivery.reason}
        step = f"failed:police:{record.version}:{delivery.reason}"
        _note(here, case, f"police-{delivery.outcome}", params, step=step)
    return [delivery]


def _arrived(here: Adapters, case: Case, record: HandOver, receipt: str) -> None:
    """The disclosure owes the guardian a notice; the delivery is a line with its receipt."""
    who, now, since = system(case.tenant_id), here.clock.now(), case.clock["T4"]
    _change(
        here,
        case,
        lambda c: disclose(c, "police", since, who, now, purpose="search", basis="missing-child-act"),
    )
    version, checksum = record.version, record.checksum
    _change(here, case, lambda c: handed_over(c, version, receipt, who, now, checksum=checksum))


def _note(here: Adapters, case: Case, code: str, params: Mapping[str, Any], step: str) -> None:
    """A line of the timeline, once per step."""

    def said(case: Case) -> Change:
        if step in case.steps:
            return case, ()
        after, entries = note(case, code, params, system(case.tenant_id), here.clock.now())
        return done(after, step), entries

    _change(here, case, said)


def _change(here: Adapters, case: Case, how: Callable[[Case], Change]) -> None:
    after, entries = change(here.cases, case.case_id, how)
    if entries:
        here.live.tell("case", case.case_id, after.version)
