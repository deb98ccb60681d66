"""A drain that has room takes fresh rows in the transaction that adds them, instead of looking for them afterwards."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy.orm import Session

from store.work import WorkItem, add_claimed


class Taking:
    """What one attempt's effect adds and its own drain takes; put into Session.info[TAKING] while it is written.

    `reserve(lane)` says whether there is room, and keeps a place; `release(lane)` gives it back when it comes to nothing.
    What was taken is in `items` once the transaction is committed.
    """

    def __init__(
        self, holder: str, lease_s: float, *, reserve: Callable[[str], bool], release: Callable[[str], None]
    ) -> None:
        self.items: list[WorkItem] = []
        self._holder = holder
        self._lease_s = lease_s
        self._reserve = reserve
        self._release = release
        self._reserved: list[str] = []

    def take(self, session: Session, kind: str, subject_ids: list[int], lane: str, *, now: datetime) -> list[int]:
        """Add rows that are claimed from the start; the subjects for which there was no room, or a row already."""
        left = []
        for subject_id in subject_ids:
            if not self._reserve(lane):
                left.append(subject_id)
                continue
            self._reserved.append(lane)
            item = add_claimed(session, kind, subject_id, lane, holder=self._holder, now=now, lease_s=self._lease_s)
            if item is None:
                self._release(self._reserved.pop())
                left.append(subject_id)
            else:
                self.items.append(item)
        return left

    def forget(self) -> None:
        """Give the places back: the transaction was rolled back, or what was taken is in hand now."""
        while self._reserved:
            self._release(self._reserved.pop())
        self.items.clear()
