"""The clock a simulated city runs by."""

from datetime import UTC, datetime

import pytest

from shared.adapters.clock import ManualClock, SimulatedClock, SystemClock, clock_from, wall_span_ms

WALL_S = 1_790_000_000.0
FAST = SimulatedClock(WALL_S, 1_778_547_600.0, 10)


def test_without_a_word_the_clock_is_the_walls() -> None:
    assert isinstance(clock_from(""), SystemClock)


def test_a_simulated_clock_is_read_from_its_text() -> None:
    assert clock_from("1790000000.0:1778547600.0:10") == FAST


@pytest.mark.parametrize("text", ["now", "1:2", "1:2:0", "1:2:-3", "1:2:3:4"])
def test_a_clock_that_cannot_run_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        clock_from(text)


def test_a_wall_second_is_ten_of_the_scenario() -> None:
    assert FAST.from_wall_ms(1_790_000_001_000) - FAST.from_wall_ms(1_790_000_000_000) == 10_000


def test_ten_scenario_seconds_are_one_on_the_wall() -> None:
    assert wall_span_ms(FAST, 10_000) == 1000


def test_on_the_walls_clock_a_span_is_itself() -> None:
    assert wall_span_ms(SystemClock(), 1234) == 1234


def test_a_manual_clock_stands_still_until_moved() -> None:
    clock = ManualClock(datetime(2026, 5, 5, tzinfo=UTC))
    clock.at = datetime(2026, 5, 6, tzinfo=UTC)

    assert clock.now() == datetime(2026, 5, 6, tzinfo=UTC)
