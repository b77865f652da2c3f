"""What each person was told about a case, beside the case: one item an alert, its read receipt apart.

The receipt has attributes of its own: a sender that tries somebody again must not undo that it was read.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter

from shared.adapters.memory import MemoryCloud
from shared.adapters.tables import from_item, to_item
from shared.domain.channels import Alert, case_of
from shared.domain.errors import NotFound


class DynamoAlerts:
    """Alerts in the `cases` table, in their case's partition under `alert#…`."""

    def __init__(self, tenant_id: str, table_name: str, dynamodb: Any) -> None:
        self._tenant_id = tenant_id
        self._table = table_name
        self._dynamodb = dynamodb

    def save(self, alerts: Sequence[Alert]) -> None:
        for alert in alerts:
            doc = _ALERT.dump_json(replace(alert, read_at=None, read_by="")).decode()
            self._dynamodb.update_item(
                TableName=self._table,
                Key=self._key(alert.alert_id),
                UpdateExpression="SET doc = :doc",
                ExpressionAttributeValues=to_item({":doc": doc}),
            )

    def of_case(self, case_id: str) -> Sequence[Alert]:
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="pk = :pk AND begins_with(sk, :alert)",
            ExpressionAttributeValues=to_item({":pk": self._pk(case_id), ":alert": "alert#"}),
            ConsistentRead=True,
        )
        return [_alert(from_item(item)) for page in pages for item in page["Items"]]

    def get(self, alert_id: str) -> Alert:
        found = self._dynamodb.get_item(TableName=self._table, Key=self._key(alert_id), ConsistentRead=True)
        if "Item" not in found:
            raise NotFound("alert-not-found")
        return _alert(from_item(found["Item"]))

    def read(self, alert_id: str, by: str, at: datetime) -> Alert:
        # Refused when it was read before or never sent: `get` tells the two apart.
        with suppress(self._dynamodb.exceptions.ConditionalCheckFailedException):
            self._dynamodb.update_item(
                TableName=self._table,
                Key=self._key(alert_id),
                UpdateExpression="SET read_at = :at, read_by = :by",
                ConditionExpression="attribute_exists(doc) AND attribute_not_exists(read_at)",
                ExpressionAttributeValues=to_item({":at": at.isoformat(), ":by": by}),
            )
        return self.get(alert_id)

    def _pk(self, case_id: str) -> str:
        return f"{self._tenant_id}#case#{case_id}"

    def _key(self, alert_id: str) -> dict[str, Any]:
        return to_item({"pk": self._pk(case_of(alert_id)), "sk": f"alert#{alert_id}"})


class MemoryAlerts:
    """The twin in memory."""

    def __init__(self, tenant_id: str, world: MemoryCloud) -> None:
        self._tenant_id = tenant_id
        self._alerts: dict[tuple[str, str], Alert] = world.table("alerts")

    def save(self, alerts: Sequence[Alert]) -> None:
        for alert in alerts:
            known = self._alerts.get((self._tenant_id, alert.alert_id))
            receipt = (known.read_at, known.read_by) if known else (None, "")
            stored = replace(alert, read_at=receipt[0], read_by=receipt[1])
            self._alerts[(self._tenant_id, alert.alert_id)] = stored

    def of_case(self, case_id: str) -> Sequence[Alert]:
        mine = sorted(key for key in self._alerts if key[0] == self._tenant_id)
        return [self._alerts[key] for key in mine if self._alerts[key].case_id == case_id]

    def get(self, alert_id: str) -> Alert:
        if (self._tenant_id, alert_id) not in self._alerts:
            raise NotFound("alert-not-found")
        return self._alerts[(self._tenant_id, alert_id)]

    def read(self, alert_id: str, by: str, at: datetime) -> Alert:
        known = self.get(alert_id)
        if known.read_at is None:
            self._alerts[(self._tenant_id, alert_id)] = replace(known, read_at=at, read_by=by)
        return self.get(alert_id)


_ALERT = TypeAdapter(Alert)


def _alert(item: Mapping[str, Any]) -> Alert:
    alert = _ALERT.validate_json(item["doc"])
    if "read_at" not in item:
        return alert
    return replace(alert, read_at=datetime.fromisoformat(item["read_at"]), read_by=item["read_by"])
