"""A short run of the exam; the long one is `make dst`."""

from collections.abc import Iterator

import pytest

from shared.observability import logger
from tests.dst.exam import examine


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    level = logger.log_level
    logger.setLevel("CRITICAL")
    yield
    logger.setLevel(level)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(12))
def test_whatever_fails_nothing_is_lost_doubled_or_shown_to_the_wrong_tenant(seed: int) -> None:
    assert examine(seed).violations == []


@pytest.mark.filterwarnings("ignore")
def test_a_seed_plays_the_same_twice() -> None:
    assert examine(7) == examine(7)
