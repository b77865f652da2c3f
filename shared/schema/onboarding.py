"""The manifest with which a municipality joins: sections of rows. One file, or as many parts as it takes.

```
{"tenant_id": "garam", "language": "ko",
 "tenant": {"name": …, "boundary": [[lat, lon], …], "policy": {…}, "police_url": …, "phone": …},
 "facilities": [{"facility_id", "name", "lat", "lon"}, …],
 "scanners": [{"scanner_id", "lat", "lon", "height_m", "offset_db", "sd_db"}, …],
 "cameras": [{"camera_id", "name", "lat", "lon", "heading_deg", "field_of_view_deg", "range_m"}, …],
 "streets": [{"street_id", "points": [[lat, lon], …]}, …],
 "children": [{"child_id", "facility_id", "name", "bag_no", "beacon_id", "age_y", "sex", "consent"}, …],
 "consents": [{"child_id", "form": {…}, "proof": {"kind", "sha256"}, …}, …],
 "beacons": [{"beacon_id", "identity_key", "counter_s", "read_at"}, …],
 "contacts": [{"contact_id", "duty", "mobile", "email"}, …],
 "phones": [{"phone_id", "facility_id", "teacher", "contact_id"}, …],
 "agreements": [{"neighbour_id", "neighbour_boundary", "fields", "until", "signatures"}, …]}
```
Rows are read one by one, so that a bad one stops nothing but itself. A child's `consent` says from when a
consent stands that was filed before; `consents` files it with its form (`schema/guardians.py`), which rules.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from shared.domain.ephemeral_id import Tag
from shared.domain.geo import Area, LatLon
from shared.domain.places import (
    Agreement,
    Camera,
    Child,
    Consent,
    Contact,
    Facility,
    Phone,
    Policy,
    Scanner,
    SubjectClass,
    Tenant,
)
from shared.domain.sharing import signed
from shared.domain.streets import Street

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]{1,30}$")]
"""A tenant's name in ids, keys and topics. No dash: what follows the first dash is the device's."""
Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$")]
ThingId = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]{1,30}-[A-Za-z0-9_-]{1,96}$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=80, strip_whitespace=True)]
Latitude = Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]
Longitude = Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]
Ring = Annotated[list[tuple[Latitude, Longitude]], Field(min_length=3, max_length=10_000)]
Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]

_POLICY = Policy()

SECTIONS = (
    "tenant",
    "facilities",
    "scanners",
    "cameras",
    "streets",
    "children",
    "beacons",
    "contacts",
    "phones",
    "agreements",
)
"""In the order they are stored: what others refer to comes first."""


class Row(BaseModel):
    """One row of the manifest."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Placed(Row):
    """A row with a place in the district."""

    lat: Latitude
    lon: Longitude

    @property
    def at(self) -> LatLon:
        return LatLon(self.lat, self.lon)


class PolicyRow(Row):
    """What the municipality decides for itself; what it leaves out is the default."""

    reach_m: Annotated[float, Field(gt=0, le=500)] = _POLICY.reach_m
    warn_s: Seconds = _POLICY.warn_s
    alarm_s: Seconds = _POLICY.alarm_s
    repeat_s: Seconds = _POLICY.repeat_s
    deaf_s: Seconds = _POLICY.deaf_s
    second_operator_s: Seconds = _POLICY.second_operator_s
    duty_officer_s: Seconds = _POLICY.duty_officer_s
    police_prompt_s: Seconds = _POLICY.police_prompt_s
    police_hard_stop_s: Seconds = _POLICY.police_hard_stop_s
    police_ack_s: Seconds = _POLICY.police_ack_s
    channels: tuple[str, ...] = _POLICY.channels
    guardian_call_s: Seconds = _POLICY.guardian_call_s
    guardian_app_s: Seconds = _POLICY.guardian_app_s
    grant_s: Seconds = _POLICY.grant_s
    keep_last_known: bool = _POLICY.keep_last_known
    rotating_ids: bool = _POLICY.rotating_ids


class TenantRow(Row):
    """The municipality itself."""

    name: Name
    boundary: Ring
    policy: PolicyRow = PolicyRow()
    police_url: Annotated[str, StringConstraints(max_length=500, pattern=r"^(https?://\S+)?$")] = ""
    phone: Annotated[str, StringConstraints(pattern=r"^([0-9+][0-9-]{6,16})?$")] = ""

    def record(self, tenant_id: str) -> Tenant:
        policy = Policy(**self.policy.model_dump())
        return Tenant(tenant_id, self.name, _area(self.boundary), policy, self.police_url, self.phone)


class FacilityRow(Placed):
    facility_id: Id
    name: Name

    def record(self, _: str) -> Facility:
        return Facility(self.facility_id, self.name, self.at)


class ScannerRow(Placed):
    scanner_id: ThingId
    height_m: Annotated[float, Field(ge=0, le=100)] = 5.0
    offset_db: Annotated[float, Field(ge=-40, le=40)] = 0.0
    sd_db: Annotated[float, Field(gt=0, le=30)] = 6.0

    def record(self, _: str) -> Scanner:
        return Scanner(self.scanner_id, self.at, self.height_m, self.offset_db, self.sd_db)


class CameraRow(Placed):
    camera_id: Id
    name: Name
    heading_deg: Annotated[float, Field(ge=0, lt=360)] = 0.0
    field_of_view_deg: Annotated[float, Field(gt=0, le=360)] = 360.0
    range_m: Annotated[float, Field(gt=0, le=500)] = 40.0

    def record(self, _: str) -> Camera:
        return Camera(
            self.camera_id, self.name, self.at, self.heading_deg, self.field_of_view_deg, self.range_m
        )


class StreetRow(Row):
    """A piece of a street's middle from crossing to crossing, as road authorities publish them."""

    street_id: Id
    points: Annotated[list[tuple[Latitude, Longitude]], Field(min_length=2, max_length=200)]

    def record(self, _: str) -> Street:
        return Street(self.street_id, tuple(LatLon(*point) for point in self.points))


class ConsentRow(Row):
    """The guardian's written consent."""

    given_at: AwareDatetime
    ended_at: AwareDatetime | None = None
    paused: bool = False


class ChildRow(Row):
    child_id: Id
    facility_id: Id | Literal[""]
    name: Name
    bag_no: Annotated[str, StringConstraints(min_length=1, max_length=16)]
    beacon_id: Annotated[str, StringConstraints(pattern=r"^([0-9A-Za-z._:-]{1,64})?$")] = ""
    age_y: Annotated[int, Field(ge=0, le=120)]
    sex: Literal["", "female", "male"] = ""
    subject_class: SubjectClass = SubjectClass.CHILD
    consent: ConsentRow | None = None

    def record(self, _: str) -> Child:
        given = self.consent
        consent = None if given is None else Consent(given.given_at, given.ended_at, given.paused)
        return Child(
            child_id=self.child_id,
            facility_id=self.facility_id,
            name=self.name,
            bag_no=self.bag_no,
            beacon_id=self.beacon_id,
            age_y=self.age_y,
            sex=self.sex,
            consent=consent,
            subject_class=self.subject_class,
        )


class BeaconRow(Row):
    """A beacon whose id rotates: its key, and what its counter showed when. The same again is a re-sync."""

    beacon_id: Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z._:-]{1,64}$")]
    identity_key: Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F]{32}$"), Field(repr=False)]
    counter_s: Annotated[int, Field(ge=0, lt=1 << 32)]
    read_at: AwareDatetime

    def record(self, _: str) -> Tag:
        key = bytes.fromhex(self.identity_key)
        return Tag(self.beacon_id, key, round(self.read_at.timestamp()) - self.counter_s)


class PhoneRow(Row):
    """A teacher's phone; without facility and teacher, a citizen's own that may call for help."""

    phone_id: ThingId
    facility_id: Id | Literal[""]
    teacher: Name | Literal[""]
    contact_id: Id | Literal[""] = ""

    def record(self, _: str) -> Phone:
        return Phone(self.phone_id, self.facility_id, self.teacher, contact_id=self.contact_id)


class ContactRow(Row):
    """Somebody who is reached by number or by mail. duty: whom an escalation calls; empty for others."""

    contact_id: Id
    duty: Literal["", "operator", "second-operator", "duty-officer"] = ""
    mobile: Annotated[str, StringConstraints(pattern=r"^(\+[1-9]\d{6,14})?$")] = ""
    email: Annotated[str, StringConstraints(max_length=254, pattern=r"^([^@\s]+@[^@\s]+\.[^@\s]+)?$")] = ""

    def record(self, _: str) -> Contact:
        return Contact(self.contact_id, self.duty, self.mobile, self.email)


class SignatureRow(Row):
    """Who signed the paper for a district, and when. Signatures can be given over the API instead."""

    tenant_id: Slug
    by: Name
    at: AwareDatetime


class AgreementRow(Row):
    """A neighbour to offer cases to, and what it may see of one; it holds once both have signed."""

    neighbour_id: Slug
    neighbour_boundary: Ring
    fields: list[Literal["position", "track", "name", "photo", "timeline"]]
    until: AwareDatetime
    signatures: Annotated[list[SignatureRow], Field(max_length=2)] = []

    def record(self, tenant_id: str) -> Agreement:
        boundary = _area(self.neighbour_boundary)
        agreed = Agreement(tenant_id, self.neighbour_id, boundary, tuple(self.fields), self.until)
        for each in self.signatures:
            agreed = signed(agreed, each.tenant_id, each.by, each.at)
        return agreed


AnyRow = (
    TenantRow
    | FacilityRow
    | ScannerRow
    | CameraRow
    | StreetRow
    | ChildRow
    | BeaconRow
    | ContactRow
    | PhoneRow
    | AgreementRow
)

ROWS: Mapping[str, type[AnyRow]] = {
    "tenant": TenantRow,
    "facilities": FacilityRow,
    "scanners": ScannerRow,
    "cameras": CameraRow,
    "streets": StreetRow,
    "children": ChildRow,
    "beacons": BeaconRow,
    "contacts": ContactRow,
    "phones": PhoneRow,
    "agreements": AgreementRow,
}


class Manifest(BaseModel):
    """A manifest, or a part of one, with its rows still unread."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tenant_id: Slug
    language: Literal["ko", "en"] = "ko"
    tenant: Any = None
    facilities: list[Any] = []
    scanners: list[Any] = []
    cameras: list[Any] = []
    streets: list[Any] = []
    children: list[Any] = []
    consents: list[Any] = []
    beacons: list[Any] = []
    contacts: list[Any] = []
    phones: list[Any] = []
    agreements: list[Any] = []

    def rows(self, section: str) -> list[Any]:
        """The section's rows as they came."""
        found = getattr(self, section)
        if section == "tenant":
            return [] if found is None else [found]
        return list(found)


class RejectedRow(BaseModel):
    """A row that was not stored. row: 1 is the first; where: the field; fix: what to do, in words."""

    model_config = ConfigDict(frozen=True)

    section: str
    row: int
    where: str
    code: str
    fix: str


class Onboarded(BaseModel):
    """What became of a manifest. stored: rows by section."""

    model_config = ConfigDict(frozen=True)

    tenant_id: str
    stored: dict[str, int] = {}
    rejected: list[RejectedRow] = []


def _area(ring: list[tuple[float, float]]) -> Area:
    return Area(tuple(LatLon(lat, lon) for lat, lon in ring))
