"""A case between three districts in a row: who is offered it, who hears for it, and what ends it.

The real handlers over the twins in memory; the owner is garam, haneul lies east of it, badam beyond.
"""

import base64
import json
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass, field, replace
from datetime import timedelta
from io import StringIO
from itertools import count
from typing import Any

import pytest

from functions.assess_case.handler import lambda_handler as assess_case
from functions.ingest_sightings.handler import lambda_handler as ingest_sightings
from functions.notify.handler import lambda_handler as notify
from shared.adapters.cases import change
from shared.adapters.clock import ManualClock, epoch_ms
from shared.adapters.memory import MemoryCloud
from shared.adapters.wiring import Adapters, memory_adapters
from shared.domain import case as rules
from shared.domain import sharing
from shared.domain.case import Kind, add_evidence, system
from shared.domain.places import Scanner
from shared.domain.sharing import Share, ShareState
from shared.ports import Watched
from tests.casework import START, SUBJECT, agreed, evidence, near, opening, people, strip, who
from tests.unit.functions.api.town import Context

WAITS = {"await-acknowledgement", "await-news-briefly", "await-news"}
TASKS = {
    "tell": [(notify, "teachers"), (notify, "operators"), (notify, "police")],
    "escalate": [(notify, "escalate")],
    "offer": [(assess_case, "offer"), (notify, "neighbours")],
    "grant": [(assess_case, "grant"), (notify, "guardians")],
    "end-shares": [(assess_case, "end-shares"), (notify, "neighbours")],
    "tell-guardians": [(notify, "guardians")],
    "hand-over": [(notify, "police")],
}


@dataclass
class Border:
    """A case near a border, and everybody's next step."""

    clock: ManualClock = field(default_factory=lambda: ManualClock(START))

    def __post_init__(self) -> None:
        self.world = MemoryCloud(self.clock)
        self.on: Callable[[str], Adapters] = memory_adapters(self.world)
        self.numbers = count(1)
        people(self.on)
        for n, tenant_id in enumerate(("garam", "haneul", "badam")):
            self.on(tenant_id).registry.put(Scanner(f"{tenant_id}-s-1", near(2_000.0 * n)))
        found = evidence(x_m=990)  # ten metres before the border
        case, entries = opening(found=found)
        self.home.cases.create(case, entries)
        self.home.watch_list.add(Watched(SUBJECT.beacon_id, "case-1", "garam", None))
        change(self.home.cases, "case-1", lambda c: rules.acknowledge(c, who(), START))

    @property
    def home(self) -> Adapters:
        return self.on("garam")

    def go_on(self, seconds: float = 0.0) -> str:
        """The workflow's arrows after that time, until it waits. Returns what it waits for."""
        self.clock.at += timedelta(seconds=seconds)
        run: dict[str, Any] = {"tenant_id": "garam", "case_id": "case-1", "status": "Actual", "round": 0}
        run |= {"turns": 0, "seen": "", "next": None}
        for _ in range(20):
            with redirect_stdout(StringIO()):
                run = assess_case({"task": "assess", "case": run}, Context(), on=self.on)
                for handler, task in TASKS.get(str(run["next"]), []):
                    handler({"task": task, "case": run}, Context(), on=self.on)
            if run["next"] in WAITS:
                return str(run["next"])
        raise AssertionError(f"the workflow does not come to rest: {run['next']}")

    def moved(self, x_m: float) -> None:
        """The child is seen so far east."""
        found = evidence(Kind.SEEN, at_s=(self.clock.at - START).total_seconds(), x_m=x_m)
        by = system("garam")
        change(self.home.cases, "case-1", lambda c: add_evidence(c, found, by, self.clock.at))

    def share(self, neighbour_id: str = "haneul") -> Share:
        return self.on(neighbour_id).shares.received("garam", "case-1")

    def accept(self, neighbour_id: str = "haneul") -> None:
        desk = self.on(neighbour_id).shares
        desk.save(sharing.accept(self.share(neighbour_id), "operator-n", self.clock.at))
        self.go_on()

    def lines(self, code: str) -> list[dict[str, Any]]:
        return [dict(line.params) for line in self.home.cases.timeline("case-1") if line.code == code]

    def hears(self, tenant_id: str, beacon_id: str = SUBJECT.beacon_id) -> bool:
        """A scanner of that district reports a beacon now: whether anybody keeps it."""
        at_ms = epoch_ms(self.clock.at)
        said = {"v": 1, "sent": at_ms, "seq": next(self.numbers), "s": [[beacon_id, 0, -60, 8]]}
        thing = f"{tenant_id}-s-1"
        body = {
            "payload": base64.b64encode(json.dumps(said).encode()).decode(),
            "tenant": tenant_id,
            "thing": thing,
            "client": thing,
            "received_ms": at_ms,
        }
        record = {"messageId": f"m-{next(self.numbers)}", "body": json.dumps(body)}
        before = len(self.lines("evidence"))
        with redirect_stdout(StringIO()):
            answer = ingest_sightings({"Records": [record]}, Context(), on=self.on)
        assert answer == {"batchItemFailures": []}
        return len(self.lines("evidence")) > before


@pytest.fixture
def border() -> Border:
    return Border()


def test_at_3_1_the_neighbour_is_offered_the_case_before_the_child_is_there(border: Border) -> None:
    border.go_on()

    assert (border.share().state, border.lines("share-offered")) == (
        ShareState.OFFERED,
        [{"neighbour_id": "haneul", "role": "system"}],
    )


def test_at_3_1_without_both_signatures_nothing_leaves_and_the_owner_is_told(border: Border) -> None:
    half = agreed("garam", "haneul", strip(1))
    border.home.registry.put(replace(half, signatures=half.signatures[:1]))
    border.go_on()

    assert (border.on("haneul").shares.inbox(), len(border.lines("no-agreement"))) == ([], 1)


def test_at_3_5_a_neighbours_sighting_reaches_the_owner_between_grant_and_end_only(border: Border) -> None:
    border.go_on()
    offered = border.hears("haneul")
    border.accept()
    border.go_on(6)  # a case takes one fix in five seconds
    granted = border.hears("haneul")
    other = border.hears("haneul", "beacon-2")
    border.home.shares.save(sharing.revoke(border.share(), "operator-1", border.clock.at))
    border.go_on(5)

    assert (offered, granted, other, border.hears("haneul")) == (False, True, False, False)


def test_at_3_4_what_was_revoked_is_not_heard_for_five_seconds_later(border: Border) -> None:
    border.go_on()
    border.accept()
    border.home.shares.save(sharing.revoke(border.share(), "operator-1", border.clock.at))
    border.go_on(1)

    assert border.on("haneul").watch_list.entries() == []
    assert not border.share().grants(border.clock.at)


def test_at_3_2_a_grant_that_is_worked_twice_is_one_disclosure(border: Border) -> None:
    border.go_on()
    border.accept()
    run = {"tenant_id": "garam", "case_id": "case-1", "status": "Actual", "round": 0, "turns": 0}
    for _ in range(2):
        assess_case({"task": "grant", "case": run | {"seen": "", "next": "grant"}}, Context(), on=border.on)

    assert len(border.lines("disclosed")) == 1


def test_the_owner_offers_to_a_third_district_and_the_second_keeps_its_own(border: Border) -> None:
    border.go_on()
    border.accept()
    border.clock.at += timedelta(seconds=60)
    border.moved(2_990)
    border.go_on()
    border.accept("badam")

    states = {share.neighbour_id: share.state for share in border.home.shares.of_case("case-1")}
    assert states == {"haneul": ShareState.ACCEPTED, "badam": ShareState.ACCEPTED}
    assert {line["to"] for line in border.lines("disclosed")} == {"haneul", "badam"}
    assert border.hears("badam")


def test_a_third_district_without_an_agreement_hears_nothing_of_a_case_the_second_has(border: Border) -> None:
    ended = agreed("garam", "badam", strip(2), until=START + timedelta(seconds=1))
    border.home.registry.put(ended)
    border.on("haneul").registry.put(agreed("haneul", "badam", strip(2)))
    border.go_on()
    border.accept()
    border.clock.at += timedelta(seconds=60)
    border.moved(2_990)
    border.go_on()

    assert (border.on("badam").shares.inbox(), border.hears("badam")) == ([], False)
    assert len(border.lines("no-agreement")) == 1


def test_an_offer_to_a_neighbour_that_is_down_waits_in_its_inbox_until_it_is_back(border: Border) -> None:
    border.world.table("channels.dead")["haneul"] = "failed"
    border.go_on()
    border.go_on(600)
    del border.world.table("channels.dead")["haneul"]
    border.accept()

    assert (border.share().state, border.hears("haneul")) == (ShareState.ACCEPTED, True)


def test_an_offer_nobody_took_expires_cleanly(border: Border) -> None:
    border.world.table("channels.dead")["haneul"] = "failed"
    border.go_on()
    until = border.share().until
    for _ in range(3):
        border.go_on((until - border.clock.at).total_seconds() if border.clock.at < until else 20)

    assert (border.share().state, len(border.lines("share-expired"))) == (ShareState.EXPIRED, 1)
    assert (border.lines("disclosed"), border.on("haneul").watch_list.entries()) == ([], [])
    with pytest.raises(Exception, match="offer-not-open"):
        sharing.accept(border.share(), "operator-n", border.clock.at)
