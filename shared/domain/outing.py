"""An outing: a group, its phones, and who is with it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shared.domain.places import Status


class OutingState(StrEnum):
    RUNNING = "running"
    ENDED = "ended"


class Answer(StrEnum):
    """What a teacher says to an alarm."""

    WITH_ME = "with-me"  # 함께 있어요
    SEARCHING = "searching"  # 찾는 중
    LEFT_BEHIND = "left-behind"  # 남겨둠, at the end of an outing
    BAG_ONLY = "bag-only"  # 가방만 분실


@dataclass(frozen=True, slots=True)
class Member:
    """A child on the roster. outfit: colours for top, bottom, shoes and bag; deleted with the outing.

    paused: the guardian does not want the bag listened for now; a teacher's eyes must do.
    """

    child_id: str
    beacon_id: str
    bag_no: str
    outfit: tuple[tuple[str, str], ...] = ()
    answer: Answer | None = None
    answered_at: datetime | None = None
    answered_by: str = ""
    paused: bool = False


@dataclass(frozen=True, slots=True)
class Outing:
    """A running or ended outing. phones: ids of every teacher's phone that watches.

    version: rises with each change; a writer that read an older one loses.
    """

    outing_id: str
    tenant_id: str
    facility_id: str
    status: Status
    state: OutingState
    started_at: datetime
    started_by: str
    phones: tuple[str, ...]
    members: tuple[Member, ...]
    ended_at: datetime | None = None
    version: int = 0
