"""What is no sighting is refused with a reason somebody can read; the next message is stored all the same."""

import json
from collections.abc import Callable

import pytest

from events.simulator.edge import Lane
from events.simulator.mqtt import Fleet, sightings_topic
from infra.local.people import Person
from infra.local.start import wait_for
from tests.e2e.conftest import Stack

pytestmark = pytest.mark.target

WAIT_S = 30.0
BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "not text": (lambda: b"\xff\xfe\x00", "payload-not-utf8"),
    "half a document": (lambda: b'{"v":1,"sent"', "payload-not-json"),
    "a version nobody speaks": (lambda: b'{"v":9,"sent":1,"seq":1,"s":[]}', "payload-unknown-version"),
    "a field nobody knows": (lambda: b'{"v":1,"sent":1,"seq":1,"s":[],"x":1}', "payload-invalid x"),
    "too large": (lambda: b" " * (128 * 1024 + 1), "payload-too-large"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_message_is_quarantined_and_the_next_one_stored(stack: Stack, name: str) -> None:
    body, reason = BAD[name]
    scanner = f"garam-s-{1 + list(BAD).index(name):03d}"
    admin = Person("admin-garam", stack.cloud.api_url, lambda: stack.cloud.token("admin-garam"))
    papers = stack.cloud.things({"garam": [scanner]})[scanner]
    broker = stack.cloud.broker

    def reasons() -> list[str]:
        return [m["reason"] for m in admin.get("quarantine")["messages"] if m["thing"] == scanner]

    def heartbeat() -> str:
        scanners = admin.get("scanners")["scanners"]
        return next(str(s["heartbeat_at"]) for s in scanners if s["scanner_id"] == scanner)

    before = heartbeat()
    with Fleet(broker.host, broker.port, broker.ca_file, prefix=stack.cloud.prefix) as fleet:
        fleet.connect("garam", scanner, papers.certificate_file, papers.key_file).result(WAIT_S)
        topic = sightings_topic("garam", scanner, Lane.ORDINARY, stack.cloud.prefix)
        fleet.publish_raw(scanner, topic, body()).result(WAIT_S)
        sent_ms = round(stack.shown.play.start_ms + stack.shown.play.scenario.lasts_s * 1000)
        alive = {"v": 1, "sent": sent_ms, "seq": 10**6, "s": []}

        def stored_at_last() -> bool:
            """A scanner goes on saying that it is alive; of that one line every 30 s is stored."""
            fleet.publish_raw(scanner, topic, json.dumps(alive).encode()).result(WAIT_S)
            return heartbeat() != before

        refused = wait_for(lambda: any(r.startswith(reason) for r in reasons()), WAIT_S, 0.2)
        stored = wait_for(stored_at_last, 2 * WAIT_S, 0.5)

    assert (refused, stored) == (True, True), reasons()
