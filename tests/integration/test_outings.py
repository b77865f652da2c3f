"""One contract for outings and their twin, in every world."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from shared.adapters.wiring import Adapters
from shared.domain.errors import Conflict, NotFound
from shared.domain.outing import Answer, Member, Outing, OutingState
from shared.domain.places import Status
from tests.integration.conftest import World

START = datetime(2026, 5, 5, 1, 0, tzinfo=UTC)


@pytest.fixture
def on(cloud: World) -> Adapters:
    return cloud.adapters_for(cloud.tenant())


def outing(on: Adapters) -> Outing:
    members = (
        Member("c-1", "b-1", "01", (("top", "노랑"), ("bag", "빨강")), Answer.SEARCHING, START, "teacher-1"),
        Member("c-2", "b-2", "02"),
    )
    return Outing(
        outing_id=f"o-{uuid4().hex}",
        tenant_id=on.tenant_id,
        facility_id="sun",
        status=Status.EXERCISE,
        state=OutingState.RUNNING,
        started_at=START,
        started_by="teacher-1",
        phones=("p-1", "p-2"),
        members=members,
    )


def test_an_outing_comes_back_as_it_went_in_with_its_version_raised(on: Adapters):
    saved = on.outings.save(outing(on))

    assert (on.outings.get(saved.outing_id), saved.version) == (saved, 1)


def test_an_outing_nobody_started_is_not_found(on: Adapters):
    with pytest.raises(NotFound):
        on.outings.get("o-404")


def test_running_outings_are_those_not_ended(on: Adapters):
    first, second = on.outings.save(outing(on)), on.outings.save(outing(on))
    on.outings.save(replace(first, state=OutingState.ENDED, ended_at=START + timedelta(hours=1)))

    assert on.outings.running() == [second]


def test_an_ended_outing_can_still_be_looked_up(on: Adapters):
    first = on.outings.save(outing(on))
    ended = on.outings.save(replace(first, state=OutingState.ENDED, ended_at=START + timedelta(hours=1)))

    assert on.outings.get(first.outing_id) == ended


def test_what_is_running_is_as_new_as_what_was_saved(on: Adapters):
    first = on.outings.save(outing(on))
    second = on.outings.save(replace(first, phones=("p-3",)))

    assert on.outings.running() == [second]


def test_a_writer_that_read_an_older_one_loses(on: Adapters):
    first = on.outings.save(outing(on))
    second = on.outings.save(replace(first, phones=("p-3",)))

    with pytest.raises(Conflict) as refused:
        on.outings.save(replace(first, phones=("p-4",)))
    assert (refused.value.code, on.outings.running()) == ("outing-overtaken", [second])


def test_an_outing_is_started_once(on: Adapters):
    fresh = outing(on)
    on.outings.save(fresh)

    with pytest.raises(Conflict):
        on.outings.save(fresh)


def test_an_outing_that_was_never_stored_cannot_be_changed(on: Adapters):
    with pytest.raises(Conflict):
        on.outings.save(replace(outing(on), version=3))


def test_a_tenant_sees_its_own_outings_only(cloud: World):
    one, other = cloud.adapters_for(cloud.tenant()), cloud.adapters_for(cloud.tenant())
    saved = one.outings.save(outing(one))

    with pytest.raises(NotFound):
        other.outings.get(saved.outing_id)
    assert other.outings.running() == []


def test_an_outing_of_another_tenant_is_refused(on: Adapters):
    with pytest.raises(ValueError, match="somebody"):
        on.outings.save(replace(outing(on), tenant_id="somebody"))
