"""Guardians in every world: forms apart from the children, links by digest, and what is owed in order."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.adapters.clock import ManualClock
from shared.adapters.crypto import MemoryKeys, SealingVault
from shared.adapters.guardians import DynamoGuardians, MemoryGuardians, digest
from shared.adapters.memory import MemoryCloud
from shared.domain.errors import Conflict, NotFound
from shared.domain.guardian import Guardianship, Link, Owed, Use
from shared.ports import Guardians
from tests.integration.conftest import START, MotoCloud
from tests.unit.shared.domain.test_guardian import filed

SECRET = "garam.a-secret"  # pragma: allowlist secret
LINK = Link(Use.CALL, "c-1", START, "c-1", START + timedelta(hours=6), calls=3, since=START)


def owed(minutes: float, disclosure: str = "disclosed:police:x") -> Owed:
    at = START + timedelta(minutes=minutes)
    return Owed("notice", "c-1", at, at, "no-channel", "case-1", disclosure)


def stored(moto: MotoCloud) -> DynamoGuardians:
    vault = SealingVault("garam", MemoryKeys("garam", MemoryCloud(clock=ManualClock(START))))
    return DynamoGuardians("garam", moto.environment.registry_table, moto.client("dynamodb"), vault)


def everything(moto: MotoCloud) -> str:
    table = moto.environment.registry_table
    return str(moto.client("dynamodb").scan(TableName=table)["Items"])


@pytest.fixture(params=["memory", "moto"])
def on(request: pytest.FixtureRequest) -> Guardians:
    """Either twin. The table is the registry's, which the emulator is tried with elsewhere."""
    if request.param == "memory":
        return MemoryGuardians("garam", MemoryCloud(clock=ManualClock(START)))
    moto: MotoCloud = request.getfixturevalue("moto_cloud")
    return stored(moto)


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
    stored(moto_cloud).put_link(SECRET, LINK)

    assert "a-secret" not in everything(moto_cloud)


def test_who_a_guardian_is_is_stored_sealed(moto_cloud: MotoCloud) -> None:
    stored(moto_cloud).save(Guardianship("c-1", filed(), "endpoint-1"))

    kept = everything(moto_cloud)
    assert [each for each in ("김보호", "010-0000-0000", "endpoint-1") if each in kept] == []


def test_at_5_6_what_is_destroyed_opens_from_no_backup(moto_cloud: MotoCloud) -> None:
    guardians = stored(moto_cloud)
    first = guardians.save(Guardianship("c-1", filed(), "endpoint-1"))
    backup = moto_cloud.client("dynamodb").scan(TableName=moto_cloud.environment.registry_table)["Items"]
    guardians.save(replace(first, filed=None, endpoint=""))
    moto_cloud.client("dynamodb").put_item(TableName=moto_cloud.environment.registry_table, Item=backup[0])

    with pytest.raises(NotFound):
        guardians.of("c-1")
