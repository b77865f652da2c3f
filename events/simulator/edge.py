"""What a scanner or a teacher's phone does with what it hears: a state machine without radio or network.

It is the reference for real devices and the simulator's devices alike. The caller brings scans, the
time and, when it has one, the connection; the edge says which messages to send.

- Only known beacons leave the device: the allow-list it was given, and the watch list.
- A beacon on the watch list goes out after every scan (2 s) on the urgent lane. The others go out
  every `Cadence.ordinary_s` on the ordinary lane. Intervals begin at whole multiples of it on the
  clock, so that what neighbouring scanners say is about the same moment. A scanner reports of each
  beacon the newest scan that heard it: its packets are one scan's packets. A phone adds up all scans
  of its shorter interval, dated at its middle: a departure is judged by how much of it was heard.
- An interval in which a phone heard just the beacons of the one before waits for the next, once, and
  goes out with it: who came or went is told at once, that nobody did half as often.
- An empty message says "alive" when nothing was sent for `Cadence.heartbeat_s`: silence of a living
  scanner is evidence.
- Nothing is lost without a network: messages are kept until acknowledged, 24 h at least, and sent
  again in the order of `seq`. A message means instants, not ages: `payload` counts them from the
  moment it is sent, so a message that waited says the same as one that did not.
"""

import json
import zlib
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

KEEP_MS = 24 * 3600 * 1000
MAX_PACKETS = 255  # what the wire takes for one sighting
MAX_SIGHTINGS = 1000  # in one message: about 40 kB, far below the 128 kB a broker takes


class Lane(StrEnum):
    """Which IoT rule a message is published to."""

    ORDINARY = "ordinary"
    URGENT = "urgent"


@dataclass(frozen=True, slots=True)
class Cadence:
    """Seconds between messages. sums: an ordinary sighting is all scans of the interval, not the newest,
    and an interval that brought no change waits for the next.
    """

    ordinary_s: float = 10.0
    heartbeat_s: float = 30.0
    sums: bool = False

    @property
    def ordinary_ms(self) -> int:
        """`ordinary_s` in whole milliseconds."""
        return round(self.ordinary_s * 1000)


SCANNER = Cadence()
PHONE = Cadence(ordinary_s=4.0, sums=True)


@dataclass(frozen=True, slots=True)
class Heard:
    """One beacon in one scan, or in several. rssi_dbm: mean over the packets; packets: at least 1."""

    beacon_id: str
    at_ms: int
    rssi_dbm: int
    packets: int


@dataclass(frozen=True, slots=True)
class Located:
    """A phone's own position when a message was made."""

    at_ms: int
    lat_deg: float
    lon_deg: float
    accuracy_m: int


@dataclass(frozen=True, slots=True)
class Message:
    """One message to publish. seq: rises by one with each message of a device, over both lanes."""

    seq: int
    lane: Lane
    made_ms: int
    heard: tuple[Heard, ...]
    located: Located | None = None

    @property
    def oldest_ms(self) -> int:
        """The oldest instant it speaks of."""
        located = [self.located.at_ms] if self.located else []
        return min([self.made_ms, *located, *(h.at_ms for h in self.heard)])

    def payload(self, now_ms: int) -> dict[str, Any]:
        """The MQTT payload v1 when it is sent at `now_ms`: ages count from then."""
        body: dict[str, Any] = {
            "v": 1,
            "sent": now_ms,
            "seq": self.seq,
            "s": [[h.beacon_id, now_ms - h.at_ms, h.rssi_dbm, h.packets] for h in self.heard],
        }
        if self.located is not None:
            at = self.located
            body["fix"] = [round(at.lat_deg, 6), round(at.lon_deg, 6), at.accuracy_m, now_ms - at.at_ms]
        return body


def encoded(payload: Mapping[str, Any]) -> bytes:
    """A payload as it travels: JSON, deflated (RFC 1950) where that is shorter."""
    plain = json.dumps(payload, separators=(",", ":")).encode()
    return min(plain, zlib.compress(plain, 9), key=len)


class Edge:
    """One device. Not for threads: whoever owns it calls it from one place."""

    def __init__(
        self, known: Iterable[str], cadence: Cadence = SCANNER, *, now_ms: int, first_seq: int = 1
    ) -> None:
        """known: beacons that may leave the device. now_ms: when it begins to speak, with a heartbeat.

        first_seq: where the device's stored counter stands.
        """
        self._known = frozenset(known)
        self._watched: frozenset[str] = frozenset()
        self._cadence = cadence
        self._seq = first_seq
        self._pending: dict[str, list[Heard]] = {}
        self._waiting: list[Heard] = []
        self._before: set[str] = set()
        self._interval = now_ms // cadence.ordinary_ms
        self._spoke_ms = now_ms - round(cadence.heartbeat_s * 1000)
        self._kept: OrderedDict[int, Message] = OrderedDict()
        self._in_flight: set[int] = set()

    def know(self, known: Iterable[str]) -> None:
        """A new allow-list."""
        self._known = frozenset(known)

    def watch(self, beacons: Iterable[str]) -> None:
        """A new watch list (the retained message on the tenant's watch topic)."""
        self._watched = frozenset(beacons)

    def scanned(self, heard: Sequence[Heard], *, now_ms: int, located: Located | None = None) -> None:
        """Take in one scan, empty or not, and make the messages that are due."""
        urgent = [h for h in heard if h.beacon_id in self._watched]
        if urgent:
            self._make(Lane.URGENT, urgent, now_ms, located)
        for h in heard:
            if h.beacon_id in self._known and h.beacon_id not in self._watched:
                self._pending.setdefault(h.beacon_id, []).append(h)
        interval = now_ms // self._cadence.ordinary_ms
        if interval > self._interval:
            middle_ms = self._interval * self._cadence.ordinary_ms + self._cadence.ordinary_ms // 2
            self._interval = interval
            beacons = self._pending.keys() - self._watched
            pending = [self._report(self._pending[b], middle_ms) for b in sorted(beacons)]
            self._pending.clear()
            if self._cadence.sums and beacons and beacons == self._before and not self._waiting:
                self._waiting = pending
            # A phone's position is news in itself: it is where the group is.
            elif pending or self._waiting or located is not None:
                self._make(Lane.ORDINARY, [*self._waiting, *pending], now_ms, located)
                self._waiting = []
            self._before = set(beacons)
        if now_ms - self._spoke_ms >= self._cadence.heartbeat_s * 1000:
            self._make(Lane.ORDINARY, (), now_ms, located)

    def outbox(self, now_ms: int) -> list[Message]:
        """Messages to send now, in the order of `seq`: new ones, and those a lost connection took along.

        They count as in flight until `acknowledged` or `disconnected`. What was heard more than 24 h ago
        is dropped: nobody takes it any more.
        """
        while self._kept and next(iter(self._kept.values())).oldest_ms < now_ms - KEEP_MS:
            self._in_flight.discard(self._kept.popitem(last=False)[0])
        ready = [m for seq, m in self._kept.items() if seq not in self._in_flight]
        self._in_flight.update(m.seq for m in ready)
        return ready

    def acknowledged(self, seq: int) -> None:
        """The broker has the message (PUBACK). An unknown or repeated one is no error."""
        self._kept.pop(seq, None)
        self._in_flight.discard(seq)

    def disconnected(self) -> None:
        """Whatever was in flight may be lost: send it again when there is a connection."""
        self._in_flight.clear()

    @property
    def waiting(self) -> Collection[int]:
        """`seq` of every message not acknowledged yet."""
        return self._kept.keys()

    def _report(self, scans: Sequence[Heard], middle_ms: int) -> Heard:
        return _sum(scans, middle_ms) if self._cadence.sums else scans[-1]

    def _make(self, lane: Lane, heard: Sequence[Heard], now_ms: int, located: Located | None) -> None:
        parts = [tuple(heard[i : i + MAX_SIGHTINGS]) for i in range(0, len(heard), MAX_SIGHTINGS)] or [()]
        for part in parts:
            self._kept[self._seq] = Message(self._seq, lane, now_ms, part, located)
            self._seq += 1
        self._spoke_ms = now_ms


def _sum(scans: Sequence[Heard], at_ms: int) -> Heard:
    """Several scans of one beacon as one: every packet counts alike."""
    packets = sum(h.packets for h in scans)
    rssi_dbm = round(sum(h.packets * h.rssi_dbm for h in scans) / packets)
    return Heard(scans[0].beacon_id, at_ms, rssi_dbm, min(packets, MAX_PACKETS))
