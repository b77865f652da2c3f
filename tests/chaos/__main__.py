"""`make chaos`: faults on the running stack. Each row of the matrix says what was done and what came of it.

    python -m tests.chaos [--only proxy crash poison kill burst]

The handlers are ours, the store and the queues are the local cloud's; nothing leaves the loopback interface.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from io import StringIO
from typing import Any
from uuid import uuid4

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from events.simulator.edge import Edge, Heard
from functions.ingest_sightings.handler import lambda_handler
from infra.local.cloud import LocalCloud, local_cloud
from infra.local.start import wait_for
from shared.adapters import wiring
from shared.adapters.clock import SystemClock, epoch_ms
from shared.adapters.hearing import hearing, hearings
from shared.adapters.wiring import Adapters, AwsAdapters, Environment
from shared.domain.places import Policy
from shared.observability import logger
from shared.ports import Watched
from tests.chaos.proxy import Proxy
from tests.district import CHILDREN, SCANNERS, District

ROUNDS = 40  # of the queue's redelivery, at the most
STORED_S = 60.0
CORES = 4  # fewer cannot show that two lanes do not disturb each other


@dataclass
class Row:
    """A line of the result. fault: rows of the matrix (RELIABILITY 3.4). ok None: it could not run here."""

    fault: str
    did: str
    found: str
    ok: bool | None


def environment(cloud: LocalCloud) -> Environment:
    """What the template tells the ingest function."""
    named = cloud.outputs["IngestSightingsFunction"]
    told = cloud.client("lambda").get_function_configuration(FunctionName=named)["Environment"]["Variables"]
    return replace(
        Environment.read(),
        registry_table=told["JIKIMI_REGISTRY_TABLE"],
        tracking_table=told["JIKIMI_TRACKING_TABLE"],
        cases_table=told.get("JIKIMI_CASES_TABLE", ""),
    )


def client_at(endpoint: str, *, attempts: int = 1) -> Any:
    """DynamoDB behind an endpoint, without patience: the handler shall see every fault."""
    return boto3.client(
        "dynamodb",
        endpoint_url=endpoint,
        region_name="ap-northeast-2",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(
            retries={"mode": "standard", "total_max_attempts": attempts}, connect_timeout=2, read_timeout=20
        ),
    )


def adapters(cloud: LocalCloud, client: Any) -> Callable[[str], Adapters]:
    """The functions' own adapters, with this DynamoDB."""
    known, told = {}, environment(cloud)

    def of(tenant_id: str) -> Adapters:
        if tenant_id not in known:
            wiring.client = lambda service: client if service == "dynamodb" else cloud.client(service)
            known[tenant_id] = AwsAdapters(tenant_id, told)
            _ = known[tenant_id].tracking, known[tenant_id].registry, known[tenant_id].outings
            _ = known[tenant_id].watch_list
        return known[tenant_id]

    return of


def planted(cloud: LocalCloud) -> District:
    """A tenant nobody else has, without an outing: it keeps its children's last known position."""
    tenant_id = f"t{uuid4().hex[:10]}"
    on = adapters(cloud, cloud.client("dynamodb"))
    d = District(on, SystemClock(), None, tenant_id)  # type: ignore[arg-type]
    return d.people(Policy(keep_last_known=True))


def words(d: District, count: int, start_ms: int) -> list[dict[str, Any]]:
    """`count` records, a second apart, each of one scanner that hears every child."""
    made = []
    for n in range(count):
        thing = d.scanner(n % SCANNERS)
        heard = [[d.beacon(c), 500, -60 - (n + c) % 30, 1 + n % 9] for c in range(CHILDREN)]
        said = json.dumps({"v": 1, "sent": start_ms + n * 1000, "seq": n, "s": heard}).encode()
        record = d.record(thing, said, received_ms=start_ms + n * 1000 + 50)
        made.append(record)
    return made


def taken(d: District, records: Sequence[dict[str, Any]], on: Callable[[str], Adapters]) -> tuple[int, int]:
    """Deliver like the queue: what fails comes again. (rounds, invocations that failed as a whole)."""
    waiting, rounds, failed = list(records), 0, 0
    while waiting and rounds < ROUNDS:
        rounds += 1
        left = []
        for start in range(0, len(waiting), 10):
            batch = waiting[start : start + 10]
            try:
                with redirect_stdout(StringIO()):
                    answer = lambda_handler({"Records": batch}, None, on)
            except (ClientError, BotoCoreError, TimeoutError, RuntimeError):
                failed += 1
                left += batch
                continue
            again = {each["itemIdentifier"] for each in answer["batchItemFailures"]}
            left += [record for record in batch if record["messageId"] in again]
        waiting = left
    return rounds, failed


def state(d: District) -> dict[str, Any]:
    """Every child's window, without the tenant's name."""
    known = hearings(d.adapters, [d.beacon(c) for c in range(CHILDREN)])
    return {
        beacon_id.removeprefix(d.tenant_id): [
            (s.at_ms, s.source_id.removeprefix(d.tenant_id), s.rssi_dbm) for s in each.window.sightings
        ]
        for beacon_id, each in known.items()
    }


def _calm(cloud: LocalCloud, count: int, start_ms: int) -> dict[str, Any]:
    d = planted(cloud)
    taken(d, words(d, count, start_ms), d.on)
    return state(d)


def proxy(cloud: LocalCloud) -> list[Row]:
    """1, 3, 5: a store that fails, throttles, is slow, and takes effect without saying so."""
    count, start_ms = 60, epoch_ms(SystemClock().now()) - 60_000
    calm = _calm(cloud, count, start_ms)
    d = planted(cloud)
    odds = {"error": 0.1, "throttle": 0.1, "drop": 0.1, "slow": 0.05}
    with Proxy(str(cloud.place.endpoint), 7, **odds) as between:
        on = adapters(cloud, client_at(between.url))
        records = words(d, count, start_ms)
        rounds, failed = taken(d, [*records, *records[::3]], on)
        faults = {k: v for k, v in between.done.items() if k != "passed"}
    same = state(d) == calm
    found = f"{failed} invocations failed, {rounds} rounds, state {'the same' if same else 'DIFFERS'}"
    return [Row("1 3 5", f"{count} messages and 20 doubles through {dict(faults)}", found, same)]


CRASH = """
import os, sys, json, io, contextlib
from tests.chaos.__main__ import client_at, crash_environment
from functions.ingest_sightings.handler import lambda_handler
from shared.adapters import wiring
asked = json.loads(sys.stdin.read())
client = client_at(asked["endpoint"])
calls = [0]
def dying(**_):
    calls[0] += 1
    if calls[0] == asked["dies_at"]:
        os._exit(9)
client.meta.events.register("before-send.dynamodb" if asked["before"] else "after-call.dynamodb", dying)
wiring.client = lambda service: client
told = crash_environment(asked["environment"])
with contextlib.redirect_stdout(io.StringIO()):
    answer = lambda_handler({"Records": asked["records"]}, None, lambda t: wiring.AwsAdapters(t, told))
print(json.dumps(answer))
"""


def crash_environment(values: dict[str, str]) -> Environment:
    return Environment(**values)


def crash(cloud: LocalCloud) -> list[Row]:
    """4: the process dies in the middle of a batch, at every call in turn, before or after it took effect."""
    count, start_ms = 20, epoch_ms(SystemClock().now()) - 60_000
    calm = _calm(cloud, count, start_ms)
    d = planted(cloud)
    records = words(d, count, start_ms)
    told = environment(cloud)
    values = {name: getattr(told, name) for name in Environment.__dataclass_fields__}
    died = 0
    for n in range(12):
        asked = {
            "endpoint": cloud.place.endpoint,
            "records": records,
            "dies_at": 1 + n // 2,
            "before": n % 2 == 0,
            "environment": values,
        }
        code = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", CRASH],
            input=json.dumps(asked),
            text=True,
            capture_output=True,
            timeout=60,
            check=False,
        ).returncode
        died += code == 9
    taken(d, records, d.on)
    same = state(d) == calm
    found = f"redelivered, state {'the same' if same else 'DIFFERS'}"
    return [Row("4", f"os._exit in {died} of 12 invocations of {count} messages", found, same and died >= 6)]


def _queue(cloud: LocalCloud, name: str) -> str:
    return str(next(r["PhysicalResourceId"] for r in _resources(cloud) if r["LogicalResourceId"] == name))


def _resources(cloud: LocalCloud) -> list[dict[str, Any]]:
    stacks = cloud.client("cloudformation")
    name = stacks.describe_stacks()["Stacks"][0]["StackName"]
    found: list[dict[str, Any]] = stacks.describe_stack_resources(StackName=name)["StackResources"]
    return found


def poison(cloud: LocalCloud) -> list[Row]:
    """19: poison goes to the dead letters after three receives; its mates are stored; redrive brings back."""
    sqs, d = cloud.client("sqs"), planted(cloud)
    ordinary, dead = _queue(cloud, "OrdinaryQueue"), _queue(cloud, "IngestDeadLetters")
    sqs.set_queue_attributes(QueueUrl=ordinary, Attributes={"VisibilityTimeout": "1"})
    good = words(d, 30, epoch_ms(SystemClock().now()) - 30_000)
    for n, record in enumerate(good):
        sqs.send_message(QueueUrl=ordinary, MessageBody=record["body"])
        if n % 10 == 0:
            sqs.send_message(QueueUrl=ordinary, MessageBody=f"no envelope {n}")
    stored = wait_for(lambda: len(state(d)["-b-000"]) == 30, STORED_S)
    buried: dict[str, dict[str, Any]] = {}

    def dug() -> bool:
        answer = sqs.receive_message(QueueUrl=dead, MaxNumberOfMessages=10, VisibilityTimeout=60)
        buried.update({each["MessageId"]: each for each in answer.get("Messages", ())})
        return len(buried) >= 3

    wait_for(dug, STORED_S)
    mended = words(d, 31, epoch_ms(SystemClock().now()) - 30_000)[-1]
    for each in buried.values():  # the redrive tool's work; one was mended on the way
        sqs.send_message(QueueUrl=ordinary, MessageBody=mended["body"])
        sqs.delete_message(QueueUrl=dead, ReceiptHandle=each["ReceiptHandle"])
    newest_ms = json.loads(mended["body"])["received_ms"] - 550
    back = wait_for(lambda: any(s[0] == newest_ms for s in state(d)["-b-000"]), STORED_S)
    found = f"{len(buried)} of 3 in the dead letters, 30 of 30 stored: {stored}, redriven and stored: {back}"
    ok = bool(stored and back and len(buried) == 3)
    return [Row("19", "3 unreadable records among 30 on the deployed queue", found, ok)]


def kill(_: LocalCloud) -> list[Row]:
    """10: kill -9 of the whole cloud; the scanners' stores bring back what nobody acknowledged."""
    now_ms = epoch_ms(SystemClock().now()) - 90_000
    edges: dict[int, Edge] = {}
    with local_cloud(sign=False) as first:
        d = planted(first)
        for n in range(3):
            edges[n] = Edge([d.beacon(c) for c in range(CHILDREN)], now_ms=now_ms)
        _hear(d, edges, now_ms, range(4))
        delivered = _send(d, edges, now_ms + 40_000)
        assert first.server is not None
        os.kill(first.server.process.pid, signal.SIGKILL)
        first.server.process.wait(10)
        _hear(d, edges, now_ms, range(4, 8))
        broken = _send(d, edges, now_ms + 80_000)
    with local_cloud(sign=False) as second:
        again = planted(second)
        for edge in edges.values():
            edge.disconnected()
        replayed = _send(again, edges, now_ms + 85_000, speaks_of=d)
        kept = sum(len(edge.waiting) for edge in edges.values())
        heard = {s[0] for s in state(again)["-b-000"]}
    wanted = {now_ms + (n + 1) * 10_000 - 1_000 for n in range(4, 8)}
    found = (
        f"{delivered} stored before, {broken} taken by a dead cloud, {replayed} replayed, {kept} left over"
    )
    return [
        Row("10", "kill -9 between two halves of three scanners' words", found, wanted <= heard and not kept)
    ]


def _hear(d: District, edges: dict[int, Edge], start_ms: int, turns: range) -> None:
    for n in turns:
        at_ms = start_ms + (n + 1) * 10_000
        for edge in edges.values():
            edge.scanned([Heard(d.beacon(c), at_ms - 1_000, -70, 5) for c in range(CHILDREN)], now_ms=at_ms)


def _send(d: District, edges: dict[int, Edge], now_ms: int, speaks_of: District | None = None) -> int:
    """Everything in the outboxes to the handler; acknowledged when it was stored. How many were."""
    done = 0
    for n, edge in edges.items():
        for message in edge.outbox(now_ms):
            payload = json.dumps(message.payload(now_ms)).replace((speaks_of or d).tenant_id, d.tenant_id)
            record = d.record(d.scanner(n), payload.encode(), received_ms=now_ms + 50)
            try:
                with redirect_stdout(StringIO()):
                    answer = lambda_handler({"Records": [record]}, None, d.on)
            except (ClientError, BotoCoreError):
                continue
            if not answer["batchItemFailures"]:
                edge.acknowledged(message.seq)
                done += 1
        edge.disconnected()
    return done


def burst(cloud: LocalCloud) -> list[Row]:
    """12: ten times the ordinary load at once on its queue; the urgent lane is watched."""
    d, sqs = planted(cloud), cloud.client("sqs")
    ordinary, urgent = _queue(cloud, "OrdinaryQueue"), _queue(cloud, "UrgentQueue")
    d.adapters.watch_list.add(Watched(d.beacon(0), "chaos", d.tenant_id, None))
    flood = words(d, 100, epoch_ms(SystemClock().now()) - 110_000)
    _flood(sqs, ordinary, flood)  # once, so that as many workers as a burst needs are warm
    wait_for(lambda: _waiting(sqs, ordinary) == 0, 300)
    calm = _urgent_s(cloud, d, urgent, 40)
    for _ in range(10):
        _flood(sqs, ordinary, flood)
    began = time.monotonic()
    stormy = _urgent_s(cloud, d, urgent, 40)
    drained = wait_for(lambda: _waiting(sqs, ordinary) == 0, 300)
    took = time.monotonic() - began
    calm99, storm99 = (sorted(each)[-1] for each in (calm, stormy))
    found = (
        f"urgent p50/worst of 40 calm {statistics.median(calm):.2f}/{calm99:.2f} s, in the burst "
        f"{statistics.median(stormy):.2f}/{storm99:.2f} s; drained after {took:.0f} s"
    )
    did = f"{10 * len(flood)} messages at once on the ordinary queue"
    calm_enough = drained and storm99 <= 2 * calm99
    if not calm_enough and drained and (os.cpu_count() or 1) < CORES:
        found += f"; not judged: queue, workers and store share {os.cpu_count()} cores, on AWS they do not"
        return [Row("12", did, found, None)]
    return [Row("12", did, found, calm_enough)]


def _flood(sqs: Any, queue: str, records: Sequence[dict[str, Any]]) -> None:
    for first in range(0, len(records), 10):
        entries = [
            {"Id": str(k), "MessageBody": each["body"]} for k, each in enumerate(records[first : first + 10])
        ]
        sqs.send_message_batch(QueueUrl=queue, Entries=entries)


def _urgent_s(cloud: LocalCloud, d: District, queue: str, count: int) -> list[float]:
    """Seconds from the urgent queue to the table, one message at a time."""
    found = []
    for n in range(count):
        now_ms = epoch_ms(SystemClock().now())
        said = {"v": 1, "sent": now_ms, "seq": n, "s": [[d.beacon(0), 0, -60, 5]]}
        record = d.record(d.scanner(0), json.dumps(said).encode(), received_ms=now_ms)
        start = time.monotonic()
        cloud.client("sqs").send_message(QueueUrl=queue, MessageBody=record["body"])
        arrived = wait_for(
            lambda now_ms=now_ms: hearing(d.adapters, d.beacon(0)).window.newest_ms >= now_ms,
            STORED_S,
            0.01,
        )
        found.append(time.monotonic() - start if arrived else STORED_S)
    return found


def _waiting(sqs: Any, queue: str) -> int:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    told = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
    return sum(int(told[name]) for name in names)


ELSEWHERE = [
    Row(
        "2 6 11 13 14 15",
        "reorder, races, hostile payloads, clocks, replay, forgery",
        "make dst, make test",
        None,
    ),
    Row("7 8 9", "dead push, lost task tokens", "make dst; tests/integration/test_statemachine.py", None),
    Row("9", "a stream's consumer fails", "there is no stream: one read, one write", None),
    Row("16 18", "tenants crossing, neighbour down", "make dst; tests/integration/test_api_rights.py", None),
    Row(
        "17 21",
        "24 h offline, two versions",
        "tests/unit/events/test_edge.py; packed formats are versioned",
        None,
    ),
    Row("20", "loss of a region", "needs a second account: infra/decisions.md", None),
]
MARKS = {True: "ok  ", False: "FAIL", None: "—   "}
CHECKS = {"proxy": proxy, "crash": crash, "poison": poison, "burst": burst, "kill": kill}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", nargs="*", choices=sorted(CHECKS), default=list(CHECKS))
    asked = parser.parse_args()
    logger.setLevel("CRITICAL")
    rows: list[Row] = []
    with local_cloud(sign=False) as cloud:
        for name in asked.only:
            found = CHECKS[name](cloud)
            for row in found:
                print(f"{MARKS[row.ok]} {row.fault:8} {row.did}: {row.found}", flush=True)
            rows += found
    for row in ELSEWHERE:
        print(f"{MARKS[None]} {row.fault:8} {row.did}: {row.found}")
    sys.exit(any(row.ok is False for row in rows))


if __name__ == "__main__":
    main()
