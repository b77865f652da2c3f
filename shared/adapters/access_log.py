"""Who read what about whom: an append-only log per tenant."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from shared.adapters.memory import MemoryCloud
from shared.adapters.tables import to_item
from shared.ports import Access


class DynamoAccessLog:
    """The log in DynamoDB's cases table."""

    def __init__(self, tenant_id: str, table_name: str, dynamodb: Any) -> None:
        self._pk = f"{tenant_id}#access"
        self._table = table_name
        self._dynamodb = dynamodb

    def record(self, access: Access) -> None:
        doc = _codec().dump_json(access).decode()
        try:
            self._dynamodb.put_item(
                TableName=self._table,
                Item=to_item({"pk": self._pk, "sk": _sort_key(access), "doc": doc}),
                ConditionExpression="attribute_not_exists(pk)",
            )
        except self._dynamodb.exceptions.ConditionalCheckFailedException:
            return  # the same reading again: it is in the log

    def since(self, at: datetime) -> Sequence[Access]:
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="pk = :pk AND sk >= :from",
            ExpressionAttributeValues=to_item({":pk": self._pk, ":from": _minute(at)}),
            ProjectionExpression="doc",
            ConsistentRead=True,
        )
        return [_codec().validate_json(item["doc"]["S"]) for page in pages for item in page["Items"]]


class MemoryAccessLog:
    """The log's twin in memory."""

    def __init__(self, tenant_id: str, world: MemoryCloud) -> None:
        self._tenant_id = tenant_id
        self._lines: dict[tuple[str, str], Access] = world.table("access")

    def record(self, access: Access) -> None:
        self._lines.setdefault((self._tenant_id, _sort_key(access)), access)

    def since(self, at: datetime) -> Sequence[Access]:
        return [
            access
            for (tenant_id, key), access in sorted(self._lines.items(), key=lambda line: line[0])
            if tenant_id == self._tenant_id and key >= _minute(at)
        ]


def _sort_key(access: Access) -> str:
    """One line a minute: a screen that asks every two seconds reads once."""
    who = f"{access.actor_tenant_id}#{access.actor_id}#{access.role}"
    return f"{_minute(access.at)}#{who}#{access.subject_id}#{access.purpose}#{access.what}"


def _minute(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="minutes")


@cache
def _codec() -> TypeAdapter[Access]:
    return TypeAdapter(Access)
