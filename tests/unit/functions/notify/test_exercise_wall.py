"""An exercise reaches no guardian, no police and no neighbour without an agreement, by whatever way."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, get_type_hints

import pytest

from infra.local.conductor import Conductor
from shared.adapters import wiring
from shared.adapters.cases import change
from shared.adapters.channels import REAL_ONLY
from shared.adapters.clock import ManualClock
from shared.adapters.memory import MemoryCloud
from shared.adapters.wiring import Adapters, AwsAdapters, Environment, memory_adapters
from shared.domain import case as cases
from shared.domain import sharing
from shared.domain.places import Phone, Status, Tenant
from shared.ports import Channel, Message
from tests.casework import START, at, evidence, opening, people, strip, who

POLICE = "https://police.example/hand-over"
GUARDIAN = "guardian-endpoint"
CHANNELS = [
    name
    for name, member in vars(Adapters).items()
    if isinstance(member, property) and get_type_hints(member.fget)["return"] is Channel
]


class Untouchable:
    """An AWS client that must not be asked for anything."""

    def __init__(self, service: str) -> None:
        self._service = service

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{self._service}.{name} was used in an exercise")


@pytest.fixture(params=["aws", "memory"])
def on(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Adapters:
    """The real channels with clients that may not be used; and the twins."""
    if request.param == "memory":
        return memory_adapters(MemoryCloud(ManualClock(START)))("garam")
    monkeypatch.setattr(wiring, "client", Untouchable)
    return AwsAdapters("garam", Environment.read())


def test_the_wall_is_tried_on_every_channel_there_is() -> None:
    assert {"push", "operators", "police"} <= set(CHANNELS)


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("kind", sorted(REAL_ONLY))
@pytest.mark.parametrize("status", [Status.EXERCISE, Status.TEST])
def test_at_4_5_at_10_2_no_channel_takes_a_message_of_an_exercise_for_a_guardian_or_the_police(
    on: Adapters, channel: str, kind: str, status: Status
) -> None:
    to = POLICE if kind == "police" else GUARDIAN
    message = Message(kind, to, "key-1", status.value, {"code": "case-opened", "case": "case-1"})

    delivery = getattr(on, channel).send(message)

    assert (delivery.outcome, delivery.reason) == ("withheld", "exercise-wall")


class Story:
    """A case at home, haneul in the east with an agreement, badam in the west without one."""

    def __init__(self, status: Status) -> None:
        self.clock = ManualClock(START)
        self.world = MemoryCloud(self.clock)
        self.on = memory_adapters(self.world)
        phones = (Phone("garam-p-1", "daycare", "김선생", endpoint="endpoint-1"),)
        people(self.on, tenants=("garam", "haneul"), police_url=POLICE, phones=phones, guardian=GUARDIAN)
        self.on("badam").registry.put(Tenant("badam", "바담구", strip(-1)))
        case, entries = opening(status=status, found=evidence())
        self.on("garam").workflow.start(self.on("garam").cases.create(case, entries))
        self.conductor = Conductor(self.world, self.on)

    def act(self, how: Any) -> None:
        case, entries = change(self.on("garam").cases, "case-1", how)
        assert entries
        self.on("garam").workflow.wake(case.case_id)

    def play(self) -> None:
        """Nobody answers for fifteen minutes, a neighbour accepts, the child is found, the case is closed."""
        for minute in self._minutes(15):
            if minute == 14:
                there = self.on("haneul").shares
                there.save(sharing.accept(there.received("garam", "case-1"), "operator-9", self.clock.at))
        self.act(lambda c: cases.acknowledge(c, who(), self.clock.at))
        self.act(lambda c: cases.police_told(c, "112-1", "112-call", who(), self.clock.at))
        self.act(lambda c: cases.secured(c, "police", who(), self.clock.at))
        for _ in self._minutes(2):
            pass
        self.act(lambda c: cases.close(c, cases.CloseReason.FOUND, "", who(), self.clock.at))
        for _ in self._minutes(1):
            pass

    def _minutes(self, n: int) -> Iterator[int]:
        for minute in range(n):
            yield minute
            for _ in range(30):
                self.clock.at = at((self.clock.at - START).total_seconds() + 2)
                self.conductor.advance()

    @property
    def receivers(self) -> set[tuple[str, str]]:
        return {(message.kind, message.to) for message in self.world.sent}


def test_at_10_2_a_whole_exercise_reaches_nobody_who_would_take_it_for_real() -> None:
    story = Story(Status.EXERCISE)
    story.play()

    codes = {entry.code for entry in story.on("garam").cases.timeline("case-1")}
    assert story.receivers == {("operators", "garam"), ("push", "endpoint-1"), ("operators", "haneul")}
    assert {message.status for message in story.world.sent} == {"Exercise"}
    assert {"escalated", "share-offered", "no-agreement", "police-withheld"} <= codes


def test_at_10_2_nothing_of_an_exercise_is_stored_with_a_neighbour_without_an_agreement() -> None:
    story = Story(Status.EXERCISE)
    story.play()

    assert (story.on("badam").shares.inbox(), story.on("badam").watch_list.entries()) == ([], [])


def test_the_same_story_reaches_everybody_when_it_is_real() -> None:
    story = Story(Status.ACTUAL)
    story.on("garam").registry.put(replace(story.on("garam").registry.tenant(), police_url=POLICE))
    story.play()

    assert {("police", POLICE), ("guardian", GUARDIAN)} <= story.receivers
    assert ("operators", "badam") not in story.receivers
