"""Hand-overs to the police as they were made, personal links to them, and the police's information requests.

Each version is stored once and never changed, so that its page, its CAP and GeoJSON twins and a retried
webhook all say the same; it is forgotten with its TTL, when police copies have to be.
"""

import base64
import gzip
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter

from shared.adapters.cases import change
from shared.adapters.memory import MemoryCloud
from shared.adapters.tables import from_item, to_item
from shared.adapters.wiring import Adapters
from shared.domain.case import Case
from shared.domain.errors import Conflict, NotFound
from shared.domain.handover import KEPT, InformationRequest, LedgerCheck, PoliceLink, numbered
from shared.ports import Vault
from shared.schema.handover import HandOver, hand_over

T = TypeVar("T")


def newest(on: Adapters, case_id: str) -> HandOver:
    """A case's newest hand-over; a new version when the case has something new to say."""
    now = on.clock.now()
    case, _ = change(on.cases, case_id, lambda case: (numbered(case, now), ()))
    version = case.handover_tried
    return stored(on, case_id, version) or _made(on, case, version, now)


def stored(on: Adapters, case_id: str, version: int) -> HandOver | None:
    """A version as it was made; None when there is none (any more)."""
    record = _found(lambda: on.police_desk.handover(case_id, version))
    return None if record is None else HandOver.model_validate_json(record)


def _made(on: Adapters, case: Case, version: int, now: datetime) -> HandOver:
    """Of two who make the same version at once, the first one's is the version."""
    record = hand_over(
        case,
        on.cases.timeline(case.case_id),
        tenant=on.registry.tenant(),
        child=_found(lambda: on.registry.child(case.subject.subject_id)),
        facility=_found(lambda: on.registry.facility(case.facility_id)),
        shares=on.shares.of_case(case.case_id),
        version=version,
        now=now,
        before=stored(on, case.case_id, version - 1) if version > 1 else None,
        guardianship=on.guardians.of(case.subject.subject_id),
    )
    kept = on.police_desk.keep(case.case_id, version, record.model_dump_json(), until=now + KEPT)
    return HandOver.model_validate_json(kept)


def _found(look: Callable[[], T]) -> T | None:
    try:
        return look()
    except NotFound:
        return None


class DynamoPoliceDesk:
    """In the cases table: sealed hand-overs by case and version, links by case, requests by their time."""

    def __init__(self, tenant_id: str, table_name: str, dynamodb: Any, vault: Vault) -> None:
        self._tenant_id = tenant_id
        self._table = table_name
        self._dynamodb = dynamodb
        self._vault = vault

    def keep(self, case_id: str, version: int, record: str, *, until: datetime) -> str:
        key = self._handover(case_id, version)
        # 400 KB is an item's limit; a long case's record is mostly alike lines, and packs to a tenth.
        packed = base64.b64encode(gzip.compress(record.encode(), 6, mtime=0)).decode()
        sealed = self._vault.seal(_sealed_for(case_id), key["sk"], packed)
        try:
            self._dynamodb.put_item(
                TableName=self._table,
                Item=to_item({**key, "record": sealed, "ttl": int(until.timestamp())}),
                ConditionExpression="attribute_not_exists(pk)",
            )
        except self._dynamodb.exceptions.ConditionalCheckFailedException:
            return self.handover(case_id, version)
        return record

    def handover(self, case_id: str, version: int) -> str:
        key = self._handover(case_id, version)
        sealed = self._get(key, "handover-not-found")["record"]
        packed = self._vault.open(_sealed_for(case_id), key["sk"], sealed)
        return gzip.decompress(base64.b64decode(packed)).decode()

    def forget(self, case_id: str) -> None:
        for item in self._query("pk = :pk", {":pk": self._handover(case_id, 0)["pk"]}):
            key = to_item({"pk": item["pk"], "sk": item["sk"]})
            self._dynamodb.delete_item(TableName=self._table, Key=key)
        self._vault.shred(_sealed_for(case_id))

    def link(self, link_id: str) -> PoliceLink:
        key = {"pk": self._links(_case_of(link_id)), "sk": link_id}
        return _link().validate_json(self._get(key, "link-not-found")["body"])

    def links(self, case_id: str) -> Sequence[PoliceLink]:
        found = self._query("pk = :pk", {":pk": self._links(case_id)})
        return sorted((_link().validate_json(item["body"]) for item in found), key=lambda each: each.made_at)

    def save_link(self, link: PoliceLink) -> PoliceLink:
        after = replace(link, version=link.version + 1)
        key = {"pk": self._links(link.case_id), "sk": link.link_id}
        ttl = int((link.made_at + KEPT).timestamp())
        self._save({**key, "body": _link().dump_json(after).decode(), "ttl": ttl}, link.version)
        return after

    def request(self, request_id: str) -> InformationRequest:
        found = self._get({"pk": self._requests, "sk": request_id}, "request-not-found")
        return _request().validate_json(found["body"])

    def requests(self, since: datetime, until: datetime) -> Sequence[InformationRequest]:
        values = {":pk": self._requests, ":a": request_key(since), ":b": request_key(until)}
        found = self._query("pk = :pk AND sk BETWEEN :a AND :b", values)
        return [_request().validate_json(item["body"]) for item in found]

    def save_request(self, request: InformationRequest) -> InformationRequest:
        after = replace(request, version=request.version + 1)
        key = {"pk": self._requests, "sk": request.request_id}
        self._save({**key, "body": _request().dump_json(after).decode()}, request.version)
        return after

    def save_check(self, check: LedgerCheck) -> None:
        key = {"pk": f"{self._tenant_id}#policecheck#{check.year}", "sk": str(check.checked_at)}
        item = to_item({**key, "body": _check().dump_json(check).decode()})
        self._dynamodb.put_item(TableName=self._table, Item=item)

    def checks(self, year: int) -> Sequence[LedgerCheck]:
        found = self._query("pk = :pk", {":pk": f"{self._tenant_id}#policecheck#{year}"})
        return [_check().validate_json(item["body"]) for item in found]

    def _handover(self, case_id: str, version: int) -> dict[str, Any]:
        return {"pk": f"{self._tenant_id}#handover#{case_id}", "sk": f"{version:06d}"}

    def _links(self, case_id: str) -> str:
        return f"{self._tenant_id}#policelink#{case_id}"

    @property
    def _requests(self) -> str:
        return f"{self._tenant_id}#policerequest"

    def _get(self, key: dict[str, Any], code: str) -> dict[str, Any]:
        found = self._dynamodb.get_item(TableName=self._table, Key=to_item(key), ConsistentRead=True)
        if "Item" not in found:
            raise NotFound(code)
        return from_item(found["Item"])

    def _query(self, condition: str, values: dict[str, Any]) -> list[dict[str, Any]]:
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression=condition,
            ExpressionAttributeValues=to_item(values),
            ConsistentRead=True,
        )
        return [from_item(item) for page in pages for item in page["Items"]]

    def _save(self, item: dict[str, Any], old_version: int) -> None:
        put: dict[str, Any] = {
            "TableName": self._table,
            "Item": to_item({**item, "version": old_version + 1}),
            "ConditionExpression": "attribute_not_exists(pk)",
        }
        if old_version:
            put["ConditionExpression"] = "version = :old"
            put["ExpressionAttributeValues"] = to_item({":old": old_version})
        try:
            self._dynamodb.put_item(**put)
        except self._dynamodb.exceptions.ConditionalCheckFailedException:
            raise Conflict("record-overtaken") from None


class MemoryPoliceDesk:
    """The twin."""

    def __init__(self, tenant_id: str, world: MemoryCloud) -> None:
        self._tenant_id = tenant_id
        self._records: dict[tuple[str, str, int], str] = world.table("handovers")
        self._links: dict[tuple[str, str], PoliceLink] = world.table("handovers.links")
        self._requests: dict[tuple[str, str], InformationRequest] = world.table("handovers.requests")
        self._checks: dict[tuple[str, int], list[LedgerCheck]] = world.table("handovers.checks")

    def keep(self, case_id: str, version: int, record: str, *, until: datetime) -> str:
        return self._records.setdefault((self._tenant_id, case_id, version), record)

    def handover(self, case_id: str, version: int) -> str:
        found = self._records.get((self._tenant_id, case_id, version))
        if found is None:
            raise NotFound("handover-not-found")
        return found

    def forget(self, case_id: str) -> None:
        for key in [key for key in self._records if key[:2] == (self._tenant_id, case_id)]:
            del self._records[key]

    def link(self, link_id: str) -> PoliceLink:
        found = self._links.get((self._tenant_id, link_id))
        if found is None:
            raise NotFound("link-not-found")
        return found

    def links(self, case_id: str) -> Sequence[PoliceLink]:
        mine = (
            link
            for (tenant_id, _), link in self._links.items()
            if (tenant_id, link.case_id) == (self._tenant_id, case_id)
        )
        return sorted(mine, key=lambda each: each.made_at)

    def save_link(self, link: PoliceLink) -> PoliceLink:
        key = (self._tenant_id, link.link_id)
        _refuse_overtaken(self._links.get(key), link.version)
        self._links[key] = replace(link, version=link.version + 1)
        return self._links[key]

    def request(self, request_id: str) -> InformationRequest:
        found = self._requests.get((self._tenant_id, request_id))
        if found is None:
            raise NotFound("request-not-found")
        return found

    def requests(self, since: datetime, until: datetime) -> Sequence[InformationRequest]:
        mine = sorted(key for key in self._requests if key[0] == self._tenant_id)
        return [self._requests[key] for key in mine if request_key(since) <= key[1] <= request_key(until)]

    def save_request(self, request: InformationRequest) -> InformationRequest:
        key = (self._tenant_id, request.request_id)
        _refuse_overtaken(self._requests.get(key), request.version)
        self._requests[key] = replace(request, version=request.version + 1)
        return self._requests[key]

    def save_check(self, check: LedgerCheck) -> None:
        self._checks.setdefault((self._tenant_id, check.year), []).append(check)

    def checks(self, year: int) -> Sequence[LedgerCheck]:
        return list(self._checks.get((self._tenant_id, year), ()))


def request_key(at: datetime) -> str:
    """What the id of a request received at `at` begins with: ids sort by time."""
    return at.astimezone(UTC).strftime("r-%Y%m%d%H%M%S")


def _sealed_for(case_id: str) -> str:
    return f"handover#{case_id}"


def _case_of(link_id: str) -> str:
    """A link's id begins with its case's."""
    return link_id.partition(".")[0]


def _refuse_overtaken(known: PoliceLink | InformationRequest | None, version: int) -> None:
    if version != (known.version if known else 0):
        raise Conflict("record-overtaken")


@cache
def _link() -> TypeAdapter[PoliceLink]:
    return TypeAdapter(PoliceLink)


@cache
def _request() -> TypeAdapter[InformationRequest]:
    return TypeAdapter(InformationRequest)


@cache
def _check() -> TypeAdapter[LedgerCheck]:
    return TypeAdapter(LedgerCheck)
