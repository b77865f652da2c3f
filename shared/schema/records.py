"""What the daily keeper of records is asked, by its schedule or by an administrator of the platform."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

_Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:#-]{0,127}$")]
_Text = Annotated[str, StringConstraints(min_length=3, max_length=200)]


class _Order(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    tenant_id: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]{1,30}$")]


class HoldCase(_Order):
    """Keep a case whole until the hold is lifted."""

    do: Literal["hold"]
    case_id: _Id
    asked_by: _Text
    reason: _Text


class LiftHold(_Order):
    """The hold is over; what is due goes with the next purge."""

    do: Literal["lift"]
    case_id: _Id


class Shred(_Order):
    """Make what is sealed for a subject ("child#<id>") unreadable for ever, backups too."""

    do: Literal["shred"]
    subject: _Id


class ShredTenant(_Order):
    """Make everything sealed for a tenant unreadable for ever. confirm: the tenant's id once more."""

    do: Literal["shred-tenant"]
    confirm: str


class RotateKeys(_Order):
    """Wrap the tenant's keys anew."""

    do: Literal["rotate"]


class Verify(_Order):
    """Check the access log's chain against its anchors."""

    do: Literal["verify"]


Order = Annotated[HoldCase | LiftHold | Shred | ShredTenant | RotateKeys | Verify, Field(discriminator="do")]
