"""The use cases: a day's keeping of one tenant's records, and single orders."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import TypeAdapter

from shared.adapters.cases import change
from shared.adapters.wiring import Adapters
from shared.domain.audit import Anchor, faults
from shared.domain.case import Case, places_destroyed, system
from shared.domain.errors import Rejected
from shared.domain.retention import KEPT, Destroyed, Hold, Kind, is_due
from shared.schema.records import HoldCase, LiftHold, Order, RotateKeys, Shred, ShredTenant, Verify

_EVER = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Kept:
    """What a day came to. faults: places where the access log's chain does not hold."""

    destroyed: int
    faults: int


def keep(on: Adapters) -> Kept:
    """Check the day's access log and anchor it; destroy what is past its time and nobody holds."""
    broken = verify(on, on.anchors.all()[-1:])
    on.anchors.put(Anchor(on.clock.now(), on.access_log.end()))
    held = {hold.case_id for hold in on.records.holds()}
    closed = [case for case in on.cases.recent(_EVER) if not case.is_open and case.case_id not in held]
    return Kept(sum(_destroy_due(on, case) for case in closed), len(broken))


def verify(on: Adapters, anchors: Sequence[Anchor]) -> list[dict[str, Any]]:
    """Where the access log was tampered with since the first of these anchors; [] when it is whole."""
    since = anchors[0].at if anchors else _EVER
    kept_since = max(since, on.clock.now() - KEPT[Kind.ACCESS_LOG])
    found = faults(on.access_log.lines(since), on.access_log.end(), anchors, kept_since=kept_since)
    return [{"line": fault.seq, "code": fault.code} for fault in found]


def obey(event: Mapping[str, Any], on: Callable[[str], Adapters]) -> dict[str, Any]:
    """Carry out one order. ValidationError when it is none; Rejected(not-confirmed)."""
    order: Any = TypeAdapter(Order).validate_python(event)
    here = on(order.tenant_id)
    told: dict[str, Any] = {"done": order.do}
    match order:
        case HoldCase():
            here.cases.get(order.case_id)
            here.records.hold(Hold(order.case_id, order.asked_by, order.reason, here.clock.now()))
        case LiftHold():
            here.records.lift(order.case_id)
        case Shred():
            here.vault.shred(order.subject)
        case ShredTenant():
            if order.confirm != order.tenant_id:
                raise Rejected("not-confirmed")
            here.vault.shred_all()
        case RotateKeys():
            told["keys"] = here.vault.rotate()
        case Verify():
            told["faults"] = verify(here, here.anchors.all())
    return told


def _destroy_due(on: Adapters, case: Case) -> int:
    """Records of a closed case destroyed now, each kind certified."""
    now, closed_at = on.clock.now(), case.clock["T14"]
    gone: dict[Kind, int] = {}
    if is_due(Kind.POLICE_COPY, closed_at, now):
        on.police_desk.forget(case.case_id)  # its own time to live may run from later versions
    if is_due(Kind.CASE_FACTS, closed_at, now):
        gone[Kind.CASE_FACTS] = on.cases.forget(case)
    elif is_due(Kind.CASE_PLACES, closed_at, now) and "T15" not in case.clock:
        gone[Kind.CASE_PLACES] = on.cases.forget_places(case.case_id)
        change(on.cases, case.case_id, lambda old: places_destroyed(old, system(on.tenant_id), now))
    for kind, count in gone.items():
        on.records.certify(Destroyed(now, kind, case.case_id, count))
    return sum(gone.values())
