"""The access log as a chain: every line carries the digest of the one before it.

Whoever edits, drops, adds or moves a line breaks the chain there. Whoever rewrites the whole end of it
meets the anchors: the newest link of each day, kept where nobody can write twice.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

CHAIN_START = "0" * 64


@dataclass(frozen=True, slots=True)
class Link:
    """The end of a chain at some moment. seq: how many lines it had; chain: the last one's."""

    seq: int = 0
    chain: str = CHAIN_START


@dataclass(frozen=True, slots=True)
class Anchor:
    """A link as it was at `at` (aware UTC), written down for good."""

    at: datetime
    link: Link


@dataclass(frozen=True, slots=True)
class Line:
    """One line. seq: 1, 2, 3 …; text: what happened, as it was written; before: the chain until then."""

    seq: int
    text: str
    before: str
    chain: str


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, first place. code: "edited", "missing", "added", "broken", "anchor" or "end"."""

    seq: int
    code: str


def chained(before: str, seq: int, text: str) -> str:
    """SHA-256 hex over the chain so far and a line."""
    return hashlib.sha256(f"{before}\n{seq}\n{text}".encode()).hexdigest()


def appended(last: Link, text: str) -> Line:
    """The next line after `last`."""
    seq = last.seq + 1
    return Line(seq, text, last.chain, chained(last.chain, seq, text))


def faults(
    lines: Sequence[Line], end: Link, anchors: Sequence[Anchor], *, kept_since: datetime
) -> list[Fault]:
    """Everything that is wrong with a stored chain, in any order it was read; [] when it holds.

    end: what the log says is its newest link. anchors: oldest first, may be none. kept_since: lines
    written before may be gone, and they alone; only an anchor can say which those were.
    """
    found: list[Fault] = []
    ordered = sorted(lines, key=lambda line: line.seq)
    known = {anchor.link.seq: anchor.link.chain for anchor in anchors} | {0: CHAIN_START}
    forgettable = max((a.link.seq for a in anchors if a.at <= kept_since), default=0)
    expected = ordered[0].seq if ordered and ordered[0].seq <= forgettable + 1 else forgettable + 1
    if not ordered and end.seq <= forgettable:
        expected = end.seq + 1
    before = known.get(expected - 1)
    for line in ordered:
        if line.seq < expected:
            found.append(Fault(line.seq, "added"))
            continue
        if line.seq > expected:
            found.append(Fault(expected, "missing"))
            before = None
        elif before is not None and line.before != before:
            found.append(Fault(line.seq, "broken"))
        if line.chain != chained(line.before, line.seq, line.text):
            found.append(Fault(line.seq, "edited"))
        if known.get(line.seq, line.chain) != line.chain:
            found.append(Fault(line.seq, "anchor"))
        expected, before = line.seq + 1, line.chain
    last = Link(expected - 1, before if before is not None else end.chain)
    newest = max(known)
    if last != end or newest >= expected:
        found.append(Fault(expected, "end"))
    return found
