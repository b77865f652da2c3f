"""Breaking the glass: seeing where a child is although there is neither an outing nor a case."""

from datetime import timedelta

from functions.api.desk import AtDesk, Desk, new_router
from shared.domain.errors import NotFound
from shared.ports import Message
from shared.schema import http
from shared.schema.break_glass import GlassBroken, GlassTold

router = new_router()

LASTS = timedelta(minutes=10)


@router.post("/children/<child_id>/break-glass", summary="See a child without a case", tags=["search"])
def break_glass(child_id: http.Id, body: GlassBroken, desk: AtDesk) -> GlassTold:
    """Ten minutes, this person, this child. The reason is in the access log; the supervisor is told now."""
    child = desk.on.registry.child(child_id)
    desk.saw(child.child_id, purpose(child.child_id), reason=body.reason)
    told = desk.on.operators.send(
        Message(
            "operators",
            desk.actor.tenant_id,
            f"glass:{desk.request_id}",
            "Actual",
            {"code": "break-glass", "level": 2, "child": child.child_id},
        )
    )
    return GlassTold(until=desk.now + LASTS, told=told.outcome)


def purpose(child_id: str) -> str:
    """Under which a broken glass stands in the access log."""
    return f"break-glass:{child_id}"


def broken(desk: Desk, child_id: str) -> str:
    """The purpose, if this person broke the glass for this child lately; the log is the permit. NotFound."""
    since = desk.now - LASTS
    for line in desk.on.access_log.of("purpose", purpose(child_id), since):
        if line.reason and line.actor_id == desk.actor.actor_id and line.at > since:
            return line.purpose
    raise NotFound("position-not-available")
