"""Who and where: the district, its scanners and cameras, a daycare's roster, and who looked."""

from dataclasses import replace

from functions.api.break_glass import broken
from functions.api.desk import AtDesk, Desk, new_router
from shared.adapters.clock import from_epoch_ms
from shared.adapters.hearing import Hearing, fix_of, hearings
from shared.domain.errors import NotFound
from shared.domain.geo import LatLon
from shared.domain.places import Child, Scanner
from shared.schema import http

router = new_router()


@router.get("/district", summary="This district", tags=["places"])
def district(desk: AtDesk) -> http.DistrictTold:
    """Boundary, policy and neighbours."""
    agreements = desk.on.registry.agreements()
    names = {a.neighbour_id: tenant_name(desk, a.neighbour_id) for a in agreements}
    return http.DistrictTold.of(desk.on.registry.tenant(), agreements, names)


@router.get("/facilities", summary="Daycares", tags=["places"])
def facilities(desk: AtDesk) -> http.FacilitiesTold:
    """The district's daycares."""
    return http.FacilitiesTold(
        facilities=[http.FacilityTold.of(each) for each in desk.on.registry.facilities()]
    )


@router.get("/facilities/<facility_id>/beacons", summary="A daycare's beacons", tags=["places"])
def beacons(facility_id: http.Id, desk: AtDesk) -> http.BeaconsTold:
    """Which beacon is in which bag, and when it was heard last: one that stays silent wants a new battery."""
    facility = desk.on.registry.facility(facility_id)
    with_beacon = [c for c in desk.on.registry.children(facility.facility_id) if c.beacon_id]
    known = hearings(desk.on, [child.beacon_id for child in with_beacon])
    rotating = desk.on.registry.tenant().policy.rotating_ids
    return http.BeaconsTold(
        beacons=[
            http.BeaconTold(
                beacon_id=child.beacon_id,
                facility_id=facility_id,
                bag_no=child.bag_no,
                rotating=rotating,
                age_s=_heard_age_s(known[child.beacon_id], desk),
            )
            for child in with_beacon
        ]
    )


@router.get("/children", summary="The roster", tags=["places"])
def children(desk: AtDesk) -> http.ChildrenTold:
    """The daycare's children, for the roster and the bag check before going out."""
    roster = desk.on.registry.children(desk.caller.facility_id)
    known = hearings(desk.on, [child.beacon_id for child in roster if child.beacon_id])
    told = [
        http.ChildTold(
            child_id=child.child_id,
            name=child.name,
            bag_no=child.bag_no,
            age_y=child.age_y,
            consent=child.consent is not None and child.consent.allows(desk.now),
            paused=child.consent is not None and child.consent.paused,
            heard_age_s=_heard_age_s(known[child.beacon_id], desk) if child.beacon_id else None,
        )
        for child in roster
    ]
    return http.ChildrenTold(children=told)


def _heard_age_s(known: Hearing, desk: Desk) -> float | None:
    heard_ms = known.window.newest_ms
    return http.age_s(from_epoch_ms(heard_ms), desk.now) if heard_ms else None


@router.get("/children/<child_id>/position", summary="Where a child's bag is", tags=["search"])
def position(child_id: http.Id, desk: AtDesk) -> http.OnePosition:
    """Only during an outing or a case, where the district keeps last-known positions, or after breaking the
    glass; 404 otherwise.
    """
    child = desk.on.registry.child(child_id)
    if not desk.caller.sees(child.facility_id):
        raise NotFound("child-not-found")
    purpose = _purpose(desk, child)
    desk.saw(child.child_id, purpose)
    fix = fix_of(desk.on, child.beacon_id)
    where = None if fix is None else http.PositionTold.of(fix, from_epoch_ms(fix.at_ms), desk.now, None)
    return http.OnePosition(now=desk.now, position=where)


@router.get("/scanners", summary="Scanners", tags=["places"])
def scanners(desk: AtDesk) -> http.ScannersTold:
    """Every scanner of the district with its heartbeat."""
    beats = desk.on.tracking.heartbeats()
    told = [_scanner(scanner, beats.get(scanner.scanner_id), desk) for scanner in desk.on.registry.scanners()]
    return http.ScannersTold(now=desk.now, scanners=told)


@router.put("/scanners/<scanner_id>", summary="Hang or calibrate a scanner", tags=["places"])
def put_scanner(scanner_id: http.Id, body: http.ScannerAsked, desk: AtDesk) -> http.ScannerTold:
    """Its place, and what a walk test learned. The name begins with the district's (404 otherwise)."""
    if not scanner_id.startswith(f"{desk.actor.tenant_id}-"):
        raise NotFound("scanner-not-found")
    known = next((s for s in desk.on.registry.scanners() if s.scanner_id == scanner_id), None)
    before = known or Scanner(scanner_id, LatLon(body.lat, body.lon))
    after = replace(
        before,
        at=LatLon(body.lat, body.lon),
        height_m=body.height_m,
        offset_db=body.offset_db,
        sd_db=body.sd_db,
    )
    desk.on.registry.put(after)
    desk.on.live.tell("scanner", scanner_id, 0)
    return _scanner(after, desk.on.tracking.heartbeats().get(scanner_id), desk)


@router.get("/cameras", summary="Cameras", tags=["places"])
def cameras(desk: AtDesk) -> http.CamerasTold:
    return http.CamerasTold(cameras=[http.CameraTold.of(camera) for camera in desk.on.registry.cameras()])


@router.get("/quarantine", summary="Messages that were not accepted", tags=["operations"])
def quarantine(desk: AtDesk) -> http.QuarantineTold:
    """The newest hundred, with the reason of each. What they said stays where it is."""
    return http.QuarantineTold(
        messages=[
            http.QuarantinedTold(
                message_id=message.message_id,
                received_at=from_epoch_ms(message.received_ms),
                thing=message.thing,
                reason=message.reason,
                size=len(message.body),
            )
            for message in desk.on.tracking.quarantined()
        ]
    )


@router.get("/access", summary="Who read what about whom", tags=["operations"])
def access(
    desk: AtDesk,
    since: http.Moment,
    child_id: http.Id | None = None,
    actor_id: http.Id | None = None,
    case_id: http.Id | None = None,
) -> http.AccessTold:
    """The access log from `since` on, oldest first; about one child, by one person, for one case if asked."""
    log, purpose = desk.on.access_log, f"case:{case_id}"
    if child_id is not None:
        found = log.of("subject", child_id, since)
    elif case_id is not None:
        found = log.of("purpose", purpose, since)
    elif actor_id is not None:
        found = log.of("actor", actor_id, since)
    else:
        found = log.since(since)
    lines = [
        each
        for each in found
        if actor_id in (None, each.actor_id) and (case_id is None or each.purpose == purpose)
    ]
    return http.AccessTold(lines=[http.AccessLine.of(line) for line in lines])


@router.get("/live", summary="Where a screen listens", tags=["operations"])
def live(desk: AtDesk) -> http.LiveTold:
    """A short-lived address of this district's events; 404 where there is none, and screens then ask."""
    address = desk.on.live.address(desk.actor.actor_id)
    return http.LiveTold(
        url=address.url,
        client_id=address.client_id,
        topics=dict(address.topics),
        expires_in_s=address.expires_in_s,
    )


def tenant_name(desk: Desk, tenant_id: str) -> str:
    """What a municipality calls itself: public; "" when it has not joined."""
    try:
        return desk.of(tenant_id).registry.tenant().name
    except NotFound:
        return ""


def _purpose(desk: Desk, child: Child) -> str:
    """What this child's position may be read for now; else a glass just broken. NotFound when for nothing."""
    if child.beacon_id and child.consent is not None and child.consent.allows(desk.now):
        case = desk.on.cases.open_case_of(child.child_id)
        if case is not None:
            return f"case:{case.case_id}"
        for outing in desk.on.outings.running():
            if any(member.child_id == child.child_id for member in outing.members):
                return f"outing:{outing.outing_id}"
        if desk.on.registry.tenant().policy.keep_last_known:
            return "last-known"
    return broken(desk, child.child_id)


def _scanner(scanner: Scanner, beat_ms: int | None, desk: Desk) -> http.ScannerTold:
    return http.ScannerTold.of(scanner, None if beat_ms is None else from_epoch_ms(beat_ms), desk.now)
