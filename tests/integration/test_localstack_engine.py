"""The deployed state machine on LocalStack's own engine, every task mocked: `make sfn-localstack`.

A second opinion on the definition: that its arrows, retries and catches mean to another engine what they
mean to us. What the tasks answer is in `localstack_engine.json`, by test case.
"""

import json
import os
from itertools import groupby
from typing import Any

import pytest

from infra.local.deploy import Place
from infra.local.start import wait_for
from tests.template import ROOT

ENDPOINT = os.environ.get("JIKIMI_LOCALSTACK_ENGINE", "")
pytestmark = pytest.mark.skipif(
    not ENDPOINT, reason="LocalStack's engine is not running: make sfn-localstack"
)

TOLD = ["OpenCase", "TellEveryone"]
END = [
    "CloseCase",
    "RevokeShares",
    "TellNeighboursItEnded",
    "TellOutcome",
    "TellGuardiansAtLast",
    "Report",
    "Reported",
]
BRANCHES = {
    "TellTeachers",
    "TellOperators",
    "TellPolice",
    "TeachersNotReached",
    "OperatorsNotReached",
    "PoliceNotReached",
}


@pytest.fixture(scope="module")
def step_functions() -> Any:
    return Place(ENDPOINT).client("stepfunctions")


@pytest.fixture(scope="module")
def machine(step_functions: Any) -> str:
    """The deployed definition, with names for what the stack would fill in."""
    text = (ROOT / "infra/statemachine/missing_child.asl.json").read_text()
    for name in ("AssessCaseFunctionArn", "NotifyFunctionArn", "CasesTable"):
        text = text.replace(f"${{{name}}}", name)
    made = step_functions.create_state_machine(
        name="missing-child", definition=text, roleArn="arn:aws:iam::000000000000:role/states"
    )
    return str(made["stateMachineArn"])


def run(step_functions: Any, machine: str, case: str) -> tuple[str, list[str]]:
    """How an execution of a test case ended, and the states it entered outside the branches."""
    begin = {"tenant_id": "garam", "case_id": "c1", "status": "Exercise", "round": 0, "turns": 0}
    started = step_functions.start_execution(stateMachineArn=f"{machine}#{case}", input=json.dumps(begin))
    arn = started["executionArn"]
    status = lambda: str(step_functions.describe_execution(executionArn=arn)["status"])  # noqa: E731
    wait_for(lambda: status() != "RUNNING", 60, 0.1)
    pages = step_functions.get_paginator("get_execution_history").paginate(executionArn=arn)
    entered = [
        event["stateEnteredEventDetails"]["name"]
        for page in pages
        for event in page["events"]
        if "stateEnteredEventDetails" in event
    ]
    return status(), [name for name, _ in groupby(entered) if name not in BRANCHES]


def looks(*between: str) -> list[str]:
    """Assess and the choice, before and between these states."""
    return ["Assess", "WhatNext", *(each for name in between for each in (name, "Assess", "WhatNext"))]


def test_a_child_is_missed_shared_and_found(step_functions: Any, machine: str) -> None:
    offered = ["OfferShares", "TellNeighbours", "Assess", "WhatNext"]
    granted = ["GrantShares", "TellGuardians", "Assess", "WhatNext"]
    ended = ["EndShares", "TellNeighbours", "Assess", "WhatNext"]
    story = [*TOLD, *looks("AwaitAcknowledgement"), *offered]
    story += [
        "AwaitNews",
        "Assess",
        "WhatNext",
        *granted,
        *ended,
        "AwaitNewsBriefly",
        "Assess",
        "WhatNext",
        *END,
    ]

    assert run(step_functions, machine, "ToldSharedFound") == ("SUCCEEDED", story)


def test_telling_again_escalating_handing_over_and_guardians(step_functions: Any, machine: str) -> None:
    story = [*TOLD, *looks("TellEveryone", "Escalate", "UpdatePolice", "TellGuardians"), *END]

    assert run(step_functions, machine, "EveryOtherArrow") == ("SUCCEEDED", story)


def test_news_that_came_first_is_not_waited_for(step_functions: Any, machine: str) -> None:
    story = [*TOLD, *looks("AwaitNews"), *END]

    assert run(step_functions, machine, "NewsCameFirst") == ("SUCCEEDED", story)


@pytest.mark.parametrize("case", ["TeachersNotReached", "OpeningFails"])
def test_what_fails_at_the_start_does_not_stop_the_search(
    step_functions: Any, machine: str, case: str
) -> None:
    assert run(step_functions, machine, case) == ("SUCCEEDED", [*TOLD, *looks(), *END])


def test_a_look_that_fails_is_looked_at_again(step_functions: Any, machine: str) -> None:
    story = [*TOLD, "Assess", "CatchBreath", *looks(), *END]

    assert run(step_functions, machine, "LookingFails") == ("SUCCEEDED", story)


@pytest.mark.parametrize(("case", "last"), [("Renewed", ["GoOnAfresh", "GoesOn"]), ("Gone", ["NothingLeft"])])
def test_an_execution_ends_when_another_goes_on_or_nothing_is_left(
    step_functions: Any, machine: str, case: str, last: list[str]
) -> None:
    assert run(step_functions, machine, case) == ("SUCCEEDED", [*TOLD, *looks(), *last])
