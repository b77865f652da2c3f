"""Has the child left the group? A sequential test on the proximity, with two operating points.

A soft warning is cheap and comes early; an alarm wants more certainty, twice in a row. A child that no phone
hears any more is warned of and alarmed after the policy's seconds, whatever its proximity was.
Everything is recomputed from the sightings and the phones' reports, so late, doubled and reordered
messages end in the same judgement. A phone that did not report is never counted as not hearing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from shared.domain.outing import Answer
from shared.domain.places import Policy
from shared.domain.proximity import PHONE, Judged, PhoneTrack, heard_by, judged
from shared.domain.radio import RadioModel
from shared.domain.sighting import Sighting

NEAR = 0.5
"""More probably within reach than not."""
WARN_AT, ALARM_AT, CALM_AT = 0.37, 0.465, 0.036
"""Probability of being beyond reach (`Judged.beyond`) in one slot for a warning, in two for an alarm; below
the last one both are over. Chosen for at most one false alarm per class-hour, six false warnings."""
BACK = 0.9
"""A child that was gone counts as back only when it is within reach so probably: a judgement looks back a
minute and a half, and a child that stands still out there must not look as if it had always been so."""
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
    answered: an answer holds: no repeats. near: probability of being within reach.
    """

    level: Level
    since_ms: int
    reason_code: str
    params: Mapping[str, str | int | float] = field(default_factory=dict)
    last: Sighting | None = None
    answered: bool = False
    near: float = 1.0


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
    child = heard_by(phones, child, since_ms=since_ms, now_ms=now_ms)
    last = max(child, default=None)
    deaf_ms = round(policy.deaf_s * 1000)
    newest = {p.phone_id: _newest_ms(p, since_ms, now_ms) for p in phones}
    awake = [p for p in phones if newest[p.phone_id] >= now_ms - deaf_ms]
    if not awake:
        fell_ms = max(newest.values(), default=since_ms)
        stopped = {"phones": len(phones), "silent_s": (now_ms - fell_ms) // 1000}
        return Departure(Level.UNWATCHED, fell_ms, "monitoring-stopped", stopped, last)

    history = judged(child, awake, reach_m=policy.reach_m, now_ms=now_ms, since_ms=since_ms, model=model)
    told_ms = min(newest[p.phone_id] for p in awake)
    level, gone_at_ms = _level(history, last, policy=policy, since_ms=since_ms, told_ms=told_ms)
    near = history[-1].near if history else 1.0
    params = _params(last, len(awake), now_ms)
    if level is Level.NEAR:
        return Departure(level, gone_at_ms, "within-reach", params, last, near=near)
    reason = "never-heard" if last is None else "unheard" if last.at_ms <= gone_at_ms else "beyond-reach"
    holds = answer is not None and answered_ms is not None and answered_ms >= gone_at_ms
    if holds and answer is Answer.WITH_ME and now_ms - max(gone_at_ms, answered_ms or 0) <= RETRIGGER_MS:
        return Departure(Level.NEAR, gone_at_ms, "answered-with-me", params, last, answered=True, near=near)
    answered = level is Level.DEPARTED and holds and answer is not Answer.WITH_ME
    return Departure(level, gone_at_ms, reason, params, last, answered=answered, near=near)


def _newest_ms(phone: PhoneTrack, since_ms: int, now_ms: int) -> int:
    """When it reported last; the start of the outing if it never did."""
    reported = phone.reported_ms
    if reported and reported[-1] <= now_ms:
        return reported[-1]
    return max((t for t in reported if t <= now_ms), default=since_ms)


def _level(
    history: Sequence[Judged], last: Sighting | None, *, policy: Policy, since_ms: int, told_ms: int
) -> tuple[Level, int]:
    """How the child stands after these slots, and since when.

    told_ms: until when every phone that is awake has told what it heard: later nobody is silent.
    """
    level, calm_ms, before = Level.NEAR, since_ms, 0.0
    for slot in history:
        if slot.beyond < CALM_AT:
            level = Level.NEAR
        elif min(slot.beyond, before) >= ALARM_AT:
            level = Level.DEPARTED
        elif slot.beyond >= WARN_AT and level is Level.NEAR:
            level = Level.WARNED
        if level is Level.NEAR:
            calm_ms = slot.at_ms
        before = slot.beyond
    heard_ms = last.at_ms if last else since_ms
    silent_ms = told_ms - heard_ms
    for silence, seconds in ((Level.DEPARTED, policy.alarm_s), (Level.WARNED, policy.warn_s)):
        if silent_ms >= seconds * 1000:
            return Level.DEPARTED if level is Level.DEPARTED else silence, min(calm_ms, heard_ms)
    return level, min(told_ms, calm_ms)


def alarm_due(departure: Departure, *, last_alarm_ms: int | None, policy: Policy, now_ms: int) -> bool:
    """Whether to sound now: departed, no answer that holds, and not within repeat_s of the last alarm.

    The last alarm of an earlier departure does not count.
    """
    if departure.level is not Level.DEPARTED or departure.answered:
        return False
    if last_alarm_ms is None or last_alarm_ms < departure.since_ms:
        return True
    return now_ms - last_alarm_ms >= policy.repeat_s * 1000


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
