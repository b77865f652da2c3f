"""A guardian: whose consent lets us collect, whom we owe a notice, and who may stop it at any time.

위치정보법 24–26 and 시행령 26-3, 27 (FIELD L12–L17). The form is exactly what 영 27 asks for: no field more,
none less. Contacts and forms stand apart from the child's record, which holds only whether and until when
its beacon may be collected (`places.Consent`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from enum import StrEnum

from shared.domain.errors import Rejected, TooMany
from shared.domain.places import Consent, SubjectClass

SEOUL = timezone(timedelta(hours=9))
"""Birthdays and days of signing are Korean ones; Korea has no summer time."""
VALID = timedelta(days=365)
"""A consent is asked for anew each year, as daycares do with theirs."""
GROWN_Y = 14  # from this birthday on the person consents alone
REPRESENTED_Y = 9  # before it the guardian's consent counts as the child's; until 14 it must be verified
STATUS_LIVES = timedelta(hours=24)
"""A status page goes on this long after the child is secured (FIELD AT-5.3)."""
NOTICE_DUE = timedelta(hours=24)
"""A notice nobody could be sent is told by a person by then."""
HOLD_AT_MOST = timedelta(days=7)
"""Notices may be held back this long at a time, where one would endanger a life (29⑥)."""
BATCH_AT_MOST = timedelta(days=30)
"""Notices batched by their number are sent after this at the latest."""


class Proof(StrEnum):
    """What proves that somebody is the guardian (영 27②) or the person."""

    FAMILY_RELATION = "family-relation"  # 가족관계증명서
    RESIDENT_REGISTER = "resident-register"  # 주민등록등본
    GUARDIANSHIP_RULING = "guardianship-ruling"  # 후견 심판문
    DISABILITY_CERTIFICATE = "disability-certificate"
    IDENTITY_CARD = "identity-card"  # the person's own


class Verified(StrEnum):
    """The seven ways of verifying a representative's consent (영 26-3); one is needed from 9 to 13."""

    SITE_AND_SMS = "site-and-sms"
    CARD = "card"
    PHONE_IDENTITY = "phone-identity"
    SIGNED_PAPER = "signed-paper"
    EMAIL = "email"
    PHONE_CALL = "phone-call"
    EQUIVALENT = "equivalent"


@dataclass(frozen=True, slots=True)
class Form:
    """The written consent, with exactly the fields of 영 27. signature: "signature" or "seal".

    purpose: code of the sentence that limits it ("life-and-body": i18n `guardian.purpose.*`).
    """

    subject_name: str
    subject_address: str
    subject_born: date
    guardian_name: str
    guardian_address: str
    guardian_contact: str
    purpose: str
    signed_on: date
    signature: str


@dataclass(frozen=True, slots=True)
class Batch:
    """A separate consent to be told of disclosures not each time but every `n` "times" or "days" (영 24)."""

    unit: str
    n: int


@dataclass(frozen=True, slots=True)
class Separate:
    """Consents asked for apart from the first. None: not asked yet, so "later".

    sensitive: disability and health (PIPA 23). police_location, missing_alert: 영 4-3, 4-6 of the missing
    children's act. assent: whether the child itself, from 9 on, was asked and agreed.
    """

    batch: Batch | None = None
    sensitive: bool = False
    police_location: bool | None = None
    missing_alert: bool | None = None
    assent: bool | None = None


@dataclass(frozen=True, slots=True)
class Filed:
    """A consent as it was taken in. proof_sha256: hex digest of the scanned proof, which stays on paper.

    verified: "" before the age at which it is needed. relation: the guardian to the child, in a word.
    """

    form: Form
    proof: Proof
    proof_sha256: str
    filed_at: datetime
    filed_by: str
    relation: str = ""
    verified: str = ""
    until: date | None = None
    separate: Separate = field(default_factory=Separate)


@dataclass(frozen=True, slots=True)
class Certificate:
    """What was destroyed when a consent was withdrawn, and what must be kept a while and on which ground.

    destroyed: kind → how many. held: kind → ground (i18n `guardian.ground.*`); empty once all is gone.
    """

    subject_id: str
    withdrawn_at: datetime
    issued_at: datetime
    destroyed: Mapping[str, int]
    held: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Guardianship:
    """What a tenant keeps of one subject's guardian. filed: None before a consent and after a withdrawal.

    endpoint: push endpoint of the guardian's app. certificate: after a withdrawal.
    version: rises with each change; 0 when nothing is stored.
    """

    subject_id: str
    filed: Filed | None = None
    endpoint: str = ""
    withdrawn_at: datetime | None = None
    certificate: Certificate | None = None
    version: int = 0

    @property
    def batch(self) -> Batch | None:
        """How this guardian wants to be told of disclosures; None: each at once."""
        return self.filed.separate.batch if self.filed else None


class Use(StrEnum):
    """What a link opens, and nothing else."""

    STATUS = "status"  # one case, for its guardian
    GUARDIAN = "guardian"  # a guardian's own: consent, pause, withdrawal, history
    DEVICE = "device"  # a citizen's phone that may call for help
    CALL = "call"  # one call for help


LIVES: Mapping[Use, timedelta] = {
    Use.STATUS: timedelta(days=7),  # if the child is not secured before; a new one is a tap away
    Use.GUARDIAN: timedelta(days=365),
    Use.DEVICE: timedelta(days=365),
    Use.CALL: timedelta(hours=6),
}


@dataclass(frozen=True, slots=True)
class Link:
    """A right that goes with a secret address and needs no sign-in. Only the secret's digest is stored.

    calls, since: how often it was used since, for the rate limit.
    """

    use: Use
    subject_id: str
    issued_at: datetime
    issued_by: str
    until: datetime
    case_id: str = ""
    calls: int = 0
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Owed:
    """Work that is due at a time. what: "notice" of a disclosure, or "purge" after a withdrawal.

    look_at: when to do it or look again. due: what was promised. reason: code of why it is not done yet.
    """

    what: str
    subject_id: str
    look_at: datetime
    due: datetime
    reason: str
    case_id: str = ""
    disclosure: str = ""

    @property
    def owed_id(self) -> str:
        """One per disclosure, and one purge per subject."""
        return f"{self.what}:{self.subject_id}:{self.case_id}:{self.disclosure}"


def consented(filed: Filed, subject_class: SubjectClass) -> Consent:
    """What the child's record may say of a consent: from when it was filed until it lapses.

    Rejected: `consent-sensitive-missing` (disability and dementia are health: PIPA 23);
    `consent-signed-ahead`; `consent-verification-missing` (9–13, one of seven ways);
    `consent-own-missing` (from 14 on the person's own: guardian and subject are one); `consent-lapsed` when
    it would be over before it began.
    """
    today = filed.filed_at.astimezone(SEOUL).date()
    if filed.form.signed_on > today:
        raise Rejected("consent-signed-ahead")
    if subject_class in (SubjectClass.DISABILITY, SubjectClass.DEMENTIA) and not filed.separate.sensitive:
        raise Rejected("consent-sensitive-missing")
    days = [midnight(filed.form.signed_on) + VALID]
    if filed.until is not None:
        days.append(midnight(filed.until))
    if _own(filed, subject_class, today):
        if filed.form.guardian_name != filed.form.subject_name:
            raise Rejected("consent-own-missing")
    elif subject_class is SubjectClass.CHILD:
        if not filed.verified and today >= birthday(filed.form.subject_born, REPRESENTED_Y):
            raise Rejected("consent-verification-missing")
        years = GROWN_Y if filed.verified else REPRESENTED_Y
        days.append(midnight(birthday(filed.form.subject_born, years)))
    ended_at = min(days)
    if ended_at <= filed.filed_at:
        raise Rejected("consent-lapsed")
    return Consent(filed.filed_at, ended_at)


def birthday(born: date, years: int) -> date:
    """The day somebody turns so many years old; who was born on 29 February does on 1 March."""
    try:
        return born.replace(year=born.year + years)
    except ValueError:
        return date(born.year + years, 3, 1)


def midnight(day: date) -> datetime:
    """The beginning of a Korean day, aware."""
    return datetime(day.year, day.month, day.day, tzinfo=SEOUL)


def look_up(owed_before: int, batch: Batch, at: datetime) -> datetime:
    """When a batched notice is sent: with the last of `n` times, or after `n` days.

    Never later than after 30 days. owed_before: notices already in the batch.
    """
    if batch.unit == "times":
        return at if owed_before + 1 >= batch.n else at + BATCH_AT_MOST
    return at + timedelta(days=batch.n)


def status_until(link: Link, secured_at: datetime | None) -> datetime:
    """When a status link dies: 24 h after the child was secured."""
    return link.until if secured_at is None else min(link.until, secured_at + STATUS_LIVES)


def counted(link: Link, now: datetime, *, per: timedelta, at_most: int) -> tuple[int, datetime]:
    """(calls, since) after one more use of the link. TooMany(too-many-calls) beyond `at_most` in a `per`."""
    if link.since is None or now - link.since >= per:
        return 1, now
    if link.calls >= at_most:
        raise TooMany("too-many-calls", max(1, round((link.since + per - now).total_seconds())))
    return link.calls + 1, link.since


def _own(filed: Filed, subject_class: SubjectClass, today: date) -> bool:
    """Whether the person must have consented alone: a citizen, or a child from 14 on."""
    if subject_class is SubjectClass.CHILD:
        return today >= birthday(filed.form.subject_born, GROWN_Y)
    return subject_class is SubjectClass.CITIZEN
