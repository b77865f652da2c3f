"""What the rooms above need from outside, as Protocols. Each has an AWS adapter and an in-memory twin.

An adapter is born for one tenant, so no call can forget it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

from shared.domain import audit
from shared.domain.case import Case, Entry
from shared.domain.channels import Alert
from shared.domain.drill import Drill
from shared.domain.ephemeral_id import Issued, Tag
from shared.domain.geo import Area, LatLon
from shared.domain.guardian import Guardianship, Link, Owed
from shared.domain.handover import InformationRequest, LedgerCheck, PoliceLink
from shared.domain.outing import Outing
from shared.domain.places import Agreement, Camera, Child, Contact, Facility, Phone, Scanner, Tenant
from shared.domain.proximity import PhoneTrack as PhoneTrack  # noqa: PLC0414  part of this vocabulary
from shared.domain.retention import Destroyed, Hold
from shared.domain.sharing import Share
from shared.domain.sighting import Heard, Window
from shared.domain.streets import Street


class Clock(Protocol):
    """Now, and the instant a wall-clock stamp means (they differ only in a simulated city)."""

    def now(self) -> datetime:
        """Now, aware UTC."""
        ...

    def from_wall_ms(self, wall_ms: int) -> int:
        """Epoch ms of the scenario for an epoch ms of the wall clock (an IoT receipt stamp)."""
        ...


class Registry(Protocol):
    """Who and where, for one tenant. NotFound when it is not there."""

    def tenant(self) -> Tenant: ...
    def facility(self, facility_id: str) -> Facility: ...
    def facilities(self) -> Sequence[Facility]: ...
    def scanners(self) -> Sequence[Scanner]: ...
    def cameras(self) -> Sequence[Camera]: ...
    def children(self, facility_id: str) -> Sequence[Child]: ...
    def child(self, child_id: str) -> Child: ...
    def child_of_beacon(self, beacon_id: str) -> Child: ...
    def phone(self, phone_id: str) -> Phone: ...
    def phones(self, facility_id: str) -> Sequence[Phone]: ...
    def contact(self, contact_id: str) -> Contact: ...
    def contacts(self) -> Sequence[Contact]: ...
    def agreements(self) -> Sequence[Agreement]: ...
    def streets(self, around: LatLon) -> Sequence[Street]:
        """The streets within 450 m and somewhat further; empty where none were given."""
        ...

    def put(
        self,
        *records: Tenant | Facility | Scanner | Camera | Child | Phone | Contact | Agreement | Street,
    ) -> None:
        """Store or replace records of this tenant. ValueError for a tenant record of another."""
        ...


class Guardians(Protocol):
    """A tenant's guardians: forms and contacts, links that need no sign-in, and what is owed to them."""

    def of(self, subject_id: str) -> Guardianship:
        """The subject's guardian; an empty one with version 0 when nothing is stored."""
        ...

    def save(self, guardianship: Guardianship) -> Guardianship:
        """Store with version + 1. Conflict when overtaken."""
        ...

    def link(self, secret: str) -> Link:
        """What a secret opens, dead or alive; NotFound for one that was never issued."""
        ...

    def put_link(self, secret: str, link: Link) -> None:
        """Store what a secret opens; of the secret only its digest is kept."""
        ...

    def owe(self, owed: Owed) -> None: ...
    def settle(self, owed: Owed) -> None:
        """It is done, or owed at another time from now on: take it from the list."""
        ...

    def owed(self) -> Sequence[Owed]:
        """Everything, in the order in which to look at it."""
        ...

    def due(self, now: datetime) -> Sequence[Owed]:
        """What to look at by `now`, in order."""
        ...


class Outings(Protocol):
    """A tenant's outings."""

    def get(self, outing_id: str) -> Outing: ...
    def running(self) -> Sequence[Outing]: ...
    def save(self, outing: Outing) -> Outing:
        """Store with version + 1. Conflict if somebody stored a newer one since it was read."""
        ...


@dataclass(frozen=True, slots=True)
class Track:
    """What is stored about one beacon by itself. version: 0 when never stored.

    window: of a beacon on the watch list, all that heard it, neighbours too. sources: keys, as of `key_of`,
    of the tracks that know it, if it was heard while on no outing.
    """

    beacon_id: str
    window: Window = field(default_factory=Window)
    sources: frozenset[str] = frozenset()
    version: int = 0


@dataclass(frozen=True, slots=True)
class ScannerTrack:
    """What one scanner heard, of beacons that are not on the watch list. version: 0 when never stored."""

    scanner_id: str
    heard: Heard = field(default_factory=dict)
    version: int = 0


@dataclass(frozen=True, slots=True)
class GroupTrack:
    """What is noted about an outing. version: 0 when never stored.

    alarms: bookkeeping of departure alarms, by beacon, only of those that are not quiet. sources: keys, as
    of `key_of`, of the tracks that know any of its beacons, its own phones' left out.
    """

    outing_id: str
    alarms: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    sources: frozenset[str] = frozenset()
    version: int = 0


AnyTrack = Track | PhoneTrack | ScannerTrack | GroupTrack


def key_of(track: AnyTrack) -> str:
    """What a track is known by within its tenant: its kind and its id."""
    match track:
        case PhoneTrack():
            return f"phone#{track.phone_id}"
        case ScannerTrack():
            return f"scanner#{track.scanner_id}"
        case GroupTrack():
            return f"outing#{track.outing_id}"
        case Track():
            return f"beacon#{track.beacon_id}"


@dataclass(frozen=True, slots=True)
class Tracks:
    """What one read of tracks brought, by id. What was never stored comes back empty with version 0."""

    beacons: Mapping[str, Track] = field(default_factory=dict)
    phones: Mapping[str, PhoneTrack] = field(default_factory=dict)
    scanners: Mapping[str, ScannerTrack] = field(default_factory=dict)
    groups: Mapping[str, GroupTrack] = field(default_factory=dict)

    @property
    def sources(self) -> Sequence[PhoneTrack | ScannerTrack]:
        """Whatever hears."""
        return [*self.phones.values(), *self.scanners.values()]

    @property
    def noted(self) -> Sequence[Track | GroupTrack]:
        """Whatever says who heard."""
        return [*self.beacons.values(), *self.groups.values()]


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A message that was not accepted, and why. body: base64 of what arrived, cut to 4 KB."""

    message_id: str
    received_ms: int
    thing: str
    reason: str
    body: str


class Tracking(Protocol):
    """What a tenant's phones and scanners heard, its alarms, heartbeats and quarantine."""

    @property
    def write_units(self) -> int:
        """Write units spent through this adapter, by size; a write that lost its condition costs too."""
        ...

    def read(
        self,
        *,
        beacons: Iterable[str] = (),
        phones: Iterable[str] = (),
        scanners: Iterable[str] = (),
        groups: Iterable[str] = (),
    ) -> Tracks:
        """Everything asked for, in one call for a hundred of them."""
        ...

    def save(self, tracks: Sequence[AnyTrack], *, now: datetime) -> list[AnyTrack]:
        """Store each if its version is still the one that was read. Returns those that lost."""
        ...

    def heartbeat(self, seen_ms: Mapping[str, int]) -> None:
        """scanner_id → newest time it reported; never moves backwards."""
        ...

    def heartbeats(self) -> dict[str, int]: ...
    def quarantine(self, messages: Sequence[Quarantined], *, now: datetime) -> None: ...
    def quarantined(self, limit: int = 100) -> Sequence[Quarantined]:
        """Newest first."""
        ...

    def forget(self, beacon_ids: Collection[str]) -> None:
        """Delete what is stored about beacons by themselves: the outing is over, or consent ended."""
        ...


class Cases(Protocol):
    """A tenant's cases, each with its append-only timeline."""

    def get(self, case_id: str) -> Case: ...
    def open_cases(self) -> Sequence[Case]: ...
    def recent(self, since: datetime) -> Sequence[Case]:
        """Open ones, and those opened or closed since."""
        ...

    def listed(self, since: datetime) -> Sequence[str]:
        """Ids of the same, by the lists that name them: also of a case that is gone and should not be."""
        ...

    def open_case_of(self, subject_id: str) -> Case | None: ...
    def of_subject(self, subject_id: str) -> Sequence[Case]:
        """All cases there were about somebody, oldest first."""
        ...

    def create(self, case: Case, entries: Sequence[Entry]) -> Case:
        """Conflict(case_id=…) when the subject has an open case already: one per subject."""
        ...

    def save(self, case: Case, entries: Sequence[Entry]) -> Case:
        """Store with version + 1 and append entries, in one transaction. Conflict when overtaken."""
        ...

    def timeline(self, case_id: str, after_seq: int = 0) -> Sequence[Entry]: ...
    def forget_places(self, case_id: str) -> int:
        """Destroy the coordinates of a case's lines; their digests stay and the chain holds. How many."""
        ...

    def forget(self, case: Case) -> int:
        """Destroy a closed case, its timeline and every pointer to it. Returns how many items."""
        ...

    def remember(self, case_id: str, key: str, answer: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The answer already stored under an idempotency key, or None after storing this one."""
        ...


@dataclass(frozen=True, slots=True)
class Watched:
    """A beacon everybody listens for now. owner_id: the tenant whose case it is.

    deaf: scanners and phones that a drill takes as silent for this beacon.
    """

    beacon_id: str
    case_id: str
    owner_id: str
    until: datetime | None
    deaf: tuple[str, ...] = ()


class Drills(Protocol):
    """A tenant's drills; one at a time is under way."""

    def get(self, drill_id: str) -> Drill: ...
    def several(self) -> Sequence[Drill]:
        """All of them, by the time they were planned for."""
        ...

    def under_way(self) -> Drill | None:
        """The one that runs or stands still."""
        ...

    def save(self, drill: Drill) -> Drill:
        """Store with version + 1. Conflict when overtaken, or while another is under way."""
        ...


class WatchList(Protocol):
    """Beacons of this tenant's open cases and of cases shared with it."""

    def entries(self) -> Sequence[Watched]: ...
    def add(self, watched: Watched) -> None: ...
    def remove(self, beacon_id: str) -> None: ...


class Shares(Protocol):
    """The sharing desk: the only adapter that writes for two tenants. Born for the acting one."""

    def of_case(self, case_id: str) -> Sequence[Share]:
        """What this tenant, as owner, offered."""
        ...

    def inbox(self) -> Sequence[Share]:
        """What others offered to this tenant, decided or not."""
        ...

    def received(self, owner_id: str, case_id: str) -> Share:
        """One offer to this tenant; NotFound when there is none."""
        ...

    def save(self, share: Share) -> Share:
        """Store on both sides in one transaction. Conflict when overtaken."""
        ...


class Workflow(Protocol):
    """The case's Step Functions execution."""

    def start(self, case: Case, round_no: int = 0) -> None:
        """Start it; starting the same case and round twice is one start."""
        ...

    def revive(self, case: Case) -> bool:
        """Start it anew if it does not run though it should: it was stopped, or lost. Whether it was."""
        ...

    def wake(self, case_id: str) -> None:
        """There is news: let the waiting state go on. Nothing waiting is no error."""
        ...


@dataclass(frozen=True, slots=True)
class Message:
    """Something to tell one subject. No personal field: an opaque id, fetched after sign-in.

    kind: whom it is for ("push", "operators", "duty", "police", "guardian"); via: the channel's name;
    to: endpoint, topic, address, or the id of a contact; key: idempotency key.
    """

    kind: str
    to: str
    key: str
    status: str
    body: Mapping[str, Any]
    via: str = ""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of a message. receipt: the channel's id of it.

    outcome: "sent"; "failed": this one was refused; "down": the channel does not work just now;
    "endpoint-gone": this address never will; "withheld": it may not or cannot go this way.
    """

    key: str
    kind: str
    outcome: str
    receipt: str = ""
    reason: str = ""


class Channel(Protocol):
    """One way to tell somebody. Never raises for a dead receiver: it returns what became of it."""

    def send(self, message: Message) -> Delivery: ...


class Alerts(Protocol):
    """What each person was told about a tenant's cases, with delivery and read receipts."""

    def save(self, alerts: Sequence[Alert]) -> None:
        """Store or replace what was tried; a read receipt that came meanwhile stays."""
        ...

    def of_case(self, case_id: str) -> Sequence[Alert]: ...
    def get(self, alert_id: str) -> Alert:
        """NotFound when there is none."""
        ...

    def read(self, alert_id: str, by: str, at: datetime) -> Alert:
        """Somebody opened it; only the first reading counts. NotFound when there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Group:
    """One outing on the map. state: worst member, 0 with, 1 warned, 2 departed, 3 unknown."""

    outing_id: str
    where: LatLon
    children: int
    state: int


@dataclass(frozen=True, slots=True)
class LiveAddress:
    """Where a screen listens. url: signed, a secret while it lasts."""

    url: str
    client_id: str
    topics: Mapping[str, str]
    expires_in_s: int


class Live(Protocol):
    """What a tenant's screens hear. It only hastens: screens also ask the API, so telling never raises."""

    def tell(self, kind: str, id: str, version: int) -> None:  # noqa: A002
        """Say that a "case", "outing", "offer", "scanner" or "drill" changed; never what changed."""
        ...

    def frame(self, groups: Sequence[Group], *, boundary: Area, at: datetime) -> None:
        """Show where the outing groups are."""
        ...

    def address(self, actor_id: str) -> LiveAddress:
        """A short-lived address to listen at. NotFound when none is configured."""
        ...


@dataclass(frozen=True, slots=True)
class Access:
    """A person read something about a subject: who, when, from where, whose, what, for which purpose.

    actor_tenant_id: the neighbour's, when a share was read. what: the API operation. source: network
    address. purpose: "case:<id>" or "outing:<id>". access_id: the request that read it. basis: the legal
    ground, a code. reason: in the reader's words, where one is asked for (a download, a broken glass).
    """

    access_id: str
    at: datetime
    actor_id: str
    actor_tenant_id: str
    role: str
    source: str
    subject_id: str
    what: str
    purpose: str
    basis: str = ""
    reason: str = ""


AccessBy = Literal["subject", "actor", "purpose"]
"""What the log is searched by: whose data, who read, for which case or outing."""


class AccessLog(Protocol):
    """Who read what about whom in this tenant's data. Append-only, each line chained to the one before."""

    def record(self, access: Access) -> None:
        """Append; the same reader, subject, purpose and operation within a minute are one line."""
        ...

    def since(self, at: datetime) -> Sequence[Access]:
        """From the minute of `at` on, oldest first."""
        ...

    def of(self, by: AccessBy, value: str, since: datetime) -> Sequence[Access]:
        """The lines about one child, by one person or for one purpose, oldest first."""
        ...

    def lines(self, since: datetime) -> Sequence[audit.Line]:
        """The chain as it is stored, from the minute of `since` on, for `shared.domain.audit.faults`."""
        ...

    def end(self) -> audit.Link: ...


class Records(Protocol):
    """Legal holds on cases, and certificates of what was destroyed."""

    def hold(self, hold: Hold) -> None: ...
    def lift(self, case_id: str) -> None: ...
    def holds(self) -> Sequence[Hold]: ...
    def certify(self, destroyed: Destroyed) -> None: ...
    def certificates(self) -> Sequence[Destroyed]:
        """Oldest first."""
        ...


class Anchors(Protocol):
    """The log's end, day by day, where nobody can write twice."""

    def put(self, anchor: audit.Anchor) -> None: ...
    def all(self) -> Sequence[audit.Anchor]:
        """Oldest first; of two on one day the first."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What an idempotent request was answered with. body: JSON."""

    status: int
    body: str


class Answers(Protocol):
    """Answers to writes, by idempotency key, for a day."""

    def begin(self, key: str, request: str, *, now: datetime) -> Answer | None:
        """The answer given before, or None: then the caller does it and calls `finish` or `abandon`.

        request: digest of what is asked. Conflict while another does the same, or when the key
        was used for another request.
        """
        ...

    def finish(self, key: str, request: str, answer: Answer, *, now: datetime) -> None: ...
    def abandon(self, key: str) -> None:
        """It failed: the next attempt starts afresh."""
        ...


class Devices(Protocol):
    """Where a phone is reached: the push provider's endpoints."""

    def endpoint(self, phone_id: str, push_token: str) -> str:
        """The endpoint of this phone and token, enabled; made when there is none."""
        ...

    def push_key(self) -> str:
        """The public key a browser subscribes to this tenant's web push with (RFC 8292), base64url."""
        ...


class PoliceDesk(Protocol):
    """What a tenant gave its police, and what they asked for."""

    def keep(self, case_id: str, version: int, record: str, *, until: datetime) -> str:
        """Store a hand-over's JSON unless that version is there; returns what is stored."""
        ...

    def handover(self, case_id: str, version: int) -> str:
        """A version as it was made. NotFound when there is none, or its time is over."""
        ...

    def forget(self, case_id: str) -> None:
        """Destroy a case's stored hand-overs; that and to whom they went stays on the timeline."""
        ...

    def link(self, link_id: str) -> PoliceLink: ...
    def links(self, case_id: str) -> Sequence[PoliceLink]: ...
    def save_link(self, link: PoliceLink) -> PoliceLink:
        """Store with version + 1. Conflict when overtaken."""
        ...

    def request(self, request_id: str) -> InformationRequest: ...
    def requests(self, since: datetime, until: datetime) -> Sequence[InformationRequest]:
        """Received in that time, oldest first."""
        ...

    def save_request(self, request: InformationRequest) -> InformationRequest:
        """Store with version + 1. Conflict when overtaken."""
        ...

    def save_check(self, check: LedgerCheck) -> None:
        """Keep what a check of the request ledger found."""
        ...

    def checks(self, year: int) -> Sequence[LedgerCheck]:
        """The checks of a year's ledger, oldest first."""
        ...


class Vault(Protocol):
    """Personal fields of one tenant, sealed under a key for each subject ("child#<id>", "contact#<id>" …)."""

    def seal(self, subject: str, field: str, text: str) -> str:
        """What may be stored. The subject's key is made when there is none."""
        ...

    def open(self, subject: str, field: str, sealed: str) -> str:
        """The text again. NotFound(key-shredded); ValueError for another's or a changed one."""
        ...

    def fetch(self, subjects: Collection[str]) -> None:
        """Have the keys of many subjects at hand before opening one by one."""
        ...

    def shred(self, subject: str) -> None:
        """Forget one: nothing sealed for it opens again, in no backup either."""
        ...

    def shred_all(self) -> None:
        """Forget the tenant."""
        ...

    def rotate(self) -> int:
        """Wrap every subject's key anew under a fresh key of the tenant's. Returns how many."""
        ...


class Tags(Protocol):
    """A tenant's beacons whose ids rotate (`shared/domain/ephemeral_id.py`)."""

    def put(self, tags: Sequence[Tag]) -> None:
        """Provision or re-sync. The next sweep works their ids out."""
        ...

    def issue(self, windows: Collection[int]) -> int:
        """Work out the ids of these windows where that is not done yet. Returns how many ids."""
        ...

    def ids(self, window: int) -> Mapping[str, Issued]:
        """The ids that begin in a window, by id; {} before they were issued."""
        ...
