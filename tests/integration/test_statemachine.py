"""The missing-child state machine, every path, on moto's engine with our real handlers.

`PATHS` is the table of paths: each test and the transitions it must walk. `test_every_arrow…` holds the
table against the definition, and each test holds itself against its row.
"""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache, partial
from typing import Any

import moto.stepfunctions.parser.asl.component.state.exec.state_task.lambda_eval_utils as engine
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from infra.statemachine.draw import README, written
from shared.adapters import wiring
from shared.adapters.cases import change
from shared.adapters.clock import ManualClock
from shared.adapters.live import MemoryLive
from shared.adapters.memory import MemoryCloud
from shared.adapters.wiring import Adapters, AwsAdapters, Environment
from shared.domain import case as cases
from shared.domain import sharing
from shared.domain.case import Case, CloseReason
from shared.domain.places import Contact, Phone, Status
from shared.ports import Delivery, Message
from tests.casework import START, at, evidence, opening, people, who
from tests.integration.conftest import ALL_TABLES
from tests.integration.machine import Machine, arrows, definition, eventually, one_at_a_time
from tests.integration.paths import TABLE, table
from tests.police import SECRET, PoliceDesk, police_desk
from tests.template import table_definition

ASKING = ("Assess", "WhatNext")
CLOSING = (
    ("WhatNext", "CloseCase"),
    ("CloseCase", "RevokeShares"),
    ("RevokeShares", "TellNeighboursItEnded"),
    ("TellNeighboursItEnded", "TellOutcome"),
    ("TellOutcome", "TellGuardiansAtLast"),
    ("TellGuardiansAtLast", "Report"),
    ("Report", "Reported"),
)
PATHS: dict[str, tuple[tuple[str, str], ...]] = {
    "test_a_case_acknowledged_at_once_and_closed_walks_the_short_story": (
        ("TellEveryone", "Assess"),
        ASKING,
        ("WhatNext", "AwaitAcknowledgement"),
        ("AwaitAcknowledgement", "Assess"),
        ("WhatNext", "AwaitNews"),
        ("AwaitNews", "Assess"),
        *CLOSING,
    ),
    "test_at_2_1_an_unacknowledged_case_reaches_the_second_operator_then_the_duty_officer": (
        ("WhatNext", "Escalate"),
        ("Escalate", "Assess"),
        ("WhatNext", "AwaitNewsBriefly"),
        ("AwaitNewsBriefly", "Assess"),
    ),
    "test_at_3_1_an_offer_goes_out_when_the_ring_touches_is_granted_and_revoked_with_the_case": (
        ("WhatNext", "OfferShares"),
        ("OfferShares", "TellNeighbours"),
        ("TellNeighbours", "Assess"),
        ("WhatNext", "GrantShares"),
        ("GrantShares", "TellGuardians"),
        ("TellGuardians", "Assess"),
    ),
    "test_an_offer_nobody_answers_expires_and_the_neighbour_is_told": (
        ("WhatNext", "EndShares"),
        ("EndShares", "TellNeighbours"),
    ),
    "test_a_share_the_owner_takes_back_stops_the_neighbour_listening": (("WhatNext", "EndShares"),),
    "test_police_out_of_reach_are_handed_the_case_when_they_are_back": (
        ("WhatNext", "UpdatePolice"),
        ("UpdatePolice", "Assess"),
    ),
    "test_a_guardian_is_told_of_the_disclosure_to_the_police": (("WhatNext", "TellGuardians"),),
    "test_operators_who_could_not_be_told_are_told_again": (("WhatNext", "TellEveryone"),),
    "test_news_between_looking_and_waiting_is_not_lost": (("AwaitNews", "Assess"),),
    "test_a_long_case_goes_on_in_a_fresh_execution": (
        ("WhatNext", "GoOnAfresh"),
        ("GoOnAfresh", "GoesOn"),
    ),
    "test_a_case_whose_records_are_destroyed_ends_quietly": (("WhatNext", "NothingLeft"),),
    "test_no_task_that_fails_for_good_loses_the_case": (
        ("Assess", "CatchBreath"),
        ("CatchBreath", "Assess"),
        ("Escalate", "CatchBreath"),
        ("OfferShares", "CatchBreath"),
        ("TellNeighbours", "CatchBreath"),
        ("GrantShares", "CatchBreath"),
        ("TellGuardians", "CatchBreath"),
        ("UpdatePolice", "CatchBreath"),
        ("EndShares", "CatchBreath"),
        ("CloseCase", "CatchBreath"),
        ("RevokeShares", "CatchBreath"),
        ("TellNeighboursItEnded", "CatchBreath"),
        ("TellOutcome", "CatchBreath"),
        ("TellGuardiansAtLast", "CatchBreath"),
        ("Report", "CatchBreath"),
    ),
    "test_a_case_goes_on_when_it_cannot_be_continued_afresh_at_once": (("GoOnAfresh", "CatchBreath"),),
    "test_a_wait_that_cannot_be_stored_is_taken_up_again": (
        ("AwaitAcknowledgement", "CatchBreath"),
        ("AwaitNews", "CatchBreath"),
        ("AwaitNewsBriefly", "CatchBreath"),
    ),
}


FAULTS: dict[str, str] = {
    "test_a_crashed_task_is_tried_again_and_tells_once": "a function crashes",
    "test_a_throttled_task_is_tried_again": "Lambda throttles",
    "test_a_task_that_hangs_is_given_up_and_the_case_goes_on": "a task times out",
    "test_a_wait_whose_heartbeat_is_lost_looks_at_the_case": "a wait's heartbeat is lost",
    "test_a_token_answered_twice_is_no_error": "a callback comes twice",
    "test_news_between_looking_and_waiting_is_not_lost": "news arrives between two steps",
    "test_a_redriven_execution_comes_to_its_end_from_wherever_it_failed": "an execution is redriven",
    "test_a_case_whose_execution_failed_goes_on_in_a_fresh_one": "an execution fails or is stopped",
    "test_a_case_started_twice_is_one_execution": "a case is started twice",
    "test_a_reopened_case_runs_again": "a closed case is opened again",
    "test_at_7_4_a_push_provider_that_is_down_is_told_again_when_it_is_back": "the push provider is down",
    "test_no_task_that_fails_for_good_loses_the_case": "each task fails beyond its retries",
}
"""What may go wrong, and the test in which it does."""


def run(tenant_id: str, case_id: str) -> dict[str, Any]:
    """What an execution starts with."""
    return {"tenant_id": tenant_id, "case_id": case_id, "status": "Actual", "round": 0, "turns": 0}


class Story:
    """One state machine in one world, and the people who act on the case."""

    def __init__(
        self, machine: Machine, on: Callable[[str], Adapters], clock: ManualClock, desk: PoliceDesk
    ) -> None:
        self.machine, self.on, self.clock, self.desk = machine, on, clock, desk
        self.case_id = "case-1"

    @property
    def case(self) -> Case:
        return self.on("garam").cases.get(self.case_id)

    @property
    def codes(self) -> list[str]:
        return [entry.code for entry in self.on("garam").cases.timeline(self.case_id)]

    def lines(self, code: str) -> list[dict[str, Any]]:
        timeline = self.on("garam").cases.timeline(self.case_id)
        return [dict(entry.params) for entry in timeline if entry.code == code]

    def report(self, *, round_input: dict[str, Any] | None = None, **how: Any) -> None:
        """A teacher reports; the execution starts."""
        case, entries = opening(**{"found": evidence(), **how})
        stored = self.on("garam").cases.create(case, entries)
        if round_input is None:
            self.on("garam").workflow.start(stored)
        else:
            self.start_with(**round_input)

    def start_with(self, **other: Any) -> None:
        """Start an execution with another input than the adapter would give it."""
        state = run("garam", self.case_id)
        self.machine.stepfunctions.start_execution(
            stateMachineArn=self.machine.arn, name="by-hand", input=json.dumps(state | other)
        )

    def act(self, how: Callable[[Case], cases.Change]) -> None:
        """Somebody does something, and the workflow is woken: what the API does."""
        change(self.on("garam").cases, self.case_id, how)
        self.on("garam").workflow.wake(self.case_id)

    def acknowledge(self) -> None:
        self.act(lambda case: cases.acknowledge(case, who(), self.clock.now()))

    def call_112(self) -> None:
        self.act(lambda c: cases.police_told(c, "112-1", "phone", who("teacher"), self.clock.now()))
        self.act(lambda c: cases.police_acknowledged(c, who("police"), self.clock.now()))

    def close(self, reason: CloseReason = CloseReason.FALSE_ALARM) -> None:
        self.act(lambda case: cases.close(case, reason, "", who(), self.clock.now()))

    def answer_offer(self, neighbour: str) -> None:
        """The neighbour's operator accepts: what the API does."""
        there = self.on(neighbour)
        offered = there.shares.received("garam", self.case_id)
        there.shares.save(sharing.accept(offered, "operator-9", self.clock.now()))
        self.on("garam").workflow.wake(self.case_id)

    def later(self, seconds: float) -> None:
        """The clock moves on to so many seconds after the report."""
        self.clock.at = at(seconds)

    def reaches(self, state: str, times: int = 1) -> None:
        """Wait until a state of any execution has been entered that often."""
        eventually(lambda: self._entered(state) >= times)

    def says(self, code: str, times: int = 1) -> None:
        """Wait until the timeline has so many lines with the code."""
        eventually(lambda: self.codes.count(code) >= times)

    def ends(self) -> list[str]:
        return self.machine.finished()

    def _entered(self, state: str) -> int:
        return sum(self.machine.entered(arn).count(state) for arn in self.machine.executions())


@pytest.fixture
def story(
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    _moto_clients: Callable[[str], Any],
) -> Iterator[Story]:
    """The story before its first line; at the end, what the test's row of `PATHS` says was walked."""
    with (
        mock_aws(config={"stepfunctions": {"execute_state_machine": True}}),
        police_desk() as desk,
    ):
        client = _moto_clients
        one_at_a_time(monkeypatch)
        monkeypatch.setattr(wiring, "client", client)
        for name in ALL_TABLES:
            client("dynamodb").create_table(TableName=name, **table_definition(name))
        clock = ManualClock(START)
        world = MemoryCloud(clock)
        environment = Environment(
            "RegistryTable",
            "TrackingTable",
            "CasesTable",
            state_machine_arn="",
            operators_topic_arn=client("sns").create_topic(Name="operators")["TopicArn"],
            push_application_arn="",
            police_secret_arn=client("secretsmanager").create_secret(
                Name="police", SecretString=SECRET.decode()
            )["ARN"],
            clock="",
            keys_table="KeysTable",
            key_arn=client("kms").create_key()["KeyMetadata"]["Arn"],
        )

        @cache
        def on(tenant_id: str) -> Adapters:
            adapters = AwsAdapters(tenant_id, replace(environment, state_machine_arn=machine.arn))
            adapters.__dict__ |= {"clock": clock, "live": MemoryLive(tenant_id, world)}
            return adapters

        machine = Machine(client("stepfunctions"), on)
        machine.create()
        monkeypatch.setattr(engine, "_invoke_lambda_function", machine.invoke)
        told = Story(machine, on, clock, desk)
        yield told
        machine.finished()
        missed = set(PATHS.get(request.node.originalname, ())) - machine.arrows()
        assert not missed, f"not walked: {sorted(missed)}"


def test_every_arrow_of_the_definition_is_walked_by_some_test() -> None:
    assert {arrow for row in PATHS.values() for arrow in row} == arrows()


def test_every_state_inside_telling_everyone_is_entered_by_some_test(story: Story) -> None:
    people(story.on)
    for task in ("open", "teachers", "operators", "police"):
        story.machine.faults[task] = [_crash, _crash]
    story.report()
    story.reaches("AwaitAcknowledgement")
    story.close()
    story.ends()
    branches = definition()["States"]["TellEveryone"]["Branches"]

    assert {name for branch in branches for name in branch["States"]} <= set(
        story.machine.entered(story.machine.executions()[0])
    )


def test_the_readme_has_every_path_and_every_fault_with_its_test() -> None:
    text = README.read_text(encoding="utf-8")

    assert written(text, table(PATHS, FAULTS), TABLE) == text


def test_every_test_the_table_names_is_there() -> None:
    assert [name for name in {*PATHS, *FAULTS} if name not in globals()] == []


def test_a_case_acknowledged_at_once_and_closed_walks_the_short_story(story: Story) -> None:
    people(story.on)
    story.report()
    story.reaches("AwaitAcknowledgement")
    story.acknowledge()
    story.reaches("AwaitNews")
    story.close()

    assert story.ends() == ["SUCCEEDED"]


def test_at_2_1_an_unacknowledged_case_reaches_the_second_operator_then_the_duty_officer(
    story: Story,
) -> None:
    people(story.on)
    story.report()
    story.reaches("AwaitAcknowledgement")
    story.later(20)
    story.says("escalated")
    story.later(60)
    story.says("escalated", 3)
    story.later(585)
    story.reaches("AwaitNewsBriefly", 2)
    story.later(600)
    story.says("escalated", 6)
    story.close()
    story.ends()

    assert [line["step"] for line in story.lines("escalated")] == [
        "second-operator",
        "duty-officer",
        "police-not-told",
        "guardian-not-told",
        "guardian-app",
        "police-hard-stop",
    ]


def test_at_3_1_an_offer_goes_out_when_the_ring_touches_is_granted_and_revoked_with_the_case(
    story: Story,
) -> None:
    people(story.on)
    story.report(found=evidence(x_m=900))
    story.acknowledge()
    story.later(40)
    story.reaches("AwaitNewsBriefly")
    before = story.on("haneul").shares.inbox()
    story.later(54)  # 900 m + 30 m + 54 s × 1.3 m/s = 1,000.2 m: the border
    story.says("share-offered")
    story.answer_offer("haneul")
    story.says("notice-deferred")
    listening = [each.beacon_id for each in story.on("haneul").watch_list.entries()]
    story.close()
    story.ends()
    after = story.on("haneul").shares.received("garam", "case-1").state

    assert (before, listening, story.on("haneul").watch_list.entries(), after) == (
        [],
        ["beacon-1"],
        [],
        sharing.ShareState.REVOKED,
    )


def test_an_offer_nobody_answers_expires_and_the_neighbour_is_told(story: Story) -> None:
    people(story.on)
    story.report(found=evidence(x_m=990))
    story.acknowledge()
    story.call_112()
    story.says("share-offered")
    story.later(7200)
    story.says("share-expired")
    story.says("neighbour-told", 2)
    state = story.on("haneul").shares.received("garam", "case-1").state
    story.close()
    story.ends()

    assert state is sharing.ShareState.EXPIRED


def test_a_share_the_owner_takes_back_stops_the_neighbour_listening(story: Story) -> None:
    people(story.on)
    story.report(found=evidence(x_m=990))
    story.says("share-offered")
    story.answer_offer("haneul")
    story.says("disclosed")
    shares = story.on("garam").shares
    shares.save(sharing.revoke(shares.of_case("case-1")[0], "operator-1", story.clock.now()))
    story.on("garam").workflow.wake("case-1")
    story.says("listening-stopped")
    listening = story.on("haneul").watch_list.entries()
    story.close()
    story.ends()

    assert listening == []


def test_police_out_of_reach_are_handed_the_case_when_they_are_back(story: Story) -> None:
    people(story.on, police_url=story.desk.url)
    story.desk.answer = 503
    story.report()
    story.acknowledge()
    story.says("police-failed")
    story.desk.answer = 200
    story.later(15)
    story.says("handed-over")
    story.close()
    story.ends()

    arrived = [(record["version"], record["closing"]["reason"]) for _, record in story.desk.arrived]

    assert (arrived == sorted(set(arrived)), arrived[-1][1]) == (True, "false-alarm")


def test_a_guardian_is_told_of_the_disclosure_to_the_police(story: Story) -> None:
    people(story.on, police_url=story.desk.url)
    story.report()
    story.says("notice-deferred")
    story.close()
    story.ends()

    assert story.lines("notice-deferred")[0]["reason"] == "no-channel"


def test_operators_who_could_not_be_told_are_told_again(story: Story) -> None:
    people(story.on)
    story.machine.faults["operators"] = [_crash, _crash]
    story.report()
    story.says("operators-told")
    story.close()
    story.ends()

    assert story.codes.count("operators-told") == 1


def test_news_between_looking_and_waiting_is_not_lost(story: Story) -> None:
    people(story.on)

    def look_then_news(event: dict[str, Any]) -> dict[str, Any]:
        from functions.assess_case.handler import lambda_handler  # noqa: PLC0415
        from tests.integration.machine import Context  # noqa: PLC0415

        answer = lambda_handler(event, Context(), on=story.on)
        if answer["next"] != "await-news":
            story.machine.faults["assess"].insert(0, look_then_news)
            return answer
        story.close()
        return answer

    story.machine.faults["assess"] = [look_then_news]
    story.report()
    story.acknowledge()
    story.ends()
    failed = [
        event["taskFailedEventDetails"]["error"]
        for event in story.machine.history(story.machine.executions()[0])
        if event["type"] == "TaskFailed"
    ]

    assert failed[-1] == "DynamoDb.ConditionalCheckFailedException"


def test_a_long_case_goes_on_in_a_fresh_execution(story: Story) -> None:
    people(story.on)
    story.report(round_input={"turns": 1000})
    story.says("operators-told")
    eventually(lambda: len(story.machine.executions()) == 2)
    story.reaches("AwaitAcknowledgement")
    story.close()

    assert story.ends() == ["SUCCEEDED", "SUCCEEDED"]


def test_a_case_goes_on_when_it_cannot_be_continued_afresh_at_once(story: Story) -> None:
    people(story.on)
    story.machine.faults["renew"] = [_crash, _crash]
    story.report(round_input={"turns": 1000})
    eventually(lambda: len(story.machine.executions()) == 2)
    story.close()

    assert story.ends() == ["SUCCEEDED", "SUCCEEDED"]


def test_a_case_whose_records_are_destroyed_ends_quietly(story: Story) -> None:
    people(story.on)
    story.start_with(case_id="no-such-case")

    assert story.ends() == ["SUCCEEDED"]


def test_no_task_that_fails_for_good_loses_the_case(story: Story) -> None:
    """Each task fails beyond its retries the first time it is reached; the story is told to its end."""
    people(story.on, police_url=story.desk.url)
    faults = story.machine.faults
    for task in ("open", "assess", "offer", "grant", "end-shares", "close", "revoke", "report"):
        faults[task] = [_crash, _crash]
    for task in ("teachers", "operators", "police", "escalate", "neighbours", "guardians", "outcome"):
        faults[task] = [_crash, _crash]
    story.report(found=evidence(x_m=990))
    story.says("handed-over")
    story.says("neighbour-told")
    story.answer_offer("haneul")
    story.says("notice-deferred", 2)
    story.later(20)
    story.says("escalated")
    faults["police"] = [_crash, _crash]
    story.acknowledge()
    story.later(40)
    story.says("handed-over", 2)
    story.later(7200)
    story.says("share-expired")
    story.says("neighbour-told", 3)  # the offer to haneul, its end, and by now the offer to badam
    faults["neighbours"] = [_crash, _crash]
    faults["guardians"] = [_crash, _crash]
    story.close()

    assert (story.ends(), story.codes.count("reported")) == (["SUCCEEDED"], 1)


def test_a_wait_that_cannot_be_stored_is_taken_up_again(story: Story) -> None:
    people(story.on)
    wrong: set[str] = set()

    def spoil(event: dict[str, Any]) -> dict[str, Any]:
        from functions.assess_case.handler import lambda_handler  # noqa: PLC0415
        from tests.integration.machine import Context  # noqa: PLC0415

        story.machine.faults["assess"].insert(0, spoil)
        answer = lambda_handler(event, Context(), on=story.on)
        if answer["next"].startswith("await") and answer["next"] not in wrong:
            wrong.add(answer["next"])
            answer["seen"] = "not a number"
        return answer

    story.machine.faults["assess"] = [spoil]
    story.report()
    story.reaches("CatchBreath")
    story.acknowledge()
    story.reaches("CatchBreath", 2)
    story.later(585)
    story.reaches("CatchBreath", 3)
    story.close()

    assert story.ends() == ["SUCCEEDED"]


def test_a_crashed_task_is_tried_again_and_tells_once(story: Story) -> None:
    people(story.on)
    story.machine.faults["operators"] = [_crash]
    story.report()
    story.says("operators-told")
    story.close()
    story.ends()

    assert (story.machine.asked.count("operators"), story.codes.count("operators-told")) == (2, 1)


def test_a_throttled_task_is_tried_again(story: Story) -> None:
    people(story.on)
    story.machine.faults["assess"] = [_throttled]
    story.report()
    story.reaches("AwaitAcknowledgement")
    story.close()

    assert story.ends() == ["SUCCEEDED"]


def test_a_task_that_hangs_is_given_up_and_the_case_goes_on(story: Story) -> None:
    story.machine.create(task_s=1, name="hurried")
    people(story.on)
    answered = threading.Event()
    story.machine.faults["operators"] = [_hangs(answered), _hangs(answered)]
    story.report()
    story.says("operators-told")
    answered.set()
    story.close()
    story.ends()
    events = story.machine.history(story.machine.executions()[0])

    assert "TaskTimedOut" in {event["type"] for event in events}


def test_a_wait_whose_heartbeat_is_lost_looks_at_the_case(story: Story) -> None:
    story.machine.create(wait_s=60, heartbeat_s=1, name="anxious")
    people(story.on)
    story.report()
    story.reaches("AwaitAcknowledgement", 2)
    story.close()

    assert story.ends() == ["SUCCEEDED"]


def test_a_redriven_execution_comes_to_its_end_from_wherever_it_failed(story: Story) -> None:
    """A redrive enters the state that failed once more, with the input it had. `test_any_case` runs every
    task twice; here the engine enters one state of each sort."""
    people(story.on)
    story.on("garam").cases.create(*opening(found=evidence(x_m=990)))
    closed = partial(cases.close, reason=CloseReason.FALSE_ALARM, note_text="", by=who(), at=START)
    change(story.on("garam").cases, "case-1", closed)
    failed = ("TellEveryone", "AwaitNews", "GrantShares", "RevokeShares", "Report")
    for state in failed:
        story.machine.redrive(state, run("garam", "case-1") | {"seen": "7", "next": "await-news"})

    assert story.ends() == ["SUCCEEDED"] * len(failed)


def test_a_case_whose_execution_failed_goes_on_in_a_fresh_one(story: Story) -> None:
    people(story.on)
    story.machine.mend({"StartAt": "Dies", "States": {"Dies": {"Type": "Fail"}}})
    story.report()
    failed = story.ends()
    story.machine.mend()
    revived = [story.on("garam").workflow.revive(story.case) for _ in range(2)]
    story.reaches("AwaitAcknowledgement")
    story.close()
    ended = story.ends()

    assert (failed, revived, ended) == (["FAILED"], [True, False], ["FAILED", "SUCCEEDED"])
    assert not story.on("garam").workflow.revive(story.case)


def test_at_7_4_a_push_provider_that_is_down_is_told_again_when_it_is_back(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = push_endpoint("token-1")
    contact = Contact("contact-1", "", mobile="+821012345678")
    phone = Phone("garam-p-1", "daycare", "김선생", endpoint=endpoint)
    people(story.on, phones=(phone,))
    story.on("garam").registry.put(contact)
    story.on("garam").__dict__["push"] = Broken()
    story.report()
    story.says("channel-down")
    story.acknowledge()
    del story.on("garam").__dict__["push"]
    story.later(15)
    story.on("garam").workflow.wake("case-1")
    story.says("channel-restored")
    story.says("teachers-told")
    story.close()
    story.ends()

    assert [line["sent"] for line in story.lines("teachers-told")] == [1]


def test_a_case_started_twice_is_one_execution(story: Story) -> None:
    people(story.on)
    story.report()
    story.on("garam").workflow.start(story.case)
    story.reaches("AwaitAcknowledgement")
    story.close()

    assert len(story.ends()) == 1


def test_a_token_answered_twice_is_no_error(story: Story) -> None:
    people(story.on)
    story.report()
    story.reaches("AwaitAcknowledgement")
    for _ in range(5):
        story.on("garam").workflow.wake("case-1")
    story.close()

    assert story.ends() == ["SUCCEEDED"]


def test_a_reopened_case_runs_again(story: Story) -> None:
    people(story.on)
    story.report()
    story.close()
    story.ends()
    story.act(lambda case: cases.reopen(case, who(), story.clock.now()))
    story.on("garam").workflow.start(story.case)
    story.reaches("AwaitAcknowledgement")
    story.later(5)
    story.close()

    assert story.ends() == ["SUCCEEDED", "SUCCEEDED"]


def test_at_4_5_a_drill_walks_the_whole_story_and_no_police_desk_hears_of_it(story: Story) -> None:
    people(story.on, police_url=story.desk.url)
    story.report(status=Status.EXERCISE)
    story.acknowledge()
    story.says("search-started")
    story.later(600)
    story.says("escalated")
    story.close()
    story.ends()

    assert (story.desk.arrived, story.codes.count("reported")) == ([], 1)


def test_at_1_5_a_report_reaches_every_teacher_phone_once(story: Story) -> None:
    endpoints = [push_endpoint(f"token-{n}") for n in range(2)]
    phones = tuple(Phone(f"garam-p-{n}", "daycare", "김선생", endpoint=e) for n, e in enumerate(endpoints))
    people(story.on, phones=phones)
    story.report()
    story.says("teachers-told")
    story.close()
    story.ends()

    assert story.lines("teachers-told") == [{"role": "system", "sent": 2, "failed": 0}]


class Broken:
    """A push provider that does not answer."""

    def send(self, message: Message) -> Delivery:
        return Delivery(message.key, message.kind, "down", reason="EndpointConnectionError")


def push_endpoint(token: str) -> str:
    """A phone's endpoint at SNS."""
    sns = wiring.client("sns")
    application = sns.create_platform_application(
        Name="push", Platform="GCM", Attributes={"PlatformCredential": "none"}
    )["PlatformApplicationArn"]
    made = sns.create_platform_endpoint(PlatformApplicationArn=application, Token=token)
    return str(made["EndpointArn"])


def _hangs(until: threading.Event) -> Callable[[dict[str, Any]], None]:
    """A function that does not come back while the task may still run."""

    def hang(_: dict[str, Any]) -> None:
        until.wait(10)
        raise RuntimeError("nobody waits for this any more")

    return hang


def _crash(_: dict[str, Any]) -> None:
    raise RuntimeError("the process died")


def _throttled(_: dict[str, Any]) -> None:
    raise ClientError(
        {
            "Error": {"Code": "TooManyRequestsException", "Message": "Rate Exceeded."},
            "ResponseMetadata": {"HTTPStatusCode": 429, "RequestId": "r"},
        },
        "Invoke",
    )
