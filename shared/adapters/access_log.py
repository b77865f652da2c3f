"""Who read what about whom: a chained log per tenant, found again by child, person and purpose.

A line, its three copies by which it is found and the new end of the chain are one transaction, so the log
has neither holes nor branches. A day's anchor lies where nothing can be written twice.
"""

import json
import random
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from shared.adapters.memory import MemoryCloud
from shared.adapters.tables import from_item, to_item
from shared.domain.audit import Anchor, Line, Link, appended
from shared.domain.retention import Kind, expires
from shared.ports import Access, AccessBy

_TRIES = 40
_RACED = {"ConditionalCheckFailed", "TransactionConflict"}


class DynamoAccessLog:
    """The log in DynamoDB's cases table."""

    def __init__(self, tenant_id: str, table_name: str, dynamodb: Any) -> None:
        self._tenant_id = tenant_id
        self._table = table_name
        self._dynamodb = dynamodb
        self._last: Link | None = None

    def record(self, access: Access) -> None:
        text, key = _codec().dump_json(access).decode(), _sort_key(access)
        for tried in range(_TRIES):
            last = self._last or self.end()
            try:
                self._dynamodb.transact_write_items(TransactItems=self._writes(access, key, text, last))
            except self._dynamodb.exceptions.TransactionCanceledException as cancelled:
                reasons = [r.get("Code", "None") for r in cancelled.response.get("CancellationReasons", [])]
                if reasons and reasons[0] == "ConditionalCheckFailed":
                    return  # the same reading again: it is in the log
                if not _RACED & set(reasons):
                    raise
                self._last = None  # somebody else wrote: take the new end
                time.sleep(random.uniform(0, 0.005 * min(tried + 1, 10)))
                continue
            self._last = _end_of(appended(last, text))
            return
        raise TimeoutError("the access log is too busy")

    def since(self, at: datetime) -> Sequence[Access]:
        return self._read("access", _minute(at))

    def of(self, by: AccessBy, value: str, since: datetime) -> Sequence[Access]:
        return self._read(f"access-{by}#{value}", _minute(since))

    def lines(self, since: datetime) -> Sequence[Line]:
        items = map(from_item, self._query("access", _minute(since)))
        found = [Line(item["seq"], item["doc"], item["before"], item["chain"]) for item in items]
        return sorted(found, key=lambda line: line.seq)

    def end(self) -> Link:
        key = to_item({"pk": f"{self._tenant_id}#access-end", "sk": "-"})
        found = self._dynamodb.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")
        return Link(from_item(found)["seq"], from_item(found)["chain"]) if found else Link()

    def _writes(self, access: Access, key: str, text: str, last: Link) -> list[dict[str, Any]]:
        line = appended(last, text)
        ttl = {"ttl": expires(Kind.ACCESS_LOG, access.at)}
        whole = {"doc": text, "seq": line.seq, "before": line.before, "chain": line.chain, **ttl}
        put: dict[str, Any] = self._put("access", key, whole)
        end = self._put("access-end", "-", {"seq": line.seq, "chain": line.chain})
        guard: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(pk)"}
        followed: dict[str, Any] = guard
        if last.seq:
            values = to_item({":seq": last.seq, ":chain": last.chain})
            followed = {
                "ConditionExpression": "seq = :seq AND #c = :chain",
                "ExpressionAttributeNames": {"#c": "chain"},
                "ExpressionAttributeValues": values,
            }
        copies = [
            self._put(f"access-{by}#{value}", key, {"doc": text, **ttl}) for by, value in _found_by(access)
        ]
        return [{"Put": {**put, **guard}}, {"Put": {**end, **followed}}, *({"Put": each} for each in copies)]

    def _put(self, kind: str, sk: str, values: dict[str, Any]) -> dict[str, Any]:
        return {
            "TableName": self._table,
            "Item": to_item({"pk": f"{self._tenant_id}#{kind}", "sk": sk, **values}),
        }

    def _read(self, kind: str, start: str) -> list[Access]:
        return [_codec().validate_json(item["doc"]["S"]) for item in self._query(kind, start)]

    def _query(self, kind: str, start: str) -> list[dict[str, Any]]:
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="pk = :pk AND sk >= :from",
            ExpressionAttributeValues=to_item({":pk": f"{self._tenant_id}#{kind}", ":from": start}),
            ConsistentRead=True,
        )
        return [item for page in pages for item in page["Items"]]


class MemoryAccessLog:
    """The log's twin in memory."""

    def __init__(self, tenant_id: str, world: MemoryCloud) -> None:
        self._lines: dict[str, tuple[Access, Line]] = world.table("access").setdefault(tenant_id, {})

    def record(self, access: Access) -> None:
        if _sort_key(access) not in self._lines:
            line = appended(self.end(), _codec().dump_json(access).decode())
            self._lines[_sort_key(access)] = access, line

    def since(self, at: datetime) -> Sequence[Access]:
        return [access for key, (access, _) in sorted(self._lines.items()) if key >= _minute(at)]

    def of(self, by: AccessBy, value: str, since: datetime) -> Sequence[Access]:
        return [access for access in self.since(since) if (by, value) in _found_by(access)]

    def lines(self, since: datetime) -> Sequence[Line]:
        found = (line for key, (_, line) in self._lines.items() if key >= _minute(since))
        return sorted(found, key=lambda line: line.seq)

    def end(self) -> Link:
        newest = max((line for _, line in self._lines.values()), key=lambda line: line.seq, default=None)
        return Link() if newest is None else _end_of(newest)


class S3Anchors:
    """Anchors in a bucket whose Object Lock keeps every version, whoever asks to delete it."""

    def __init__(self, tenant_id: str, bucket: str, s3: Any) -> None:
        self._tenant_id = tenant_id
        self._bucket = bucket
        self._s3 = s3

    def put(self, anchor: Anchor) -> None:
        body: dict[str, Any] = {"tenant": self._tenant_id, "at": anchor.at.isoformat()}
        body |= {"seq": anchor.link.seq, "chain": anchor.link.chain}
        key = f"{self._tenant_id}/{anchor.at.astimezone(UTC):%Y-%m-%d}.json"
        self._s3.put_object(Bucket=self._bucket, Key=key, Body=json.dumps(body).encode())

    def all(self) -> Sequence[Anchor]:
        """Each day's first: a version written later over it counts for nothing."""
        first: dict[str, Any] = {}
        pages = self._s3.get_paginator("list_object_versions").paginate(
            Bucket=self._bucket, Prefix=f"{self._tenant_id}/"
        )
        for version in (each for page in pages for each in page.get("Versions", ())):
            known = first.setdefault(version["Key"], version)
            if version["LastModified"] <= known["LastModified"]:  # listed newest first
                first[version["Key"]] = version
        return [self._anchor(first[key]) for key in sorted(first)]

    def _anchor(self, version: Any) -> Anchor:
        found = self._s3.get_object(Bucket=self._bucket, Key=version["Key"], VersionId=version["VersionId"])
        told = json.loads(found["Body"].read())
        return Anchor(datetime.fromisoformat(told["at"]), Link(told["seq"], told["chain"]))


class MemoryAnchors:
    """The anchors' twin in memory: the first of a day stays."""

    def __init__(self, tenant_id: str, world: MemoryCloud) -> None:
        self._anchors: dict[str, Anchor] = world.table("anchors").setdefault(tenant_id, {})

    def put(self, anchor: Anchor) -> None:
        self._anchors.setdefault(f"{anchor.at.astimezone(UTC):%Y-%m-%d}", anchor)

    def all(self) -> Sequence[Anchor]:
        return [self._anchors[day] for day in sorted(self._anchors)]


def _found_by(access: Access) -> list[tuple[AccessBy, str]]:
    """What a line is looked up by."""
    keys: list[tuple[AccessBy, str]] = [
        ("subject", access.subject_id),
        ("actor", access.actor_id),
        ("purpose", access.purpose),
    ]
    return [(by, value) for by, value in keys if value]


def _end_of(line: Line) -> Link:
    return Link(line.seq, line.chain)


def _sort_key(access: Access) -> str:
    """One line a minute: a screen that asks every two seconds reads once."""
    who = f"{access.actor_tenant_id}#{access.actor_id}#{access.role}"
    return f"{_minute(access.at)}#{who}#{access.subject_id}#{access.purpose}#{access.what}"


def _minute(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="minutes")


@cache
def _codec() -> TypeAdapter[Access]:
    return TypeAdapter(Access)
