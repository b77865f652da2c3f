"""Who and where, stored: the registry of one tenant.

A record is one JSON document in the attribute `doc`: 6,500 cameras parse in 50 ms, and every float comes
back as it went in. Children and phones are stored once per way of being asked for (own id, beacon,
facility), in one transaction, so that each question is one read.
"""

import random
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar

from pydantic import TypeAdapter

from shared.adapters import tenants
from shared.adapters.memory import MemoryCloud
from shared.adapters.tables import to_item
from shared.domain.errors import Conflict, NotFound
from shared.domain.geo import LatLon
from shared.domain.places import Agreement, Camera, Child, Contact, Facility, Phone, Scanner, Tenant
from shared.domain.streets import Street, cells_about
from shared.ports import Vault

Record = Tenant | Facility | Scanner | Camera | Child | Phone | Contact | Agreement | Street
Key = tuple[str, str]
"""(partition key after the tenant, sort key)"""

T = TypeVar("T")

_WRITE_MAX = 25  # items in a BatchWriteItem
_GET_MAX = 100  # keys in a BatchGetItem
_TRANSACTION_MAX = 100  # actions in a TransactWriteItems
_ATTEMPTS = 8  # for what a batch call left undone
_FIRST_WAIT_S = 0.05

_CODECS: dict[type, TypeAdapter[Any]] = {}


class _Reading(ABC):
    """What is asked of either store, in terms of one record and of all of a kind."""

    def tenant(self) -> Tenant:
        return self._get(Tenant, ("tenant", "-"), "tenant-not-found")

    def facility(self, facility_id: str) -> Facility:
        return self._get(Facility, ("facility", facility_id), "facility-not-found")

    def facilities(self) -> Sequence[Facility]:
        return self._all(Facility, "facility")

    def scanners(self) -> Sequence[Scanner]:
        return self._all(Scanner, "scanner")

    def cameras(self) -> Sequence[Camera]:
        return self._all(Camera, "camera")

    def children(self, facility_id: str) -> Sequence[Child]:
        return self._all(Child, f"facility#{facility_id}#child")

    def child(self, child_id: str) -> Child:
        return self._get(Child, ("child", child_id), "child-not-found")

    def child_of_beacon(self, beacon_id: str) -> Child:
        return self._get(Child, ("beacon", beacon_id), "beacon-not-found")

    def phone(self, phone_id: str) -> Phone:
        return self._get(Phone, ("phone", phone_id), "phone-not-found")

    def phones(self, facility_id: str) -> Sequence[Phone]:
        return self._all(Phone, f"facility#{facility_id}#phone")

    def contact(self, contact_id: str) -> Contact:
        return self._get(Contact, ("contact", contact_id), "contact-not-found")

    def contacts(self) -> Sequence[Contact]:
        return self._all(Contact, "contact")

    def agreements(self) -> Sequence[Agreement]:
        return self._all(Agreement, "agreement")

    def streets(self, around: LatLon) -> Sequence[Street]:
        return [each for cell in cells_about(around) for each in self._all(Street, f"streets#{cell}")]

    @abstractmethod
    def _get(self, kind: type[T], key: Key, code: str) -> T: ...

    @abstractmethod
    def _all(self, kind: type[T], partition: str) -> list[T]: ...


class DynamoRegistry(_Reading):
    """The registry in DynamoDB."""

    def __init__(self, tenant_id: str, table_name: str, dynamodb: Any, vault: Vault | None = None) -> None:
        self._tenant_id = tenant_id
        self._table = table_name
        self._dynamodb = dynamodb
        self._vault = vault

    def put(self, *records: Record) -> None:
        latest = {key: self._sealed(each) for key, each in _latest(self._tenant_id, records).items()}
        several = {key: record for key, record in latest.items() if isinstance(record, Child | Phone)}
        single = {key: record for key, record in latest.items() if key not in several}
        items = [self._item(key, record) for key, record in single.items()]
        if any(isinstance(record, Tenant) for record in single.values()):
            items.append(to_item({"pk": tenants.PK, "sk": self._tenant_id}))
        for chunk in _chunks(items, _WRITE_MAX):
            self._write(list(chunk))
        before = self._stored(several)
        for part in _chunks(list(several.items()), _TRANSACTION_MAX // 5):
            self._transact([a for key, record in part for a in self._actions(record, before.get(key))])

    def _pk(self, kind: str) -> str:
        return f"{self._tenant_id}#{kind}"

    def _key(self, key: Key) -> dict[str, Any]:
        return to_item({"pk": self._pk(key[0]), "sk": key[1]})

    def _item(self, key: Key, record: Record) -> dict[str, Any]:
        doc = _codec(type(record)).dump_json(record).decode()
        owner = {"child_id": record.child_id} if key[0] == "beacon" and isinstance(record, Child) else {}
        return {**self._key(key), **to_item({"doc": doc, **owner})}

    def _get(self, kind: type[T], key: Key, code: str) -> T:
        found = self._dynamodb.get_item(
            TableName=self._table, Key=self._key(key), ProjectionExpression="doc", ConsistentRead=True
        ).get("Item")
        if found is None:
            raise NotFound(code)
        return self._opened([_codec(kind).validate_json(found["doc"]["S"])])[0]

    def _all(self, kind: type[T], partition: str) -> list[T]:
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues=to_item({":pk": self._pk(partition)}),
            ProjectionExpression="doc",
        )
        read = _codec(kind).validate_json
        return self._opened([read(item["doc"]["S"]) for page in pages for item in page["Items"]])

    def _sealed(self, record: Record) -> Record:
        """The record as it is stored. ValueError for a person's without a vault: it would lose the name."""
        if not isinstance(record, Child | Contact) or not any(_personal(record).values()):
            return record
        if self._vault is None:
            raise ValueError("personal fields are stored sealed, and this function was given no keys")
        seal, subject = self._vault.seal, _subject(record)
        sealed: Any = {name: seal(subject, name, value) for name, value in _personal(record).items() if value}
        return replace(record, **sealed)

    def _opened(self, records: list[T]) -> list[T]:
        """The records as they were put; personal fields empty without a vault, and once they are shredded."""
        people = [each for each in records if isinstance(each, Child | Contact)]
        if self._vault and people:
            self._vault.fetch([_subject(each) for each in people])
        return [self._plain(each) if isinstance(each, Child | Contact) else each for each in records]

    def _plain(self, record: Any) -> Any:
        values = _personal(record)
        opened = dict.fromkeys(values, "")
        if self._vault:
            with suppress(NotFound):
                subject, unseal = _subject(record), self._vault.open
                opened = {name: value and unseal(subject, name, value) for name, value in values.items()}
        return replace(record, **opened)

    def _stored(self, records: dict[Key, Child | Phone]) -> dict[Key, Child | Phone]:
        """What is stored now under the records' own keys."""
        stored: dict[Key, Child | Phone] = {}
        for chunk in _chunks(list(records), _GET_MAX):
            wanted: Any = {self._table: {"Keys": [self._key(key) for key in chunk], "ConsistentRead": True}}
            for wait in _waits():
                answer = self._dynamodb.batch_get_item(RequestItems=wanted)
                for item in answer["Responses"].get(self._table, ()):
                    key = item["pk"]["S"].removeprefix(self._pk("")), item["sk"]["S"]
                    stored[key] = _codec(type(records[key])).validate_json(item["doc"]["S"])
                wanted = answer.get("UnprocessedKeys")
                if not wanted:
                    break
                wait()
        return stored

    def _write(self, items: list[dict[str, Any]]) -> None:
        wanted: Any = {self._table: [{"PutRequest": {"Item": item}} for item in items]}
        for wait in _waits():
            wanted = self._dynamodb.batch_write_item(RequestItems=wanted).get("UnprocessedItems")
            if not wanted:
                return
            wait()

    def _actions(self, record: Child | Phone, before: Child | Phone | None) -> Iterator[dict[str, Any]]:
        """Put the record under each of its keys, and take it from those it no longer has."""
        keys = _keys(record)
        mine: dict[str, Any] = {}
        if isinstance(record, Child):
            mine = {
                "ConditionExpression": "attribute_not_exists(pk) OR child_id = :child",
                "ExpressionAttributeValues": to_item({":child": record.child_id}),
            }
        for key in keys:
            guard = mine if key[0] == "beacon" else {}
            yield {"Put": {"TableName": self._table, "Item": self._item(key, record), **guard}}
        for key in _keys(before) if before is not None else ():
            if key not in keys:
                guard = mine if key[0] == "beacon" else {}
                yield {"Delete": {"TableName": self._table, "Key": self._key(key), **guard}}

    def _transact(self, actions: list[dict[str, Any]]) -> None:
        try:
            self._dynamodb.transact_write_items(TransactItems=actions)
        except self._dynamodb.exceptions.TransactionCanceledException as error:
            reasons = [each.get("Code") for each in error.response.get("CancellationReasons", ())]
            if "ConditionalCheckFailed" not in reasons:
                raise
            raise Conflict("beacon-taken") from error


class MemoryRegistry(_Reading):
    """The registry's twin in memory."""

    def __init__(self, tenant_id: str, world: MemoryCloud) -> None:
        self._tenant_id = tenant_id
        self._records: dict[tuple[str, str, str], Record] = world.table("registry")

    def put(self, *records: Record) -> None:
        for own_key, record in _latest(self._tenant_id, records).items():
            if isinstance(record, Child):
                holder = self._records.get((self._tenant_id, "beacon", record.beacon_id))
                if isinstance(holder, Child) and holder.child_id != record.child_id:
                    raise Conflict("beacon-taken")
            before = self._records.get((self._tenant_id, *own_key))
            for key in _keys(before) if before is not None else ():
                self._records.pop((self._tenant_id, *key), None)
            for key in _keys(record):
                self._records[(self._tenant_id, *key)] = record

    def _get(self, kind: type[T], key: Key, code: str) -> T:
        found = self._records.get((self._tenant_id, *key))
        if not isinstance(found, kind):
            raise NotFound(code)
        return found

    def _all(self, kind: type[T], partition: str) -> list[T]:
        mine = sorted(key for key in self._records if key[:2] == (self._tenant_id, partition))
        return [record for key in mine if isinstance(record := self._records[key], kind)]


def _keys(record: Record) -> tuple[Key, ...]:
    """Every key a record is stored under, its own first."""
    keys: tuple[Key, ...]
    match record:
        case Tenant():
            keys = (("tenant", "-"),)
        case Facility():
            keys = (("facility", record.facility_id),)
        case Scanner():
            keys = (("scanner", record.scanner_id),)
        case Camera():
            keys = (("camera", record.camera_id),)
        case Agreement():
            keys = (("agreement", record.neighbour_id),)
        case Contact():
            keys = (("contact", record.contact_id),)
        case Street():
            keys = ((f"streets#{record.cell}", record.street_id),)
        case Phone():
            keys = ("phone", record.phone_id), (f"facility#{record.facility_id}#phone", record.phone_id)
        case Child():
            keys = ("child", record.child_id), (f"facility#{record.facility_id}#child", record.child_id)
            if record.beacon_id:
                keys = *keys, ("beacon", record.beacon_id)
    return keys


def _personal(record: Child | Contact) -> dict[str, str]:
    """The fields that say who somebody is or how to reach them: stored sealed."""
    if isinstance(record, Child):
        return {"name": record.name}
    return {"mobile": record.mobile, "email": record.email}


def _subject(record: Child | Contact) -> str:
    """Under whose key a record is sealed."""
    return f"child#{record.child_id}" if isinstance(record, Child) else f"contact#{record.contact_id}"


def _latest(tenant_id: str, records: Sequence[Record]) -> dict[Key, Record]:
    """The records by their own key; of two with one key the later. ValueError for another tenant's."""
    for record in records:
        if isinstance(record, Tenant | Agreement) and record.tenant_id != tenant_id:
            raise ValueError(f"a record of {record.tenant_id} in the registry of {tenant_id}")
    return {_keys(record)[0]: record for record in records}


def _codec(kind: type[T]) -> TypeAdapter[T]:
    if kind not in _CODECS:
        _CODECS[kind] = TypeAdapter(kind)
    return _CODECS[kind]


def _chunks(of: Sequence[T], size: int) -> Iterable[Sequence[T]]:
    return (of[start : start + size] for start in range(0, len(of), size))


def _waits() -> Iterator[Any]:
    """A bounded number of attempts, each with the pause to take before the next (full jitter)."""
    for attempt in range(_ATTEMPTS):
        limit_s = _FIRST_WAIT_S * 2**attempt
        yield lambda limit_s=limit_s: time.sleep(random.uniform(0, limit_s))
    raise TimeoutError("the table did not take the whole batch")
