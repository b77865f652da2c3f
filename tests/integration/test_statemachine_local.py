"""The same state machine on the local cloud: deployed by the template, waits as they are."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest

from infra.local.cloud import LocalCloud
from shared.adapters import wiring
from shared.adapters.cases import change
from shared.adapters.wiring import Adapters, AwsAdapters
from shared.domain import case as cases
from shared.domain import sharing
from shared.domain.case import Case, Change, CloseReason
from shared.domain.places import Status
from tests.casework import SUBJECT, agreed, evidence, people, who
from tests.integration.conftest import environment_of, fresh_tenant
from tests.integration.machine import eventually


class Scene:
    """Three fresh tenants on the local cloud, and a case of the first one at its border."""

    def __init__(self, cloud: LocalCloud, status: Status = Status.ACTUAL) -> None:
        environment = environment_of(cloud)
        self.on: Callable[[str], Adapters] = cache(lambda tenant: AwsAdapters(tenant, environment))
        self.home, self.next_door, far = fresh_tenant(), fresh_tenant(), fresh_tenant()
        people(self.on, tenants=(self.home, self.next_door, far))
        now = datetime.now(UTC)
        here = self.on(self.home)
        tomorrow = now + timedelta(days=1)
        for a in here.registry.agreements():
            here.registry.put(agreed(a.tenant_id, a.neighbour_id, a.neighbour_boundary, until=tomorrow))
        case, entries = cases.open_case(
            "case-1",
            who("teacher", tenant_id=self.home),
            now,
            status=status,
            subject=SUBJECT,
            facility_id="daycare",
            evidence=replace(evidence(x_m=990), at=now),
        )
        here.workflow.start(here.cases.create(case, entries))

    def says(self, code: str) -> None:
        timeline = self.on(self.home).cases.timeline
        eventually(lambda: code in [entry.code for entry in timeline("case-1")])

    def act(self, how: Callable[[Case, cases.Actor, datetime], Change]) -> None:
        by, now = who(tenant_id=self.home), datetime.now(UTC)
        change(self.on(self.home).cases, "case-1", lambda case: how(case, by, now))
        self.on(self.home).workflow.wake("case-1")


@pytest.fixture
def scene(local_cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setattr(wiring, "client", local_cloud.client)
    return Scene(local_cloud)


def test_a_case_is_offered_granted_acknowledged_closed_and_reported(scene: Scene) -> None:
    scene.says("share-offered")
    there = scene.on(scene.next_door).shares
    there.save(sharing.accept(there.received(scene.home, "case-1"), "operator-9", datetime.now(UTC)))
    scene.on(scene.home).workflow.wake("case-1")
    scene.says("notice-deferred")
    listening = [each.beacon_id for each in scene.on(scene.next_door).watch_list.entries()]
    scene.act(cases.acknowledge)
    scene.says("search-started")
    scene.act(lambda case, by, now: cases.close(case, CloseReason.FALSE_ALARM, "", by, now))
    scene.says("reported")
    after = [each.beacon_id for each in scene.on(scene.next_door).watch_list.entries()]

    assert (listening, after) == (["beacon-1"], [])


def test_at_2_1_nobody_answers_and_the_second_operator_is_told_in_time(scene: Scene) -> None:
    scene.says("escalated")
    timeline = scene.on(scene.home).cases.timeline("case-1")
    opened = next(entry.at for entry in timeline if entry.code == "opened")
    escalated = next(entry.at for entry in timeline if entry.code == "escalated")
    scene.act(lambda case, by, now: cases.close(case, CloseReason.FALSE_ALARM, "", by, now))
    scene.says("reported")

    assert 20 <= (escalated - opened).total_seconds() < 30
