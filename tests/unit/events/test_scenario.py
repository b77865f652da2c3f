import json
from typing import Any

import pytest
from pydantic import ValidationError

from events.simulator.city import City, CitySpec
from events.simulator.play import Play
from events.simulator.scenario import FOLDER, Do, Rule, Scenario, Truth, due, load, names

RULES = load("crosses_the_border").rules


def crosses(**changes: Any) -> dict[str, Any]:
    text = (FOLDER / "crosses_the_border.json").read_text(encoding="utf-8")
    return {**json.loads(text), **changes}


@pytest.mark.parametrize("name", names())
def test_a_scenario_is_called_as_its_file(name: str) -> None:
    assert load(name).name == name


@pytest.mark.parametrize("name", names())
def test_a_scenario_can_be_played_in_its_city(name: str) -> None:
    marks = Play(load(name), City.build(CitySpec.of(load(name).city), 7), 7).marks

    assert {r.at for r in load(name).rules if r.at is not None} <= set(marks)


def test_a_scenario_with_an_unknown_field_is_refused() -> None:
    with pytest.raises(ValidationError, match="speed"):
        Scenario.model_validate(crosses(speed=3))


def test_nobody_walks_after_the_end() -> None:
    with pytest.raises(ValidationError, match="nobody walks"):
        Scenario.model_validate(crosses(lasts_s=100))


def test_nobody_waits_for_a_word_that_nothing_says() -> None:
    with pytest.raises(ValidationError, match="nothing says"):
        Rule.model_validate({"on": "alarms", "who": "teacher-1", "do": "report"})


def test_a_rule_waits_for_one_word() -> None:
    with pytest.raises(ValidationError, match="one word"):
        Rule.model_validate({"who": "teacher-1", "do": "report"})


def test_an_exercise_is_never_actual() -> None:
    with pytest.raises(ValidationError, match="status"):
        Scenario.model_validate(crosses(status="Actual"))


def test_nobody_reacts_before_the_word() -> None:
    assert due(RULES, {}, now_s=1000) == []


def test_nobody_reacts_before_it_is_time() -> None:
    assert due(RULES, {"alarm": 60.0}, now_s=62.9) == []


def test_the_teacher_answers_the_alarm_and_reports_six_seconds_after_it() -> None:
    reactions = due(RULES, {"alarm": 60.0}, now_s=66.0)

    assert [(r.who, r.do, r.at_s) for r in reactions] == [
        ("teacher-1", Do.ANSWER, 63.0),
        ("teacher-1", Do.REPORT, 66.0),
    ]


def test_nobody_does_the_same_twice() -> None:
    done = {reaction.rule for reaction in due(RULES, {"alarm": 60.0}, now_s=66.0)}

    assert due(RULES, {"alarm": 60.0}, now_s=70.0, done=done) == []


def test_reactions_come_in_the_order_of_their_time() -> None:
    happened = {"case-alert-garam": 70.0, "offer-naru": 72.0, Truth.STARTS: 0.0}
    did = [r.do for r in due(RULES, happened, now_s=200)]

    assert did == [Do.START_OUTING, Do.ACKNOWLEDGE, Do.ACCEPT, Do.CALL_POLICE]
