"""Every error as problem details (RFC 9457): a code, its parameters, and the sentence they make.

Nothing of what was sent is sent back: not a value, not the name of a field we do not know.
"""

import binascii
import traceback
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.event_handler.openapi.exceptions import (
    RequestUnsupportedContentType,
    RequestValidationError,
)
from botocore.exceptions import BotoCoreError, ClientError

from shared.domain.errors import Conflict, Forbidden, JikimiError, NotFound, Rejected, TooMany, Unauthorized
from shared.i18n import sentence
from shared.observability import count_by, logger
from shared.schema.http import Fault, Problem

CONTENT_TYPE = "application/problem+json"
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}

_STATUS: Mapping[type[JikimiError], HTTPStatus] = {
    Rejected: HTTPStatus.BAD_REQUEST,
    Unauthorized: HTTPStatus.UNAUTHORIZED,
    Forbidden: HTTPStatus.FORBIDDEN,
    NotFound: HTTPStatus.NOT_FOUND,
    Conflict: HTTPStatus.CONFLICT,
    TooMany: HTTPStatus.TOO_MANY_REQUESTS,
}


def answer_problems(app: APIGatewayHttpResolver) -> None:
    """Let `app` answer whatever is raised behind it."""

    def told(error: JikimiError) -> Response[str]:
        status = next(_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS)
        return _problem(app, status, error.code, error.params)

    def plain(status: HTTPStatus, code: str) -> Callable[[Exception], Response[str]]:
        return lambda _: _problem(app, status, code)

    def invalid(error: RequestValidationError) -> Response[str]:
        if any(each["type"] == "json_invalid" for each in error.errors()):
            return _problem(app, HTTPStatus.BAD_REQUEST, "unreadable-body")
        return _problem(app, HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", errors=_faults(error.errors()))

    def ours(status: HTTPStatus, code: str) -> Callable[[Exception], Response[str]]:
        def answer(error: Exception) -> Response[str]:
            _log_unexpected(error)
            return _problem(app, status, code)

        return answer

    unreadable = plain(HTTPStatus.BAD_REQUEST, "unreadable-body")
    unavailable = ours(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable")
    app.exception_handler_manager.update_exception_handlers(
        {
            **dict.fromkeys(_STATUS, told),
            NotFoundError: plain(HTTPStatus.NOT_FOUND, "route-not-found"),
            RequestUnsupportedContentType: plain(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "not-json"),
            RequestValidationError: invalid,
            **dict.fromkeys((UnicodeDecodeError, binascii.Error, RecursionError), unreadable),
            **dict.fromkeys((ClientError, BotoCoreError), unavailable),
            Exception: ours(HTTPStatus.INTERNAL_SERVER_ERROR, "internal"),
        }
    )


def _problem(
    app: APIGatewayHttpResolver,
    status: HTTPStatus,
    code: str,
    params: Mapping[str, str | int | float] | None = None,
    errors: Sequence[Fault] = (),
) -> Response[str]:
    language = "en" if _accepts(app).startswith("en") else "ko"
    request_id = app.current_event.request_context.request_id
    problem = Problem(
        type=f"urn:jikimi:problem:{code}",
        title=status.phrase,
        status=status,
        code=code,
        detail=sentence(f"error.{code}", params or {}, language),
        params=dict(params or {}),
        errors=list(errors),
        instance=f"urn:jikimi:request:{request_id}",
    )
    desk = app.context.get("desk")
    who = {} if desk is None else {"tenant_id": desk.actor.tenant_id, "actor_id": desk.actor.actor_id}
    logger.warning("request refused", code=code, status=int(status), route=app.context.get("route"), **who)
    count_by("RequestsRefused", "code", {code: 1})
    return Response(
        status_code=status,
        content_type=CONTENT_TYPE,
        headers={**HEADERS, "Content-Language": language} | _retry(params or {}),
        body=problem.model_dump_json(),
    )


def _retry(params: Mapping[str, str | int | float]) -> dict[str, str]:
    return {"Retry-After": str(params["wait_s"])} if "wait_s" in params else {}


def _faults(errors: Sequence[Mapping[str, Any]]) -> list[Fault]:
    """Where and what. A field we do not know is named by whoever sent it: its name stays out."""
    faults = []
    for error in errors:
        path = [str(part) for part in error["loc"]]
        if error["type"] == "extra_forbidden":
            path = path[:-1]
        faults.append(Fault(where=".".join(path), code=error["type"]))
    return faults


def _log_unexpected(error: Exception) -> None:
    """Type and place, never the message: it may quote what was sent or stored."""
    frames = traceback.extract_tb(error.__traceback__)
    where = [f"{Path(f.filename).name}:{f.lineno}:{f.name}" for f in frames[-8:]]
    code = error.response.get("Error", {}).get("Code", "") if isinstance(error, ClientError) else ""
    logger.error("request failed", error=type(error).__name__, error_code=code, where=where)


def _accepts(app: APIGatewayHttpResolver) -> str:
    return (app.current_event.headers.get("accept-language") or "").strip().lower()
