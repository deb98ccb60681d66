"""An answer that is ready, but leaves only once something has happened: a commit, say. No thread waits for that."""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from leadloop.serving.answering import Outlet
from leadloop.serving.receiving import Refusal


class HeldAnswer:
    """Whoever knows calls `tell()`, once it is known, from any thread; the first call counts.

    `tell()` lets the answer go, `tell(trouble)` has the client answered 503 with `text` instead. When nobody has told
    within `within_s` seconds the trouble is a TimeoutError. `on_trouble` is called with it, whichever it was.
    """

    def __init__(
        self, outlet: Outlet | None, within_s: float, text: str, on_trouble: Callable[[Exception], None]
    ) -> None:
        self.deadline = time.monotonic() + within_s
        self.refusal = Refusal(503, text)
        self.trouble: Exception | None = None
        self._outlet = outlet
        self._on_trouble = on_trouble
        self._lock = threading.Lock()
        self._told = False
        self._go: Callable[[], object] | None = None
        self._known: threading.Event | None = None
        if outlet is None:
            self._known = threading.Event()

    def tell(self, trouble: Exception | None = None) -> None:
        with self._lock:
            if self._told:
                return
            self._told, self.trouble = True, trouble
            go = self._go
        if trouble is not None:
            self._on_trouble(trouble)
        if self._known is not None:
            self._known.set()
        if go is not None:
            go()

    def when_told(self, go: Callable[[], object]) -> None:
        """Call `go` once it is known, on the thread that tells; now, if it is known already."""
        with self._lock:
            if not self._told:
                self._go = go
                return
        go()

    def wait(self) -> Exception | None:
        """For the application, as the last thing before it answers: the trouble, if any. Under leadloop's own server
        None at once, and the answer itself waits; under another server this thread does."""
        if self._outlet is not None:
            self._outlet.hold = self
        if self._known is not None:
            if not self._known.wait(max(0.0, self.deadline - time.monotonic())):
                self.tell(TimeoutError("nobody told in time"))
            return self.trouble
        return None


def hold_answer(
    environ: Mapping[str, Any], *, within_s: float, text: str, on_trouble: Callable[[Exception], None]
) -> HeldAnswer:
    """Hold back the answer to the request of this WSGI `environ`; see HeldAnswer. The answer should be a small one."""
    outlet = environ.get("gunicorn.socket")
    return HeldAnswer(outlet if isinstance(outlet, Outlet) else None, within_s, text, on_trouble)
