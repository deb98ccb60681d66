"""Writing down what has happened elsewhere, in spite of a short trouble with the database: what was sent must be noted."""

import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.orm import Session

from leadloop.logs import get_logger
from leadloop.ports import Services
from workers.attempt import DATABASE_AWAY

log = get_logger(__name__)
Result = TypeVar("Result")
SETTLE_TRIES = 6
FIRST_WAIT_S = 0.1


def write_again(services: Services, write: Callable[[Session], Result], *, tries: int = SETTLE_TRIES) -> Result:
    """Write, and while the database is away wait a little longer each time and write again. Raises what the last of so many
    `tries` met; anything but a database that is away is raised at once."""
    wait_s = FIRST_WAIT_S
    for left in range(tries - 1, 0, -1):
        try:
            return services.writer.write(write)
        except DATABASE_AWAY as caught:
            log.warning("settle_failed", error=type(caught).__name__, tries_left=left)
            time.sleep(wait_s)  # also while stopping: that is what the grace time is for
            wait_s *= 2.5
    return services.writer.write(write)
