"""One writing transaction shared by all who arrive together: many durable answers for one flush of the disk."""

import queue
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from leadloop.logs import get_logger
from store.engine import session_on
from store.sql import run_deferred
from store.turns import Turn

log = get_logger(__name__)
Result = TypeVar("Result")
Item = TypeVar("Item")

MOST_TOGETHER = 256
DEADLOCK = "40P01"
AWAKE_S = 1.0  # a database that answers within this time, even with an error, does not hang
LINGER_S = 0.003  # when several came together the last time, more are on their way: one flush for all
Operation = Callable[[Session], Any]
Then = Callable[[Any, Exception | None], None]


class _Waiting:
    """Somebody who waits for their operation, or is told by `then`. A bare lock is the cheapest way to wait that Python
    has."""

    __slots__ = ("caught", "done", "gathered", "item", "operation", "result", "then")

    def __init__(self, operation: Any, item: Any = None, *, gathered: bool = False, then: Then | None = None) -> None:
        self.operation = operation
        self.item = item
        self.gathered = gathered
        self.result: Any = None
        self.caught: Exception | None = None
        self.then = then
        self.done = threading.Lock()
        self.done.acquire()

    def tell(self, result: Any, caught: Exception | None = None) -> None:
        self.result, self.caught = result, caught
        self.done.release()
        if self.then is not None:
            try:
                self.then(result, caught)
            except Exception as raised:  # the writer must outlive a bug of whoever is told
                log.exception("told_badly", error=type(raised).__name__)

    def wait(self, timeout_s: float | None) -> Any:
        if not self.done.acquire(timeout=-1 if timeout_s is None else timeout_s):
            raise TimeoutError("the database did not answer in time")
        if self.caught is not None:
            raise self.caught
        return self.result


class GroupWriter:
    """Runs writing operations on one thread of its own, as many as are waiting in one transaction.

    An operation only touches the session it is handed, for it may be run twice: when one of a group fails, the group is
    rolled back and each member is run again alone, so that nobody pays for a neighbour. The thread starts at first use
    (after a fork, never before it).
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._turn = Turn(engine)
        self._waiting: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._busy_since: float | None = None  # time.monotonic() of the transaction under way
        self._ill_since: float | None = (
            None  # when those before it failed, each after a long wait: of the first of them
        )

    def write(self, operation: Callable[[Session], Result]) -> Result:
        """Run `operation` in a transaction; return its result once it is durably committed."""
        return self._put(_Waiting(operation))  # type: ignore[no-any-return]

    def gather(
        self,
        operation: Callable[[Session, list[Item]], list[Result]],
        item: Item,
        *,
        timeout_s: float | None = None,
    ) -> Result:
        """Like write(), for an operation that serves many items in one statement: results in the order of items.

        Raises TimeoutError when the database has not answered in `timeout_s`; it may still be written later. The time
        for which it has not answered those before counts, so that nobody queues behind a database that hangs.
        """
        return self._put(_Waiting(operation, item, gathered=True), timeout_s)  # type: ignore[no-any-return]

    def gather_later(
        self,
        operation: Callable[[Session, list[Item]], list[Result]],
        item: Item,
        then: Callable[[Result | None, Exception | None], None],
        *,
        timeout_s: float | None = None,
    ) -> None:
        """Like gather(), without waiting: `then(result, trouble)` is called on the writer's thread once it is durable or
        has failed. It is called at once, with a TimeoutError, while the database has not answered for `timeout_s`."""
        if self._left_s(timeout_s) <= 0:
            then(None, TimeoutError("the database has not answered for a while"))
        else:
            self._enqueue(_Waiting(operation, item, gathered=True, then=then))

    def close(self) -> None:
        """Finish what is waiting and end the thread."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            self._waiting.put(None)
            thread.join(timeout=30)
        self._turn.close()

    def _put(self, waiting: _Waiting, timeout_s: float | None = None) -> Any:
        left_s = self._left_s(timeout_s)
        if left_s <= 0:
            raise TimeoutError("the database has not answered for a while")
        self._enqueue(waiting)
        return waiting.wait(None if timeout_s is None else left_s)

    def _left_s(self, timeout_s: float | None) -> float:
        """What is left of the time for which somebody would wait."""
        since = self._busy_since
        if timeout_s is None:
            return float("inf")
        return timeout_s if since is None else timeout_s - (time.monotonic() - since)

    def _enqueue(self, waiting: _Waiting) -> None:
        if self._thread is None:
            self._start()
        self._waiting.put(waiting)

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._loop, name="writer", daemon=True)
                self._thread.start()

    def _loop(self) -> None:
        together = 0
        while True:
            first = self._waiting.get()
            if first is None:
                return
            if together > 1:
                time.sleep(LINGER_S)
            group, last = [first], False
            while len(group) < MOST_TOGETHER and not last:
                try:
                    another = self._waiting.get_nowait()
                except queue.Empty:
                    break
                if another is None:
                    last = True
                else:
                    group.append(another)
            together = len(group)
            began = time.monotonic()
            self._busy_since = began if self._ill_since is None else self._ill_since
            answered = self._commit(group) or time.monotonic() - began < AWAKE_S
            self._ill_since = None if answered else self._busy_since
            self._busy_since = None
            if last or self._waiting.empty():
                self._let_go()
            if last:
                return

    def _commit(self, group: list[_Waiting], *, again: bool = False) -> bool:
        """Whether the database took any of it."""
        try:
            results = self._run(group)
        except Exception as caught:
            self._let_go()
            if len(group) == 1 and (again or not _is_disconnect(caught)):
                group[0].tell(None, caught)
                return False
            return sum(self._commit([one], again=True) for one in group) > 0
        for one, result in zip(group, results, strict=True):
            one.tell(result)
        return True

    def _let_go(self) -> None:
        """Hand the connection back to the pool: between two groups of a burst it is kept, in a pause it is not."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _run(self, group: list[_Waiting]) -> list[Any]:
        results: dict[int, Any] = {}
        if self._connection is None:
            self._connection = self._engine.connect()
        with self._turn, self._connection.begin(), session_on(self._connection) as session:
            session.info["deferred"] = {}
            for operation, members in _by_operation(group):
                if members[0].gathered:
                    answers = operation(session, [one.item for one in members])
                    results |= {id(one): answer for one, answer in zip(members, answers, strict=True)}
                else:
                    results[id(members[0])] = operation(session)
            session.flush()
            run_deferred(session)
        return [results[id(one)] for one in group]


def _is_disconnect(caught: Exception) -> bool:
    """The server ended the connection (it was started anew, say) or chose us as the one to give way in a deadlock: the
    same may work at once on a second try."""
    if not isinstance(caught, DBAPIError):
        return False
    return caught.connection_invalidated or getattr(caught.orig, "sqlstate", None) == DEADLOCK


def _by_operation(group: list[_Waiting]) -> list[tuple[Any, list[_Waiting]]]:
    gathered: dict[Any, list[_Waiting]] = {}
    ordered: list[tuple[Any, list[_Waiting]]] = []
    for one in group:
        if not one.gathered:
            ordered.append((one.operation, [one]))
        elif one.operation in gathered:
            gathered[one.operation].append(one)
        else:
            gathered[one.operation] = [one]
            ordered.append((one.operation, gathered[one.operation]))
    return ordered
