"""The resolver: every route, who is let in, and how errors are answered."""

import re

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.middlewares import NextMiddleware

from functions.api import (
    agreements,
    alerts,
    cases,
    devices,
    drills,
    guardians,
    openapi,
    outings,
    places,
    police,
    shares,
    sign_in,
    sos,
)
from functions.api.access import LINKED, PUBLIC, Caller, admitted, by_link
from functions.api.desk import Desk
from functions.api.once import once
from functions.api.problems import HEADERS, answer_problems
from shared.adapters.wiring import Adapters
from shared.domain.errors import NotFound
from shared.domain.guardian import Link
from shared.observability import logger
from shared.schema.guardians import LINK_FORM


def admit(app: APIGatewayHttpResolver, next_middleware: NextMiddleware) -> Response[str]:
    """Let the caller in with the role this route allows, and give the route its desk."""
    request = app.request
    route = f"{request.method} {request.route}"
    app.context.update(route=route)
    context = app.current_event.request_context
    if route not in PUBLIC:
        authorizer = context.authorizer
        link = None
        if route in LINKED:
            caller, on, link = _linked(app, route, request.path_parameters.get("token", ""))
        else:
            caller = admitted(route, (authorizer.jwt_claim if authorizer else None) or {})
            on = app.context["of"](caller.actor.tenant_id)
        app.context.update(
            desk=Desk(
                caller=caller,
                on=on,
                of=app.context["of"],
                now=on.clock.now(),
                route=route,
                source=context.http.source_ip,
                request_id=context.request_id,
                by_link=link,
            )
        )
        logger.append_keys(tenant_id=caller.actor.tenant_id, actor_id=caller.actor.actor_id)
    response: Response[str] = next_middleware(app)
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def _linked(app: APIGatewayHttpResolver, route: str, secret: str) -> tuple[Caller, Adapters, Link]:
    """Who a link is, and of which district. NotFound for a secret that opens nothing here."""
    if not re.fullmatch(LINK_FORM, secret):
        raise NotFound("link-not-found")
    on: Adapters = app.context["of"](secret.partition(".")[0])
    link = on.guardians.link(secret)
    return by_link(LINKED[route], link, on.tenant_id, on.clock.now()), on, link


def build() -> APIGatewayHttpResolver:
    """The API with all its routes."""
    app = APIGatewayHttpResolver(enable_validation=True)
    for area in (
        openapi,
        sign_in,
        outings,
        cases,
        shares,
        agreements,
        alerts,
        police,
        places,
        devices,
        drills,
        guardians,
        sos,
    ):
        app.include_router(area.router, prefix="/v1")
    app.use(middlewares=[admit, once])
    answer_problems(app)
    return app


app = build()
