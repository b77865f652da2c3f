"""Two plain handlers to compare with, doing what such handlers do in the wild and no more.

get_and_update: for every sighting read the child's item, and write its position and its last contact if
they are newer: the straightforward design, one call per thought.

batch_writer: every sighting put into a table with boto3's batch writer, unconditionally and unvalidated,
as in the published samples (serverless-test-samples, python-test-samples, kinesis-lambda-dynamodb). It
keeps the last writer's word, so a message that is late moves a child back in time.
"""

import base64
import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from shared.domain.geo import LatLon
from shared.schema.sightings import DEFLATED

Batch = Sequence[Mapping[str, Any]]


def get_and_update(client: Any, places: Mapping[str, LatLon]) -> Callable[[Batch], int]:
    """A handler; places: where each scanner stands."""

    def handle(batch: Batch) -> int:
        for tenant, thing, said in _said(batch):
            for beacon_id, before_ms, rssi_dbm, _ in said["s"]:
                key = {"pk": {"S": f"{tenant}#beacon#{beacon_id}"}, "sk": {"S": "position"}}
                at_ms = said["sent"] - before_ms
                known = client.get_item(TableName="tracking", Key=key, ConsistentRead=True).get("Item")
                if known and int(known["at_ms"]["N"]) >= at_ms:
                    continue
                where = places.get(thing) or LatLon(*(said["fix"][:2] if "fix" in said else (0.0, 0.0)))
                _update(
                    client,
                    key,
                    at_ms={"N": str(at_ms)},
                    lat={"N": str(where.lat_deg)},
                    lon={"N": str(where.lon_deg)},
                    rssi={"N": str(rssi_dbm)},
                    scanner={"S": thing},
                )
                last = {"pk": key["pk"], "sk": {"S": "contact"}}
                _update(client, last, at_ms={"N": str(at_ms)}, scanner={"S": thing})
        return 0

    return handle


def _update(client: Any, key: Mapping[str, Any], **values: Any) -> None:
    names = {f"#{name}": name for name in values}
    client.update_item(
        TableName="tracking",
        Key=key,
        UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in values),
        ConditionExpression="attribute_not_exists(#at_ms) OR #at_ms < :at_ms",
        ExpressionAttributeNames=names,
        ExpressionAttributeValues={f":{name}": value for name, value in values.items()},
    )


def batch_writer(resource: Any) -> Callable[[Batch], int]:
    """A handler around a boto3 table's batch writer."""
    table = resource.Table("tracking")

    def handle(batch: Batch) -> int:
        with table.batch_writer(overwrite_by_pkeys=["pk", "sk"]) as writer:
            for tenant, thing, said in _said(batch):
                for beacon_id, before_ms, rssi_dbm, packets in said["s"]:
                    writer.put_item(
                        Item={
                            "pk": f"{tenant}#beacon#{beacon_id}",
                            "sk": thing,
                            "at_ms": said["sent"] - before_ms,
                            "rssi": Decimal(rssi_dbm),
                            "packets": packets,
                            "received_ms": said["sent"],
                        }
                    )
        return 0

    return handle


def _said(batch: Batch) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for each in batch:
        body = json.loads(each["body"])
        raw = base64.b64decode(body["payload"])
        plain = zlib.decompress(raw) if raw[:1] == DEFLATED else raw
        yield body["tenant"], body["thing"], json.loads(plain)
