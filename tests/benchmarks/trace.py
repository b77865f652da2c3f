"""The recorded trace: an outdoor morning of the reference district, as its scanners and phones send it.

Everything about it is in `TraceSpec`; the same spec gives the same messages, to the byte. It is recorded
once into `.build/` and read back from there.
"""

import gzip
import json
import math
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from events.simulator import edge, phones, walks
from events.simulator.city import City, CitySpec, Record
from events.simulator.play import Cast
from events.simulator.radio import SCAN_S, Radio
from events.simulator.scenario import Scenario
from shared.domain.outing import Member, Outing, OutingState
from shared.domain.places import Camera, Child, Status
from shared.schema.sightings import DEFLATED

BUILD = Path(__file__).parents[2] / ".build"
START = datetime(2026, 5, 12, 1, 0, tzinfo=UTC)  # ten in the morning in Seoul
TENANT = "garam"


@dataclass(frozen=True)
class TraceSpec:
    """Who is out. groups: daycares out at once; 39 of 15 children are a fifth of the district's 3,100,
    which is what 1.5 h of an 8 h day come to. phones: teachers' phones with each group.
    """

    groups: int = 39
    children: int = 15
    phones: int = 2
    seconds: int = 120
    seed: int = 7

    @property
    def child_hours(self) -> float:
        """Child-outdoor-hours in it."""
        return self.groups * self.children * self.seconds / 3600


@dataclass(frozen=True, slots=True)
class Sent:
    """One message as it leaves a thing. at_ms: epoch ms; payload: MQTT v1 bytes."""

    at_ms: int
    tenant_id: str
    thing: str
    lane: str
    payload: bytes

    @property
    def said(self) -> dict[str, Any]:
        plain = zlib.decompress(self.payload) if self.payload[:1] == DEFLATED else self.payload
        said: dict[str, Any] = json.loads(plain)
        return said

    @property
    def sightings(self) -> int:
        return len(self.said["s"])


@dataclass(frozen=True)
class Trace:
    """The messages, oldest first, and the world they come from."""

    spec: TraceSpec
    records: Sequence[Record]
    outings: Sequence[Outing]
    messages: Sequence[Sent]

    @property
    def sightings(self) -> int:
        return sum(each.sightings for each in self.messages)


@lru_cache(maxsize=4)
def load(spec: TraceSpec) -> Trace:
    """The trace, recorded if `.build/` does not hold it yet. The recording's code is part of its name."""
    city = City.build(CitySpec.reference(), spec.seed)
    scenarios = [_scenario(city, n, spec) for n in range(1, spec.groups + 1)]
    source = (
        b"".join(Path(str(m.__file__)).read_bytes() for m in (edge, phones, walks))
        + Path(__file__).read_bytes()
    )
    named = sha256(repr(asdict(spec)).encode() + source).hexdigest()[:12]
    path = BUILD / f"trace-{named}.jsonl.gz"
    if not path.exists():
        BUILD.mkdir(exist_ok=True)
        made = path.with_suffix(".part")
        with gzip.open(made, "wt", encoding="utf-8", compresslevel=3) as file:
            file.writelines(
                json.dumps([m.at_ms, m.tenant_id, m.thing, m.lane, m.payload.decode("latin-1")]) + "\n"
                for m in _Recorder(city, scenarios, spec).messages()
            )
        made.rename(path)
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    messages = [Sent(at_ms, of, thing, lane, p.encode("latin-1")) for at_ms, of, thing, lane, p in rows]
    outings = [_outing(city, scenario) for scenario in scenarios]
    return Trace(spec, city.records(TENANT), outings, messages)


def districts(trace: Trace, count: int, seconds: float) -> list[Sent]:
    """The first `seconds` of the trace in `count` districts of the same kind at once, oldest first.

    Each is `renamed` and shifted within a second: no two cities breathe in step.
    """
    end_ms = trace.messages[0].at_ms + round(seconds * 1000)
    first = [each for each in trace.messages if each.at_ms < end_ms]
    copies = [
        replace(
            each,
            at_ms=each.at_ms + 997 * n % 1000,
            tenant_id=tenant(n),
            thing=each.thing.replace(TENANT, tenant(n), 1),
        )
        for n in range(count)
        for each in first
    ]
    return sorted(copies, key=lambda each: each.at_ms)


def tenant(n: int) -> str:
    """The n-th district's id; the first keeps its name."""
    return TENANT if n == 0 else f"d{n:04d}"


def world(trace: Trace, n: int) -> tuple[list[Record], list[Outing]]:
    """What the n-th district registers, and its running outings."""
    slug = tenant(n)

    def mine(text: str) -> str:
        return text.replace(TENANT, slug, 1)

    out = {outing.facility_id for outing in trace.outings}
    records: list[Any] = []
    for record in trace.records:
        if isinstance(record, Camera) or (isinstance(record, Child) and record.facility_id not in out):
            continue  # nobody asks for them here
        ids = {f: mine(v) for f, v in _ids(record).items()}
        records.append(replace(record, **ids))
    outings = [
        replace(
            outing,
            outing_id=mine(outing.outing_id),
            tenant_id=slug,
            facility_id=mine(outing.facility_id),
            phones=tuple(mine(p) for p in outing.phones),
            members=tuple(replace(m, child_id=mine(m.child_id)) for m in outing.members),
        )
        for outing in trace.outings
    ]
    return records, outings


def _ids(record: Record) -> dict[str, str]:
    return {
        name: value
        for name in ("tenant_id", "facility_id", "scanner_id", "camera_id", "child_id", "phone_id")
        if isinstance(value := getattr(record, name, None), str)
    }


def _scenario(city: City, n: int, spec: TraceSpec) -> Scenario:
    """An outing of the n-th daycare at its park that walks a little."""
    place = f"{TENANT}-park-{n:02d}"
    return Scenario.model_validate(
        {
            "v": 1,
            "name": f"group-{n}",
            "title": {"ko": "산책", "en": "outing"},
            "status": "Test",
            "start": START.isoformat(),
            "lasts_s": spec.seconds,
            "party": {
                "facility": f"{TENANT}-f-{n:02d}",
                "place": place,
                "children": spec.children,
                "teachers": spec.phones,
            },
            "moves": [
                {
                    "who": "group",
                    "at_s": spec.seconds * 0.3,
                    "to": {"place": place, "east_m": -50.0 + n % 5 * 25, "north_m": 30.0},
                }
            ],
        }
    )


def _outing(city: City, scenario: Scenario) -> Outing:
    cast = Cast.of(scenario, city)
    return Outing(
        outing_id=f"{TENANT}-{scenario.name}",
        tenant_id=TENANT,
        facility_id=cast.facility_id,
        status=Status.TEST,
        state=OutingState.RUNNING,
        started_at=START - timedelta(seconds=5),
        started_by="teacher",
        phones=tuple(p.phone_id for p in cast.teachers.values()),
        members=tuple(Member(c.child_id, c.beacon_id, c.bag_no) for c in cast.children.values()),
    )


class _Recorder:
    """Every group, scanner and phone of the district in one air."""

    def __init__(self, city: City, scenarios: Sequence[Scenario], spec: TraceSpec) -> None:
        self.spec = spec
        self.city = city
        self.bags: dict[str, walks.Path] = {}
        self.receivers: dict[str, walks.Path] = {}
        self.edges: dict[str, edge.Edge] = {}
        self.gps: dict[str, phones.Gps] = {}
        known = [c.beacon_id for c in city.children[TENANT] if c.consent and not c.consent.paused]
        rng = np.random.default_rng([spec.seed, 5])
        heights = []
        for scanner in city.scanners[TENANT]:
            at = np.array([city.plane.to_xy(scanner.at)])
            self.receivers[scanner.scanner_id] = walks.Path(at, np.zeros(1))
            self.edges[scanner.scanner_id] = self._edge(known, edge.SCANNER, rng)
            heights.append(scanner.height_m)
        for n, scenario in enumerate(scenarios):
            cast = Cast.of(scenario, city)
            ages = {who: child.age_y for who, child in cast.children.items()}
            paths = walks.walk(scenario, city, ages, list(cast.teachers), spec.seed + n)
            self.bags |= {child.beacon_id: paths[who] for who, child in cast.children.items()}
            for who, phone in cast.teachers.items():
                self.receivers[phone.phone_id] = paths[who]
                self.edges[phone.phone_id] = self._edge(known, edge.PHONE, rng)
                self.gps[phone.phone_id] = phones.Gps(paths[who], spec.seed + len(self.gps))
                heights.append(phones.HEIGHT_M)
        self.delay_ms = dict(
            zip(self.receivers, rng.integers(0, 1000, len(self.receivers)).tolist(), strict=True)
        )
        poles = len(self.receivers) - len(self.gps)
        self.radio = Radio(
            len(self.bags),
            len(self.receivers),
            phones=range(poles, len(self.receivers)),
            heights_m=heights,
            seed=spec.seed,
        )

    def _edge(self, known: Iterable[str], cadence: edge.Cadence, rng: np.random.Generator) -> edge.Edge:
        return edge.Edge(known, cadence, now_ms=_ms(float(rng.uniform(0, cadence.ordinary_s))))

    def messages(self) -> Iterator[Sent]:
        scans = int(self.spec.seconds / SCAN_S)
        for scan in range(1, scans + 1):
            if scan % 10 == 0 or scan == scans:
                print(f"\rrecording the reference district: {100 * scan // scans} %", end="", file=sys.stderr)
            now_s = scan * SCAN_S
            heard = self._listen(now_s - SCAN_S / 2)
            sending = []
            for name, device in self.edges.items():
                device.scanned(heard.get(name, ()), now_ms=_ms(now_s), located=self._located(name, now_s))
                for message in device.outbox(_ms(now_s)):
                    device.acknowledged(message.seq)
                    sending.append((_ms(now_s) + self.delay_ms[name], name, message))
            for at_ms, name, message in sorted(sending, key=lambda each: (each[0], each[1])):
                yield Sent(at_ms, TENANT, name, message.lane, edge.encoded(message.payload(at_ms)))
        print(file=sys.stderr)

    def _listen(self, at_s: float) -> Mapping[str, list[edge.Heard]]:
        bags = np.array([path.at(at_s) for path in self.bags.values()])
        facing = np.array([path.facing_at(at_s) for path in self.bags.values()])
        where = np.array([path.at(at_s) for path in self.receivers.values()])
        scan = self.radio.scan(at_s, bags, facing, where)
        beacons, names = list(self.bags), list(self.receivers)
        heard: dict[str, list[edge.Heard]] = {}
        for b, r, rssi, n in zip(scan.beacon, scan.receiver, scan.rssi_dbm, scan.packets, strict=True):
            heard.setdefault(names[r], []).append(edge.Heard(beacons[b], _ms(at_s), int(rssi), int(n)))
        return heard

    def _located(self, name: str, now_s: float) -> edge.Located | None:
        gps = self.gps.get(name)
        if gps is None:
            return None
        fix = gps.fix(now_s - SCAN_S / 2)
        at = self.city.plane.to_latlon(fix.x_m, fix.y_m)
        return edge.Located(_ms(now_s - SCAN_S / 2), at.lat_deg, at.lon_deg, fix.accuracy_m)


def _ms(at_s: float) -> int:
    return math.floor(START.timestamp() * 1000) + round(at_s * 1000)
