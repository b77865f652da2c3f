"""Every table by a clock that travels: what the items' own times and the daily purge leave (D8, AT-9.3)."""

from collections import defaultdict
from datetime import timedelta
from typing import Any

import pytest

from functions.keep_records.keeping import keep
from shared.adapters import wiring
from shared.adapters.cases import change
from shared.adapters.clock import ManualClock
from shared.adapters.tables import from_item
from shared.adapters.wiring import AwsAdapters
from shared.domain.case import CloseReason, add_evidence, close
from shared.domain.ephemeral_id import Tag, window_of
from shared.domain.outing import Outing, OutingState
from shared.domain.places import Status
from shared.domain.sharing import Share, ShareState
from shared.ports import Access, Answer, Quarantined
from tests.casework import at, evidence, opening, who
from tests.integration.conftest import ALL_TABLES, GuardedSession, MotoCloud

CLOSED = at(3600)
DAY = timedelta(days=1)
TRAVEL = {"+1 d": 1, "+30 d": 30, "+3 mo": 92, "+6 mo": 183, "+1 y": 366, "+2 y": 732}
DAYS = {"answer": 1, "ids": 2, "outing": 7, "quarantine": 14, "places": 30, "share": 183, "inbox": 183}
TWO_YEARS = ("case", "subject", "closed", "access", "access-subject", "access-actor", "access-purpose")
FOR_GOOD = {"access-end", "tag", "key"}  # the chain's end, and keys: not about anybody who was somewhere


def expected(days: int) -> set[str]:
    """The kinds of items that the law table leaves so many days after the case was closed."""
    left = {kind for kind, kept in DAYS.items() if days < kept}
    left |= {kind for kind in TWO_YEARS if days < 731}
    return left | FOR_GOOD | ({"certificate"} if days >= 30 else set())


def store_one_of_each(on: AwsAdapters, clock: ManualClock) -> None:
    """Every kind of record that has an end, as the functions store it."""
    case, entries = opening()
    case_id = on.cases.create(case, entries).case_id
    change(on.cases, case_id, lambda c: add_evidence(c, evidence(), who(), at(5)))
    share = Share("garam", case_id, "nuri", "b-1", ShareState.ACCEPTED, ("position",), at(0), CLOSED)
    on.shares.save(share)
    outing = Outing("o-1", "garam", "f", Status.ACTUAL, OutingState.ENDED, at(0), "t", (), (), CLOSED)
    on.outings.save(outing)
    on.tracking.quarantine([Quarantined("m-1", 1, "garam-s-1", "not-json", "")], now=CLOSED)
    reader = ("operator-1", "garam", "operator", "203.0.113.7")
    on.access_log.record(Access("r-1", CLOSED, *reader, "c-1", "GET /x", f"case:{case_id}"))
    on.answers.finish("k-1", "digest", Answer(200, "{}"), now=CLOSED)
    on.tags.put([Tag("b-1", bytes(16), 0)])
    on.tags.issue([window_of(CLOSED.timestamp())])
    change(on.cases, case_id, lambda c: close(c, CloseReason.FALSE_ALARM, "", who(), CLOSED))
    clock.at = CLOSED


def left(dynamodb: Any, clock: ManualClock) -> set[str]:
    """Kinds of items whose time is not over, by what stands behind the tenant in their key."""
    found: dict[str, int] = defaultdict(int)
    for table in ALL_TABLES:
        for item in map(from_item, dynamodb.scan(TableName=table)["Items"]):
            if item.get("ttl", float("inf")) > clock.at.timestamp():
                found[item["pk"].split("#")[1]] += 1
                found["places"] += "evidence" in item
    return {kind for kind, count in found.items() if count}


def test_at_9_3_what_is_gone_and_what_is_left_table_by_table(
    moto_cloud: MotoCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wiring, "client", moto_cloud.client)
    monkeypatch.setattr(wiring, "Session", GuardedSession)
    clock = ManualClock(at(0))
    on = AwsAdapters("garam", moto_cloud.environment)
    on.__dict__["clock"] = clock
    store_one_of_each(on, clock)
    found = {}
    for name, days in TRAVEL.items():
        clock.at = CLOSED + days * DAY + timedelta(seconds=1)
        assert keep(on).faults == 0
        found[name] = left(moto_cloud.client("dynamodb"), clock)

    assert found == {name: expected(days) for name, days in TRAVEL.items()}
