"""The drawing of the state machine."""

import json

import pytest

from infra.statemachine.draw import ASL, README, drawing, written

DEFINITION = json.loads(ASL.read_text(encoding="utf-8"))


def test_the_readme_draws_the_definition_as_it_is() -> None:
    text = README.read_text(encoding="utf-8")

    assert written(text, drawing(DEFINITION)) == text


def test_every_state_is_in_the_drawing() -> None:
    picture = drawing(DEFINITION)

    assert [name for name in DEFINITION["States"] if name not in picture] == []


def test_a_readme_without_a_diagram_is_refused() -> None:
    with pytest.raises(ValueError, match="no ```mermaid"):
        written("# nothing", "x")


def test_no_path_of_the_machine_ends_in_failure() -> None:
    states = DEFINITION["States"].values()
    tasks = [state for state in states if state["Type"] == "Task"]
    caught = [any("States.ALL" in each["ErrorEquals"] for each in task["Catch"]) for task in tasks]

    assert (all(caught), [state for state in states if state["Type"] == "Fail"]) == (True, [])


def test_every_task_says_how_long_it_may_take() -> None:
    tasks = [state for state in DEFINITION["States"].values() if state["Type"] == "Task"]

    assert [task for task in tasks if "TimeoutSeconds" not in task] == []


def test_a_calm_wait_lasts_as_long_as_the_decision_believes() -> None:
    from functions.assess_case.steps import CALM_WAIT_S  # noqa: PLC0415

    assert DEFINITION["States"]["AwaitNews"]["TimeoutSeconds"] == CALM_WAIT_S
