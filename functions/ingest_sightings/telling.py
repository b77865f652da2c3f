"""After storing: alarms to phones, news to open cases, the picture on the screens."""

from collections.abc import Collection, Mapping
from datetime import timedelta

from functions.ingest_sightings.directory import Directory
from functions.ingest_sightings.recording import Recorded
from shared.adapters.alerts import tell_child, tell_stopped
from shared.adapters.clock import from_epoch_ms
from shared.adapters.wiring import Adapters
from shared.domain.case import Evidence, Kind, add_evidence, system
from shared.domain.errors import Conflict, NotFound
from shared.domain.outing import Outing
from shared.domain.position import Fix
from shared.domain.watching import watched_until_ms
from shared.observability import logger
from shared.ports import Group

NEWS_EVERY = timedelta(seconds=5)
"""Event time between two pieces of evidence of one case: a track, not a flood."""
_ATTEMPTS = 4
_STATES = {"departed": 2, "warned": 1}  # on the live picture; 0 with, 3 unknown


def sound(on: Adapters, directory: Directory, done: Recorded) -> list[str]:
    """Push every alarm to the phones it concerns. Returns the outcomes, one per phone."""
    outcomes = []
    for said in done.said:
        phones = [phone for each in said.outing.phones if (phone := directory.phone(each))]
        outcomes += tell_child(
            on, said.outing, said.alert, child_id=said.child_id, at_ms=said.at_ms, phones=phones
        )
    for outing, silent in done.stopped:
        outcomes += tell_stopped(on, outing, silent)
    return outcomes


def tell_cases(on: Adapters, directory: Directory, found: Mapping[str, Fix]) -> int:
    """Give every open case the newest fix of its beacon. Returns how many cases heard something new."""
    watched = directory.watched()
    told = 0
    for beacon_id, fix in found.items():
        entry = watched.get(beacon_id)
        if entry and entry.owner_id == on.tenant_id:
            told += _tell_case(on, entry.case_id, fix)
    return told


def show(on: Adapters, directory: Directory, done: Recorded, reported: Collection[str]) -> None:
    """The live picture: where each group is whose phone reported, and which outings changed."""
    outings = {o.outing_id: o for phone_id in reported for o in directory.outings_of_phone(phone_id)}
    groups = [group for outing in outings.values() if (group := _group(outing, done))]
    if groups:
        on.live.frame(groups, boundary=directory.tenant().boundary, at=on.clock.now())
    for outing_id in sorted(done.changed):
        outing = directory.outings().by_id.get(outing_id)
        if outing:
            on.live.tell("outing", outing_id, outing.version)


def _tell_case(on: Adapters, case_id: str, fix: Fix) -> bool:
    at = from_epoch_ms(fix.at_ms)
    found = Evidence(Kind.HEARD, at, fix.center, fix.ellipse95.semi_major_m, ",".join(fix.heard))
    for _ in range(_ATTEMPTS):
        try:
            case = on.cases.get(case_id)
        except NotFound:
            return False
        known = case.last.get(Kind.HEARD)
        if not case.is_open or (known and at < known.at + NEWS_EVERY):
            return False
        try:
            on.cases.save(*add_evidence(case, found, system(on.tenant_id), on.clock.now()))
        except Conflict:
            continue  # somebody else wrote to the case: look again
        on.workflow.wake(case_id)
        return True
    logger.warning("case overtaken, its next fix will tell it", case_id=case_id)
    return False


def _group(outing: Outing, done: Recorded) -> Group | None:
    phones = [done.phones[phone_id] for phone_id in outing.phones if phone_id in done.phones]
    fixes = [phone.fixes[-1] for phone in phones if phone.fixes]
    newest = max(fixes, key=lambda fix: (fix[0], -fix[2]), default=None)  # of one instant, the surer
    if newest is None or watched_until_ms(phones) is None:
        return None
    noted = done.groups.get(outing.outing_id)
    levels = [_STATES.get(alarm["level"], 0) for alarm in noted.alarms.values()] if noted else [3]
    return Group(outing.outing_id, newest[1], len(outing.members), max(levels, default=0))
