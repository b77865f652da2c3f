"""A trace delivered to a handler as the queue would deliver it, with the meter running."""

import base64
import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from functions.ingest_sightings.handler import lambda_handler
from shared.adapters.clock import ManualClock, from_epoch_ms
from shared.adapters.memory import MemoryCloud
from shared.adapters.tracking import DynamoTracking
from shared.adapters.wiring import Adapters, MemoryAdapters
from shared.observability import logger
from shared.ports import AnyTrack
from tests.benchmarks.store import Meter, Store
from tests.benchmarks.trace import Sent, Trace, world

TRANSIT_MS = 50  # from a thing to the rule
Batch = Sequence[dict[str, Any]]


@dataclass(frozen=True)
class Lane:
    """The event source mapping modelled: a poller waits `window_s`, or until `size` messages are there.

    pollers: how many of them take messages in turn; each keeps a batch of its own.
    """

    size: int = 100
    window_s: float = 2.0
    pollers: int = 2


ORDINARY = Lane()
"""As the template sets it; AWS runs several pollers for a queue, and two are the fewest it may be told."""


@dataclass
class Run:
    """What a handler made of a trace, from `since_ms` on; before that it was warming up.

    cpu_s: of the handler, the store's own taken off. write_s: the part of it spent in saving.
    """

    cpu_s: float = 0.0
    write_s: float = 0.0
    batches: int = 0
    messages: int = 0
    heartbeats: int = 0
    sightings: int = 0
    failed: int = 0
    meter: Meter = field(default_factory=Meter)


def record(message: Sent, n: int) -> dict[str, Any]:
    """The queue record the IoT rule makes of a message."""
    body = {
        "payload": base64.b64encode(message.payload).decode(),
        "tenant": message.tenant_id,
        "thing": message.thing,
        "client": message.thing,
        "received_ms": message.at_ms + TRANSIT_MS,
    }
    return {"messageId": f"m-{n:08d}", "body": json.dumps(body)}


def batches(messages: Iterable[Sent], mapping: Lane) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """(when it is handed over, epoch ms; the batch), in the order of their time."""
    waiting: list[list[tuple[int, dict[str, Any]]]] = [[] for _ in range(mapping.pollers)]
    window_ms = round(mapping.window_s * 1000)
    for n, message in enumerate(messages):
        now_ms = message.at_ms + TRANSIT_MS
        for batch in waiting:
            if batch and now_ms >= batch[0][0] + window_ms:
                yield batch[0][0] + window_ms, [each for _, each in batch]
                batch.clear()
        mine = waiting[n % mapping.pollers]
        mine.append((now_ms, record(message, n)))
        if len(mine) >= mapping.size:
            yield now_ms, [each for _, each in mine]
            mine.clear()
    for batch in waiting:
        if batch:
            yield batch[0][0] + window_ms, [each for _, each in batch]


class StubbedAdapters(MemoryAdapters):
    """Registry and outings in memory (the handler keeps both for seconds), tracking through boto3."""

    def __init__(self, tenant_id: str, cloud: MemoryCloud, client: Any) -> None:
        super().__init__(tenant_id, cloud)
        self.__dict__["tracking"] = TimedTracking(tenant_id, "tracking", client)


class TimedTracking(DynamoTracking):
    """Knows how much CPU saving took, for all tenants together."""

    saving_s = 0.0

    def save(self, tracks: Sequence[AnyTrack], *, now: datetime) -> list[AnyTrack]:
        start = time.process_time()
        lost = super().save(tracks, now=now)
        TimedTracking.saving_s += time.process_time() - start
        return lost


def run_ours(
    trace: Trace, messages: Sequence[Sent], *, tenants: int = 1, lane: Lane = ORDINARY, warm_s: float = 0.0
) -> Run:
    """Our handler over the messages of so many districts. warm_s: trace seconds that do not count."""
    store, clock = Store(), ManualClock(from_epoch_ms(messages[0].at_ms))
    cloud, client = MemoryCloud(clock), store.client(validation=False)
    adapters: dict[str, Adapters] = {}
    for n in range(tenants):
        records, outings = world(trace, n)
        one = StubbedAdapters(outings[0].tenant_id, cloud, client)
        one.registry.put(*records)
        for outing in outings:
            one.outings.save(outing)
        adapters[one.tenant_id] = one
    logger.setLevel("ERROR")

    def handle(batch: Batch) -> int:
        return len(lambda_handler({"Records": batch}, None, adapters.__getitem__)["batchItemFailures"])

    with redirect_stdout(None):  # the metrics' lines
        return deliver(handle, messages, lane, store, clock, warm_s=warm_s)


def deliver(
    handle: Callable[[Batch], int],
    messages: Sequence[Sent],
    lane: Lane,
    store: Store,
    clock: ManualClock,
    *,
    warm_s: float = 0.0,
) -> Run:
    """Hand the messages over in batches; count from `warm_s` on."""
    since_ms = messages[0].at_ms + round(warm_s * 1000)
    counted = [m for m in messages if m.at_ms >= since_ms]
    sizes = [m.sightings for m in counted]
    run = Run(messages=len(sizes), heartbeats=sizes.count(0), sightings=sum(sizes), meter=store.meter)
    warm = True
    for at_ms, batch in batches(messages, lane):
        if warm and at_ms >= since_ms:
            warm = False
            store.meter = run.meter = Meter()
            run.cpu_s = run.write_s = 0.0
            run.batches = run.failed = 0
        clock.at = from_epoch_ms(at_ms)
        stub_s, saved_s, start = store.meter.cpu_s, TimedTracking.saving_s, time.process_time()
        run.failed += handle(batch)
        stub_s = store.meter.cpu_s - stub_s
        run.cpu_s += time.process_time() - start - stub_s
        run.write_s += max(0.0, TimedTracking.saving_s - saved_s - stub_s)
        run.batches += 1
    return run
