"""The journeys' acceptance tests: which there are, how they went, and what they measured.

`python -m tests.journeys` runs every test named after an acceptance test of the case's journeys (AT-n.n:
`test_at_n_n_…`) and prints one line for each; `--list` only says which there are. It fails when one of
them has no test, or a test that fails. A test's figure is what it records as the property "figure".
"""

import ast
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NAMED = re.compile(r"test_at_(\d+)_(\d+)(?=_|$)")
WANTED: Mapping[str, str] = {
    "AT-1.4": "report from the alarm: two taps, everything in the case, an offline press keeps its time",
    "AT-1.5": "T5 on the phone, then the 112 call (T9); not called in 60 s, the operator sees it",
    "AT-1.7": "함께 있어요 quiets one bag, and a bag silent again alarms again",
    "AT-2.1": "on the console ≤ 3 s; 20 s second operator, 60 s duty officer and phone call, on the timeline",
    "AT-2.2": "one key to acknowledge; a second acknowledger is told who owns the case",
    "AT-2.8": "merge, re-open, close incomplete; the timeline is append-only and chained",
    "AT-3.1": "the ring touches the border: offered ≤ 5 s; without an agreement nothing leaves",
    "AT-3.2": "accept in one key: scope, fields, expiry, purpose; the guardian's notice is queued",
    "AT-3.3": "before accepting no name and no photo; outside a grant 404, logged",
    "AT-3.4": "revoke takes effect ≤ 5 s and closes live streams",
    "AT-3.5": "a neighbour's sightings of the shared beacon flow to the owner ≤ 5 s, others never",
    "AT-3.6": "seven tenants, one child across three: track, grants, notices, no leak",
    "AT-4.1": "the hand-over ≤ 5 s as JSON and A4; 미상, checksum and version",
    "AT-4.2": "webhook, link or print; acknowledged ≤ 3 s; not in 2 min, the operator is prompted",
    "AT-4.3": "the link is personal, shows its age, and dies",
    "AT-4.4": "information requests: legal basis, items, due time, ledger",
    "AT-4.5": "an exercise reaches no police channel",
    "AT-4.6": "sightings as version n+1; a replay changes nothing",
    "AT-5.1": "consent with the fields of 영 27; without it nothing is collected",
    "AT-5.2": "the guardian is told by a person first, within the tenant's policy",
    "AT-5.3": "a status page that expires",
    "AT-5.4": "every disclosure yields a notice; disclosures = notices + deferred",
    "AT-5.5": "pause within 60 s",
    "AT-5.6": "withdrawal destroys within 24 h, except a legal hold",
    "AT-10.1": "two drills a month, unannounced if wanted",
    "AT-10.2": "everything of a drill says so, and reaches nobody outside",
    "AT-10.3": "a real report pauses the drill ≤ 2 s",
    "AT-10.4": "injects, the same by the same seed",
    "AT-10.5": "the report ≤ 60 s after the stop",
}


def named() -> dict[str, list[str]]:
    """AT number → node ids of the tests named after it, read from the files."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node, name in _tests(ast.parse(path.read_text(encoding="utf-8"))):
            for chapter, number in NAMED.findall(name):
                found[f"AT-{chapter}.{number}"].append(f"{path.relative_to(ROOT)}::{node}")
    return dict(found)


def missing() -> list[str]:
    """Acceptance tests that no test is named after."""
    return sorted(WANTED.keys() - named().keys(), key=_order)


class Results:
    """What pytest says of each test, by node id without parameters."""

    def __init__(self) -> None:
        self.outcomes: dict[str, Counter[str]] = defaultdict(Counter)
        self.figures: dict[str, list[str]] = defaultdict(list)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        node = report.nodeid.partition("[")[0]
        if report.when == "call" or report.outcome != "passed":
            self.outcomes[node][report.outcome] += 1
        said = [str(value) for name, value in report.user_properties if name == "figure"]
        if report.when == "teardown":
            self.figures[node] += [figure for figure in said if figure not in self.figures[node]]


def main(arguments: list[str]) -> int:
    """Print the table. 1 when an acceptance test has no test, or one that failed."""
    tests = named()
    results = Results()
    if "--list" not in arguments:
        wanted = sorted({node for at in WANTED for node in tests.get(at, ())})
        pytest.main([*wanted, "-q", "--no-header", "-p", "no:randomly", *arguments], plugins=[results])
    bad = 0
    for at, what in WANTED.items():
        outcomes: Counter[str] = sum((results.outcomes[n] for n in tests.get(at, ())), Counter())
        bad += at not in tests or outcomes["failed"] > 0
        said = ", ".join(f"{n} {outcome}" for outcome, n in sorted(outcomes.items()))
        _say(f"{at:8} {said or ('no test' if at not in tests else 'not run'):22} {what}")
        for node in tests.get(at, ()):
            _say(f"{'':9}{node}")
            for figure in results.figures.get(node, ()):
                _say(f"{'':11}{figure}")
    return 1 if bad else 0


def _tests(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield node.name, node.name
        elif isinstance(node, ast.ClassDef):
            inside = (each for each in node.body if isinstance(each, ast.FunctionDef))
            yield from ((f"{node.name}::{each.name}", each.name) for each in inside)


def _order(at: str) -> tuple[int, ...]:
    return tuple(int(part) for part in at.removeprefix("AT-").split("."))


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
