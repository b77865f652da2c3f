"""The world the memory twins live in: plain dictionaries, shared by the twins of all tenants."""

from dataclasses import dataclass, field
from typing import Any

from shared.ports import Clock, Message


@dataclass(slots=True)
class MemoryCloud:
    """What would be tables, topics and phones. One object is one world; it forgets with the process.

    tables: name → key → value; every twin keeps to tables of its own and puts the tenant into the key.
    retained: MQTT topic → retained payload. sent: every message a channel accepted, oldest first.
    """

    clock: Clock
    tables: dict[str, dict[Any, Any]] = field(default_factory=dict)
    retained: dict[str, bytes] = field(default_factory=dict)
    sent: list[Message] = field(default_factory=list)

    def table(self, name: str) -> dict[Any, Any]:
        """The dictionary behind a name, empty at first."""
        return self.tables.setdefault(name, {})
