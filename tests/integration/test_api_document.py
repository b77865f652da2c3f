"""The OpenAPI document is valid, and what the API answers is what it says."""

import json
import re
from functools import cache
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from functions.api.openapi import openapi
from tests.unit.functions.api.routes import CALLS, Call, prepared, send
from tests.unit.functions.api.town import NEIGHBOUR, ONE_OF_EACH, Town


@cache
def document() -> dict[str, Any]:
    return openapi()


def operation(call: Call) -> dict[str, Any]:
    method, path = call.route.split(" ")
    found: dict[str, Any] = document()["paths"][path][method.lower()]
    return found


def fits(schema: dict[str, Any], value: Any) -> list[str]:
    """What of `value` the schema does not allow."""
    whole = {**schema, "components": document()["components"]}
    return [error.message for error in Draft202012Validator(whole).iter_errors(value)]


def test_the_document_is_valid_openapi_3_1():
    assert list(OpenAPIV31SpecValidator(document()).iter_errors()) == []


def test_the_document_is_served_without_a_token():
    assert Town().ask(None, "GET /v1/openapi.json").body == json.loads(json.dumps(document()))


def test_every_operation_says_what_it_is_and_what_can_go_wrong():
    lacking = [
        call.route
        for call in CALLS
        if not operation(call).get("summary")
        or not {"422", "500", "503"} <= operation(call)["responses"].keys()
        or not (call.is_public or call.link or {"401", "403", "404"} <= operation(call)["responses"].keys())
    ]

    assert lacking == []


def test_every_error_shows_an_example_that_fits_its_schema():
    schema = document()["components"]["schemas"]["Problem"]
    examples = [
        response["content"]["application/problem+json"]["example"]
        for response in document()["components"]["responses"].values()
    ]

    assert [fits(schema, example) for example in examples] == [[]] * len(examples)


def test_operation_ids_are_unique():
    ids = [operation(call)["operationId"] for call in CALLS]

    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.route)
def test_what_a_route_answers_is_what_the_document_says(call: Call):
    town, ids = prepared()
    town.share(ids["case_id"], accept=not call.route.startswith("POST /v1/offers"))
    who = ONE_OF_EACH[sorted(call.roles)[0]] if call.roles else None
    if "{owner_id}" in call.route:
        who = NEIGHBOUR

    told = send(town, call, who, ids)

    response = operation(call)["responses"].get(str(told.status), {})
    if "$ref" in response:
        response = document()["components"]["responses"][response["$ref"].rsplit("/", 1)[1]]
    content = response["content"][told.headers["content-type"]]
    assert fits(content["schema"], told.body) == []


@pytest.mark.parametrize("call", [c for c in CALLS if c.is_write], ids=lambda call: call.route)
def test_a_valid_request_fits_the_document(call: Call):
    schema = operation(call)["requestBody"]["content"]["application/json"]["schema"]

    assert fits(schema, call.example) == []


def test_no_schema_of_an_answer_lets_more_out_than_it_names():
    schemas = document()["components"]["schemas"]
    loose = [
        name
        for name, s in schemas.items()
        if s.get("type") == "object" and s.get("additionalProperties") is not False
    ]

    assert loose == []


def test_paths_are_plural_lower_case_words():
    words = {word for call in CALLS for word in call.route.split(" ")[1].split("/") if "{" not in word}

    assert [word for word in words if not re.fullmatch(r"[a-z0-9.-]*", word)] == []
