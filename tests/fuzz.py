"""`make fuzz`: a million hostile messages through the real ingest handler (D3).

Each batch carries honest messages among the hostile ones. The handler may quarantine, drop or hand back what
is hostile; it may neither raise, nor log an error of its own, nor lose one of the honest ones. Everything
follows from a seed: `make fuzz ARGS="--seed 7 --inputs 6400"` is the same run everywhere.
"""

import argparse
import contextlib
import json
import logging
import os
import random
import sys
import time
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from functions.ingest_sightings.handler import lambda_handler
from shared.adapters.hearing import hearing
from shared.observability import logger
from tests.district import CHILDREN, START, District, district

HOSTILE, HONEST = 61, 3
FORGOTTEN_AFTER = 50  # batches, for a world remembers all that it quarantined

# What has broken parsers before: depth, size, numbers, encodings, keys.
NASTY: tuple[bytes, ...] = (
    b"",
    b"null",
    b"[]",
    b"{}",
    b"NaN",
    b"-0",
    b"1e999",
    b'"',
    b"\x00",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    "가".encode("utf-16"),
    b"[" * 2_000,
    b'{"a":' * 2_000,
    b"9" * 5_000,
    b'{"v":1,"v":1,"sent":1,"sent":2,"seq":1,"s":[]}',
    b'{"v":true,"sent":1,"seq":1,"s":[]}',
    b'{"v":1,"sent":1e3,"seq":1,"s":[]}',
    b'{"__proto__":{"tenant":"nuri"},"v":1,"sent":1,"seq":1,"s":[]}',
    b"A" * 140_000,
)
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**53, 2**63, -(2**63), 10**400, 0.5, -0.0, 1e308, float("nan"),
    float("inf"), "", "x", "\x00", "가" * 70, "garam", "nuri", "../../etc", "'; DROP TABLE", "{}",
    "9" * 400, [], {}, [[]], {"a": {}}, [None] * 40, "1779000000000", "\ud800",
)  # fmt: skip


@dataclass
class Run:
    """What came of it. crashes: raised or logged as an error; lost: honest messages that were not stored."""

    seed: int
    inputs: int = 0
    batches: int = 0
    handed_back: int = 0
    crashes: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    slowest_ms: float = 0.0


class Errors(logging.Handler):
    """Errors the handler swallowed and logged: faults of ours all the same."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.seen: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append(
            f"{record.getMessage()}: {record.exc_info[1]!r}" if record.exc_info else record.getMessage()
        )


def fuzz(seed: int, inputs: int, *, seconds: float = float("inf")) -> Run:
    """Hostile inputs from a seed, until there were as many or the time is up."""
    run, rng, errors = Run(seed), random.Random(seed), Errors()
    ends = time.monotonic() + seconds
    here = _town()
    logger.addHandler(errors)
    logging.disable(logging.WARNING)  # a million warnings are right, and would be all it does
    try:
        while run.inputs < inputs and time.monotonic() < ends:
            if run.batches % FORGOTTEN_AFTER == 0:
                here = _town()
            _batch(here, rng, run)
            run.crashes += [f"batch {run.batches}: {each}" for each in errors.seen]
            errors.seen.clear()
    finally:
        logging.disable(logging.NOTSET)
        logger.removeHandler(errors)
    return run


def _town() -> District:
    here = district().people()
    here.outing()
    return here


def _batch(here: District, rng: random.Random, run: Run) -> None:
    """Hostile and honest messages in any order; counts what came of them."""
    at_s = 1.0 + (run.batches % FORGOTTEN_AFTER) * 10
    here.clock.at = START.fromtimestamp(START.timestamp() + at_s, START.tzinfo)
    honest = {
        (child, source): here.message(here.scanner(source), [(here.beacon(child), 0, -60, 5)], at_s=at_s)
        for source, child in enumerate(rng.sample(range(CHILDREN), HONEST))
    }
    records = [hostile(here, rng, at_s) for _ in range(HOSTILE)] + list(honest.values())
    rng.shuffle(records)
    began = time.perf_counter()
    try:
        answer = lambda_handler({"Records": records}, None, here.on)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what we look for
        run.crashes.append(f"batch {run.batches}: {error!r}")
        answer = {"batchItemFailures": []}
    run.slowest_ms = max(run.slowest_ms, (time.perf_counter() - began) * 1000)
    failed = {each["itemIdentifier"] for each in answer["batchItemFailures"]}
    for (child, source), record in honest.items():
        window = hearing(here.adapters, here.beacon(child), "outing-1").window
        moments = {(s.at_ms, s.source_id) for s in window.sightings}
        at_ms = round((START.timestamp() + at_s) * 1000)
        if record["messageId"] in failed or (at_ms, here.scanner(source)) not in moments:
            run.lost.append(f"batch {run.batches}: child {child}")
    run.handed_back += len(failed)
    run.inputs += HOSTILE
    run.batches += 1


def hostile(here: District, rng: random.Random, at_s: float) -> dict[str, Any]:
    """One record: the payload's bytes, its structure, the envelope's structure, or the whole body broken."""
    thing = rng.choice([here.scanner(rng.randrange(6)), here.phones[0], "garam-s-999", "x"])
    sent = round((START.timestamp() + at_s) * 1000)
    said: dict[str, Any] = {
        "v": 1,
        "sent": sent,
        "seq": rng.randrange(100),
        "s": [[f"zz-{rng.randrange(9)}", rng.randrange(9000), -rng.randrange(30, 100), 1]],
    }
    if rng.random() < 0.3:
        said["fix"] = [37.5, 127.0, 5.0, 0]
    how = rng.randrange(6)
    if how == 5:
        return here.record(thing, _deflated(_json(_twisted(said, rng)), rng), at_s=at_s)
    if how == 0:
        return here.record(thing, rng.choice(NASTY), at_s=at_s)
    if how == 1:
        return here.record(thing, _torn(json.dumps(said).encode(), rng), at_s=at_s)
    if how == 2:
        return here.record(thing, _json(_twisted(said, rng)), at_s=at_s)
    record = here.record(thing, json.dumps(said).encode(), at_s=at_s)
    body = json.loads(record["body"])
    if how == 3:
        return {**record, "body": _json(_twisted(body, rng)).decode("utf-8", "surrogatepass")}
    return {**record, "body": _torn(record["body"].encode(), rng).decode("latin-1")}


def _deflated(plain: bytes, rng: random.Random) -> bytes:
    """Packed as scanners may; now and then far larger than it looks, or torn afterwards."""
    packed = zlib.compress(plain * (5_000 if rng.random() < 0.01 else 1))
    return _torn(packed, rng) if rng.random() < 0.5 else packed


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def _torn(whole: bytes, rng: random.Random) -> bytes:
    """Bytes flipped, cut out, doubled or put in."""
    torn = bytearray(whole)
    for _ in range(rng.randint(1, 6)):
        if not torn:
            break
        place = rng.randrange(len(torn))
        match rng.randrange(4):
            case 0:
                torn[place] = rng.randrange(256)
            case 1:
                del torn[place : place + rng.randint(1, 20)]
            case 2:
                torn[place:place] = torn[place : place + rng.randint(1, 20)]
            case _:
                torn[place:place] = rng.randbytes(rng.randint(1, 8))
    return bytes(torn)


def _twisted(value: Any, rng: random.Random) -> Any:
    """The structure with one part replaced, dropped, renamed or doubled."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = rng.choice(list(value))
        twisted = dict(value)
        match rng.randrange(5):
            case 0:
                del twisted[key]
            case 1:
                twisted[str(rng.choice(VALUES))] = twisted.pop(key)
            case 2:
                twisted[key] = rng.choice(VALUES)
            case _:
                twisted[key] = _twisted(value[key], rng)
        return twisted
    if isinstance(value, list) and value and rng.random() < 0.8:
        place = rng.randrange(len(value))
        match rng.randrange(4):
            case 0:
                return value * rng.randint(2, 400)
            case 1:
                return [*value[:place], *value[place + 1 :]]
            case _:
                return [*value[:place], _twisted(value[place], rng), *value[place + 1 :]]
    return rng.choice(VALUES)


def main() -> int:
    """Fuzz and say what came of it."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--inputs", type=int, default=1_000_000)
    asked.add_argument("--seed", type=int, default=1)
    options = asked.parse_args()
    began = time.monotonic()
    with (
        Path(os.devnull).open("w") as nowhere,
        contextlib.redirect_stdout(nowhere),
    ):  # metrics, by the million
        run = fuzz(options.seed, options.inputs)
    took_s = time.monotonic() - began
    sys.stdout.write(
        f"seed {run.seed}: {run.inputs:,} hostile inputs in {run.batches:,} batches, {took_s:.0f} s\n"
        f"{len(run.crashes)} crashes, {len(run.lost)} of {run.batches * HONEST:,} batch-mates lost, "
        f"{run.handed_back:,} handed back, slowest batch {run.slowest_ms:.0f} ms\n"
    )
    for each in (run.crashes + run.lost)[:20]:
        sys.stdout.write(f"  {each}\n")
    return int(bool(run.crashes or run.lost))


if __name__ == "__main__":
    sys.exit(main())
