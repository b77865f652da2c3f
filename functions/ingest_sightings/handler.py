"""Scanners' and phones' sightings, in batches from the ordinary and the urgent queue."""

from typing import Any

from functions.ingest_sightings.ingest import On, Report, ingest
from shared.adapters.wiring import adapters_for
from shared.observability import MetricUnit, count_by, logger, metrics


@metrics.log_metrics
def lambda_handler(event: dict[str, Any], _: Any, on: On = adapters_for) -> dict[str, Any]:
    """Take a batch; answer with the messages to deliver again."""
    report = ingest(event["Records"], on)
    _count(report, len(event["Records"]))
    return {"batchItemFailures": [{"itemIdentifier": each} for each in sorted(report.failed)]}


def _count(report: Report, messages: int) -> None:
    metrics.add_metric("SightingsStored", MetricUnit.Count, report.stored)
    metrics.add_metric("MessagesQuarantined", MetricUnit.Count, report.quarantined)
    for lag_ms in report.sent_lag_ms:
        metrics.add_metric("StoredLag", MetricUnit.Milliseconds, lag_ms)
    count_by("SightingsDropped", "reason", report.dropped)
    count_by("PushesMade", "outcome", report.pushes)
    logger.info(
        "batch ingested",
        messages=messages,
        failed=len(report.failed),
        quarantined=report.quarantined,
        sightings=report.sightings,
        stored=report.stored,
        dropped=dict(report.dropped),
        normalised=report.normalised,
        pushes=dict(report.pushes),
        news=report.news,
        write_units=report.write_units,
        sent_lag_ms=report.sent_lag_ms,
        received_lag_ms=report.received_lag_ms,
    )
