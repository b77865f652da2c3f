"""Answers to writes by idempotency key, so that a request sent twice is done once."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from shared.adapters.memory import MemoryCloud
from shared.adapters.tables import from_item, to_item
from shared.domain import retention
from shared.domain.errors import Conflict
from shared.domain.retention import Kind
from shared.ports import Answer, Vault

KEPT = retention.KEPT[Kind.ANSWER]
LEASE = timedelta(seconds=60)
"""Longer than any request runs: whoever held the key longer has died, and the next attempt takes it."""


class DynamoAnswers:
    """Answers in DynamoDB's cases table, sealed: they may say names and places."""

    def __init__(self, tenant_id: str, table_name: str, dynamodb: Any, vault: Vault) -> None:
        self._pk = f"{tenant_id}#answer"
        self._table = table_name
        self._dynamodb = dynamodb
        self._vault = vault

    def begin(self, key: str, request: str, *, now: datetime) -> Answer | None:
        until = int((now + LEASE).timestamp())
        try:
            self._dynamodb.put_item(
                TableName=self._table,
                Item=self._item(key, request=request, until=until, ttl=int((now + KEPT).timestamp())),
                ConditionExpression="attribute_not_exists(pk) OR (attribute_not_exists(#s) AND #u <= :now)",
                ExpressionAttributeNames={"#s": "status", "#u": "until"},
                ExpressionAttributeValues=to_item({":now": int(now.timestamp())}),
            )
        except self._dynamodb.exceptions.ConditionalCheckFailedException:
            found = self._dynamodb.get_item(TableName=self._table, Key=self._item(key), ConsistentRead=True)
            earlier = _earlier(from_item(found.get("Item", {})), request)
            return replace(earlier, body=self._vault.open("answers", key, earlier.body))
        return None

    def finish(self, key: str, request: str, answer: Answer, *, now: datetime) -> None:
        ttl = int((now + KEPT).timestamp())
        body = self._vault.seal("answers", key, answer.body)
        self._dynamodb.put_item(
            TableName=self._table,
            Item=self._item(key, request=request, status=answer.status, body=body, ttl=ttl),
        )

    def abandon(self, key: str) -> None:
        self._dynamodb.delete_item(TableName=self._table, Key=self._item(key))

    def _item(self, key: str, **values: Any) -> dict[str, Any]:
        return to_item({"pk": self._pk, "sk": key, **values})


class MemoryAnswers:
    """The answers' twin in memory."""

    def __init__(self, tenant_id: str, world: MemoryCloud) -> None:
        self._tenant_id = tenant_id
        self._answers: dict[tuple[str, str], dict[str, Any]] = world.table("answers")

    def begin(self, key: str, request: str, *, now: datetime) -> Answer | None:
        found = self._answers.get((self._tenant_id, key))
        if found is not None and ("status" in found or found["until"] > now.timestamp()):
            return _earlier(found, request)
        self._answers[(self._tenant_id, key)] = {"request": request, "until": (now + LEASE).timestamp()}
        return None

    def finish(self, key: str, request: str, answer: Answer, *, now: datetime) -> None:
        stored = {"request": request, "status": answer.status, "body": answer.body}
        self._answers[(self._tenant_id, key)] = stored

    def abandon(self, key: str) -> None:
        self._answers.pop((self._tenant_id, key), None)


def _earlier(found: dict[str, Any], request: str) -> Answer:
    """What was answered. Conflict when nothing was yet, or to another request."""
    if found and found["request"] != request:
        raise Conflict("idempotency-key-reused")
    if "status" not in found:
        raise Conflict("request-in-progress")
    return Answer(found["status"], found["body"])
