"""The workflow in this process, on a simulated clock: walks `missing_child.asl.json` as Step Functions does.

It knows the states that our definition uses and no others: KeyError for anything else, so that a new kind
of state is noticed here. Waiting states end with news of the case, or with their timeout.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from functions.assess_case.steps import STEPS
from functions.notify.tell import TASKS
from shared.adapters.memory import MemoryCloud
from shared.adapters.wiring import Adapters
from shared.schema.workflow import CaseRun

DEFINITION = Path(__file__).parents[1] / "statemachine" / "missing_child.asl.json"

On = Callable[[str], Adapters]


@dataclass(slots=True)
class _Run:
    """One execution: where it stands, with what, and until when it waits."""

    state: str
    data: dict[str, Any]
    until: datetime | None = None


class Conductor:
    """Every execution that was started in a memory world."""

    def __init__(self, world: MemoryCloud, on: On) -> None:
        machine = json.loads(DEFINITION.read_text(encoding="utf-8"))
        self._states: Mapping[str, Any] = machine["States"]
        self._first: str = machine["StartAt"]
        self._world, self._on = world, on
        self._runs: dict[str, _Run] = {}
        self._known: set[str] = set()

    def advance(self) -> None:
        """Everything that is due now, until every execution waits or has ended."""
        started = self._world.table("workflow.started")
        for name in started.keys() - self._known:
            self._known.add(name)
            self._runs[name] = _Run(self._first, dict(started[name]))
        for name in list(self._runs):
            while name in self._runs and not self._waits(self._runs[name]):
                self._step(name, self._runs[name])
        if started.keys() - self._known:  # a case that goes on afresh starts another
            self.advance()

    def _waits(self, run: _Run) -> bool:
        if run.until is None:
            return False
        news = "seen" in run.data and self._is_callback(run) and self._news(run) != run.data["seen"]
        return not news and self._world.clock.now() < run.until

    def _step(self, name: str, run: _Run) -> None:
        state = self._states[run.state]
        if run.until is not None:
            run.until, run.state = None, state["Next"]
            return
        match state["Type"]:
            case "Task" if self._is_callback(run):
                run.until = self._world.clock.now() + timedelta(seconds=state["TimeoutSeconds"])
            case "Task":
                answer = self._invoke(state, run.data)
                run.data = answer if state.get("OutputPath") == "$.Payload" else run.data
                run.state = state["Next"]
            case "Parallel":
                for branch in state["Branches"]:
                    self._invoke(branch["States"][branch["StartAt"]], run.data)
                run.state = state["Next"]
            case "Choice":
                taken = (c["Next"] for c in state["Choices"] if run.data["next"] == c["StringEquals"])
                run.state = next(taken, state["Default"])
            case "Wait":
                run.until = self._world.clock.now() + timedelta(seconds=state["Seconds"])
            case "Succeed":
                del self._runs[name]
            case other:
                raise KeyError(other)

    def _invoke(self, task: Mapping[str, Any], data: dict[str, Any]) -> dict[str, Any]:
        asked = task["Parameters"]
        run, what = CaseRun.model_validate(data), asked["Payload"]["task"]
        if "AssessCase" in asked["FunctionName"]:
            return STEPS[what](run, self._on).model_dump(mode="json")
        return TASKS[what](run, self._on).model_dump(mode="json")

    def _is_callback(self, run: _Run) -> bool:
        return str(self._states[run.state].get("Resource", "")).endswith(".waitForTaskToken")

    def _news(self, run: _Run) -> str:
        return str(self._on(run.data["tenant_id"]).cases.get(run.data["case_id"]).news)
