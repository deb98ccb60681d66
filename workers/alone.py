"""Rows that may have ended the process that had them: tried alone, and given up after several times.

When a process dies, nobody can tell which of the rows in its hands did it. So a row whose worker died several times is
worked on with nothing else in hand: then it is this row, or it was never its fault.
"""

from collections.abc import Iterable

from leadloop.errors import Verdict
from store.work import WorkItem

RISKY = 3  # leases lost one after the other, from which on a row is tried alone
MOST_LOST = 5


def is_risky(item: WorkItem) -> bool:
    return RISKY <= item.lost < MOST_LOST


def pick_one(items: Iterable[WorkItem]) -> tuple[WorkItem | None, list[WorkItem]]:
    """One of the risky rows, to be tried alone, and the other risky ones, to be given back meanwhile."""
    risky = [item for item in items if is_risky(item)]
    return (risky[0], risky[1:]) if risky else (None, [])


def verdict_on_lost(item: WorkItem) -> Verdict | None:
    """What happens to a row with which too many workers died, instead of another try."""
    if item.lost < MOST_LOST:
        return None
    return Verdict(
        "parked",
        code="worker_died",
        message=f"The worker died with this row in hand {item.lost} times, so it is not tried again by itself.",
        action="Look in the logs of worker and machine for what ended it (out of memory, a crash), and report it with the"
        " lines of the same work_id. Then: leadloop work retry.",
    )
