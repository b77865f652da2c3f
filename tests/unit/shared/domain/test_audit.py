"""The access log's chain: every tampering shows, and an untouched log is never accused (D7)."""

import json
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shared.domain.audit import Anchor, Line, Link, appended, chained, faults

START = datetime(2026, 1, 1, tzinfo=UTC)
LINES = 200
PER_DAY = 20


def log(lines: int = LINES) -> tuple[list[Line], Link, list[Anchor]]:
    """A log of some days, its end, and each day's anchor."""
    made: list[Line] = []
    end, anchors = Link(), []
    for n in range(lines):
        text = json.dumps({"at": n, "actor": f"operator-{n % 7}", "subject": f"c-{n % 31}"})
        made.append(appended(end, text))
        end = Link(made[-1].seq, made[-1].chain)
        if (n + 1) % PER_DAY == 0:
            anchors.append(Anchor(START + timedelta(days=(n + 1) // PER_DAY), end))
    return made, end, anchors


WHOLE, END, ANCHORS = log()


def rewritten(lines: list[Line], start: int) -> list[Line]:
    """The chain made anew from a line on, as an insider with the code would."""
    before = lines[start - 1].chain if start else WHOLE[0].before
    made = lines[:start]
    for seq, line in enumerate(lines[start:], start + 1):
        made.append(Line(seq, line.text, before, chained(before, seq, line.text)))
        before = made[-1].chain
    return made


def edited(lines: list[Line], rng: random.Random) -> list[Line]:
    n = rng.randrange(len(lines))
    what = rng.choice(["text", "before", "chain", "seq"])
    line = lines[n]
    place = rng.randrange(len(line.text))
    other = chr((ord(line.text[place]) + 1) % 127)
    changes: dict[str, object] = {
        "text": line.text[:place] + other + line.text[place + 1 :],
        "before": "f" + line.before[1:] if line.before[0] != "f" else "e" + line.before[1:],
        "chain": line.chain[::-1] if line.chain != line.chain[::-1] else "0" * 64,
        "seq": line.seq + rng.choice([-1, 1, 1000]),
    }
    return [*lines[:n], replace(line, **{what: changes[what]}), *lines[n + 1 :]]  # type: ignore[arg-type]


def deleted(lines: list[Line], rng: random.Random) -> list[Line]:
    n = rng.randrange(len(lines))
    count = rng.choice([1, 1, 1, 5, 50])
    return lines[:n] + lines[n + count :]


def reordered(lines: list[Line], rng: random.Random) -> list[Line]:
    """Two lines change places: what they say, and who they say it of, with new numbers."""
    a, b = rng.sample(range(len(lines)), 2)
    moved = list(lines)
    moved[a], moved[b] = replace(lines[b], seq=lines[a].seq), replace(lines[a], seq=lines[b].seq)
    return moved


def added(lines: list[Line], rng: random.Random) -> list[Line]:
    n = rng.randrange(len(lines))
    return [*lines, replace(lines[n], text="{}")]


def rechained(lines: list[Line], rng: random.Random) -> list[Line]:
    """An insider edits or drops a line of a day that is over, and makes the chain anew to its end."""
    n = rng.randrange(len(lines) - PER_DAY)
    start = lines[:n] + [replace(lines[n], text="{}")] * rng.randrange(2) + lines[n + 1 :]
    return rewritten(start, n)


@pytest.mark.parametrize("tamper", [edited, deleted, reordered, added, rechained])
def test_two_hundred_random_tamperings_of_each_kind_are_all_noticed(
    tamper: Callable[[list[Line], random.Random], list[Line]],
):
    unnoticed = []
    for seed in range(200):
        lines = tamper(WHOLE, random.Random(seed))
        end = Link(lines[-1].seq, lines[-1].chain) if tamper is rechained else END
        if not faults(lines, end, ANCHORS, kept_since=START):
            unnoticed.append(seed)

    assert unnoticed == []


def test_an_untouched_log_is_never_accused_however_it_is_read():
    accused = []
    for seed in range(60):
        rng = random.Random(seed)
        lines, end, anchors = log(rng.randrange(1, LINES))
        rng.shuffle(lines)
        kept = rng.sample(anchors, rng.randrange(len(anchors) + 1))
        accused += faults(lines, end, sorted(kept, key=lambda a: a.at), kept_since=START)

    assert accused == []


def test_an_empty_log_is_whole():
    assert faults([], Link(), [], kept_since=START) == []


@pytest.mark.parametrize("days", [1, 3, 9, 10])
def test_lines_past_their_time_may_be_gone_and_the_rest_still_holds(days: int):
    kept_since = START + timedelta(days=days)

    for gone in (days * PER_DAY, days * PER_DAY - 7):
        assert faults(WHOLE[gone:], END, ANCHORS, kept_since=kept_since) == []


@pytest.mark.parametrize("days", [1, 3, 9])
def test_not_one_line_more_may_be_gone_than_its_time_allows(days: int):
    found = faults(WHOLE[days * PER_DAY + 1 :], END, ANCHORS, kept_since=START + timedelta(days=days))

    assert [fault.code for fault in found] == ["missing"]


def test_a_hole_among_what_may_be_gone_is_still_a_hole():
    kept_since = START + timedelta(days=5)

    assert faults([*WHOLE[:3], *WHOLE[10:]], END, ANCHORS, kept_since=kept_since)


def test_lines_dropped_from_the_end_show_by_the_end():
    assert [each.code for each in faults(WHOLE[:-1], END, ANCHORS, kept_since=START)] == ["end"]


def test_a_whole_new_log_under_the_old_anchors_shows():
    forged, end, _ = log(LINES + 5)
    forged = rewritten([replace(forged[0], text="{}"), *forged[1:]], 0)
    end = Link(forged[-1].seq, forged[-1].chain)

    assert faults(forged, end, ANCHORS, kept_since=START)
