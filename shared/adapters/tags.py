"""Beacons whose ids rotate: their keys, sealed, and the ids they will send, worked out ahead.

Ingest is given no keys. A sweep that has them writes each window's ids down before the beacons send them;
ingest looks an id up in a dictionary. The ids of a day stay, for what a scanner kept while it was offline.
"""

import struct
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from shared.adapters.memory import MemoryCloud
from shared.adapters.tables import from_item, to_item
from shared.domain.ephemeral_id import PERIOD_S, Issued, Tag, issued
from shared.domain.retention import KEPT, Kind
from shared.ports import Vault

KEPT_S = int(KEPT[Kind.BEACON_IDS].total_seconds())
_ENTRIES = 5000  # in one item of at most 400 KB
_ENTRY = struct.Struct(">8sHB")  # id, seconds into the window, length of the beacon's name that follows


def aes_block(key: bytes, block: bytes) -> bytes:
    """AES-128 of one block, which is all that Eddystone-EID asks of it."""
    from cryptography.hazmat.primitives.ciphers import (  # noqa: PLC0415 - only who has keys
        Cipher,
        algorithms,
        modes,
    )

    cipher = Cipher(algorithms.AES128(key), modes.ECB())  # noqa: S305  # nosec B305 - one block, no message
    return cipher.encryptor().update(block)


class DynamoTags:
    """Keys in the registry table, ids in the tracking table.

    vault: None where no keys are given; then ids can only be looked up.
    """

    def __init__(
        self, tenant_id: str, registry_table: str, tracking_table: str, dynamodb: Any, vault: Vault | None
    ) -> None:
        self._tenant_id = tenant_id
        self._registry = registry_table
        self._tracking = tracking_table
        self._dynamodb = dynamodb
        self._vault = vault

    def put(self, tags: Sequence[Tag]) -> None:
        seal = self._keys().seal
        for tag in tags:
            key = seal("tags", tag.beacon_id, tag.identity_key.hex())
            item = {"pk": f"{self._tenant_id}#tag", "sk": tag.beacon_id, "key": key, "zero_s": tag.zero_s}
            self._dynamodb.put_item(TableName=self._registry, Item=to_item(item))
        for item in self._windows():  # the next sweep writes them anew, with these
            stale = {"pk": item["pk"], "sk": item["sk"]}
            self._dynamodb.delete_item(TableName=self._tracking, Key=to_item(stale))

    def issue(self, windows: Collection[int]) -> int:
        missing = sorted(set(windows) - {int(item["sk"].partition("#")[0]) for item in self._windows()})
        if not missing:
            return 0
        tags = list(self._tags())
        for window in missing:
            self._store(window, [found for tag in tags if (found := issued(tag, window, aes_block))])
        return len(missing) * len(tags)

    def ids(self, window: int) -> Mapping[str, Issued]:
        items = self._query(self._tracking, "ids", f"{window:010d}#")
        entries = [entry for item in items for entry in unpack_ids(item["ids"], window)]
        return {entry.ephemeral_id: entry for entry in entries}

    def _store(self, window: int, entries: Sequence[Issued]) -> None:
        ttl = (window + 1) * PERIOD_S + KEPT_S
        for part in range(max(1, -(-len(entries) // _ENTRIES))):  # an empty one says: worked out, nothing
            chunk = entries[part * _ENTRIES : (part + 1) * _ENTRIES]
            item = {"pk": f"{self._tenant_id}#ids", "sk": f"{window:010d}#{part:03d}", "ttl": ttl}
            packed = {**item, "ids": pack_ids(chunk, window)}
            self._dynamodb.put_item(TableName=self._tracking, Item=to_item(packed))

    def _windows(self) -> list[dict[str, Any]]:
        """Stored windows that can still matter: keys only."""
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._tracking,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues=to_item({":pk": f"{self._tenant_id}#ids"}),
            ProjectionExpression="pk, sk",
            ConsistentRead=True,
        )
        return [from_item(item) for page in pages for item in page["Items"]]

    def _tags(self) -> Iterator[Tag]:
        unseal = self._keys().open
        for item in self._query(self._registry, "tag"):
            key = bytes.fromhex(unseal("tags", item["sk"], item["key"]))
            yield Tag(item["sk"], key, item["zero_s"])

    def _query(self, table: str, kind: str, prefix: str = "") -> Iterator[dict[str, Any]]:
        condition, values = "pk = :pk", {":pk": f"{self._tenant_id}#{kind}"}
        if prefix:
            condition, values = f"{condition} AND begins_with(sk, :sk)", {**values, ":sk": prefix}
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=table,
            KeyConditionExpression=condition,
            ExpressionAttributeValues=to_item(values),
            ConsistentRead=True,
        )
        return (from_item(item) for page in pages for item in page["Items"])

    def _keys(self) -> Vault:
        if self._vault is None:
            raise ValueError("this function was given no keys")
        return self._vault


class MemoryTags:
    """The twin in memory."""

    def __init__(self, tenant_id: str, world: MemoryCloud) -> None:
        self._tags: dict[str, Tag] = world.table("tags").setdefault(tenant_id, {})
        self._ids: dict[int, dict[str, Issued]] = world.table("tags.ids").setdefault(tenant_id, {})

    def put(self, tags: Sequence[Tag]) -> None:
        self._tags |= {tag.beacon_id: tag for tag in tags}
        self._ids.clear()

    def issue(self, windows: Collection[int]) -> int:
        missing = sorted(set(windows) - set(self._ids))
        for window in missing:
            found = (issued(tag, window, aes_block) for tag in self._tags.values())
            self._ids[window] = {each.ephemeral_id: each for each in found if each}
        return len(missing) * len(self._tags)

    def ids(self, window: int) -> Mapping[str, Issued]:
        return self._ids.get(window, {})


def pack_ids(entries: Sequence[Issued], window: int) -> bytes:
    """A window's ids in 11 bytes and the beacon's name each."""
    return b"".join(
        _ENTRY.pack(bytes.fromhex(each.ephemeral_id), each.begins_s - window * PERIOD_S, len(name)) + name
        for each in entries
        for name in [each.beacon_id.encode()]
    )


def unpack_ids(packed: bytes, window: int) -> Iterator[Issued]:
    """The ids again."""
    place = 0
    while place < len(packed):
        short, begins_s, length = _ENTRY.unpack_from(packed, place)
        place += _ENTRY.size + length
        name = packed[place - length : place].decode()
        yield Issued(short.hex(), name, window * PERIOD_S + begins_s)
