"""The OpenAPI document of this API, served by it: built from the routes, so that none is forgotten.

What is the same everywhere is added in one place: the token, the idempotency key, and every error as
problem details.
"""

import json
from functools import cache
from typing import Any

from aws_lambda_powertools.event_handler import Request, Response

from functions.api import once, problems
from functions.api.access import ALLOWED, LINKED, PUBLIC
from functions.api.desk import new_router
from shared.i18n import sentence
from shared.schema.http import Problem

router = new_router()

_ERRORS = {
    "400": "Not readable, or without an idempotency key",
    "401": "Nobody is signed in",
    "403": "Not allowed in this role",
    "404": "Not there, or not there for this caller",
    "409": "Somebody else was first, or the state does not allow it",
    "415": "Not JSON",
    "422": "Not valid; `errors` says where",
    "429": "Too often; `Retry-After` says when again",
    "500": "A fault of ours",
    "503": "Try again",
}
_CODES = {
    "400": "idempotency-key-missing",
    "401": "not-signed-in",
    "403": "role-not-allowed",
    "404": "case-not-found",
    "409": "case-already-owned",
    "415": "not-json",
    "422": "invalid",
    "429": "too-many-calls",
    "500": "internal",
    "503": "unavailable",
}
_TAGS = (
    ("people", "Signing in, and how phones are reached"),
    ("outings", "A group goes out and comes back"),
    ("cases", "Somebody is missing"),
    ("search", "Where the bag is, where it was, and which cameras to open"),
    ("sharing", "What neighbours offer each other, for one case and a time"),
    ("police", "The hand-over, who got it, and what the police ask for"),
    ("guardians", "Consent, notices, and what a guardian may see and stop"),
    ("calls", "A phone that calls for help"),
    ("drills", "Exercises: planned, disturbed on purpose, stopped and learned from"),
    ("places", "The district, its scanners, cameras and daycares"),
    ("operations", "Quarantine, access log, live updates"),
)


@router.get("/openapi.json", summary="This document", tags=["operations"], include_in_schema=False)
def document(request: Request) -> Response[str]:
    return Response(200, "application/json", _text(), {"Cache-Control": "public, max-age=300"})


@cache
def _text() -> str:
    return json.dumps(openapi(), ensure_ascii=False)


def openapi() -> dict[str, Any]:
    """The document as plain data."""
    from aws_lambda_powertools.event_handler.openapi.models import (  # noqa: PLC0415 - a third of a cold start
        HTTPBearer,
    )

    from functions.api.app import app  # noqa: PLC0415 - the application includes this module's route

    built: dict[str, Any] = json.loads(
        app.get_openapi_json_schema(
            title="Jikimi (지킴이)",
            version="1.0.0",
            summary="Finding missing children: outings, cases, sharing between districts",
            description=(
                "What belongs to another district or daycare is not there: 404, never 403. Every POST "
                "carries an `Idempotency-Key`; the same request with the same key is done once. Errors are "
                "problem details (RFC 9457) with a stable `code`."
            ),
            security_schemes={"token": HTTPBearer(bearerFormat="JWT", description="The id token")},
        )
    )
    built["tags"] = [{"name": name, "description": text} for name, text in _TAGS]
    schemas = built["components"]["schemas"]
    for unused in ("HTTPValidationError", "ResponseValidationError", "ValidationError"):
        schemas.pop(unused, None)
    definitions = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(definitions.pop("$defs"))
    schemas["Problem"] = definitions
    built["components"]["responses"] = {status: _error(status) for status in _ERRORS}
    for path, operations in built["paths"].items():
        for method, operation in operations.items():
            _complete(f"{method.upper()} {path}", operation)
    return built


def _complete(route: str, operation: dict[str, Any]) -> None:
    """Who may call it, its key, and its errors."""
    statuses = {"422", "500", "503"}
    if route in PUBLIC:
        operation["security"] = []
        statuses |= {"400", "401"}
    elif route in LINKED:
        operation["security"] = []
        operation["x-link"] = LINKED[route].value
        statuses |= {"404", "429"}
    else:
        operation["security"] = [{"token": []}]
        operation["x-roles"] = sorted(role.value for role in ALLOWED[route])
        statuses |= {"401", "403", "404"}
    if "requestBody" in operation:
        operation["requestBody"]["required"] = True
        statuses |= {"400", "415"}
    if route.startswith(("POST", "PUT")) and route not in PUBLIC:
        statuses.add("409")
    if route.startswith("POST") and route not in PUBLIC | once.WITHOUT:
        operation.setdefault("parameters", []).append(
            {
                "name": once.HEADER,
                "in": "header",
                "required": True,
                "description": "Made by the caller, new for each new request",
                "schema": {"type": "string", "pattern": once.PATTERN},
                "example": "6f0c2f4e-6f0b-4f9b-9d5e-2f8f1c1f7a10",
            }
        )
    for status in sorted(statuses):
        operation["responses"][status] = {"$ref": f"#/components/responses/{status}"}


def _error(status: str) -> dict[str, Any]:
    code = _CODES[status]
    example = {
        "type": f"urn:jikimi:problem:{code}",
        "title": _ERRORS[status],
        "status": int(status),
        "code": code,
        "detail": sentence(f"error.{code}", {}),
        "params": {},
        "errors": [],
        "instance": "urn:jikimi:request:5f3e9a7c",
    }
    return {
        "description": _ERRORS[status],
        "content": {
            problems.CONTENT_TYPE: {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "example": example,
            }
        },
    }
