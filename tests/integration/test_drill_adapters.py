"""Drills, stored: one contract over memory, moto and the local cloud."""

from dataclasses import replace

import pytest

from shared.domain import drill as rules
from shared.domain.drill import Drill, Inject, InjectKind
from shared.domain.errors import Conflict, NotFound
from shared.ports import Watched
from tests.casework import START, at, near, who
from tests.integration.conftest import World


@pytest.fixture
def tenant(cloud: World) -> str:
    return cloud.tenant()


def plan(cloud: World, tenant: str, drill_id: str = "d-1", after_s: float = 60) -> Drill:
    by = who("official", tenant_id=tenant)
    facts = {"planned_at": at(after_s), "facility_id": "daycare", "child_id": "child-1", "seed": 7}
    return cloud.adapters_for(tenant).drills.save(
        rules.plan(drill_id, by, START, injects=list(InjectKind), **facts)  # type: ignore[arg-type]
    )


def start(cloud: World, tenant: str, drill: Drill) -> Drill:
    return cloud.adapters_for(tenant).drills.save(rules.started(drill, f"case-{drill.drill_id}", at(60)))


def test_a_drill_comes_back_as_it_went_in(cloud: World, tenant: str) -> None:
    drill = start(cloud, tenant, plan(cloud, tenant))
    crossing = Inject(InjectKind.BORDER_CROSSING, at(70), "o", where=near(9), neighbour_id="t-1")
    stored = cloud.adapters_for(tenant).drills.save(rules.disturbed(drill, crossing))

    assert cloud.adapters_for(tenant).drills.get("d-1") == stored


def test_drills_come_in_the_order_they_are_planned_for(cloud: World, tenant: str) -> None:
    plan(cloud, tenant, "d-1", after_s=900)
    plan(cloud, tenant, "d-2", after_s=60)

    assert [drill.drill_id for drill in cloud.adapters_for(tenant).drills.several()] == ["d-2", "d-1"]


def test_a_drill_of_another_tenant_is_not_there(cloud: World, tenant: str) -> None:
    drill = plan(cloud, tenant)
    stranger = cloud.adapters_for(cloud.tenant()).drills
    with pytest.raises(NotFound):
        stranger.get("d-1")
    with pytest.raises(NotFound):
        stranger.save(drill)

    assert (stranger.several(), stranger.under_way()) == ([], None)


def test_who_read_an_older_drill_loses(cloud: World, tenant: str) -> None:
    stale = plan(cloud, tenant)
    start(cloud, tenant, stale)

    with pytest.raises(Conflict, match="drill-overtaken"):
        cloud.adapters_for(tenant).drills.save(rules.stopped(stale, None, at(61)))


def test_one_drill_is_under_way_and_the_next_waits_for_its_end(cloud: World, tenant: str) -> None:
    mine = cloud.adapters_for(tenant).drills
    first = start(cloud, tenant, plan(cloud, tenant))
    second = plan(cloud, tenant, "d-2")
    with pytest.raises(Conflict, match="drill-under-way"):
        start(cloud, tenant, second)
    paused = mine.save(rules.paused(first, "real-case"))
    seen = [mine.under_way()]
    mine.save(rules.stopped(paused, None, at(90)))
    seen += [mine.under_way(), start(cloud, tenant, second)]

    assert seen == [paused, None, mine.under_way()]


def test_a_lesson_of_an_old_drill_is_kept_while_another_runs(cloud: World, tenant: str) -> None:
    mine = cloud.adapters_for(tenant).drills
    over = mine.save(rules.stopped(start(cloud, tenant, plan(cloud, tenant)), None, at(90)))
    running = start(cloud, tenant, plan(cloud, tenant, "d-2"))

    mine.save(rules.learned(over, rules.Finding("no-camera", {}), "", who(), at(99)))

    assert mine.under_way() == running


def test_a_watched_beacon_comes_back_with_what_a_drill_silenced(cloud: World, tenant: str) -> None:
    mine = cloud.adapters_for(tenant).watch_list
    plain = Watched("b-1", "case-1", tenant, None)
    for entry in (replace(plain, deaf=("s-1", "s-2")), replace(plain, beacon_id="b-2")):
        mine.add(entry)

    assert {each.beacon_id: each.deaf for each in mine.entries()} == {"b-1": ("s-1", "s-2"), "b-2": ()}
