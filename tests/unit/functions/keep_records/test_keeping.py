"""The law's periods, row by row, by a clock that travels; holds, certificates, orders, the log (D8)."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from functions.keep_records.handler import lambda_handler
from shared.adapters import answers, outings, tags, tracking
from shared.adapters.cases import change
from shared.adapters.clock import ManualClock
from shared.adapters.memory import MemoryCloud
from shared.adapters.wiring import Adapters, memory_adapters
from shared.domain.case import CloseReason, add_evidence, broken_at, close, reopen
from shared.domain.errors import NotFound, Rejected
from shared.domain.retention import KEPT, Kind, expires, is_due
from shared.ports import Access
from tests.casework import at, evidence, opening, who

OPENED = at(0)
CLOSED = at(3600)
DAY = timedelta(days=1)
TRAVEL = {
    "+1 d": DAY,
    "+30 d": 30 * DAY,
    "+3 mo": 92 * DAY,
    "+6 mo": 183 * DAY,
    "+1 y": 366 * DAY,
    "+2 y": 731 * DAY,
}
LEFT = {
    Kind.TRACK: (),
    Kind.BEACON_IDS: ("+1 d",),
    Kind.ANSWER: (),
    Kind.OUTING: ("+1 d",),
    Kind.QUARANTINE: ("+1 d",),
    Kind.CASE_PLACES: ("+1 d",),
    Kind.POLICE_COPY: ("+1 d", "+30 d"),
    Kind.GRANT: ("+1 d", "+30 d", "+3 mo"),
    Kind.CASE_FACTS: ("+1 d", "+30 d", "+3 mo", "+6 mo", "+1 y"),
    Kind.ACCESS_LOG: ("+1 d", "+30 d", "+3 mo", "+6 mo", "+1 y"),
    Kind.CERTIFICATE: ("+1 d", "+30 d", "+3 mo", "+6 mo", "+1 y"),
}
"""The law table: which kinds are still there how long after their purpose ended."""


class Town:
    """One tenant with one closed case."""

    def __init__(self) -> None:
        self.clock = ManualClock(OPENED)
        self.world = MemoryCloud(self.clock)
        self.of = memory_adapters(self.world)
        case, entries = opening()
        self.case_id = self.on.cases.create(case, entries).case_id
        change(self.on.cases, self.case_id, lambda c: add_evidence(c, evidence(), who(), at(5)))
        self.clock.at = CLOSED
        change(self.on.cases, self.case_id, lambda c: close(c, CloseReason.FALSE_ALARM, "", who(), CLOSED))

    @property
    def on(self) -> Adapters:
        return self.of(self.tenant_id)

    tenant_id = "garam"

    def keep(self, event: dict[str, Any] | None = None) -> dict[str, Any]:
        return lambda_handler(event or {}, None, self.of, lambda: [self.tenant_id])


@pytest.mark.parametrize("kind", Kind)
def test_every_row_of_the_law_table_is_there_as_long_as_it_says(kind: Kind):
    left = tuple(name for name, later in TRAVEL.items() if not is_due(kind, CLOSED, CLOSED + later))

    assert left == LEFT[kind]


def test_what_is_stored_with_a_time_to_live_takes_it_from_the_table():
    hours = timedelta(hours=1)

    assert (KEPT[Kind.TRACK], KEPT[Kind.QUARANTINE]) == (tracking.KEPT, tracking.QUARANTINE_KEPT)
    assert (KEPT[Kind.OUTING], KEPT[Kind.ANSWER]) == (outings.KEPT, answers.KEPT)
    assert timedelta(seconds=tags.KEPT_S) == KEPT[Kind.BEACON_IDS] == 26 * hours


def test_a_time_to_live_ends_when_the_period_does():
    assert expires(Kind.ANSWER, CLOSED) == int((CLOSED + DAY).timestamp())


def places(town: Town) -> int:
    """Lines of the case that say where."""
    return sum(entry.evidence is not None for entry in town.on.cases.timeline(town.case_id))


def test_a_months_after_its_closing_a_case_says_no_more_where_and_a_certificate_says_so():
    town = Town()
    told = []
    for days in (29, 30, 31):
        town.clock.at = CLOSED + days * DAY
        town.keep()
        told.append((places(town), [(c.kind, c.about) for c in town.on.records.certificates()]))

    gone = [(Kind.CASE_PLACES, town.case_id)]
    assert told == [(1, []), (0, gone), (0, gone)]
    assert broken_at(town.on.cases.get(town.case_id), town.on.cases.timeline(town.case_id)) is None


def test_two_years_after_its_closing_a_case_is_gone():
    town = Town()
    for days in (30, 730, 731, 732):
        town.clock.at = CLOSED + days * DAY
        town.keep()
        is_there = bool(town.on.cases.recent(OPENED))
        assert is_there == (days < 731)

    assert [c.kind for c in town.on.records.certificates()] == [Kind.CASE_PLACES, Kind.CASE_FACTS]


def test_an_open_case_loses_nothing_however_old():
    town = Town()
    change(town.on.cases, town.case_id, lambda c: reopen(c, who(), CLOSED))
    town.clock.at = CLOSED + 800 * DAY
    town.keep()

    assert places(town) == 1


def test_a_held_case_stays_whole_until_the_hold_is_lifted():
    town = Town()
    order = {"tenant_id": "garam", "case_id": town.case_id}
    town.keep({**order, "do": "hold", "asked_by": "Seoul court", "reason": "evidence"})
    town.clock.at = CLOSED + 900 * DAY
    town.keep()
    before = places(town)
    town.keep({**order, "do": "lift"})
    town.keep()

    assert (before, list(town.on.cases.recent(OPENED))) == (1, [])


def test_one_tenants_fault_does_not_keep_the_others_waiting():
    town = Town()
    town.clock.at = CLOSED + 31 * DAY

    def of(tenant_id: str) -> Adapters:
        if tenant_id == "broken":
            raise RuntimeError("no such tenant")
        return town.of(tenant_id)

    with pytest.raises(RuntimeError, match="broken"):
        lambda_handler({}, None, of, lambda: ["broken", "garam"])
    assert places(town) == 0


def read(n: int, when: datetime) -> Access:
    return Access(
        f"r-{n}", when, "operator-1", "garam", "operator", "203.0.113.7", f"c-{n}", "GET /x", "case:1"
    )


def test_a_day_is_anchored_and_the_next_is_checked_from_there():
    town = Town()
    for day in range(5):
        for n in range(7):
            town.on.access_log.record(read(n, CLOSED + day * DAY + timedelta(minutes=n)))
        town.clock.at = CLOSED + day * DAY + timedelta(hours=12)
        town.keep()

    assert [anchor.link.seq for anchor in town.on.anchors.all()] == [7, 14, 21, 28, 35]
    assert town.keep({"tenant_id": "garam", "do": "verify"})["faults"] == []


def test_a_log_somebody_tampered_with_is_an_alarm_the_same_day():
    town = Town()
    for n in range(7):
        town.on.access_log.record(read(n, CLOSED + timedelta(minutes=n)))
    lines = town.world.table("access")["garam"]
    key = sorted(lines)[3]
    access, line = lines[key]
    lines[key] = access, replace(line, text=line.text.replace("c-3", "c-4"))

    with pytest.raises(RuntimeError, match="garam"):
        town.keep()


def test_a_child_is_forgotten_by_an_order_and_a_tenant_only_by_a_confirmed_one():
    town = Town()
    seal, unseal = town.on.vault.seal, town.on.vault.open
    one, other = (seal(f"child#c-{n}", "name", "김하늘") for n in (1, 2))
    town.keep({"tenant_id": "garam", "do": "shred", "subject": "child#c-1"})
    with pytest.raises(NotFound):
        unseal("child#c-1", "name", one)
    with pytest.raises(Rejected, match="not-confirmed"):
        town.keep({"tenant_id": "garam", "do": "shred-tenant", "confirm": "nuri"})
    rotated = town.keep({"tenant_id": "garam", "do": "rotate"})["keys"]
    readable = unseal("child#c-2", "name", other)
    town.keep({"tenant_id": "garam", "do": "shred-tenant", "confirm": "garam"})

    assert (rotated, readable) == (1, "김하늘")
    with pytest.raises(NotFound):
        unseal("child#c-2", "name", other)


@pytest.mark.parametrize("order", [{"do": "erase"}, {"do": "shred", "subject": "x"}, {"tenant_id": "garam"}])
def test_what_is_no_order_is_refused(order: dict[str, Any]):
    with pytest.raises(ValidationError):
        Town().keep(order)
