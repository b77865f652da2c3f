"""What a drill silences is silent for the drill's beacons, and for nothing else."""

from dataclasses import replace

import pytest

from functions.ingest_sightings.ingest import ingest
from shared.adapters.hearing import fix_of, hearing
from shared.domain.places import Status
from shared.ports import Watched
from tests.district import District, district


@pytest.fixture
def here() -> District:
    return district().people()


def silence(d: District, *sources: str) -> None:
    """A drill about child 0 in which these sources are taken as silent."""
    d.adapters.watch_list.add(Watched(d.beacon(0), "case-1", d.tenant_id, None, sources))


def out(d: District, status: Status) -> None:
    d.adapters.outings.save(replace(d.outing(), status=status))


def sources(d: District, n: int) -> set[str]:
    return {sighting.source_id for sighting in hearing(d.adapters, d.beacon(n)).window.sightings}


def test_at_10_4_a_silenced_scanner_is_not_heard_for_the_drills_beacon_and_is_for_every_other(
    here: District,
) -> None:
    out(here, Status.EXERCISE)
    silence(here, here.scanner(0))
    both = [(here.beacon(n), 100, -60, 4) for n in (0, 1)]

    report = ingest([here.message(here.scanner(n), both, at_s=1) for n in (0, 1)], here.on)

    assert (sources(here, 0), sources(here, 1)) == ({here.scanner(1)}, {here.scanner(0), here.scanner(1)})
    assert report.dropped == {"drill-outage": 1}


def test_at_10_4_the_silence_of_a_silenced_scanner_is_no_evidence(here: District) -> None:
    out(here, Status.EXERCISE)
    silence(here, here.scanner(0))

    ingest([here.message(here.scanner(1), [(here.beacon(0), 100, -70, 4)], at_s=1)], here.on)

    fix = fix_of(here.adapters, here.beacon(0))
    assert fix is not None
    assert here.scanner(0) not in fix.silent
    assert set(fix.silent) != set()


def test_at_10_4_a_dead_phone_watches_over_nobody_in_an_exercise(here: District) -> None:
    out(here, Status.EXERCISE)
    silence(here, here.phones[0])

    ingest([here.message(p, [(here.beacon(1), 100, -60, 4)], at_s=1) for p in here.phones], here.on)

    reported = here.adapters.tracking.read(phones=here.phones).phones
    assert [bool(reported[phone].reported_ms) for phone in here.phones] == [False, True]
    assert sources(here, 1) == {here.phones[1]}


def test_at_10_4_a_phone_that_watches_over_a_real_outing_is_never_taken_as_dead(here: District) -> None:
    out(here, Status.ACTUAL)
    silence(here, here.phones[0])

    ingest([here.message(here.phones[0], [(here.beacon(1), 100, -60, 4)], at_s=1)], here.on)

    assert sources(here, 1) == {here.phones[0]}


def test_at_10_4_a_dead_phone_still_hears_a_child_who_is_really_missing(here: District) -> None:
    out(here, Status.EXERCISE)
    silence(here, here.phones[0])
    here.adapters.watch_list.add(Watched(here.beacon(1), "case-2", here.tenant_id, None))

    ingest([here.message(here.phones[0], [(here.beacon(n), 100, -60, 4) for n in (0, 1)], at_s=1)], here.on)

    assert (sources(here, 0), sources(here, 1)) == (set(), {here.phones[0]})
