"""A fresh town for every test."""

import pytest

from tests.unit.functions.api.town import Town


@pytest.fixture
def town() -> Town:
    return Town()
