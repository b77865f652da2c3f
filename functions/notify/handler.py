"""Workflow task: tell teachers, operators, police, neighbours and guardians."""

from collections.abc import Callable
from typing import Any

from functions.notify.tell import TASKS
from shared.adapters.wiring import Adapters, adapters_for, prepare
from shared.observability import logger
from shared.schema.workflow import READY, NotifyTask

prepare()


@logger.inject_lambda_context
def lambda_handler(
    event: dict[str, Any], _: Any, on: Callable[[str], Adapters] = adapters_for
) -> dict[str, Any]:
    """Tell one audience; errors bubble up and the state machine retries."""
    if event == READY:
        return {}
    asked = NotifyTask.model_validate(event)
    told = TASKS[asked.task](asked.case, on)
    logger.info("told", task=asked.task, case_id=asked.case.case_id, sent=told.sent, failed=told.failed)
    return told.model_dump(mode="json")
