"""Each person told once, by the first way that works; what does not work is said and tried again."""

from typing import Any

import pytest

from functions.assess_case.steps import STEPS
from functions.notify.tell import TASKS
from shared.adapters.cases import change
from shared.adapters.clock import ManualClock
from shared.adapters.memory import MemoryCloud
from shared.adapters.wiring import memory_adapters
from shared.domain.case import acknowledge
from shared.domain.places import Contact, Phone, Policy
from shared.schema.workflow import CaseRun, Next, Told
from tests.casework import START, at, evidence, opening, people, who

PAGE = '{"endpoint": "https://push.example/1", "keys": {}}'
PHONES = (
    Phone("garam-p-1", "daycare", "김선생", endpoint="app-1", contact_id="teacher-1"),
    Phone("garam-p-2", "daycare", "이선생", platform="web", endpoint=PAGE),
)
CONTACTS = (
    Contact("teacher-1", "", mobile="+821000000001"),
    Contact("room-1", "operator", email="room@garam.example"),
    Contact("second-1", "second-operator", mobile="+821000000002"),
    Contact("duty-1", "duty-officer", mobile="+821000000003", email="duty@garam.example"),
)


class Room:
    """A case just reported in a memory world with two phones and four contacts."""

    def __init__(self, policy: Policy | None = None, **how: Any) -> None:
        self.clock = ManualClock(START)
        self.world = MemoryCloud(self.clock)
        self.on = memory_adapters(self.world)
        people(self.on, phones=PHONES, policy=policy)
        self.here = self.on("garam")
        self.here.registry.put(*CONTACTS)
        self.here.cases.create(*opening(**{"found": evidence(), **how}))

    def tell(self, task: str) -> Told:
        return TASKS[task](self.run(), self.on)

    def next(self) -> Next | None:
        return STEPS["assess"](self.run(), self.on).next

    def run(self) -> CaseRun:
        return CaseRun(tenant_id="garam", case_id="case-1", status="Actual", round=0, turns=0)

    def breaks(self, what: str, how: str = "down") -> None:
        self.world.table("channels.dead")[what] = how

    def mends(self, what: str) -> None:
        del self.world.table("channels.dead")[what]

    def later(self, seconds: float) -> None:
        self.clock.at = at(seconds)

    @property
    def sent(self) -> list[tuple[str, str]]:
        return [(message.via, message.to) for message in self.world.sent]

    def lines(self, code: str) -> list[dict[str, Any]]:
        return [dict(e.params) for e in self.here.cases.timeline("case-1") if e.code == code]


def test_an_app_and_a_page_are_each_told_their_own_way() -> None:
    room = Room()
    room.tell("teachers")

    assert room.sent == [("push", "app-1"), ("web-push", PAGE)]


def test_a_phone_whose_push_is_down_gets_a_text_message() -> None:
    room = Room()
    room.breaks("push")
    room.tell("teachers")

    assert room.sent == [("sms", "teacher-1"), ("web-push", PAGE)]


def test_the_tenant_decides_which_way_is_tried_first() -> None:
    room = Room(Policy(channels=("voice", "web-push", "push")))
    room.tell("teachers")

    assert room.sent == [("voice", "teacher-1"), ("web-push", PAGE)]


def test_a_way_the_tenant_does_not_want_is_never_used() -> None:
    room = Room(Policy(channels=("email",)))
    room.tell("teachers")

    assert room.sent == [("email", "teacher-1")]


def test_a_provider_that_did_not_answer_is_not_waited_for_by_everybody() -> None:
    room = Room()
    room.here.registry.put(
        *(Phone(f"garam-p-{n}", "daycare", "박", endpoint=f"app-{n}") for n in range(3, 9))
    )
    asked: list[str] = []
    real = room.here.push.send
    room.here.__dict__["push"] = type(
        "Slow", (), {"send": lambda _, message: (asked.append(message.to), real(message))[1]}
    )()
    room.breaks("push")
    room.tell("teachers")

    assert asked == ["app-1"]


def test_a_channel_that_fails_is_on_the_timeline_once_and_again_when_it_works() -> None:
    room = Room()
    room.breaks("web-push")
    for seconds in (0, 15, 30):
        room.later(seconds)
        room.tell("teachers")
    room.mends("web-push")
    room.later(45)
    room.tell("teachers")

    assert [line["channel"] for line in room.lines("channel-down")] == ["web-push"]
    assert [line["channel"] for line in room.lines("channel-restored")] == ["web-push"]


def test_who_was_reached_is_not_told_again_when_others_are_tried_again() -> None:
    room = Room()
    room.breaks("web-push")
    room.tell("teachers")
    room.mends("web-push")
    room.later(15)
    again = room.next()
    room.tell("teachers")

    assert (again, room.sent) == (Next.TELL, [("push", "app-1"), ("web-push", PAGE)])


def test_a_crash_after_the_push_and_before_the_line_tells_nobody_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    room = Room()
    with monkeypatch.context() as broken:
        broken.setattr("functions.notify.tell._change", lambda *_: (_ for _ in ()).throw(RuntimeError()))
        with pytest.raises(RuntimeError):
            room.tell("teachers")
    room.tell("teachers")

    assert (room.sent, len(room.lines("teachers-told"))) == ([("push", "app-1"), ("web-push", PAGE)], 1)


def test_somebody_nobody_could_tell_is_left_to_people_in_the_end() -> None:
    room = Room()
    room.tell("operators")
    room.breaks("web-push")
    room.tell("teachers")
    room.later(30 * 60)
    room.tell("teachers")

    assert (room.lines("unreached")[0]["count"], room.next() is Next.TELL) == (1, False)


def test_a_dead_subscription_is_taken_off_its_phone() -> None:
    room = Room()
    room.breaks(PAGE, "endpoint-gone")
    room.tell("teachers")

    assert room.here.registry.phone("garam-p-2").endpoint == ""


def test_an_endpoint_that_was_renewed_meanwhile_stays() -> None:
    room = Room()
    room.breaks("app-1", "endpoint-gone")
    from shared.adapters.reaching import forget  # noqa: PLC0415

    forget(room.here, "garam-p-1", "an-older-endpoint")

    assert room.here.registry.phone("garam-p-1").endpoint == "app-1"


def test_the_control_room_is_told_by_its_topic_and_its_people_by_mail() -> None:
    room = Room()
    room.tell("operators")

    assert room.sent == [("topic", "garam"), ("email", "room-1")]


def test_at_2_1_after_20_s_the_second_operator_and_after_60_s_the_duty_officer_by_text_and_call() -> None:
    room = Room()
    for seconds in (19, 20, 59, 60):
        room.later(seconds)
        room.tell("escalate")
    told = [(via, to) for via, to in room.sent if via != "topic"]

    assert told == [("sms", "second-1"), ("sms", "duty-1"), ("voice", "duty-1"), ("email", "duty-1")]


def test_at_2_1_a_case_somebody_owns_calls_nobody_up() -> None:
    room = Room()
    change(room.here.cases, "case-1", lambda c: acknowledge(c, who(), at(5)))
    room.later(65)
    room.tell("escalate")

    assert [to for via, to in room.sent if via != "topic"] == []


def test_at_2_1_a_duty_officer_nobody_reached_is_called_again_and_the_step_is_said_once() -> None:
    room = Room()
    for channel in ("sms", "voice", "email", "topic"):
        room.breaks(channel)
    room.later(60)
    room.tell("escalate")
    for channel in ("sms", "voice", "email", "topic"):
        room.mends(channel)
    room.later(75)
    told = {"teachers", "operators"}  # told by then: what is left is the call
    for audience in told:
        room.tell(audience)
    again = room.next()
    room.tell("escalate")

    assert (again, ("sms", "duty-1") in room.sent) == (Next.ESCALATE, True)
    assert [line["step"] for line in room.lines("escalated")].count("duty-officer") == 1


def test_no_number_and_no_mail_address_is_in_what_is_kept_or_sent() -> None:
    room = Room()
    room.later(60)
    for task in ("teachers", "operators", "escalate"):
        room.tell(task)
    kept = str(room.world.sent) + str(room.here.alerts.of_case("case-1"))
    kept += str(room.here.cases.timeline("case-1"))

    assert ("+8210" in kept, "@garam" in kept, "김선생" in kept) == (False, False, False)
