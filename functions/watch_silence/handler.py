"""Every few seconds: who stopped watching, which scanners went dark, what is past its time."""

from collections.abc import Callable, Sequence
from typing import Any

from functions.watch_silence.sweep import sweep
from shared.adapters.wiring import Adapters, adapters_for, tenant_ids
from shared.observability import MetricUnit, logger, metrics


@metrics.log_metrics
def lambda_handler(
    _event: dict[str, Any],
    _context: Any,
    on: Callable[[str], Adapters] = adapters_for,
    tenants: Callable[[], Sequence[str]] = tenant_ids,
) -> dict[str, int]:
    """Sweep every tenant. A tenant whose sweep fails does not keep the others waiting; then it raises."""
    failed = []
    phones_stopped = scanners_dark = notices_late = 0
    for tenant_id in tenants():
        try:
            swept = sweep(on(tenant_id))
        except Exception:  # noqa: BLE001 - one tenant's fault is not another's silence; raised below
            logger.exception("sweep failed", tenant=tenant_id)
            failed.append(tenant_id)
            continue
        phones_stopped += swept.phones_stopped
        scanners_dark += swept.dark
        notices_late += swept.notices_late
        logger.info(
            "swept",
            tenant=tenant_id,
            phones_stopped=swept.phones_stopped,
            dark=swept.dark,
            scanners=swept.scanners,
            turned=swept.turned,
            expired=swept.expired,
            revived=swept.revived,
            notices_late=swept.notices_late,
            purged=swept.purged,
        )
    metrics.add_metric("PhonesStopped", MetricUnit.Count, phones_stopped)
    metrics.add_metric("ScannersDark", MetricUnit.Count, scanners_dark)
    metrics.add_metric("NoticesLate", MetricUnit.Count, notices_late)
    if failed:
        raise RuntimeError(f"sweeps failed for {', '.join(failed)}")
    return {"phones_stopped": phones_stopped, "scanners_dark": scanners_dark}
