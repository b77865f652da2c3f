"""What was heard, stored: one item per beacon and per phone, scanner heartbeats and the quarantine.

A beacon's item holds its window packed into bytes (a write unit is 1 KB, and an item is rewritten every few
seconds), and beside it what was derived from it, in plain attributes that a person can read.
Hot writes are conditional PartiQL statements, 25 a call: a twelfth of the CPU of single updates.
"""

import json
import math
import struct
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, TypeVar

from shared.adapters.memory import MemoryCloud
from shared.adapters.tables import Item, from_item, to_attribute, to_item, write_units
from shared.domain.geo import Ellipse, LatLon
from shared.domain.position import Fix, Shape
from shared.domain.sighting import WINDOW_MAX, Sighting, Window
from shared.ports import PhoneTrack, Quarantined, Track

KEPT = timedelta(hours=6)
"""A track nobody adds to or forgets expires: longer than a search, shorter than a day."""
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

# --- the packed window ---------------------------------------------------------------------------

_FORMAT = 1
_FORMAT_NEAR = 2  # the same, with places told from the first one: a phone does not walk far in two minutes
_HEAD = struct.Struct("<BQBBB")  # format, newest ms, number of sources, of places, of sightings
_PLACE = struct.Struct("<iiH")  # micro-degrees, accuracy m
_PLACE_NEAR = struct.Struct("<hhB")  # micro-degrees from the first, accuracy m
_SIGHTING = struct.Struct("<IbB")  # age ms (17 bits) | source (7 bits) | place (8 bits); rssi; packets
_NO_PLACE = 255
_MICRO = 1_000_000


def micro(at: LatLon) -> LatLon:
    """The position on the grid that is stored: a millionth of a degree, 0.11 m."""
    return LatLon(round(at.lat_deg, 6), round(at.lon_deg, 6))


def pack_window(window: Window) -> bytes:
    """The window in bytes: 6 a sighting, 5 a place (10 if they lie far apart), the source ids once each.

    Positions are kept to the millionth of a degree (see `micro`). ValueError beyond WINDOW_MAX sightings.
    """
    sightings = window.sightings
    if len(sightings) > WINDOW_MAX:
        raise ValueError(f"a window holds at most {WINDOW_MAX} sightings")
    sources = {source: n for n, source in enumerate(sorted({s.source_id for s in sightings}))}
    where = [_place(s) if s.where else None for s in sightings]
    places = {place: n for n, place in enumerate(sorted({place for place in where if place}))}
    form, packed_places = _pack_places(list(places))
    parts = [_HEAD.pack(form, window.newest_ms, len(sources), len(places), len(sightings))]
    for source in sources:
        encoded = source.encode()
        parts += [bytes([len(encoded)]), encoded]
    parts.append(packed_places)
    newest_ms = window.newest_ms
    for s, place in zip(sightings, where, strict=True):
        place_no = places[place] if place else _NO_PLACE
        bits = (newest_ms - s.at_ms) | sources[s.source_id] << 17 | place_no << 24
        parts.append(_SIGHTING.pack(bits, s.rssi_dbm, s.packets))
    return b"".join(parts)


def unpack_window(packed: bytes) -> Window:
    """The window again. ValueError for a format this code does not know."""
    form, newest_ms, source_count, place_count, sighting_count = _HEAD.unpack_from(packed)
    at = _HEAD.size
    sources: list[str] = []
    for _ in range(source_count):
        end = at + 1 + packed[at]
        sources.append(packed[at + 1 : end].decode())
        at = end
    places, end = _unpack_places(form, packed, at, place_count)
    sightings: list[Sighting] = []
    for bits, rssi_dbm, packets in _SIGHTING.iter_unpack(packed[end : end + sighting_count * _SIGHTING.size]):
        place_no = bits >> 24
        where, accuracy_m = (None, 0) if place_no == _NO_PLACE else places[place_no]
        source = sources[bits >> 17 & 0x7F]
        sightings.append(Sighting(newest_ms - (bits & 0x1FFFF), source, rssi_dbm, packets, where, accuracy_m))
    return Window(tuple(sightings))


def _pack_places(places: Sequence[tuple[int, int, int]]) -> tuple[int, bytes]:
    """(the window's format, the places)."""
    if not places:
        return _FORMAT_NEAR, b""
    lat, lon, _ = first = places[0]
    away = [(a - lat, b - lon, accuracy_m) for a, b, accuracy_m in places]
    if all(abs(a) < 2**15 and abs(b) < 2**15 and accuracy_m < 2**8 for a, b, accuracy_m in away):
        return _FORMAT_NEAR, _PLACE.pack(*first) + b"".join([_PLACE_NEAR.pack(*each) for each in away])
    return _FORMAT, b"".join([_PLACE.pack(*each) for each in places])


def _unpack_places(form: int, packed: bytes, at: int, count: int) -> tuple[list[tuple[LatLon, int]], int]:
    """(the places and their accuracy, where they end)."""
    if form == _FORMAT:
        end = at + count * _PLACE.size
        told: Iterable[tuple[int, int, int]] = _PLACE.iter_unpack(packed[at:end])
    elif form == _FORMAT_NEAR:
        start = at + _PLACE.size
        end = start + count * _PLACE_NEAR.size if count else at
        lat, lon, _ = _PLACE.unpack_from(packed, at) if count else (0, 0, 0)
        told = ((lat + a, lon + b, acc) for a, b, acc in _PLACE_NEAR.iter_unpack(packed[start:end]))
    else:
        raise ValueError(f"unknown window format {form}")
    return [(LatLon(lat / _MICRO, lon / _MICRO), accuracy_m) for lat, lon, accuracy_m in told], end


def _place(s: Sighting) -> tuple[int, int, int]:
    return *_micro_degrees(s.where or LatLon(0, 0)), min(s.accuracy_m, 65_535)


def _micro_degrees(at: LatLon) -> tuple[int, int]:
    return round(at.lat_deg * _MICRO), round(at.lon_deg * _MICRO)


_REPORTS = struct.Struct("<BQB")  # format, newest ms, number of reports
_AGE = struct.Struct("<I")
_FIX = struct.Struct("<IiiH")  # age ms, micro-degrees, accuracy m


def pack_reports(phone: PhoneTrack) -> bytes:
    """A phone's reports and fixes in bytes: 4 a report, 14 a fix. Positions as in `micro`."""
    times = [*phone.reported_ms, *(at_ms for at_ms, _, _ in phone.fixes)]
    newest_ms = max(times, default=0)
    parts = [_REPORTS.pack(_FORMAT, newest_ms, len(phone.reported_ms))]
    parts += [_AGE.pack(newest_ms - at_ms) for at_ms in phone.reported_ms]
    parts += [
        _FIX.pack(newest_ms - at_ms, *_micro_degrees(at), min(accuracy_m, 65_535))
        for at_ms, at, accuracy_m in phone.fixes
    ]
    return b"".join(parts)


def unpack_reports(packed: bytes) -> tuple[tuple[int, ...], tuple[tuple[int, LatLon, int], ...]]:
    """(reported_ms, fixes) again. ValueError for a format this code does not know."""
    form, newest_ms, count = _REPORTS.unpack_from(packed)
    if form != _FORMAT:
        raise ValueError(f"unknown reports format {form}")
    end = _REPORTS.size + count * _AGE.size
    reported_ms = tuple(newest_ms - age for (age,) in _AGE.iter_unpack(packed[_REPORTS.size : end]))
    fixes = tuple(
        (newest_ms - age, LatLon(lat / _MICRO, lon / _MICRO), accuracy_m)
        for age, lat, lon, accuracy_m in _FIX.iter_unpack(packed[end:])
    )
    return reported_ms, fixes


# --- items ---------------------------------------------------------------------------------------


def _item(tenant_id: str, track: Track | PhoneTrack, now: datetime) -> Item:
    kind = "beacon" if isinstance(track, Track) else "phone"
    values: Item
    if isinstance(track, Track):
        values = {
            "window": pack_window(track.window),
            "fix": _fix_text(track.fix) if track.fix else "",
            "proximity": None if track.proximity is None else round(track.proximity, 4),
            "alarm": json.dumps(track.alarm, separators=(",", ":")) if track.alarm else "",
        }
    else:
        values = {"reports": pack_reports(track), "told_ms": track.told_ms}
    return {
        "pk": f"{tenant_id}#{kind}#{_id(track)}",
        "sk": "window",
        **values,
        "version": track.version + 1,
        "ttl": math.ceil((now + KEPT).timestamp()),
    }


def _track(beacon_id: str, item: Item | None) -> Track:
    if item is None:
        return Track(beacon_id, Window())
    fix = _fix(item["fix"]) if item["fix"] else None
    alarm = json.loads(item["alarm"]) if item["alarm"] else {}
    return Track(beacon_id, unpack_window(item["window"]), fix, item["proximity"], alarm, item["version"])


def _phone_track(phone_id: str, item: Item | None) -> PhoneTrack:
    if item is None:
        return PhoneTrack(phone_id)
    reported_ms, fixes = unpack_reports(item["reports"])
    return PhoneTrack(phone_id, reported_ms, fixes, item["version"], item["told_ms"])


def _fix_text(fix: Fix) -> str:
    """A fix as a person may read it: degrees to 0.1 m, metres to 0.1. One text: no part is searched."""
    return json.dumps(
        {
            "at_ms": fix.at_ms,
            "at": [round(fix.center.lat_deg, 6), round(fix.center.lon_deg, 6)],
            "e50": _ellipse_values(fix.ellipse50),
            "e95": _ellipse_values(fix.ellipse95),
            "shape": fix.shape.value,
            "method": fix.method,
            "heard": _ids_text(fix.heard),
            "silent": _ids_text(fix.silent),
            "reason": fix.reason,
        },
        separators=(",", ":"),
    )


def _ellipse_values(e: Ellipse) -> list[float]:
    axes = round(e.semi_major_m, 1), round(e.semi_minor_m, 1), round(e.bearing_deg, 1), e.confidence
    return [round(e.center.lat_deg, 6), round(e.center.lon_deg, 6), *axes]


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


def _fix(text: str) -> Fix:
    values = json.loads(text)
    return Fix(
        at_ms=values["at_ms"],
        center=LatLon(*values["at"]),
        ellipse50=_ellipse(values["e50"]),
        ellipse95=_ellipse(values["e95"]),
        shape=Shape(values["shape"]),
        method=values["method"],
        heard=_ids(values["heard"]),
        silent=_ids(values["silent"]),
        reason=values["reason"],
    )


def _ellipse(values: Sequence[float]) -> Ellipse:
    lat_deg, lon_deg, *axes = values
    return Ellipse(LatLon(lat_deg, lon_deg), *axes)


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


def _id(track: Track | PhoneTrack) -> str:
    return track.beacon_id if isinstance(track, Track) else track.phone_id


# --- adapters ------------------------------------------------------------------------------------


class DynamoTracking:
    """Tracking in DynamoDB."""

    def __init__(self, tenant_id: str, table_name: str, dynamodb: Any) -> None:
        self._tenant_id = tenant_id
        self._table = table_name
        self._dynamodb = dynamodb
        self.write_units = 0

    def tracks(self, beacon_ids: Collection[str]) -> dict[str, Track]:
        items = self._get(f"beacon#{beacon_id}" for beacon_id in beacon_ids)
        return {each: _track(each, items.get(f"beacon#{each}")) for each in beacon_ids}

    def phone_tracks(self, phone_ids: Collection[str]) -> dict[str, PhoneTrack]:
        items = self._get(f"phone#{phone_id}" for phone_id in phone_ids)
        return {each: _phone_track(each, items.get(f"phone#{each}")) for each in phone_ids}

    def save(self, tracks: Sequence[Track | PhoneTrack], *, now: datetime) -> list[str]:
        lost: list[str] = []
        for chunk in _chunks(tracks, _STATEMENTS_MAX):
            items = [_item(self._tenant_id, track, now) for track in chunk]
            self.write_units += sum(map(write_units, items))
            codes = self._execute([self._conditional(item, item["version"] - 1) for item in items])
            # A busy one was not stored either: the caller reads it again and tries once more.
            lost += [_id(track) for track, code in zip(chunk, codes, strict=True) if code]
        return lost

    def heartbeat(self, seen_ms: Mapping[str, int]) -> None:
        for chunk in _chunks(list(seen_ms.items()), _STATEMENTS_MAX):
            newer = [
                self._statement(
                    'SET "seen_ms"=? WHERE "pk"=? AND "sk"=? AND "seen_ms"<?',
                    [at_ms, self._pk("heartbeat"), scanner_id, at_ms],
                )
                for scanner_id, at_ms in chunk
            ]
            codes = self._execute(newer)
            first = [
                self._insert({"pk": self._pk("heartbeat"), "sk": scanner_id, "seen_ms": at_ms})
                for (scanner_id, at_ms), code in zip(chunk, codes, strict=True)
                if code in _LOST  # never seen before, or already newer: then the insert loses too, and may
            ]
            self.write_units += len(newer) + len(first)
            if first:
                self._execute(first)

    def heartbeats(self) -> dict[str, int]:
        return {item["sk"]: item["seen_ms"] for item in self._query("heartbeat")}

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

    def tracks(self, beacon_ids: Collection[str]) -> dict[str, Track]:
        return {each: _track(each, self._items.get(self._key("beacon", each))) for each in beacon_ids}

    def phone_tracks(self, phone_ids: Collection[str]) -> dict[str, PhoneTrack]:
        return {each: _phone_track(each, self._items.get(self._key("phone", each))) for each in phone_ids}

    def save(self, tracks: Sequence[Track | PhoneTrack], *, now: datetime) -> list[str]:
        lost: list[str] = []
        for track in tracks:
            item = _item(self._tenant_id, track, now)
            key = item["pk"], item["sk"]
            self.write_units += write_units(item)
            stored = self._items.get(key)
            if (stored["version"] if stored else 0) != track.version:
                lost.append(_id(track))
            else:
                self._items[key] = from_item(to_item(item))
        return lost

    def heartbeat(self, seen_ms: Mapping[str, int]) -> None:
        for scanner_id, at_ms in seen_ms.items():
            stored = self._items.setdefault((f"{self._tenant_id}#heartbeat", scanner_id), {"seen_ms": 0})
            stored["seen_ms"] = max(stored["seen_ms"], at_ms)
            self.write_units += 1

    def heartbeats(self) -> dict[str, int]:
        return {sk: item["seen_ms"] for sk, item in self._partition("heartbeat")}

    def quarantine(self, messages: Sequence[Quarantined], *, now: datetime) -> None:
        for message in messages:
            key = f"{self._tenant_id}#quarantine", _quarantine_key(message)
            self._items[key] = _quarantine_values(message, now)
            self.write_units += write_units(self._items[key])

    def quarantined(self, limit: int = 100) -> Sequence[Quarantined]:
        return [_quarantined(item) for _, item in reversed(self._partition("quarantine"))][:limit]

    def forget(self, beacon_ids: Collection[str]) -> None:
        for beacon_id in beacon_ids:
            self._items.pop(self._key("beacon", beacon_id), None)

    def _key(self, kind: str, track_id: str) -> tuple[str, str]:
        return f"{self._tenant_id}#{kind}#{track_id}", "window"

    def _partition(self, kind: str) -> list[tuple[str, Item]]:
        pk = f"{self._tenant_id}#{kind}"
        return sorted((key[1], item) for key, item in self._items.items() if key[0] == pk)


def _chunks(of: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (of[start : start + size] for start in range(0, len(of), size))
