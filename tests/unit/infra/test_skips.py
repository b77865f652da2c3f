"""What security's static checks skip is little, and says why (D4)."""

from tests.sec import MAX_SKIPS, skipped


def test_at_most_eight_ids_are_skipped_each_with_a_reason():
    reasons = skipped()

    assert len(reasons) <= MAX_SKIPS
    assert [each for each, reason in reasons.items() if len(reason) < 30] == []
