"""The hand-over to the police."""

from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from shared.domain import case as cases
from shared.domain.case import Kind, Look
from shared.domain.guardian import Filed, Form, Guardianship, Proof, Separate
from shared.domain.places import Child, Facility, Status, Tenant
from shared.schema.handover import UNKNOWN, HandOver, checksum, hand_over
from tests.casework import HOME, at, evidence, opening, strip, who

CHILD = Child("child-1", "daycare", "김하나", "07", "beacon-1", 4, sex="F")


def made(
    *,
    child: Child | None = CHILD,
    version: int = 3,
    before: HandOver | None = None,
    **how: Any,
) -> HandOver:
    """The record of a case heard, seen on a camera, and told to 112."""
    case, entries = opening(**{"found": evidence(x_m=10), **how})
    for step in (
        lambda c: cases.acknowledge(c, who(), at(10)),
        lambda c: cases.mark_camera(
            c, "cam-1", Look.POSSIBLE, who(), at(40), view=evidence(Kind.SEEN, x_m=90)
        ),
        lambda c: cases.police_told(c, "112-7", "phone", who("teacher"), at(50)),
    ):
        case, said = step(case)
        entries = (*entries, *said)
    return hand_over(
        case,
        entries,
        tenant=Tenant("garam", "가람구", strip(0)),
        child=child,
        facility=Facility("daycare", "가람어린이집", HOME),
        shares=(),
        version=version,
        now=at(60),
        before=before,
    )


def test_at_4_1_the_record_survives_the_wire_with_its_checksum() -> None:
    record = made()
    again = HandOver.model_validate_json(record.model_dump_json())

    assert (again, again.computed_checksum()) == (record, record.checksum)


def test_at_4_1_a_receiver_computes_the_same_checksum_from_the_json() -> None:
    record = made()

    assert checksum(record.model_dump(mode="json")) == record.checksum


def test_at_4_1_a_changed_record_no_longer_fits_its_checksum() -> None:
    record = made()
    changed = {**record.model_dump(mode="json"), "version": 4}

    assert checksum(changed) != record.checksum


def blanks(value: object) -> list[object]:
    """Everything in a record that says nothing at all."""
    match value:
        case dict():
            return [found for each in value.values() for found in blanks(each)]
        case list():
            return [found for each in value for found in blanks(each)]
    return [value] if value in ("", None) else []


def test_at_4_1_what_is_missing_reads_unknown_and_is_never_blank() -> None:
    record = made(child=None, found=None).model_dump(mode="json")
    exercise_notice = [record.pop("exercise_notice")]

    assert (blanks(record), exercise_notice, record["subject"]["name"]) == ([], [""], UNKNOWN)


def test_at_4_1_heard_seen_and_reported_stay_apart() -> None:
    there = made().circumstances
    kinds = [
        getattr(place, "kind", place) for place in (there.last_heard, there.last_seen, there.last_reported)
    ]

    assert kinds == ["heard", "seen", UNKNOWN]


def test_the_beacon_is_said_to_be_in_the_bag() -> None:
    assert getattr(made().circumstances.last_heard, "what", "") == "비콘(가방) 위치"


def test_every_place_has_its_time_age_radius_and_confidence() -> None:
    first = made().history[0]

    assert (first.at, first.age_s, first.radius_m, first.confidence_percent) == (at(0), 60, 30, 95)


def test_the_112_call_is_there_with_its_time_and_receipt() -> None:
    reporter = made().reporter

    assert (reporter.police_told_at, reporter.receipt_no) == (at(50), "112-7")


def test_an_exercise_says_so_in_words() -> None:
    assert "[훈련]" in made(status=Status.EXERCISE).exercise_notice


def test_the_search_log_is_in_the_record() -> None:
    assert [(camera.camera_id, camera.look) for camera in made().cameras] == [("cam-1", "possible")]


def test_no_field_can_hold_a_resident_registration_number() -> None:
    record = made().model_dump(mode="json")

    with pytest.raises(ValidationError):
        HandOver.model_validate({**record, "rrn": "000000-0000000"})


def test_a_destroyed_place_is_left_out_of_the_history() -> None:
    case, entries = opening(found=evidence())
    record = hand_over(
        case,
        [replace(entry, evidence=None) for entry in entries],
        tenant=Tenant("garam", "가람구", strip(0)),
        child=None,
        facility=None,
        shares=(),
        version=1,
        now=at(60),
    )

    assert record.history == ()


def test_the_guardian_is_there_as_the_consent_was_filed_and_what_was_not_asked_is_unknown() -> None:
    form = Form(
        "김하나", "", at(0).date(), "김보호", "", "010-0000-0000", "life-and-body", at(0).date(), "seal"
    )
    filed = Filed(form, next(iter(Proof)), "0" * 64, at(0), "director-1", relation="모")
    filed = replace(filed, separate=Separate(police_location=True))
    case, entries = opening(found=evidence())
    record = hand_over(
        replace(case, clock={**case.clock, "TG": at(30)}),
        entries,
        tenant=Tenant("garam", "가람구", strip(0)),
        child=CHILD,
        facility=None,
        guardianship=Guardianship("child-1", filed),
        shares=(),
        version=1,
        now=at(60),
    ).guardian

    assert (record.name, record.relation, record.phone, record.reached_at) == (
        "김보호",
        "모",
        "010-0000-0000",
        at(30),
    )
    assert (record.consent_police_location, record.consent_alert) == (True, UNKNOWN)
