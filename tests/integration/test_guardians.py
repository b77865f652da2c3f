"""Guardians in every world: forms apart from the children, links by digest, and what is owed in order."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.adapters.clock import ManualClock
from shared.adapters.guardians import DynamoGuardians, MemoryGuardians, digest
from shared.adapters.memory import MemoryCloud
from shared.domain.errors import Conflict, NotFound
from shared.domain.guardian import Guardianship, Link, Owed, Use
from shared.ports import Guardians
from tests.integration.conftest import START, MotoCloud
from tests.unit.shared.domain.test_guardian import filed

SECRET = "garam.a-secret"
LINK = Link(Use.CALL, "c-1", START, "c-1", START + timedelta(hours=6), calls=3, since=START)


def owed(minutes: float, disclosure: str = "disclosed:police:x") -> Owed:
    at = START + timedelta(minutes=minutes)
    return Owed("notice", "c-1", at, at, "no-channel", "case-1", disclosure)


@pytest.fixture(params=["memory", "moto"])
def on(request: pytest.FixtureRequest) -> Guardians:
    """Either twin. The table is the registry's, which the emulator is tried with elsewhere."""
    if request.param == "memory":
        return MemoryGuardians("garam", MemoryCloud(clock=ManualClock(START)))
    moto: MotoCloud = request.getfixturevalue("moto_cloud")
    return DynamoGuardians("garam", moto.environment.registry_table, moto.client("dynamodb"))


def test_a_guardian_comes_back_as_it_was_stored(on: Guardians) -> None:
    stored = on.save(Guardianship("c-1", filed(), "endpoint-1"))

    assert (on.of("c-1"), stored.version) == (stored, 1)


def test_who_read_an_older_one_loses(on: Guardians) -> None:
    first = on.save(Guardianship("c-1"))
    on.save(replace(first, endpoint="endpoint-1"))

    with pytest.raises(Conflict):
        on.save(replace(first, endpoint="endpoint-2"))


def test_a_link_is_found_by_its_secret_and_by_nothing_else(on: Guardians) -> None:
    on.put_link(SECRET, LINK)

    assert on.link(SECRET) == LINK
    with pytest.raises(NotFound):
        on.link(digest(SECRET))


def test_what_is_owed_comes_in_the_order_in_which_to_look_at_it(on: Guardians) -> None:
    late, soon = owed(20), owed(10, "disclosed:nuri:y")
    on.owe(late)
    on.owe(soon)

    assert (on.due(START + timedelta(minutes=10)), on.owed()) == ([soon], [soon, late])


def test_what_is_settled_is_owed_no_longer(on: Guardians) -> None:
    on.owe(owed(10))
    on.settle(owed(10))

    assert on.owed() == []


def test_the_secret_of_a_link_is_stored_nowhere(moto_cloud: MotoCloud) -> None:
    table = moto_cloud.environment.registry_table
    DynamoGuardians("garam", table, moto_cloud.client("dynamodb")).put_link(SECRET, LINK)

    assert "a-secret" not in str(moto_cloud.client("dynamodb").scan(TableName=table)["Items"])
