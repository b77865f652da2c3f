"""Whom a case is told to, in memory."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from functions.assess_case.steps import STEPS
from functions.notify.tell import TASKS
from shared.adapters.clock import ManualClock
from shared.adapters.memory import MemoryCloud
from shared.adapters.notices import send_due, told_by
from shared.adapters.wiring import memory_adapters
from shared.domain import case as cases
from shared.domain import sharing
from shared.domain.guardian import Batch, Separate
from shared.domain.notices import Balance, disclose, reconcile
from shared.domain.outing import Outing, OutingState
from shared.domain.places import Phone, Status, SubjectClass
from shared.schema.handover import checksum
from shared.schema.workflow import CaseRun, Told
from tests.casework import START, SUBJECT, at, evidence, opening, people, who
from tests.unit.shared.domain.test_guardian import filed

POLICE = "https://police.example/hand-over"
PHONES = tuple(Phone(f"garam-p-{n}", "daycare", "김선생", endpoint=f"endpoint-{n}") for n in range(3))


class Desk:
    """One case in a memory world, and the tasks of `notify` and `assess_case` by name."""

    def __init__(self, *, x_m: float = 0, police_url: str = "", guardian: str = "", **how: Any) -> None:
        self.clock = ManualClock(START)
        self.world = MemoryCloud(self.clock)
        self.on = memory_adapters(self.world)
        people(self.on, police_url=police_url, guardian=guardian, phones=PHONES)
        case, entries = opening(**{"found": evidence(x_m=x_m), **how})
        self.on("garam").cases.create(case, entries)

    def tell(self, task: str) -> Told:
        return TASKS[task](self.run(), self.on)

    def do(self, task: str) -> None:
        STEPS[task](self.run(), self.on)

    def run(self) -> CaseRun:
        return CaseRun(tenant_id="garam", case_id="case-1", status="Actual", round=0, turns=0)

    def dies(self, address: str, how: str = "failed") -> None:
        self.world.table("channels.dead")[address] = how

    def sent(self, kind: str) -> list[Any]:
        return [message for message in self.world.sent if message.kind == kind]

    def lines(self, code: str) -> list[dict[str, Any]]:
        entries = self.on("garam").cases.timeline("case-1")
        return [dict(entry.params) for entry in entries if entry.code == code]

    def act(self, how: Any) -> None:
        from shared.adapters.cases import change  # noqa: PLC0415

        change(self.on("garam").cases, "case-1", how)


def test_every_phone_of_the_facility_is_told_when_there_is_no_outing() -> None:
    desk = Desk()

    assert desk.tell("teachers") == Told(sent=3, failed=0)


def test_only_the_phones_of_the_outing_are_told() -> None:
    desk = Desk(outing_id="outing-1")
    outing = Outing(
        "outing-1",
        "garam",
        "daycare",
        Status.ACTUAL,
        OutingState.RUNNING,
        START,
        "t",
        phones=("garam-p-1",),
        members=(),
    )
    desk.on("garam").outings.save(outing)
    desk.tell("teachers")

    assert [message.to for message in desk.sent("push")] == ["endpoint-1"]


def test_an_outing_that_is_forgotten_does_not_keep_the_teachers_from_being_told() -> None:
    desk = Desk(outing_id="long-gone")

    assert desk.tell("teachers").sent == 3


def test_one_alert_per_phone_however_often_the_task_runs() -> None:
    desk = Desk()
    desk.tell("teachers")

    assert (desk.tell("teachers"), len(desk.sent("push"))) == (Told(sent=0, failed=0), 3)


def test_a_dead_endpoint_is_taken_off_its_phone() -> None:
    desk = Desk()
    desk.dies("endpoint-1", "endpoint-gone")
    desk.tell("teachers")

    assert desk.on("garam").registry.phone("garam-p-1").endpoint == ""


def test_a_push_holds_an_opaque_id_and_a_code_and_nothing_else() -> None:
    desk = Desk()
    desk.tell("teachers")

    body = desk.sent("push")[0].body

    assert body == {"code": "case-opened", "case": "case-1", "alert": body["alert"]}


def test_teachers_who_cannot_be_reached_are_not_counted_as_told() -> None:
    desk = Desk()
    for phone in PHONES:
        desk.dies(phone.endpoint)
    desk.tell("teachers")

    assert (desk.lines("teachers-told"), desk.lines("channel-failed")[0]["failed"]) == ([], 3)


def test_a_channel_that_fails_again_and_again_is_said_once() -> None:
    desk = Desk()
    desk.dies("garam")
    for _ in range(3):
        desk.tell("operators")

    assert len(desk.lines("channel-failed")) == 1


def test_at_2_1_each_escalation_step_is_told_with_its_level() -> None:
    desk = Desk()
    desk.clock.at = at(60)
    desk.tell("escalate")

    assert [(m.body["code"], m.body["level"]) for m in desk.sent("operators")] == [
        ("second-operator", 1),
        ("duty-officer", 2),
        ("police-not-told", 0),
    ]


def test_at_2_1_the_hard_stop_hands_the_case_to_the_police() -> None:
    desk = Desk(police_url=POLICE)
    desk.clock.at = at(600)
    desk.tell("escalate")

    assert [message.to for message in desk.sent("police")] == [POLICE]


def test_at_4_1_the_hand_over_carries_a_checksum_a_receiver_can_compute() -> None:
    desk = Desk(police_url=POLICE)
    desk.tell("police")
    record = desk.sent("police")[0].body

    assert checksum(record) == record["checksum"]


def test_at_4_6_every_change_is_a_new_version_under_a_new_key() -> None:
    desk = Desk(police_url=POLICE)
    desk.tell("police")
    desk.act(lambda c: cases.add_evidence(c, evidence(at_s=30, x_m=80), who(), at(30)))
    desk.tell("police")

    assert [(m.key, m.body["version"]) for m in desk.sent("police")] == [("case-1:v1", 1), ("case-1:v2", 2)]


def test_at_4_6_a_hand_over_that_did_not_arrive_is_sent_again_under_the_same_key() -> None:
    desk = Desk(police_url=POLICE)
    desk.dies(POLICE)
    desk.tell("police")
    desk.world.table("channels.dead").clear()
    desk.tell("police")

    assert [message.key for message in desk.sent("police")] == ["case-1:v1"]


def test_police_out_of_reach_are_said_on_the_timeline_with_the_reason() -> None:
    desk = Desk(police_url=POLICE)
    desk.dies(POLICE)
    desk.tell("police")

    assert desk.lines("police-failed") == [{"role": "system", "version": 1, "reason": "dead"}]


def test_a_tenant_without_a_police_address_sees_so() -> None:
    desk = Desk()
    desk.tell("police")

    assert desk.lines("police-no-address") == [{"role": "system"}]


def test_at_5_4_the_hand_over_is_a_disclosure_and_the_guardian_is_told() -> None:
    desk = Desk(police_url=POLICE, guardian="guardian-endpoint")
    desk.tell("police")
    desk.tell("guardians")

    body = desk.sent("guardian")[0].body
    assert (len(desk.lines("disclosed")), len(desk.lines("notice-sent")), body) == (
        1,
        1,
        {"code": "disclosure-notice", "case": "case-1", "alert": body["alert"]},
    )


def test_at_5_4_a_guardian_without_an_app_is_owed_the_notice_by_a_date() -> None:
    desk = Desk(police_url=POLICE)
    desk.tell("police")
    desk.tell("guardians")
    line = desk.lines("notice-deferred")[0]

    assert (line["reason"], line["due"]) == ("no-channel", at(86400).isoformat())


def test_at_3_1_a_neighbours_control_room_is_told_of_an_offer_once() -> None:
    desk = Desk(x_m=990)
    desk.do("offer")
    for _ in range(2):
        desk.tell("neighbours")

    assert [(m.to, m.body["code"]) for m in desk.sent("operators")] == [("haneul", "offer")]


def test_at_3_2_each_grant_is_a_disclosure_of_its_own() -> None:
    desk = Desk(x_m=990)
    desk.do("offer")
    there = desk.on("haneul").shares
    there.save(sharing.accept(there.received("garam", "case-1"), "operator-9", at(5)))
    for _ in range(2):
        desk.do("grant")

    assert [line["to"] for line in desk.lines("disclosed")] == ["haneul"]


@pytest.mark.parametrize("task", sorted(TASKS))
def test_at_10_2_no_task_of_a_drill_reaches_police_or_guardian(task: str) -> None:
    desk = Desk(status=Status.EXERCISE, police_url=POLICE, guardian="guardian-endpoint")
    desk.clock.at = at(600)
    desk.act(lambda c: (cases.done(c, "disclosed:police:drill"), ()))
    desk.tell(task)

    assert desk.sent("police") + desk.sent("guardian") == []


def test_the_end_is_told_to_everybody_once() -> None:
    desk = Desk(police_url=POLICE, guardian="guardian-endpoint")
    desk.tell("police")
    desk.act(lambda c: cases.close(c, cases.CloseReason.FALSE_ALARM, "", who(), at(50)))
    for _ in range(2):
        desk.tell("outcome")

    assert [(m.kind, m.body.get("code", "")) for m in desk.world.sent if m.key != "case-1:v1"] == [
        ("push", "case-closed"),
        ("push", "case-closed"),
        ("push", "case-closed"),
        ("operators", "case-closed"),
        ("police", ""),
        ("guardian", "case-closed"),
    ]


def test_the_last_hand_over_says_how_it_ended() -> None:
    desk = Desk(police_url=POLICE)
    desk.tell("police")
    desk.act(lambda c: cases.close(c, cases.CloseReason.FALSE_ALARM, "", who(), at(50)))
    desk.tell("outcome")

    assert desk.sent("police")[-1].body["closing"]["reason"] == "false-alarm"


def test_at_5_2_the_app_says_it_only_once_a_person_could_have_said_it() -> None:
    desk = Desk(guardian="guardian-endpoint")
    told = []
    for seconds in (299, 300, 330):
        desk.clock.at = at(seconds)
        desk.tell("escalate")
        told.append([message.body["code"] for message in desk.sent("guardian")])

    assert told == [[], ["guardian-case-opened"], ["guardian-case-opened"]]


def test_at_5_2_operators_and_daycare_hear_after_three_minutes_that_nobody_told_the_guardian() -> None:
    desk = Desk()
    desk.clock.at = at(180)
    desk.tell("escalate")

    codes = [
        [m.body["code"] for m in desk.sent(kind)].count("guardian-not-told") for kind in ("operators", "push")
    ]
    assert codes == [1, len(PHONES)]


def test_at_5_2_the_app_follows_at_once_when_a_person_told_the_guardian() -> None:
    desk = Desk(guardian="guardian-endpoint")
    desk.act(lambda c: cases.guardian_told(c, "phone", who("director"), at(40)))
    desk.clock.at = at(41)
    desk.tell("escalate")

    assert [message.body["code"] for message in desk.sent("guardian")] == ["guardian-case-opened"]


def test_no_teacher_hears_of_a_citizen_who_calls_for_help() -> None:
    citizen = replace(SUBJECT, subject_class=SubjectClass.CITIZEN)
    desk = Desk(subject=citizen, facility_id="")
    desk.tell("teachers")
    desk.tell("operators")

    assert [(m.kind, m.body["code"]) for m in desk.world.sent] == [("operators", "help-called")]


def batched(desk: Desk, unit: str, n: int) -> None:
    """The child's guardian agreed apart to be told of several disclosures at once."""
    whole = filed(separate=Separate(batch=Batch(unit, n)))
    known = desk.on("garam").guardians.of("child-1")
    desk.on("garam").guardians.save(replace(known, filed=whole))


def disclosed(desk: Desk, n: int) -> None:
    how = {"purpose": "search", "basis": "agreement"}
    desk.act(lambda c: disclose(c, f"haneul{n}", at(n), who(), at(n), **how))
    desk.tell("guardians")


def test_at_5_4_a_batched_notice_is_deferred_with_its_due_date_and_sent_with_the_last_of_ten() -> None:
    desk = Desk(guardian="guardian-endpoint")
    batched(desk, "times", 10)
    for n in range(9):
        disclosed(desk, n)
    before = (len(desk.sent("guardian")), len(desk.lines("notice-deferred")))
    disclosed(desk, 9)
    send_due(desk.on("garam"), desk.on("garam").guardians.due(desk.clock.at))

    balance = reconcile(desk.on("garam").cases.timeline("case-1"))
    assert (before, len(desk.sent("guardian")), balance) == ((0, 9), 1, Balance(10, 10, 0, ()))


def test_at_5_4_a_batch_of_days_is_sent_when_they_are_over() -> None:
    desk = Desk(guardian="guardian-endpoint")
    batched(desk, "days", 20)
    disclosed(desk, 1)
    desk.clock.at += timedelta(days=20)
    on = desk.on("garam")
    late = send_due(on, on.guardians.due(desk.clock.at))

    assert (late, reconcile(on.cases.timeline("case-1")), on.guardians.owed()) == (
        0,
        Balance(1, 1, 0, ()),
        [],
    )


def test_at_5_4_a_batch_that_cannot_be_sent_becomes_a_persons_to_tell() -> None:
    desk = Desk(guardian="guardian-endpoint")
    batched(desk, "days", 10)
    disclosed(desk, 1)
    desk.dies("guardian-endpoint")
    desk.clock.at += timedelta(days=10)
    on = desk.on("garam")
    send_due(on, on.guardians.due(desk.clock.at))

    assert [(line["reason"]) for line in desk.lines("notice-deferred")] == [
        "batched-by-consent",
        "no-channel",
    ]


def test_at_5_4_what_a_person_told_is_owed_no_longer() -> None:
    desk = Desk()
    disclosed(desk, 1)
    on = desk.on("garam")
    told_by(on, on.cases.get("case-1"), desk.lines("disclosed")[0]["disclosure"], who("director"), "phone")

    assert (on.guardians.owed(), reconcile(on.cases.timeline("case-1"))) == ([], Balance(1, 1, 0, ()))
