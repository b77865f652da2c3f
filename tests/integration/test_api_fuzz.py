"""Whatever the document allows, and what it does not: no fault of ours, and no answer the document forbids.

`JIKIMI_API_CASES` sets how many requests each operation gets in each of the two modes; `make fuzz` asks for
more than the suite has time for.
"""

import json
import os
from functools import cache
from typing import Any
from urllib.parse import quote

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from jsonschema import Draft202012Validator
from schemathesis import GenerationMode
from schemathesis.core import NOT_SET

from functions.api.handler import lambda_handler
from functions.api.openapi import openapi
from tests.unit.functions.api.routes import Prepared, prepared
from tests.unit.functions.api.town import NEIGHBOUR, ONE_OF_EACH, Context, Who, http_event

CASES = int(os.environ.get("JIKIMI_API_CASES", "5"))
OPERATIONS = {
    f"{found.ok().method.upper()} {found.ok().path}": found.ok()
    for found in schemathesis.openapi.from_dict(openapi()).get_all_operations()
}


@cache
def document() -> dict[str, Any]:
    return openapi()


@pytest.fixture(scope="module")
def busy() -> Prepared:
    """A town with a shared case, whose ids some of the requests are given."""
    made = prepared()
    made.town.share(made.ids["case_id"])
    return made


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("route", sorted(OPERATIONS))
def test_no_request_makes_a_fault_or_an_undocumented_answer(route: str, mode: GenerationMode, busy: Prepared):
    method, path = route.split(" ")
    use = document()["paths"][path][method.lower()].get("x-link")
    known = busy.ids
    if use:
        known = known | {"token": busy.town.link(use, case_id=busy.ids["case_id"])}

    @settings(max_examples=CASES, database=None, suppress_health_check=list(HealthCheck))
    @given(case=OPERATIONS[route].as_strategy(generation_mode=mode))
    def holds(case: Any) -> None:
        for ids in ({}, known):  # a made-up id, and then one that exists
            assert wrong_with(case, send(busy, case, caller(route), ids)) == []

    holds()


def caller(route: str) -> Who | None:
    """Somebody the route serves."""
    method, path = route.split(" ")
    allowed = document()["paths"][path][method.lower()].get("x-roles")  # none: a link, or for everybody
    if allowed is None:
        return None
    return NEIGHBOUR if "{owner_id}" in route else ONE_OF_EACH[allowed[0]]


def send(busy: Prepared, case: Any, who: Who | None, ids: dict[str, str]) -> dict[str, Any]:
    """The generated request, as API Gateway would pass it on."""
    path = case.path
    for name, value in ((case.path_parameters or {}) | ids).items():
        path = path.replace(f"{{{name}}}", quote(str(value), safe=""))
    body = None if case.body is NOT_SET else case.body
    text = body.decode("latin-1") if isinstance(body, bytes) else None if body is None else json.dumps(body)
    event = http_event(
        case.method.upper(),
        path,
        who,
        text,
        query={name: str(value) for name, value in (case.query or {}).items()},
        headers={name.lower(): str(value) for name, value in (case.headers or {}).items()},
        request_id="r-fuzz",
    )
    answer: dict[str, Any] = lambda_handler(
        event,
        Context(),  # type: ignore[arg-type]
        on=busy.town.on,
        people=lambda: busy.town.identity,
    )
    return answer


def wrong_with(case: Any, answer: dict[str, Any]) -> list[str]:
    """What about an answer is not as the document says."""
    status, kind = answer["statusCode"], answer["headers"]["Content-Type"]
    if status >= 500:
        return [f"{status}: {answer['body']}"]
    response = document()["paths"][case.path][case.method.lower()]["responses"].get(str(status))
    if response is None:
        return [f"{status} is not documented: {answer['body']}"]
    if "$ref" in response:
        response = document()["components"]["responses"][response["$ref"].rsplit("/", 1)[1]]
    if kind not in response["content"]:
        return [f"{kind} is not documented for {status}"]
    schema = {**response["content"][kind]["schema"], "components": document()["components"]}
    body = json.loads(answer["body"]) if "json" in kind else answer["body"]
    return [error.message for error in Draft202012Validator(schema).iter_errors(body)]
