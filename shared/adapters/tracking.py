"""What was heard, stored: an item per phone, scanner, outing and watched beacon, and a few of heartbeats.

What a source heard lies on the source's own item: a phone's report and what it heard are written together
or not at all, one message is one write however many children it speaks of, and a source's writers seldom
meet. Hot writes are conditional PartiQL statements, 25 a call: a twelfth of the CPU of single updates.
"""

import json
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, TypeVar
from zlib import crc32

from shared.adapters.memory import MemoryCloud
from shared.adapters.packing import (
    pack_said,
    pack_seen,
    pack_window,
    unpack_said,
    unpack_seen,
    unpack_window,
)
from shared.adapters.tables import Item, from_item, to_attribute, to_item, write_units
from shared.ports import AnyTrack, GroupTrack, PhoneTrack, Quarantined, ScannerTrack, Track, Tracks, key_of

KEPT = timedelta(hours=6)
"""What a source heard expires when it hears no more: longer than a search, shorter than a day."""
NOTED = timedelta(hours=12)
"""What is noted of outings and beacons expires when nobody notes more: longer than a day at the daycare."""
SHARDS = 16
"""Items that hold a tenant's heartbeats: about 20 scanners of a district in each."""
QUARANTINE_KEPT = timedelta(days=14)

_STATEMENTS_MAX = 25  # in a BatchExecuteStatement
_GET_MAX = 100  # keys in a BatchGetItem
_WRITE_MAX = 25  # requests in a BatchWriteItem
_ATTEMPTS = 8  # for what a batch call left unprocessed
_LOST = {"ConditionalCheckFailed", "DuplicateItem"}
_BUSY = {
    "ThrottlingError",
    "ProvisionedThroughputExceeded",
    "RequestLimitExceeded",
    "TransactionConflict",
    "InternalServerError",
}

T = TypeVar("T")

# --- items ---------------------------------------------------------------------------------------


def _item(tenant_id: str, track: AnyTrack, now: datetime) -> Item:
    match track:
        case PhoneTrack():
            said = pack_said(track.reported_ms, track.fixes, track.heard)
            values: Item = {"said": said, "told_ms": track.told_ms}
        case ScannerTrack():
            values = {"said": pack_said((), (), track.heard)}
        case GroupTrack():
            alarms = json.dumps(dict(track.alarms), separators=(",", ":")) if track.alarms else ""
            values = {"alarms": alarms, "sources": _ids_text(sorted(track.sources))}
        case Track():
            values = {"window": pack_window(track.window), "sources": _ids_text(sorted(track.sources))}
    return {
        "pk": f"{tenant_id}#{key_of(track)}",
        "sk": "window",
        **values,
        "version": track.version + 1,
        "ttl": math.ceil((now + (KEPT if "said" in values else NOTED)).timestamp()),
    }


def _track(beacon_id: str, item: Item | None) -> Track:
    if item is None:
        return Track(beacon_id)
    return Track(beacon_id, unpack_window(item["window"]), frozenset(_ids(item["sources"])), item["version"])


def _phone_track(phone_id: str, item: Item | None) -> PhoneTrack:
    if item is None:
        return PhoneTrack(phone_id)
    reported_ms, fixes, heard = unpack_said(item["said"], phone_id)
    return PhoneTrack(phone_id, reported_ms, fixes, item["version"], item["told_ms"], heard)


def _scanner_track(scanner_id: str, item: Item | None) -> ScannerTrack:
    if item is None:
        return ScannerTrack(scanner_id)
    return ScannerTrack(scanner_id, unpack_said(item["said"], scanner_id)[2], item["version"])


def _group_track(outing_id: str, item: Item | None) -> GroupTrack:
    if item is None:
        return GroupTrack(outing_id)
    alarms = json.loads(item["alarms"]) if item["alarms"] else {}
    return GroupTrack(outing_id, alarms, frozenset(_ids(item["sources"])), item["version"])


def _tracks(
    beacons: Iterable[str],
    phones: Iterable[str],
    scanners: Iterable[str],
    groups: Iterable[str],
    found: Mapping[str, Item],
) -> Tracks:
    return Tracks(
        beacons={each: _track(each, found.get(f"beacon#{each}")) for each in beacons},
        phones={each: _phone_track(each, found.get(f"phone#{each}")) for each in phones},
        scanners={each: _scanner_track(each, found.get(f"scanner#{each}")) for each in scanners},
        groups={each: _group_track(each, found.get(f"outing#{each}")) for each in groups},
    )


def _kinds(
    beacons: Iterable[str], phones: Iterable[str], scanners: Iterable[str], groups: Iterable[str]
) -> list[str]:
    asked = (("beacon", beacons), ("phone", phones), ("scanner", scanners), ("outing", groups))
    return [f"{kind}#{each}" for kind, ids in asked for each in ids]


def _ids_text(ids: Iterable[str]) -> str:
    """`=garam-s-001,002,=garam-p-001`: an id that differs from the last only in its last part is short."""
    parts: list[str] = []
    before = ""
    for each in ids:
        stem, _, last = each.rpartition("-")
        parts.append(last if parts and stem and stem == before else f"={each}")
        before = stem
    return ",".join(parts)


def _ids(text: str) -> tuple[str, ...]:
    found: list[str] = []
    for part in text.split(",") if text else ():
        stem = found[-1].rpartition("-")[0] if found else ""
        found.append(part[1:] if part.startswith("=") else f"{stem}-{part}")
    return tuple(found)


def _shard(scanner_id: str) -> str:
    """Which of the SHARDS items holds the scanner's heartbeat."""
    return f"{crc32(scanner_id.encode()) % SHARDS:02d}"


def _by_shard(seen_ms: Mapping[str, int]) -> dict[str, dict[str, int]]:
    shards: dict[str, dict[str, int]] = {}
    for scanner_id, at_ms in seen_ms.items():
        shards.setdefault(_shard(scanner_id), {})[scanner_id] = at_ms
    return shards


def _beats(tenant_id: str, shard: str, seen_ms: Mapping[str, int], stored: Item | None) -> Item | None:
    """The shard's item with what is newer, or None when nothing is."""
    known = unpack_seen(stored["seen"]) if stored else {}
    newer = {name: at_ms for name, at_ms in seen_ms.items() if at_ms > known.get(name, 0)}
    if not newer:
        return None
    version = stored["version"] if stored else 0
    key = {"pk": f"{tenant_id}#heartbeat#{shard}", "sk": "window"}
    return {**key, "seen": pack_seen(known | newer), "version": version + 1}


def _quarantined(item: Item) -> Quarantined:
    return Quarantined(item["message_id"], item["received_ms"], item["thing"], item["reason"], item["body"])


def _quarantine_values(message: Quarantined, now: datetime) -> Item:
    return {
        "message_id": message.message_id,
        "received_ms": message.received_ms,
        "thing": message.thing,
        "reason": message.reason,
        "body": message.body,
        "ttl": math.ceil((now + QUARANTINE_KEPT).timestamp()),
    }


def _quarantine_key(message: Quarantined) -> str:
    return f"{message.received_ms:015d}#{message.message_id}"


# --- adapters ------------------------------------------------------------------------------------


class DynamoTracking:
    """Tracking in DynamoDB."""

    def __init__(self, tenant_id: str, table_name: str, dynamodb: Any) -> None:
        self._tenant_id = tenant_id
        self._table = table_name
        self._dynamodb = dynamodb
        self.write_units = 0

    def read(
        self,
        *,
        beacons: Iterable[str] = (),
        phones: Iterable[str] = (),
        scanners: Iterable[str] = (),
        groups: Iterable[str] = (),
    ) -> Tracks:
        asked = list(beacons), list(phones), list(scanners), list(groups)
        return _tracks(*asked, self._get(_kinds(*asked)))

    def save(self, tracks: Sequence[AnyTrack], *, now: datetime) -> list[AnyTrack]:
        lost: list[AnyTrack] = []
        for chunk in _chunks(tracks, _STATEMENTS_MAX):
            items = [_item(self._tenant_id, track, now) for track in chunk]
            codes = self._store(items)
            # A busy one was not stored either: the caller reads it again and tries once more.
            lost += [track for track, code in zip(chunk, codes, strict=True) if code]
        return lost

    def heartbeat(self, seen_ms: Mapping[str, int]) -> None:
        waiting = _by_shard(seen_ms)
        for _ in range(_ATTEMPTS):
            known = self._get(f"heartbeat#{shard}" for shard in waiting)
            items = [
                item
                for shard, seen in waiting.items()
                if (item := _beats(self._tenant_id, shard, seen, known.get(f"heartbeat#{shard}")))
            ]
            codes = self._store(items) if items else []
            lost = {item["pk"] for item, code in zip(items, codes, strict=True) if code}
            waiting = {
                shard: seen for shard, seen in waiting.items() if f"{self._pk('heartbeat')}#{shard}" in lost
            }
            if not waiting:
                return

    def heartbeats(self) -> dict[str, int]:
        found = self._get(f"heartbeat#{n:02d}" for n in range(SHARDS))
        return {name: at_ms for item in found.values() for name, at_ms in unpack_seen(item["seen"]).items()}

    def quarantine(self, messages: Sequence[Quarantined], *, now: datetime) -> None:
        pk = self._pk("quarantine")
        by_key = {_quarantine_key(message): _quarantine_values(message, now) for message in messages}
        items = [{"pk": pk, "sk": sk, **values} for sk, values in by_key.items()]
        self.write_units += sum(map(write_units, items))
        self._write([{"PutRequest": {"Item": to_item(item)}} for item in items])

    def quarantined(self, limit: int = 100) -> Sequence[Quarantined]:
        newest = self._query("quarantine", ScanIndexForward=False)
        return [_quarantined(item) for item in islice(newest, limit)]

    def forget(self, beacon_ids: Collection[str]) -> None:
        keys = [{"pk": self._pk(f"beacon#{each}"), "sk": "window"} for each in set(beacon_ids)]
        self._write([{"DeleteRequest": {"Key": to_item(key)}} for key in keys])

    def _pk(self, kind: str) -> str:
        return f"{self._tenant_id}#{kind}"

    def _get(self, kinds: Iterable[str]) -> dict[str, Item]:
        """Window items by what stands behind the tenant in their key; consistent, for a decision follows."""
        found: dict[str, Item] = {}
        for chunk in _chunks(list(dict.fromkeys(kinds)), _GET_MAX):
            keys = [to_item({"pk": self._pk(kind), "sk": "window"}) for kind in chunk]
            wanted: Any = {self._table: {"Keys": keys, "ConsistentRead": True}}
            for _ in range(_ATTEMPTS):
                answer = self._dynamodb.batch_get_item(RequestItems=wanted)
                for attributes in answer["Responses"].get(self._table, ()):
                    item = from_item(attributes)
                    found[item["pk"].removeprefix(self._pk(""))] = item
                wanted = answer.get("UnprocessedKeys")
                if not wanted:
                    break
            else:
                raise TimeoutError("the tracking table did not answer the whole batch")
        return found

    def _query(self, kind: str, **options: Any) -> Iterator[Item]:
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues=to_item({":pk": self._pk(kind)}),
            ConsistentRead=True,
            **options,
        )
        return (from_item(attributes) for page in pages for attributes in page["Items"])

    def _write(self, requests: Sequence[dict[str, Any]]) -> None:
        for chunk in _chunks(requests, _WRITE_MAX):
            wanted: Any = {self._table: chunk}
            for _ in range(_ATTEMPTS):
                wanted = self._dynamodb.batch_write_item(RequestItems=wanted).get("UnprocessedItems")
                if not wanted:
                    break
            else:
                raise TimeoutError("the tracking table did not take the whole batch")

    def _store(self, items: Sequence[Item]) -> list[str]:
        """Write versioned items, 25 at the most; why each was not stored, empty where it was."""
        self.write_units += sum(map(write_units, items))
        return self._execute([self._conditional(item, item["version"] - 1) for item in items])

    def _conditional(self, item: Item, version: int) -> dict[str, Any]:
        """Store the item if the stored one still has this version; 0: if there is none."""
        if version == 0:
            return self._insert(item)
        values = {name: value for name, value in item.items() if name not in ("pk", "sk")}
        assignments = " ".join(f'SET "{name}"=?' for name in values)
        where = 'WHERE "pk"=? AND "sk"=? AND "version"=?'
        return self._statement(f"{assignments} {where}", [*values.values(), item["pk"], item["sk"], version])

    def _insert(self, values: Item) -> dict[str, Any]:
        fields = ", ".join(f"'{name}': ?" for name in values)
        return {
            "Statement": f'INSERT INTO "{self._table}" VALUE {{{fields}}}',
            "Parameters": [to_attribute(value) for value in values.values()],
        }

    def _statement(self, rest: str, parameters: Sequence[Any]) -> dict[str, Any]:
        return {
            "Statement": f'UPDATE "{self._table}" {rest}',
            "Parameters": [to_attribute(value) for value in parameters],
        }

    def _execute(self, statements: Sequence[dict[str, Any]]) -> list[str]:
        """Why each statement was not carried out (_LOST, _BUSY), empty where it was.

        RuntimeError for any other reason: retrying cannot mend it.
        """
        answer = self._dynamodb.batch_execute_statement(Statements=statements)
        codes = [each.get("Error", {}).get("Code", "") for each in answer["Responses"]]
        refused = sorted(set(codes) - _LOST - _BUSY - {""})
        if refused:
            raise RuntimeError(f"the tracking table refused statements: {', '.join(refused)}")
        return codes


class MemoryTracking:
    """Tracking's twin in memory. It stores the same items, so what an item cannot hold, it cannot either."""

    def __init__(self, tenant_id: str, world: MemoryCloud) -> None:
        self._tenant_id = tenant_id
        self._items: dict[tuple[str, str], Item] = world.table("tracking")
        self.write_units = 0

    def read(
        self,
        *,
        beacons: Iterable[str] = (),
        phones: Iterable[str] = (),
        scanners: Iterable[str] = (),
        groups: Iterable[str] = (),
    ) -> Tracks:
        asked = list(beacons), list(phones), list(scanners), list(groups)
        found = {kind: item for kind in _kinds(*asked) if (item := self._items.get(self._key(kind)))}
        return _tracks(*asked, found)

    def save(self, tracks: Sequence[AnyTrack], *, now: datetime) -> list[AnyTrack]:
        return [track for track in tracks if not self._store(_item(self._tenant_id, track, now))]

    def heartbeat(self, seen_ms: Mapping[str, int]) -> None:
        for shard, seen in _by_shard(seen_ms).items():
            item = _beats(self._tenant_id, shard, seen, self._items.get(self._key(f"heartbeat#{shard}")))
            if item:
                self._store(item)

    def heartbeats(self) -> dict[str, int]:
        kept = (self._items.get(self._key(f"heartbeat#{n:02d}")) for n in range(SHARDS))
        return {name: at_ms for item in kept if item for name, at_ms in unpack_seen(item["seen"]).items()}

    def quarantine(self, messages: Sequence[Quarantined], *, now: datetime) -> None:
        for message in messages:
            key = f"{self._tenant_id}#quarantine", _quarantine_key(message)
            self._items[key] = _quarantine_values(message, now)
            self.write_units += write_units(self._items[key])

    def quarantined(self, limit: int = 100) -> Sequence[Quarantined]:
        return [_quarantined(item) for _, item in reversed(self._partition("quarantine"))][:limit]

    def forget(self, beacon_ids: Collection[str]) -> None:
        for beacon_id in beacon_ids:
            self._items.pop(self._key(f"beacon#{beacon_id}"), None)

    def _store(self, item: Item) -> bool:
        self.write_units += write_units(item)
        key = item["pk"], item["sk"]
        stored = self._items.get(key)
        if (stored["version"] if stored else 0) != item["version"] - 1:
            return False
        self._items[key] = from_item(to_item(item))
        return True

    def _key(self, kind: str) -> tuple[str, str]:
        return f"{self._tenant_id}#{kind}", "window"

    def _partition(self, kind: str) -> list[tuple[str, Item]]:
        pk = f"{self._tenant_id}#{kind}"
        return sorted((key[1], item) for key, item in self._items.items() if key[0] == pk)


def _chunks(of: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (of[start : start + size] for start in range(0, len(of), size))
