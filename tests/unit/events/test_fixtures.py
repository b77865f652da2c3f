"""Each JSON file in `events/` is what one trigger hands one function: `<function>[.<what>].json`."""

import json
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import TypeAdapter

from events.simulator.scenario import load
from functions.console.handler import lambda_handler as console
from functions.ingest_sightings.ingest import ingest
from functions.onboard_tenant.manifest import onboard
from shared.adapters.clock import ManualClock, from_epoch_ms
from shared.adapters.memory import MemoryCloud
from shared.adapters.wiring import Adapters, memory_adapters
from shared.schema.http import CaseAsked
from shared.schema.onboarding import ROWS, Manifest
from shared.schema.records import Order
from shared.schema.sightings import read_envelope, read_payload
from shared.schema.workflow import AssessTask, NotifyTask

ROOT = Path(__file__).parents[3]
EVENTS = ROOT / "events"
FUNCTIONS = sorted(p.parent.name for p in (ROOT / "functions").glob("*/handler.py"))
BATCHES = ("ingest_sightings.ordinary", "ingest_sightings.urgent")
START = load("crosses_the_border").start


def fixture(name: str) -> Any:
    return json.loads((EVENTS / f"{name}.json").read_text(encoding="utf-8"))


def after_joining(at: datetime = START) -> tuple[MemoryCloud, Adapters]:
    """A world in which the fixture's municipality has joined, at a time of the scenario."""
    world = MemoryCloud(ManualClock(at))
    on = memory_adapters(world)
    onboard(fixture("onboard_tenant"), on)
    return world, on("garam")


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_function_has_an_event(function: str) -> None:
    assert [p.name for p in EVENTS.glob("*.json") if p.name.split(".")[0] == function] != []


def test_every_event_belongs_to_a_function() -> None:
    assert {p.name.split(".")[0] for p in EVENTS.glob("*.json")} <= set(FUNCTIONS)


@pytest.mark.parametrize("name", BATCHES)
def test_the_queue_holds_what_the_iot_rule_writes(name: str) -> None:
    envelopes = [read_envelope(record["body"]) for record in fixture(name)["Records"]]

    assert all(read_payload(e.payload).v == 1 and e.client == e.thing for e in envelopes)


def test_the_ordinary_batch_shows_a_heartbeat_a_scanner_and_a_phone() -> None:
    records = fixture("ingest_sightings.ordinary")["Records"]
    payloads = [read_payload(read_envelope(record["body"]).payload) for record in records]

    assert {(bool(p.s), p.fix is not None) for p in payloads} == {(False, False), (True, False), (True, True)}


@pytest.mark.parametrize("name", BATCHES)
def test_a_batch_is_stored_once_its_municipality_has_joined(name: str) -> None:
    records = fixture(name)["Records"]
    newest_ms = max(read_envelope(record["body"]).received_ms for record in records)
    world, _ = after_joining(from_epoch_ms(newest_ms))
    report = ingest(records, memory_adapters(world))

    assert (report.failed, report.quarantined, dict(report.dropped)) == (set(), 0, {})
    assert report.stored > 0


def test_a_municipality_joins_with_every_row_of_its_manifest() -> None:
    rows = fixture("onboard_tenant")
    told = onboard(rows, memory_adapters(MemoryCloud(ManualClock(START))))

    assert list(told.rejected) == []
    assert set(ROWS) <= {name for name, value in Manifest.model_validate(rows) if value}


def test_a_teacher_reports_a_child_of_the_manifest() -> None:
    event = fixture("api.report_missing")
    asked = CaseAsked.model_validate_json(event["body"])
    _, garam = after_joining()
    claims = event["requestContext"]["authorizer"]["jwt"]["claims"]

    assert garam.registry.child(asked.child_id).facility_id == claims["custom:facility"]
    assert event["requestContext"]["http"]["path"] == "/v1/cases"


def test_the_workflow_hands_over_tasks_that_the_functions_know() -> None:
    asked = [AssessTask.model_validate(fixture("assess_case")), NotifyTask.model_validate(fixture("notify"))]

    assert [a.case.tenant_id for a in asked] == ["garam", "garam"]


def test_the_schedule_brings_nothing() -> None:
    assert fixture("watch_silence") == {}


def test_the_console_is_served() -> None:
    assert console(fixture("console"), SimpleNamespace())["statusCode"] == 200


def test_the_keeper_of_records_is_asked_for_everything_or_for_one_order() -> None:
    order = TypeAdapter(Order).validate_python(fixture("keep_records.hold"))

    assert (fixture("keep_records"), order.do) == ({}, "hold")
