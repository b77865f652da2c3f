"""A drill: planned, disturbed by a seed, standing still for something real, and learned from."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain import case as cases
from shared.domain import drill as rules
from shared.domain.case import Case
from shared.domain.drill import Drill, DrillState, Inject, InjectKind, Scene
from shared.domain.errors import Conflict, Rejected
from shared.domain.geo import contains, distance_m
from shared.domain.places import Agreement, Policy, Scanner, Status
from shared.domain.sharing import FIELDS
from tests.casework import START, at, near, opened, strip, who

SUPERVISOR = who("official", "official-1")
SCENE = Scene(
    home=near(0),
    where=near(60),
    scanners=[Scanner(f"garam-s-{n:02d}", near(40.0 * (n % 6), 40.0 * (n // 6))) for n in range(24)],
    phones=["p-1", "p-2"],
    children=["child-2", "child-3", "child-4"],
    outfit={"top": "yellow", "bag": "red"},
    agreements=[Agreement("garam", f"t-{n}", strip(n), FIELDS, at(1e6)) for n in (1, 2)],
)


def planned(seed: int = 7, **other: object) -> Drill:
    facts = {"planned_at": at(60), "facility_id": "daycare", "child_id": "child-1", "seed": seed}
    return rules.plan("d-1", SUPERVISOR, START, **{**facts, **other})  # type: ignore[arg-type]


def running(seed: int = 7) -> Drill:
    return rules.started(planned(seed), "case-1", at(0))


def held(n: int, **phases: float) -> Drill:
    """The n-th drill before, over."""
    took = {name.replace("_", "-"): seconds for name, seconds in phases.items()}
    then = START - timedelta(days=30 * n)
    done = replace(running(), drill_id=f"d-old-{n}", phases=took, started_at=then)
    return rules.stopped(done, None, then)


def exercise(**clock: float) -> Case:
    points = {key: at(seconds) for key, seconds in clock.items()}
    return replace(opened(status=Status.EXERCISE), clock={"T4": at(0), **points})


@given(seed=st.integers(0, 10_000), kind=st.sampled_from(list(InjectKind)))
def test_at_10_4_every_inject_is_the_same_for_the_same_seed(seed: int, kind: InjectKind) -> None:
    shuffled = replace(
        SCENE, scanners=SCENE.scanners[::-1], phones=SCENE.phones[::-1], children=SCENE.children[::-1]
    )

    once, again = (rules.aim(kind, running(seed), scene, "o", at(5)) for scene in (SCENE, shuffled))

    assert once == again


@pytest.mark.parametrize("kind", list(InjectKind))
def test_at_10_4_another_seed_hits_something_else(kind: InjectKind) -> None:
    hit = {rules.aim(kind, running(seed), SCENE, "o", at(5)) for seed in range(40)}

    assert len(hit) > 1


def test_at_10_4_an_outage_takes_neighbouring_scanners_and_never_more_than_a_third() -> None:
    inject = rules.aim(InjectKind.SCANNER_OUTAGE, running(), SCENE, "o", at(5))
    places = {s.scanner_id: s.at for s in SCENE.scanners}
    hit = [places[source] for source in inject.sources]
    few = rules.aim(
        InjectKind.SCANNER_OUTAGE, running(), replace(SCENE, scanners=SCENE.scanners[:4]), "o", at(5)
    )

    assert (len(hit), len(few.sources)) == (6, 1)
    assert max(distance_m(a, b) for a in hit for b in hit) < 150


@given(seed=st.integers(0, 10_000))
def test_at_10_4_wrong_clothing_is_wrong_in_one_piece(seed: int) -> None:
    said = dict(rules.aim(InjectKind.WRONG_CLOTHING, running(seed), SCENE, "o", at(5)).outfit)

    assert sum(said[piece] != colour for piece, colour in SCENE.outfit.items()) == 1


@given(seed=st.integers(0, 10_000))
def test_at_10_4_the_border_crossing_leads_into_the_nearest_neighbour_with_an_agreement(seed: int) -> None:
    inject = rules.aim(InjectKind.BORDER_CROSSING, running(seed), SCENE, "o", at(5))

    assert inject.where is not None
    assert (inject.neighbour_id, contains(strip(1), inject.where)) == ("t-1", True)


@pytest.mark.parametrize(
    "kind",
    [InjectKind.SCANNER_OUTAGE, InjectKind.PHONE_DEAD, InjectKind.SECOND_CHILD, InjectKind.BORDER_CROSSING],
)
def test_an_inject_that_has_nothing_to_hit_is_refused(kind: InjectKind) -> None:
    with pytest.raises(Conflict, match="inject-without-target"):
        rules.aim(kind, running(), Scene(home=near(0), where=near(0)), "o", at(5))


def test_an_inject_happens_once() -> None:
    inject = Inject(InjectKind.BAG_DROPPED, at(5), "o")

    with pytest.raises(Conflict, match="inject-done"):
        rules.disturbed(rules.disturbed(running(), inject), inject)


def test_at_10_4_what_is_planned_comes_within_five_minutes_in_the_seeds_order() -> None:
    script = rules.script(list(InjectKind), 7)

    assert script == rules.script(list(InjectKind)[::-1], 7)
    assert [when for _, when in script] == sorted(when for _, when in script)
    assert all(30 <= when <= 300 for _, when in script)


def test_at_10_4_what_is_silenced_is_heard_again_while_the_drill_stands_still_and_after_it() -> None:
    drill = rules.disturbed(running(), Inject(InjectKind.PHONE_DEAD, at(5), "o", sources=("p-1",)))

    assert [
        rules.deaf(each)
        for each in (drill, rules.paused(drill, "real-case"), rules.stopped(drill, None, at(9)), None)
    ] == [("p-1",), (), (), ()]


@pytest.mark.parametrize(
    ("act", "code"),
    [
        (lambda: rules.started(running(), "case-2", at(1)), "drill-not-planned"),
        (lambda: rules.disturbed(planned(), Inject(InjectKind.BAG_DROPPED, at(5), "o")), "drill-not-running"),
        (lambda: rules.paused(planned(), "supervisor"), "drill-not-running"),
        (lambda: rules.resumed(running()), "drill-not-paused"),
        (lambda: rules.learned(running(), rules.Finding("x", {}), "", SUPERVISOR, at(9)), "drill-not-over"),
    ],
)
def test_a_drill_goes_from_planned_over_running_and_paused_to_stopped(
    act: Callable[[], Drill], code: str
) -> None:
    with pytest.raises(Conflict, match=code):
        act()


def test_at_10_3_something_real_outweighs_a_supervisors_pause_and_not_the_other_way_round() -> None:
    first = rules.paused(rules.paused(running(), "supervisor"), "real-case")
    second = rules.paused(rules.paused(running(), "real-case"), "supervisor")

    assert [first.paused_for, second.paused_for] == ["real-case", "real-case"]


def test_a_drill_is_not_planned_in_the_past() -> None:
    with pytest.raises(Rejected, match="drill-in-the-past"):
        planned(planned_at=at(-1))


def test_at_10_1_an_unannounced_drill_names_who_is_informed() -> None:
    with pytest.raises(Rejected, match="drill-informs-nobody"):
        planned(announced=False)


@pytest.mark.parametrize(
    ("actor", "role", "knows"),
    [
        ("official-1", "official", True),  # planned it
        ("official-2", "official", True),  # is informed
        ("official-3", "official", False),
        ("admin-1", "admin", False),
        ("auditor-1", "auditor", True),
    ],
)
def test_at_10_1_an_unannounced_drill_is_known_to_the_informed_until_it_starts(
    actor: str, role: str, *, knows: bool
) -> None:
    drill = planned(announced=False, informed=["official-2"])

    assert rules.may_know(drill, actor, role) is knows
    assert rules.may_know(rules.started(drill, "case-1", at(60)), actor, role)


def test_at_10_1_a_month_owes_two_drills() -> None:
    called_off = rules.stopped(planned(), None, at(1))
    without_a_report = rules.stopped(rules.started(planned(), "", at(0)), None, at(1))
    this_month = replace(running(), state=DrillState.STOPPED)

    owed = rules.duty([held(2), this_month, called_off, without_a_report, planned()], at(0))

    assert (owed.month, owed.due, owed.held, owed.planned) == ("2026-05", 2, 1, 1)


@given(seed=st.integers(0, 10_000), month=st.integers(1, 12), day=st.integers(1, 28))
def test_at_10_1_two_drills_are_proposed_on_working_days_to_come(seed: int, month: int, day: int) -> None:
    now = datetime(2026, month, day, 3, tzinfo=UTC)

    proposed = rules.dates(2026, month, seed, now)

    assert all(when > now and when.weekday() < 5 and 10 <= when.hour < 15 for when in proposed)
    assert len({when.date() for when in proposed}) == len(proposed) <= 2
    if day <= 14:
        assert len(proposed) == 2


def test_at_10_5_a_drill_is_measured_against_the_ten_before_it() -> None:
    earlier = [held(n, T5_T4=float(n)) for n in range(1, 13)]
    drill = rules.stopped(running(), exercise(T5=6), at(600))

    phase = rules.report(drill, exercise(T5=6), [], earlier, Policy()).phases["T5-T4"]

    assert (phase.took_s, phase.n, phase.median_s, phase.p90_s) == (6, 10, 5.5, 9)


def test_at_10_5_a_report_shows_what_happened_what_did_not_and_the_slowest_step() -> None:
    made = rules.report(running(), exercise(T0=-60, T5=8, T6=95, T9=40, T12=600), [], [], Policy())

    assert (made.slowest, made.is_secured, "T7" in made.missing, "T13" in made.missing) == (
        "T6-T5",
        True,
        True,
        True,
    )
    assert (list(made.clock), made.phases["T12-T0"].took_s) == (["T0", "T4", "T5", "T6", "T9", "T12"], 660)


@pytest.mark.parametrize(
    ("clock", "findings"),
    [
        (
            {},
            ["not-secured", "not-acknowledged", "police-not-told", "no-camera", "never-heard", "never-seen"],
        ),
        (
            {"T5": 25, "T6": 30, "T7": 31, "T8": 32, "T9": 61, "T12": 99},
            ["acknowledged-late", "police-late", "slowest-step"],
        ),
        ({"T5": 5, "T6": 9, "T7": 10, "T8": 12, "T9": 60, "T12": 99}, ["slowest-step"]),
    ],
)
def test_at_10_5_a_report_says_what_is_worth_a_lesson(clock: dict[str, float], findings: list[str]) -> None:
    made = rules.report(running(), exercise(**clock), [], [], Policy())

    assert [finding.code for finding in made.findings] == findings


def test_at_10_5_a_step_slower_than_in_nine_of_ten_drills_before_is_worth_a_lesson() -> None:
    earlier = [held(n, T5_T4=4.0) for n in range(1, 4)]

    made = rules.report(running(), exercise(T5=5), [], earlier, Policy())

    assert ("slower-than-before", "T5-T4") in [(f.code, f.params.get("phase")) for f in made.findings]


def test_at_10_5_a_lesson_is_taken_on_once() -> None:
    finding = rules.Finding("police-late", {"took_s": 90, "limit_s": 60})
    drill = rules.learned(held(1), finding, "", SUPERVISOR, at(700))

    assert rules.learned(drill, finding, "", SUPERVISOR, at(701)) == drill
    assert [(lesson.code, lesson.by) for lesson in drill.lessons] == [("police-late", "official-1")]


def test_a_forgotten_drill_is_overdue_after_half_an_hour() -> None:
    assert [rules.overdue(running(), at(s)) for s in (1799, 1800)] == [False, True]


def test_at_10_5_a_drill_keeps_its_clock_when_it_stops() -> None:
    case, _ = cases.acknowledge(exercise(), who(), at(5))

    drill = rules.stopped(running(), case, at(900))

    assert (drill.clock["T5"], drill.phases, drill.was_held) == (at(5), {"T5-T4": 5}, True)


def test_a_drill_that_waits_takes_the_case_of_its_child_and_no_other() -> None:
    waiting = rules.started(planned(), "", at(0))
    other = replace(opened().subject, subject_id="child-2")
    taken = rules.reported(waiting, exercise())

    assert (taken.cases, rules.reported(waiting, replace(exercise(), subject=other)).cases) == (
        ("case-1",),
        (),
    )
    assert rules.reported(taken, replace(exercise(), case_id="case-2")) == taken


def test_what_the_observer_said_first_stays() -> None:
    assert rules.observed(rules.observed(running(), at(-9)), at(-5)).separated_at == at(-9)
