"""A municipality joins: invoked by an administrator of the platform with a manifest, whole or in parts."""

from collections.abc import Callable
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.onboard_tenant.manifest import onboard
from shared.adapters.wiring import Adapters, adapters_for
from shared.observability import count_by, logger


@logger.inject_lambda_context
def lambda_handler(
    event: dict[str, Any], context: LambdaContext, on: Callable[[str], Adapters] = adapters_for
) -> dict[str, Any]:
    told = onboard(event, on)
    count_by("RowsStored", "section", told.stored)
    logger.info(
        "manifest taken in", tenant_id=told.tenant_id, stored=told.stored, rejected=len(told.rejected)
    )
    return told.model_dump(mode="json")
