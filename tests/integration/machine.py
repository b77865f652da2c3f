"""The case's state machine, executed for real in this process: moto's engine, our handlers, moto's DynamoDB.

moto runs LocalStack's Step Functions interpreter, but its Lambda only echoes. `_invoke` below is the
whole of what is replaced: it takes the place of the engine's one function that calls Lambda and calls
our handler instead, with the errors Lambda would answer; and `one_at_a_time` keeps the engine's threads from
meeting inside moto's DynamoDB, which is not made for threads. Waits are shortened in the loaded definition
(`shortened`); everything else is the deployed file.
"""

import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError

import functions.assess_case.handler as assess_case
import functions.notify.handler as notify
from shared.adapters.wiring import Adapters

ASL = Path(__file__).resolve().parents[2] / "infra/statemachine/missing_child.asl.json"
HANDLERS = {"assess-case": assess_case.lambda_handler, "notify": notify.lambda_handler}
WAITS = {"AwaitAcknowledgement", "AwaitNews", "AwaitNewsBriefly"}

Fault = Callable[[dict[str, Any]], dict[str, Any] | None]


class Context:
    """What Powertools reads of Lambda's context."""

    function_name = "test"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:ap-northeast-2:123456789012:function:test"
    aws_request_id = "request"


def one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls to moto's DynamoDB wait for each other: it walks dictionaries that other threads would change."""
    lock = threading.RLock()
    call = BaseClient._make_api_call

    def locked(self: BaseClient, operation: str, arguments: dict[str, Any]) -> Any:
        if self.meta.service_model.service_name != "dynamodb":
            return call(self, operation, arguments)
        with lock:
            return call(self, operation, arguments)

    monkeypatch.setattr(BaseClient, "_make_api_call", locked)


def definition() -> dict[str, Any]:
    """The deployed state machine, with its substitutions still open."""
    read: dict[str, Any] = json.loads(ASL.read_text())
    return read


def arrows() -> set[tuple[str, str]]:
    """Every transition the story's own states can make: next, choice, default and catch."""
    found: set[tuple[str, str]] = set()
    for name, state in definition()["States"].items():
        to = [state.get("Next"), state.get("Default")]
        to += [each["Next"] for each in (*state.get("Choices", []), *state.get("Catch", []))]
        found |= {(name, each) for each in to if each}
    return found


def shortened(asl: dict[str, Any], *, wait_s: int = 3, task_s: int = 60, heartbeat_s: int = 0) -> str:
    """The definition with waits of `wait_s`, task timeouts of `task_s` and quick retries, ready to create.

    heartbeat_s: how long a wait goes on without a sign of life; 0 as deployed, without.
    """

    def shorten(states: dict[str, Any]) -> None:
        for name, state in states.items():
            if "TimeoutSeconds" in state:
                state["TimeoutSeconds"] = wait_s if name in WAITS else task_s
            if heartbeat_s and name in WAITS:
                state["HeartbeatSeconds"] = heartbeat_s
            if state["Type"] == "Wait":
                state["Seconds"] = 1
            for retry in state.get("Retry", []):
                retry |= {"MaxAttempts": 1}
            for branch in state.get("Branches", []):
                shorten(branch["States"])

    shorten(asl["States"])
    text = json.dumps(asl)
    for name, value in {
        "${AssessCaseFunctionArn}": "assess-case",
        "${NotifyFunctionArn}": "notify",
        "${CasesTable}": "CasesTable",
    }.items():
        text = text.replace(name, value)
    return text


@dataclass
class Machine:
    """A created state machine. faults: called before a task's handler; may raise, or answer in its place."""

    stepfunctions: Any
    on: Callable[[str], Adapters]
    arn: str = ""
    faults: dict[str, list[Fault]] = field(default_factory=lambda: defaultdict(list))
    asked: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _arns: list[str] = field(default_factory=list)

    def create(self, *, name: str = "missing-child", start_at: str = "", **how: int) -> str:
        """Create the state machine, or another one of that name; from now on it is the one that runs."""
        asl = definition()
        made = self.stepfunctions.create_state_machine(
            name=name,
            definition=shortened(asl | {"StartAt": start_at or asl["StartAt"]}, **how),
            roleArn="arn:aws:iam::123456789012:role/states",
        )
        self.arn = made["stateMachineArn"]
        self._arns.append(self.arn)
        return self.arn

    def mend(self, asl: dict[str, Any] | None = None) -> None:
        """From now on the machine is another one, or the deployed one again."""
        new = json.dumps(asl) if asl else shortened(definition())
        self.stepfunctions.update_state_machine(stateMachineArn=self.arn, definition=new)

    def redrive(self, state: str, run: dict[str, Any]) -> None:
        """What a redrive does, which no emulator has: go on at a state, with the input that it had."""
        self.create(name=f"from-{state}", start_at=state)
        self.stepfunctions.start_execution(stateMachineArn=self.arn, name=state, input=json.dumps(run))

    def invoke(self, parameters: dict[str, Any], *_: Any, **__: Any) -> dict[str, Any]:
        """What Lambda would do: run the handler; an exception becomes a function error."""
        event = json.loads(parameters["Payload"])
        with self._lock:
            self.asked.append(event["task"])
            fault = self.faults[event["task"]].pop(0) if self.faults[event["task"]] else None
        try:
            answer = fault(event) if fault else None
            if answer is None:
                answer = HANDLERS[parameters["FunctionName"]](event, Context(), on=self.on)
        except ClientError:
            raise
        except Exception as error:  # noqa: BLE001 -- Lambda turns every exception into a function error
            said = {"errorType": type(error).__name__, "errorMessage": str(error)}
            return {"FunctionError": "Unhandled", "Payload": said, "StatusCode": 200}
        return {"Payload": json.loads(json.dumps(answer)), "StatusCode": 200}

    def executions(self) -> list[str]:
        """ARNs of every execution, oldest first."""
        listed = [
            each
            for arn in self._arns
            for each in self.stepfunctions.list_executions(stateMachineArn=arn)["executions"]
        ]
        return [each["executionArn"] for each in sorted(listed, key=lambda each: each["startDate"])]

    def history(self, execution_arn: str) -> list[dict[str, Any]]:
        """Every event of an execution."""
        events: list[dict[str, Any]] = []
        token: dict[str, str] = {}
        while True:
            page = self.stepfunctions.get_execution_history(
                executionArn=execution_arn, maxResults=1000, **token
            )
            events += page["events"]
            if "nextToken" not in page:
                return events
            token = {"nextToken": page["nextToken"]}

    def entered(self, execution_arn: str) -> list[str]:
        """Names of the states entered, in order, those inside the parallel branches too."""
        return [
            event["stateEnteredEventDetails"]["name"]
            for event in self.history(execution_arn)
            if event["type"].endswith("StateEntered")
        ]

    def path(self, execution_arn: str) -> list[str]:
        """Names of the story's own states entered, in order."""
        own = definition()["States"]
        return [name for name in self.entered(execution_arn) if name in own]

    def arrows(self) -> set[tuple[str, str]]:
        """Every transition walked by any execution, branches of `TellEveryone` apart."""
        paths = [self.path(arn) for arn in self.executions()]
        return {pair for path in paths for pair in pairwise(path)}

    def finished(self, seconds: float = 60.0) -> list[str]:
        """Wait until no execution runs; the status of each, oldest first."""

        def done() -> list[str]:
            states = [
                self.stepfunctions.describe_execution(executionArn=arn)["status"] for arn in self.executions()
            ]
            return [] if "RUNNING" in states else states

        return eventually(done, seconds)


def eventually(look: Callable[[], Any], seconds: float = 60.0) -> Any:
    """The first truthy answer of `look`; AssertionError when there is none in time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := look():
            return found
        time.sleep(0.2)
    raise AssertionError(f"did not happen within {seconds} s")
