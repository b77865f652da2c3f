"""Has the child left the group? A sequential test with hold-down on the proximity.

Everything is recomputed from the sightings and the phones' reports, so late, doubled and reordered
messages end in the same judgement. A phone that did not report is never counted as not hearing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from shared.domain.outing import Answer
from shared.domain.places import Policy
from shared.domain.proximity import PHONE, Judged, PhoneTrack, near_by_slot
from shared.domain.radio import RadioModel
from shared.domain.sighting import Sighting

NEAR = 0.5
"""A child that is heard counts as with the group while this probable. One that no phone hears does not
count: its bag says nothing for it, and the policy's seconds run."""
RETRIGGER_MS = 60_000
"""Still gone this long after 함께 있어요: the answer no longer holds (AT-1.7)."""


class Level(StrEnum):
    NEAR = "near"
    WARNED = "warned"
    DEPARTED = "departed"
    UNWATCHED = "unwatched"


@dataclass(frozen=True, slots=True)
class Departure:
    """How one child stands.

    since_ms: when this began: last within reach; for UNWATCHED, when the last phone fell silent.
    reason_code: key of the sentence (i18n `departure.*`); params: what it needs, no coordinate in it.
    last: the newest sighting by a phone, whose `where` is the place to name; None if never heard.
    answered: an answer holds: no repeats.
    """

    level: Level
    since_ms: int
    reason_code: str
    params: Mapping[str, str | int | float] = field(default_factory=dict)
    last: Sighting | None = None
    answered: bool = False


def assess_departure(
    child: Sequence[Sighting],
    phones: Sequence[PhoneTrack],
    *,
    policy: Policy,
    since_ms: int,
    answer: Answer | None,
    answered_ms: int | None,
    now_ms: int,
    model: RadioModel = PHONE,
) -> Departure:
    """How the child stands at `now_ms`, from its window and the group's phones.

    since_ms: start of the outing. answer, answered_ms: the teachers' newest word on this child, if any.
    """
    child = [s for s in child if since_ms <= s.at_ms <= now_ms]
    ids = {p.phone_id for p in phones}
    last = max((s for s in child if s.source_id in ids), default=None)
    deaf_ms = round(policy.deaf_s * 1000)
    newest = {p.phone_id: max((t for t in p.reported_ms if t <= now_ms), default=since_ms) for p in phones}
    awake = [p for p in phones if newest[p.phone_id] >= now_ms - deaf_ms]
    if not awake:
        fell_ms = max(newest.values(), default=since_ms)
        stopped = {"phones": len(phones), "silent_s": (now_ms - fell_ms) // 1000}
        return Departure(Level.UNWATCHED, fell_ms, "monitoring-stopped", stopped, last)

    history = near_by_slot(
        child, awake, reach_m=policy.reach_m, now_ms=now_ms, since_ms=since_ms, model=model
    )
    gone_at_ms = gone_since_ms(history, since_ms)
    params = _params(last, len(awake), now_ms)
    if gone_at_ms is None:
        return Departure(Level.NEAR, now_ms, "within-reach", params, last)
    gone_ms = now_ms - gone_at_ms
    reason = "never-heard" if last is None else "unheard" if last.at_ms <= gone_at_ms else "beyond-reach"
    holds = answer is not None and answered_ms is not None and answered_ms >= gone_at_ms
    if holds and answer is Answer.WITH_ME and now_ms - max(gone_at_ms, answered_ms or 0) <= RETRIGGER_MS:
        return Departure(Level.NEAR, gone_at_ms, "answered-with-me", params, last, answered=True)
    if gone_ms >= policy.alarm_s * 1000:
        answered = holds and answer is not Answer.WITH_ME
        return Departure(Level.DEPARTED, gone_at_ms, reason, params, last, answered=answered)
    if gone_ms >= policy.warn_s * 1000:
        return Departure(Level.WARNED, gone_at_ms, reason, params, last)
    return Departure(Level.NEAR, gone_at_ms, "within-reach", params, last)


def alarm_due(departure: Departure, *, last_alarm_ms: int | None, policy: Policy, now_ms: int) -> bool:
    """Whether to sound now: departed, no answer that holds, and not within repeat_s of the last alarm.

    The last alarm of an earlier departure does not count.
    """
    if departure.level is not Level.DEPARTED or departure.answered:
        return False
    if last_alarm_ms is None or last_alarm_ms < departure.since_ms:
        return True
    return now_ms - last_alarm_ms >= policy.repeat_s * 1000


def gone_since_ms(history: Sequence[Judged], since_ms: int) -> int | None:
    """When the child was last with the group; None if it still is, or nothing is known.

    history: as of `near_by_slot`. since_ms: the answer when it never was.
    """
    for judged in reversed(history):
        if judged.heard and judged.near >= NEAR:
            return None if judged is history[-1] else judged.at_ms
    return since_ms if history else None


def _params(last: Sighting | None, awake: int, now_ms: int) -> dict[str, str | int | float]:
    if last is None:
        return {"phones": awake}
    return {
        "phones": awake,
        "heard_by": last.source_id,
        "heard_ms": last.at_ms,
        "silent_s": (now_ms - last.at_ms) // 1000,
        "rssi_dbm": last.rssi_dbm,
    }
