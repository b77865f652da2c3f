"""Who watches, and when to speak: phones' reports, and the bookkeeping of what was said about a child."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from shared.domain.departure import BACK, Departure, Level, alarm_due
from shared.domain.geo import LatLon
from shared.domain.outing import Answer, Member, Outing
from shared.domain.places import Policy
from shared.domain.proximity import PhoneTrack
from shared.domain.sighting import LAST_MS, PHONE_MS, Sighting, remember

REPORTS_MAX = 120  # of a phone: one every half second
FIXES_MAX = 3  # where it is, and a little of where it was
Fix = tuple[int, LatLon, int]
"""(at_ms, position, accuracy_m)"""
NOTHING: Mapping[str, Sequence[Sighting]] = MappingProxyType({})


class Alert(StrEnum):
    """What a phone is told; the code of the sentence (i18n `alert.*`)."""

    WARNED = "child-warned"
    DEPARTED = "child-departed"
    STOPPED = "monitoring-stopped"


def merge_reports(
    track: PhoneTrack,
    reported_ms: Iterable[int],
    fixes: Iterable[Fix],
    heard: Mapping[str, Sequence[Sighting]] = NOTHING,
) -> PhoneTrack:
    """The phone's track with what arrived: a union, cut to PHONE_MS, REPORTS_MAX and FIXES_MAX.

    All cuts keep the top of a total order, so any order and any duplicates end in the same track. Of
    two fixes at one instant the more accurate is kept. What is heard is never later than its report.
    """
    reports = sorted({*track.reported_ms, *reported_ms})
    if not reports:
        return track
    since_ms = reports[-1] - PHONE_MS
    by_time: dict[int, Fix] = {}
    for fix in (*track.fixes, *fixes):
        kept = by_time.get(fix[0])
        if kept is None or _rank(fix) < _rank(kept):
            by_time[fix[0]] = fix
    return replace(
        track,
        reported_ms=tuple([t for t in reports if t > since_ms][-REPORTS_MAX:]),
        fixes=tuple([by_time[t] for t in sorted(by_time)[-FIXES_MAX:] if t > reports[-1] - LAST_MS]),
        heard=remember(track.heard, heard, newest_ms=reports[-1], lately_ms=PHONE_MS),
    )


def _rank(fix: Fix) -> tuple[int, float, float]:
    _, at, accuracy_m = fix
    return accuracy_m, at.lat_deg, at.lon_deg


def watched_until_ms(phones: Iterable[PhoneTrack]) -> int | None:
    """The newest instant any of the phones reported: as of when the group can be judged. None before that.

    Judging as of an event, never as of the wall clock, is what makes the judgement a function of the
    reports alone. Silence of all phones is for the sweep to see.
    """
    return max((phone.reported_ms[-1] for phone in phones if phone.reported_ms), default=None)


def next_alarm(
    before: Mapping[str, Any],
    departure: Departure,
    outing: Outing,
    member: Member,
    *,
    policy: Policy,
    now_ms: int,
) -> tuple[dict[str, Any], Alert | None]:
    """The alarm's bookkeeping after a judgement, and what to say now, if anything.

    A warning is said once; the alarm at once and then every `repeat_s` until answered. {} when the child
    is near; after an alarm, when it is so with certainty (`BACK`) or a teacher says so. Nobody watching
    changes nothing: that is another alarm. What was noted stays while the child is gone, however long:
    a judgement sees only the window, and its `since_ms` moves on with it.
    """
    kept = before if before.get("outing_id") == outing.outing_id else {}
    was_gone = kept.get("level") == Level.DEPARTED
    known = departure.level is Level.WARNED and bool(kept) and not was_gone
    if departure.level is Level.UNWATCHED or known:
        return dict(before), None
    if departure.level is Level.NEAR and (not was_gone or departure.answered or departure.near >= BACK):
        return {}, None
    if was_gone and departure.level is not Level.DEPARTED:
        departure = replace(departure, level=Level.DEPARTED, reason_code=kept["reason"])
    gone = replace(departure, since_ms=min(departure.since_ms, kept.get("since_ms", departure.since_ms)))
    alarm: dict[str, Any] = {
        "level": gone.level.value,
        "outing_id": outing.outing_id,
        "since_ms": gone.since_ms,
        "reason": gone.reason_code,
        "warned_ms": kept.get("warned_ms", now_ms),
        **{name: gone.params[name] for name in ("heard_by", "heard_ms") if name in gone.params},
        **{name: kept[name] for name in ("departed_ms", "told_ms") if name in kept},
    }
    if gone.level is Level.WARNED:
        return alarm, Alert.WARNED
    alarm.setdefault("departed_ms", now_ms)
    said_ms = answered_ms(member)
    if member.answer not in (None, Answer.WITH_ME) and said_ms is not None and said_ms >= gone.since_ms:
        return alarm, None
    if not alarm_due(gone, last_alarm_ms=alarm.get("told_ms"), policy=policy, now_ms=now_ms):
        return alarm, None
    return alarm | {"told_ms": now_ms}, Alert.DEPARTED


def stopped(
    outing: Outing, phones: Mapping[str, PhoneTrack], policy: Policy, *, now_ms: int
) -> list[PhoneTrack]:
    """The outing's phones that stopped reporting and whose silence was not yet told, marked as told now."""
    started_ms = round(outing.started_at.timestamp() * 1000)
    found = []
    for phone_id in outing.phones:
        phone = phones[phone_id]
        newest_ms = max(phone.reported_ms[-1] if phone.reported_ms else 0, started_ms)
        if now_ms - newest_ms >= policy.deaf_s * 1000 and phone.told_ms < newest_ms:
            found.append(replace(phone, told_ms=now_ms))
    return found


def answered_ms(member: Member) -> int | None:
    """When the teachers last said something about this child, epoch ms."""
    return round(member.answered_at.timestamp() * 1000) if member.answered_at else None
