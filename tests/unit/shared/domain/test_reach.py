"""How far somebody can have got."""

import pytest

from shared.domain.case import Evidence, Kind, SubjectClass
from shared.domain.reach import leaves, newest, reach, speed_mps, touched, touches_at
from tests.casework import agreed, at, evidence, strip

EAST = agreed("garam", "haneul", strip(1), ())
FAR = agreed("garam", "badam", strip(2), ())


@pytest.mark.parametrize(("age_y", "mps"), [(2, 0.8), (3, 1.3), (6, 1.3), (7, 1.7), (13, 1.9), (80, 1.9)])
def test_the_older_the_faster(age_y: int, mps: float) -> None:
    assert speed_mps(age_y) == mps


def test_people_with_dementia_have_a_speed_of_their_own() -> None:
    assert speed_mps(80, SubjectClass.DEMENTIA) == 1.3


def test_the_ring_grows_with_the_age_of_the_evidence() -> None:
    ring = reach({Kind.HEARD: evidence(radius_m=30)}, at(100), 4)

    assert ring is not None
    assert ring.radius_m == pytest.approx(30 + 130)


def test_nobody_knows_anything_is_no_ring() -> None:
    assert reach({}, at(100), 4) is None


def last(*found: Evidence) -> dict[Kind, Evidence]:
    return {each.kind: each for each in found}


def test_the_search_starts_from_what_was_heard_or_seen_last() -> None:
    seen, heard = evidence(Kind.SEEN, at_s=50), evidence(Kind.HEARD, at_s=40)

    assert newest(last(seen, heard, evidence(Kind.REPORTED, at_s=90))) is seen


def test_somebodys_word_is_used_when_there_is_nothing_else() -> None:
    said = evidence(Kind.REPORTED, at_s=90)

    assert newest(last(said)) is said


@pytest.mark.parametrize(("after_s", "names"), [(53, []), (54, ["haneul"]), (1600, ["haneul", "badam"])])
def test_at_3_1_a_border_is_touched_when_the_ring_reaches_it(after_s: float, names: list[str]) -> None:
    ring = reach(last(evidence(x_m=900, radius_m=30)), at(after_s), 4)

    assert ring is not None
    assert [each.neighbour_id for each in touched(ring, [FAR, EAST])] == names


def test_at_3_1_an_agreement_that_has_ended_is_not_touched() -> None:
    ring = reach(last(evidence(x_m=990)), at(60), 4)

    assert ring is not None
    assert touched(ring, [agreed("garam", "haneul", strip(1), (), at(50))]) == ()


def test_when_the_border_will_be_touched_is_known_beforehand() -> None:
    when = touches_at(last(evidence(x_m=900, radius_m=30)), EAST, 4, SubjectClass.CHILD)

    assert when is not None
    assert (when - at(0)).total_seconds() == pytest.approx(70 / 1.3, abs=0.2)


@pytest.mark.parametrize(
    ("x_m", "expected"),
    [(0, False), (950, False), (-950, True)],
    ids=["inside", "to the neighbour", "to nobody"],
)
def test_at_3_1_the_ring_leaving_to_where_nobody_agreed_is_noticed(x_m: float, *, expected: bool) -> None:
    ring = reach(last(evidence(x_m=x_m, radius_m=100)), at(0), 4)

    assert ring is not None
    assert leaves(ring, strip(0), [strip(1)]) is expected
