"""Anything may happen to a case in any order: what always holds. JIKIMI_SEQUENCES=2000 for the long run."""

import os
from collections.abc import Callable
from datetime import datetime

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from shared.adapters.cases import change
from shared.adapters.clock import ManualClock
from shared.adapters.memory import MemoryCloud
from shared.adapters.wiring import memory_adapters
from shared.domain import case as cases
from shared.domain import sharing
from shared.domain.case import Actor, Case, Change, CloseReason, Kind, Look, broken_at
from shared.domain.errors import Conflict, JikimiError, NotFound
from shared.domain.notices import reconcile
from shared.domain.places import Contact, Phone, Status
from tests.casework import START, at, evidence, opening, people
from tests.turns import settle

SEQUENCES = int(os.environ.get("JIKIMI_SEQUENCES", "300"))
PLACES = st.sampled_from([-990, 0, 400, 985, 1500, 2990, 3500])
OPERATORS = st.sampled_from(["operator-1", "operator-2", "operator-3"])
NEIGHBOURS = st.sampled_from(["haneul", "badam"])
CONTACTS = (
    Contact("room-1", "operator", email="room@garam.example"),
    Contact("second-1", "second-operator", mobile="+821000000001"),
    Contact("duty-1", "duty-officer", mobile="+821000000002"),
)
PHONES = (Phone("garam-p-1", "daycare", "김선생", endpoint="app-1", contact_id="second-1"),)
CHANNELS = st.sampled_from(["push", "sms", "voice", "email", "topic"])


class AnyCase(RuleBasedStateMachine):
    """Reports, people, evidence, neighbours, a clock and a workflow, in any order and with repeats."""

    @initialize(status=st.sampled_from([Status.ACTUAL, Status.EXERCISE]), x_m=st.sampled_from([0, 950, 985]))
    def report(self, status: Status, x_m: int) -> None:
        self.clock = ManualClock(START)
        self.world = MemoryCloud(self.clock)
        self.on = memory_adapters(self.world)
        self.police = "https://police.example/hand-over"
        people(self.on, police_url=self.police, guardian="guardian-endpoint", phones=PHONES)
        self.on("garam").registry.put(*CONTACTS)
        case, entries = opening(status=status, found=evidence(x_m=x_m))
        self.on("garam").cases.create(case, entries)
        self.owners: list[str] = []
        self.grown = 1
        self.stamped: dict[str, datetime] = {}

    @property
    def case(self) -> Case:
        return self.on("garam").cases.get("case-1")

    def act(self, how: Callable[[Case], Change]) -> None:
        try:
            change(self.on("garam").cases, "case-1", how)
        except Conflict:
            return

    @rule(seconds=st.sampled_from([1, 5, 20, 60, 600, 4000]))
    def time_passes(self, seconds: int) -> None:
        self.clock.at = at((self.clock.at - START).total_seconds() + seconds)

    @rule(who=OPERATORS)
    def somebody_acknowledges(self, who: str) -> None:
        self.act(lambda c: cases.acknowledge(c, Actor(who, "garam", "operator"), self.clock.at))

    @rule(ago=st.integers(0, 120), x_m=PLACES, kind=st.sampled_from(list(Kind)))
    def evidence_arrives(self, ago: int, x_m: float, kind: Kind) -> None:
        seconds = (self.clock.at - START).total_seconds() - ago
        found = evidence(kind, at_s=seconds, x_m=x_m, confirmed=kind is Kind.SEEN)
        self.act(lambda c: cases.add_evidence(c, found, cases.system("garam"), self.clock.at))

    @rule(look=st.sampled_from([Look.WATCHING, Look.NOT_SEEN]), camera=st.sampled_from(["cam-1", "cam-2"]))
    def a_camera_is_marked(self, look: Look, camera: str) -> None:
        by = Actor("operator-1", "garam", "operator")
        self.act(lambda c: cases.mark_camera(c, camera, look, by, self.clock.at))

    @rule()
    def the_police_are_called(self) -> None:
        by = Actor("teacher-1", "garam", "teacher")
        self.act(lambda c: cases.police_told(c, "112-1", "phone", by, self.clock.at))

    @rule()
    def the_child_is_secured(self) -> None:
        by = Actor("police-1", "garam", "police")
        self.act(lambda c: cases.secured(c, "police", by, self.clock.at))

    @rule(reason=st.sampled_from([CloseReason.FOUND, CloseReason.FALSE_ALARM, CloseReason.BAG_ONLY]))
    def somebody_closes(self, reason: CloseReason) -> None:
        by = Actor("operator-1", "garam", "operator")
        self.act(lambda c: cases.close(c, reason, "", by, self.clock.at))

    @rule()
    def somebody_reopens(self) -> None:
        by = Actor("operator-1", "garam", "operator")
        self.act(lambda c: cases.reopen(c, by, self.clock.at))

    @rule(neighbour=NEIGHBOURS, accepts=st.booleans())
    def a_neighbour_decides(self, neighbour: str, *, accepts: bool) -> None:
        there = self.on(neighbour).shares
        try:
            offered = there.received("garam", "case-1")
            decide = sharing.accept if accepts else sharing.decline
            there.save(decide(offered, "operator-9", self.clock.at))
        except JikimiError:
            return

    @rule(neighbour=NEIGHBOURS)
    def the_owner_revokes(self, neighbour: str) -> None:
        desk = self.on("garam").shares
        for share in desk.of_case("case-1"):
            if share.neighbour_id == neighbour and share.is_open:
                desk.save(sharing.revoke(share, "operator-1", self.clock.at))

    @rule(down=st.booleans())
    def the_police_line_breaks_or_heals(self, *, down: bool) -> None:
        dead = self.world.table("channels.dead")
        dead.pop(self.police, None)
        if down:
            dead[self.police] = "failed"

    @rule(channel=CHANNELS, how=st.sampled_from(["down", "failed", "works"]))
    def a_channel_breaks_or_heals(self, channel: str, how: str) -> None:
        dead = self.world.table("channels.dead")
        dead.pop(channel, None)
        if how != "works":
            dead[channel] = how

    @rule(again=st.booleans())
    def the_workflow_acts(self, *, again: bool) -> None:
        settle(self.on, again=again, turns=8)

    @invariant()
    def one_owner(self) -> None:
        owner = self.case.owner
        if owner and owner not in self.owners:
            self.owners.append(owner)
        assert len(self.owners) <= 1

    @invariant()
    def the_timeline_only_grows_and_its_chain_holds(self) -> None:
        entries = self.on("garam").cases.timeline("case-1")
        assert (broken_at(self.case, entries), len(entries) >= self.grown) == (None, True)
        self.grown = len(entries)

    @invariant()
    def a_clock_point_never_moves(self) -> None:
        now = {key: t for key, t in self.case.clock.items() if key not in ("T12", "T13", "T14")}
        assert {key: now.get(key) for key in self.stamped} == self.stamped
        self.stamped = now

    @invariant()
    def nothing_is_seen_without_a_grant(self) -> None:
        for neighbour in ("haneul", "badam"):
            try:
                share = self.on(neighbour).shares.received("garam", "case-1")
                sharing.view(self.case, share, self.clock.at)
            except NotFound:
                continue
            assert share.grants(self.clock.at)
            assert self.case.is_open

    @invariant()
    def a_drill_reaches_no_police_and_no_guardian(self) -> None:
        real = [m for m in self.world.sent if m.kind in ("police", "guardian")]
        assert self.case.status is Status.ACTUAL or real == []

    @invariant()
    def no_version_reaches_the_police_as_two_different_keys(self) -> None:
        handed = [m for m in self.world.sent if m.kind == "police"]
        assert all(m.key == f"case-1:v{m.body['version']}" for m in handed)

    @invariant()
    def whatever_a_drill_says_it_says_as_a_drill(self) -> None:
        assert {m.status for m in self.world.sent} <= {self.case.status.value}

    @invariant()
    def nobody_without_an_agreement_hears_of_the_case(self) -> None:
        assert (self.on("nuri").shares.inbox(), self.on("nuri").watch_list.entries()) == ([], [])
        assert {m.to for m in self.world.sent if m.via == "topic"} <= {"garam"}

    @invariant()
    def nobody_is_told_the_same_thing_twice(self) -> None:
        told = [(m.via, m.to, m.key) for m in self.world.sent if m.kind in ("push", "operators") and m.via]
        assert len(told) == len(set(told))

    @invariant()
    def no_number_leaves_the_registry(self) -> None:
        assert "+8210" not in str(self.world.sent)

    @invariant()
    def what_is_pushed_is_opaque(self) -> None:
        assert all("김하나" not in str(m.body) for m in self.world.sent if m.kind != "police")

    def teardown(self) -> None:
        """Once the workflow had its say: every disclosure has its notice, a closed case no listener."""
        if not hasattr(self, "world"):
            return
        self.world.table("channels.dead").clear()
        settle(self.on)
        assert reconcile(self.on("garam").cases.timeline("case-1")).missing == ()
        if not self.case.is_open:
            assert [self.on(t).watch_list.entries() for t in ("haneul", "badam")] == [[], []]


AnyCase.TestCase.settings = settings(max_examples=SEQUENCES, stateful_step_count=15, deadline=None)
TestAnyCase = AnyCase.TestCase
