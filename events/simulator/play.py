"""A scenario in a city, played: timed messages of every scanner and phone, and the truth beside them.

    play = Play(load("crosses_the_border"), City.build(CitySpec.demo(), 7), seed=7)
    for emission in play:          # virtual time, ascending; as fast as one can read
        publish(emission)
        play.watch("garam", [...]) # whenever the tenant's watch list changes: lane and cadence follow

The same scenario, city, seed and watch lists give the same messages, to the byte.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from events.simulator import phones, walks
from events.simulator.city import City
from events.simulator.edge import PHONE, SCANNER, Edge, Heard, Lane, Located
from events.simulator.radio import SCAN_S, Air, Radio, Scan
from events.simulator.scenario import Fault, Scenario, Truth
from shared.domain.geo import LatLon, contains
from shared.domain.places import Child, Phone


@dataclass(frozen=True, slots=True)
class Emission:
    """One message leaving one thing. at_s: virtual seconds from the start; payload: MQTT v1."""

    at_s: float
    tenant_id: str
    thing: str
    lane: Lane
    payload: Mapping[str, Any]


@dataclass(frozen=True)
class Cast:
    """Who the words of a scenario are. children, teachers: "child-07", "teacher-1" → record."""

    tenant_id: str
    facility_id: str
    children: Mapping[str, Child]
    teachers: Mapping[str, Phone]

    @staticmethod
    def of(scenario: Scenario, city: City) -> "Cast":
        """The first children of the facility's consented roster, and its phones. ValueError if too few."""
        party, tenant_id = scenario.party, scenario.tenant_id
        children = [
            c
            for c in city.children[tenant_id]
            if c.facility_id == party.facility and c.consent is not None and not c.consent.paused
        ]
        teachers = [p for p in city.phones[tenant_id] if p.facility_id == party.facility]
        if len(children) < party.children or len(teachers) < party.teachers:
            raise ValueError(
                f"{party.facility} has {len(children)} consented children and {len(teachers)} phones; "
                f"{scenario.name} wants {party.children} and {party.teachers}"
            )
        return Cast(
            tenant_id,
            party.facility,
            {f"child-{n:02d}": c for n, c in enumerate(children[: party.children], start=1)},
            {f"teacher-{n}": p for n, p in enumerate(teachers[: party.teachers], start=1)},
        )


class Play:
    """One performance. Iterate once; `watch` may be called between two emissions.

    marks: what truly happens and when (`Truth` → virtual second), known beforehand.
    start_ms: epoch milliseconds of virtual second 0.
    """

    def __init__(
        self,
        scenario: Scenario,
        city: City,
        seed: int,
        *,
        start_ms: int | None = None,
        air: Air | None = None,
    ) -> None:
        self.scenario, self.city = scenario, city
        self.start_ms = round(scenario.start.timestamp() * 1000) if start_ms is None else start_ms
        self.cast = Cast.of(scenario, city)
        ages = {who: child.age_y for who, child in self.cast.children.items()}
        self._paths = walks.walk(scenario, city, ages, list(self.cast.teachers), seed)
        self._bags = self._bag_paths()
        self.marks = self._marks()
        self._things = self._make_things(seed)
        self._faults = [(fault, self._struck(fault)) for fault in scenario.faults]
        self._receivers = np.array([thing.path.at(0) for thing in self._things.values()])
        self._phone_paths = {i: t.path for i, t in enumerate(self._things.values()) if t.gps is not None}
        self._radio = self._make_radio(seed, air)
        delays = np.random.default_rng([seed, 99]).uniform(0, 1, len(self._things))
        self._delay_s = {name: float(delay) for name, delay in zip(self._things, delays, strict=True)}

    def truth(self, beacon_id: str, at_s: float) -> LatLon:
        """Where the beacon (the bag) truly is. KeyError for a beacon that takes no part."""
        return self.city.plane.to_latlon(*self._bags[beacon_id].at(at_s))

    def person(self, who: str, at_s: float) -> LatLon:
        """Where a child, a teacher or the group's middle truly is. KeyError for anybody else."""
        return self.city.plane.to_latlon(*self._paths[who].at(at_s))

    @property
    def things(self) -> dict[str, str]:
        """Every thing that takes part → its tenant."""
        return {name: thing.tenant_id for name, thing in self._things.items()}

    def watch(self, tenant_id: str, beacons: Iterable[str]) -> None:
        """A tenant's scanners and phones learn its watch list; it counts from their next scan."""
        watched = frozenset(beacons)
        for thing in self._things.values():
            if thing.tenant_id == tenant_id:
                thing.edge.watch(watched)

    def __iter__(self) -> Iterator[Emission]:
        """Every message, in the order of its time."""
        t = SCAN_S
        while t <= self.scenario.lasts_s:
            self._scan(t)
            sending = [
                (t + self._delay_s[name], name, message)
                for name, thing in self._things.items()
                if not self._is("offline-scanners", name, t)
                for message in thing.edge.outbox(self._ms(t))
            ]
            for at_s, name, message in sorted(sending, key=lambda e: (e[0], e[2].seq)):
                thing = self._things[name]
                thing.edge.acknowledged(message.seq)
                yield Emission(at_s, thing.tenant_id, name, message.lane, message.payload(self._ms(at_s)))
            t += SCAN_S

    # --- one scan --------------------------------------------------------------------------

    def _scan(self, t: float) -> None:
        """Everybody's receivers listen for the two seconds before `t`."""
        middle = t - SCAN_S / 2
        bags = np.array([path.at(middle) for path in self._bags.values()])
        facing = np.array([path.facing_at(middle) for path in self._bags.values()])
        for i, path in self._phone_paths.items():
            self._receivers[i] = path.at(middle)
        heard = self._by_thing(self._radio.scan(middle, bags, facing, self._receivers), self._ms(middle))
        for name, thing in self._things.items():
            located = self._locate(thing, middle)
            if self._is("dark-scanners", name, t) or self._is("silent-phone", name, t):
                continue
            deaf = self._is("deaf-phone", name, t)
            thing.edge.scanned(() if deaf else heard.get(name, ()), now_ms=self._ms(t), located=located)

    def _by_thing(self, scan: Scan, at_ms: int) -> dict[str, list[Heard]]:
        beacons, names = list(self._bags), list(self._things)
        heard: dict[str, list[Heard]] = {}
        for b, r, rssi, n in zip(scan.beacon, scan.receiver, scan.rssi_dbm, scan.packets, strict=True):
            heard.setdefault(names[r], []).append(Heard(beacons[b], at_ms, int(rssi), int(n)))
        return heard

    def _locate(self, thing: "_Thing", at_s: float) -> Located | None:
        if thing.gps is None:
            return None
        fix = thing.gps.fix(at_s)
        at = self.city.plane.to_latlon(fix.x_m, fix.y_m)
        return Located(self._ms(at_s), at.lat_deg, at.lon_deg, fix.accuracy_m)

    def _ms(self, at_s: float) -> int:
        return self.start_ms + round(at_s * 1000)

    # --- who and what ----------------------------------------------------------------------

    def _bag_paths(self) -> dict[str, walks.Path]:
        paths = {child.beacon_id: self._paths[who] for who, child in self.cast.children.items()}
        for fault in self.scenario.faults:
            if fault.kind == "dropped-bag" and fault.who is not None:
                beacon_id = self.cast.children[fault.who].beacon_id
                paths[beacon_id] = paths[beacon_id].dropped(fault.at_s)
        return paths

    def _make_things(self, seed: int) -> dict[str, "_Thing"]:
        rng = np.random.default_rng([seed, 98])
        things: dict[str, _Thing] = {}
        for tenant_id, scanners in self.city.scanners.items():
            known = [c.beacon_id for c in self.city.children[tenant_id] if _may_collect(c)]
            for scanner in scanners:
                xy = np.array([self.city.plane.to_xy(scanner.at)])
                edge = Edge(known, SCANNER, now_ms=self._ms(rng.uniform(0, SCANNER.ordinary_s)))
                path = walks.Path(xy, np.zeros(1))
                things[scanner.scanner_id] = _Thing(tenant_id, edge, path, scanner.height_m, None)
        known = [c.beacon_id for c in self.city.children[self.cast.tenant_id] if _may_collect(c)]
        for n, (who, phone) in enumerate(self.cast.teachers.items()):
            edge = Edge(known, PHONE, now_ms=self._ms(rng.uniform(0, PHONE.ordinary_s)))
            gps = phones.Gps(self._paths[who], seed + n)
            things[phone.phone_id] = _Thing(self.cast.tenant_id, edge, self._paths[who], phones.HEIGHT_M, gps)
        return things

    def _make_radio(self, seed: int, air: Air | None) -> Radio:
        return Radio(
            len(self._bags),
            len(self._things),
            phones=list(self._phone_paths),
            heights_m=[thing.height_m for thing in self._things.values()],
            seed=seed,
            air=air,
        )

    def _is(self, kind: str, name: str, t: float) -> bool:
        """Whether a fault of this kind holds for the thing at `t`."""
        return any(
            fault.kind == kind and fault.at_s <= t < fault.at_s + fault.for_s and name in struck
            for fault, struck in self._faults
        )

    def _struck(self, fault: Fault) -> frozenset[str]:
        """The things a fault hits: a teacher's phone, or the scanners nearest to a place."""
        if fault.who is not None and fault.who in self.cast.teachers:
            return frozenset({self.cast.teachers[fault.who].phone_id})
        if fault.near is None:
            return frozenset()
        place = self.city.place(str(fault.near.place))
        x, y = place.x_m + fault.near.east_m, place.y_m + fault.near.north_m
        poles = [name for name, thing in self._things.items() if thing.gps is None]
        poles.sort(key=lambda name: math.dist(self._things[name].path.at(0), (x, y)))
        return frozenset(poles[: fault.count])

    def _marks(self) -> dict[str, float]:
        """What truly happens to the scenario's child, in virtual seconds."""
        marks: dict[str, float] = {Truth.STARTS: 0.0, Truth.ENDS: self.scenario.lasts_s}
        subject = self.scenario.subject
        if subject is None:
            return marks
        for fault in self.scenario.faults:
            if fault.kind == "dropped-bag" and fault.who == subject:
                marks[Truth.BAG_DROPPED] = fault.at_s
        path = self._paths[subject]
        own = [m for m in self.scenario.moves if m.who == subject]
        if own:
            marks[Truth.LEAVES] = min(m.at_s for m in own)
        if path.arrived_s is not None:
            marks[Truth.STOPS] = path.arrived_s
        home = self.city.tenant(self.cast.tenant_id).boundary
        places = (self.city.plane.to_latlon(x, y) for x, y in path.xy)
        crossed = next((t for t, at in enumerate(places) if not contains(home, at)), None)
        if crossed is not None:
            marks[Truth.CROSSES] = float(crossed)
        reached = [self._paths[m.who].arrived_s for m in self.scenario.moves if m.to.who == subject]
        if met := [r for r in reached if r is not None]:
            marks[Truth.REACHED] = min(met)
        return marks


@dataclass(frozen=True)
class _Thing:
    """A device: its logic, where it is, and its GPS if it is a phone."""

    tenant_id: str
    edge: Edge
    path: walks.Path
    height_m: float
    gps: phones.Gps | None


def _may_collect(child: Child) -> bool:
    return child.consent is not None and not child.consent.paused
