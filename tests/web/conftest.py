"""One browser for all, one world per test, and no page may complain."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from functions.console import handler
from shared.observability import logger
from tests.web.browser import NoBrowser, Screens, launched
from tests.web.world import World, serving

PATIENCE_MS = 20_000
"""A shared machine may be ten times slower than a desk; what must be fast has a test that says so."""
MUTANT = "JIKIMI_WEB_STATIC"
"""Where `tests.web.mutants` puts a deliberately broken copy of the static files."""


@pytest.fixture(scope="session", autouse=True)
def _static() -> None:
    expect.set_options(timeout=PATIENCE_MS)
    if MUTANT in os.environ:
        handler._STATIC = Path(os.environ[MUTANT])


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """The handlers behind the screens log in this process; other tests read what they log."""
    level = logger.log_level
    logger.setLevel("CRITICAL")
    yield
    logger.setLevel(level)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    try:
        with launched() as found:
            yield found
    except NoBrowser as reason:
        pytest.skip(f"no browser: {reason}")


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def screens(browser: Browser, world: World) -> Iterator[Screens]:
    with serving(world) as url:
        opened = Screens(browser, world, url)
        yield opened
        opened.close()
    assert opened.faults == []
