"""The case's Step Functions execution: started once, woken by news.

The waiting state stores its task token on the case's head as `callback`, on condition that `news`
is still what it looked at. Waking raises `news` and takes the token in one update, so whichever
comes first, no wake-up is lost: either the condition fails or the token is there to answer.
"""

import json
from typing import Any

from botocore.exceptions import ClientError

from shared.adapters.memory import MemoryCloud
from shared.adapters.tables import to_item
from shared.domain.case import Case

_NOBODY_WAITS = {"TaskTimedOut", "TaskDoesNotExist", "InvalidToken"}


def execution_name(case: Case, round_no: int) -> str:
    """One name per case, re-opening and round, so that starting twice is one start."""
    reopened = sum(1 for key in case.clock if key.startswith("T14."))
    return f"{case.tenant_id}-{case.case_id}-{reopened}-{round_no}"[:80]


def execution_input(case: Case, round_no: int) -> dict[str, Any]:
    """What the state machine starts with."""
    return {
        "tenant_id": case.tenant_id,
        "case_id": case.case_id,
        "status": case.status.value,
        "round": round_no,
        "turns": 0,
    }


class StepFunctionsWorkflow:
    """Executions of the state machine `missing_child`."""

    def __init__(
        self, tenant_id: str, cases_table: str, dynamodb: Any, state_machine_arn: str, stepfunctions: Any
    ) -> None:
        self._tenant_id = tenant_id
        self._table = cases_table
        self._dynamodb = dynamodb
        self._machine = state_machine_arn
        self._stepfunctions = stepfunctions

    def start(self, case: Case, round_no: int = 0) -> None:
        try:
            self._stepfunctions.start_execution(
                stateMachineArn=self._machine,
                name=execution_name(case, round_no),
                input=json.dumps(execution_input(case, round_no)),
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ExecutionAlreadyExists":
                raise

    def revive(self, case: Case) -> bool:
        round_no, status = 0, ""
        while (found := self._status(case, round_no)) is not None:
            round_no, status = round_no + 1, found
        if status == "RUNNING" or (status == "SUCCEEDED" and not case.is_open):
            return False
        self.start(case, round_no)
        return True

    def _status(self, case: Case, round_no: int) -> str | None:
        """How the execution of a round stands; None when there was none."""
        execution = self._machine.replace(":stateMachine:", ":execution:")
        try:
            told = self._stepfunctions.describe_execution(
                executionArn=f"{execution}:{execution_name(case, round_no)}"
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ExecutionDoesNotExist":
                raise
            return None
        return str(told["status"])

    def wake(self, case_id: str) -> None:
        try:
            before = self._dynamodb.update_item(
                TableName=self._table,
                Key=to_item({"pk": f"{self._tenant_id}#case#{case_id}", "sk": "head"}),
                UpdateExpression="ADD news :one REMOVE callback",
                ConditionExpression="attribute_exists(pk)",
                ExpressionAttributeValues=to_item({":one": 1}),
                ReturnValues="ALL_OLD",
            )
        except self._dynamodb.exceptions.ConditionalCheckFailedException:
            return  # a case that is gone has nobody waiting
        token = before.get("Attributes", {}).get("callback", {}).get("S", "")
        if token:
            self._answer(token)

    def _answer(self, token: str) -> None:
        try:
            self._stepfunctions.send_task_success(taskToken=token, output="{}")
        except ClientError as error:
            # The state timed out a moment ago and looks at the case anyway.
            if error.response["Error"]["Code"] not in _NOBODY_WAITS:
                raise


class MemoryWorkflow:
    """The twin records what was started and woken; nothing runs."""

    def __init__(self, tenant_id: str, world: MemoryCloud) -> None:
        self._tenant_id = tenant_id
        self._started: dict[str, dict[str, Any]] = world.table("workflow.started")
        self._cases: dict[tuple[str, str], Case] = world.table("cases")
        self._news: dict[tuple[str, str], int] = world.table("cases.news")

    def start(self, case: Case, round_no: int = 0) -> None:
        self._started.setdefault(execution_name(case, round_no), execution_input(case, round_no))

    def revive(self, case: Case) -> bool:
        if execution_name(case, 0) in self._started:
            return False
        self.start(case)
        return True

    def wake(self, case_id: str) -> None:
        key = (self._tenant_id, case_id)
        if key in self._cases:
            self._news[key] = self._news.get(key, 0) + 1
