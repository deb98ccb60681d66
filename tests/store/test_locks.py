"""The lock over processes: the second waits for the first, and a dead holder holds nothing."""

import subprocess
import sys
import threading
import time

from sqlalchemy import Engine

from store.engine import make_engine
from store.locks import exclusive

HOLD = """
import sys, time
from store.engine import make_engine
from store.locks import exclusive
with exclusive(make_engine(sys.argv[1]), "connection:1"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_threads_take_turns(engine: Engine) -> None:
    order: list[str] = []

    def turn(name: str) -> None:
        with exclusive(engine, "connection:1"):
            order.append(name)
            time.sleep(0.05)
            order.append(name)

    threads = [threading.Thread(target=turn, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert [order[at] == order[at + 1] for at in (0, 2, 4)] == [True] * 3


def test_a_holder_that_is_killed_holds_nothing(engine: Engine, database_url: str) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, database_url], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    taken = threading.Event()
    second = make_engine(database_url)

    def wait() -> None:
        with exclusive(second, "connection:1"):
            taken.set()

    thread = threading.Thread(target=wait)
    thread.start()
    assert not taken.wait(0.3)
    holder.kill()
    holder.communicate(timeout=10)
    assert taken.wait(20)
    thread.join(10)
    second.dispose()
