"""`jikimi dlq`: what ingest gave up, why, and back into its queue once the cause is mended."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from shared.domain.errors import Rejected
from shared.schema.sightings import read_envelope, read_payload

QUEUES = {"ingest": "IngestDeadLettersUrl", "rules": "RuleErrorsUrl"}
"""Outputs of the stack. What the rules could not hand over never was a record, and cannot go back."""
_HIDDEN_S = 20  # while one looks
_BATCH = 10


@dataclass(frozen=True, slots=True)
class Letter:
    """One message that was given up. sent_ms: epoch ms; receives: how often it was tried."""

    message_id: str
    sent_ms: int
    receives: int
    reason: str
    body: str
    handle: str


def letters(sqs: Any, url: str, limit: int = 100) -> list[Letter]:
    """At most `limit` of the queue's messages, oldest first; they stay there, hidden for some seconds."""
    found: dict[str, Letter] = {}
    for letter in _received(sqs, url):
        if letter.message_id in found or len(found) >= limit:
            break
        found[letter.message_id] = letter
    return sorted(found.values(), key=lambda each: (each.sent_ms, each.message_id))


def release(sqs: Any, url: str, looked_at: list[Letter]) -> None:
    """Let others see again what was looked at."""
    for letter in looked_at:
        sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=letter.handle, VisibilityTimeout=0)


def redrive(sqs: Any, url: str, back_to: str) -> int:
    """Send everything back to the queue it came from; how many. Sent before deleted: twice is harmless."""
    count = 0
    for letter in _received(sqs, url):
        sqs.send_message(QueueUrl=back_to, MessageBody=letter.body)
        sqs.delete_message(QueueUrl=url, ReceiptHandle=letter.handle)
        count += 1
    return count


def reason_of(body: str) -> str:
    """Why ingest could not take it, as the code it would be refused with today."""
    try:
        read_payload(read_envelope(body).payload)
    except Rejected as error:
        return " ".join([error.code, *(str(value) for value in error.params.values())])
    return "readable: storing it failed (log group of ingest-sightings, by message_id)"


def shown(letter: Letter) -> str:
    """The whole body, indented if it is JSON."""
    try:
        return json.dumps(json.loads(letter.body), ensure_ascii=False, indent=2)
    except ValueError:
        return letter.body


def _received(sqs: Any, url: str) -> Iterator[Letter]:
    while True:
        said: Mapping[str, Any] = sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=_BATCH,
            VisibilityTimeout=_HIDDEN_S,
            WaitTimeSeconds=1,
            AttributeNames=["All"],
        )
        messages = said.get("Messages", ())
        if not messages:
            return
        for each in messages:
            told = each.get("Attributes", {})
            yield Letter(
                each["MessageId"],
                int(told.get("SentTimestamp", 0)),
                int(told.get("ApproximateReceiveCount", 0)),
                reason_of(each["Body"]),
                each["Body"],
                each["ReceiptHandle"],
            )
