"""A tenant's outings, stored. A running one is kept a second time, so that one query finds all running."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from shared.adapters.memory import MemoryCloud
from shared.adapters.tables import to_item
from shared.domain import retention
from shared.domain.errors import Conflict, NotFound
from shared.domain.outing import Outing, OutingState
from shared.domain.retention import Kind

KEPT = retention.KEPT[Kind.OUTING]
"""An ended outing is looked up this long (who was there), then it expires."""


class DynamoOutings:
    """Outings in DynamoDB's registry table."""

    def __init__(self, tenant_id: str, table_name: str, dynamodb: Any) -> None:
        self._tenant_id = tenant_id
        self._table = table_name
        self._dynamodb = dynamodb

    def get(self, outing_id: str) -> Outing:
        found = self._dynamodb.get_item(
            TableName=self._table, Key=self._key("outing", outing_id), ConsistentRead=True
        ).get("Item")
        if found is None:
            raise NotFound("outing-not-found")
        return _codec().validate_json(found["doc"]["S"])

    def running(self) -> Sequence[Outing]:
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues=to_item({":pk": f"{self._tenant_id}#running"}),
            ProjectionExpression="doc",
            ConsistentRead=True,
        )
        return [_codec().validate_json(item["doc"]["S"]) for page in pages for item in page["Items"]]

    def save(self, outing: Outing) -> Outing:
        after = _next(self._tenant_id, outing)
        doc = {"doc": _codec().dump_json(after).decode(), "version": after.version}
        ttl = {} if after.ended_at is None else {"ttl": int((after.ended_at + KEPT).timestamp())}
        first = outing.version == 0
        condition = "attribute_not_exists(pk)" if first else "version = :read"
        put: dict[str, Any] = {
            "TableName": self._table,
            "Item": {**self._key("outing", outing.outing_id), **to_item({**doc, **ttl})},
            "ConditionExpression": condition,
        }
        if not first:
            put["ExpressionAttributeValues"] = to_item({":read": outing.version})
        running_key = self._key("running", outing.outing_id)
        running: dict[str, Any] = {"Delete": {"TableName": self._table, "Key": running_key}}
        if after.state is OutingState.RUNNING:
            running = {"Put": {"TableName": self._table, "Item": {**running_key, **to_item(doc)}}}
        self._transact([{"Put": put}, running])
        return after

    def _key(self, kind: str, outing_id: str) -> dict[str, Any]:
        return to_item({"pk": f"{self._tenant_id}#{kind}", "sk": outing_id})

    def _transact(self, actions: list[dict[str, Any]]) -> None:
        try:
            self._dynamodb.transact_write_items(TransactItems=actions)
        except self._dynamodb.exceptions.TransactionCanceledException as error:
            reasons = {each.get("Code") for each in error.response.get("CancellationReasons", ())}
            if not reasons & {"ConditionalCheckFailed", "TransactionConflict"}:
                raise
            raise Conflict("outing-overtaken") from error


class MemoryOutings:
    """The outings' twin in memory."""

    def __init__(self, tenant_id: str, world: MemoryCloud) -> None:
        self._tenant_id = tenant_id
        self._outings: dict[tuple[str, str], Outing] = world.table("outings")

    def get(self, outing_id: str) -> Outing:
        found = self._outings.get((self._tenant_id, outing_id))
        if found is None:
            raise NotFound("outing-not-found")
        return found

    def running(self) -> Sequence[Outing]:
        mine = sorted(key for key in self._outings if key[0] == self._tenant_id)
        return [o for key in mine if (o := self._outings[key]).state is OutingState.RUNNING]

    def save(self, outing: Outing) -> Outing:
        after = _next(self._tenant_id, outing)
        stored = self._outings.get((self._tenant_id, outing.outing_id))
        if (stored.version if stored else 0) != outing.version:
            raise Conflict("outing-overtaken")
        self._outings[(self._tenant_id, outing.outing_id)] = after
        return after


def _next(tenant_id: str, outing: Outing) -> Outing:
    """The outing with its version raised. ValueError for another tenant's."""
    if outing.tenant_id != tenant_id:
        raise ValueError(f"an outing of {outing.tenant_id} among those of {tenant_id}")
    return replace(outing, version=outing.version + 1)


@cache
def _codec() -> TypeAdapter[Outing]:
    return TypeAdapter(Outing)
