"""DynamoDB on the wire: the low-level clients, and Python values to and from attribute values.

Low-level and lazy on purpose: the resource layer costs 200 ms of a cold start, and a function
that never publishes never builds an `iot-data` client.
"""

import math
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from typing import Any

Item = dict[str, Any]
"""An item as Python values: str, int, float, bool, None, bytes, list, tuple, dict."""


@cache
def client(service: str) -> Any:
    """The process's one client of a service, with the function's own credentials."""
    return new_client(service)


def new_client(service: str, **credentials: str) -> Any:
    """A client of a service. Short timeouts: an invocation is worth more than a socket.

    credentials: as `boto3.client` takes them; the process's own when none are given.
    """
    import boto3  # noqa: PLC0415 - 300 ms that a unit test or a memory twin need not pay
    from botocore.config import Config  # noqa: PLC0415

    make: Any = boto3.client
    return make(
        service,
        config=Config(
            retries={"mode": "standard", "total_max_attempts": 4},
            connect_timeout=2,
            read_timeout=10,
            parameter_validation=False,  # our types say it already, at a tenth of a write's CPU
        ),
        **credentials,
    )


def to_attribute(value: Any) -> dict[str, Any]:
    """One attribute value. TypeError for a type an item may not hold."""
    attribute: dict[str, Any]
    match value:
        case None:
            attribute = {"NULL": True}
        case bool():
            attribute = {"BOOL": value}
        case str():
            attribute = {"S": str(value)}
        case int() | float() | Decimal():
            attribute = {"N": str(value)}
        case bytes():
            attribute = {"B": value}
        case list() | tuple():
            attribute = {"L": [to_attribute(each) for each in value]}
        case Mapping():
            attribute = {"M": to_item(value)}
        case _:
            raise TypeError(f"an item cannot hold {type(value).__name__}")
    return attribute


def from_attribute(attribute: Mapping[str, Any]) -> Any:
    """The Python value: whole numbers are int, all others float."""
    ((kind, value),) = attribute.items()
    match kind:
        case "NULL":
            return None
        case "N":
            return int(value) if value.lstrip("-").isdigit() else float(value)
        case "L":
            return [from_attribute(each) for each in value]
        case "M":
            return from_item(value)
    return value  # S, BOOL and B are Python values already


def write_units(item: Mapping[str, Any]) -> int:
    """What writing this item costs: a unit for each KB begun, by DynamoDB's rules of size.

    Counted by us, because emulators say 1 for any size.
    """
    return math.ceil(sum(len(name.encode()) + _size(value) for name, value in item.items()) / 1024)


def _size(value: Any) -> int:
    size = 1  # NULL and BOOL
    match value:
        case None | bool():
            pass
        case str():
            size = len(value.encode())
        case bytes():
            size = len(value)
        case int() | float() | Decimal():
            size = len(str(value).lstrip("-").replace(".", "")) // 2 + 2
        case Mapping():
            size = 3 + sum(len(name.encode()) + 1 + _size(each) for name, each in value.items())
        case _:
            size = 3 + sum(1 + _size(each) for each in value)
    return size


def to_item(values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """A whole item, marshalled."""
    return {str(name): to_attribute(value) for name, value in values.items()}


def from_item(item: Mapping[str, Mapping[str, Any]]) -> Item:
    """A whole item as Python values."""
    return {name: from_attribute(value) for name, value in item.items()}
