"""What is sealed opens for its own subject and field only, and not at all once its key is gone."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.clock import SystemClock
from shared.adapters.crypto import MemoryKeys, SealingVault
from shared.adapters.memory import MemoryCloud
from shared.domain.errors import NotFound


@pytest.fixture
def world() -> MemoryCloud:
    return MemoryCloud(SystemClock())


def vault(world: MemoryCloud, tenant_id: str = "garam") -> SealingVault:
    """A vault as another process would open it: it remembers nothing."""
    return SealingVault(tenant_id, MemoryKeys(tenant_id, world))


SHARED = MemoryCloud(SystemClock())


@given(st.text(max_size=200))
def test_what_was_sealed_opens_again(text: str):
    sealed = vault(SHARED).seal("child#c-1", "name", text)

    assert vault(SHARED).open("child#c-1", "name", sealed) == text


def test_the_same_name_is_never_stored_alike(world: MemoryCloud):
    mine = vault(world)

    assert len({mine.seal("child#c-1", "name", "김하늘") for _ in range(50)}) == 50


def test_a_name_is_not_to_be_read_in_what_is_stored(world: MemoryCloud):
    sealed = vault(world).seal("child#c-1", "name", "김하늘")

    assert "김하늘" not in sealed
    assert sealed.isascii()


@pytest.mark.parametrize(
    ("subject", "field"), [("child#c-2", "name"), ("child#c-1", "guardian"), ("contact#c-1", "name")]
)
def test_moved_to_another_place_it_does_not_open(world: MemoryCloud, subject: str, field: str):
    mine = vault(world)
    mine.seal(subject, field, "x")
    sealed = mine.seal("child#c-1", "name", "김하늘")

    with pytest.raises(ValueError, match="somebody else"):
        mine.open(subject, field, sealed)


def test_under_another_tenants_name_it_does_not_open_even_with_the_same_keys(world: MemoryCloud):
    sealed = vault(world).seal("child#c-1", "name", "김하늘")
    world.table("keys")["nuri"] = world.table("keys")["garam"]

    with pytest.raises(ValueError, match="somebody else"):
        vault(world, "nuri").open("child#c-1", "name", sealed)


@pytest.mark.parametrize("place", [10, 20, -8])
def test_changed_in_one_letter_it_does_not_open(world: MemoryCloud, place: int):
    sealed = vault(world).seal("child#c-1", "name", "김하늘")
    letter = "A" if sealed[place] != "A" else "B"
    changed = sealed[:place] + letter + (sealed[place + 1 :] if place != -1 else "")

    with pytest.raises(ValueError, match="changed"):
        vault(world).open("child#c-1", "name", changed)


def test_what_was_never_sealed_is_refused(world: MemoryCloud):
    with pytest.raises(ValueError, match="not sealed"):
        vault(world).open("child#c-1", "name", "김하늘")


def test_a_shredded_child_is_gone_and_the_others_are_not(world: MemoryCloud):
    gone, stays = (vault(world).seal(f"child#c-{n}", "name", "김하늘") for n in (1, 2))
    vault(world).shred("child#c-1")

    with pytest.raises(NotFound, match="key-shredded"):
        vault(world).open("child#c-1", "name", gone)
    assert vault(world).open("child#c-2", "name", stays) == "김하늘"


def test_a_shredded_tenant_is_gone_and_its_neighbour_is_not(world: MemoryCloud):
    gone = vault(world).seal("child#c-1", "name", "김하늘")
    stays = vault(world, "nuri").seal("child#c-1", "name", "이바다")
    vault(world).shred_all()

    with pytest.raises(NotFound, match="key-shredded"):
        vault(world).open("child#c-1", "name", gone)
    assert vault(world, "nuri").open("child#c-1", "name", stays) == "이바다"


def test_rotation_changes_every_wrapped_key_and_no_sealed_field(world: MemoryCloud):
    sealed = {f"child#c-{n}": vault(world).seal(f"child#c-{n}", "name", f"이름{n}") for n in range(20)}
    before = dict(world.table("keys")["garam"])
    moved = [vault(world).rotate() for _ in range(3)]
    after = world.table("keys")["garam"]

    assert moved == [20, 20, 20]
    assert [name for name in sealed if after[name] == before[name]] == []
    assert [vault(world).open(s, "name", each) for s, each in sealed.items()] == [
        f"이름{n}" for n in range(20)
    ]
    assert len([name for name in after if name.startswith("master#")]) == 2


def test_a_process_that_slept_through_a_rotation_still_seals_readably(world: MemoryCloud):
    asleep = vault(world)
    asleep.seal("child#c-1", "name", "김하늘")
    vault(world).rotate()
    sealed = asleep.seal("child#c-9", "name", "이바다")

    assert vault(world).open("child#c-9", "name", sealed) == "이바다"


def test_two_processes_that_make_a_key_at_once_make_one(world: MemoryCloud):
    class Late(MemoryKeys):
        """Learns only when it stores that somebody was faster."""

        def get(self, names: object) -> dict[str, object]:  # type: ignore[override]
            found = super().get(names)  # type: ignore[arg-type]
            if not found and "child#c-1" in names:  # type: ignore[operator]
                vault(world).seal("child#c-1", "name", "faster")
            return found  # type: ignore[return-value]

    sealed = SealingVault("garam", Late("garam", world)).seal("child#c-1", "name", "김하늘")

    assert vault(world).open("child#c-1", "name", sealed) == "김하늘"


def test_ingest_never_loads_the_cipher():
    code = (
        "import sys; import functions.ingest_sightings.handler, shared.adapters.registry, "
        "shared.adapters.tracking, shared.adapters.crypto; "
        "sys.exit('cryptography' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
