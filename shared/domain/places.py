"""Who and where: what a municipality registers before anything happens."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from shared.domain.geo import Area, LatLon


class Status(StrEnum):
    """On every record and message. No exercise can reach a real guardian or police channel (CAP 1.2)."""

    ACTUAL = "Actual"
    EXERCISE = "Exercise"
    TEST = "Test"


@dataclass(frozen=True, slots=True)
class Policy:
    """What a tenant decides for itself. Seconds count from the event each name says."""

    reach_m: float = 30.0
    """Allowed distance between a child and the nearest teacher's phone."""
    warn_s: float = 8.0
    """Beyond reach, or unheard by every phone, this long: soft warning."""
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
    grant_s: float = 7200.0
    """A neighbour's grant lasts this long at the most; it ends with the case."""
    keep_last_known: bool = False
    """Keep a short-lived last-known position in facility hours with no outing."""


@dataclass(frozen=True, slots=True)
class Tenant:
    """A municipality. boundary: its district."""

    tenant_id: str
    name: str
    boundary: Area
    policy: Policy = field(default_factory=Policy)
    police_url: str = ""
    """Where the signed police webhook goes; empty: none agreed."""


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

    guardian: push endpoint of the guardian's app; empty: the facility tells the guardian by voice.
    """

    child_id: str
    facility_id: str
    name: str
    bag_no: str
    beacon_id: str
    age_y: int
    sex: str = ""
    consent: Consent | None = None
    guardian: str = ""


@dataclass(frozen=True, slots=True)
class Phone:
    """A teacher's phone: a moving scanner. push_token: opaque, from the push provider; endpoint: SNS ARN."""

    phone_id: str
    facility_id: str
    teacher: str
    platform: str = ""
    push_token: str = ""
    endpoint: str = ""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two tenants' standing permission to offer each other cases. fields: what a grant may show."""

    tenant_id: str
    neighbour_id: str
    neighbour_boundary: Area
    fields: tuple[str, ...]
    until: datetime
