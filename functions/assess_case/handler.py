"""Workflow task: what should happen next in this case?"""

from collections.abc import Callable
from typing import Any

from functions.assess_case.steps import STEPS
from shared.adapters.wiring import Adapters, adapters_for, prepare
from shared.observability import logger
from shared.schema.workflow import READY, AssessTask

prepare()


@logger.inject_lambda_context
def lambda_handler(
    event: dict[str, Any], _: Any, on: Callable[[str], Adapters] = adapters_for
) -> dict[str, Any]:
    """One step of the workflow; errors bubble up and the state machine retries."""
    if event == READY:
        return {}
    asked = AssessTask.model_validate(event)
    after = STEPS[asked.task](asked.case, on)
    logger.info("case assessed", task=asked.task, case_id=after.case_id, next=after.next)
    return after.model_dump(mode="json")
