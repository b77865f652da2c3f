"""Three districts in a row, a child of the first one, and a case about it: what case tests build first."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.adapters.wiring import Adapters
from shared.domain.case import (
    Actor,
    Case,
    Evidence,
    Kind,
    Subject,
    SubjectClass,
    open_case,
)
from shared.domain.geo import Area, LatLon, Plane
from shared.domain.guardian import Guardianship
from shared.domain.places import Agreement, Child, Consent, Facility, Phone, Policy, Status, Tenant
from shared.domain.sharing import FIELDS, signed

START = datetime(2026, 5, 12, 1, 0, tzinfo=UTC)  # ten in the morning in Seoul
HOME = LatLon(37.478, 126.951)
WIDTH_M = 2_000.0

On = Callable[[str], Adapters]


def at(seconds: float) -> datetime:
    """That many seconds after the report."""
    return START + timedelta(seconds=seconds)


def near(x_m: float, y_m: float = 0.0) -> LatLon:
    """A place by metres east and north of the daycare."""
    return Plane(HOME).to_latlon(x_m, y_m)


def strip(n: int) -> Area:
    """The n-th district from the west: 2 km wide, 4 km high; the daycare is in the middle of strip 0."""
    west, east = WIDTH_M * (n - 0.5), WIDTH_M * (n + 0.5)
    return Area((near(west, -WIDTH_M), near(east, -WIDTH_M), near(east, WIDTH_M), near(west, WIDTH_M)))


def who(role: str = "operator", actor_id: str = "", tenant_id: str = "garam") -> Actor:
    """Somebody of a tenant."""
    return Actor(actor_id or f"{role}-1", tenant_id, role)


def evidence(
    kind: Kind = Kind.HEARD,
    *,
    at_s: float = 0.0,
    x_m: float = 0.0,
    radius_m: float = 30.0,
    confirmed: bool = False,
) -> Evidence:
    """Evidence that many metres east of the daycare."""
    return Evidence(kind, at(at_s), near(x_m), radius_m, f"{kind.value}-source", confirmed)


def agreed(
    owner: str, neighbour: str, border: Area, fields: tuple[str, ...] = FIELDS, until: datetime | None = None
) -> Agreement:
    """An agreement that both have signed."""
    agreement = Agreement(owner, neighbour, border, fields, until or START + timedelta(days=365))
    for party in (owner, neighbour):
        agreement = signed(agreement, party, "mayor", START - timedelta(days=30))
    return agreement


SUBJECT = Subject(
    subject_id="child-1",
    beacon_id="beacon-1",
    subject_class=SubjectClass.CHILD,
    age_y=4,
    outfit=(("bag", "red"), ("top", "yellow")),
)


def opened(
    *,
    status: Status = Status.ACTUAL,
    case_id: str = "case-1",
    tenant_id: str = "garam",
    found: Evidence | None = None,
) -> Case:
    """A case just reported at START, stored nowhere."""
    case: Case = opening(status=status, case_id=case_id, tenant_id=tenant_id, found=found)[0]
    return case


def opening(
    *,
    status: Status = Status.ACTUAL,
    case_id: str = "case-1",
    tenant_id: str = "garam",
    found: Evidence | None = None,
    **other: Any,
) -> Any:
    """A case just reported, with the line that says so."""
    by = Actor("teacher-1", tenant_id, "teacher")
    facts = {"subject": SUBJECT, "facility_id": "daycare", "evidence": found}
    return open_case(case_id, by, START, **{"status": status, **facts, **other})


def people(
    on: On,
    *,
    tenants: tuple[str, ...] = ("garam", "haneul", "badam"),
    policy: Policy | None = None,
    police_url: str = "",
    phones: tuple[Phone, ...] = (),
    guardian: str = "",
) -> None:
    """Register three districts in a row; the first has an agreement with each of the others."""
    home, *others = tenants
    for n, tenant_id in enumerate(tenants):
        tenant = Tenant(tenant_id, f"구역 {n}", strip(n), policy or Policy())
        on(tenant_id).registry.put(tenant if n else replace(tenant, police_url=police_url))
    child = Child(
        child_id=SUBJECT.subject_id,
        facility_id="daycare",
        name="김하나",
        bag_no="07",
        beacon_id=SUBJECT.beacon_id,
        age_y=4,
        sex="F",
        consent=Consent(START - timedelta(days=30)),
    )
    if guardian:
        on(home).guardians.save(Guardianship(SUBJECT.subject_id, endpoint=guardian))
    on(home).registry.put(Facility("daycare", "가람어린이집", HOME), child, *phones)
    for n, other in enumerate(others, 1):
        on(home).registry.put(agreed(home, other, strip(n)))
