"""The sharing desk: what one tenant offered another, kept on both sides in one transaction.

It is the only adapter that writes for two tenants; it is born for one of them and refuses shares
between two others.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from shared.adapters.memory import MemoryCloud
from shared.adapters.tables import from_item, to_item
from shared.domain.errors import Conflict, NotFound
from shared.domain.retention import Kind, expires
from shared.domain.sharing import Share


class DynamoShares:
    """Shares in the `cases` table: with the owner, by case, and in the neighbour's inbox.

    desk: DynamoDB for an owner's and a neighbour's partitions of shares; the only client that writes for two.
    """

    def __init__(
        self, tenant_id: str, table_name: str, dynamodb: Any, desk: Callable[[str, str], Any]
    ) -> None:
        self._tenant_id = tenant_id
        self._table = table_name
        self._dynamodb = dynamodb
        self._desk = desk

    def of_case(self, case_id: str) -> Sequence[Share]:
        return self._query(f"{self._tenant_id}#share#{case_id}")

    def inbox(self) -> Sequence[Share]:
        return self._query(f"{self._tenant_id}#inbox")

    def received(self, owner_id: str, case_id: str) -> Share:
        key = to_item({"pk": f"{self._tenant_id}#inbox", "sk": f"{owner_id}#{case_id}"})
        found = self._dynamodb.get_item(TableName=self._table, Key=key, ConsistentRead=True)
        if "Item" not in found:
            raise NotFound("share-not-found")
        return _share(found["Item"])

    def save(self, share: Share) -> Share:
        _refuse_strangers(self._tenant_id, share)
        stored = replace(share, version=share.version + 1)
        sides = (
            {"pk": f"{share.owner_id}#share#{share.case_id}", "sk": share.neighbour_id},
            {"pk": f"{share.neighbour_id}#inbox", "sk": f"{share.owner_id}#{share.case_id}"},
        )
        body, ttl = _adapter().dump_json(stored).decode(), expires(Kind.GRANT, stored.until)
        items = [
            self._put({**side, "body": body, "version": stored.version, "ttl": ttl}, share.version)
            for side in sides
        ]
        dynamodb = self._desk(share.owner_id, share.neighbour_id)
        try:
            dynamodb.transact_write_items(TransactItems=items)
        except dynamodb.exceptions.TransactionCanceledException as cancelled:
            codes = {reason.get("Code") for reason in cancelled.response.get("CancellationReasons", [])}
            if not codes & {"ConditionalCheckFailed", "TransactionConflict"}:
                raise
            raise Conflict("share-overtaken", neighbour_id=share.neighbour_id) from None
        return stored

    def _put(self, item: dict[str, Any], old_version: int) -> dict[str, Any]:
        put = {"TableName": self._table, "Item": to_item(item)}
        if old_version == 0:
            return {"Put": {**put, "ConditionExpression": "attribute_not_exists(pk)"}}
        values = to_item({":old": old_version})
        return {"Put": {**put, "ConditionExpression": "version = :old", "ExpressionAttributeValues": values}}

    def _query(self, pk: str) -> list[Share]:
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues=to_item({":pk": pk}),
            ConsistentRead=True,
        )
        return _ordered(_share(item) for page in pages for item in page["Items"])


class MemoryShares:
    """The twin: one dictionary, keyed by (owner, case, neighbour)."""

    def __init__(self, tenant_id: str, world: MemoryCloud) -> None:
        self._tenant_id = tenant_id
        self._shares: dict[tuple[str, str, str], Share] = world.table("shares")

    def of_case(self, case_id: str) -> Sequence[Share]:
        mine = (
            s for (owner, case, _), s in self._shares.items() if (owner, case) == (self._tenant_id, case_id)
        )
        return _ordered(mine)

    def inbox(self) -> Sequence[Share]:
        return _ordered(s for (_, _, to), s in self._shares.items() if to == self._tenant_id)

    def received(self, owner_id: str, case_id: str) -> Share:
        share = self._shares.get((owner_id, case_id, self._tenant_id))
        if share is None:
            raise NotFound("share-not-found")
        return share

    def save(self, share: Share) -> Share:
        _refuse_strangers(self._tenant_id, share)
        key = (share.owner_id, share.case_id, share.neighbour_id)
        known = self._shares.get(key)
        if share.version != (known.version if known else 0):
            raise Conflict("share-overtaken", neighbour_id=share.neighbour_id)
        self._shares[key] = replace(share, version=share.version + 1)
        return self._shares[key]


def _refuse_strangers(tenant_id: str, share: Share) -> None:
    if tenant_id not in (share.owner_id, share.neighbour_id):
        raise NotFound("share-not-found")


def _ordered(shares: Any) -> list[Share]:
    return sorted(shares, key=lambda share: (share.offered_at, share.owner_id, share.neighbour_id))


@cache
def _adapter() -> TypeAdapter[Share]:
    return TypeAdapter(Share)


def _share(item: Any) -> Share:
    return _adapter().validate_json(from_item(item)["body"])
