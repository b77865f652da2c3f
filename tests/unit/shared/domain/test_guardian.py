"""Consents: what they need, and when they lapse. Links: how long they live and how often they may be used."""

from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta

import pytest

from shared.domain.errors import Rejected, TooMany
from shared.domain.guardian import (
    Batch,
    Filed,
    Form,
    Link,
    Proof,
    Separate,
    Use,
    birthday,
    consented,
    counted,
    look_up,
    midnight,
    status_until,
)
from shared.domain.places import SubjectClass

NOW = datetime(2026, 5, 12, 1, 0, tzinfo=UTC)
LINK = Link(Use.CALL, "c-1", NOW, "c-1", NOW + timedelta(hours=6))


def filed(born: date = date(2022, 3, 1), **changes: object) -> Filed:
    form = Form(
        subject_name="김하나",
        subject_address="서울시 가람구 해님로 1",
        subject_born=born,
        guardian_name="김보호",
        guardian_address="서울시 가람구 해님로 1",
        guardian_contact="010-0000-0000",
        purpose="life-and-body",
        signed_on=date(2026, 5, 12),
        signature="seal",
    )
    whole = Filed(form, Proof.FAMILY_RELATION, "0" * 64, NOW, "director-1")
    return replace(whole, **changes)  # type: ignore[arg-type]


def own(born: date = date(1990, 1, 1)) -> Filed:
    before = filed(born)
    return replace(before, form=replace(before.form, guardian_name="김하나"), proof=Proof.IDENTITY_CARD)


def test_at_5_1_the_form_has_exactly_the_fields_of_the_decree() -> None:
    assert {field.name for field in fields(Form)} == {
        "subject_name",
        "subject_address",
        "subject_born",
        "guardian_name",
        "guardian_address",
        "guardian_contact",
        "purpose",
        "signed_on",
        "signature",
    }


def test_at_5_1_a_consent_holds_from_its_filing_for_a_year() -> None:
    consent = consented(filed(), SubjectClass.CHILD)

    assert (consent.given_at, consent.ended_at) == (NOW, midnight(date(2027, 5, 12)))


@pytest.mark.parametrize(
    ("born", "verified", "ends"),
    [
        (date(2017, 8, 1), "", date(2026, 8, 1)),  # turns nine: the guardian's word alone no longer counts
        (date(2017, 8, 1), "phone-call", date(2027, 5, 12)),  # … but a verified one does
        (date(2012, 8, 1), "phone-call", date(2026, 8, 1)),  # turns fourteen: the child's own is needed
    ],
)
def test_at_5_1_a_consent_lapses_on_the_birthday_from_which_another_is_needed(
    born: date, verified: str, ends: date
) -> None:
    assert consented(filed(born, verified=verified), SubjectClass.CHILD).ended_at == midnight(ends)


@pytest.mark.parametrize(
    ("given", "subject_class", "code"),
    [
        (filed(date(2016, 5, 12)), SubjectClass.CHILD, "consent-verification-missing"),
        (filed(date(2012, 5, 12), verified="card"), SubjectClass.CHILD, "consent-own-missing"),
        (filed(), SubjectClass.CITIZEN, "consent-own-missing"),
        (filed(until=date(2026, 5, 12)), SubjectClass.CHILD, "consent-lapsed"),
        (
            replace(filed(), form=replace(filed().form, signed_on=date(2026, 5, 13))),
            SubjectClass.CHILD,
            "consent-signed-ahead",
        ),
    ],
)
def test_at_5_1_a_consent_the_law_does_not_know_is_refused(
    given: Filed, subject_class: SubjectClass, code: str
) -> None:
    with pytest.raises(Rejected) as refused:
        consented(given, subject_class)

    assert refused.value.code == code


@pytest.mark.parametrize("subject_class", [SubjectClass.DEMENTIA, SubjectClass.DISABILITY])
def test_a_guardian_consents_for_a_grown_person_who_cannot(subject_class: SubjectClass) -> None:
    asked = filed(date(1950, 1, 1), separate=Separate(sensitive=True))

    assert consented(asked, subject_class).allows(NOW)


def test_of_health_nothing_is_kept_without_a_consent_of_its_own() -> None:
    with pytest.raises(Rejected) as refused:
        consented(filed(date(1950, 1, 1)), SubjectClass.DEMENTIA)

    assert refused.value.code == "consent-sensitive-missing"


def test_a_citizen_consents_alone() -> None:
    assert consented(own(), SubjectClass.CITIZEN).allows(NOW)


def test_who_was_born_on_the_29th_of_february_is_older_on_the_1st_of_march() -> None:
    assert (birthday(date(2020, 2, 29), 9), birthday(date(2020, 2, 29), 8)) == (
        date(2029, 3, 1),
        date(2028, 2, 29),
    )


@pytest.mark.parametrize(
    ("batch", "before", "after"),
    [
        (Batch("times", 10), 8, timedelta(days=30)),
        (Batch("times", 10), 9, timedelta()),
        (Batch("days", 20), 0, timedelta(days=20)),
    ],
)
def test_at_5_4_a_batch_is_sent_when_it_is_full_or_its_days_are_over(
    batch: Batch, before: int, after: timedelta
) -> None:
    assert look_up(before, batch, NOW) - NOW == after


def test_at_5_3_a_status_link_dies_a_day_after_the_child_is_secured() -> None:
    secured_at = NOW + timedelta(minutes=9)
    link = replace(LINK, use=Use.STATUS, until=NOW + timedelta(days=7))

    assert (status_until(link, secured_at), status_until(link, None)) == (
        secured_at + timedelta(hours=24),
        link.until,
    )


def test_a_link_used_too_often_says_when_to_come_back() -> None:
    used = replace(LINK, calls=60, since=NOW)

    with pytest.raises(TooMany) as refused:
        counted(used, NOW + timedelta(seconds=20), per=timedelta(minutes=1), at_most=60)

    assert refused.value.params == {"wait_s": 40}


def test_a_new_minute_counts_afresh() -> None:
    later = NOW + timedelta(minutes=1)
    used = replace(LINK, calls=60, since=NOW)

    assert counted(used, later, per=timedelta(minutes=1), at_most=60) == (1, later)
