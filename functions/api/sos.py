"""A phone that calls for help: its GPS opens a case and leads the search, across districts.

Nobody signs in to call for help. A citizen who registered holds a device credential, given out once; it
opens a call, and the call's own short-lived secret takes the fixes (`infra/decisions.md`).
"""

from dataclasses import replace
from datetime import timedelta

from functions.api.cases import change, opened
from functions.api.desk import AtDesk, Desk, new_router
from functions.api.guardians import issue
from shared.domain import case as rules
from shared.domain.case import Case, Evidence, Kind
from shared.domain.errors import NotFound, Rejected
from shared.domain.geo import LatLon
from shared.domain.guardian import Use, counted
from shared.domain.places import Child, SubjectClass
from shared.domain.position import gps_fix
from shared.i18n import sentence
from shared.schema import guardians as wire
from shared.schema import http

router = new_router()

MINUTE = timedelta(minutes=1)
CALLS_A_MINUTE = 6
FIXES_A_MINUTE = 60  # messages; each holds up to a minute of seconds
NEWS_EVERY = timedelta(seconds=5)
"""Between two pieces of evidence, as for a beacon: a track, not a flood."""
OLDEST = timedelta(minutes=10)
AHEAD = timedelta(seconds=30)
"""What a phone says it measured longer ago, or further ahead, than these is not where it is now."""


@router.post("/sos/<token>", summary="Call for help", tags=["calls"])
def call(token: wire.Secret, body: wire.HelpAsked, desk: AtDesk) -> wire.HelpTold:
    """Opens a case, or joins the caller's open one; the secret in the answer takes the fixes.

    Needs no idempotency key: calling again is the same call. 429 beyond six a minute.
    """
    _count(desk, token, CALLS_A_MINUTE)
    caller = _caller(desk)
    case, _ = opened(desk, caller, http.CaseAsked(child_id=caller.child_id))
    given = issue(desk, Use.CALL, caller.child_id, case)
    taken = _take(desk, case, [body.fix] if body.fix else [], caller)
    told = _told(desk, case.case_id, taken)
    return told.model_copy(update={"secret": given.secret, "until": given.until})


@router.post("/sos/<token>/fixes", summary="Where the caller is", tags=["calls"])
def fixes(token: wire.Secret, body: wire.FixesAsked, desk: AtDesk) -> wire.HelpTold:
    """Fixes in any order; the newest leads.

    Needs no idempotency key: the same fix twice is one. 429 beyond sixty a minute.
    """
    _count(desk, token, FIXES_A_MINUTE)
    case = desk.on.cases.get(desk.link.case_id)
    return _told(desk, case.case_id, _take(desk, case, list(body.fixes), _caller(desk)))


@router.post("/sos/<token>/safe", summary="The caller says: I am safe", tags=["calls"])
def safe(token: wire.Secret, body: wire.SafeAsked, desk: AtDesk) -> wire.HelpTold:
    """On record, and nothing ends by it: who forces a phone can press this too. The control room asks."""
    case = desk.on.cases.get(desk.link.case_id)
    if case.is_open:
        change(desk.on, case.case_id, lambda c: rules.note(c, "caller-says-safe", {}, desk.actor, desk.now))
    return _told(desk, case.case_id, 0)


def _caller(desk: Desk) -> Child:
    """The registered citizen. NotFound once the consent is withdrawn, paused or lapsed."""
    child = desk.on.registry.child(desk.subject_id)
    consents = child.consent is not None and child.consent.allows(desk.now)
    if child.subject_class is not SubjectClass.CITIZEN or not consents:
        raise NotFound("link-not-found")
    return child


def _take(desk: Desk, case: Case, given: list[wire.GpsFix], caller: Child) -> int:
    """Give the case what the phone measured: oldest first, at most one each few seconds. How many it took."""
    usable = [fix for fix in given if desk.now - OLDEST <= fix.at <= desk.now + AHEAD]
    if given and not usable:
        raise Rejected("fix-time-unusable")
    found = [_evidence(desk, fix, caller) for fix in sorted(usable, key=lambda fix: fix.at)]
    taken = 0

    def add(case: Case) -> rules.Change:
        nonlocal taken
        entries: tuple[rules.Entry, ...] = ()
        taken = 0
        for each in found if case.is_open else ():
            known = case.last.get(Kind.HEARD)
            if known is None or each.at >= known.at + NEWS_EVERY:
                case, lines = rules.add_evidence(case, each, desk.actor, desk.now)
                entries, taken = (*entries, *lines), taken + 1
        return case, entries

    change(desk.on, case.case_id, add)
    return taken


def _evidence(desk: Desk, fix: wire.GpsFix, caller: Child) -> Evidence:
    at = min(fix.at, desk.now)
    located = gps_fix(LatLon(fix.lat, fix.lon), fix.accuracy_m, round(at.timestamp() * 1000))
    return Evidence(
        Kind.HEARD, at, located.center, located.ellipse95.semi_major_m, caller.beacon_id or "phone"
    )


def _told(desk: Desk, case_id: str, taken: int) -> wire.HelpTold:
    """What the caller hears back: received, somebody is on it, over."""
    case = desk.on.cases.get(case_id)
    code = "closed" if not case.is_open else "acknowledged" if case.owner else "received"
    return wire.HelpTold(
        now=desk.now,
        case_id=case.case_id,
        open=case.is_open,
        state=case.state.value,
        received_at=case.opened_at,
        acknowledged=bool(case.owner),
        text=sentence(f"sos.{code}", {}),
        taken=taken,
    )


def _count(desk: Desk, secret: str, at_most: int) -> None:
    calls, since = counted(desk.link, desk.now, per=MINUTE, at_most=at_most)
    desk.on.guardians.put_link(secret, replace(desk.link, calls=calls, since=since))
