"""What goes wrong, by the seed: calls that fail before or after their effect, crashes, other writers."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError

from shared.adapters.memory import MemoryCloud
from shared.adapters.wiring import MemoryAdapters
from shared.ports import Delivery, Message


class CrashError(BaseException):
    """The process died here: nothing of ours may catch it."""


class Faults:
    """The dice. `calm` stops everything from going wrong; what happened is in `fired`."""

    def __init__(self, rng: Random, *, crash: float, throttle: float, lost_reply: float, busy: float) -> None:
        self._rng = rng
        self._crash, self._throttle, self._lost_reply, self._busy = crash, throttle, lost_reply, busy
        self.calm = False
        self.meanwhile: list[Callable[[], None]] = []
        """Other invocations, each run between two steps of the one at work."""

    @classmethod
    def drawn(cls, rng: Random) -> "Faults":
        """A climate for one seed: each kind is absent, rare or common."""
        some = (0.0, 0.02, 0.1)
        return cls(
            rng,
            crash=rng.choice(some) / 2,
            throttle=rng.choice(some),
            lost_reply=rng.choice(some),
            busy=rng.choice(some),
        )

    def before(self) -> None:
        """A call is about to be made."""
        if self.meanwhile and self._rng.random() < 0.5:
            self.meanwhile.pop()()
        if self._hit(self._crash):
            raise CrashError
        if self._hit(self._throttle):
            raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "slow down"}}, "Any")

    def after(self) -> None:
        """A call has taken effect."""
        if self._hit(self._crash):
            raise CrashError
        if self._hit(self._lost_reply):
            raise ReadTimeoutError(endpoint_url="https://dynamodb.test")

    def busy(self) -> bool:
        """Whether one statement of a batch is not carried out."""
        return self._hit(self._busy)

    def _hit(self, chance: float) -> bool:
        return not self.calm and self._rng.random() < chance


class FaultyTracking:
    """Tracking whose calls go through the dice; a batch may also be carried out in part."""

    def __init__(self, tracking: Any, faults: Faults) -> None:
        self._tracking, self._faults = tracking, faults

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._tracking, name)
        if not callable(found):
            return found

        def call(*given: Any, **named: Any) -> Any:
            self._faults.before()
            answer = found(*given, **named)
            self._faults.after()
            return answer

        return call

    def save(self, tracks: Any, **named: Any) -> list[Any]:
        self._faults.before()
        busy = [track for track in tracks if self._faults.busy()]
        lost: list[Any] = self._tracking.save([t for t in tracks if t not in busy], **named)
        self._faults.after()
        return lost + busy


class FaultyChannel:
    """A channel that refuses some messages, and then says so."""

    def __init__(self, channel: Any, faults: Faults) -> None:
        self._channel, self._faults = channel, faults

    def send(self, message: Message) -> Delivery:
        if self._faults.busy():
            return Delivery(message.key, message.kind, "failed", reason="Throttled")
        delivery: Delivery = self._channel.send(message)
        return delivery


class Process:
    """One warm execution environment: its adapters and what they remember die with it."""

    def __init__(self, cloud: MemoryCloud, faults: Faults) -> None:
        self._cloud, self._faults = cloud, faults
        self._adapters: dict[str, MemoryAdapters] = {}

    def __call__(self, tenant_id: str) -> MemoryAdapters:
        if tenant_id not in self._adapters:
            made = MemoryAdapters(tenant_id, self._cloud)
            made.__dict__["tracking"] = FaultyTracking(made.tracking, self._faults)
            made.__dict__["push"] = FaultyChannel(made.push, self._faults)
            self._adapters[tenant_id] = made
        return self._adapters[tenant_id]

    def restart(self) -> None:
        self._adapters.clear()


@contextmanager
def survived() -> Iterator[list[str]]:
    """Note what a failed invocation died of, as the platform does, and go on."""
    died: list[str] = []
    try:
        yield died
    except (CrashError, ClientError, ReadTimeoutError, RuntimeError, TimeoutError) as error:
        died.append(type(error).__name__)
