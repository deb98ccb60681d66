"""Answers that leave only once something has happened: no thread waits for it, whoever comes first is believed."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving.clients import PATIENCE_S, Serve, Web, Wire, wait_until

from leadloop.serving import hold_answer

GET = b"GET /pid HTTP/1.1\r\nHost: x\r\n\r\n"
TEXT = "it did not come to pass."


class Doors:
    """Where held requests wait for the word that lets them go (y) or fail (n)."""

    def __init__(self, web: Web) -> None:
        self.web = web
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(PATIENCE_S)
        self.open: list[socket.socket] = []

    def ask(self, *, within_s: float = 20, more: str = "") -> Wire:
        query = f"port={self.listener.getsockname()[1]}&within_s={within_s}{more}"
        wire = self.web.wire().send(f"GET /held?{query} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        self.open.append(self.listener.accept()[0])
        return wire

    def say(self, word: bytes) -> None:
        while self.open:
            with self.open.pop() as door:
                door.sendall(word)


@pytest.fixture(scope="module")
def web(serve: Serve, tmp_path_factory: pytest.TempPathFactory) -> Web:
    return serve(threads=2, limits={"sweep_s": 0.05}, diary=str(tmp_path_factory.mktemp("holding") / "diary"))


@pytest.fixture
def doors(web: Web) -> Iterator[Doors]:
    made = Doors(web)
    yield made
    made.say(b"y")
    made.listener.close()


@pytest.mark.services
def test_held_answers_cost_no_thread(web: Web, doors: Doors) -> None:
    waiting = [doors.ask() for _ in range(20)]  # ten times as many as there are threads
    assert web.get("/pid").status == 200
    with pytest.raises(TimeoutError):
        waiting[0].answer(timeout_s=0.2)
    doors.say(b"y")
    for wire in waiting:
        answer = wire.answer()
        assert (answer.status, answer.body) == (200, b"held")
    for wire in waiting:
        assert wire.send(GET).answer().status == 200, "the connection goes on"


@pytest.mark.services
def test_trouble_is_answered_instead(doors: Doors) -> None:
    wire = doors.ask()
    doors.say(b"n")
    answer = wire.answer()
    assert answer.status == 503
    assert TEXT.encode() in answer.body
    assert answer.headers["retry-after"] == "5"
    assert wire.is_closed()


@pytest.mark.services
def test_what_is_known_before_the_answer_is_ready_counts(doors: Doors) -> None:
    for word, status in ((b"y", 200), (b"n", 503)):
        wire = doors.ask(more="&slow=1")
        doors.say(word)
        assert wire.answer().status == status


@pytest.mark.services
def test_when_nobody_tells_in_time_it_is_refused(web: Web, doors: Doors) -> None:
    wire = doors.ask(within_s=0.2)
    assert wire.answer().status == 503
    doors.say(b"y")  # too late: nothing more comes
    assert wire.is_closed()
    assert web.get("/pid").status == 200


@pytest.mark.services
def test_an_error_after_holding_is_answered_at_once(doors: Doors) -> None:
    wire = doors.ask(more="&boom=1")
    assert wire.answer().status == 500


@pytest.mark.services
def test_a_client_that_leaves_meanwhile_costs_nothing(web: Web, doors: Doors) -> None:
    doors.ask().close()
    doors.say(b"y")
    assert web.get("/pid").status == 200


@pytest.mark.services
def test_a_stop_waits_for_held_answers(serve: Serve, tmp_path: Path) -> None:
    web = serve(threads=2, limits={"sweep_s": 0.05, "stop_s": 0.2}, diary=str(tmp_path / "diary"))
    doors = Doors(web)
    wire = doors.ask()
    doors.listener.close()
    web.process.terminate()
    assert not wait_until(lambda: web.process.poll() is not None, 0.5)
    doors.say(b"y")
    assert wire.answer().status == 200
    assert wire.is_closed()
    assert web.process.wait(PATIENCE_S) == 0


def test_under_another_server_the_thread_waits() -> None:
    troubles: list[Exception] = []
    for told in (None, RuntimeError("no")):
        hold = hold_answer({}, within_s=10, text=TEXT, on_trouble=troubles.append)
        threading.Timer(0.05, hold.tell, (told,)).start()
        assert hold.wait() is told
    late = hold_answer({}, within_s=0.01, text=TEXT, on_trouble=troubles.append)
    assert isinstance(late.wait(), TimeoutError)
    late.tell(RuntimeError("later"))
    assert [type(trouble) for trouble in troubles] == [RuntimeError, TimeoutError]
