"""Guardians and callers on the wire, version 1: consent, withdrawal, notices, status, calls for help."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints

from shared.domain.guardian import (
    Batch,
    Certificate,
    Filed,
    Form,
    Guardianship,
    Proof,
    Separate,
    Use,
    Verified,
)
from shared.domain.places import Child
from shared.schema.http import Asked, Id, Latitude, Longitude, Moment, Told, Word

Line = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]
Born = Annotated[date, Field(ge=date(1900, 1, 1), le=date(2200, 1, 1))]
Day = Annotated[date, Field(ge=date(2000, 1, 1), le=date(2200, 1, 1))]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Reached = Annotated[
    str, StringConstraints(pattern=r"^(0[0-9-]{8,13}|\+[1-9][0-9]{7,14}|[^@\s]{1,64}@[^@\s]{1,190})$")
]
"""A Korean or international number, or a mail address."""
LINK_FORM = r"^[a-z][a-z0-9]{1,30}\.[A-Za-z0-9_-]{43}$"
Secret = Annotated[str, StringConstraints(pattern=LINK_FORM)]
"""What a link ends with: the district and 256 random bits."""
Disclosure = Annotated[str, StringConstraints(pattern=r"^disclosed:[A-Za-z0-9_-]{1,64}:[0-9T:+.-]{10,40}$")]

_DIGEST = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"  # pragma: allowlist secret


def _example(body: Mapping[str, Any]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [dict(body)]})


# Consent


class FormAsked(Asked):
    """The written consent: exactly the fields of 위치정보법 시행령 27."""

    subject_name: Line
    subject_address: Line
    subject_born: Born
    guardian_name: Line
    guardian_address: Line
    guardian_contact: Reached
    purpose: Literal["life-and-body"]
    signed_on: Day
    signature: Literal["signature", "seal"]

    def form(self) -> Form:
        return Form(**self.model_dump())

    def ways(self) -> dict[str, str]:
        """How the guardian is reached: a number in international form, or a mail address."""
        said = self.guardian_contact
        if "@" in said:
            return {"mobile": "", "email": said}
        return {"mobile": said if said[0] == "+" else "+82" + said.replace("-", "")[1:], "email": ""}


class ProofAsked(Asked):
    """What proves it, and the digest of its scan; the paper stays with the daycare."""

    kind: Proof
    sha256: Digest


class BatchAsked(Asked):
    unit: Literal["times", "days"]
    n: Literal[10, 20, 30]


class SeparateAsked(Asked):
    """Consents asked for apart. null: not asked yet."""

    batch: BatchAsked | None = None
    sensitive: bool = False
    police_location: bool | None = None
    missing_alert: bool | None = None
    assent: bool | None = None


class ConsentAsked(Asked):
    """A consent to be filed. verified: one of the seven ways, needed from 9 to 13 years of age."""

    model_config = _example(
        {
            "form": {
                "subject_name": "김하늘",
                "subject_address": "서울시 가람구 해님로 1",
                "subject_born": "2022-03-01",
                "guardian_name": "김보호",
                "guardian_address": "서울시 가람구 해님로 1",
                "guardian_contact": "010-0000-0000",
                "purpose": "life-and-body",
                "signed_on": "2026-05-04",
                "signature": "seal",
            },
            "proof": {"kind": "family-relation", "sha256": _DIGEST},
            "relation": "mother",
            "separate": {"police_location": True, "missing_alert": True},
        }
    )

    form: FormAsked
    proof: ProofAsked
    relation: Word = ""
    verified: Verified | None = None
    until: Day | None = None
    separate: SeparateAsked = SeparateAsked()

    def filed(self, by: str, at: datetime) -> Filed:
        batch = self.separate.batch
        separate = self.separate.model_dump(exclude={"batch"})
        return Filed(
            form=self.form.form(),
            proof=self.proof.kind,
            proof_sha256=self.proof.sha256,
            filed_at=at,
            filed_by=by,
            relation=self.relation,
            verified=self.verified.value if self.verified else "",
            until=self.until,
            separate=Separate(batch=Batch(batch.unit, batch.n) if batch else None, **separate),
        )


class ConsentFiled(ConsentAsked):
    """A consent in a manifest."""

    child_id: Id


class PauseAsked(Asked):
    """confirmed: needed while the child is missing; the answer without it says why."""

    model_config = _example({"paused": True})

    paused: bool
    confirmed: bool = False


class WithdrawalAsked(Asked):
    """confirmed: needed while the child is missing."""

    model_config = _example({"confirmed": True})

    confirmed: bool = False


class FormTold(Told):
    """The form as it was filed."""

    subject_name: str
    subject_address: str
    subject_born: date
    guardian_name: str
    guardian_address: str
    guardian_contact: str
    purpose: str
    signed_on: date
    signature: str


class BatchTold(Told):
    unit: str
    n: int


class ConsentTold(Told):
    """How a consent stands. state: none, valid, paused, lapsed or withdrawn. form: null unless it is kept."""

    subject_id: str
    state: Literal["none", "valid", "paused", "lapsed", "withdrawn"]
    given_at: datetime | None
    ended_at: datetime | None
    withdrawn_at: datetime | None
    form: FormTold | None
    relation: str
    proof: Proof | None
    verified: str
    batch: BatchTold | None
    sensitive: bool
    police_location: bool | None
    missing_alert: bool | None
    assent: bool | None
    reachable: bool

    @classmethod
    def of(cls, child: Child, kept: Guardianship, now: datetime) -> "ConsentTold":
        filed, consent = kept.filed, child.consent
        separate = filed.separate if filed else Separate()
        form = {name: getattr(filed.form, name) for name in FormTold.model_fields} if filed else None
        return cls(
            subject_id=child.child_id,
            state=_state(child, kept, now),
            given_at=consent.given_at if consent else None,
            ended_at=consent.ended_at if consent else None,
            withdrawn_at=kept.withdrawn_at,
            form=None if form is None else FormTold(**form),
            relation=filed.relation if filed else "",
            proof=filed.proof if filed else None,
            verified=filed.verified if filed else "",
            batch=BatchTold(unit=separate.batch.unit, n=separate.batch.n) if separate.batch else None,
            sensitive=separate.sensitive,
            police_location=separate.police_location,
            missing_alert=separate.missing_alert,
            assent=separate.assent,
            reachable=bool(filed or kept.endpoint),
        )


def _state(
    child: Child, kept: Guardianship, now: datetime
) -> Literal["none", "valid", "paused", "lapsed", "withdrawn"]:
    consent = child.consent
    if kept.withdrawn_at is not None:
        return "withdrawn"
    if consent is None:
        return "none"
    if consent.allows(now):
        return "valid"
    return "paused" if consent.paused and (consent.ended_at is None or now < consent.ended_at) else "lapsed"


class HeldTold(Told):
    """What is kept a while after a withdrawal, and on which ground. text: the ground in words."""

    what: str
    ground: str
    text: str


class CertificateTold(Told):
    """What was destroyed. sha256: hex over the record without it, as canonical JSON (as for a hand-over)."""

    tenant_id: str
    tenant_name: str
    subject_id: str
    withdrawn_at: datetime
    issued_at: datetime
    destroyed: dict[str, int]
    held: list[HeldTold]
    complete: bool
    sha256: str = ""


# Links


class LinkAsked(Asked):
    """guardian: the guardian's own page. device: a citizen's phone that may call for help."""

    model_config = _example({"use": "guardian"})

    use: Literal["guardian", "device"]


class LinkTold(Told):
    """A link, told once: only its digest is stored. path: what follows the address of this API."""

    use: Use
    path: str
    secret: str
    until: datetime


class ContactedAsked(Asked):
    """A person told the guardian that the child is missing, or tried to."""

    model_config = _example({"how": "phone"})

    how: Literal["phone", "in-person", "no-answer"]


class NoticeAsked(Asked):
    """A person told the guardian of a disclosure."""

    model_config = _example({"disclosure": "disclosed:nuri:2026-05-05T01:00:00+00:00", "how": "phone"})

    disclosure: Disclosure
    how: Literal["phone", "in-person", "letter"]


class CaseClockTold(Told):
    """A case's clock after what was said of its guardian. TG: a person told the guardian."""

    now: datetime
    case_id: str
    clock: dict[str, datetime]


class HoldAsked(Asked):
    """Notices of this case wait, because one would endanger a life; at most a week at a time."""

    model_config = _example({"reason": "endangers-life", "until": "2026-05-06T01:00:00Z"})

    reason: Literal["endangers-life"]
    until: Moment


# Notices


class NoticeTold(Told):
    """One disclosure and its notice. state: missing is a fault of ours. late: past its time."""

    case_id: str
    subject_id: str
    disclosure: str
    to: str
    at: datetime
    purpose: str
    basis: str
    state: Literal["sent", "deferred", "missing"]
    reason: str
    due: datetime | None
    late: bool


class NoticesTold(Told):
    """disclosures = sent + deferred, difference 0; late: how many notices are past their time."""

    now: datetime
    disclosures: int
    sent: int
    deferred: int
    difference: int
    late: int
    notices: list[NoticeTold]


# What a guardian reads


class WorkingTold(Told):
    """Who works on it."""

    control_room: bool
    police: bool
    officer_on_scene: bool
    neighbours: list[str]


class StatusTold(Told):
    """A missing child's case in words for its guardian: no name, no place. text: the sentences, in order."""

    now: datetime
    state: str
    facility: str
    opened_at: datetime
    updated_at: datetime
    working: WorkingTold
    text: list[str]
    phone: str
    until: datetime


class ReadTold(Told):
    """One reading or handing on, in words. who: role and organisation; nobody's name."""

    at: datetime
    who: str
    text: str


class HistoryTold(Told):
    """Who looked, when and why; and to whom it was given. Newest first."""

    now: datetime
    since: datetime
    lines: list[ReadTold]


class DeviceEndpointAsked(Asked):
    """How the guardian's app is reached by push."""

    model_config = _example({"push_token": "<push-token>"})

    push_token: Annotated[str, StringConstraints(min_length=8, max_length=4096, pattern=r"^[!-~]+$")]


class ReachableTold(Told):
    reachable: bool


# A call for help


class GpsFix(Asked):
    """Where a calling phone is. accuracy_m: 68 % radius, as phones state it."""

    at: Moment
    lat: Latitude
    lon: Longitude
    accuracy_m: Annotated[float, Field(gt=0, le=10_000, allow_inf_nan=False)]


_FIX = {"at": "2026-05-05T01:00:00Z", "lat": 37.48, "lon": 126.95, "accuracy_m": 12.0}


class HelpAsked(Asked):
    """A call for help; a phone that does not know yet where it is calls all the same."""

    model_config = _example({"fix": _FIX})

    fix: GpsFix | None = None


class FixesAsked(Asked):
    """What the phone measured since it last sent, in any order."""

    model_config = _example({"fixes": [_FIX]})

    fixes: Annotated[Sequence[GpsFix], Field(min_length=1, max_length=60)]


class SafeAsked(Asked):
    """The caller says: I am safe. The control room makes sure and closes."""

    model_config = _example({})


class HelpTold(Told):
    """What a caller is told back. secret: for `/v1/sos/…/fixes`, on the first answer. open: go on sending."""

    now: datetime
    case_id: str
    open: bool
    state: str
    received_at: datetime
    acknowledged: bool
    text: str
    taken: int = 0
    secret: str | None = None
    until: datetime | None = None


def certificate(
    told: Certificate, tenant_id: str, tenant_name: str, held: Sequence[HeldTold]
) -> CertificateTold:
    """The certificate as it is handed out, unsealed. complete: only what other laws hold is left."""
    return CertificateTold(
        tenant_id=tenant_id,
        tenant_name=tenant_name,
        subject_id=told.subject_id,
        withdrawn_at=told.withdrawn_at,
        issued_at=told.issued_at,
        destroyed=dict(told.destroyed),
        held=list(held),
        complete=not {"case-places", "track", "contacts"} & told.held.keys(),
    )
