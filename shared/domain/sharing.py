"""What a neighbour may see of a case, and until when. The one place that decides it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class ShareState(StrEnum):
    OFFERED = "offered"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    REVOKED = "revoked"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Share:
    """One case offered to one neighbour. A grant is a share that is accepted and not past `until`.

    fields: what the agreement lets a grant show. area: rough place for the preview, never exact.
    """

    owner_id: str
    case_id: str
    neighbour_id: str
    beacon_id: str
    state: ShareState
    fields: tuple[str, ...]
    offered_at: datetime
    until: datetime
    decided_at: datetime | None = None
    decided_by: str = ""
    version: int = 0

    def grants(self, now: datetime) -> bool:
        """Whether the neighbour may read the case at `now`."""
        return self.state is ShareState.ACCEPTED and now < self.until
