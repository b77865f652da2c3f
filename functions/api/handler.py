"""The HTTP API of one deployment: teachers, operators, neighbours, police and administrators."""

from collections.abc import Callable
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.api.app import app
from shared.adapters.identity import Identity, identity
from shared.adapters.wiring import Adapters, adapters_for
from shared.observability import logger


@logger.inject_lambda_context(clear_state=True)
def lambda_handler(
    event: dict[str, Any],
    context: LambdaContext,
    on: Callable[[str], Adapters] = adapters_for,
    people: Callable[[], Identity] = identity,
) -> dict[str, Any]:
    app.context.update(of=on, people=people)
    return app.resolve(event, context)
