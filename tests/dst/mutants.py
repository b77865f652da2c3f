"""`make mutants`: planted defects, each of which the exam must find. An exam that cannot fail proves nothing.

python -m tests.dst.mutants [--seeds 60] [--only lost-writes]
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import functions.assess_case.steps
import functions.ingest_sightings.handler
import functions.ingest_sightings.ingest
import functions.ingest_sightings.reading
import functions.ingest_sightings.recording
import shared.domain.sharing
import shared.domain.watching
from functions.ingest_sightings.directory import Directory
from functions.ingest_sightings.ingest import Report, ingest
from shared.adapters.cases import MemoryCases
from shared.adapters.tracking import MemoryTracking
from shared.domain.errors import NotFound
from shared.domain.places import Phone
from shared.ports import PhoneTrack, key_of
from shared.schema.sightings import read_envelope
from tests.dst.__main__ import quieten
from tests.dst.exam import examine
from tests.dst.faults import FaultyTracking

Mutant = Callable[[], Any]


def _swallow_errors(records: Any, on: Any) -> Report:
    try:
        return ingest(records, on)
    except Exception:  # noqa: BLE001 - the defect
        return Report()


def _forget_failures(records: Any, on: Any) -> Report:
    report = ingest(records, on)
    report.failed.clear()
    return report


def _last_writer_wins(self: MemoryTracking, tracks: Sequence[Any], *, now: Any) -> list[Any]:
    for track in tracks:
        stored = self._items.get(self._key(key_of(track)))
        as_read = replace(track, version=stored["version"] if stored else 0)
        assert not _SAVE(self, [as_read], now=now)
    return []


_SAVE = MemoryTracking.save


def _ignore_lost(self: FaultyTracking, tracks: Any, **named: Any) -> list[Any]:
    _FAULTY_SAVE(self, tracks, **named)
    return []


_FAULTY_SAVE = FaultyTracking.save


def _newest_only(heard: Any, arrived: Any, **_: Any) -> Any:
    """The newest message is all a source remembers of a beacon."""
    return {**heard, **{each: tuple(sorted(found)) for each, found in arrived.items()}}


def _keep_doubles(heard: Any, arrived: Any, *, newest_ms: int, lately_ms: int) -> Any:
    """Duplicates are kept."""
    every = {each: sorted([*heard.get(each, ()), *arrived.get(each, ())]) for each in {*heard, *arrived}}
    return {each: tuple(s for s in found if s.at_ms > newest_ms - lately_ms) for each, found in every.items()}


def _newest_report_only(track: Any, reported_ms: Any, fixes: Any, heard: Any) -> Any:
    merged = shared.domain.watching.merge_reports(track, reported_ms, fixes, heard)
    return replace(merged, reported_ms=merged.reported_ms[-1:])


def _report_first(self: FaultyTracking, tracks: Any, **named: Any) -> list[Any]:
    """A phone's report is stored by itself, and then again with what it heard."""
    bare = [replace(each, heard={}) if isinstance(each, PhoneTrack) else each for each in tracks]
    lost = _FAULTY_SAVE(self, bare, **named)
    full = [
        replace(each, version=each.version + 1)
        for each in tracks
        if isinstance(each, PhoneTrack) and each.heard and key_of(each) not in {key_of(one) for one in lost}
    ]
    return [*lost, *(_FAULTY_SAVE(self, full, **named) if full else [])]


def _never_noted(*_: Any) -> bool:
    return True


def _believe_client(body: str) -> Any:
    envelope = read_envelope(body)
    return envelope.model_copy(update={"client": envelope.thing})


def _all_or_nothing(records: Any, on: Any) -> Report:
    if any(not each["body"].startswith("{") for each in records):
        raise RuntimeError("unreadable")
    return ingest(records, on)


def _to_the_hearer(beacon_id: str, own: Directory, on: Any) -> Any:
    purpose = _PURPOSE(beacon_id, own, on)
    return purpose if isinstance(purpose, str) else replace(purpose, owner_id=own.tenant_id)


_PURPOSE = functions.ingest_sightings.ingest._purpose


def _any_phone(self: Directory, phone_id: str) -> Phone | None:
    return _PHONE(self, phone_id) or Phone(phone_id, "", "")


_PHONE = Directory.phone


def _stay(run: Any, _: Any) -> Any:
    """The step does nothing."""
    return run


@contextmanager
def _planted(*patches: Any) -> Iterator[None]:
    with ExitStack() as stack:
        for each in patches:
            stack.enter_context(each)
        yield


STEPS = functions.assess_case.steps.STEPS
RECORDING = functions.ingest_sightings.recording
INGEST = functions.ingest_sightings.ingest

MUTANTS: dict[str, tuple[str, Mutant]] = {
    "errors-swallowed": (
        "a batch whose write failed is reported as done",
        lambda: patch.object(functions.ingest_sightings.handler, "ingest", _swallow_errors),
    ),
    "failures-forgotten": (
        "messages that could not be stored are not asked for again",
        lambda: patch.object(functions.ingest_sightings.handler, "ingest", _forget_failures),
    ),
    "last-writer-wins": (
        "tracks are written without a condition",
        lambda: patch.object(MemoryTracking, "save", _last_writer_wins),
    ),
    "lost-writes": (
        "a write that lost its condition is taken for done",
        lambda: patch.object(FaultyTracking, "save", _ignore_lost),
    ),
    "memory-replaced": (
        "the newest message replaces what a source remembers",
        lambda: _planted(
            patch.object(RECORDING, "remember", _newest_only),
            patch.object(shared.domain.watching, "remember", _newest_only),
        ),
    ),
    "duplicates-kept": (
        "a message that comes twice counts twice",
        lambda: _planted(
            patch.object(RECORDING, "remember", _keep_doubles),
            patch.object(shared.domain.watching, "remember", _keep_doubles),
        ),
    ),
    "report-first": (
        "a report is stored before what it heard",
        lambda: patch.object(FaultyTracking, "save", _report_first),
    ),
    "sources-not-noted": (
        "nobody notes which scanners know a beacon",
        lambda: patch.object(RECORDING, "_note", _never_noted),
    ),
    "reports-replaced": (
        "of a phone's reports only the newest is kept",
        lambda: patch.object(RECORDING, "merge_reports", _newest_report_only),
    ),
    "clock-believed": (
        "any source's clock is believed",
        lambda: patch.object(functions.ingest_sightings.reading, "TRUSTED_MS", 10**15),
    ),
    "client-not-checked": (
        "a session may speak for another thing",
        lambda: patch.object(INGEST, "read_envelope", _believe_client),
    ),
    "thing-not-checked": (
        "any thing of any tenant is taken for a phone",
        lambda: patch.object(Directory, "phone", _any_phone),
    ),
    "poison-takes-all": (
        "an unreadable record fails its batch",
        lambda: patch.object(functions.ingest_sightings.handler, "ingest", _all_or_nothing),
    ),
    "quarantine-lost": (
        "what is refused is dropped without a trace",
        lambda: patch.object(MemoryTracking, "quarantine", lambda *_, **__: None),
    ),
    "consent-ignored": (
        "a child is collected without consent",
        lambda: _planted(
            patch.object(Directory, "check_consent", lambda *_: None),
            patch.object(Directory, "consents", lambda *_: True),
        ),
    ),
    "alarm-storm": (
        "an unanswered alarm sounds at every message",
        lambda: patch.object(shared.domain.watching, "alarm_due", lambda d, **_: d.level == "departed"),
    ),
    "alarm-never": (
        "a departure is judged and never told",
        lambda: patch.object(shared.domain.watching, "alarm_due", lambda *_, **__: False),
    ),
    "two-cases": (
        "a child may have two open cases",
        lambda: patch.object(MemoryCases, "_lock", lambda *_: None),
    ),
    "still-listening": (
        "a closed case stays on the watch list",
        lambda: patch.dict(STEPS, {"close": _stay}),
    ),
    "share-outlives": (
        "a share is not revoked with its case",
        lambda: patch.dict(STEPS, {"revoke": _stay}),
    ),
    "share-unasked": (
        "a neighbour sees a case it was not granted",
        lambda: patch.object(shared.domain.sharing.Share, "grants", lambda *_: True),
    ),
    "neighbour-keeps": (
        "what a neighbour hears for a case stays with the neighbour",
        lambda: patch.object(INGEST, "_purpose", _to_the_hearer),
    ),
}


def caught_by(name: str, seeds: int) -> tuple[int, str] | None:
    """(seeds needed, what was seen) until the exam finds the defect; None if it does not."""
    quieten()
    with MUTANTS[name][1]():
        for seed in range(seeds):
            try:
                violations = examine(seed).violations
            except (AssertionError, LookupError, NotFound, OverflowError, SystemError) as error:
                violations = [f"the world breaks: {type(error).__name__}"]
            if violations:
                return seed + 1, violations[0]
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", type=int, default=60, help="tried for each at the most")
    parser.add_argument("--only", choices=sorted(MUTANTS))
    asked = parser.parse_args()
    missed = 0
    for name in [asked.only] if asked.only else MUTANTS:
        found = caught_by(name, asked.seeds)
        missed += found is None
        told = f"seed {found[0] - 1:<3} {found[1]}" if found else "NOT CAUGHT"
        print(f"{name:20} {MUTANTS[name][0]:58} {told}", flush=True)
    total = 1 if asked.only else len(MUTANTS)
    print(f"{total - missed} of {total} caught")
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
