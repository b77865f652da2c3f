"""Every acceptance test of the journeys has a test with its number in its name."""

from tests.journeys import NAMED, WANTED, missing, named


def test_no_acceptance_test_of_the_journeys_is_without_a_test() -> None:
    assert missing() == []


def test_a_number_is_read_whole_from_a_name() -> None:
    assert NAMED.findall("test_at_10_2_a_drill_says_so_at_4_5") == [("10", "2")]


def test_a_test_is_found_by_its_number_in_the_file_it_is_in() -> None:
    node = "tests/unit/functions/notify/test_reaching.py::test_at_2_1_a_case_somebody_owns_calls_nobody_up"

    assert node in named()["AT-2.1"]
    assert set(WANTED) <= set(named()) | set(missing())
