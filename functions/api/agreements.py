"""Agreements: what this district may show a neighbour and a neighbour may show it, signed by both."""

from functions.api.desk import AtDesk, new_router
from shared.adapters.wiring import Adapters
from shared.domain import sharing
from shared.domain.errors import Conflict, NotFound
from shared.domain.places import Agreement
from shared.schema import agreements as wire

router = new_router()

_TRIES = 3
"""The other side may sign at the same moment; whose signature was overwritten signs again."""


@router.get("/agreements", summary="Agreements with neighbours", tags=["sharing"])
def several(desk: AtDesk, owner_id: wire.Slug | None = None) -> wire.Agreements:
    """Both directions with every neighbour this district has an agreement with; and with `owner_id`."""
    given = desk.on.registry.agreements()
    others = {each.neighbour_id for each in given} | ({owner_id} if owner_id else set())
    received = [each for other in sorted(others) for each in _to(desk.of(other), desk.on.tenant_id)]
    told = wire.AgreementTold.of
    return wire.Agreements(
        given=[told(each, desk.now) for each in given], received=[told(each, desk.now) for each in received]
    )


@router.post("/agreements/sign", summary="Sign an agreement", tags=["sharing"])
def sign(body: wire.SignAsked, desk: AtDesk) -> wire.OneAgreement:
    """For this district, the terms as they were read; once both have signed, cases can be offered."""
    if desk.on.tenant_id not in (body.owner_id, body.neighbour_id):
        raise NotFound("agreement-not-found")
    owner = desk.of(body.owner_id)
    for _ in range(_TRIES):
        agreement = next(iter(_to(owner, body.neighbour_id)), None)
        if agreement is None:
            raise NotFound("agreement-not-found")
        if agreement.terms != body.terms:
            raise Conflict("agreement-changed")
        after = sharing.signed(agreement, desk.on.tenant_id, desk.actor.actor_id, desk.now)
        if after is agreement:
            return wire.OneAgreement(agreement=wire.AgreementTold.of(after, desk.now))
        owner.registry.put(after)
    raise Conflict("agreement-changed")


def _to(owner: Adapters, neighbour_id: str) -> list[Agreement]:
    """The owner's agreement with a neighbour, if there is one."""
    return [each for each in owner.registry.agreements() if each.neighbour_id == neighbour_id]
