"""A drill rehearsed end to end in this process: the same again, within the wall, and what many say."""

from functools import cache

import pytest

from events.simulator.city import City, CitySpec
from infra.local.drill import interval, leaks
from infra.local.rehearsal import Habits, Outcome, Plan, rehearse
from shared.domain.drill import InjectKind

QUICK = Habits(sight_m=40.0, guardian_s=1.0, police_ack_s=5.0)
DISTURBED = (
    InjectKind.SCANNER_OUTAGE,
    InjectKind.WRONG_CLOTHING,
    InjectKind.SECOND_CHILD,
    InjectKind.BORDER_CROSSING,
)


@cache
def disturbed() -> Outcome:
    """A drill whose decoy crosses a border."""
    plan = Plan(5, injects=DISTURBED, habits=QUICK, children=2)
    return rehearse(City.build(CitySpec.demo(), 7), plan)


def test_at_10_6_a_decoys_walk_is_rehearsed_from_the_separation_to_the_guardian() -> None:
    report = disturbed().report

    assert (report["secured"], report["chain_holds"], report["status"]) == (True, True, "Exercise")
    assert {"T0", "T2", "T4", "T5", "T6", "T7", "T9", "T10", "T12", "T13"} <= report["clock"].keys()


def test_at_10_2_a_rehearsed_drill_leaves_nothing_for_guardians_police_or_unmarked() -> None:
    sent = disturbed().sent

    assert (leaks(disturbed()), {message.status for message in sent}) == (0, {"Exercise"})
    assert {message.to for message in sent if message.kind == "operators"} >= {"garam", "naru"}


def test_at_10_4_injects_take_effect_in_a_rehearsed_drill() -> None:
    drill = disturbed().drill

    assert {inject["kind"] for inject in drill["injects"]} <= set(DISTURBED)
    assert len(drill["cases"]) == 1 + any(inject["kind"] == "second-child" for inject in drill["injects"])


def test_at_10_6_the_same_seed_is_the_same_drill() -> None:
    plan = Plan(1, habits=Habits(sight_m=150.0), children=1, until_secured=True)
    city = City.build(CitySpec.demo(), 7)

    once, again = (rehearse(city, plan).report for _ in range(2))

    assert (once["clock"], once["phases"]) == (again["clock"], again["phases"])


def test_at_10_6_a_mean_comes_with_its_confidence() -> None:
    mean, low, high = interval([4.0, 6.0, 8.0, 10.0, 12.0])

    assert (mean, low < 8 < high, interval([5.0, 5.0])) == (8, True, (5, 5, 5))


def test_no_walks_have_no_mean() -> None:
    with pytest.raises(ValueError, match="no values"):
        interval([])
