"""What a route works with: who asks, the tenant's adapters, and now."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Request
from aws_lambda_powertools.event_handler.depends import Depends
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from functions.api.access import Caller
from shared.adapters.wiring import Adapters
from shared.domain.case import Actor, Case
from shared.domain.errors import NotFound
from shared.domain.guardian import Link
from shared.domain.outing import Outing
from shared.ports import Access

_BASES = {
    "case": "missing-child-act",  # 실종아동법 9, 위치정보법 29
    "outing": "consent",  # 위치정보법 18, 26
    "last-known": "consent",
    "break-glass": "urgent-life",  # 개인정보 보호법 18②3
}
"""The legal ground that a purpose gives, as codes of the disclosure log."""


@dataclass(frozen=True, slots=True)
class Desk:
    """One request. of: the adapters of any tenant; only the sharing routes may look there.

    route: "GET /v1/cases/{case_id}". source: the caller's network address.
    """

    caller: Caller
    on: Adapters
    of: Callable[[str], Adapters]
    now: datetime
    route: str
    source: str
    request_id: str
    by_link: Link | None = None

    @property
    def link(self) -> Link:
        """The link that let the caller in. NotFound on a desk that somebody signed in to."""
        if self.by_link is None:
            raise NotFound("link-not-found")
        return self.by_link

    @property
    def subject_id(self) -> str:
        """Whom the link is about."""
        return self.link.subject_id

    @property
    def actor(self) -> Actor:
        return self.caller.actor

    def case(self, case_id: str) -> Case:
        """A case of this tenant, and of the caller's daycare if it is bound to one."""
        case = self.on.cases.get(case_id)
        if not self.caller.sees(case.facility_id):
            raise NotFound("case-not-found")
        return case

    def outing(self, outing_id: str) -> Outing:
        """An outing of this tenant, and of the caller's daycare if it is bound to one."""
        outing = self.on.outings.get(outing_id)
        if not self.caller.sees(outing.facility_id):
            raise NotFound("outing-not-found")
        return outing

    def saw(self, subject_id: str, purpose: str, owner: Adapters | None = None, *, reason: str = "") -> None:
        """Log that the caller reads this subject's data, in the log of the tenant whose data it is."""
        basis = "agreement" if owner else _BASES.get(purpose.partition(":")[0], "")
        (owner or self.on).access_log.record(
            Access(
                access_id=self.request_id,
                at=self.now,
                actor_id=self.actor.actor_id,
                actor_tenant_id=self.actor.tenant_id,
                role=self.actor.role,
                source=self.source,
                subject_id=subject_id,
                what=self.route,
                purpose=purpose,
                basis=basis,
                reason=reason,
            )
        )


def _desk(request: Request) -> Any:
    return request.context["desk"]


def new_router() -> APIGatewayHttpRouter:
    """Where one area's routes are declared."""
    return APIGatewayHttpRouter()  # type: ignore[no-untyped-call]


AtDesk = Annotated[Desk, Depends(_desk)]
"""A route's parameter: the desk the request was admitted to."""
