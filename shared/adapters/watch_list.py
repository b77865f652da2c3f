"""Beacons everybody in the district listens for, and the retained message that tells the scanners."""

import json
import math
from collections.abc import Callable, Sequence
from typing import Any

from shared.adapters.clock import epoch_ms, from_epoch_ms
from shared.adapters.memory import MemoryCloud
from shared.adapters.tables import Item, from_item, to_item
from shared.ports import Watched

_ROUNDS = 5


def topic(tenant_id: str) -> str:
    """Where a tenant's scanners find the list, retained."""
    return f"cmd/jikimi/{tenant_id}/watch"


def payload(entries: Sequence[Watched]) -> bytes:
    """What the scanners are told: the beacons, and nothing of whose they are or why."""
    return json.dumps({"v": 1, "beacons": sorted(each.beacon_id for each in entries)}).encode()


class DynamoWatchList:
    """The watch list in DynamoDB's tracking table, published through AWS IoT."""

    def __init__(self, tenant_id: str, table_name: str, dynamodb: Any, iot_data: Callable[[], Any]) -> None:
        self._tenant_id = tenant_id
        self._pk = f"{tenant_id}#watch"
        self._table = table_name
        self._dynamodb = dynamodb
        self._iot_data = iot_data

    def entries(self) -> Sequence[Watched]:
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues=to_item({":pk": self._pk}),
            ConsistentRead=True,
        )
        return [_watched(from_item(attributes)) for page in pages for attributes in page["Items"]]

    def add(self, watched: Watched) -> None:
        values = {"pk": self._pk, "sk": watched.beacon_id, **_values(watched)}
        self._dynamodb.put_item(TableName=self._table, Item=to_item(values))
        self._publish()

    def remove(self, beacon_id: str) -> None:
        key = to_item({"pk": self._pk, "sk": beacon_id})
        self._dynamodb.delete_item(TableName=self._table, Key=key)
        self._publish()

    def _publish(self) -> None:
        """Publish what is stored. Two writers at once may overtake each other between reading and
        publishing, so each looks again afterwards: the last to publish has seen every write before it.
        """
        told = None
        for _ in range(_ROUNDS):
            now = payload(self.entries())
            if now == told:
                return
            self._iot_data().publish(topic=topic(self._tenant_id), qos=1, retain=True, payload=now)
            told = now


class MemoryWatchList:
    """The watch list's twin in memory; it retains the message in the world."""

    def __init__(self, tenant_id: str, world: MemoryCloud) -> None:
        self._tenant_id = tenant_id
        self._world = world
        self._entries: dict[tuple[str, str], Watched] = world.table("watch_list")

    def entries(self) -> Sequence[Watched]:
        return [self._entries[key] for key in sorted(self._entries) if key[0] == self._tenant_id]

    def add(self, watched: Watched) -> None:
        self._entries[(self._tenant_id, watched.beacon_id)] = watched
        self._publish()

    def remove(self, beacon_id: str) -> None:
        self._entries.pop((self._tenant_id, beacon_id), None)
        self._publish()

    def _publish(self) -> None:
        self._world.retained[topic(self._tenant_id)] = payload(self.entries())


def _values(watched: Watched) -> Item:
    values: Item = {"case_id": watched.case_id, "owner_id": watched.owner_id}
    if watched.until:
        values |= {"until_ms": epoch_ms(watched.until), "ttl": math.ceil(watched.until.timestamp())}
    if watched.deaf:
        values["deaf"] = watched.deaf
    return values


def _watched(item: Item) -> Watched:
    until = from_epoch_ms(item["until_ms"]) if "until_ms" in item else None
    return Watched(item["sk"], item["case_id"], item["owner_id"], until, tuple(item.get("deaf", ())))
