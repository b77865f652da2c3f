"""A part of `make fuzz`: hostile messages harm nobody but themselves (D3)."""

import contextlib
import io

import pytest

from functions.ingest_sightings import ingest
from shared.domain.errors import Rejected
from tests.fuzz import fuzz


def test_hostile_messages_neither_break_the_handler_nor_take_others_with_them():
    with contextlib.redirect_stdout(io.StringIO()):
        run = fuzz(2026, 6_100, seconds=4)

    assert (run.crashes, run.lost, run.inputs > 0) == ([], [], True)


def test_a_handler_that_loses_batch_mates_or_swallows_its_own_faults_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
):
    def clumsy(*_: object) -> None:
        raise ValueError("a fault of ours")

    def forgetful(*_: object) -> None:
        raise Rejected("never-heard-of")

    found = []
    for how in (clumsy, forgetful):
        monkeypatch.setattr(ingest, "read", how)
        with contextlib.redirect_stdout(io.StringIO()):
            run = fuzz(1, 61)
        found.append((bool(run.crashes), bool(run.lost)))

    assert found == [(True, True), (False, True)]
