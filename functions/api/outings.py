"""Outings: a teacher takes a group out, counts it, answers alarms, and brings it back."""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from functions.api.desk import AtDesk, Desk, new_router
from shared.adapters.clock import epoch_ms, from_epoch_ms
from shared.adapters.hearing import Hearing, forget, hearings
from shared.adapters.wiring import Adapters
from shared.domain.departure import Departure, Level, assess_departure
from shared.domain.errors import Conflict, NotFound
from shared.domain.outing import Answer, Member, Outing, OutingState
from shared.domain.places import Child, Facility, Policy
from shared.domain.proximity import PhoneTrack
from shared.domain.sighting import Sighting
from shared.domain.watching import watched_until_ms
from shared.ports import GroupTrack
from shared.schema import http

router = new_router()

FRESH_S = 10.0
"""Without a phone's report this long nobody can vouch for a child, only an alarm stands (J1, CONSOLE 5)."""

_STATE: dict[Level, http.MemberState] = {Level.WARNED: "warned", Level.DEPARTED: "departed"}


@router.get("/outings", summary="Running outings", tags=["outings"])
def running(desk: AtDesk) -> http.Outings:
    """Every running outing the caller may see, as numbers."""
    outings = [outing for outing in desk.on.outings.running() if desk.caller.sees(outing.facility_id)]
    scene = _Scene.around(desk.on, outings, desk.now)
    return http.Outings(now=desk.now, outings=[scene.summary(outing) for outing in outings])


@router.post("/outings", summary="Start an outing", tags=["outings"], status_code=201)
def start(body: http.OutingAsked, desk: AtDesk) -> http.OneOuting:
    """Open an outing with its roster, today's clothes and the phones that watch.

    409 for a child without consent, without a beacon, or already out.
    """
    facility = desk.on.registry.facility(_facility_id(body, desk))
    roster = {child.child_id: child for child in desk.on.registry.children(facility.facility_id)}
    wanted = {member.child_id: member for member in body.members}
    if wanted.keys() - roster.keys():
        raise NotFound("child-not-found")
    _may_go(desk, [roster[child_id] for child_id in wanted])
    outing = Outing(
        outing_id=f"o-{secrets.token_hex(10)}",
        tenant_id=desk.actor.tenant_id,
        facility_id=facility.facility_id,
        status=body.status,
        state=OutingState.RUNNING,
        started_at=desk.now,
        started_by=desk.actor.actor_id,
        phones=_phones(body, desk, facility),
        members=tuple(
            Member(child_id, roster[child_id].beacon_id, roster[child_id].bag_no, member.outfit.pairs())
            for child_id, member in wanted.items()
        ),
    )
    return _saved(desk, outing)


@router.get("/outings/<outing_id>", summary="An outing, child by child", tags=["outings"])
def one(outing_id: http.Id, desk: AtDesk) -> http.OneOuting:
    """Count and state of the group. A child nobody can vouch for now is `unknown`, never `with`."""
    outing = desk.outing(outing_id)
    return http.OneOuting(now=desk.now, outing=_told(desk, outing))


@router.post("/outings/<outing_id>/answers", summary="Answer an alarm", tags=["outings"])
def answer(outing_id: http.Id, body: http.AnswerAsked, desk: AtDesk) -> http.OneOuting:
    """Say how a child stands: 함께 있어요, 찾는 중 …; with-me quiets that bag for a minute."""
    outing = _running(desk.outing(outing_id))
    return _saved(desk, _answered(outing, [body], desk))


@router.post("/outings/<outing_id>/end", summary="End an outing", tags=["outings"])
def end(outing_id: http.Id, body: http.EndAsked, desk: AtDesk) -> http.OneOuting:
    """End it. 409 while a child is not with the group and nobody said what of it (AT-1.8).

    Clothes are deleted with the outing, and tracks too, but for children in an open case.
    """
    outing = desk.outing(outing_id)
    if outing.state is OutingState.ENDED:
        return http.OneOuting(now=desk.now, outing=_told(desk, outing))
    outing = _answered(outing, body.answers, desk)
    missing = {case.subject.subject_id for case in desk.on.cases.open_cases()}
    states = {member.child_id: member.state for member in _told(desk, outing).members}
    unaccounted = [m.child_id for m in outing.members if not _accounted(m, states[m.child_id], missing)]
    if unaccounted:
        raise Conflict("outing-unaccounted", count=len(unaccounted), children=",".join(unaccounted))
    ended = replace(
        outing,
        state=OutingState.ENDED,
        ended_at=desk.now,
        members=tuple(replace(member, outfit=()) for member in outing.members),
    )
    told = _saved(desk, ended)
    if not desk.on.registry.tenant().policy.keep_last_known:
        forget(desk.on, {m.beacon_id for m in outing.members if m.child_id not in missing}, outing)
    return told


def _facility_id(body: http.OutingAsked, desk: Desk) -> str:
    facility_id = body.facility_id or desk.caller.facility_id
    if not desk.caller.sees(facility_id):
        raise NotFound("facility-not-found")
    return facility_id


def _phones(body: http.OutingAsked, desk: Desk, facility: Facility) -> tuple[str, ...]:
    """The phones that watch: those asked for, each of the facility, or all of it. 409 without any."""
    known = [phone.phone_id for phone in desk.on.registry.phones(facility.facility_id)]
    if not set(body.phones) <= set(known):
        raise NotFound("phone-not-found")
    phones = tuple(dict.fromkeys(body.phones)) or tuple(known)
    if not phones:
        raise Conflict("outing-without-phone")
    return phones


def _may_go(desk: Desk, children: Iterable[Child]) -> None:
    """Conflict for a child that may not be collected, carries nothing, or is out already."""
    out = {member.child_id for outing in desk.on.outings.running() for member in outing.members}
    for child in children:
        if child.consent is None or not child.consent.allows(desk.now):
            raise Conflict("consent-missing", child_id=child.child_id)
        if not child.beacon_id:
            raise Conflict("child-without-beacon", child_id=child.child_id)
        if child.child_id in out:
            raise Conflict("child-already-out", child_id=child.child_id)


def _running(outing: Outing) -> Outing:
    if outing.state is not OutingState.RUNNING:
        raise Conflict("outing-ended")
    return outing


def _answered(outing: Outing, answers: Iterable[http.AnswerAsked], desk: Desk) -> Outing:
    said = {each.child_id: each.answer for each in answers}
    if said.keys() - {member.child_id for member in outing.members}:
        raise NotFound("child-not-found")
    return replace(
        outing,
        members=tuple(
            replace(m, answer=said[m.child_id], answered_at=desk.now, answered_by=desk.actor.actor_id)
            if m.child_id in said
            else m
            for m in outing.members
        ),
    )


def _accounted(member: Member, state: http.MemberState, missing: set[str]) -> bool:
    said = member.answer not in (None, Answer.SEARCHING)
    return state == "with" or said or member.child_id in missing


def _saved(desk: Desk, outing: Outing) -> http.OneOuting:
    saved = desk.on.outings.save(outing)
    desk.on.live.tell("outing", saved.outing_id, saved.version)
    return http.OneOuting(now=desk.now, outing=_told(desk, saved))


def _told(desk: Desk, outing: Outing) -> http.OutingTold:
    return _Scene.around(desk.on, [outing], desk.now).told(outing)


@dataclass(frozen=True, slots=True)
class _Scene:
    """What is known around some outings at one moment, read in as few calls as there are kinds of it."""

    on: Adapters
    now: datetime
    policy: Policy
    groups: Mapping[str, GroupTrack]
    phones: Mapping[str, PhoneTrack]
    away: Mapping[str, Hearing]
    facilities: Mapping[str, Facility]

    @classmethod
    def around(cls, on: Adapters, outings: Sequence[Outing], now: datetime) -> "_Scene":
        known = on.tracking.read(
            groups={each.outing_id for each in outings},
            phones={phone_id for each in outings for phone_id in each.phones},
        )
        missed = {beacon_id for each in known.groups.values() for beacon_id in each.alarms}
        return cls(
            on=on,
            now=now,
            policy=on.registry.tenant().policy,
            groups=known.groups,
            phones=known.phones,
            away=hearings(on, missed) if missed else {},
            facilities={each: on.registry.facility(each) for each in {o.facility_id for o in outings}},
        )

    def summary(self, outing: Outing) -> http.OutingSummary:
        """The outing in numbers."""
        return http.OutingSummary(**self._numbers(outing))

    def told(self, outing: Outing) -> http.OutingTold:
        """The outing child by child, with names."""
        names = {child.child_id: child.name for child in self.on.registry.children(outing.facility_id)}
        teachers = {p.phone_id: p.teacher for p in self.on.registry.phones(outing.facility_id)}
        return http.OutingTold(
            **self._numbers(outing),
            started_by=outing.started_by,
            ended_at=outing.ended_at,
            phones=[
                _phone(self.phones[phone_id], teachers.get(phone_id, ""), self.now)
                for phone_id in outing.phones
            ],
            members=[
                self._member(outing, member, names.get(member.child_id, "")) for member in outing.members
            ],
        )

    def _numbers(self, outing: Outing) -> dict[str, Any]:
        states = [self._state(outing, member, self._departure(outing, member)) for member in outing.members]
        return {
            "outing_id": outing.outing_id,
            "facility": http.FacilityTold.of(self.facilities[outing.facility_id]),
            "status": outing.status,
            "state": outing.state.value,
            "started_at": outing.started_at,
            "version": outing.version,
            "count": len(states),
            "with_group": states.count("with"),
            "warned": states.count("warned"),
            "departed": states.count("departed"),
            "unknown": states.count("unknown"),
            "anchor": _anchor(self.phones[phone_id] for phone_id in outing.phones),
        }

    def _member(self, outing: Outing, member: Member, name: str) -> http.MemberTold:
        departure = self._departure(outing, member)
        away = self.away.get(member.beacon_id)  # then scanners count too
        heard = away.window.sightings if away else self._heard(outing, member)
        heard_ms = max((s.at_ms for s in heard), default=0)
        return http.MemberTold(
            child_id=member.child_id,
            name=name,
            bag_no=member.bag_no,
            state=self._state(outing, member, departure),
            age_s=http.age_s(from_epoch_ms(heard_ms), self.now) if heard_ms else None,
            reason=http.Reason(code=departure.reason_code, params=dict(departure.params)),
            heard_by=departure.last.source_id if departure.last else None,
            answer=member.answer,
            outfit=dict(member.outfit),
            paused=member.paused,
        )

    def _state(self, outing: Outing, member: Member, departure: Departure) -> http.MemberState:
        """What ingest stored, unless the teacher's word has settled it since. Not fresh, or ended: unknown.

        Ingest is the one judge of when to alarm.
        """
        if outing.state is OutingState.ENDED or member.paused:
            return "unknown"
        stored = self.groups[outing.outing_id].alarms.get(member.beacon_id, {}).get("level")
        fresh = any(_phone(self.phones[phone_id], "", self.now).watching for phone_id in outing.phones)
        if departure.level is Level.NEAR:
            return "with" if fresh else "unknown"
        return _STATE[Level(stored)] if stored and (fresh or stored == Level.DEPARTED) else "unknown"

    def _departure(self, outing: Outing, member: Member) -> Departure:
        return assess_departure(
            self._heard(outing, member),
            [self.phones[phone_id] for phone_id in outing.phones],
            policy=self.policy,
            since_ms=epoch_ms(outing.started_at),
            answer=member.answer,
            answered_ms=None if member.answered_at is None else epoch_ms(member.answered_at),
            now_ms=self._judged_ms(outing),
        )

    def _heard(self, outing: Outing, member: Member) -> list[Sighting]:
        """By the outing's phones."""
        return [s for each in outing.phones for s in self.phones[each].heard.get(member.beacon_id, ())]

    def _judged_ms(self, outing: Outing) -> int:
        """As of when: the newest report, as ingest judges. What no phone has told yet is no silence."""
        newest_ms = watched_until_ms(self.phones[phone_id] for phone_id in outing.phones)
        now_ms = epoch_ms(self.now)
        return now_ms if newest_ms is None else min(now_ms, newest_ms)


def _phone(track: PhoneTrack, teacher: str, now: datetime) -> http.PhoneTold:
    reported = [ms for ms in track.reported_ms if ms <= epoch_ms(now)]
    age_s = http.age_s(from_epoch_ms(reported[-1]), now) if reported else None
    return http.PhoneTold(
        phone_id=track.phone_id,
        teacher=teacher,
        watching=age_s is not None and age_s <= FRESH_S,
        age_s=age_s,
    )


def _anchor(tracks: Iterable[PhoneTrack]) -> http.AnchorTold | None:
    newest = max((t.fixes[-1] for t in tracks if t.fixes), key=lambda fix: fix[0], default=None)
    if newest is None:
        return None
    at_ms, where, accuracy_m = newest
    return http.AnchorTold(
        at=from_epoch_ms(at_ms), lat=where.lat_deg, lon=where.lon_deg, accuracy_m=accuracy_m
    )
