"""A lead's story in plain English."""

import pytest

from store.story_words import story_words


@pytest.mark.parametrize(
    ("kind", "detail", "words"),
    [
        ("received", {"source": "webhook"}, "Meta's notice reached leadloop."),
        ("received", {"source": "backfill"}, "Found in Meta's list of leads."),
        ("received", {"source": "changed_fields"}, "Meta's notice named no lead; it was found in Meta's list."),
        (
            "outcome",
            {"stage": "won", "connection": "crm", "source": "crm:hubspot", "states": ["queued"]},
            "crm reported the stage won. Meta is told.",
        ),
        (
            "outcome",
            {"stage": "won", "connection": "crm", "source": "api", "states": ["held", "queued", "skipped"]},
            "A program, for crm, reported the stage won. Meta is told."
            " What Meta is told waits for something that is missing.",
        ),
        (
            "outcome",
            {"stage": "lost", "connection": "", "source": "import", "states": ["skipped"]},
            "An imported file reported the stage lost. Meta is not told of it.",
        ),
        (
            "outcome",
            {"stage": "lost", "connection": "", "source": "crm:hubspot", "states": []},
            "hubspot reported the stage lost. No funnel knows it, so Meta is not told.",
        ),
        ("outcome", {}, "Somebody reported the stage without a name. No funnel knows it, so Meta is not told."),
        ("sample", {}, "A sample of Meta's Test button: its ids belong to nobody, so that there is nothing to read."),
        ("announced_again", {}, "Meta announced it again; nothing is done twice."),
        ("leadgen_update", {"area": "STATUS", "event": "CHANGED"}, "Meta says that it changed (STATUS CHANGED)."),
        ("leadgen_update", {"area": None}, "Meta says that it changed."),
        ("read", {"attempt": 1, "form_known": True}, "Read from Meta."),
        ("read", {"source": "backfill"}, "Read from Meta's list of leads."),
        (
            "read",
            {"attempt": 3, "form_known": False},
            "Read from Meta at attempt 3. Its form could not be read, so its answers are understood by their names alone.",
        ),
        (
            "read_failed",
            {"message": "There is no token.", "state": "parked"},
            "Reading it from Meta did not work: There is no token. It waits for a person.",
        ),
        (
            "delivered",
            {"connection": "crm", "remote_kind": "contact", "remote_id": "501"},
            "Put into crm as contact 501.",
        ),
        ("delivered", {"connection": "crm", "remote_id": "", "attempt": 2}, "Put into crm at attempt 2."),
        (
            "delivery_failed",
            {"connection": "crm", "code": "http_503", "state": "open"},
            "Putting it into crm did not work: http_503. It is tried again.",
        ),
        (
            "delivery_failed",
            {"state": "failed"},
            "Putting it into a connection did not work: no reason was given. It is given up until somebody retries it.",
        ),
        ("alerted", {"notifier": "sales", "to": "Slack"}, "sales (Slack) was rung."),
        (
            "alerted",
            {"notifier": "sales", "maybe_repeated": True},
            "sales was rung. Perhaps not for the first time: an earlier ring was not answered, or not noted.",
        ),
        ("replayed", {"deliveries_again": False}, "Somebody asked for it to be read again."),
        ("something_new", {"x": 1}, "Something new."),
    ],
)
def test_words(kind, detail, words):
    assert story_words(kind, detail) == words


@pytest.mark.parametrize(
    "kind",
    [
        "received",
        "leadgen_update",
        "read",
        "read_failed",
        "delivered",
        "delivery_failed",
        "alerted",
        "alert_failed",
        "",
    ],
)
def test_no_detail_of_any_kind_breaks_a_line(kind):
    for value in (None, 7, [], {}, "x", True):
        names = ("source", "attempt", "form_known", "message", "state", "connection", "notifier", "to", "remote_id")
        assert story_words(kind, dict.fromkeys(names, value)).endswith(".")
