import json
from datetime import UTC, datetime

import pytest

from sandbox.forms import ATELIER, BIKES, PAGES
from sandbox.rows import Lead
from sandbox.scene import Scene
from sandbox.sender import build_body
from sandbox.shapes import SAMPLES, build_leadgen, build_sample
from sandbox.state import page_ads

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def lead(number: int, page_id: str = BIKES.page_id, *, organic: bool = False) -> Lead:
    ad = None if organic else page_ads(page_id)[0]
    return Lead(str(2**53 + number), page_id, "301000000000001", NOW, ad, "fb", False, ())


def test_ids_as_text_with_the_documented_keys() -> None:
    notice = build_leadgen([lead(1)], style="strings", now=NOW)
    (entry,) = notice["entry"]
    (change,) = entry["changes"]
    assert (notice["object"], entry["id"], entry["time"]) == ("page", BIKES.page_id, 1795338000)
    assert change["field"] == "leadgen"
    assert change["value"] == {
        "leadgen_id": "9007199254740993",
        "page_id": BIKES.page_id,
        "form_id": "301000000000001",
        "created_time": 1795338000,
        "adgroup_id": "120210000000000001",
        "ad_id": "120210000000000001",
    }


def test_ids_as_numbers_lose_no_digit() -> None:
    body = build_body(build_leadgen([lead(1)], style="integers", now=NOW))
    assert b'"leadgen_id":9007199254740993,' in body
    assert b'"id":101000000000001,' in body


def test_only_the_keys_of_meta_s_sample() -> None:
    notice = build_leadgen([lead(1)], style="minimal", now=NOW)
    assert notice["entry"][0]["changes"][0]["value"].keys() == {"leadgen_id", "page_id", "form_id", "created_time"}


def test_an_organic_lead_names_no_ad() -> None:
    value = build_leadgen([lead(1, organic=True)], style="strings", now=NOW)["entry"][0]["changes"][0]["value"]
    assert not {"ad_id", "adgroup_id"} & value.keys()


def test_a_batch_goes_over_several_entries_one_page_each() -> None:
    leads = [lead(1), lead(2), lead(3), lead(4, ATELIER.page_id), lead(5)]
    notice = build_leadgen(leads, style="strings", now=NOW)
    told = [[(entry["id"], change["value"]["leadgen_id"]) for change in entry["changes"]] for entry in notice["entry"]]
    assert [pair for entry in told for pair in entry] == [(one.page_id, one.leadgen_id) for one in leads]
    assert len(told) == 3
    assert all(len({page_id for page_id, _ in entry}) == 1 for entry in told)
    assert len(build_leadgen(leads[:2], style="strings", now=NOW)["entry"]) == 2


def test_a_thousand_changes_in_one_notice() -> None:
    notice = build_leadgen([lead(number) for number in range(1_000)], style="strings", now=NOW)
    assert sum(len(entry["changes"]) for entry in notice["entry"]) == 1_000


@pytest.mark.parametrize("shape", SAMPLES)
def test_every_sample_has_the_envelope_of_its_object(shape: str) -> None:
    one = build_sample(shape, Scene(BIKES.page_id, NOW, 41))
    other = build_sample(shape, Scene(BIKES.page_id, NOW, 42))
    assert one["object"] in ("page", "instagram", "whatsapp_business_account")
    assert shape.startswith(one["object"][:4]) or one["object"] == "page"
    (entry,) = one["entry"]
    kinds = {"changes", "messaging", "standby", "changed_fields", "field"} & entry.keys()
    assert len(kinds) == 1
    assert "{n}" not in json.dumps(one)
    assert "{s}" not in json.dumps(one)
    same = {"dashboard_test", "leadgen_update", "changed_fields", "feed_reaction", "mention", "messenger_delivery"}
    same |= {"messenger_read", "messenger_optin", "messenger_handover", "messenger_policy", "messenger_referral"}
    same |= {"whatsapp_user_id_update", "whatsapp_user_preferences", "whatsapp_template_status"}
    same |= {"whatsapp_account_update"}
    assert (one == other) is (shape in same)  # what Meta gives an id of its own has one of its own here


def test_samples_with_the_surprises_of_the_facts() -> None:
    scene = Scene(BIKES.page_id, NOW, 1, lead(7))
    update = build_sample("leadgen_update", scene)["entry"][0]
    assert update["id"] == 0
    assert update["changes"][0]["value"]["leadgen_id"] == 2**53 + 7
    assert update["changes"][0]["value"]["updated_time"] == "1795338000"
    assert build_sample("dashboard_test", scene)["entry"][0]["id"] == "0"
    assert build_sample("messenger_text", scene)["entry"][0]["time"] == 1795338000000
    flat = build_sample("instagram_comment_flat", scene)["entry"][0]
    assert flat["field"] == "comments"
    username_only = build_sample("whatsapp_username_only", scene)["entry"][0]["changes"][0]["value"]
    assert "from" not in username_only["messages"][0]
    assert "wa_id" not in username_only["contacts"][0]


def test_pages_of_the_demo_have_ads() -> None:
    assert all(page_ads(page.page_id) for page in PAGES)
