"""A child is missed in one district and found in the next, over MQTT, the workflow and the HTTP API."""

import statistics

import pytest

from infra.local.demo import first_push_s, percentile
from tests.e2e.conftest import Stack

pytestmark = pytest.mark.target


def test_the_child_is_found_and_the_case_closed(stack: Stack) -> None:
    assert stack.shown.record.case["close_reason"] == "found"


def test_every_clock_point_of_the_story_is_stamped_in_its_order(stack: Stack) -> None:
    clock = stack.shown.record.case["clock"]

    story = [clock[point] for point in ("T1", "T2", "T4", "T5", "T8c", "T12", "T13", "T14")]

    assert story == sorted(story)


def test_the_track_passes_two_districts_without_a_gap(stack: Stack, figures: list[str]) -> None:
    shown = stack.shown
    errors = sorted(sample.error_m for sample in shown.record.samples)
    figures.append(
        f"track: {' → '.join(shown.chain)}, {len(errors)} fixes, "
        f"median error {statistics.median(errors):.1f} m, "
        f"longest gap {shown.longest_gap_s:.0f} s"
    )

    assert shown.checks()["check-track"]


def test_the_neighbour_sees_the_case_only_between_accepting_and_the_end(stack: Stack) -> None:
    assert stack.shown.door_holds


def test_the_district_that_was_not_needed_never_saw_the_case(stack: Stack) -> None:
    accepted = {knock.tenant_id for knock in stack.shown.record.knocks if knock.moment.startswith("accepted")}
    others = {t.tenant_id for t in stack.city.tenants} - accepted - {stack.shown.play.cast.tenant_id}

    assert all(k.status == 404 for k in stack.shown.record.knocks if k.tenant_id in others)


def test_the_police_got_a_signed_hand_over_and_every_newer_version(stack: Stack) -> None:
    versions = [handover["version"] for handover in stack.shown.handovers]

    assert versions == list(range(1, len(versions) + 1))
    assert versions


def test_no_message_is_lost_or_refused(stack: Stack, figures: list[str]) -> None:
    shown = stack.shown
    figures.append(
        f"{shown.record.messages} messages published, {shown.unacked} without PUBACK, "
        f"{shown.meter.messages} ingested, {shown.meter.quarantined} quarantined"
    )

    assert (shown.unacked, shown.meter.quarantined) == (0, 0)
    assert shown.meter.messages >= shown.record.messages


def test_the_timeline_chain_holds(stack: Stack) -> None:
    assert stack.shown.record.report["chain_holds"]


def test_at_2_1_from_the_report_to_the_first_push_is_measured(stack: Stack, figures: list[str]) -> None:
    lags = sorted(stack.shown.meter.lags_ms)
    push_s = first_push_s(stack.shown.record)
    p50, p99 = percentile(lags, 0.5) / 1000, percentile(lags, 0.99) / 1000
    figures.append(f"publish → stored: p50 {p50:.2f} s, p99 {p99:.2f} s (aim ≤ 2 s); n = {len(lags)}")
    figures.append(f"report → first push: {push_s:.2f} s (aim ≤ 5 s)")

    assert push_s is not None
