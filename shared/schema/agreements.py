"""Agreements between districts on the wire: what one may show another, and who signed it."""

from datetime import datetime
from typing import Annotated

from pydantic import ConfigDict, StringConstraints

from shared.domain.places import Agreement
from shared.schema.http import Asked, Told

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]{1,30}$")]
"""A district's name, as in `onboarding.Slug`."""
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""SHA-256, hex."""


class SignAsked(Asked):
    """terms: the digest of what was read, so that nobody signs what was changed meanwhile."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"owner_id": "garam", "neighbour_id": "nuri", "terms": "0" * 64}]}
    )

    owner_id: Slug
    neighbour_id: Slug
    terms: Digest


class SignatureTold(Told):
    """holds: it stands for the terms as they are now."""

    tenant_id: str
    by: str
    at: datetime
    holds: bool


class AgreementTold(Told):
    """`owner_id` may offer `neighbour_id` its cases, and a grant shows `fields`.

    in_force: signed by both and not expired. terms: the digest to sign.
    """

    owner_id: str
    neighbour_id: str
    fields: list[str]
    until: datetime
    terms: str
    signatures: list[SignatureTold]
    in_force: bool

    @classmethod
    def of(cls, agreement: Agreement, now: datetime) -> "AgreementTold":
        return cls(
            owner_id=agreement.tenant_id,
            neighbour_id=agreement.neighbour_id,
            fields=list(agreement.fields),
            until=agreement.until,
            terms=agreement.terms,
            signatures=[
                SignatureTold(tenant_id=s.tenant_id, by=s.by, at=s.at, holds=s.terms == agreement.terms)
                for s in agreement.signatures
            ],
            in_force=agreement.in_force(now),
        )


class OneAgreement(Told):
    agreement: AgreementTold


class Agreements(Told):
    """given: what this district may show others. received: what others may show it."""

    given: list[AgreementTold]
    received: list[AgreementTold]
