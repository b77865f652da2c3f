"""The command line as a person uses it."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.local.start import ROOT

Jikimi = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def jikimi(tmp_path: Path) -> Jikimi:
    """The command, with a place of its own for what it remembers."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", "from infra.local.cli import main; main()", *arguments],
            cwd=ROOT,
            env=os.environ | {"JIKIMI_HOME": str(tmp_path), "COLUMNS": "200"},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    return run


def test_a_cloud_goes_up_is_found_is_updated_and_goes_down(jikimi: Jikimi) -> None:
    commands = ("status", "up", "status", "up", "notices check", "down", "status", "down")
    said = [jikimi(*command.split()) for command in commands]

    assert [each.returncode for each in said] == [0] * 8, said
    assert ["HTTP API" in each.stdout for each in said] == [False, True, True, True, *[False] * 4]
    assert "difference" in said[4].stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("deploy",), "Say where to"),
        (("deploy", "--endpoint", "http://127.0.0.1:9"), "Nothing answers there"),
        (("up", "--clock", "noon"), "SimulatedClock"),
    ],
)
def test_what_goes_wrong_is_said_in_a_sentence(
    jikimi: Jikimi, arguments: tuple[str, ...], sentence: str
) -> None:
    said = jikimi(*arguments)

    assert (said.returncode, sentence in said.stderr, "Traceback" in said.stderr) == (1, True, False), said
