"""What a performance cost and how long it took, read from the functions' log lines and the workflow."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from infra.local.cloud import LocalCloud
from infra.local.start import wait_for

SETTLE_S = 60.0  # for the last batches, and on AWS for their logs


@dataclass
class Meter:
    """Sums over every function. Lags are wall milliseconds from a thing's publish to after the write.

    messages: what ingest took, repeats included. write_units: size-aware, failed ones included.
    """

    messages: int = 0
    stored: int = 0
    quarantined: int = 0
    write_units: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    lags_ms: list[int] = field(default_factory=list)
    invocations: dict[str, int] = field(default_factory=dict)
    transitions: int = 0


def read_meter(cloud: LocalCloud, expected: int, since: float, case_id: str = "") -> Meter:
    """Wait until ingest has taken `expected` messages, then read. since: wall epoch s of the beginning."""
    since_ms = round(since * 1000)
    group = _group(cloud, "IngestSightingsFunction")
    wait_for(lambda: _batches(cloud, group, since_ms).messages >= expected, SETTLE_S, 0.5)
    meter = _batches(cloud, group, since_ms)
    for output in sorted(name for name in cloud.outputs if name.endswith("Function")):
        reports = sum(_is_report(line) for line in _lines(cloud, _group(cloud, output), since_ms))
        meter.invocations[output.removesuffix("Function")] = reports
    if case_id:
        meter.transitions = _transitions(cloud, case_id)
    return meter


def wall_s(earlier: str, later: str, speed: float) -> float:
    """Wall seconds between two scenario times."""
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds() / speed


def _batches(cloud: LocalCloud, group: str, since_ms: int) -> Meter:
    meter = Meter()
    for line in _lines(cloud, group, since_ms):
        found = _json(line)
        if found.get("message") == "batch ingested":
            meter.messages += found["messages"]
            meter.stored += found["stored"]
            meter.quarantined += found["quarantined"]
            meter.write_units += found.get("write_units", 0)
            meter.dropped.update(found["dropped"])
            meter.lags_ms += found["sent_lag_ms"]
    return meter


def _group(cloud: LocalCloud, output: str) -> str:
    return f"/aws/lambda/{cloud.outputs[output]}"


def _lines(cloud: LocalCloud, group: str, since_ms: int) -> Iterator[str]:
    logs = cloud.client("logs")
    try:
        for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group, startTime=since_ms):
            for event in page["events"]:
                yield from event["message"].splitlines()
    except logs.exceptions.ResourceNotFoundException:  # never called, so it never wrote
        return


def _is_report(line: str) -> bool:
    """The platform's closing line of an invocation, as text or as JSON."""
    return line.startswith("REPORT RequestId") or _json(line).get("type") == "platform.report"


def _json(line: str) -> dict[str, Any]:
    if not line.startswith("{"):
        return {}
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _transitions(cloud: LocalCloud, case_id: str) -> int:
    """States entered by every execution of a case."""
    states = cloud.client("stepfunctions")
    pages = states.get_paginator("list_executions").paginate(stateMachineArn=cloud.outputs["StateMachineArn"])
    arns = [e["executionArn"] for page in pages for e in page["executions"] if case_id in e["name"]]
    return sum(
        event["type"].endswith("StateEntered")
        for arn in arns
        for page in states.get_paginator("get_execution_history").paginate(executionArn=arn)
        for event in page["events"]
    )
