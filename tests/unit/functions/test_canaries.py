"""Canary names, numbers and places go in through every route and message and come out in no log, metric,
push or error (D6)."""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from functions.api.openapi import openapi
from functions.ingest_sightings.handler import lambda_handler as ingest
from functions.notify.handler import lambda_handler as notify
from functions.notify.tell import TASKS
from functions.onboard_tenant.handler import lambda_handler as onboard
from functions.watch_silence.handler import lambda_handler as watch
from shared.adapters.tenants import memory_tenants
from shared.domain.geo import LatLon
from shared.domain.places import Contact
from shared.observability import logger
from shared.schema.workflow import CaseRun, NotifyTask
from tests.district import START as DISTRICT_START
from tests.district import district
from tests.unit.functions.api.routes import CALLS, Call, Prepared, prepared, send
from tests.unit.functions.api.town import ONE_OF_EACH, Context
from tests.unit.functions.onboard_tenant.test_onboarding import manifest

NAME = "카나리아김"
NUMBER = "010-7341-9926"
LAT, LON = 37.483917, 126.951283
CANARIES = (NAME, NUMBER, NUMBER.replace("-", ""), "37.4839", "126.9512")
PLACE = LatLon(LAT, LON)
OPEN_TEXT = ("note", "name", "words", "reason", "detail", "teacher", "purpose", "station", "to", "subject")


@dataclass
class Outside:
    """What left the system for places where nothing personal may be."""

    lines: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def leaks(self, *more: str) -> list[tuple[str, str]]:
        """(canary, where it was found)."""
        texts = [*self.lines, *self.errors, *more]
        return [(canary, text[:200]) for text in texts for canary in CANARIES if canary in text]


class Keeping(logging.Handler):
    """Every line as CloudWatch would get it, whatever its level."""

    def __init__(self, into: Outside) -> None:
        super().__init__(logging.DEBUG)
        self._into = into
        self.setFormatter(logger.registered_formatter)

    def emit(self, record: logging.LogRecord) -> None:
        self._into.lines.append(self.format(record).encode().decode("unicode_escape", "ignore"))
        self._into.lines.append(self.format(record))


@pytest.fixture
def outside() -> Iterator[Outside]:
    kept = Outside()
    keeping = Keeping(kept)
    logger.addHandler(keeping)
    yield kept
    logger.removeHandler(keeping)


def planted(value: Any) -> Any:
    """A body with canaries wherever a person may write or a place may stand."""
    if isinstance(value, dict):
        return {
            key: LAT if key == "lat" else LON if key == "lon" else _text(key, each)
            for key, each in value.items()
        }
    return [planted(each) for each in value] if isinstance(value, list) else value


def _text(key: str, value: Any) -> Any:
    if isinstance(value, str) and key in OPEN_TEXT:
        return f"{NAME} {NUMBER}"
    if isinstance(value, str) and key in ("mobile", "phone"):
        return NUMBER
    return planted(value)


def broken(value: Any) -> list[Any]:
    """Bodies that are wrong and say names: every error must keep them to itself."""
    if not isinstance(value, dict):
        return [{NAME: NUMBER}]
    return [
        {**value, NAME: NUMBER},
        {key: [NAME, NUMBER, LAT, LON] for key in value},
        dict.fromkeys(value, f"{NAME}{NUMBER}{LAT}"),
    ]


def watched_town() -> Prepared:
    """A town whose people, contacts and places are canaries."""
    town, ids = prepared()
    on = town.on("garam")
    for child in on.registry.children("sun"):
        on.registry.put(replace(child, name=NAME))
    on.registry.put(Contact("guardian:c-1", "", NUMBER, f"{NUMBER}@example.org"))
    on.registry.put(Contact("duty-1", "duty-officer", NUMBER, ""))
    town.heard(at=PLACE)
    return Prepared(town, ids)


@pytest.fixture(scope="module")
def quiet() -> Prepared:
    """One town for all that only reads."""
    return watched_town()


def pushes(prepared_: Prepared) -> list[str]:
    """What push services abroad would carry."""
    sent = prepared_.town.cloud.sent
    return [json.dumps(each.body, ensure_ascii=False, default=str) for each in sent if "push" in each.kind]


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.route)
def test_a_route_keeps_names_numbers_and_places_out_of_logs_pushes_and_errors(
    call: Call, quiet: Prepared, outside: Outside, capsys: pytest.CaptureFixture[str]
):
    town, ids = here = watched_town() if call.is_write else quiet
    who = next((ONE_OF_EACH[role] for role in ONE_OF_EACH if role in call.roles), None)
    bodies = [planted(call.example), *broken(call.example)] if call.example is not None else [None]
    for body in bodies:
        for asked in (ids, dict.fromkeys(ids, f"{NAME}{NUMBER}")):
            told = send(
                town,
                replace(call, example=body),
                who,
                asked | _links(call, ids, is_right=asked is ids),
            )
            if told.status >= 400:
                outside.errors.append(json.dumps(told.body, ensure_ascii=False))

    metrics = capsys.readouterr().out
    assert outside.leaks(metrics, *pushes(here)) == []


def _links(call: Call, ids: dict[str, str], *, is_right: bool) -> dict[str, str]:
    """A link's route needs its secret only: a wrong one is an error like any other."""
    return {} if is_right or not call.link else {"token": f"garam.{NUMBER}", "case_id": ids["case_id"]}


@pytest.mark.parametrize("task", sorted(TASKS))
def test_a_task_that_tells_people_pushes_and_logs_no_canary(
    task: str, outside: Outside, capsys: pytest.CaptureFixture[str]
):
    town, ids = here = watched_town()
    run = CaseRun(tenant_id="garam", case_id=ids["case_id"], status="Actual", round=0, turns=0)
    asked = NotifyTask.model_validate({"task": task, "case": run.model_dump()})
    notify(asked.model_dump(mode="json"), Context(), on=town.on)  # type: ignore[arg-type]

    assert outside.leaks(capsys.readouterr().out, *pushes(here)) == []


def test_a_manifests_rows_right_or_wrong_are_not_in_the_log(outside: Outside):
    town, _ = watched_town()
    rows = manifest()
    for section in ("children", "phones", "facilities", "scanners"):
        rows[section] = [*planted(rows[section]), *broken(rows[section][0])]
    told = onboard(rows, Context(), on=town.on)  # type: ignore[arg-type]

    assert told["rejected"]
    assert outside.leaks(json.dumps(told, ensure_ascii=False)) == []


def test_messages_of_devices_right_or_wrong_are_not_in_the_log(
    outside: Outside, capsys: pytest.CaptureFixture[str]
):
    here = district().people()
    here.outing()
    fix = (LAT, LON, 5.0, 0)
    heard = [(here.beacon(n), 200, -55, 5) for n in range(4)]
    for t in range(0, 60, 4):
        here.clock.at = DISTRICT_START.fromtimestamp(DISTRICT_START.timestamp() + t, DISTRICT_START.tzinfo)
        alone = heard if t < 8 else []  # the children stay behind: alarms are pushed
        records = [here.message(phone, alone, fix=fix, at_s=t) for phone in here.phones]
        records.append(here.message(here.scanner(0), [(NUMBER, 0, -60, 1)], at_s=t, fix=[LAT, LON, NAME, 0]))
        records.append(
            here.record(here.scanner(1), f'{{"v":1,"{NAME}":"{NUMBER}","s":[{LAT}]}}'.encode(), at_s=t)
        )
        ingest({"Records": records}, None, here.on)
    watch({}, None, here.on, lambda: memory_tenants(here.world))
    sent = [json.dumps(each.body, ensure_ascii=False, default=str) for each in here.world.sent]

    assert sent
    assert outside.leaks(capsys.readouterr().out, *sent) == []


def test_a_canary_in_a_log_line_would_be_noticed(outside: Outside):
    logger.warning("child not found", extra={"child": NAME})
    logger.info(f"at {LAT}")

    assert {canary for canary, _ in outside.leaks()} == {NAME, "37.4839"}
    assert openapi()["paths"]
