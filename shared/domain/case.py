"""A case: somebody is missing, and who does what about it.

The case is an owner, a clock and an append-only timeline. Every function here is pure: it takes
a case and returns the case after, with the entries that say so, or raises Conflict.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from shared.domain.geo import LatLon
from shared.domain.places import Status


class CaseState(StrEnum):
    REPORTED = "reported"
    ACKNOWLEDGED = "acknowledged"
    SEARCHING = "searching"
    SIGHTED = "sighted"
    CONFIRMED = "confirmed"
    SECURED = "secured"
    WITH_GUARDIAN = "with-guardian"
    CLOSED = "closed"


class CloseReason(StrEnum):
    FOUND = "found"
    FALSE_ALARM = "false-alarm"
    BAG_ONLY = "bag-only"
    MERGED = "merged"
    INCOMPLETE = "incomplete"


class SubjectClass(StrEnum):
    CHILD = "child"
    DISABILITY = "disability"
    DEMENTIA = "dementia"
    CITIZEN = "citizen"


class Kind(StrEnum):
    """Three kinds of evidence stay apart for ever."""

    HEARD = "heard"  # a beacon, or a calling phone's GPS
    SEEN = "seen"  # a camera or a person
    REPORTED = "reported"  # somebody's word


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something: from the signed token, or "system"."""

    actor_id: str
    tenant_id: str
    role: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """One piece of evidence. radius_m: 95 %. source: scanner set, camera id, or actor id."""

    kind: Kind
    at: datetime
    where: LatLon
    radius_m: float
    source: str
    confirmed: bool = False


@dataclass(frozen=True, slots=True)
class Subject:
    """Who is missing. Names stay in the registry; outfit is today's, from the outing's card."""

    subject_id: str
    beacon_id: str
    subject_class: SubjectClass
    age_y: int
    outfit: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the timeline. code and params make the sentence (i18n `timeline.*`).

    seq: 1, 2, 3 … per case. chain: SHA-256 hex over the previous chain and this entry, so an edit shows.
    """

    seq: int
    at: datetime
    actor: str
    code: str
    params: Mapping[str, Any]
    chain: str


@dataclass(frozen=True, slots=True)
class Case:
    """A case as it stands. clock: T0…T14 where they happened; a missing key is "not yet".

    news: rises whenever something happens that the workflow should look at.
    version: rises with each change; a writer that read an older one loses.
    last: newest evidence of each kind.
    """

    case_id: str
    tenant_id: str
    status: Status
    state: CaseState
    subject: Subject
    facility_id: str
    outing_id: str
    opened_at: datetime
    opened_by: str
    owner: str = ""
    clock: Mapping[str, datetime] = field(default_factory=dict)
    last: Mapping[Kind, Evidence] = field(default_factory=dict)
    escalation: int = 0
    police_ref: str = ""
    close_reason: CloseReason | None = None
    close_note: str = ""
    chain: str = ""
    entries: int = 0
    news: int = 0
    version: int = 0
