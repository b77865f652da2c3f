"""What a neighbour may see, and until when."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import pytest

from shared.domain import case as cases
from shared.domain import sharing
from shared.domain.case import Case, Kind
from shared.domain.errors import Conflict, NotFound
from shared.domain.geo import distance_m
from shared.domain.places import Policy
from shared.domain.sharing import Share, ShareState, View
from tests.casework import agreed, at, evidence, near, opened, strip, who

AGREEMENT = agreed("garam", "haneul", strip(1), ("position", "name"))
CASE = opened(found=evidence(x_m=900))
OFFERED = sharing.offer(CASE, AGREEMENT, Policy(), at(10))
ACCEPTED = sharing.accept(OFFERED, "operator-9", at(20))


def test_at_3_2_a_grant_has_the_agreed_fields_and_two_hours() -> None:
    assert (OFFERED.fields, OFFERED.until) == (("position", "name"), at(10 + 7200))


def test_an_offer_never_outlives_its_agreement() -> None:
    short = agreed("garam", "haneul", strip(1), until=at(60))
    offered = sharing.offer(CASE, short, Policy(), at(10))

    assert offered.until == at(60)


def test_an_ended_agreement_offers_nothing() -> None:
    with pytest.raises(Conflict, match="agreement-ended"):
        sharing.offer(CASE, replace(AGREEMENT, until=at(5)), Policy(), at(10))


def test_at_3_1_an_agreement_that_one_side_has_not_signed_offers_nothing() -> None:
    with pytest.raises(Conflict, match="agreement-unsigned"):
        sharing.offer(CASE, replace(AGREEMENT, signatures=AGREEMENT.signatures[:1]), Policy(), at(10))


def test_a_signature_stands_for_the_terms_that_were_signed_and_no_others() -> None:
    widened = replace(AGREEMENT, fields=(*AGREEMENT.fields, "photo"))
    moved = replace(AGREEMENT, neighbour_boundary=strip(2))

    assert (widened.in_force(at(10)), moved.in_force(at(10))) == (False, True)


def test_signing_again_is_no_change_and_new_terms_are_signed_anew() -> None:
    widened = replace(AGREEMENT, fields=(*AGREEMENT.fields, "photo"))
    for party in ("garam", "haneul"):
        widened = sharing.signed(widened, party, "mayor", at(0))

    assert sharing.signed(AGREEMENT, "garam", "mayor", at(9)) is AGREEMENT
    assert (len(widened.signatures), widened.in_force(at(10))) == (2, True)


def test_a_third_district_cannot_sign() -> None:
    with pytest.raises(NotFound):
        sharing.signed(AGREEMENT, "badam", "mayor", at(0))


def test_at_3_3_before_accepting_there_is_area_time_class_and_clothing_only() -> None:
    seen = sharing.preview(CASE, OFFERED, at(15))

    assert (seen.preview, seen.child_id, dict(seen.last), seen.granted) == (True, "", {}, frozenset())


def test_at_3_3_the_preview_area_holds_the_place_and_hides_it() -> None:
    area = sharing.preview(CASE, OFFERED, at(15)).area
    assert area is not None
    off_m = distance_m(area.center, near(900))

    assert off_m <= area.semi_major_m <= 500


def test_two_places_in_one_cell_have_the_same_preview() -> None:
    areas = [
        sharing.preview(opened(found=evidence(x_m=x)), OFFERED, at(15)).area for x in (900.0, 905.0, 910.0)
    ]

    assert len({(a.center.lat_deg, a.center.lon_deg) for a in areas if a}) == 1


def test_at_3_3_after_accepting_there_are_the_agreed_fields_only() -> None:
    seen = sharing.view(CASE, ACCEPTED, at(25))

    assert (seen.granted, seen.child_id, list(seen.last)) == (
        frozenset({"position", "name"}),
        "child-1",
        [Kind.HEARD],
    )


def test_a_grant_without_position_shows_no_position() -> None:
    share = replace(ACCEPTED, fields=("name",))

    assert dict(sharing.view(CASE, share, at(25)).last) == {}


SECURED = cases.secured(CASE, "police", who("police"), at(100))[0]
OVER = cases.close(CASE, cases.CloseReason.FALSE_ALARM, "", who(), at(30))[0]


@pytest.mark.parametrize(
    ("look", "case", "share", "now"),
    [
        (sharing.view, CASE, OFFERED, at(25)),
        (sharing.view, CASE, sharing.decline(OFFERED, "o", at(20)), at(25)),
        (sharing.view, CASE, sharing.revoke(ACCEPTED, "o", at(24)), at(25)),
        (sharing.view, CASE, ACCEPTED, at(10 + 7200)),
        (sharing.view, OVER, ACCEPTED, at(31)),
        (sharing.view, SECURED, ACCEPTED, at(100 + 900)),
        (sharing.preview, CASE, sharing.decline(OFFERED, "o", at(20)), at(25)),
        (sharing.preview, CASE, sharing.revoke(OFFERED, "o", at(20)), at(25)),
        (sharing.preview, CASE, OFFERED, at(10 + 7200)),
        (sharing.preview, OVER, OFFERED, at(31)),
    ],
    ids=[
        "not accepted",
        "declined",
        "revoked",
        "run out",
        "case closed",
        "15 min after secured",
        "preview of declined",
        "preview of revoked",
        "preview of run out",
        "preview of closed",
    ],
)
def test_at_3_3_nothing_is_seen_without_a_grant(
    look: Callable[[Case, Share, datetime], View], case: Case, share: Share, now: datetime
) -> None:
    with pytest.raises(NotFound):
        look(case, share, now)


def test_at_3_2_a_grant_ends_fifteen_minutes_after_the_child_is_secured() -> None:
    assert sharing.view(SECURED, ACCEPTED, at(100 + 899)).state == "secured"


def test_accepting_again_changes_nothing() -> None:
    assert sharing.accept(ACCEPTED, "operator-8", at(30)) is ACCEPTED


@pytest.mark.parametrize("state", [ShareState.DECLINED, ShareState.REVOKED, ShareState.EXPIRED])
def test_an_offer_that_has_ended_is_not_accepted(state: ShareState) -> None:
    with pytest.raises(Conflict, match="offer-not-open"):
        sharing.accept(replace(OFFERED, state=state), "operator-9", at(30))


def test_an_offer_that_ran_out_is_not_accepted() -> None:
    with pytest.raises(Conflict, match="offer-not-open"):
        sharing.accept(OFFERED, "operator-9", at(10 + 7200))


def test_an_accepted_offer_is_not_declined() -> None:
    with pytest.raises(Conflict, match="offer-not-open"):
        sharing.decline(ACCEPTED, "operator-9", at(30))


@pytest.mark.parametrize("share", [OFFERED, ACCEPTED])
def test_the_owner_revokes_what_is_open(share: Share) -> None:
    assert sharing.revoke(share, "operator-1", at(40)).state is ShareState.REVOKED


def test_what_was_declined_stays_declined() -> None:
    declined = sharing.decline(OFFERED, "operator-9", at(20))

    assert sharing.revoke(declined, "operator-1", at(40)) is declined


def test_a_share_expires_when_its_time_is_over() -> None:
    states = [sharing.expire(ACCEPTED, at(s)).state.value for s in (10 + 7199, 10 + 7200)]

    assert states == ["accepted", "expired"]


def test_an_ended_share_makes_room_for_a_new_offer() -> None:
    ended = replace(sharing.revoke(OFFERED, "o", at(20)), version=3)
    again = sharing.offered_again(ended, sharing.offer(CASE, AGREEMENT, Policy(), at(50)))

    assert (again.state, again.version) == (ShareState.OFFERED, 3)


def test_an_open_share_is_not_offered_twice() -> None:
    with pytest.raises(Conflict, match="already-offered"):
        sharing.offered_again(OFFERED, OFFERED)
