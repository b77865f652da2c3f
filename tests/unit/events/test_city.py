from itertools import pairwise

from events.simulator.city import City, CitySpec, DistrictSpec
from shared.domain.geo import contains, distance_m, distance_to_area_m
from shared.domain.places import Camera, Child, Scanner


def test_the_same_seed_builds_the_same_city(city: City) -> None:
    assert City.build(CitySpec.demo(), 7) == city


def test_another_seed_builds_another_city(city: City) -> None:
    assert City.build(CitySpec.demo(), 8).children["garam"] != city.children["garam"]


def test_every_record_of_a_tenant_carries_its_slug(city: City) -> None:
    things = [r for r in city.records("naru") if isinstance(r, Scanner | Camera | Child)]
    ids = [getattr(r, "scanner_id", None) or getattr(r, "camera_id", None) or r.child_id for r in things]

    assert all(i.startswith("naru-") for i in ids)


def test_neighbours_share_the_corners_of_their_border(city: City) -> None:
    garam, naru = (set(city.tenant(t).boundary.ring) for t in ("garam", "naru"))

    assert len(garam & naru) >= 10


def test_a_point_near_the_border_belongs_to_one_district_alone(city: City) -> None:
    border = sorted(
        set(city.tenant("garam").boundary.ring) & set(city.tenant("naru").boundary.ring),
        key=lambda at: at.lat_deg,
    )
    plane = city.plane
    around = [
        plane.to_latlon(plane.to_xy(a)[0] + dx, (plane.to_xy(a)[1] + plane.to_xy(b)[1]) / 2)
        for a, b in pairwise(border)
        for dx in range(-60, 61, 7)
    ]

    assert {sum(contains(t.boundary, at) for t in city.tenants) for at in around} == {1}


def test_everything_stands_in_its_own_district(city: City) -> None:
    outside = [
        record
        for tenant in city.tenants
        for record in (*city.scanners[tenant.tenant_id], *city.facilities[tenant.tenant_id])
        if distance_to_area_m(tenant.boundary, record.at) > 0
    ]

    assert outside == []


def test_the_scene_has_sixty_scanners_and_three_hundred_cameras(city: City) -> None:
    park = city.place("garam-park-01")
    scene = city.plane.to_latlon(park.x_m + 120, park.y_m)
    near = [
        sum(distance_m(x.at, scene) < 450 for xs in kind.values() for x in xs)
        for kind in (city.scanners, city.cameras)
    ]

    assert near[0] >= 60
    assert near[1] >= 300


def test_the_scene_is_a_short_walk_from_the_border(city: City) -> None:
    park = city.place("garam-park-01")
    far = distance_to_area_m(city.tenant("naru").boundary, city.plane.to_latlon(park.x_m, park.y_m))

    assert 120 <= far <= 160


def test_one_child_of_a_daycare_has_no_consent_and_one_has_paused_it(city: City) -> None:
    roster = [c for c in city.children["garam"] if c.facility_id == "garam-f-01"]

    assert sum(c.consent is None for c in roster) == 1
    assert sum(c.consent is not None and c.consent.paused for c in roster) == 1


def test_beacons_are_all_different(city: City) -> None:
    beacons = [c.beacon_id for children in city.children.values() for c in children]

    assert len(set(beacons)) == len(beacons)


def test_neighbours_have_agreed_with_each_other(city: City) -> None:
    agreed = {(a.tenant_id, a.neighbour_id) for a in city.agreements}

    assert agreed == {(a, b) for a in city.scanners for b in city.scanners if a != b}


def test_a_whole_network_reaches_every_park() -> None:
    many = DistrictSpec("dasom", "다솜구", facilities=12, children=540, scanners=60, cameras=1150)
    city = City.build(CitySpec((many,), width_m=2000, height_m=2000), 1)
    parks = [city.plane.to_latlon(p.x_m, p.y_m) for p in city.places if "-park-" in p.place_id]
    near = [sum(distance_m(s.at, park) < 100 for s in city.scanners["dasom"]) for park in parks]

    assert len(parks) == 12
    assert min(near) >= 5


def test_the_reference_district_has_the_reference_size() -> None:
    sizes = [(d.facilities, d.children, d.scanners, d.cameras) for d in CitySpec.reference(7).districts]

    assert sizes == [(68, 3100, 340, 6500)] * 7


def test_a_way_along_the_streets_turns_only_at_right_angles(city: City) -> None:
    way = city.streets.route((-130.0, 5.0), (210.0, 333.0))

    assert all(a[0] == b[0] or a[1] == b[1] for a, b in pairwise(way))
