"""One contract for hand-overs, links and requests: DynamoDB and its twin in memory."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.adapters.handovers import newest, stored
from shared.adapters.wiring import Adapters
from shared.domain.case import acknowledge
from shared.domain.errors import Conflict, NotFound
from shared.domain.handover import Basis, Decision, InformationRequest, Item, PoliceLink, answered, asked
from tests.casework import at, evidence, opening, people, who
from tests.integration.conftest import World

LINK = PoliceLink("case-1.abc", "case-1", "officer-1", "search", "operator-1", at(0))
UNTIL = at(0) + timedelta(days=92)


@pytest.fixture
def on(cloud: World) -> Adapters:
    """A district with a case about a child last heard near the daycare."""
    home = cloud.tenant()
    people(cloud.adapters_for, tenants=(home,))
    here = cloud.adapters_for(home)
    case, entries = opening(tenant_id=home, found=evidence())
    here.cases.create(case, entries)
    return here


def request(seconds: float = 0.0, request_id: str = "") -> InformationRequest:
    received = at(seconds)
    bare = InformationRequest(
        request_id=request_id or f"r-{received:%Y%m%d%H%M%S}-x",
        received_at=received,
        received_by="police-1",
        channel="system",
        station="가람경찰서",
        document_no="2026-1",
        basis=Basis.MISSING_CHILD_ACT,
        article="",
        purpose="search",
        items=(Item("cctv", "cam-1 10:00-10:10"), Item("track", "")),
        due_at=received + timedelta(hours=1),
    )
    return asked(bare, who("police"))


def test_at_4_1_a_version_is_made_once_and_comes_back_as_it_was_made(on: Adapters) -> None:
    first = newest(on, "case-1")
    again = newest(on, "case-1")

    assert (first.version, again, stored(on, "case-1", 1)) == (1, first, first)
    assert first.computed_checksum() == first.checksum


def test_at_4_1_news_makes_the_next_version_which_names_the_one_it_replaces(on: Adapters) -> None:
    first = newest(on, "case-1")
    on.cases.save(*acknowledge(on.cases.get("case-1"), who(), at(9)))
    second = newest(on, "case-1")

    assert [(r.version, r.checksum) for r in second.replaces] == [(1, first.checksum)]
    assert (second.version, stored(on, "case-1", 1)) == (2, first)


def test_of_two_who_make_a_version_at_once_the_first_ones_is_kept(on: Adapters) -> None:
    on.police_desk.keep("case-9", 1, "first", until=UNTIL)

    assert on.police_desk.keep("case-9", 1, "second", until=UNTIL) == "first"


def test_hand_overs_that_are_forgotten_are_gone(on: Adapters) -> None:
    newest(on, "case-1")
    on.police_desk.forget("case-1")

    assert stored(on, "case-1", 1) is None


def test_another_tenant_has_none_of_it(cloud: World, on: Adapters) -> None:
    newest(on, "case-1")
    on.police_desk.save_link(LINK)
    on.police_desk.save_request(request())
    other = cloud.adapters_for(cloud.tenant()).police_desk

    for look in (
        lambda: other.handover("case-1", 1),
        lambda: other.link(LINK.link_id),
        lambda: other.request(request().request_id),
    ):
        with pytest.raises(NotFound):
            look()
    assert (other.links("case-1"), other.requests(at(-9), at(9))) == ([], [])


def test_a_link_comes_back_with_its_case(on: Adapters) -> None:
    saved = on.police_desk.save_link(LINK)

    assert (on.police_desk.link(LINK.link_id), on.police_desk.links("case-1")) == (saved, [saved])


def test_who_changes_an_older_link_loses(on: Adapters) -> None:
    saved = on.police_desk.save_link(LINK)
    on.police_desk.save_link(replace(saved, shown=1))

    with pytest.raises(Conflict, match="record-overtaken"):
        on.police_desk.save_link(replace(saved, shown=2))


def test_requests_come_in_the_order_they_were_received(on: Adapters) -> None:
    saved = [on.police_desk.save_request(request(seconds)) for seconds in (60, 10, 4000)]

    assert on.police_desk.requests(at(0), at(3600)) == [saved[1], saved[0]]


def test_of_two_answers_at_once_one_is_refused(on: Adapters) -> None:
    saved = on.police_desk.save_request(request())
    decided = answered(saved, (Decision(1, given="clip 7"), Decision(2, refused="없음")), who(), at(5))
    stored_answer = on.police_desk.save_request(decided)

    with pytest.raises(Conflict):
        on.police_desk.save_request(decided)
    assert on.police_desk.request(saved.request_id) == stored_answer
