"""What ingest must know about a tenant, remembered for seconds: who sends, who may be collected, and why."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from shared.adapters.hearing import Places, places_of
from shared.adapters.wiring import Adapters
from shared.domain.ephemeral_id import PERIOD_S, Issued, window_of, windows_at
from shared.domain.errors import NotFound, Rejected
from shared.domain.outing import Member, Outing
from shared.domain.places import Child, Phone, Status, Tenant
from shared.ports import Watched

T = TypeVar("T")

ANSWERS_KEPT_S = 1.0  # an answer stops an alarm, and a revocation a share, within seconds
PEOPLE_KEPT_S = 10.0  # consents, phones, scanners
NOTED_S = 60.0  # which sources know a beacon; what was forgotten meanwhile is noted again
IDS_KEPT_S = 60.0  # they are worked out a window, 512 s, ahead
ENTRIES_MAX = 20_000


@dataclass(frozen=True, slots=True)
class Running:
    """The running outings, by id and by the beacon of each child on them (the newest, if on several)."""

    by_id: Mapping[str, Outing]
    by_beacon: Mapping[str, Outing]


@dataclass(frozen=True, slots=True)
class Purpose:
    """Why a beacon is collected: whose it is, since when (epoch ms), for which outing or case.

    deaf: sources that a drill takes as silent for it.
    """

    owner_id: str
    since_ms: int = 0
    outing: Outing | None = None
    case_id: str = ""
    deaf: tuple[str, ...] = ()


class Directory:
    """One tenant's registry, running outings and watch list, as they were at most seconds ago."""

    def __init__(self, on: Adapters) -> None:
        self.tenant_id = on.tenant_id
        self._on = on
        self._kept: dict[tuple[str, str], tuple[datetime, Any]] = {}
        self.heartbeats: dict[str, int] = {}
        """Heartbeats heard and not yet written: they are written together, every few seconds."""
        self.written_ms = 0
        self._noted: dict[tuple[str, str], datetime] = {}

    def tenant(self) -> Tenant:
        return self._fresh(("tenant", ""), PEOPLE_KEPT_S, self._on.registry.tenant)

    def places(self, beacon_id: str = "") -> Places:
        """The scanners; for a beacon of a drill, without those that the drill takes as silent."""
        watched = self.watched().get(beacon_id) if beacon_id else None
        deaf = watched.deaf if watched else ()
        load = lambda: places_of(tuple(self._on.registry.scanners()), deaf)  # noqa: E731
        return self._fresh(("places", ",".join(deaf)), PEOPLE_KEPT_S, load)

    def phone(self, phone_id: str) -> Phone | None:
        load = lambda: _or_none(lambda: self._on.registry.phone(phone_id))  # noqa: E731
        return self._fresh(("phone", phone_id), PEOPLE_KEPT_S, load)

    def outings(self) -> Running:
        return self._fresh(("outings", ""), ANSWERS_KEPT_S, self._load_outings)

    def watched(self) -> Mapping[str, Watched]:
        load = lambda: {each.beacon_id: each for each in self._on.watch_list.entries()}  # noqa: E731
        return self._fresh(("watched", ""), ANSWERS_KEPT_S, load)

    def child(self, beacon_id: str) -> Child | None:
        """The child whose bag holds the beacon."""
        outing = self.outing_of(beacon_id)
        if outing is None:
            load = lambda: _or_none(lambda: self._on.registry.child_of_beacon(beacon_id))  # noqa: E731
            return self._fresh(("child", beacon_id), PEOPLE_KEPT_S, load)
        facility_id = outing.facility_id
        of_facility = lambda: {c.beacon_id: c for c in self._on.registry.children(facility_id)}  # noqa: E731
        return self._fresh(("children", facility_id), PEOPLE_KEPT_S, of_facility).get(beacon_id)

    def outing_of(self, beacon_id: str) -> Outing | None:
        """The running outing the beacon's child is on."""
        return self.outings().by_beacon.get(beacon_id)

    def beacon(self, heard: str, at_ms: int, of: "Callable[[str], Directory]") -> str:
        """The beacon behind an id on the air: ours, or a neighbour's that is on the watch list.

        of: any tenant's directory. Rejected(unknown-tag, outside-window) where ids rotate.
        """
        at_s = at_ms / 1000
        rotates = self.tenant().policy.rotating_ids
        found = self.ids(window_of(at_s)).get(heard) if rotates else None
        for owner_id in self._owners() if found is None else ():
            if of(owner_id).tenant().policy.rotating_ids:
                theirs = of(owner_id).ids(window_of(at_s)).get(heard)
                found = theirs if theirs and theirs.beacon_id in self.watched() else found
        if found is None:
            entry = self.watched().get(heard)
            if rotates and (entry is None or entry.owner_id == self.tenant_id):
                raise Rejected("unknown-tag")
            return heard
        if not found.holds(at_s):
            raise Rejected("outside-window")
        return found.beacon_id

    def ids_rotate(self) -> bool:
        """Whether an id on the air may be another than the beacon's own."""
        return self.tenant().policy.rotating_ids or bool(self._owners())

    def _owners(self) -> set[str]:
        """Neighbours whose beacons we listen for."""
        return {each.owner_id for each in self.watched().values()} - {self.tenant_id}

    def ids(self, window: int) -> Mapping[str, Issued]:
        """Every id that may be heard in a window."""

        def load() -> Mapping[str, Issued]:
            nearby = range(windows_at(window * PERIOD_S)[0], windows_at((window + 1) * PERIOD_S)[-1] + 1)
            return {heard: each for number in nearby for heard, each in self._begun(number).items()}

        return self._fresh(("ids", str(window)), IDS_KEPT_S, load)

    def _begun(self, window: int) -> Mapping[str, Issued]:
        return self._fresh(("begun", str(window)), IDS_KEPT_S, lambda: self._on.tags.ids(window))

    def outings_of_phone(self, phone_id: str) -> list[Outing]:
        return [outing for outing in self.outings().by_id.values() if phone_id in outing.phones]

    def purpose(self, beacon_id: str, now: datetime) -> Purpose:
        """Why this beacon may be collected here. Rejected(no-purpose) when nobody asked for it."""
        watched = self.watched().get(beacon_id)
        if watched and (watched.until is None or now < watched.until):
            outing = self.outing_of(beacon_id) if watched.owner_id == self.tenant_id else None
            return Purpose(watched.owner_id, outing=outing, case_id=watched.case_id, deaf=watched.deaf)
        outing = self.outing_of(beacon_id)
        if outing:
            return Purpose(self.tenant_id, round(outing.started_at.timestamp() * 1000), outing)
        if self.tenant().policy.keep_last_known:
            return Purpose(self.tenant_id)
        raise Rejected("no-purpose")

    def is_citizens(self, phone_id: str) -> bool:
        """Whether it is a citizen's own phone, which watches over nobody."""
        phone = self.phone(phone_id)
        return phone is not None and not phone.facility_id

    def is_dead(self, phone_id: str) -> bool:
        """Whether a drill takes a phone as dead; never one that watches over anything but an exercise."""
        if not any(phone_id in watched.deaf for watched in self.watched().values()):
            return False
        return all(outing.status is Status.EXERCISE for outing in self.outings_of_phone(phone_id))

    def check_consent(self, beacon_id: str, now: datetime) -> None:
        """Rejected(unknown-beacon, no-consent, paused) unless a guardian's consent holds."""
        child = self.child(beacon_id)
        if child is None:
            raise Rejected("unknown-beacon")
        if child.consent is None or not child.consent.allows(now):
            raise Rejected("paused" if child.consent and child.consent.paused else "no-consent")

    def not_noted(self, noted: Mapping[str, Collection[str]]) -> dict[str, set[str]]:
        """Of sources that know a track's beacons, by its key, those that this process did not note lately."""
        since = self._on.clock.now() - timedelta(seconds=NOTED_S)
        return {
            key: new
            for key, sources in noted.items()
            if (new := {each for each in sources if self._noted.get((key, each), since) <= since})
        }

    def note(self, key: str, sources: Iterable[str]) -> None:
        """They are stored as sources of the track."""
        if len(self._noted) > ENTRIES_MAX:
            self._noted.clear()
        now = self._on.clock.now()
        self._noted |= {(key, each): now for each in sources}

    def _load_outings(self) -> Running:
        running = sorted(self._on.outings.running(), key=lambda o: (o.started_at, o.outing_id))
        by_beacon = {m.beacon_id: outing for outing in running for m in outing.members}
        return Running({outing.outing_id: outing for outing in running}, by_beacon)

    def members(self, outing: Outing) -> Sequence[Member]:
        """Those of an outing who may be judged."""
        load = lambda: [m for m in outing.members if self.consents(m.beacon_id, self._on.clock.now())]  # noqa: E731
        return self._fresh(("members", f"{outing.outing_id}#{outing.version}"), ANSWERS_KEPT_S, load)

    def consents(self, beacon_id: str, now: datetime) -> bool:
        try:
            self.check_consent(beacon_id, now)
        except Rejected:
            return False
        return True

    def _fresh(self, key: tuple[str, str], keep_s: float, load: Callable[[], T]) -> T:
        now = self._on.clock.now()
        kept = self._kept.get(key)
        if kept is not None and timedelta() <= now - kept[0] < timedelta(seconds=keep_s):
            value: T = kept[1]
            return value
        if len(self._kept) > ENTRIES_MAX:
            self._kept.clear()
        loaded = load()
        self._kept[key] = now, loaded
        return loaded


_directories: WeakKeyDictionary[Adapters, Directory] = WeakKeyDictionary()


def directory_of(on: Adapters) -> Directory:
    """The one directory of these adapters, and so of one tenant, in this process."""
    found = _directories.get(on)
    if found is None:
        found = _directories[on] = Directory(on)
    return found


def _or_none(find: Callable[[], T]) -> T | None:
    try:
        return find()
    except NotFound:
        return None
