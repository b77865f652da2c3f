"""One contract for the registry and its twin, in every world."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from shared.adapters.wiring import Adapters
from shared.domain.errors import Conflict, NotFound
from shared.domain.geo import Area, LatLon
from shared.domain.places import (
    Camera,
    Child,
    Consent,
    Facility,
    Phone,
    Policy,
    Scanner,
    Tenant,
)
from shared.domain.streets import Street
from tests.casework import agreed
from tests.integration.conftest import World

AT = LatLon(37.123456789012345, 126.98765432101234)
AREA = Area((LatLon(37.0, 126.9), LatLon(37.0, 127.0), LatLon(37.1, 127.0)))
GIVEN = datetime(2026, 3, 2, 9, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture
def on(cloud: World) -> Adapters:
    return cloud.adapters_for(cloud.tenant())


def child(child_id: str = "c-1", beacon_id: str = "b-1", facility_id: str = "sun") -> Child:
    return Child(child_id, facility_id, "김하늘", "01", beacon_id, 4, "female", Consent(GIVEN))


def test_every_kind_of_record_comes_back_as_it_went_in(on: Adapters):
    registry = on.registry
    tenant = Tenant(
        on.tenant_id, "가람구", AREA, Policy(warn_s=7.5, keep_last_known=True), "https://p.example"
    )
    facility, scanner = Facility("sun", "해님", AT), Scanner("s-1", AT, 4.5, -3.25, 5.125, dark=True)
    camera, phone = (
        Camera("cam-1", "북문", AT, 12.5, 90.0, 40.0),
        Phone("p-1", "sun", "김", "ios", "t", "arn"),
    )
    agreement = agreed(on.tenant_id, "nuri", AREA, ("position", "track"))
    registry.put(tenant, facility, scanner, camera, child(), phone, agreement)

    stored = (
        registry.tenant(),
        registry.facility("sun"),
        *registry.scanners(),
        *registry.cameras(),
        registry.child("c-1"),
        registry.phone("p-1"),
        *registry.agreements(),
    )

    assert stored == (tenant, facility, scanner, camera, child(), phone, agreement)


def test_the_streets_about_a_place_are_found_and_no_others(on: Adapters):
    here = Street("w-1", (AT, LatLon(AT.lat_deg + 0.0007, AT.lon_deg)))
    next_door = Street(
        "w-2", (LatLon(AT.lat_deg + 0.004, AT.lon_deg), LatLon(AT.lat_deg + 0.005, AT.lon_deg))
    )
    far = Street("w-3", (LatLon(AT.lat_deg + 0.02, AT.lon_deg), LatLon(AT.lat_deg + 0.021, AT.lon_deg)))
    on.registry.put(here, next_door, far)

    assert {each.street_id: each for each in on.registry.streets(AT)} == {"w-1": here, "w-2": next_door}


@pytest.mark.parametrize(
    "ask",
    [
        lambda registry: registry.tenant(),
        lambda registry: registry.facility("x"),
        lambda registry: registry.child("x"),
        lambda registry: registry.child_of_beacon("x"),
        lambda registry: registry.phone("x"),
    ],
)
def test_what_is_not_there_is_not_found(on: Adapters, ask):
    with pytest.raises(NotFound):
        ask(on.registry)


def test_a_child_is_found_by_its_beacon_and_in_its_daycare(on: Adapters):
    on.registry.put(child("c-1", "b-1", "sun"), child("c-2", "b-2", "moon"))

    found = (on.registry.child_of_beacon("b-2").child_id, [c.child_id for c in on.registry.children("sun")])
    assert found == ("c-2", ["c-1"])


def test_a_new_beacon_ends_the_old_one(on: Adapters):
    on.registry.put(child("c-1", "b-old"))
    on.registry.put(child("c-1", "b-new"))

    with pytest.raises(NotFound):
        on.registry.child_of_beacon("b-old")


def test_a_beacon_belongs_to_one_child(on: Adapters):
    on.registry.put(child("c-1", "b-1"))

    with pytest.raises(Conflict) as refused:
        on.registry.put(child("c-2", "b-1"))
    assert (refused.value.code, on.registry.child_of_beacon("b-1").child_id) == ("beacon-taken", "c-1")


def test_a_beacon_given_back_may_be_given_to_another_child(on: Adapters):
    on.registry.put(child("c-1", "b-1"))
    on.registry.put(child("c-1", ""))
    on.registry.put(child("c-2", "b-1"))

    assert on.registry.child_of_beacon("b-1").child_id == "c-2"


def test_a_child_that_moves_leaves_its_old_daycares_roster(on: Adapters):
    on.registry.put(child("c-1", "b-1", "sun"))
    on.registry.put(child("c-1", "b-1", "moon"))

    rosters = {name: [c.child_id for c in on.registry.children(name)] for name in ("sun", "moon")}
    assert rosters == {"sun": [], "moon": ["c-1"]}


def test_a_phone_that_moves_is_a_phone_of_the_new_daycare_only(on: Adapters):
    on.registry.put(Phone("p-1", "sun", "김"))
    on.registry.put(Phone("p-1", "moon", "김", "android", "token"))

    phones = {name: [p.push_token for p in on.registry.phones(name)] for name in ("sun", "moon")}
    assert phones == {"sun": [], "moon": ["token"]}


def test_storing_again_replaces(on: Adapters):
    on.registry.put(child())
    on.registry.put(replace(child(), name="김바다", consent=None))

    told = on.registry.child("c-1"), on.registry.child_of_beacon("b-1"), on.registry.children("sun")[0]
    assert {(each.name, each.consent) for each in told} == {("김바다", None)}


def test_of_two_records_with_one_id_the_later_is_stored(on: Adapters):
    on.registry.put(
        Facility("sun", "one", AT), Facility("sun", "two", AT), child(), replace(child(), age_y=5)
    )

    assert (on.registry.facility("sun").name, on.registry.child("c-1").age_y) == ("two", 5)


def test_more_records_than_a_batch_holds_are_all_stored(on: Adapters):
    cameras = [Camera(f"cam-{n:04d}", f"카메라 {n}", AT, 0.0, 360.0, 40.0) for n in range(130)]
    children = [child(f"c-{n:03d}", f"b-{n:03d}") for n in range(110)]
    on.registry.put(*cameras, *children)

    counts = len(on.registry.cameras()), len(on.registry.children("sun"))
    assert counts == (130, 110)


def test_a_tenant_sees_its_own_records_only(cloud: World):
    one, other = cloud.adapters_for(cloud.tenant()), cloud.adapters_for(cloud.tenant())
    one.registry.put(child(), Scanner("s-1", AT), Facility("sun", "해님", AT))

    assert (other.registry.scanners(), other.registry.children("sun")) == ([], [])


def test_two_tenants_may_use_the_same_ids(cloud: World):
    one, other = cloud.adapters_for(cloud.tenant()), cloud.adapters_for(cloud.tenant())
    one.registry.put(child(beacon_id="b-1"))
    other.registry.put(replace(child(beacon_id="b-1"), name="이바다"))

    assert [each.registry.child_of_beacon("b-1").name for each in (one, other)] == ["김하늘", "이바다"]


def test_a_record_of_another_tenant_is_refused(on: Adapters):
    with pytest.raises(ValueError, match="somebody"):
        on.registry.put(Tenant("somebody", "x", AREA))
