"""Once a day: the access log is anchored, and what is past its time is destroyed. Or one order, by hand."""

from collections.abc import Callable, Sequence
from typing import Any

from functions.keep_records.keeping import keep, obey
from shared.adapters.wiring import Adapters, adapters_for, tenant_ids
from shared.observability import MetricUnit, logger, metrics


@metrics.log_metrics
def lambda_handler(
    event: dict[str, Any],
    _context: Any,
    on: Callable[[str], Adapters] = adapters_for,
    tenants: Callable[[], Sequence[str]] = tenant_ids,
) -> dict[str, Any]:
    """{} keeps every tenant's records; anything else is an order (`shared/schema/records.py`).

    A tenant whose turn fails does not keep the others waiting; then it raises.
    """
    metrics.add_metric("OrdersGiven", MetricUnit.Count, int(bool(event)))
    if event:
        return obey(event, on)
    failed = []
    for tenant_id in tenants():
        try:
            kept = keep(on(tenant_id))
        except Exception:  # noqa: BLE001 - one tenant's fault is not another's delay; raised below
            logger.exception("records not kept", tenant=tenant_id)
            failed.append(tenant_id)
            continue
        if kept.faults:  # a log somebody tampered with is an alarm, every day until somebody looked
            failed.append(tenant_id)
        metrics.add_metric("RecordsDestroyed", MetricUnit.Count, kept.destroyed)
        metrics.add_metric("AuditFaults", MetricUnit.Count, kept.faults)
        logger.info("records kept", tenant=tenant_id, destroyed=kept.destroyed, log_faults=kept.faults)
    if failed:
        raise RuntimeError(f"records not kept for {', '.join(failed)}")
    return {}
