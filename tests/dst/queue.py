"""A standard queue with a dead-letter queue: at least once, in any order, sometimes late, sometimes twice."""

from dataclasses import dataclass, field
from random import Random
from typing import Any

MAX_RECEIVES = 3
HIDDEN_MS = 3_000


@dataclass
class Waiting:
    """One message. at_ms: when it may be received (again)."""

    message_id: str
    body: str
    at_ms: int
    receives: int = 0

    @property
    def record(self) -> dict[str, Any]:
        return {"messageId": self.message_id, "body": self.body}


@dataclass
class Queue:
    """Its faults come from `rng`; `calm` stops them."""

    rng: Random
    late: float
    twice: float
    undeleted: float
    calm: bool = False
    waiting: list[Waiting] = field(default_factory=list)
    dead: list[Waiting] = field(default_factory=list)
    sent: int = 0
    most_receives: int = 0

    def send(self, body: str, now_ms: int) -> str:
        """Take a message; its id."""
        self.sent += 1
        message_id = f"m-{self.sent:04d}"
        delay_ms = self.rng.randrange(200)
        if not self.calm and self.rng.random() < self.late:
            delay_ms = self.rng.choice([3_000, 15_000, 90_000])
        self.waiting.append(Waiting(message_id, body, now_ms + delay_ms))
        if not self.calm and self.rng.random() < self.twice:
            self.waiting.append(Waiting(message_id, body, now_ms + delay_ms + self.rng.randrange(9_000)))
        return message_id

    def receive(self, now_ms: int) -> list[Waiting]:
        """A batch of what may be received now, in any order; [] when there is nothing."""
        ready = [each for each in self.waiting if each.at_ms <= now_ms]
        for each in [each for each in ready if each.receives >= MAX_RECEIVES]:
            ready.remove(each)
            self.waiting.remove(each)
            self.dead.append(each)
        self.rng.shuffle(ready)
        batch: dict[str, Waiting] = {}
        for each in ready[: self.rng.choice([1, 4, 12, 100])]:
            batch.setdefault(each.message_id, each)  # a batch names a message once
        for each in batch.values():
            each.receives += 1
            self.most_receives = max(self.most_receives, each.receives)
            each.at_ms = now_ms + HIDDEN_MS
        return list(batch.values())

    def finished(self, batch: list[Waiting], failed: set[str]) -> None:
        """What the platform does after an invocation: delete what did not fail."""
        for each in batch:
            if each.message_id not in failed and (self.calm or self.rng.random() >= self.undeleted):
                self.waiting.remove(each)

    def redrive(self) -> None:
        """Put everything given up back, as the tool does."""
        for each in self.dead:
            each.receives = 0
        self.waiting += self.dead
        self.dead = []
