"""What was given up can be looked at, and goes back."""

import json
from collections import deque
from typing import Any

import pytest

from infra.local.dead_letters import letters, reason_of, redrive, release
from tests.district import District, district

DEAD, ORDINARY = "https://sqs.test/dead", "https://sqs.test/ordinary"


class Queues:
    """SQS in memory: what is received is hidden until it is released or deleted."""

    def __init__(self) -> None:
        self.visible: dict[str, deque[tuple[str, str]]] = {DEAD: deque(), ORDINARY: deque()}
        self.hidden: dict[str, tuple[str, str]] = {}

    def send_message(self, *, QueueUrl: str, MessageBody: str) -> None:  # noqa: N803 - the wire's names
        self.visible[QueueUrl].append((f"m-{sum(map(len, self.visible.values())):03d}", MessageBody))

    def receive_message(self, *, QueueUrl: str, MaxNumberOfMessages: int, **_: Any) -> Any:  # noqa: N803
        taken: list[dict[str, Any]] = []
        while self.visible[QueueUrl] and len(taken) < MaxNumberOfMessages:
            message_id, body = self.visible[QueueUrl].popleft()
            self.hidden[message_id] = message_id, body
            told = {"SentTimestamp": "1778547600000", "ApproximateReceiveCount": "4"}
            taken.append(
                {"MessageId": message_id, "ReceiptHandle": message_id, "Body": body, "Attributes": told}
            )
        return {"Messages": taken} if taken else {}

    def change_message_visibility(self, *, QueueUrl: str, ReceiptHandle: str, **_: Any) -> None:  # noqa: N803
        self.visible[QueueUrl].append(self.hidden.pop(ReceiptHandle))

    def delete_message(self, *, QueueUrl: str, ReceiptHandle: str) -> None:  # noqa: N803
        self.hidden.pop(ReceiptHandle)


@pytest.fixture
def here() -> District:
    return district().people()


def test_every_letter_is_seen_once_and_stays_where_it_is() -> None:
    sqs = Queues()
    for n in range(25):
        sqs.send_message(QueueUrl=DEAD, MessageBody=str(n))
    first = letters(sqs, DEAD)
    release(sqs, DEAD, first)

    assert [each.body for each in letters(sqs, DEAD)] == [each.body for each in first]


def test_a_letter_says_why_it_was_refused(here: District) -> None:
    unreadable = here.record(here.scanner(0), b"{")["body"]

    assert (reason_of("no envelope").split()[0], reason_of(unreadable)) == (
        "envelope-invalid",
        "payload-not-json",
    )


def test_what_could_be_read_failed_while_it_was_stored(here: District) -> None:
    assert reason_of(here.message(here.scanner(0))["body"]).startswith("readable")


def test_a_redrive_sends_every_body_back_as_it_was() -> None:
    sqs = Queues()
    bodies = [json.dumps({"n": n}) for n in range(12)]
    for body in bodies:
        sqs.send_message(QueueUrl=DEAD, MessageBody=body)

    assert redrive(sqs, DEAD, ORDINARY) == 12
    assert ([body for _, body in sqs.visible[ORDINARY]], len(sqs.visible[DEAD]), sqs.hidden) == (
        bodies,
        0,
        {},
    )
