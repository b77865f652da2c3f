"""Plant a city in a cloud, as a municipality would: each tenant is onboarded, its people get their logins."""

import json
from collections.abc import Callable
from functools import partial

from events.simulator.manifest import manifests

from events.simulator.city import City
from events.simulator.play import Cast
from infra.local.cloud import LocalCloud
from infra.local.deploy import Say
from infra.local.people import Person
from infra.local.provision import Person as Login
from infra.local.start import CloudFailed

ROLES = ("operator", "official", "admin", "police")


def plant(
    cloud: LocalCloud, city: City, cast: Cast, *, police_url: Callable[[str], str], say: Say = lambda _: None
) -> dict[str, Person]:
    """Everybody who can act, signed in: "operator-garam", "teacher-1", … CloudFailed for bad rows.

    police_url: tenant → where its hand-overs go.
    """
    for tenant in city.tenants:
        say(f"{tenant.name}")
        for manifest in manifests(city, tenant.tenant_id, police_url=police_url(tenant.tenant_id)):
            _onboard(cloud, manifest)
    logins = [
        Login(f"{role}-{tenant.tenant_id}", tenant.tenant_id, role)
        for tenant in city.tenants
        for role in ROLES
    ]
    logins += [Login(who, cast.tenant_id, "teacher", cast.facility_id) for who in cast.teachers]
    logins.append(Login(f"director-{cast.tenant_id}", cast.tenant_id, "director", cast.facility_id))
    cloud.people(logins)
    people = {
        login.username: Person(login.username, cloud.api_url, partial(cloud.token, login.username))
        for login in logins
    }
    for who, phone in cast.teachers.items():
        token = f"{phone.phone_id}-push-token"
        people[who].put(f"devices/{phone.phone_id}", {"platform": "android", "push_token": token})
    return people


def _onboard(cloud: LocalCloud, manifest: dict[str, object]) -> None:
    answer = cloud.client("lambda").invoke(
        FunctionName=cloud.outputs["OnboardTenantFunction"], Payload=json.dumps(manifest).encode()
    )
    told = json.loads(answer["Payload"].read())
    if answer.get("FunctionError") or told.get("rejected"):
        raise CloudFailed(f"The tenant was not taken in whole: {told}")
