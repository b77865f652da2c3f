"""A3: state is a function of the set of sightings, through the real handler.

Messages arrive in any order, doubled, late, in any batches, and batches run into each other: another
invocation may work through a whole batch between any two steps of this one.
"""

import json
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from functions.ingest_sightings.handler import lambda_handler
from shared.adapters.hearing import hearings
from tests.district import CHILDREN, START, District, district, near

MOMENTS_S = (0, 2, 4, 6, 60, 62, 118, 120, 122, 124, 126)
"""Close together, so that instants meet; longer than a window, so that some arrive too late for it."""
SPAN_S = 150
Sent = dict[str, Any]


def beacons() -> st.SearchStrategy[str]:
    return st.sampled_from(["garam-b-000", "garam-b-001", "stranger"])


@st.composite
def messages(draw: st.DrawFn) -> Sent:
    """What one device says once. Few devices, beacons, instants and strengths, so that sightings collide."""
    heard = draw(
        st.lists(
            st.tuples(
                beacons(),
                st.sampled_from([0, 1000, 2000, 4000]),
                st.sampled_from([-50, -62, -75, -88]),
                st.integers(1, 3),
            ),
            max_size=8,
        )
    )
    said: Sent = {"at_s": draw(st.sampled_from(MOMENTS_S)), "heard": heard}
    thing = draw(st.sampled_from(["garam-s-000", "garam-s-001", "garam-p-000", "garam-p-001"]))
    if "-s-" in thing:
        return said | {"thing": thing}
    here = near(draw(st.sampled_from([0, 40])), 20)
    fix = (here.lat_deg, here.lon_deg, draw(st.sampled_from([3, 9])), draw(st.sampled_from([0, 2000])))
    return said | {"thing": thing, "fix": fix}


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[Sent], list[list[tuple[int, int]]], list[int]]:
    """The messages; batches of (which message, how late in s); after how many steps each batch cuts in."""
    said = draw(st.lists(messages(), min_size=1, max_size=8))
    arrivals = [(i, draw(st.integers(0, 100))) for i in range(len(said))]
    arrivals += draw(st.lists(st.tuples(st.sampled_from(range(len(said))), st.integers(0, 100)), max_size=4))
    shuffled = draw(st.permutations(arrivals))
    sizes = draw(st.lists(st.integers(1, 5), min_size=len(shuffled), max_size=len(shuffled)))
    batches, start = [], 0
    for size in sizes:
        if start < len(shuffled):
            batches.append(list(shuffled[start : start + size]))
            start += size
    cuts = draw(st.lists(st.integers(0, 6), min_size=len(batches), max_size=len(batches)))
    return said, batches, cuts


class Interrupted:
    """Tracking where other batches are handled between two steps of the one at work."""

    def __init__(self, tracking: Any) -> None:
        self._tracking = tracking
        self.pending: list[tuple[int, Any]] = []

    def __getattr__(self, name: str) -> Any:
        if name in ("read", "save") and self.pending:
            steps, run = self.pending.pop()
            if steps:
                self.pending.append((steps - 1, run))
            else:
                run()
        return getattr(self._tracking, name)


def records(d: District, said: list[Sent], batch: list[tuple[int, int]]) -> list[dict[str, Any]]:
    made = []
    for i, late_s in batch:
        record = d.message(said[i]["thing"], said[i]["heard"], fix=said[i].get("fix"), at_s=said[i]["at_s"])
        body = json.loads(record["body"])
        made.append(
            record | {"body": json.dumps(body | {"received_ms": body["received_ms"] + late_s * 1000})}
        )
    return made


def handle(d: District, batch: list[dict[str, Any]]) -> None:
    """Deliver a batch, and again what it says has failed: the queue's part."""
    for _ in range(20):
        failed = {
            each["itemIdentifier"]
            for each in lambda_handler({"Records": batch}, None, d.on)["batchItemFailures"]
        }
        batch = [record for record in batch if record["messageId"] in failed]
        if not batch:
            return
    raise AssertionError("a message is never taken")


def opened() -> District:
    d = district().people()
    d.outing()
    d.clock.at = START + timedelta(seconds=SPAN_S + 1)
    return d


def state(d: District) -> dict[str, Any]:
    """Everything stored that follows from what was heard; not what was said to people meanwhile."""
    known = hearings(d.adapters, [d.beacon(n) for n in range(CHILDREN)] + ["stranger"])
    stored = d.adapters.tracking.read(phones=d.phones, scanners=[d.scanner(n) for n in range(2)])
    judged = ("level", "reason", "heard_by", "heard_ms")
    scanners = d.adapters.registry.scanners()
    return {
        **{
            each: (h.window, h.fix(scanners), {k: h.alarm[k] for k in judged if k in h.alarm})
            for each, h in known.items()
        },
        **{each: (p.reported_ms, p.fixes, p.heard) for each, p in stored.phones.items()},
        **{each: s.heard for each, s in stored.scanners.items()},
    }


@settings(max_examples=500, deadline=None, derandomize=True, database=None)
@given(deliveries())
def test_any_order_any_duplicates_any_batches_and_any_interleaving_end_in_the_same_state(
    delivered: tuple[list[Sent], list[list[tuple[int, int]]], list[int]],
) -> None:
    said, batches, cuts = delivered
    once = opened()
    handle(once, records(once, said, [(i, 0) for i in range(len(said))]))

    torn = opened()
    tracking = torn.adapters.__dict__["tracking"] = Interrupted(torn.adapters.tracking)
    for batch, cut in zip(batches, cuts, strict=True):
        tracking.pending.append((cut, lambda batch=batch: handle(torn, records(torn, said, batch))))
    while tracking.pending:
        _, run = tracking.pending.pop()
        run()

    assert state(torn) == state(once)
