"""A small district in memory, and the messages its devices send: what many tests build first."""

import base64
import itertools
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.adapters.clock import ManualClock, epoch_ms
from shared.adapters.memory import MemoryCloud
from shared.adapters.wiring import Adapters, memory_adapters
from shared.domain.geo import Area, LatLon, Plane
from shared.domain.outing import Member, Outing, OutingState
from shared.domain.places import Child, Consent, Facility, Phone, Policy, Scanner, Status, Tenant

START = datetime(2026, 5, 12, 1, 0, tzinfo=UTC)  # ten in the morning in Seoul
HOME = LatLon(37.478, 126.951)
CHILDREN = 4
SCANNERS = 6


def near(x_m: float, y_m: float) -> LatLon:
    """A place by metres east and north of the daycare."""
    return Plane(HOME).to_latlon(x_m, y_m)


@dataclass
class District:
    """One tenant with scanners 40 m apart, two teachers' phones, children, and a way to open an outing."""

    on: Callable[[str], Adapters]
    clock: ManualClock
    world: MemoryCloud
    tenant_id: str = "garam"
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    @property
    def adapters(self) -> Adapters:
        return self.on(self.tenant_id)

    @property
    def phones(self) -> tuple[str, ...]:
        return tuple(f"{self.tenant_id}-p-{n:03d}" for n in range(2))

    def scanner(self, n: int) -> str:
        return f"{self.tenant_id}-s-{n:03d}"

    def beacon(self, n: int) -> str:
        return f"{self.tenant_id}-b-{n:03d}"

    def member(self, n: int) -> Member:
        return Member(f"{self.tenant_id}-c-{n:03d}", self.beacon(n), f"{n:02d}")

    def people(self, policy: Policy | None = None, *, consent: Consent | None = None) -> "District":
        """Register everybody."""
        consent = consent or Consent(START - timedelta(days=30))
        t = self.tenant_id
        self.adapters.registry.put(
            Tenant(t, "가람구", Area((near(-999, -999), near(999, -999), near(0, 999))), policy or Policy()),
            Facility(f"{t}-f", "가람어린이집", HOME),
            *(Scanner(self.scanner(n), near(40 * (n % 3), 40 * (n // 3))) for n in range(SCANNERS)),
            *(Phone(each, f"{t}-f", "김선생", endpoint=f"endpoint/{each}") for each in self.phones),
            *(
                Child(f"{t}-c-{n:03d}", f"{t}-f", "아이", f"{n:02d}", self.beacon(n), 4, consent=consent)
                for n in range(CHILDREN)
            ),
        )
        return self

    def outing(self, outing_id: str = "outing-1", *, phones: Sequence[str] | None = None) -> Outing:
        """Start an outing with all children now."""
        return self.adapters.outings.save(
            Outing(
                outing_id=outing_id,
                tenant_id=self.tenant_id,
                facility_id=f"{self.tenant_id}-f",
                status=Status.ACTUAL,
                state=OutingState.RUNNING,
                started_at=self.clock.now(),
                started_by="teacher",
                phones=tuple(phones if phones is not None else self.phones),
                members=tuple(self.member(n) for n in range(CHILDREN)),
            )
        )

    def message(
        self,
        thing: str,
        heard: Iterable[tuple[str, int, int, int]] = (),
        *,
        fix: tuple[float, float, float, int] | None = None,
        at_s: float = 0.0,
        **other: Any,
    ) -> dict[str, Any]:
        """A queue record of one message that `thing` sent `at_s` seconds after START."""
        sent = epoch_ms(START) + round(at_s * 1000)
        said: dict[str, Any] = {"v": 1, "sent": sent, "seq": 1, "s": [list(each) for each in heard]}
        if fix:
            said["fix"] = list(fix)
        return self.record(thing, json.dumps(said | other).encode(), at_s=at_s)

    def record(self, thing: str, payload: bytes, /, *, at_s: float = 0.0, **other: Any) -> dict[str, Any]:
        """A queue record with any payload; `other` replaces what the rule would say."""
        body = {
            "payload": base64.b64encode(payload).decode(),
            "tenant": self.tenant_id,
            "thing": thing,
            "client": thing,
            "received_ms": epoch_ms(START) + round(at_s * 1000) + 50,
        }
        return {"messageId": f"m-{next(self._numbers):04d}", "body": json.dumps(body | other)}


def district(tenant_id: str = "garam") -> District:
    """A fresh world with its clock at START and nobody registered."""
    clock = ManualClock(START)
    world = MemoryCloud(clock)
    return District(memory_adapters(world), clock, world, tenant_id)
