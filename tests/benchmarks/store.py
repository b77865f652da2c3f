"""DynamoDB replaced behind botocore's last step: all is real up to the socket, and every call is metered.

It answers what the handlers of a benchmark ask (single writes, batches, this project's PartiQL forms), keeps
items, obeys conditions, and counts capacity by size as DynamoDB bills it; emulators do not. The CPU time it
takes itself is kept apart (`cpu_s`), so that it can be taken off what a handler used.
"""

import json
import math
import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.awsrequest import AWSResponse
from botocore.config import Config

Attributes = dict[str, dict[str, Any]]

_NAME = re.compile(r'SET "(\w+)"=\?')
_KEY = re.compile(r"'(\w+)': \?")


def item_bytes(item: Mapping[str, Mapping[str, Any]]) -> int:
    """An item's size as DynamoDB counts it (its developer guide, "item sizes and formats").

    Names and strings in UTF-8, numbers about a byte for two digits and one more, binary by its length,
    lists and maps 3 bytes and 1 for each entry.
    """
    return sum(len(name) + _value_bytes(value) for name, value in item.items())


def _value_bytes(attribute: Mapping[str, Any]) -> int:
    ((kind, value),) = attribute.items()
    match kind:
        case "S":
            return len(value.encode())
        case "N":
            return (len(value.strip("-0.").replace(".", "")) + 1) // 2 + 1 + value.startswith("-")
        case "B":  # base64 on the wire
            return len(value) * 3 // 4 - value[-2:].count("=")
        case "L":
            return 3 + sum(1 + _value_bytes(each) for each in value)
        case "M":
            return 3 + len(value) + item_bytes(value)
    return 1  # BOOL, NULL


def write_units(size: int) -> int:
    """Standard write units of one item written, refused writes included."""
    return max(1, math.ceil(size / 1024))


def read_units(size: int, *, consistent: bool) -> float:
    """Read units of one read."""
    return max(1, math.ceil(size / 4096)) * (1.0 if consistent else 0.5)


@dataclass
class Meter:
    """What was used. sizes: bytes of every item written, by the kind its key says."""

    calls: Counter[str] = field(default_factory=Counter)
    writes: Counter[str] = field(default_factory=Counter)
    write_units: Counter[str] = field(default_factory=Counter)
    bytes_written: Counter[str] = field(default_factory=Counter)
    wasted_units: int = 0
    read_units: float = 0.0
    cpu_s: float = 0.0

    @property
    def units(self) -> int:
        return sum(self.write_units.values())


class Store:
    """One table set. `client` is a real boto3 client whose requests end here."""

    def __init__(self) -> None:
        self.items: dict[tuple[str, str, str], Attributes] = {}
        self.meter = Meter()

    def client(self, *, validation: bool = True) -> Any:
        """validation: boto3's own, of parameters; on unless a handler's configuration turns it off."""
        made: Any = boto3.client(
            "dynamodb",
            region_name="ap-northeast-2",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(
                retries={"mode": "standard", "total_max_attempts": 4}, parameter_validation=validation
            ),
        )
        made.meta.events.register("before-send.dynamodb", self._answer)
        return made

    def resource(self) -> Any:
        made: Any = boto3.resource(
            "dynamodb",
            region_name="ap-northeast-2",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        made.meta.client.meta.events.register("before-send.dynamodb", self._answer)
        return made

    def _answer(self, request: Any, **_: Any) -> AWSResponse:
        start = time.process_time()
        operation = request.headers["X-Amz-Target"].decode().split(".")[1]
        self.meter.calls[operation] += 1
        said = json.loads(request.body)
        body = json.dumps(getattr(self, f"_{operation}")(said)).encode()
        self.meter.cpu_s += time.process_time() - start
        headers = {"content-type": "application/x-amz-json-1.0", "content-length": str(len(body))}
        return AWSResponse(request.url, 200, headers, _Raw(body))

    # --- operations ------------------------------------------------------------------------

    def _BatchExecuteStatement(self, said: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        return {"Responses": [self._execute(each) for each in said["Statements"]]}

    def _execute(self, statement: dict[str, Any]) -> dict[str, Any]:
        text, values = statement["Statement"], statement["Parameters"]
        table = text.split('"', 2)[1]
        if text.startswith("INSERT"):
            item = dict(zip(_KEY.findall(text), values, strict=True))
            key = table, item["pk"]["S"], item["sk"]["S"]
            if key in self.items:
                return self._refused(key, "DuplicateItem")
            self._put(key, item)
            return {"TableName": table}
        names = _NAME.findall(text)
        changed = dict(zip(names, values, strict=False))
        pk, sk, *conditions = values[len(names) :]
        key = table, pk["S"], sk["S"]
        stored = self.items.get(key)
        if stored is None or not self._holds(text, stored, conditions):
            return self._refused(key, "ConditionalCheckFailed")
        self._put(key, {**stored, **changed})
        return {"TableName": table}

    @staticmethod
    def _holds(text: str, stored: Attributes, conditions: list[dict[str, Any]]) -> bool:
        found = re.findall(r'AND "(\w+)"(=|<)\?', text.split("WHERE", 1)[1])[1:]
        return all(
            stored[name] == wanted if how == "=" else float(stored[name]["N"]) < float(wanted["N"])
            for (name, how), wanted in zip(found, conditions, strict=True)
        )

    def _refused(self, key: tuple[str, str, str], code: str) -> dict[str, Any]:
        units = write_units(item_bytes(self.items.get(key, {})))
        self.meter.write_units[_kind(key)] += units
        self.meter.wasted_units += units
        return {"Error": {"Code": code, "Message": "refused"}}

    def _BatchGetItem(self, said: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        found: dict[str, list[Attributes]] = {}
        for table, asked in said["RequestItems"].items():
            consistent = bool(asked.get("ConsistentRead"))
            found[table] = [i for key in asked["Keys"] if (i := self._get(table, key, consistent))]
        return {"Responses": found, "UnprocessedKeys": {}}

    def _GetItem(self, said: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        item = self._get(said["TableName"], said["Key"], bool(said.get("ConsistentRead")))
        return {"Item": item} if item else {}

    def _get(self, table: str, key: Attributes, consistent: bool) -> Attributes | None:
        item = self.items.get((table, key["pk"]["S"], key["sk"]["S"]))
        self.meter.read_units += read_units(item_bytes(item or {}), consistent=consistent)
        return item

    def _BatchWriteItem(self, said: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        for table, requests in said["RequestItems"].items():
            for each in requests:
                item = each["PutRequest"]["Item"]
                self._put((table, item["pk"]["S"], item["sk"]["S"]), item)
        return {"UnprocessedItems": {}}

    def _UpdateItem(self, said: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        """`SET #a = :a, …`, and a condition `attribute_not_exists(#k) OR #k < :k`."""
        key = said["TableName"], said["Key"]["pk"]["S"], said["Key"]["sk"]["S"]
        names, values = said["ExpressionAttributeNames"], said["ExpressionAttributeValues"]
        stored = self.items.get(key, {})
        condition = said.get("ConditionExpression", "")
        for held in re.findall(r"#(\w+) < :", condition):
            known = stored.get(names[f"#{held}"])
            if known and float(known["N"]) >= float(values[f":{held}"]["N"]):
                self._refused(key, "ConditionalCheckFailed")
                return {}
        changed = {
            names[f"#{n}"]: values[f":{n}"] for n in re.findall(r"#(\w+) = :", said["UpdateExpression"])
        }
        self._put(key, {**stored, **said["Key"], **changed})
        return {}

    def _put(self, key: tuple[str, str, str], item: Attributes) -> None:
        before, after = item_bytes(self.items.get(key, {})), item_bytes(item)
        kind = _kind(key)
        self.items[key] = item
        self.meter.writes[kind] += 1
        self.meter.bytes_written[kind] += after
        self.meter.write_units[kind] += write_units(max(before, after))


def _kind(key: tuple[str, str, str]) -> str:
    return key[1].split("#")[1]


class _Raw:
    """What botocore reads a reply from."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self._body
