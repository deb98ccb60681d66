"""GET /api/v1/conversions, one of them, and both kinds in the story of a lead."""

from datetime import timedelta

import pytest
from conftest import NOW
from conversion_rows import DATASET, make_conversion, make_held_lane, make_outcome
from lead_rows import add, make_lead, on_both

from api.conversion_shapes import Conversion, ConversionList
from api.shapes import LeadStory
from store.models import Work

LEAD = "222222222222222"
PATH = "/api/v1/conversions"


def ids(answer):
    assert answer.status_code == 200, answer.text
    ConversionList().load(answer.json)
    return [one["id"] for one in answer.json["conversions"]]


@pytest.fixture
def some(services):
    add(
        services,
        make_lead(LEAD, NOW),
        make_outcome(NOW, key="a", lead_id=1),
        make_conversion(NOW, event_id="a", lead_id=1, outcome_id=1, state="accepted", fbtrace_id="AbC", tries=1),
        make_conversion(NOW + timedelta(seconds=1), event_id="b", dataset_id="7", warnings=[{"code": "odd"}, "text"]),
        make_conversion(NOW + timedelta(seconds=1), event_id="c", event_name="Lead", lead_id=1),
        make_held_lane(NOW),
    )


@on_both
def test_conversions_are_listed_page_by_page(get, some):
    answer = get(PATH, limit=2)
    assert ids(answer) == [3, 2]
    assert ids(get(PATH, limit=2, cursor=answer.json["next_cursor"])) == [1]
    assert get(PATH, limit=3).json["next_cursor"] is None


@on_both
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"leadgen_id": LEAD}, [3, 1]),
        ({"leadgen_id": "9"}, []),
        ({"dataset_id": DATASET}, [3, 1]),
        ({"state": "held"}, [3]),
        ({"state": "queued"}, [2]),
        ({"state": "accepted"}, [1]),
        ({"event_name": "Lead"}, [3]),
        ({"since": "2026-11-22T09:00:01Z"}, [3, 2]),
        ({"until": "2026-11-22T09:00:01Z", "state": "accepted"}, [1]),
    ],
)
def test_filters_pick_their_own(get, some, query, expected):
    assert ids(get(PATH, **query)) == expected


@on_both
def test_test_events_can_be_told_from_those_that_count(services, get, some):
    add(services, make_conversion(NOW, event_id="t", is_test=True))
    assert (ids(get(PATH, test="true")), ids(get(PATH, test="false"))) == ([4], [3, 2, 1])
    assert len(ids(get(PATH))) == 4


@on_both
def test_what_waits_for_its_dataset_says_so(get, some):
    held = get(f"{PATH}/3").json
    assert (held["state"], held["code"], held["action"]) == ("held", "token_dead", "Enter a new one.")


@on_both
def test_the_payload_is_shown_on_request_without_address_and_browser(get, some):
    bare = get(f"{PATH}/1")
    Conversion().load(bare.json)
    assert not {"payload", "answer"} & set(bare.json)
    for answer in (get(f"{PATH}/1", payload="true"), get(PATH, payload="true")):
        assert "203.0.113.9" not in answer.text
        assert "Browser of Zoe" not in answer.text
    full = get(f"{PATH}/1", payload="true").json
    Conversion().load(full)
    assert full["payload"]["user_data"]["client_ip_address"] == "(masked)"
    assert full["payload"]["user_data"]["em"] == ["0" * 64]


@pytest.mark.parametrize("path", ["4", "0", "abc", "1" * 19, "-1", "1%0A", "١", "%00"])
def test_a_conversion_that_is_not_here_is_404(get, some, path):
    assert get(f"{PATH}/{path}").status_code == 404


@pytest.mark.parametrize("query", [{"state": "sent"}, {"event_name": "\x00"}, {"payload": "1"}, {"dataset_id": "x"}])
def test_wrong_filters_are_refused(get, query):
    assert get(PATH, **query).status_code == 400


def test_without_a_key_nothing_is_shown(client, some):
    assert [client.get(path).status_code for path in (PATH, f"{PATH}/1")] == [401, 401]


@on_both
def test_the_story_of_a_lead_tells_its_outcomes_and_conversions(services, get, some):
    add(
        services,
        make_outcome(NOW + timedelta(seconds=9), key="w", lead_id=1, stage="lost", decided_at=NOW),
        Work(kind="outcome", subject_id=1, lane="outcomes", queue="0:outcomes", due_at=NOW, added_at=NOW),
        Work(kind="outcome", subject_id=99, lane="outcomes", queue="0:outcomes", due_at=NOW, added_at=NOW),
    )
    story = get(f"/api/v1/leads/{LEAD}").json
    LeadStory().load(story)
    assert [(one["stage"], one["conversions"]) for one in story["outcomes"]] == [("won", [1]), ("lost", [])]
    assert [(one["id"], one["state"]) for one in story["conversions"]] == [(1, "accepted"), (3, "held")]
    assert "payload" not in story["conversions"][0]
    assert [one["words"] for one in story["waiting"]] == ["Deciding what Meta is told of the stage won"]
