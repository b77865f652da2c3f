"""Draw the state machine into `README.md`, from the definition itself: `python -m infra.statemachine.draw`.

Failure arrows into `CatchBreath` are drawn once, as a note: every task has one, and the story is not in them.
"""

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ASL = HERE / "missing_child.asl.json"
README = HERE / "README.md"
DRAWING = ("```mermaid\n", "```\n")


def drawing(asl: dict[str, Any]) -> str:
    """The definition as a Mermaid state diagram, in the order of the file."""
    lines = ["stateDiagram-v2", f"    [*] --> {asl['StartAt']}"]
    for name, state in asl["States"].items():
        lines += _parallel(name, state) if state["Type"] == "Parallel" else []
        if state["Type"] == "Choice":
            lines.append(f"    state {name} <<choice>>")
            for choice in state["Choices"]:
                lines.append(f"    {name} --> {choice['Next']}: {choice['StringEquals']}")
            lines.append(f"    {name} --> {state['Default']}: gone")
        elif state["Type"] == "Succeed":
            lines.append(f"    {name} --> [*]")
        else:
            lines.append(f"    {name} --> {state['Next']}{_wait(state)}")
    lines += ["    note right of CatchBreath: any task that failed beyond its retries", ""]
    return "\n".join(lines)


def written(text: str, content: str, marks: tuple[str, str] = DRAWING) -> str:
    """The README with what stands between two marks replaced. ValueError when it has not both."""
    before, begin, rest = text.partition(marks[0])
    _, end, after = rest.partition(marks[1])
    if not begin or not end:
        raise ValueError(f"the README has no {marks[0].strip()} to replace")
    return before + begin + content + end + after


def _parallel(name: str, state: dict[str, Any]) -> list[str]:
    tells = [f"        [*] --> {branch['StartAt']}" for branch in state["Branches"]]
    divided = "\n        --\n".join(f"{tell}\n        {tell.split()[-1]} --> [*]" for tell in tells)
    return [f"    state {name} {{", divided, "    }"]


def _wait(state: dict[str, Any]) -> str:
    token = ".waitForTaskToken" in state.get("Resource", "")
    return f": news, or {state['TimeoutSeconds']} s" if token else ""


def main() -> None:
    """Write the drawing into the README."""
    picture = drawing(json.loads(ASL.read_text(encoding="utf-8")))
    README.write_text(written(README.read_text(encoding="utf-8"), picture), encoding="utf-8")


if __name__ == "__main__":
    main()
