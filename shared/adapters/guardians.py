"""Guardians, stored: forms and contacts apart from the children, links, and what is owed to them.

In the registry table under partitions of their own, so that a role can be kept from them:
`<tenant>#guardian`, `<tenant>#link` (by the digest of the secret; the secret itself is nowhere) and
`<tenant>#owed`, in the order in which it falls due. What says who a guardian is is sealed under a key of its
own, which is shredded when it is destroyed: no backup opens it again.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from shared.adapters.memory import MemoryCloud
from shared.adapters.tables import to_item
from shared.domain.errors import Conflict, NotFound
from shared.domain.guardian import Guardianship, Link, Owed
from shared.ports import Vault

LINK_KEPT = timedelta(days=1)  # a dead link says so for a while, then expires from the table


def digest(secret: str) -> str:
    """What is stored of a secret that stands in an address. It is long and random, so it needs no salt."""
    return hashlib.sha256(secret.encode()).hexdigest()


class DynamoGuardians:
    """Guardians in DynamoDB's registry table."""

    def __init__(self, tenant_id: str, table_name: str, dynamodb: Any, vault: Vault | None) -> None:
        self._tenant_id = tenant_id
        self._table = table_name
        self._dynamodb = dynamodb
        self._vault = vault

    def of(self, subject_id: str) -> Guardianship:
        item = self._item("guardian", subject_id)
        if item is None:
            return Guardianship(subject_id)
        known = _guardianships().validate_json(item["doc"]["S"])
        if self._vault is None or "private" not in item:
            return known
        private = self._vault.open(_sealed_for(subject_id), "private", item["private"]["S"])
        whole = _guardianships().validate_json(private)
        return replace(known, filed=whole.filed, endpoint=whole.endpoint)

    def save(self, guardianship: Guardianship) -> Guardianship:
        after = replace(guardianship, version=guardianship.version + 1)
        known = replace(after, filed=None, endpoint="")
        item = {"doc": _guardianships().dump_json(known).decode(), "version": after.version}
        if self._vault is None:
            raise ValueError("a guardian is stored sealed, and this function was given no keys")
        if known != after:
            doc = _guardianships().dump_json(after).decode()
            item["private"] = self._vault.seal(_sealed_for(after.subject_id), "private", doc)
        put: dict[str, Any] = {
            "TableName": self._table,
            "Item": {**self._key("guardian", after.subject_id), **to_item(item)},
            "ConditionExpression": "attribute_not_exists(pk)",
        }
        if guardianship.version:
            put["ConditionExpression"] = "version = :read"
            put["ExpressionAttributeValues"] = to_item({":read": guardianship.version})
        try:
            self._dynamodb.put_item(**put)
        except self._dynamodb.exceptions.ConditionalCheckFailedException as error:
            raise Conflict("guardianship-overtaken") from error
        if known == after:
            self._vault.shred(_sealed_for(after.subject_id))
        return after

    def link(self, secret: str) -> Link:
        item = self._item("link", digest(secret))
        if item is None:
            raise NotFound("link-not-found")
        return _links().validate_json(item["doc"]["S"])

    def put_link(self, secret: str, link: Link) -> None:
        ttl = int((link.until + LINK_KEPT).timestamp())
        self._put("link", digest(secret), {"doc": _links().dump_json(link).decode(), "ttl": ttl})

    def owe(self, owed: Owed) -> None:
        self._put("owed", _order(owed), {"doc": _owed().dump_json(owed).decode()})

    def settle(self, owed: Owed) -> None:
        self._dynamodb.delete_item(TableName=self._table, Key=self._key("owed", _order(owed)))

    def owed(self) -> Sequence[Owed]:
        return self._owed_until("~")

    def due(self, now: datetime) -> Sequence[Owed]:
        return self._owed_until(f"{_moment(now)}~")

    def _owed_until(self, last: str) -> list[Owed]:
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="pk = :pk AND sk <= :last",
            ExpressionAttributeValues=to_item({":pk": f"{self._tenant_id}#owed", ":last": last}),
            ProjectionExpression="doc",
            ConsistentRead=True,
        )
        return [_owed().validate_json(item["doc"]["S"]) for page in pages for item in page["Items"]]

    def _key(self, kind: str, sk: str) -> dict[str, Any]:
        return to_item({"pk": f"{self._tenant_id}#{kind}", "sk": sk})

    def _item(self, kind: str, sk: str) -> dict[str, Any] | None:
        key = self._key(kind, sk)
        item: dict[str, Any] | None = self._dynamodb.get_item(
            TableName=self._table, Key=key, ConsistentRead=True
        ).get("Item")
        return item

    def _put(self, kind: str, sk: str, values: dict[str, Any]) -> None:
        self._dynamodb.put_item(TableName=self._table, Item={**self._key(kind, sk), **to_item(values)})


class MemoryGuardians:
    """The twin in memory."""

    def __init__(self, tenant_id: str, world: MemoryCloud) -> None:
        self._tenant_id = tenant_id
        self._guardians: dict[tuple[str, str], Guardianship] = world.table("guardians")
        self._links: dict[tuple[str, str], Link] = world.table("guardians.links")
        self._owed: dict[tuple[str, str], Owed] = world.table("guardians.owed")

    def of(self, subject_id: str) -> Guardianship:
        return self._guardians.get((self._tenant_id, subject_id), Guardianship(subject_id))

    def save(self, guardianship: Guardianship) -> Guardianship:
        if self.of(guardianship.subject_id).version != guardianship.version:
            raise Conflict("guardianship-overtaken")
        after = replace(guardianship, version=guardianship.version + 1)
        self._guardians[(self._tenant_id, after.subject_id)] = after
        return after

    def link(self, secret: str) -> Link:
        found = self._links.get((self._tenant_id, digest(secret)))
        if found is None:
            raise NotFound("link-not-found")
        return found

    def put_link(self, secret: str, link: Link) -> None:
        self._links[(self._tenant_id, digest(secret))] = link

    def owe(self, owed: Owed) -> None:
        self._owed[(self._tenant_id, _order(owed))] = owed

    def settle(self, owed: Owed) -> None:
        self._owed.pop((self._tenant_id, _order(owed)), None)

    def owed(self) -> Sequence[Owed]:
        return [self._owed[key] for key in sorted(self._owed) if key[0] == self._tenant_id]

    def due(self, now: datetime) -> Sequence[Owed]:
        return [each for each in self.owed() if each.look_at <= now]


def _sealed_for(subject_id: str) -> str:
    return f"guardian#{subject_id}"


def _order(owed: Owed) -> str:
    return f"{_moment(owed.look_at)}#{owed.owed_id}"


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")


@cache
def _guardianships() -> TypeAdapter[Guardianship]:
    return TypeAdapter(Guardianship)


@cache
def _links() -> TypeAdapter[Link]:
    return TypeAdapter(Link)


@cache
def _owed() -> TypeAdapter[Owed]:
    return TypeAdapter(Owed)
