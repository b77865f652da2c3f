"""Plant a city in a cloud, as a municipality would: each tenant is onboarded, its people get their logins."""

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from functools import partial
from typing import Any

from events.simulator.city import City
from events.simulator.play import Cast
from infra.local.cloud import LocalCloud
from infra.local.deploy import Say
from infra.local.people import Person
from infra.local.provision import Account
from infra.local.start import CloudFailed
from shared.domain.geo import Area
from shared.domain.places import Tenant

ROLES = ("operator", "official", "admin", "police")


def plant(
    cloud: LocalCloud, city: City, cast: Cast, *, police_url: Callable[[str], str], say: Say = lambda _: None
) -> dict[str, Person]:
    """Everybody who can act, signed in: "operator-garam", "teacher-1", … CloudFailed for bad rows.

    police_url: tenant → where its hand-overs go.
    """
    for tenant in city.tenants:
        say(f"{tenant.name}")
        _onboard(cloud, manifest(city, tenant, police_url(tenant.tenant_id)))
    logins = [
        Account(f"{role}-{tenant.tenant_id}", tenant.tenant_id, role)
        for tenant in city.tenants
        for role in ROLES
    ]
    logins += [Account(who, cast.tenant_id, "teacher", cast.facility_id) for who in cast.teachers]
    logins.append(Account(f"director-{cast.tenant_id}", cast.tenant_id, "director", cast.facility_id))
    cloud.people(logins)
    people = {
        login.username: Person(login.username, cloud.api_url, partial(cloud.token, login.username))
        for login in logins
    }
    for who, phone in cast.teachers.items():
        token = f"{phone.phone_id}-push-token"
        people[who].put(f"devices/{phone.phone_id}", {"platform": "android", "push_token": token})
    return people


def manifest(city: City, tenant: Tenant, police_url: str = "") -> dict[str, Any]:
    """The file a municipality joins with (`shared/schema/onboarding.py`), for a tenant of a city."""
    own = tenant.tenant_id
    agreements = [each for each in city.agreements if each.tenant_id == own]
    park = next(place for place in city.places if place.tenant_id == own)
    return {
        "tenant_id": own,
        "tenant": {"name": tenant.name, "boundary": _ring(tenant.boundary), "police_url": police_url},
        "facilities": [_placed(each) for each in city.facilities[own]],
        "scanners": [_without(_placed(each), "dark") for each in city.scanners[own]],
        "cameras": [_placed(each) for each in city.cameras[own]],
        "streets": [
            {"street_id": each.street_id, "points": [(p.lat_deg, p.lon_deg) for p in each.points]}
            for each in city.streets_about(park)
        ],
        "children": [_without(_plain(each), "guardian") for each in city.children[own]],
        "phones": [
            _without(_plain(each), "platform", "push_token", "endpoint", "contact_id")
            for each in city.phones[own]
        ],
        "agreements": [
            {
                "neighbour_id": each.neighbour_id,
                "neighbour_boundary": _ring(each.neighbour_boundary),
                "fields": list(each.fields),
                "until": each.until.isoformat(),
                "signatures": [
                    {"tenant_id": s.tenant_id, "by": s.by, "at": s.at.isoformat()} for s in each.signatures
                ],
            }
            for each in agreements
        ],
    }


def _ring(area: Area) -> list[tuple[float, float]]:
    return [(corner.lat_deg, corner.lon_deg) for corner in area.ring]


def _plain(record: Any) -> dict[str, Any]:
    """A record as JSON knows it."""
    return dict(json.loads(json.dumps(asdict(record), default=datetime.isoformat)))


def _placed(record: Any) -> dict[str, Any]:
    """A record with its place as `lat` and `lon`."""
    row = _plain(record)
    at = row.pop("at")
    return {**row, "lat": at["lat_deg"], "lon": at["lon_deg"]}


def _without(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}


def _onboard(cloud: LocalCloud, rows: dict[str, Any]) -> None:
    answer = cloud.client("lambda").invoke(
        FunctionName=cloud.outputs["OnboardTenantFunction"], Payload=json.dumps(rows).encode()
    )
    told = json.loads(answer["Payload"].read())
    if answer.get("FunctionError") or told.get("rejected"):
        raise CloudFailed(f"The tenant was not taken in whole: {told}")
