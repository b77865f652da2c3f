"""How fast a neighbour is asked and shut out again: a second case on the running stack, over HTTP alone."""

import time
from collections.abc import Callable, Iterator

import pytest

from infra.local.people import Person
from infra.local.start import wait_for
from shared.domain.geo import distance_m
from tests.e2e.conftest import Stack

pytestmark = pytest.mark.target

AIM_S = 5.0
OWNER = "garam"
Figures = list[str]


class Border:
    """A case of the owner's, and the two control rooms."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        agreement = next(a for a in stack.city.agreements if a.tenant_id == OWNER)
        self.neighbour_id, self.border = agreement.neighbour_id, agreement.neighbour_boundary
        self.owner, self.neighbour = self._operator(OWNER), self._operator(self.neighbour_id)
        child = stack.city.children[OWNER][-1]
        self.case_id = str(self.owner.post("cases", {"child_id": child.child_id})["case"]["case_id"])
        self.owner.post(f"cases/{self.case_id}/acknowledge")

    def _operator(self, tenant_id: str) -> Person:
        name = f"operator-{tenant_id}"
        return Person(name, self.stack.cloud.api_url, lambda: self.stack.cloud.token(name))

    def offered(self) -> bool:
        return any(o["case_id"] == self.case_id for o in self.neighbour.get("offers")["offers"])

    def seen_at_the_border(self) -> None:
        facility = self.stack.city.facilities[OWNER][0].at
        corner = min(self.border.ring, key=lambda corner: distance_m(facility, corner))
        body = {"kind": "reported", "lat": corner.lat_deg, "lon": corner.lon_deg, "radius_m": 10}
        self.owner.post(f"cases/{self.case_id}/evidence", {**body, "source": "passer-by"})

    def status_there(self) -> int:
        return self.neighbour.status_of(f"shared/{OWNER}/{self.case_id}")


@pytest.fixture
def border(stack: Stack) -> Iterator[Border]:
    border = Border(stack)
    yield border
    border.owner.post(f"cases/{border.case_id}/close", {"reason": "false-alarm"})


def took_s(what: Callable[[], bool]) -> float:
    """Wall seconds until it is so; fails after a minute."""
    began = time.monotonic()
    assert wait_for(what, 60, 0.1)
    return time.monotonic() - began


def test_at_3_1_a_neighbour_is_offered_a_case_within_5_s_of_the_ring_touching_its_border(
    border: Border, figures: Figures
) -> None:
    border.seen_at_the_border()
    offer_s = took_s(border.offered)
    figures.append(
        f"ring touches the border → offer on the neighbour's desk: {offer_s:.2f} s (aim ≤ {AIM_S:.0f} s)"
    )

    assert offer_s <= AIM_S


def test_at_3_4_a_share_taken_back_is_closed_within_5_s(border: Border, figures: Figures) -> None:
    if not border.offered():
        border.owner.post(f"cases/{border.case_id}/shares", {"neighbour_id": border.neighbour_id})
    border.neighbour.post(f"offers/{OWNER}/{border.case_id}/accept")
    before = border.status_there()
    border.owner.post(f"cases/{border.case_id}/shares/{border.neighbour_id}/revoke")
    revoke_s = took_s(lambda: border.status_there() == 404)
    figures.append(f"revoke → 404 at the neighbour's desk: {revoke_s:.2f} s (aim ≤ {AIM_S:.0f} s)")
    assert (before, revoke_s <= AIM_S) == (200, True)
