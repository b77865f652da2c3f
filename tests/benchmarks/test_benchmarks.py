"""The yardsticks themselves: what is metered, what the baselines do, what the cost is made of."""

import json
from dataclasses import replace

import pytest

from shared.adapters.clock import ManualClock
from shared.adapters.tables import to_item
from shared.adapters.tables import write_units as billed
from shared.adapters.tracking import DynamoTracking
from shared.domain.sighting import Sighting, Window
from shared.ports import Track
from tests.benchmarks.baselines import batch_writer, get_and_update
from tests.benchmarks.cost import DISTRICT, PRICES, Counters, amazon_location, naive, ours, per_child, prices
from tests.benchmarks.replay import Lane, batches, deliver, record
from tests.benchmarks.store import Store, item_bytes, write_units
from tests.benchmarks.trace import Sent
from tests.district import START

COUNTED = Counters(240, 40, 210, 400, 4, 3100, 200e-6)


def sent(seq: int, at_ms: int) -> Sent:
    said = {"v": 1, "sent": at_ms, "seq": seq, "s": [["b", 0, -60 - seq, 5]]}
    return Sent(at_ms, "garam", "garam-s-000", "ordinary", json.dumps(said).encode())


@pytest.mark.parametrize("size", [1, 900, 3000])
def test_the_store_bills_what_the_adapter_counts(size: int) -> None:
    item = {"pk": "garam#beacon#b", "sk": "window", "window": b"x" * size, "version": 7, "proximity": 0.9}

    on_the_wire = {name: value for name, value in to_item(item).items() if name != "window"}
    encoded = {"B": "A" * (size * 4 // 3 // 4 * 4)}
    assert abs(write_units(item_bytes({**on_the_wire, "window": encoded})) - billed(item)) <= 1


def test_the_store_refuses_a_write_that_was_overtaken_and_bills_it() -> None:
    store = Store()
    tracking = DynamoTracking("garam", "tracking", store.client())
    track = Track("b", Window((Sighting(1, "s", -60, 1),)))
    tracking.save([track], now=START)

    assert tracking.save([track], now=START) == [track]
    assert (store.meter.units, store.meter.wasted_units) == (2, 1)


def test_the_batch_writer_lets_a_late_message_move_a_child_back() -> None:
    store = Store()
    late_last = [sent(2, 2000), sent(1, 1000)]
    deliver(batch_writer(store.resource()), late_last, Lane(size=1), store, ManualClock(START))

    (item,) = store.items.values()
    assert item["at_ms"] == {"N": "1000"}


def test_the_conditional_baseline_keeps_the_newest() -> None:
    store = Store()
    late_last = [sent(2, 2000), sent(1, 1000)]
    deliver(get_and_update(store.client(), {}), late_last, Lane(size=1), store, ManualClock(START))

    assert {item["at_ms"]["N"] for item in store.items.values()} == {"2000"}


def test_a_batch_waits_for_its_window_and_no_longer() -> None:
    messages = [sent(n, n * 400) for n in range(6)]

    found = [len(batch) for _, batch in batches(messages, Lane(size=100, window_s=1.0, pollers=1))]
    assert found == [3, 3]


def test_a_record_is_what_the_rule_writes() -> None:
    body = json.loads(record(sent(1, 1000), 0)["body"])

    assert set(body) == {"payload", "tenant", "thing", "client", "received_ms"}


def test_every_price_says_where_it_is_from() -> None:
    rows = json.loads(PRICES.read_text(encoding="utf-8")).values()

    assert all(row["usd"] > 0 and row["source"] and row["confidence"] in "ABC" for row in rows)


def test_half_the_writes_cost_less() -> None:
    half = replace(COUNTED, write_units=COUNTED.write_units / 2)
    usd = prices()

    assert per_child(ours(DISTRICT, half, usd), DISTRICT) < per_child(ours(DISTRICT, COUNTED, usd), DISTRICT)


def test_the_plain_designs_cost_more_than_ours() -> None:
    usd = prices()
    mine = sum(ours(DISTRICT, COUNTED, usd).values())

    assert mine < min(naive(DISTRICT, usd, 125, 0.0), amazon_location(DISTRICT, usd, 50))
