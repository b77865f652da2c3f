"""The resolver: every route, who is let in, and how errors are answered."""

import re

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.middlewares import NextMiddleware

from functions.api import (
    agreements,
    alerts,
    break_glass,
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
from functions.api.access import LINKED, PUBLIC, Caller, account, admitted, by_link, roles
from functions.api.desk import Desk
from functions.api.once import once
from functions.api.problems import HEADERS, answer_problems
from shared.adapters.wiring import Adapters
from shared.domain.errors import Forbidden, NotFound
from shared.domain.guardian import Link
from shared.observability import logger
from shared.ports import Access
from shared.schema.guardians import LINK_FORM

_ID = r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}"
"""What may be an id: nothing else that somebody writes into a path is kept."""


def admit(app: APIGatewayHttpResolver, next_middleware: NextMiddleware) -> Response[str]:
    """Let the caller in with the role this route allows, and give the route its desk."""
    route = f"{app.request.method} {app.request.route}"
    app.context.update(route=route)
    try:
        response = _admit(app, route, next_middleware)
    except (Forbidden, NotFound) as error:
        _log_refusal(app, route, error.code)
        raise
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def _admit(app: APIGatewayHttpResolver, route: str, next_middleware: NextMiddleware) -> Response[str]:
    request, context = app.request, app.current_event.request_context
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
    return response


def _log_refusal(app: APIGatewayHttpResolver, route: str, code: str) -> None:
    """Somebody signed in asked for what is not there or not theirs: that is in their district's log, too."""
    context = app.current_event.request_context
    claims = (context.authorizer.jwt_claim if context.authorizer else None) or {}
    tenant_id, actor_id = str(claims.get("custom:tenant", "")), account(claims)
    if route in LINKED or not tenant_id or not actor_id:
        return
    on: Adapters = app.context["of"](tenant_id)
    asked = str(next(iter(app.request.path_parameters.values()), ""))
    on.access_log.record(
        Access(
            access_id=context.request_id,
            at=on.clock.now(),
            actor_id=actor_id,
            actor_tenant_id=tenant_id,
            role=",".join(sorted(roles(claims))),
            source=context.http.source_ip,
            subject_id=asked if re.fullmatch(_ID, asked) else "",
            what=route,
            purpose=f"refused:{code}",
        )
    )


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
        break_glass,
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
