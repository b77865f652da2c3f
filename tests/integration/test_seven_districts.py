"""Seven districts, one child who crosses three borders: the real handlers over the twins in memory.

Scanners' messages go through ingest, the case's arrows through assess and notify, people through the HTTP
API. Nobody waits for a wall clock: the scenario's own time is the only one.
"""

import base64
import json
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from io import StringIO
from itertools import count, pairwise
from typing import Any

import pytest

from events.simulator.city import City, CitySpec
from events.simulator.play import Emission, Play
from events.simulator.scenario import Truth, load
from functions.api.handler import lambda_handler as api
from functions.assess_case.handler import lambda_handler as assess_case
from functions.ingest_sightings.handler import lambda_handler as ingest_sightings
from functions.notify.handler import lambda_handler as notify
from shared.adapters.clock import ManualClock, epoch_ms
from shared.adapters.memory import MemoryCloud
from shared.adapters.wiring import memory_adapters
from shared.domain.case import Case, Kind, broken_at
from shared.domain.geo import contains
from shared.domain.guardian import Guardianship
from shared.domain.notices import reconcile
from shared.domain.places import Agreement
from shared.domain.sharing import FIELDS, signed
from shared.ports import Message
from tests.unit.functions.api.town import Context, Who, http_event

SCENARIO = load("crosses_three_borders")
START = SCENARIO.start
ACTORS = ("garam", "naru", "saebyeok", "d04")
"""Who takes part: the owner and the three the child comes to. The others never do."""
GUARDIAN = "endpoint/guardian"
GAP_S = 30.0
"""A track without a longer silence is uninterrupted: at 1.7 m/s that is one scanner's reach."""
WAITS_S = {"await-acknowledgement": 20.0, "await-news-briefly": 3.0, "await-news": 20.0}
STEPS = {
    "tell": [("n", "teachers"), ("n", "operators"), ("n", "police")],
    "escalate": [("n", "escalate")],
    "offer": [("a", "offer"), ("n", "neighbours")],
    "grant": [("a", "grant"), ("n", "guardians")],
    "end-shares": [("a", "end-shares"), ("n", "neighbours")],
    "tell-guardians": [("n", "guardians")],
    "hand-over": [("n", "police")],
    "close": [("a", "close"), ("a", "revoke"), ("n", "neighbours"), ("n", "outcome"), ("n", "guardians")],
}
"""The arrows of the state machine (`infra/statemachine`), by what `assess_case` answers."""


@dataclass
class Row:
    """The story as it is played, and what was seen of it.

    knocks: every read of somebody else's case: (second, tenant, path, status). strays: scanners of
    neighbours with a grant that also reported another child of the group.
    """

    city: City = field(default_factory=lambda: City.build(CitySpec.row(), 7))
    clock: ManualClock = field(default_factory=lambda: ManualClock(START))
    knocks: list[tuple[float, str, str, int]] = field(default_factory=list)
    accepted_s: dict[str, float] = field(default_factory=dict)
    offered_s: dict[str, float] = field(default_factory=dict)
    strays: set[str] = field(default_factory=set)
    case_id: str = ""
    ended_s: float = 0.0

    def __post_init__(self) -> None:
        self.world = MemoryCloud(self.clock)
        self.on = memory_adapters(self.world)
        self.play = Play(SCENARIO, self.city, 7)
        self.child = self.play.cast.children[str(SCENARIO.subject)]
        self.numbers = count(1)
        self.run: dict[str, Any] = {}
        self.look_at = START
        for tenant in self.city.tenants:
            self.on(tenant.tenant_id).registry.put(*self.city.records(tenant.tenant_id))
        home = self.on("garam")
        home.guardians.save(Guardianship(self.child.child_id, endpoint=GUARDIAN))
        for other in self.city.tenants[1:]:  # one pact of all seven; sharing on is nobody's but the owner's
            agreed = Agreement("garam", other.tenant_id, other.boundary, FIELDS, START + timedelta(days=99))
            for party in ("garam", other.tenant_id):
                agreed = signed(agreed, party, "mayor", START - timedelta(days=1))
            home.registry.put(agreed)

    @property
    def now_s(self) -> float:
        return (self.clock.at - START).total_seconds()

    @property
    def case(self) -> Case:
        return self.on("garam").cases.get(self.case_id)

    def perform(self) -> "Row":
        """From the first scan to the closed case and a last knock at every door."""
        batch: list[Emission] = []
        for emission in self.play:
            if batch and int(emission.at_s) != int(batch[0].at_s):
                self._second(batch)
                batch = []
            batch.append(emission)
        self._second(batch)
        return self

    def _second(self, batch: list[Emission]) -> None:
        self.clock.at = START + timedelta(seconds=batch[-1].at_s)
        messages = [*batch, *self._stray(batch)]
        ingest_sightings({"Records": [self._record(each) for each in messages]}, Context(), on=self.on)
        self._people()
        if self.case_id:
            self._workflow()
        if int(self.now_s) % 40 == 0:
            self._knock()
        for tenant in self.city.tenants:
            watched = {each.beacon_id for each in self.on(tenant.tenant_id).watch_list.entries()}
            self.play.watch(tenant.tenant_id, watched)

    def _stray(self, batch: list[Emission]) -> list[Emission]:
        """A neighbour's scanner that just reported the child claims to hear another child too."""
        other = self.play.cast.children["child-01"].beacon_id
        found = [
            replace(each, payload={**each.payload, "s": [[other, *each.payload["s"][0][1:]]]})
            for each in batch
            if each.tenant_id in self.accepted_s and each.payload["s"] and each.thing not in self.strays
        ]
        self.strays |= {each.thing for each in found}
        return found

    def _people(self) -> None:
        """Who does what, when: the scenario's rules, each once."""
        home, at_s = Who("operator-g", "garam", "operator"), self.now_s
        if not self.case_id and at_s >= 30:
            teacher = Who("teacher-1", "garam", "teacher", self.play.cast.facility_id)
            body = {"child_id": self.child.child_id, "status": "Actual"}
            self.case_id = self.ask(teacher, "POST /v1/cases", body, 201)["case"]["case_id"]
            self.run = {"tenant_id": "garam", "case_id": self.case_id, "status": "Actual", "round": 0}
            self.run |= {"turns": 0, "seen": "", "next": None}
            self._tasks([("a", "open"), *STEPS["tell"]])
            self.ask(home, f"POST /v1/cases/{self.case_id}/acknowledge", {}, 200)
        for tenant in self.city.tenants[1:]:
            self._neighbour(tenant.tenant_id, at_s)
        stops_s = self.play.marks[Truth.STOPS]
        if self.case_id and not self.ended_s and at_s >= stops_s + 15:
            self._knock()
            self.ask(home, f"POST /v1/cases/{self.case_id}/secured", {"by": "police"}, 200)
            self.ask(home, f"POST /v1/cases/{self.case_id}/guardian", {}, 200)
            self.ask(home, f"POST /v1/cases/{self.case_id}/close", {"reason": "found"}, 200)
            self.ended_s = at_s

    def _neighbour(self, tenant_id: str, at_s: float) -> None:
        """Takes an offer four seconds after it came in; what it is offered shows no name before."""
        who = Who(f"operator-{tenant_id}", tenant_id, "operator")
        inbox = self.on(tenant_id).shares.inbox()
        if not inbox or tenant_id in self.accepted_s:
            return
        if tenant_id not in self.offered_s:
            self.offered_s[tenant_id] = at_s
            offers = self.ask(
                Who(f"operator-{tenant_id}", tenant_id, "operator"), "GET /v1/offers", None, 200
            )
            assert self.child.name not in json.dumps(offers, ensure_ascii=False)
        elif tenant_id in ACTORS and at_s >= self.offered_s[tenant_id] + 4:
            who = Who(f"operator-{tenant_id}", tenant_id, "operator")
            self.ask(who, f"POST /v1/offers/garam/{self.case_id}/accept", {}, 200)
            self.accepted_s[tenant_id] = at_s

    def _knock(self) -> None:
        """Every other district tries every door of the owner's case, its own and the shared one."""
        if not self.case_id:
            return
        for tenant in self.city.tenants[1:]:
            who = Who(f"operator-{tenant.tenant_id}", tenant.tenant_id, "operator")
            own = [f"/v1/cases/{self.case_id}{part}" for part in ("", "/hand-over")]
            shared = [f"/v1/shared/garam/{self.case_id}{part}" for part in ("", "/track")]
            for path in (*own, *shared):
                status = self._answer(who, f"GET {path}")[0]
                self.knocks.append((self.now_s, tenant.tenant_id, path, status))

    def _workflow(self) -> None:
        """The state machine's arrows, when there is news or a wait is over."""
        if self.run["next"] == "close" or (
            str(self.case.news) == self.run["seen"] and self.clock.at < self.look_at
        ):
            return
        for _ in range(20):
            self.run = assess_case({"task": "assess", "case": self.run}, Context(), on=self.on)
            todo = STEPS.get(str(self.run["next"]))
            if todo is None:
                self.look_at = self.clock.at + timedelta(seconds=WAITS_S[str(self.run["next"])])
                return
            self._tasks(todo)
            if self.run["next"] == "close":
                return

    def _tasks(self, tasks: list[tuple[str, str]]) -> None:
        for which, task in tasks:
            handler = assess_case if which == "a" else notify
            handler({"task": task, "case": self.run}, Context(), on=self.on)

    def _record(self, emission: Emission) -> dict[str, Any]:
        at_ms = epoch_ms(START) + round(emission.at_s * 1000)
        body = {
            "payload": base64.b64encode(json.dumps(emission.payload).encode()).decode(),
            "tenant": emission.tenant_id,
            "thing": emission.thing,
            "client": emission.thing,
            "received_ms": at_ms,
        }
        return {"messageId": f"m-{next(self.numbers)}", "body": json.dumps(body)}

    def ask(self, who: Who, call: str, body: Any, status: int) -> Any:
        """What the API answers. AssertionError for another status."""
        got, told = self._answer(who, call, body)
        assert got == status, told
        return told

    def _answer(self, who: Who, call: str, body: Any = None) -> tuple[int, Any]:
        method, path = call.split(" ")
        headers = {"idempotency-key": f"key-{next(self.numbers):08d}"} if method == "POST" else {}
        event = http_event(method, path, who, body, query={}, headers=headers, request_id="r-1")
        answer = api(event, Context(), on=self.on)  # type: ignore[arg-type]
        return answer["statusCode"], json.loads(answer["body"])


@pytest.fixture(scope="module")
def row() -> Row:
    """The story, played once for all."""
    with redirect_stdout(StringIO()):  # the metrics' lines
        return Row().perform()


def heard(row: Row) -> list[tuple[datetime, set[str]]]:
    """When the case was told a place of the bag, and by scanners of which districts."""
    lines = row.on("garam").cases.timeline(row.case_id)
    found = [line.evidence for line in lines if line.evidence and line.evidence.kind is Kind.HEARD]
    named = [(each.at, {name.partition("-")[0] for name in each.source.split(",")}) for each in found]
    return sorted(named, key=lambda each: each[0])


def notices(row: Row) -> list[Message]:
    """What the guardian was told about the child's place going to somebody."""
    return [m for m in row.world.sent if m.to == GUARDIAN and m.body["code"] == "disclosure-notice"]


def test_at_3_6_the_track_is_uninterrupted_across_four_districts(row: Row) -> None:
    times = [at for at, _ in heard(row)]
    gaps = [(b - a).total_seconds() for a, b in pairwise(times)]
    chain = list(dict.fromkeys(name for _, names in heard(row) for name in sorted(names)))
    sys.stdout.write(
        f"\n{len(row.city.tenants)} districts, track {' → '.join(chain)}: {len(times)} fixes, longest gap "
        f"{max(gaps):.0f} s, {len(row.accepted_s)} grants, {len(notices(row))} guardian notices\n"
    )

    assert set(ACTORS) <= set(chain)
    assert max(gaps) <= GAP_S


def test_at_3_1_each_district_was_offered_the_case_before_the_child_came(row: Row) -> None:
    entered = {
        tenant.tenant_id: next(
            second
            for second in range(int(SCENARIO.lasts_s))
            if contains(tenant.boundary, row.play.truth(row.child.beacon_id, second))
        )
        for tenant in row.city.tenants[1:4]
    }

    late = {t: (row.offered_s[t], entered[t]) for t in entered if row.offered_s[t] > entered[t]}
    assert late == {}


def test_at_3_6_there_are_three_grants_and_three_guardian_notices(row: Row) -> None:
    lines = row.on("garam").cases.timeline(row.case_id)
    disclosed = [line.params["to"] for line in lines if line.code == "disclosed"]
    balance = reconcile(lines)

    assert (sorted(disclosed), len(notices(row))) == (["d04", "naru", "saebyeok"], 3)
    assert (balance.disclosures, balance.sent, balance.deferred, balance.missing) == (3, 3, 0, ())


def test_at_3_3_nobody_read_the_case_but_between_accepting_and_the_end(row: Row) -> None:
    def allowed(at_s: float, tenant_id: str, path: str) -> bool:
        since = row.accepted_s.get(tenant_id)
        return path.startswith("/v1/shared/") and since is not None and since <= at_s <= row.ended_s

    leaks = [knock for knock in row.knocks if knock[3] != 404 and not allowed(*knock[:3])]
    inside = [knock for knock in row.knocks if knock[3] == 200]
    sys.stdout.write(
        f"\n{len(row.knocks)} reads by other districts, {len(inside)} granted, {len(leaks)} leaks\n"
    )

    assert leaks == []
    assert {knock[1] for knock in inside} == {"naru", "saebyeok", "d04"}


def test_at_3_3_districts_that_were_not_needed_hold_nothing_of_the_child(row: Row) -> None:
    tables = {
        name: [
            value
            for key, value in table.items()
            if isinstance(key, tuple) and key[0] in ("d05", "d06", "d07")
        ]
        for name, table in row.world.tables.items()
        if name not in ("registry",)
    }
    text = str(tables)

    assert [word for word in (row.child.child_id, row.child.beacon_id, row.child.name) if word in text] == []


def test_at_3_5_a_neighbours_scanners_gave_the_owner_this_beacon_and_no_other(row: Row) -> None:
    others = [c.beacon_id for c in row.play.cast.children.values() if c.beacon_id != row.child.beacon_id]
    kept = str(
        [
            value
            for table in row.world.tables.values()
            for key, value in table.items()
            if isinstance(key, tuple) and key[0] in ACTORS[1:]
        ]
    )

    home = str(row.on("garam").tracking.read(beacons=others))
    assert {scanner.partition("-")[0] for scanner in row.strays} == set(row.accepted_s)
    assert [beacon for beacon in others if beacon in kept] == []
    assert [scanner for scanner in row.strays if scanner in home] == []


def test_at_3_4_when_the_case_closed_everybody_stopped_listening(row: Row) -> None:
    assert {t.tenant_id: row.on(t.tenant_id).watch_list.entries() for t in row.city.tenants} == {
        t.tenant_id: [] for t in row.city.tenants
    }
    assert not any(share.is_open for share in row.on("garam").shares.of_case(row.case_id))


def test_the_chain_of_the_timeline_holds(row: Row) -> None:
    assert broken_at(row.case, row.on("garam").cases.timeline(row.case_id)) is None
