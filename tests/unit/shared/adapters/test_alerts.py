"""Alarms of an outing, to apps and to pages."""

from shared.adapters.alerts import tell_child
from shared.adapters.clock import ManualClock
from shared.adapters.memory import MemoryCloud
from shared.adapters.web_push import topic_of
from shared.adapters.wiring import memory_adapters
from shared.domain.outing import Outing, OutingState
from shared.domain.places import Phone, Status
from shared.domain.watching import Alert
from shared.ports import Message
from tests.casework import START

PHONES = (
    Phone("garam-p-1", "daycare", "김선생", platform="android", endpoint="app-1"),
    Phone("garam-p-2", "daycare", "이선생", platform="web", endpoint="page-2"),
    Phone("garam-p-3", "daycare", "박선생"),
)
OUTING = Outing(
    "outing-1", "garam", "daycare", Status.ACTUAL, OutingState.RUNNING, START, "t", phones=(), members=()
)


def alarm(at_ms: int) -> tuple[list[str], list[Message]]:
    world = MemoryCloud(ManualClock(START))
    on = memory_adapters(world)("garam")
    outcomes = tell_child(on, OUTING, Alert.DEPARTED, child_id="child-1", at_ms=at_ms, phones=PHONES)
    return outcomes, world.sent


def test_an_alarm_reaches_an_app_and_a_page_each_its_own_way() -> None:
    outcomes, sent = alarm(0)

    assert outcomes == ["sent", "sent", "no-endpoint"]
    assert [(m.via, m.to) for m in sent] == [("push", "app-1"), ("web-push", "page-2")]


def test_an_alarm_that_repeats_takes_the_place_of_the_one_before() -> None:
    (_, first), (_, second) = alarm(0), alarm(5000)

    assert (topic_of(first[1]) == topic_of(second[1]), first[1].key == second[1].key) == (True, False)
