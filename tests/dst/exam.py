"""One seed: the script is played through the real handlers under faults, then everything is compared.

What must hold whatever happened (the invariants) is in `_Exam._end` and `_Exam._look`, in words.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from datetime import timedelta
from io import StringIO
from itertools import pairwise
from random import Random
from typing import Any

from functions.api.handler import lambda_handler as api
from functions.assess_case.handler import lambda_handler as assess_case
from functions.ingest_sightings.handler import lambda_handler as ingest_sightings
from functions.notify.handler import lambda_handler as notify
from functions.watch_silence.handler import lambda_handler as watch_silence
from shared.adapters.clock import ManualClock, epoch_ms, from_epoch_ms
from shared.adapters.hearing import hearings
from shared.adapters.memory import MemoryCloud
from shared.adapters.watch_list import topic
from shared.adapters.wiring import memory_adapters
from shared.domain.case import Kind
from shared.domain.geo import Area
from shared.domain.places import Consent
from shared.domain.position import BESIDE_MS
from shared.domain.sighting import Sighting
from tests.casework import agreed
from tests.district import CHILDREN, START, District, near
from tests.dst.faults import Faults, Process, survived
from tests.dst.queue import Queue, Waiting
from tests.dst.script import GARBAGE, LASTS_MS, SCAN_MS, UNCONSENTED, Device, Script

TENANTS = ("garam", "naru")
WITHIN_MS = 120_000  # of its receipt a source's clock is believed
ALARMED_MS = 46_000  # after walking off: 10 s in hearing, policy.alarm_s, and two intervals of reports
CALM_MS = 16_000  # at the end: a repetition that was lost with its process is followed by the next


class Context:
    """What the platform passes beside the event."""

    function_name = "f"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:ap-northeast-2:000000000000:function:f"
    aws_request_id = "r"


@dataclass
class Outcome:
    """violations: what did not hold, in words. Counts are for the summary."""

    seed: int
    violations: list[str]
    messages: int = 0
    invocations: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    redriven: int = 0


def examine(seed: int) -> Outcome:
    """Play one seed; deterministic."""
    with redirect_stdout(StringIO()):  # the metrics' lines
        return _Exam(seed).run()


def build(cloud: MemoryCloud, clock: ManualClock) -> dict[str, District]:
    """Two neighbouring districts, each with an outing under way; one child of each may not be collected."""
    on = memory_adapters(cloud)
    districts = {tenant_id: District(on, clock, cloud, tenant_id) for tenant_id in TENANTS}
    border = Area((near(-999, -999), near(999, -999), near(0, 999)))
    for tenant_id, d in districts.items():
        d.people()
        child = d.adapters.registry.child_of_beacon(d.beacon(UNCONSENTED))
        paused = Consent(START - timedelta(days=1), paused=True)
        values = {name: getattr(child, name) for name in child.__dataclass_fields__}
        d.adapters.registry.put(type(child)(**values | {"consent": paused}))
        other = TENANTS[1 - TENANTS.index(tenant_id)]
        fields = ("position", "track", "name", "timeline")
        d.adapters.registry.put(agreed(tenant_id, other, border, fields))
        d.outing(f"outing-{tenant_id}", phones=d.phones[: 2 if tenant_id == "garam" else 1])
    return districts


class _Exam:
    def __init__(self, seed: int) -> None:
        self.rng = rng = Random(seed)
        self.outcome = Outcome(seed, [])
        self.clock = ManualClock(START)
        self.cloud = MemoryCloud(self.clock)
        self.districts = build(self.cloud, self.clock)
        self.script = Script.drawn(rng, self.districts)
        self.faults = Faults.drawn(rng)
        # Two warm execution environments of each function take turns and run into each other.
        self.processes = [Process(self.cloud, self.faults) for _ in range(2)]
        some = (0.0, 0.05, 0.2)
        self.queue = Queue(rng, late=rng.choice(some), twice=rng.choice(some), undeleted=rng.choice(some))
        self.taken: dict[str, str] = {}
        """Bodies that are somebody's word, by message id."""
        self.refused: dict[str, str] = {}
        """Bodies that must end in the quarantine, by message id, with their tenant."""
        self.poison: set[str] = set()
        self.newest: dict[tuple[str, str], int] = {}
        self.seen: dict[str, int] = {}
        self.case_id = ""
        self.opened = self.closed = False
        self.reported_ms = LASTS_MS // 2 if rng.random() < 0.4 else -1

    def run(self) -> Outcome:
        for at_ms in range(SCAN_MS, LASTS_MS + CALM_MS + 1, SCAN_MS):
            self.faults.calm = self.queue.calm = at_ms > LASTS_MS
            self._set(at_ms)
            self.script.scan(at_ms)
            for device, payload in self.script.published(at_ms):
                self._publish(device, payload, at_ms)
            self._case(at_ms)
            for _ in range(self.rng.randint(1, 3)):
                self._invoke()
            if at_ms % 14_000 == 0:
                self._sweep()
            self._look()
        self._end()
        return self.outcome

    # --- what happens ------------------------------------------------------------------------

    def _set(self, at_ms: int) -> None:
        self.clock.at = from_epoch_ms(self.script.start_ms + at_ms + 300)

    def _publish(self, device: Device, payload: bytes, at_ms: int) -> None:
        """A word of the device; sometimes beside it garbage, a forgery, or something that is no envelope."""
        now_ms = self.script.start_ms + at_ms
        body = self.script.body(device, payload, at_ms)
        self.taken[self.queue.send(body, now_ms)] = body
        if self.rng.random() >= self.script.garbage:
            return
        match self.rng.randrange(4):
            case 0:
                body = self.script.body(device, self.rng.choice(GARBAGE), at_ms)
                self.refused[self.queue.send(body, now_ms)] = device.tenant_id
            case 1:  # another's name under one's own session
                body = self.script.body(device, payload, at_ms, client=f"{device.name}-x")
                self.refused[self.queue.send(body, now_ms)] = device.tenant_id
            case 2:  # another tenant's topic
                other = TENANTS[1 - TENANTS.index(device.tenant_id)]
                body = self.script.body(device, payload, at_ms, tenant=other)
                self.refused[self.queue.send(body, now_ms)] = other
            case 3:
                self.poison.add(self.queue.send("no envelope", now_ms))

    def _invoke(self) -> None:
        """One batch; another may be worked through in the middle of it."""
        batch = self.queue.receive(epoch_ms(self.clock.now()))
        if not batch:
            return
        if not self.faults.calm and self.rng.random() < 0.3:
            self.faults.meanwhile.append(self._other_invocation)
        self._deliver(batch, self.rng.choice(self.processes))
        self.faults.meanwhile.clear()

    def _other_invocation(self) -> None:
        batch = self.queue.receive(epoch_ms(self.clock.now()))
        if batch:
            self._deliver(batch, self.processes[1])

    def _deliver(self, batch: list[Waiting], process: Process) -> None:
        failed = {each.message_id for each in batch}
        with survived() as died:
            answer = ingest_sightings({"Records": [each.record for each in batch]}, None, process)
            failed = {each["itemIdentifier"] for each in answer["batchItemFailures"]}
        self._after(died, process)
        self.queue.finished(batch, failed)

    def _sweep(self) -> None:
        process = self.processes[0]
        with survived() as died:
            watch_silence({}, None, process, lambda: TENANTS)
        self._after(died, process)

    def _after(self, died: list[str], process: Process) -> None:
        self.outcome.invocations += 1
        self.outcome.failed.update(died)
        if "CrashError" in died:
            process.restart()

    # --- the case ----------------------------------------------------------------------------

    def _case(self, at_ms: int) -> None:
        """The first child is reported missing, twice; the neighbour accepts; in the end the case closes."""
        child = f"{TENANTS[0]}-c-000"
        if at_ms == self.reported_ms:
            key = "report-missing-1"
            said = [
                self._ask("garam", "teacher", "POST", "/v1/cases", {"child_id": child}, key=given)
                for given in (key, key, "report-missing-2")
            ]
            ids = {body["case"]["case_id"] for status, body in said if status in (200, 201)}
            if len(ids) != 1:
                self._wrong(f"one missing child has {len(ids)} cases: {[status for status, _ in said]}")
            self.case_id = min(ids, default="")
        if not self.case_id:
            return
        path = f"/v1/shared/garam/{self.case_id}"
        since_ms = at_ms - self.reported_ms
        if since_ms == 0:
            self._foreign(path, "before it was offered")
            self._ask("garam", "operator", "POST", f"/v1/cases/{self.case_id}/acknowledge", {})
            self._workflow()
            offer = {"neighbour_id": "naru"}
            self._ask("garam", "operator", "POST", f"/v1/cases/{self.case_id}/shares", offer)
            self._foreign(path, "before it was accepted")
            self._ask("naru", "operator", "POST", f"/v1/offers/garam/{self.case_id}/accept", {})
        elif since_ms == 16_000:
            self._ask("garam", "operator", "POST", f"/v1/cases/{self.case_id}/secured", {"by": "teacher"})
            closing = {"reason": "found", "note": "found"}
            status, _ = self._ask("garam", "operator", "POST", f"/v1/cases/{self.case_id}/close", closing)
            if status >= 400:
                self._wrong(f"the case does not close: {status}")
        self._workflow()
        for tenant_id in TENANTS:
            beacons = json.loads(self.cloud.retained.get(topic(tenant_id), b'{"beacons":[]}'))["beacons"]
            for device in self.script.devices:
                if device.tenant_id == tenant_id:
                    device.edge.watch(beacons)

    def _workflow(self) -> None:
        """The arrows of the state machine, taken as far as they lead without waiting."""
        on = self.processes[0]
        run = {"tenant_id": "garam", "case_id": self.case_id, "status": "Actual", "round": 0, "turns": 0}
        run |= {"seen": "", "next": None}
        steps = {
            "tell": [("n", "teachers"), ("n", "operators"), ("n", "police")],
            "escalate": [("n", "escalate")],
            "offer": [("a", "offer"), ("n", "neighbours")],
            "grant": [("a", "grant"), ("n", "guardians")],
            "end-shares": [("a", "end-shares"), ("n", "neighbours")],
            "tell-guardians": [("n", "guardians")],
            "hand-over": [("n", "police")],
            "close": [
                ("a", "close"),
                ("a", "revoke"),
                ("n", "neighbours"),
                ("n", "outcome"),
                ("a", "report"),
            ],
        }
        todo = [] if self.opened else [("a", "open"), *steps["tell"]]
        self.opened = True
        for _ in range(12):
            for which, task in todo:
                handler = assess_case if which == "a" else notify
                with survived():  # the state machine retries or goes on
                    handler({"task": task, "case": run}, Context(), on)
            with survived():
                run = assess_case({"task": "assess", "case": run}, Context(), on)
            todo = steps.get(str(run["next"]), [])
            if not todo or self.closed:
                return
            self.closed = run["next"] == "close"

    def _ask(
        self, tenant_id: str, role: str, method: str, path: str, body: Any = None, *, key: str = ""
    ) -> tuple[int, Any]:
        """What the HTTP API answers."""
        claims = {"sub": f"{role}-1", "custom:tenant": tenant_id, "cognito:groups": f"[{role}]"}
        claims["custom:facility"] = f"{tenant_id}-f"
        event = {
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": path,
            "rawQueryString": "",
            "headers": {
                "content-type": "application/json",
                "idempotency-key": key or f"key-{self.rng.randrange(10**9):09d}",
            },
            "requestContext": {
                "http": {"method": method, "path": path, "sourceIp": "192.0.2.1", "userAgent": "t"},
                "requestId": f"r-{self.rng.randrange(10**9)}",
                "stage": "$default",
                "authorizer": {"jwt": {"claims": claims, "scopes": None}},
            },
            "body": None if body is None else json.dumps(body),
            "isBase64Encoded": False,
        }
        with survived():
            answer = api(event, Context(), on=self.processes[0])  # type: ignore[arg-type]
            return answer["statusCode"], json.loads(answer["body"] or "null")
        return 500, None

    def _foreign(self, path: str, when: str) -> None:
        """The neighbour asks for a case that is not its own."""
        for each in (path, f"{path}/position", f"/v1/cases/{self.case_id}"):
            status, _ = self._ask("naru", "operator", "GET", each)
            if status not in (404, 500):
                self._wrong(f"the neighbour reads {each.rsplit('/', 2)[0]} {when}: {status}")

    # --- what must hold ----------------------------------------------------------------------

    def _wrong(self, what: str) -> None:
        if what not in self.outcome.violations:
            self.outcome.violations.append(what)

    def _look(self) -> None:
        """After every step: nothing moves backwards in time, lies in the future or at the wrong door."""
        now_ms = epoch_ms(self.clock.now())
        for (pk, _sk), item in list(self.cloud.table("tracking").items()):
            tenant_id, kind, *rest = pk.split("#")
            if kind not in ("phone", "scanner", "beacon") or self.seen.get(pk) == item["version"]:
                continue
            self.seen[pk] = item["version"]
            tracking = self.districts[tenant_id].adapters.tracking
            for beacon_id, sightings in _remembered(tracking, kind, rest[0]).items():
                if not beacon_id.startswith(f"{tenant_id}-"):
                    self._wrong(f"{tenant_id} holds a beacon of another tenant")
                if beacon_id.endswith(f"-b-{UNCONSENTED:03d}"):
                    self._wrong("a beacon is collected without consent")
                newest_ms = max((s.at_ms for s in sightings), default=0)
                if newest_ms < self.newest.get((pk, beacon_id), 0):
                    self._wrong("a track moves backwards in time")
                self.newest[pk, beacon_id] = newest_ms
                if newest_ms > now_ms + WITHIN_MS:
                    self._wrong("a sighting lies in the future")

    def _end(self) -> None:
        """What waits is delivered, what was given up is redriven; then the whole is judged."""
        self._drain()
        self.outcome.redriven = len([each for each in self.queue.dead if each.message_id not in self.poison])
        self.queue.redrive()
        self._drain()
        self._sweep()
        self._look()
        self.outcome.messages = self.queue.sent
        dead = {each.message_id for each in self.queue.dead}
        if self.queue.waiting:
            self._wrong("the queue does not drain")
        if dead != self.poison:
            self._wrong(f"dead letters are {sorted(dead)}, poison was {sorted(self.poison)}")
        if self.queue.most_receives > 3:
            self._wrong("a message was received more than three times")
        self._judge_quarantine()
        self._judge_state()
        self._judge_found()
        self._judge_alarms()
        if self.case_id:
            self._judge_case()

    def _drain(self) -> None:
        for step in range(400):
            if not self.queue.waiting:
                return
            self.clock.at = from_epoch_ms(self.script.start_ms + LASTS_MS + CALM_MS + 1_000 + step * 3_000)
            self._invoke()

    def _judge_quarantine(self) -> None:
        found = {
            (tenant_id, each.message_id)
            for tenant_id, d in self.districts.items()
            for each in d.adapters.tracking.quarantined(10_000)
            if each.reason
        }
        if found != {(tenant_id, message_id) for message_id, tenant_id in self.refused.items()}:
            self._wrong(f"the quarantine holds {len(found)} messages, {len(self.refused)} were refusable")

    def _judge_state(self) -> None:
        """The same words, each delivered once and in order in a calm world, end in the same state."""
        clock = ManualClock(self.clock.now())
        calm = build(MemoryCloud(ManualClock(START)), ManualClock(START))
        world = calm["garam"].world
        world.clock = clock
        process = Process(world, Faults(Random(0), crash=0, throttle=0, lost_reply=0, busy=0))
        records = [
            {"messageId": message_id, "body": body}
            for message_id, body in sorted(self.taken.items(), key=lambda each: _received_ms(each[1]))
        ]
        for start in range(0, len(records), 50):
            ingest_sightings({"Records": records[start : start + 50]}, None, process)
        for tenant_id in TENANTS:
            mine, theirs = self._state(self.districts[tenant_id]), self._state(calm[tenant_id])
            for name, value in theirs.items():
                if mine[name] != value:
                    differs = [part for part in value if mine[name][part] != value[part]]
                    self._wrong(f"{name.split('-')[1]} ends in another state: {', '.join(differs)}")

    def _state(self, d: District) -> dict[str, dict[str, Any]]:
        """What follows from what was heard; not what was said to people meanwhile, nor followed for a case.

        Of a fix what it is made of: its ellipse also depends on which silent scanners were known dark.
        """
        skipped = {self.districts["garam"].beacon(0)} if self.case_id else set()
        beacons = [each for n in range(CHILDREN) if (each := d.beacon(n)) not in skipped]
        scanners = d.adapters.registry.scanners()
        judged = ("level", "reason", "heard_by", "heard_ms")
        tracks: dict[str, dict[str, Any]] = {}
        for each, known in hearings(d.adapters, beacons).items():
            fix = known.fix(scanners)
            if fix and not known.window.newest_ms - BESIDE_MS <= fix.at_ms <= known.window.newest_ms:
                self._wrong("a fix is older than what was heard, or newer")
            tracks[each] = {
                "window": known.window,
                "fix": fix and (fix.at_ms, fix.heard),
                "alarm": {k: known.alarm[k] for k in judged if k in known.alarm},
            }
        phones = {
            each: {"reports": phone.reported_ms, "fixes": phone.fixes}
            for each, phone in d.adapters.tracking.read(phones=d.phones).phones.items()
        }
        return tracks | phones

    def _judge_found(self) -> None:
        """Whoever asks for a beacon finds whatever any source remembers of it."""
        newest: dict[tuple[str, str], int] = {}
        for (pk, _), item in self.cloud.table("tracking").items():
            tenant_id, kind, *rest = pk.split("#")
            if kind in ("phone", "scanner", "beacon") and item["version"]:
                tracking = self.districts[tenant_id].adapters.tracking
                for beacon_id, sightings in _remembered(tracking, kind, rest[0]).items():
                    at_ms = max((s.at_ms for s in sightings), default=0)
                    newest[tenant_id, beacon_id] = max(at_ms, newest.get((tenant_id, beacon_id), 0))
        for tenant_id, d in self.districts.items():
            known = hearings(d.adapters, [d.beacon(n) for n in range(CHILDREN)])
            for beacon_id, each in known.items():
                if each.window.newest_ms < newest.get((tenant_id, beacon_id), 0):
                    self._wrong("a source that heard a beacon is not found")

    def _judge_alarms(self) -> None:
        """A child that stayed raises no alarm; one that left raises one, repeated no faster than agreed."""
        sent = [m for m in self.cloud.sent if m.kind == "push"]
        keys = Counter((m.key, m.to) for m in sent)
        if any(count > 1 for count in keys.values()):
            self._wrong("the same push is sent twice to one phone")
        alarms: dict[tuple[str, str], list[int]] = {}
        for m in sent:
            if m.body["code"] == "child-departed":
                at_ms = int(m.key.split(":")[-2])
                alarms.setdefault((str(m.body["child"]), m.to), []).append(at_ms)
        for (child, _), times in alarms.items():
            tenant_id, n = child.split("-")[0], int(child[-3:])
            if (tenant_id, n) not in self.script.departs:
                self._wrong("an alarm sounds for a child that never left")
            times.sort()
            if any(b - a < 5_000 for a, b in pairwise(times)):
                self._wrong("an alarm repeats faster than agreed")
        for (tenant_id, n), left_ms in self.script.departs.items():
            if self._watched_after(tenant_id, left_ms + ALARMED_MS) and not any(
                child == f"{tenant_id}-c-{n:03d}" for child, _ in alarms
            ):
                self._wrong("a child left and no alarm was ever sent")

    def _watched_after(self, tenant_id: str, at_ms: int) -> bool:
        """Whether every phone of the outing was there for long afterwards."""
        phones = [d for d in self.script.devices if d.tenant_id == tenant_id and d.is_phone]
        return all(phone.down == (0, 0) for phone in phones) and at_ms <= LASTS_MS + CALM_MS

    def _judge_case(self) -> None:
        """One case, told, closed; nobody listens any more and the neighbour sees nothing."""
        here = self.districts["garam"].adapters
        if LASTS_MS - self.reported_ms < 16_000:
            return
        self._workflow()
        case = here.cases.get(self.case_id)
        if case.is_open:
            self._wrong("the case is still open")
        if here.cases.open_cases():
            self._wrong("a second case is open")
        for tenant_id in TENANTS:
            if self.districts[tenant_id].adapters.watch_list.entries():
                self._wrong("scanners still listen for a child that was found")
        if any(share.is_open for share in here.shares.of_case(self.case_id)):
            self._wrong("a share outlives its case")
        self._foreign(f"/v1/shared/garam/{self.case_id}", "after it was closed")
        entries = here.cases.timeline(self.case_id)
        if [entry.seq for entry in entries] != list(range(1, len(entries) + 1)):
            self._wrong("the timeline has gaps")
        heard = [e.evidence.at for e in entries if e.evidence and e.evidence.kind is Kind.HEARD]
        if heard != sorted(heard):
            self._wrong("the case's evidence moves backwards in time")
        if not any(m.kind == "operators" for m in self.cloud.sent):
            self._wrong("no operator was told")


def _remembered(tracking: Any, kind: str, name: str) -> Mapping[str, Sequence[Sighting]]:
    """What one track knows, by beacon."""
    if kind == "beacon":
        return {name: tracking.read(beacons=[name]).beacons[name].window.sightings}
    known = tracking.read(phones=[name]) if kind == "phone" else tracking.read(scanners=[name])
    source = known.phones.get(name) or known.scanners[name]
    heard: Mapping[str, Sequence[Sighting]] = source.heard
    return heard


def _received_ms(body: str) -> int:
    return int(json.loads(body)["received_ms"])
