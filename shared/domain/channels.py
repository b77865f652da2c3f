"""Ways to tell a person, in the order a tenant wants them tried; and what became of telling them. Pure.

An alert is one thing told to one person about one case: told once, by whichever way works first, however
often the task that tells it runs, and however many ways the person has.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256

from shared.domain.errors import Rejected
from shared.domain.places import Contact, Phone, Policy

PUSH, WEB_PUSH, SMS, VOICE, EMAIL, TOPIC = "push", "web-push", "sms", "voice", "email", "topic"
ORDERED = (PUSH, WEB_PUSH, SMS, VOICE, EMAIL)
"""Ways a tenant may put into an order of its own; the control room's topic is always told."""

GIVE_UP_AFTER = timedelta(minutes=30)
"""Somebody nobody could tell for so long is left to people; the timeline says so."""


@dataclass(frozen=True, slots=True)
class Address:
    """One way to one person. to: what the channel needs: an endpoint, a subscription, or a contact's id.

    Numbers and mail addresses stay in the registry; the channel fetches them when it sends.
    """

    channel: str
    to: str


@dataclass(frozen=True, slots=True)
class Recipient:
    """Somebody who is told. recipient_id: a phone's or a contact's id; opaque, fit for a record."""

    recipient_id: str
    addresses: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try by one channel. outcome, reason, receipt: as in `ports.Delivery`."""

    channel: str
    outcome: str
    at: datetime
    receipt: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Alert:
    """What one person was told about one case. read_at: when somebody opened it, as the reader's app says."""

    alert_id: str
    case_id: str
    code: str
    recipient_id: str
    since: datetime
    attempts: tuple[Attempt, ...] = ()
    read_at: datetime | None = None
    read_by: str = ""

    @property
    def reached(self) -> bool:
        """Whether a provider took it."""
        return any(each.outcome == "sent" for each in self.attempts)

    def is_settled(self, now: datetime) -> bool:
        """Whether there is nothing more to try: it arrived, nobody is there, or it is too long ago."""
        newest = {each.channel: each.outcome for each in self.attempts}
        hopeless = bool(newest) and not {"failed", "down"} & set(newest.values())
        return self.reached or hopeless or now - self.since >= GIVE_UP_AFTER


def alert_id(case_id: str, code: str, recipient_id: str) -> str:
    """The alert's opaque id: the same for the same person and message, so that a repeat is no second one."""
    return f"{case_id}.{sha256(f'{case_id}:{code}:{recipient_id}'.encode()).hexdigest()[:16]}"


def case_of(opaque_id: str) -> str:
    """The case an alert's id belongs to."""
    return opaque_id.rpartition(".")[0]


def attempted(alert: Alert, tries: Sequence[Attempt]) -> Alert:
    """The alert after further attempts; of each channel the newest is kept."""
    newest = {each.channel: each for each in (*alert.attempts, *tries)}
    return replace(alert, attempts=tuple(newest.values()))


def of_phone(phone: Phone) -> Recipient:
    """A teacher's phone: its app or its page, and the number behind it where one is registered."""
    addresses: tuple[Address, ...] = ()
    if phone.endpoint:
        addresses = (Address(WEB_PUSH if phone.platform == "web" else PUSH, phone.endpoint),)
    if phone.contact_id:
        addresses = (*addresses, *(Address(way, phone.contact_id) for way in (SMS, VOICE, EMAIL)))
    return Recipient(phone.phone_id, addresses)


def of_contact(contact: Contact) -> Recipient:
    """Somebody who is reached by number or by mail."""
    ways = [SMS, VOICE] if contact.mobile else []
    ways += [EMAIL] if contact.email else []
    return Recipient(contact.contact_id, tuple(Address(way, contact.contact_id) for way in ways))


def in_order(recipient: Recipient, policy: Policy) -> tuple[Address, ...]:
    """The recipient's addresses as the tenant wants them tried; ways it does not want are left out."""
    rank = {way: n for n, way in enumerate((TOPIC, *policy.channels))}
    wanted = [address for address in recipient.addresses if address.channel in rank]
    return tuple(sorted(wanted, key=lambda address: rank[address.channel]))


def ordered(channels: Collection[str]) -> tuple[str, ...]:
    """A tenant's order of ways. Rejected when it is empty, names one twice, or one there is not."""
    if not channels or len(set(channels)) != len(channels) or set(channels) - set(ORDERED):
        raise Rejected("policy-channels", known=", ".join(ORDERED))
    return tuple(channels)


def health(alerts: Sequence[Alert]) -> Mapping[str, Attempt]:
    """Channel → its newest attempt in a case: what an operator sees of whether a channel works."""
    attempts = sorted((each for alert in alerts for each in alert.attempts), key=lambda each: each.at)
    return {each.channel: each for each in attempts}
