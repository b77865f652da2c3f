"""Legal holds, and certificates of what was destroyed."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from shared.adapters.memory import MemoryCloud
from shared.adapters.tables import to_item
from shared.domain.retention import Destroyed, Hold, Kind, expires


class DynamoRecords:
    """Both in DynamoDB's cases table."""

    def __init__(self, tenant_id: str, table_name: str, dynamodb: Any) -> None:
        self._tenant_id = tenant_id
        self._table = table_name
        self._dynamodb = dynamodb

    def hold(self, hold: Hold) -> None:
        self._put("hold", hold.case_id, {"doc": _holds().dump_json(hold).decode()})

    def lift(self, case_id: str) -> None:
        self._dynamodb.delete_item(TableName=self._table, Key=self._key("hold", case_id))

    def holds(self) -> Sequence[Hold]:
        return [_holds().validate_json(doc) for doc in self._docs("hold")]

    def certify(self, destroyed: Destroyed) -> None:
        doc = _destroyed().dump_json(destroyed).decode()
        ttl = expires(Kind.CERTIFICATE, destroyed.at)
        self._put("certificate", _name(destroyed), {"doc": doc, "ttl": ttl})

    def certificates(self) -> Sequence[Destroyed]:
        return [_destroyed().validate_json(doc) for doc in self._docs("certificate")]

    def _key(self, kind: str, sk: str) -> dict[str, Any]:
        return to_item({"pk": f"{self._tenant_id}#{kind}", "sk": sk})

    def _put(self, kind: str, sk: str, values: dict[str, Any]) -> None:
        self._dynamodb.put_item(TableName=self._table, Item={**self._key(kind, sk), **to_item(values)})

    def _docs(self, kind: str) -> list[str]:
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues=to_item({":pk": f"{self._tenant_id}#{kind}"}),
            ConsistentRead=True,
        )
        return [item["doc"]["S"] for page in pages for item in page["Items"]]


class MemoryRecords:
    """The twin in memory."""

    def __init__(self, tenant_id: str, world: MemoryCloud) -> None:
        self._holds: dict[str, Hold] = world.table("holds").setdefault(tenant_id, {})
        self._destroyed: dict[str, Destroyed] = world.table("certificates").setdefault(tenant_id, {})

    def hold(self, hold: Hold) -> None:
        self._holds[hold.case_id] = hold

    def lift(self, case_id: str) -> None:
        self._holds.pop(case_id, None)

    def holds(self) -> Sequence[Hold]:
        return [self._holds[case_id] for case_id in sorted(self._holds)]

    def certify(self, destroyed: Destroyed) -> None:
        self._destroyed[_name(destroyed)] = destroyed

    def certificates(self) -> Sequence[Destroyed]:
        return [self._destroyed[name] for name in sorted(self._destroyed)]


def _name(destroyed: Destroyed) -> str:
    return f"{destroyed.at.isoformat()}#{destroyed.kind}#{destroyed.about}"


@cache
def _holds() -> TypeAdapter[Hold]:
    return TypeAdapter(Hold)


@cache
def _destroyed() -> TypeAdapter[Destroyed]:
    return TypeAdapter(Destroyed)
