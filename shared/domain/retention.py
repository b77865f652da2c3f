"""How long each kind of record is kept, and why: the law's periods, in one place.

Whatever stores a record asks here for its time to live; the daily purge takes what a time to live cannot
know. A legal hold keeps what is due until it is lifted; it brings nothing back.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Kind(StrEnum):
    """A kind of record, by what the law asks of it."""

    TRACK = "track"  # what heard a beacon, and where it was; phones', too
    BEACON_IDS = "beacon-ids"  # the ids that rotating beacons sent
    ANSWER = "answer"  # what a request was answered with
    OUTING = "outing"  # who was there, with outfit cards
    QUARANTINE = "quarantine"  # messages that were not accepted
    CASE_PLACES = "case-places"  # coordinates in a case's timeline
    POLICE_COPY = "police-copy"  # hand-overs hosted for the police, and the links to them
    GRANT = "grant"  # what was shared with a neighbour, in both districts' books
    CASE_FACTS = "case-facts"  # a case and its timeline without places: confirmation records among them
    ACCESS_LOG = "access-log"  # who read what about whom
    CERTIFICATE = "certificate"  # that something was destroyed


KEPT: Mapping[Kind, timedelta] = {
    Kind.TRACK: timedelta(hours=6),  # L20: the purpose ends with the outing; this is for the last one
    Kind.BEACON_IDS: timedelta(hours=26),  # a scanner without a network keeps 24 h
    Kind.ANSWER: timedelta(hours=24),
    Kind.OUTING: timedelta(days=7),
    Kind.QUARANTINE: timedelta(days=14),
    Kind.CASE_PLACES: timedelta(days=30),  # L20, L32: from the case's closing
    Kind.POLICE_COPY: timedelta(days=92),  # L21: 위치정보법 시행령 30의2②, three months
    Kind.GRANT: timedelta(days=183),  # from its end
    Kind.CASE_FACTS: timedelta(days=731),  # L18 asks for six months at least, L30 for two years
    Kind.ACCESS_LOG: timedelta(days=731),  # L30: two years, for sensitive data are held
    Kind.CERTIFICATE: timedelta(days=731),
}
"""From the end of the purpose, or from when it was written where nothing is said."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Somebody with a right to it wants a case kept whole: evidence in court, a supervisor's order."""

    case_id: str
    asked_by: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Destroyed:
    """A certificate: which kind of records was destroyed, when, and how many. Names nobody.

    about: the case they belonged to.
    """

    at: datetime
    kind: Kind
    about: str
    count: int


def expires(kind: Kind, since: datetime) -> int:
    """DynamoDB's TTL (epoch seconds) of a record of this kind."""
    return int((since + KEPT[kind]).timestamp())


def is_due(kind: Kind, ended_at: datetime, now: datetime) -> bool:
    """Whether records of a kind whose purpose ended at `ended_at` are to be gone at `now`."""
    return now >= ended_at + KEPT[kind]
