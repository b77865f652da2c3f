"""Every disclosure owes the guardian a notice."""

from collections.abc import Mapping

from shared.domain.case import Case, Entry, done, note
from shared.domain.notices import (
    Balance,
    disclose,
    disclosing,
    noticing,
    overdue,
    recipient,
    reconcile,
    unnoticed,
)
from tests.casework import at, opened, who

POLICE = disclosing("police", at(0))
NEIGHBOUR = disclosing("haneul", at(5))


def timeline(*lines: tuple[str, str]) -> list[Entry]:
    case: Case = opened()
    entries: list[Entry] = []
    for code, disclosure in lines:
        params: Mapping[str, str] = {"disclosure": disclosure, "to": recipient(disclosure)}
        case, said = note(case, code, params, who(), at(1))
        entries += said
    return entries


def test_a_disclosure_owes_a_notice_until_it_is_answered() -> None:
    owing = done(opened(), POLICE)

    assert (unnoticed(owing), unnoticed(done(owing, noticing(POLICE)))) == ((POLICE,), ())


def test_the_recipient_is_in_the_disclosure() -> None:
    assert [recipient(each) for each in (POLICE, NEIGHBOUR)] == ["police", "haneul"]


def test_at_5_4_disclosures_are_notices_plus_deferred() -> None:
    entries = timeline(
        ("disclosed", POLICE),
        ("disclosed", NEIGHBOUR),
        ("notice-sent", POLICE),
        ("notice-deferred", NEIGHBOUR),
    )

    assert reconcile(entries) == Balance(disclosures=2, sent=1, deferred=1, missing=())


def test_at_5_4_a_disclosure_without_a_notice_is_found() -> None:
    entries = timeline(("disclosed", POLICE), ("disclosed", NEIGHBOUR), ("notice-sent", POLICE))

    assert reconcile(entries).missing == (entries[1].seq,)


def test_at_5_4_a_deferred_notice_that_was_sent_later_counts_once() -> None:
    entries = timeline(("disclosed", POLICE), ("notice-deferred", POLICE), ("notice-sent", POLICE))

    assert reconcile(entries) == Balance(disclosures=1, sent=1, deferred=0, missing=())


def test_a_disclosure_is_on_record_once_however_often_it_is_said() -> None:
    how = {"purpose": "search", "basis": "agreement"}
    once, first = disclose(opened(), "haneul", at(5), who(), at(6), **how)

    assert (
        disclose(once, "haneul", at(5), who(), at(7), **how),
        [e.code for e in first],
        unnoticed(once),
    ) == (
        (once, ()),
        ["disclosed"],
        (NEIGHBOUR,),
    )


def deferred(reason: str, due_s: float) -> list[Entry]:
    case, first = note(opened(), "disclosed", {"disclosure": POLICE, "to": "police"}, who(), at(0))
    params = {"disclosure": POLICE, "to": "police", "reason": reason, "due": at(due_s).isoformat()}
    return [*first, *note(case, "notice-deferred", params, who(), at(1))[1]]


def test_at_5_4_a_notice_neither_told_nor_deferred_within_a_minute_is_late() -> None:
    entries = timeline(("disclosed", POLICE))

    assert (overdue(entries, at(61)), overdue(entries, at(62))) == ((), (entries[0].seq,))


def test_at_5_4_a_deferred_notice_is_late_after_its_due_date() -> None:
    entries = deferred("no-channel", 600)

    assert (overdue(entries, at(600)), overdue(entries, at(601))) == ((), (entries[0].seq,))


def test_at_10_2_an_exercises_notice_is_never_late() -> None:
    assert overdue(deferred("exercise-wall", 600), at(10**6)) == ()
