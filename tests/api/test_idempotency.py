"""The Idempotency-Key: the same request twice is done once and answered alike."""

import json
import threading
from datetime import timedelta

import pytest
from conftest import NOW, Clock
from fakes import make_services
from lead_rows import add, make_lead, on_both
from sqlalchemy import func, select

from store.api_keys import create_key
from store.conversion_models import IdempotencyKey, Outcome
from store.idempotency import KEPT_FOR, KeptAnswer, RequestKey, claim_key, find_answer, keep_answer
from store.writer import GroupWriter
from workers.schedules import SCHEDULES
from workers.upkeep import remove_kept_answers

LEAD = "222222222222222"
PATH = "/api/v1/outcomes"
WON = {"lead": {"leadgen_id": LEAD}, "stage": "won", "occurred_at": "2026-11-22T08:59:00Z"}


@pytest.fixture(autouse=True)
def lead(services):
    add(services, make_lead(LEAD, NOW - timedelta(minutes=5)))


@pytest.fixture
def post(client, key):
    def post(body, idempotency_key, api_key=key):
        headers = {"Authorization": f"Bearer {api_key}", "Content-Type": "application/json"}
        data = body if isinstance(body, str) else json.dumps(body)
        return client.post(PATH, data=data, headers=headers | {"Idempotency-Key": idempotency_key})

    return post


def count(services, model):
    with services.read() as session:
        return session.scalar(select(func.count()).select_from(model))


@on_both
def test_the_same_request_again_gets_the_same_answer_and_nothing_is_done(services, post):
    first = post([WON], "k-1")
    again = post([WON], "k-1")
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json == again.json
    assert first.json["outcomes"][0]["status"] == "accepted"  # and not "repeated", the second time
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert services.bell.rings == 1
    assert (count(services, Outcome), count(services, IdempotencyKey)) == (1, 1)


@on_both
def test_another_body_under_the_same_key_is_refused_and_nothing_of_it_kept(services, post):
    post(WON, "k-1")
    for other in (WON | {"stage": "lost"}, json.dumps(WON) + " ", "not JSON"):
        answer = post(other, "k-1")
        assert answer.status_code == 422
        assert answer.json["type"].endswith("#problem-idempotency-key-reused")
    assert count(services, Outcome) == 1


def test_a_key_belongs_to_the_program_that_sent_it(services, post):
    other = services.writer.write(lambda session: create_key(session, "other", NOW))
    assert post(WON, "k-1").json["status"] == "accepted"
    answer = post(WON | {"stage": "lost"}, "k-1", api_key=other)
    assert (answer.status_code, answer.json["status"]) == (202, "accepted")


@on_both
@pytest.mark.parametrize("bad", ["{", json.dumps({}), json.dumps(WON | {"connection": "unheard-of"}), "[]"])
def test_a_request_that_failed_leaves_its_key_free(services, post, bad):
    assert post(bad, "k-1").status_code in (400, 422)
    assert count(services, IdempotencyKey) == 0
    assert post(WON, "k-1").json["status"] == "accepted"


def test_a_list_that_is_partly_invalid_keeps_its_key(services, post):
    assert post([WON, {}], "k-1").status_code == 202
    assert post([WON, {}], "k-1").headers["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize("wrong", ["", " ", "\t", "x" * 256, "ü", "\x7f", "a\tb"])
def test_a_key_that_cannot_be_one_is_400(services, post, wrong):
    answer = post(WON, wrong)
    assert answer.status_code == 400
    assert answer.json["type"].endswith("#problem-invalid-idempotency-key")
    assert count(services, Outcome) == 0


@pytest.mark.parametrize("right", ["x", "x" * 255, '"8e03978e-40d5-43dd-bc93-6894a57f9324"', "a b, c", "~!"])
def test_any_printable_key_will_do_and_only_its_hash_is_kept(services, post, right):
    assert post(WON, right).status_code == 202
    assert post(WON, right).headers["Idempotency-Replayed"] == "true"
    with services.read() as session:
        row = session.scalars(select(IdempotencyKey)).one()
    assert len(row.key_sha256) == 64


def together(*calls):
    """Start all at the same moment; their results in the order of the calls."""
    barrier, found = threading.Barrier(len(calls)), [None] * len(calls)

    def run(place):
        barrier.wait(10)
        found[place] = calls[place]()

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return found


@on_both
def test_of_two_at_the_same_moment_one_is_done_and_both_get_its_answer(app, engine, services, key):
    """Two web processes, so to speak: each with a writer of its own."""
    other = GroupWriter(engine)
    headers = {"Authorization": f"Bearer {key}"}
    apps = [app, _second_app(engine, other)]
    try:
        for turn in range(10):
            sent = WON | {"stage": f"stage {turn}"}

            def ask(one, sent=sent, turn=turn):
                given = headers | {"Idempotency-Key": f"k-{turn}"}
                return one.test_client().post(PATH, json=sent, headers=given)

            answers = together(*(lambda one=one: ask(one) for one in apps * 2))
            assert [answer.status_code for answer in answers] == [202] * 4
            assert len({answer.text for answer in answers}) == 1
            assert answers[0].json["status"] == "accepted"
            assert [answer.headers.get("Idempotency-Replayed") for answer in answers].count("true") == 3
        assert (count(services, Outcome), count(services, IdempotencyKey)) == (10, 10)
    finally:
        other.close()


def _second_app(engine, writer):
    from flask import Flask

    import api

    made = Flask("leadloop", static_folder=None)
    made.extensions["leadloop"] = make_services(engine, writer=writer, now=Clock())
    api.register(made)
    return made


@on_both
def test_the_second_waits_until_the_first_is_committed(engine, services, key):
    """And finds the key free when the first one fails."""
    other = GroupWriter(engine)
    asked = RequestKey(1, "a" * 64, "b" * 64)
    for fails in (True, False):
        claimed, release = threading.Event(), threading.Event()

        def first(session, fails=fails, claimed=claimed, release=release):
            row_id = claim_key(session, asked, now=NOW)
            claimed.set()
            release.wait(10)
            if fails:
                raise RuntimeError("on purpose")
            keep_answer(session, row_id, 202, {"by": "first"})

        def run_first(first=first):
            try:
                services.writer.write(first)
            except RuntimeError:
                return

        seen = []

        def second(session, seen=seen):
            seen.append(claim_key(session, asked, now=NOW))
            raise RuntimeError("only looked")

        def run_second(second=second):
            with pytest.raises(RuntimeError, match="only looked"):
                other.write(second)

        threads = [threading.Thread(target=run_first), threading.Thread(target=run_second)]
        threads[0].start()
        assert claimed.wait(10)
        threads[1].start()
        threads[1].join(0.3)
        assert seen == []
        release.set()
        for thread in threads:
            thread.join(20)
        assert isinstance(seen[0], int if fails else KeptAnswer)
    other.close()
    with services.read() as session:
        assert find_answer(session, asked) == KeptAnswer("b" * 64, 202, {"by": "first"})


@on_both
def test_answers_are_kept_for_seven_days(services, post, clock, monkeypatch):
    monkeypatch.setattr("store.idempotency.TOGETHER", 2)
    monkeypatch.setattr("workers.upkeep.TOGETHER", 2)
    for number in range(5):
        post(WON, f"k-{number}")
    clock.forward(seconds=KEPT_FOR.total_seconds())
    remove_kept_answers(services)
    assert count(services, IdempotencyKey) == 5
    post(WON, "new")
    clock.forward(seconds=1)
    remove_kept_answers(services)
    assert count(services, IdempotencyKey) == 1
    assert post(WON, "k-0").json["status"] == "repeated"
    assert remove_kept_answers in [one.run for one in SCHEDULES]
