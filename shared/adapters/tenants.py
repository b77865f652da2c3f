"""Which tenants there are: the one thing a sweep must know before it can be born for any of them.

The registry writes the list when a tenant is put; nobody scans a table for it.
"""

from collections.abc import Sequence
from typing import Any

from shared.adapters.memory import MemoryCloud
from shared.adapters.tables import to_item

PK = "#tenants"
"""The only partition that begins with no tenant, so no tenant's own session can reach it."""


def stored_tenants(table_name: str, dynamodb: Any) -> Sequence[str]:
    """The ids of all tenants in the registry table."""
    pages = dynamodb.get_paginator("query").paginate(
        TableName=table_name,
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues=to_item({":pk": PK}),
    )
    return [item["sk"]["S"] for page in pages for item in page["Items"]]


def memory_tenants(world: MemoryCloud) -> Sequence[str]:
    """The twin: the tenants whose own record is in the world's registry."""
    return sorted(tenant_id for tenant_id, kind, _ in world.table("registry") if kind == "tenant")
