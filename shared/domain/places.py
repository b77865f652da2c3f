"""Who and where: what a municipality registers before anything happens."""

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from shared.domain.geo import Area, LatLon


class Status(StrEnum):
    """On every record and message. No exercise can reach a real guardian or police channel (CAP 1.2)."""

    ACTUAL = "Actual"
    EXERCISE = "Exercise"
    TEST = "Test"


class SubjectClass(StrEnum):
    """Who somebody is before the law (실종아동법 2) and on foot; a citizen is one who calls for help."""

    CHILD = "child"
    DISABILITY = "disability"
    DEMENTIA = "dementia"
    CITIZEN = "citizen"


@dataclass(frozen=True, slots=True)
class Policy:
    """What a tenant decides for itself. Seconds count from the event each name says."""

    reach_m: float = 30.0
    """Allowed distance between a child and the nearest teacher's phone."""
    warn_s: float = 8.0
    """Unheard by every phone this long: soft warning. A child still heard is judged by probability."""
    alarm_s: float = 20.0
    """… and this long: alarm."""
    repeat_s: float = 5.0
    """An unanswered alarm repeats this often."""
    deaf_s: float = 20.0
    """A phone silent this long has stopped watching."""
    second_operator_s: float = 20.0
    duty_officer_s: float = 60.0
    police_prompt_s: float = 60.0
    police_hard_stop_s: float = 600.0
    police_ack_s: float = 120.0
    """The police have not acknowledged this long after they were told: the operator is prompted to call."""
    channels: tuple[str, ...] = ("push", "web-push", "sms", "voice", "email")
    """Ways to tell a person, in the order they are tried (`channels.py`)."""
    guardian_call_s: float = 180.0
    """The director has phoned the guardian by then, or the operator is told."""
    guardian_app_s: float = 300.0
    """The guardian's app says it by then, if nobody told the guardian in person before."""
    grant_s: float = 7200.0
    """A neighbour's grant lasts this long at the most; it ends with the case."""
    keep_last_known: bool = False
    """Keep a short-lived last-known position in facility hours with no outing."""
    rotating_ids: bool = False
    """Beacons change their ids on the air and no static one is taken. False, the fallback: anybody near can
    follow a beacon by its id, and send it."""


@dataclass(frozen=True, slots=True)
class Tenant:
    """A municipality. boundary: its district."""

    tenant_id: str
    name: str
    boundary: Area
    policy: Policy = field(default_factory=Policy)
    police_url: str = ""
    """Where the signed police webhook goes; empty: none agreed."""
    phone: str = ""
    """The control room's public number, for guardians; empty: none given out."""


@dataclass(frozen=True, slots=True)
class Facility:
    facility_id: str
    name: str
    at: LatLon


@dataclass(frozen=True, slots=True)
class Scanner:
    """A fixed receiver on a pole. offset_db, sd_db: learned on a walk test.

    dark: no heartbeat; its silence is then no evidence.
    """

    scanner_id: str
    at: LatLon
    height_m: float = 5.0
    offset_db: float = 0.0
    sd_db: float = 6.0
    dark: bool = False


@dataclass(frozen=True, slots=True)
class Camera:
    """heading_deg: clockwise from north; field_of_view_deg: full angle, 360 for a dome."""

    camera_id: str
    name: str
    at: LatLon
    heading_deg: float
    field_of_view_deg: float
    range_m: float


@dataclass(frozen=True, slots=True)
class Consent:
    """A guardian's written consent (위치정보법 시행령 27). ended_at: withdrawn or lapsed."""

    given_at: datetime
    ended_at: datetime | None = None
    paused: bool = False

    def allows(self, now: datetime) -> bool:
        """Whether this child's beacon may be collected at `now` (aware UTC)."""
        return not self.paused and self.given_at <= now and (self.ended_at is None or now < self.ended_at)


@dataclass(frozen=True, slots=True)
class Child:
    """A child and the beacon in its bag. consent None: never collected.

    subject_class: a person with a disability or dementia, or a citizen whose own phone is the beacon, is
    registered alike. The guardian's contacts stand elsewhere (`guardian.Guardianship`).
    """

    child_id: str
    facility_id: str
    name: str
    bag_no: str
    beacon_id: str
    age_y: int
    sex: str = ""
    consent: Consent | None = None
    subject_class: SubjectClass = SubjectClass.CHILD


@dataclass(frozen=True, slots=True)
class Phone:
    """A teacher's phone: a moving scanner. platform: "android", "ios" or "web".

    push_token: opaque, from the push provider. endpoint: what a message goes to: SNS ARN, or for "web" the
    browser's subscription as JSON. contact_id: the `Contact` that is tried when the app cannot be reached.
    """

    phone_id: str
    facility_id: str
    teacher: str
    platform: str = ""
    push_token: str = ""
    endpoint: str = ""
    contact_id: str = ""


@dataclass(frozen=True, slots=True)
class Contact:
    """How somebody without our app is reached. Only channels read mobile and email, when they send.

    duty: "operator", "second-operator" or "duty-officer" for whom an escalation calls; empty for others.
    mobile: E.164 (+8210…).
    """

    contact_id: str
    duty: str
    mobile: str = field(default="", repr=False)
    email: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Signature:
    """A district's signature on an agreement. by: account or office. terms: digest of what was signed."""

    tenant_id: str
    by: str
    at: datetime
    terms: str


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two tenants' standing permission that the first offers the second its cases.

    fields: what a grant may show. It holds while both have signed these very terms, until it expires.
    """

    tenant_id: str
    neighbour_id: str
    neighbour_boundary: Area
    fields: tuple[str, ...]
    until: datetime
    signatures: tuple[Signature, ...] = ()

    @property
    def terms(self) -> str:
        """SHA-256 hex of what is signed: the parties, the fields and the expiry. The border is no term."""
        what = [
            self.tenant_id,
            self.neighbour_id,
            *sorted(self.fields),
            self.until.astimezone(UTC).isoformat(),
        ]
        return hashlib.sha256("\n".join(what).encode()).hexdigest()

    @property
    def signed_by(self) -> frozenset[str]:
        """Who signed these terms; a signature on other terms does not count."""
        return frozenset(s.tenant_id for s in self.signatures if s.terms == self.terms)

    def in_force(self, now: datetime) -> bool:
        """Whether both have signed and it has not expired."""
        return self.signed_by >= {self.tenant_id, self.neighbour_id} and now < self.until
