"""One performance of `crosses_the_border` on a running stack, for every end-to-end test.

By default the stack is a local cloud of its own. With `AWS_ENDPOINT_URL` set (`make e2e-target`) it is the
one that stands there, played at life's own speed.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

import pytest

from events.simulator.city import City, CitySpec
from events.simulator.scenario import load
from infra.local.cloud import LocalCloud, local_cloud, target_cloud
from infra.local.demo import police_secret
from infra.local.performance import Performance, perform
from infra.local.police import PoliceDesk
from infra.local.stage import wall_clock

SEED = 7
SPEED = 4.0
FIGURES = pytest.StashKey[list[str]]()


@dataclass(frozen=True)
class Stack:
    """A stack and how fast its clock runs. city: what is planted in it."""

    cloud: LocalCloud
    desk: PoliceDesk
    city: City
    shown: Performance


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """The stack after the performance; it still runs."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL")
    speed = 1.0 if endpoint else SPEED
    setting, clock = wall_clock(speed)
    city = City.build(CitySpec.demo(), SEED)
    with ExitStack() as until:
        if endpoint:
            port = int(os.environ.get("JIKIMI_MQTT_PORT", "8883"))
            cloud = until.enter_context(target_cloud(endpoint, mqtt_port=port))
        else:
            cloud = until.enter_context(local_cloud(clock=setting))
        desk = until.enter_context(PoliceDesk(partial(police_secret, cloud)))
        scenario = load("crosses_the_border")
        shown = perform(cloud, scenario, city, clock, desk=desk, seed=SEED, speed=speed)
        yield Stack(cloud, desk, city, shown)


@pytest.fixture
def figures(
    request: pytest.FixtureRequest, record_property: Callable[[str, object], None]
) -> Iterator[list[str]]:
    """Lines for the end of the run: what was measured. Also the test's own property "figure"."""
    mine: list[str] = []
    yield mine
    request.config.stash.setdefault(FIGURES, []).extend(mine)
    for line in mine:
        record_property("figure", line)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if found := terminalreporter.config.stash.get(FIGURES, []):
        terminalreporter.section("measured end to end")
        for line in found:
            terminalreporter.line(line)
