"""A write that is sent twice is done once: the `Idempotency-Key` header."""

import hashlib
import json
import re

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.middlewares import NextMiddleware

from functions.api.desk import Desk
from functions.api.problems import HEADERS
from shared.domain.errors import Rejected
from shared.ports import Answer

HEADER = "Idempotency-Key"
WITHOUT = frozenset({"POST /v1/sos/{token}", "POST /v1/sos/{token}/fixes"})
"""Done twice these are done once anyway; and an answer that holds a secret is not kept."""
PATTERN = r"^[A-Za-z0-9._:-]{8,128}$"


def once(app: APIGatewayHttpResolver, next_middleware: NextMiddleware) -> Response[str]:
    """Answer a repeated POST with what the first was answered with; a failed one may be tried again.

    PUT needs no key: the same twice is the same. Rejected without a key.
    """
    desk: Desk | None = app.context.get("desk")
    if app.current_event.http_method != "POST" or desk is None or desk.route in WITHOUT:
        return next_middleware(app)
    given = app.current_event.headers.get(HEADER.lower(), "")
    if not re.match(PATTERN, given):
        raise Rejected("idempotency-key-missing")
    key = f"{desk.actor.actor_id}#{given}"
    asked = "\n".join(["POST", app.current_event.path, app.current_event.decoded_body or ""])
    request = hashlib.sha256(asked.encode()).hexdigest()
    earlier = desk.on.answers.begin(key, request, now=desk.now)
    if earlier is not None:
        headers = {**HEADERS, "Idempotency-Replayed": "true"}
        return Response(earlier.status, "application/json", earlier.body, headers)
    done = False
    try:
        response = next_middleware(app)
        done = True
    finally:
        if not done:
            desk.on.answers.abandon(key)
    body = response.body if isinstance(response.body, str) else json.dumps(response.body, ensure_ascii=False)
    desk.on.answers.finish(key, request, Answer(response.status_code, body), now=desk.now)
    return response
