"""What is remembered stays within bounds, and is right when many threads remember at once."""

import threading
from datetime import UTC, datetime, timedelta

from meta_graph.memory import MOST_ENTRIES, Memory

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def test_the_oldest_are_forgotten() -> None:
    memory = Memory()
    for number in range(MOST_ENTRIES + 10):
        memory.note_no_ad_fields(str(number), NOON)
        memory.note_page_size(str(number), 7)
        memory.note_read(str(number), NOON)
    assert not memory.lacks_ad_fields("9", NOON)
    assert memory.lacks_ad_fields("10", NOON)
    assert (memory.page_size("9", 100), memory.page_size("10", 100)) == (100, 7)
    assert memory.note_refused(str(MOST_ENTRIES), "1", NOON)  # a Page still known to work
    assert not memory.note_refused("9", "1", NOON)  # one that is forgotten


def test_the_refused_of_a_page_are_bounded_too() -> None:
    memory = Memory()
    memory.note_read("1", NOON)
    answers = [memory.note_refused("1", str(number), NOON) for number in range(1_000)]
    assert answers == [True, True] + [False] * 998
    memory.note_read("1", NOON)
    assert memory.note_refused("1", "5", NOON)


def test_a_memory_ends() -> None:
    memory = Memory()
    memory.note_no_ad_fields("1", NOON)
    memory.note_read("1", NOON)
    assert memory.lacks_ad_fields("1", NOON + timedelta(minutes=59))
    assert not memory.lacks_ad_fields("1", NOON + timedelta(minutes=60))
    assert not memory.lacks_ad_fields("1", NOON - timedelta(seconds=1))
    memory.note_no_ad_fields("1", NOON, lasts=timedelta(minutes=5))
    assert memory.lacks_ad_fields("1", NOON + timedelta(minutes=4))
    assert not memory.lacks_ad_fields("1", NOON + timedelta(minutes=5))
    assert memory.note_refused("1", "5", NOON + timedelta(minutes=14))
    assert not memory.note_refused("1", "5", NOON + timedelta(minutes=15))


def test_many_threads() -> None:
    memory = Memory()

    def work(thread: int) -> None:
        for number in range(300):
            memory.note_read(str(number % 7), NOON)
            memory.note_refused(str(number % 7), str(thread), NOON)
            memory.note_page_size(str(number), thread)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    memory.note_read("1", NOON)
    assert memory.note_refused("1", "x", NOON)
