"""What two layers say with one number, since neither may import the other."""

from store.figures import TROUBLED_AFTER
from workers.settling import TOLERATED


def test_a_lane_counts_as_troubled_where_it_begins_to_rest() -> None:
    assert TROUBLED_AFTER == TOLERATED
