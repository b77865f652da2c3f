"""What truly happens in one seed: who hears whom when, whose network and clock fail, what is forged."""

import base64
import json
from dataclasses import dataclass, field
from random import Random
from typing import Any

from events.simulator.edge import PHONE, SCANNER, Cadence, Edge, Heard, Located, encoded
from shared.adapters.clock import epoch_ms
from tests.district import CHILDREN, START, District

SCAN_MS = 2_000
LASTS_MS = 52_000
UNCONSENTED = 3
"""The child of each district whose guardian has not consented."""
GARBAGE = (
    b"",
    b"{",
    b"\xff\xfe",
    b"[" * 3000,
    b'{"v":1,"sent":NaN,"seq":1,"s":[]}',
    b'{"v":1,"v":1,"sent":1,"seq":1,"s":[]}',
    b'{"v":1,"sent":1e999,"seq":1,"s":[]}',
    b'{"v":1,"sent":' + b"9" * 400 + b',"seq":1,"s":[]}',
    b'{"v":1,"sent":1,"seq":1,"s":[["b",-5,-60,1]]}',
    b'{"v":1,"sent":1,"seq":1,"s":[["b",5,-60,1]],"tenant":"naru"}',
)


@dataclass
class Device:
    """A thing and its troubles. skew_ms: of its clock; down: (from, to) without network, ms of the script."""

    tenant_id: str
    name: str
    edge: Edge
    is_phone: bool
    skew_ms: int = 0
    down: tuple[int, int] = (0, 0)
    heard_ms: list[int] = field(default_factory=list)

    def is_down(self, at_ms: int) -> bool:
        return self.down[0] <= at_ms < self.down[1]


@dataclass
class Script:
    """departs: (district, child) → ms of the script when it walks away from every phone."""

    rng: Random
    districts: dict[str, District]
    start_ms: int = field(default_factory=lambda: epoch_ms(START) + 5_000)
    departs: dict[tuple[str, int], int] = field(default_factory=dict)
    devices: list[Device] = field(default_factory=list)
    lossy: float = 0.0
    garbage: float = 0.0

    @classmethod
    def drawn(cls, rng: Random, districts: dict[str, District]) -> "Script":
        script = cls(rng, districts)
        script.lossy, script.garbage = rng.choice([0.0, 0.1]), rng.choice([0.0, 0.05])
        if rng.random() < 0.6:
            script.departs[("garam", 0)] = rng.randrange(0, 10_000, 2_000)
        for tenant_id, d in districts.items():
            own = tenant_id == "garam"
            for phone in d.phones[: 2 if own else 1]:
                script._add(d, phone, PHONE)
            for n in range(3 if own else 1):
                script._add(d, d.scanner(n), SCANNER)
        return script

    def _add(self, d: District, name: str, cadence: Cadence) -> None:
        rng, is_phone = self.rng, cadence is PHONE
        known = [d.beacon(n) for n in range(CHILDREN)]
        begins = self.start_ms - rng.randrange(round(cadence.ordinary_s * 1000))
        device = Device(d.tenant_id, name, Edge(known, cadence, now_ms=begins), is_phone)
        if not is_phone and rng.random() < 0.25:
            device.skew_ms = rng.choice([-600_000, 600_000, -90_000, 31_536_000_000, -self.start_ms])
        if rng.random() < 0.2:
            began = rng.randrange(0, LASTS_MS, SCAN_MS)
            device.down = (began, began + rng.choice([4_000, 12_000, LASTS_MS]))
        self.devices.append(device)

    def scan(self, at_ms: int) -> None:
        """Every device listens for two seconds up to `at_ms` of the script."""
        now_ms, rng = self.start_ms + at_ms, self.rng
        for device in self.devices:
            middle_ms = now_ms - SCAN_MS // 2
            heard = [
                Heard(beacon, middle_ms + device.skew_ms, rssi_dbm, rng.randint(5, 10))
                for beacon, rssi_dbm in self._hears(device, at_ms)
            ]
            if heard:
                device.heard_ms.append(middle_ms)
            located = Located(middle_ms + device.skew_ms, 37.478, 126.951, 5) if device.is_phone else None
            device.edge.scanned(heard, now_ms=now_ms + device.skew_ms, located=located)

    def _hears(self, device: Device, at_ms: int) -> list[tuple[str, int]]:
        rng, d = self.rng, self.districts[device.tenant_id]
        found = []
        for n in range(CHILDREN):
            gone_ms = at_ms - self.departs.get((device.tenant_id, n), LASTS_MS * 9)
            if device.is_phone and gone_ms < 0:
                found.append((d.beacon(n), rng.randint(-66, -55)))
            elif device.is_phone and gone_ms < 10_000:  # walking away
                found.append((d.beacon(n), -80 - gone_ms // 1000))
            elif not device.is_phone and rng.random() < 0.6:
                found.append((d.beacon(n), rng.randint(-90, -65)))
        if device.tenant_id != "garam":  # a child of the neighbour's, who has crossed over
            gone_ms = self.departs.get(("garam", 0), LASTS_MS * 9)
            if not device.is_phone and at_ms > gone_ms + 10_000:
                found.append((self.districts["garam"].beacon(0), -72))
        return found

    def published(self, at_ms: int) -> list[tuple[Device, bytes]]:
        """What reaches the broker now; some of it is lost with its connection, some is sent twice."""
        now_ms, out = self.start_ms + at_ms, []
        for device in self.devices:
            if device.is_down(at_ms):
                device.edge.disconnected()
                continue
            for message in device.edge.outbox(now_ms + device.skew_ms):
                lost = self.rng.random() < self.lossy
                payload = encoded(message.payload(now_ms + device.skew_ms))
                if not lost or self.rng.random() < 0.5:
                    out.append((device, payload))
                if lost:  # neither side knows whether it arrived: sent again
                    device.edge.disconnected()
                else:
                    device.edge.acknowledged(message.seq)
        return out

    def body(self, device: Device, payload: bytes, at_ms: int, **other: Any) -> str:
        """The queue body the rule makes of it."""
        said = {
            "payload": base64.b64encode(payload).decode(),
            "tenant": device.tenant_id,
            "thing": device.name,
            "client": device.name,
            "received_ms": self.start_ms + at_ms + self.rng.randrange(40, 200),
        }
        return json.dumps(said | other)
