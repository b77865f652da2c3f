"""What the receiving end of the police webhook has to do."""

import json
import time

import pytest

from infra.local.police import PoliceDesk
from shared.adapters.channels import police_key, signature
from tests.unit.shared.schema.test_handover import made

SECRET = b"not-secret"
Sent = tuple[dict[str, str], bytes]


class Quiet(PoliceDesk):
    """The desk without its socket: what it accepts is decided in one method."""

    def __init__(self) -> None:
        self._secret = lambda: SECRET
        self.handovers = {}
        self.refused = []


@pytest.fixture
def desk() -> PoliceDesk:
    return Quiet()


def sent(version: int = 1, *, key: str = "", age_s: int = 0, change: str = "") -> Sent:
    """A hand-over as the webhook sends it."""
    body = json.dumps(made(version=version).model_dump(mode="json"), ensure_ascii=False)
    body = body.replace("김하나", change or "김하나")
    timestamp = str(int(time.time()) - age_s)
    return {
        "x-jikimi-timestamp": timestamp,
        "x-jikimi-signature": signature(police_key(SECRET, "garam"), timestamp, body.encode()),
        "idempotency-key": key or f"case-1:v{version}",
    }, body.encode()


def test_at_4_2_a_hand_over_sent_twice_is_one_with_one_receipt(desk: PoliceDesk) -> None:
    answers = [desk.accept("garam", *sent()) for _ in range(2)]

    assert answers == [(200, {"receipt_no": "112-0001"})] * 2
    assert len(desk.handovers) == 1


def test_at_4_2_the_newest_version_stands_in_whatever_order_they_come(desk: PoliceDesk) -> None:
    for version in (2, 3, 1):
        desk.accept("garam", *sent(version))
    newest = desk.newest("garam/case-1")

    assert newest is not None
    assert (newest["version"], len(desk.handovers)) == (3, 3)


def test_at_4_1_a_record_that_does_not_fit_its_checksum_is_refused(desk: PoliceDesk) -> None:
    assert desk.accept("garam", *sent(change="박하나")) == (422, {"reason": "wrong-checksum"})


def test_a_hand_over_signed_for_another_district_is_refused(desk: PoliceDesk) -> None:
    assert desk.accept("nuri", *sent()) == (401, {"reason": "wrong-signature"})


def test_an_old_hand_over_sent_again_by_a_stranger_is_refused(desk: PoliceDesk) -> None:
    assert desk.accept("garam", *sent(age_s=301)) == (401, {"reason": "stale-timestamp"})
