"""One performance of a scenario on a cloud, from an empty stack to what was measured of it."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import pairwise
from typing import Any

from events.simulator.city import City
from events.simulator.mqtt import Fleet
from events.simulator.play import Cast, Emission, Play
from events.simulator.scenario import Scenario
from infra.local.cloud import LocalCloud
from infra.local.deploy import Say
from infra.local.meter import Meter, read_meter
from infra.local.police import PoliceDesk
from infra.local.provision import Identity
from infra.local.seed import plant
from infra.local.stage import Line, Record, Stage
from shared.schema.workflow import READY

CONNECT_S = 20.0
LONGEST_GAP_S = 20.0  # of scenario time: two scanner rounds


@dataclass(frozen=True, slots=True)
class Performance:
    """One performance and everything that was measured of it. handovers: what the police desk took."""

    play: Play
    record: Record
    meter: Meter
    handovers: Sequence[Mapping[str, Any]]
    unacked: int
    status: str

    @property
    def chain(self) -> list[str]:
        """Districts whose receivers heard the case's beacon, in order of first hearing."""
        return list(dict.fromkeys(t for sample in self.record.samples for t in sorted(sample.districts)))

    @property
    def longest_gap_s(self) -> float:
        """Longest silence of the track from the report until somebody held the child; inf without a track.

        The track is every fix that was seen on a screen or stands on the timeline as evidence.
        """
        clock, start_s = self.record.case.get("clock", {}), self.play.start_ms / 1000
        if "T12" not in clock or not self.record.samples:
            return float("inf")
        stored = [
            e["params"]["seen_at"]
            for e in self.record.timeline
            if e["code"] == "evidence" and e["params"]["kind"] == "heard"
        ]
        fixes = {s.at_s for s in self.record.samples} | {_epoch_s(at) - start_s for at in stored}
        first, last = (_epoch_s(clock[point]) - start_s for point in ("T4", "T12"))
        at = [first, *sorted(s for s in fixes if first < s < last), last]
        return max(b - a for a, b in pairwise(at))

    @property
    def door_holds(self) -> bool:
        """Whether a neighbour saw the case between accepting and the end, and at no other time."""
        knocks = self.record.knocks
        inside = [k.status for k in knocks if k.moment == "accepted shared"]
        outside = [k.status for k in knocks if not k.moment.startswith(("accepted shared", "offered shared"))]
        before = [k.status for k in knocks if k.moment == "offered shared"]
        return bool(inside) and set(inside) == {200} and set(outside) == {404} and set(before) <= {404}

    def checks(self) -> dict[str, bool]:
        """What the performance has to show, by the code of its sentence."""
        case = self.record.case
        all_told = {
            "check-acked": self.unacked == 0,
            "check-stored": self.meter.messages >= self.record.messages,
        }
        if self.play.scenario.subject is None or not self.play.marks.get("child crosses"):
            return all_told
        return {
            "check-closed": case.get("close_reason") == "found" and "T12" in case.get("clock", {}),
            "check-track": len(self.chain) >= 2 and self.longest_gap_s <= LONGEST_GAP_S,
            "check-door": self.door_holds,
            **all_told,
        }


class FleetDoor:
    """Publishes a play's emissions and remembers which the broker has not taken yet.

    watched: each tenant's newest watch list, as its things were told.
    """

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._sent: list[Future[None]] = []
        self.watched: dict[str, list[str]] = {}

    def connect(self, tenant_id: str, papers: Identity) -> "Future[None]":
        """A thing's connection; done when it may publish and hears its watch list."""
        return self._fleet.connect(
            tenant_id,
            papers.thing,
            papers.certificate_file,
            papers.key_file,
            on_watch=partial(self.watched.__setitem__, tenant_id),
        )

    def publish(self, emission: Emission) -> None:
        self._sent.append(self._fleet.publish(emission.thing, emission.lane, emission.payload))

    def unacked(self, within_s: float) -> int:
        """Messages without a PUBACK after waiting so long."""
        done, waiting = wait(self._sent, within_s)
        return len(waiting) + sum(1 for future in done if future.exception() is not None)


def perform(
    cloud: LocalCloud,
    scenario: Scenario,
    city: City,
    clock: Callable[[], datetime],
    *,
    desk: PoliceDesk,
    seed: int = 7,
    speed: float = 1.0,
    status: str = "Actual",
    say: Say = lambda _: None,
    tell: Callable[[Line], None] = lambda _: None,
) -> Performance:
    """Plant the city in the cloud, connect its things, perform the scenario, and measure."""
    began = time.time()
    cast = Cast.of(scenario, city)
    people = plant(cloud, city, cast, police_url=desk.url, say=say)
    things = {tenant: [s.scanner_id for s in scanners] for tenant, scanners in city.scanners.items()}
    things[cast.tenant_id] += [phone.phone_id for phone in cast.teachers.values()]
    say(f"X.509 × {sum(map(len, things.values()))}")
    papers = cloud.things(things)
    broker = cloud.broker
    with Fleet(broker.host, broker.port, broker.ca_file, prefix=cloud.prefix) as fleet:
        door = FleetDoor(fleet)
        connecting = [
            door.connect(tenant_id, papers[name]) for tenant_id, names in things.items() for name in names
        ]
        for n, connected in enumerate(connecting, 1):
            connected.result(CONNECT_S)
            say(f"MQTT {n}/{len(connecting)}")
        say("λ")
        _wake(cloud)
        play = Play(scenario, city, seed, start_ms=round(clock().timestamp() * 1000))
        record = Stage(play, door, people, now=clock, speed=speed, status=status, tell=tell).perform()
        unacked = door.unacked(CONNECT_S)
    meter = read_meter(cloud, record.messages, began, record.case_id)
    return Performance(play, record, meter, list(desk.handovers.values()), unacked, status)


def _wake(cloud: LocalCloud) -> None:
    """Start the functions of the hot path, as they are on any day but the first: as many as run at once."""
    batch: dict[str, Any] = {"Records": []}
    calls = [*[("IngestSightingsFunction", batch)] * 2, *[("AssessCaseFunction", READY)] * 2]
    calls += [("NotifyFunction", READY)] * 3

    def call(function: str, event: dict[str, Any]) -> None:
        name = cloud.outputs[function]
        cloud.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event).encode())

    with ThreadPoolExecutor(len(calls)) as pool:
        for started in [pool.submit(call, *each) for each in calls]:
            started.result()


def _epoch_s(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
