"""The resolver: every route, who is let in, and how errors are answered."""

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.middlewares import NextMiddleware

from functions.api import agreements, alerts, cases, devices, openapi, outings, places, shares, sign_in
from functions.api.access import PUBLIC, admitted
from functions.api.desk import Desk
from functions.api.once import once
from functions.api.problems import HEADERS, answer_problems
from shared.observability import logger


def admit(app: APIGatewayHttpResolver, next_middleware: NextMiddleware) -> Response[str]:
    """Let the caller in with the role this route allows, and give the route its desk."""
    request = app.request
    route = f"{request.method} {request.route}"
    app.context.update(route=route)
    context = app.current_event.request_context
    if route not in PUBLIC:
        authorizer = context.authorizer
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
            )
        )
        logger.append_keys(tenant_id=caller.actor.tenant_id, actor_id=caller.actor.actor_id)
    response: Response[str] = next_middleware(app)
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def build() -> APIGatewayHttpResolver:
    """The API with all its routes."""
    app = APIGatewayHttpResolver(enable_validation=True)
    for area in (openapi, sign_in, outings, cases, shares, agreements, alerts, places, devices):
        app.include_router(area.router, prefix="/v1")
    app.use(middlewares=[admit, once])
    answer_problems(app)
    return app


app = build()
