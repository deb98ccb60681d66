"""The HubSpot adapter against a pretend portal: one person, one contact, one note."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from fake_crms.hubspot import SCHEMA_READ, SCHEMA_WRITE, TOKEN, WRITE, FakeHubSpot, FreshHubSpot
from marshmallow import ValidationError

from crm_adapters.base import Earlier, RemoteRef, load_settings
from crm_adapters.conformance import NOW, ConformanceTests, Override, Reply, Subject, fill, make_lead
from crm_adapters.hubspot import HubSpot
from leadloop.errors import LeadloopError, NeedsHuman, Permanent, Retryable
from leadloop.leads import Answer, LeadCard, MappedValue

_NO_API = "an upsert cannot miss its record: 404 means that HubSpot's API is not at this address"


class TestConformance(ConformanceTests):
    subject = Subject(
        HubSpot,
        FakeHubSpot,
        lambda fake: {"access_token": TOKEN, "api_url": fake.url, "owner_id": "9001"},
        overrides={"404": Override("held", _NO_API)},
    )


class TestConformanceInANewPortal(ConformanceTests):
    subject = Subject(
        HubSpot,
        FreshHubSpot,
        lambda fake: {"access_token": TOKEN, "api_url": fake.url},
        overrides={
            "404": Override("held", _NO_API),
            "400": Override("retryable", "right after its property was made, HubSpot may not know it everywhere yet"),
        },
    )


@pytest.fixture
def portal() -> Iterator[FakeHubSpot]:
    made = FakeHubSpot()
    made.start()
    yield made
    made.stop()


@pytest.fixture
def fresh() -> Iterator[FakeHubSpot]:
    made = FreshHubSpot()
    made.start()
    yield made
    made.stop()


_open: list[HubSpot] = []


@pytest.fixture(autouse=True)
def _close() -> Iterator[None]:
    yield
    while _open:
        _open.pop().close()


def connect(portal: FakeHubSpot, **settings: Any) -> HubSpot:
    loaded = load_settings(HubSpot, {"access_token": TOKEN, "api_url": portal.url} | settings)
    _open.append(HubSpot(loaded, now=lambda: NOW))
    return _open[-1]


def push(adapter: HubSpot, lead: LeadCard, *, notes: bool = True) -> RemoteRef:
    card = fill(adapter, lead)
    ref = adapter.push_lead(card, Earlier())
    if notes:
        adapter.step_note(card, ref)
    return ref


def error_of(adapter: HubSpot, mapped: dict[str, MappedValue] | None = None) -> LeadloopError:
    lead = fill(adapter, make_lead()) if mapped is None else make_lead().with_mapped(mapped)
    with pytest.raises(LeadloopError) as caught:
        adapter.push_lead(lead, Earlier())
    return caught.value


def calls(portal: FakeHubSpot) -> list[str]:
    return [f"{request.method} {request.path.removeprefix('/crm/')}" for request in portal.received]


# --- one person is one contact ------------------------------------------------------------------------------------------


def test_contact_has_the_default_properties(portal: FakeHubSpot) -> None:
    ref = push(connect(portal, owner_id=9001), make_lead())
    assert ref == RemoteRef("contact", "501", "https://app-eu1.hubspot.com/contacts/700001/record/0-1/501")
    assert portal.contacts["501"] == {
        "meta_lead_id": "9007199254740001",
        "firstname": "Quillonia",
        "lastname": "Zembrowska1",
        "email": "quillon1@personal.example",
        "phone": "+905320000001",
        "company": "Quillon Imports",
        "jobtitle": "Chief Inventor",
        "address": "Invented Alley 7",
        "city": "Testopolis",
        "state": "Testshire",
        "zip": "34999",
        "country": "TR",
        "meta_lead_source": "Meta lead ads",
        "hubspot_owner_id": "9001",
    }


def test_a_new_contact_takes_two_calls(portal: FakeHubSpot) -> None:
    push(connect(portal), make_lead())
    assert calls(portal) == ["POST objects/2026-09/contacts/batch/upsert", "POST objects/2026-09/notes"]


def test_the_same_person_with_two_forms_is_one_contact_with_two_notes(portal: FakeHubSpot) -> None:
    adapter = connect(portal)
    first = push(adapter, make_lead(1))
    second = push(adapter, make_lead(2, email="QUILLON1@personal.example"))
    assert first.id == second.id
    assert len(portal.contacts) == 1
    assert len(portal.kept_notes) == 2
    push(adapter, make_lead(1))
    assert len(portal.contacts) == 1
    assert len(portal.kept_notes) == 2


def test_joining_a_contact_keeps_its_owner_and_what_the_lead_does_not_say(portal: FakeHubSpot) -> None:
    portal.contacts["77"] = {"email": "quillon1@personal.example", "hubspot_owner_id": "4", "phone": "+90111"}
    ref = push(connect(portal, owner_id="9001"), make_lead(phone=None))
    kept = portal.contacts["77"]
    assert ref.id == "77"
    assert (kept["hubspot_owner_id"], kept["phone"], kept["meta_lead_id"]) == ("4", "+90111", "9007199254740001")


def test_owner_is_given_once(portal: FakeHubSpot) -> None:
    adapter = connect(portal, owner_id="9001")
    ref = push(adapter, make_lead())
    portal.contacts[ref.id]["hubspot_owner_id"] = "4"
    adapter.push_lead(fill(adapter, make_lead()), Earlier(ref=ref))
    assert portal.contacts[ref.id]["hubspot_owner_id"] == "4"


def test_conflict_that_names_no_contact_is_found_by_email_and_not_in_a_url(portal: FakeHubSpot) -> None:
    portal.contacts["77"] = {"email": "quillon1@personal.example"}
    portal.fail(Reply(409, {"status": "error", "category": "CONFLICT", "message": "exists"}))
    assert push(connect(portal), make_lead()).id == "77"
    assert len(portal.contacts) == 1
    assert not any("quillon1" in request.target for request in portal.received)


def test_conflict_inside_a_207_is_resolved_too(portal: FakeHubSpot) -> None:
    portal.answers_207 = True
    portal.contacts["77"] = {"email": "quillon1@personal.example"}
    assert push(connect(portal), make_lead()).id == "77"


def test_refusals_inside_a_207_name_the_property(portal: FakeHubSpot) -> None:
    portal.answers_207 = True
    error = error_of(connect(portal), {"firstname": "x", "budget__c": "secret nine"})
    assert isinstance(error, NeedsHuman)
    assert "budget__c (PROPERTY_DOESNT_EXIST)" in error.message


def test_a_row_that_hubspot_did_not_get_to_is_tried_again(portal: FakeHubSpot) -> None:
    row = {"category": "INTERNAL_ERROR", "message": "x", "status": "error"}
    portal.fail(Reply(207, {"status": "COMPLETE", "results": [], "errors": [row], "numErrors": 1}))
    assert isinstance(error_of(connect(portal)), Retryable)


def test_two_contacts_hold_the_lead_and_its_email_then_the_lead_s_own_stays(portal: FakeHubSpot) -> None:
    portal.contacts["1"] = {"meta_lead_id": "9007199254740001", "firstname": "Old"}
    portal.contacts["2"] = {"email": "quillon1@personal.example", "firstname": "Other"}
    assert push(connect(portal), make_lead()).id == "1"
    assert portal.contacts["1"]["firstname"] == "Quillonia"
    assert portal.contacts["2"] == {"email": "quillon1@personal.example", "firstname": "Other"}


def test_a_conflict_that_nothing_resolves_is_permanent(portal: FakeHubSpot) -> None:
    portal.fail(Reply(409, {"category": "CONFLICT", "message": "Contact already exists. Existing ID: 99"}))
    portal.fail(Reply(400, {"category": "VALIDATION_ERROR", "message": "no"}), skip=1)
    assert isinstance(error_of(connect(portal)), Permanent)


# --- what is sent -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "lastname"),
    [
        ({}, "Meta lead 9007199254740001"),
        ({"full_name": "Quillonia Zembrowska"}, "Quillonia Zembrowska"),
    ],
)
def test_a_lead_without_name_and_email_still_becomes_a_contact(
    changes: dict[str, str], lastname: str, portal: FakeHubSpot
) -> None:
    nameless = {"full_name": None, "first_name": None, "last_name": None, "email": None} | changes
    push(connect(portal), make_lead(**nameless))
    assert portal.contacts["501"]["lastname"] == lastname


def test_values_are_written_as_hubspot_takes_them_and_nothing_is_cleared(portal: FakeHubSpot) -> None:
    for name in ("tags", "vip", "gone", "empty", "dirty", "long"):
        portal.add_property(name)
    mapped: dict[str, MappedValue] = {
        "firstname": " Zoë ",
        "tags": ["seo", "ads"],
        "vip": True,
        "gone": None,
        "empty": " ",
        "dirty": "a\x00b\ud83dc",
        "long": "x" * 70_000,
        "meta_lead_id": "mapped by mistake",
    }
    connect(portal).push_lead(make_lead().with_mapped(mapped), Earlier())
    kept = portal.contacts["501"]
    assert kept["firstname"] == "Zoë"
    assert kept["tags"] == "seo;ads"
    assert kept["vip"] == "true"
    assert kept["dirty"] == "ab\ufffdc"
    assert len(kept["long"]) == 65_536
    assert kept["meta_lead_id"] == "9007199254740001"
    assert {"gone", "empty"}.isdisjoint(kept)


# --- the properties of ours ---------------------------------------------------------------------------------------------


def test_a_new_portal_gets_its_properties_with_the_first_lead(fresh: FakeHubSpot) -> None:
    push(connect(fresh), make_lead())
    made = fresh.properties["meta_lead_id"]
    assert (made["hasUniqueValue"], made["type"], made["fieldType"]) == (True, "string", "text")
    assert fresh.properties["meta_lead_source"]["hasUniqueValue"] is False
    assert len(fresh.contacts) == 1


def test_only_the_properties_in_use_are_made(fresh: FakeHubSpot) -> None:
    connect(fresh).push_lead(make_lead().with_mapped({"firstname": "Zoë"}), Earlier())
    assert "meta_lead_id" in fresh.properties
    assert "meta_lead_source" not in fresh.properties


def test_prepare_makes_what_is_missing_once(fresh: FakeHubSpot) -> None:
    adapter = connect(fresh)
    assert adapter.prepare() == ["contact property meta_lead_id", "contact property meta_lead_source"]
    assert adapter.prepare() == []


def test_another_name_for_the_lead_id(fresh: FakeHubSpot) -> None:
    fresh.key = "fb_lead"
    push(connect(fresh, lead_id_property="fb_lead"), make_lead())
    assert fresh.contacts["501"]["fb_lead"] == "9007199254740001"


def test_a_property_without_unique_values_holds_the_connection(fresh: FakeHubSpot) -> None:
    fresh.add_property("meta_lead_id")
    error = error_of(connect(fresh))
    assert (error.code, error.scope) == ("hubspot_property_not_unique", "lane")
    assert "lead_id_property" in error.action


def test_without_the_right_to_make_it_the_property_is_described(fresh: FakeHubSpot) -> None:
    fresh.scopes.remove(SCHEMA_WRITE)
    error = error_of(connect(fresh))
    assert (error.code, error.scope) == ("hubspot_property_not_made", "lane")
    assert "meta_lead_id, single-line text, with unique values" in error.action
    assert SCHEMA_WRITE in error.action


def test_without_the_right_to_read_properties_the_scope_is_named(fresh: FakeHubSpot) -> None:
    fresh.scopes.remove(SCHEMA_READ)
    assert SCHEMA_READ in error_of(connect(fresh)).action


def test_property_made_but_not_known_yet_is_tried_again(fresh: FakeHubSpot) -> None:
    said = {"category": "VALIDATION_ERROR", "message": 'Property "meta_lead_id" does not exist'}
    fresh.fail(Reply(400, said), times=1, skip=5)
    error = error_of(connect(fresh))
    assert isinstance(error, Retryable)
    assert error.code == "hubspot_property_pending"
    assert calls(fresh).count("POST properties/2026-09/contacts") == 2


# --- refusals -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "code", "kind"),
    [
        ("budget__c", "secret nine", "PROPERTY_DOESNT_EXIST", NeedsHuman),
        ("language", "secret nine", "INVALID_OPTION", NeedsHuman),
        ("hs_object_id", "secret nine", "READ_ONLY_VALUE", NeedsHuman),
        ("email", "secret nine", "INVALID_EMAIL", Permanent),
    ],
)
def test_refused_values_are_told_by_property_and_code_only(
    name: str, value: str, code: str, kind: type[LeadloopError], portal: FakeHubSpot
) -> None:
    error = error_of(connect(portal), {"firstname": "Quillonia", name: value})
    assert isinstance(error, kind)
    assert f"{name} ({code})" in error.message
    assert error.scope == "item"
    assert "secret nine" not in error.message + error.action


def test_codes_are_read_from_the_text_alone_too(portal: FakeHubSpot) -> None:
    entry = '[{"isValid":false,"message":"x","error":"INVALID_OPTION","name":"firstname"}]'
    portal.fail(Reply(400, {"category": "VALIDATION_ERROR", "message": f"Property values were not valid: {entry}"}))
    assert "firstname (INVALID_OPTION)" in error_of(connect(portal)).message


def test_names_and_codes_that_we_do_not_know_are_not_repeated(portal: FakeHubSpot) -> None:
    one = {"code": "ZOE_EXAMPLE", "context": {"propertyName": ["zoe_example", "firstname"]}, "message": "zoe"}
    portal.fail(Reply(400, {"category": "VALIDATION_ERROR", "message": "x", "errors": [one]}))
    error = error_of(connect(portal))
    assert "zoe" not in f"{error.message} {error.action} {error.code}".lower()


def test_missing_scopes_are_named(portal: FakeHubSpot) -> None:
    portal.scopes.remove(WRITE)
    error = error_of(connect(portal))
    assert (error.code, error.scope) == ("http_403", "lane")
    assert WRITE in error.message
    assert WRITE in error.action


@pytest.mark.parametrize("listed", [["zoe"], ["crm.objects.zoe@example.com"], "crm.objects.contacts.read", [7], None])
def test_scopes_that_are_none_are_not_repeated(listed: Any, portal: FakeHubSpot) -> None:
    portal.fail(Reply(403, {"category": "MISSING_SCOPES", "context": {"missingScopes": listed}}))
    error = error_of(connect(portal))
    assert "lacks" not in error.message
    assert "crm.schemas.contacts.write" in error.action


@pytest.mark.parametrize(
    ("status", "body", "headers", "code", "rest_s"),
    [
        (423, {}, {}, "http_423", None),
        (423, {}, {"Retry-After": "9"}, "http_423", None),
        (429, {"policyName": "TEN_SECONDLY_ROLLING"}, {}, "hubspot_429_ten_secondly_rolling", 10.0),
        (429, {"policyName": "SECONDLY"}, {}, "hubspot_429_secondly", 1.0),
        (429, {"policyName": "DAILY"}, {}, "hubspot_429_daily", 3600.0),
        (429, {"policyName": "DAILY"}, {"Retry-After": "60"}, "hubspot_429_daily", 60.0),
        (429, {"policyName": ["x"]}, {}, "http_429", 10.0),
        (429, [1], {}, "http_429", 10.0),
        (477, {}, {"Retry-After": "7200"}, "http_477", 7200.0),
        (477, {}, {}, "http_477", 3600.0),
        (502, {}, {}, "http_502", None),
        (521, {}, {}, "http_521", None),
        (524, {}, {"Retry-After": "3"}, "http_524", 3.0),
    ],
)
def test_what_may_pass_waits_as_long_as_it_takes(
    status: int, body: Any, headers: dict[str, str], code: str, rest_s: float | None, portal: FakeHubSpot
) -> None:
    portal.fail(Reply(status, body, headers))
    error = error_of(connect(portal))
    assert isinstance(error, Retryable)
    assert (error.code, error.retry_after_s) == (code, rest_s)


def test_a_wrong_token_holds_the_connection_and_says_where_to_get_one(portal: FakeHubSpot) -> None:
    error = error_of(connect(portal, access_token="pat-wrong"))
    assert (error.code, error.scope) == ("http_401", "lane")
    assert "Service Keys" in error.action


# --- the note -----------------------------------------------------------------------------------------------------------


def test_note_holds_origin_questions_and_answers_escaped(portal: FakeHubSpot) -> None:
    answers = (
        Answer("which_services?", "CUSTOM", "Which <services>?", ("seo", "ads"), ("SEO", "Ads & more")),
        Answer("utm", "HIDDEN", None, ("<script>alert(1)</script>",), ()),
        Answer("lines", "CUSTOM", "Lines?", ("one\ntwo",), ("one\ntwo",)),
        Answer("none", "CUSTOM", "Nothing?", (), ()),
    )
    push(connect(portal, owner_id="9001"), make_lead(answers=answers, is_test=True))
    note = portal.notes()[0]
    assert note["to"] == "501"
    assert note["hs_timestamp"] == "2026-11-22T08:26:30Z"
    assert note["hubspot_owner_id"] == "9001"
    assert note["hs_note_body"].split("<br>") == [
        "<b>Meta lead 9007199254740001 (test lead)</b>",
        "<b>Form</b>: Autumn offer",
        "<b>Page</b>: Acme Page",
        "<b>Campaign</b>: November",
        "<b>Ad set</b>: Everyone",
        "<b>Ad</b>: Blue ad",
        "<b>Platform</b>: Instagram",
        "<b>Sent</b>: 2026-11-22 08:26 UTC",
        "<b>Which &lt;services&gt;?</b>: SEO, Ads &amp; more",
        "<b>utm</b>: &lt;script&gt;alert(1)&lt;/script&gt;",
        "<b>Lines?</b>: one",
        "two",
        "<b>Nothing?</b>: —",
        "<b>Consent newsletter</b>: yes",
    ]


@pytest.mark.parametrize("character", ["x", "&", "😀", "'", "\n", "<"])
def test_a_note_stays_within_what_hubspot_takes(character: str, portal: FakeHubSpot) -> None:
    long = character * 50_000
    answers = tuple(Answer(f"q{number}", "CUSTOM", f"Q{number}", (long,), (long,)) for number in range(3))
    push(connect(portal), make_lead(answers=answers))
    body = portal.notes()[0]["hs_note_body"]
    assert len(body.encode("utf-16-le")) // 2 <= 65_536
    assert body.startswith("<b>Meta lead 9007199254740001</b>")
    assert not re.search(r"&(?!(amp|lt|gt|quot|#x27);)", body)


def test_note_is_not_mistaken_for_that_of_a_lead_with_a_longer_id(portal: FakeHubSpot) -> None:
    long, short = make_lead(1, leadgen_id="12345"), make_lead(1, leadgen_id="1234")
    adapter = connect(portal)
    push(adapter, long)
    push(adapter, short)
    assert len(portal.kept_notes) == 2


def test_note_is_found_among_hundreds_of_others(portal: FakeHubSpot) -> None:
    adapter = connect(portal)
    ref = push(adapter, make_lead())
    mine = dict(portal.kept_notes)
    portal.kept_notes.clear()
    for number in range(10_000, 10_250):
        portal.kept_notes[str(number)] = {"to": ref.id, "hs_note_body": "called, no answer"}
    portal.kept_notes.update(mine)
    connect(portal).step_note(fill(adapter, make_lead()), ref)
    assert len(portal.kept_notes) == 251


def test_no_note_when_it_is_not_wanted(portal: FakeHubSpot) -> None:
    adapter = connect(portal, note=False)
    assert adapter.steps == ()
    assert HubSpot.steps == ("note",)
    assert len(adapter.preview(fill(adapter, make_lead()))) == 1


def test_timestamp_of_the_note_without_a_time_of_the_lead(portal: FakeHubSpot) -> None:
    push(connect(portal), make_lead(created_at=None, received_at=None))
    assert portal.notes()[0]["hs_timestamp"] == "2026-11-22T09:00:00Z"


# --- what it can tell ---------------------------------------------------------------------------------------------------


def found(adapter: HubSpot) -> dict[str, bool]:
    return {check.name: check.ok for check in adapter.check()}


def test_check_of_a_settled_portal(portal: FakeHubSpot) -> None:
    assert found(connect(portal, owner_id="9001")) == {
        "access token": True,
        "writing contacts and notes": True,
        "lead id property": True,
        "owner": True,
    }
    assert portal.contacts == portal.kept_notes == {}


def test_check_of_a_new_portal_makes_nothing(fresh: FakeHubSpot) -> None:
    assert all(found(connect(fresh)).values())
    assert "meta_lead_id" not in fresh.properties


@pytest.mark.parametrize(
    ("scope", "failing"),
    [
        (WRITE, "writing contacts and notes"),
        ("crm.objects.contacts.read", "access token"),
        (SCHEMA_READ, "lead id property"),
        (SCHEMA_WRITE, "lead id property"),
    ],
)
def test_check_names_the_scope_that_is_missing(scope: str, failing: str, fresh: FakeHubSpot) -> None:
    fresh.scopes.remove(scope)
    checks = {check.name: check for check in connect(fresh).check()}
    assert [name for name, check in checks.items() if not check.ok] == [failing]
    assert scope in checks[failing].mend


def test_check_of_a_property_that_is_not_unique(fresh: FakeHubSpot) -> None:
    fresh.add_property("meta_lead_id")
    assert found(connect(fresh))["lead id property"] is False


def test_check_of_the_owner(portal: FakeHubSpot) -> None:
    assert found(connect(portal, owner_id="123"))["owner"] is False
    portal.scopes.remove("crm.objects.owners.read")
    assert found(connect(portal, owner_id="123"))["owner"] is True


def test_fields_are_told_with_types_and_options(portal: FakeHubSpot) -> None:
    portal.add_property("secretive", hidden=True)
    portal.add_property("vip", type="bool")
    portal.add_property("score", type="number", calculated=True)
    fields = {field.name: field for field in connect(portal).read_fields()}
    assert fields["language"].type == "choice"
    assert fields["language"].options == ("tr",)
    assert fields["vip"].type == "boolean"
    assert fields["score"].read_only
    assert fields["hs_object_id"].read_only
    assert not fields["email"].read_only
    assert "secretive" not in fields


def test_preview_is_the_body_that_is_sent(portal: FakeHubSpot) -> None:
    adapter = connect(portal, owner_id="9001")
    contact, note = adapter.preview(fill(adapter, make_lead()))
    push(adapter, make_lead())
    assert contact.body == portal.received[0].json()
    assert note.body["properties"] == portal.received[1].json()["properties"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("access_token", ""),
        ("access_token", "two words"),
        ("access_token", "ünï"),
        ("access_token", None),
        ("owner_id", "rep@example.com"),
        ("owner_id", 9001.0),
        ("owner_id", True),
        ("lead_id_property", "Meta Lead"),
        ("lead_id_property", "a/../b"),
        ("lead_id_property", "x\n"),
        ("note", "yes"),
        ("api_url", "http://api.hubapi.com"),
        ("api_url", "ftp://api.hubapi.com"),
        ("api_url", "https://user:pw@api.hubapi.com"),
    ],
)
def test_settings_that_cannot_be_are_refused_under_their_name(name: str, value: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        load_settings(HubSpot, {"access_token": TOKEN, name: value})
    assert list(caught.value.messages) == [name]


def test_token_is_taken_with_the_line_end_it_was_copied_with() -> None:
    assert load_settings(HubSpot, {"access_token": f"{TOKEN}\n"})["access_token"] == TOKEN


# --- the pretend portal refuses what the real one refuses ---------------------------------------------------------------


def upsert(portal: FakeHubSpot, inputs: list[dict[str, Any]], token: str = TOKEN) -> tuple[int, Any]:
    door = connect(portal).http
    url = f"{portal.url}/crm/objects/2026-09/contacts/batch/upsert"
    answer = door.request("POST", url, json_body={"inputs": inputs}, headers={"Authorization": f"Bearer {token}"})
    return answer.status, answer.json()


def one(value: str = "1", **properties: str) -> dict[str, Any]:
    return {"idProperty": "meta_lead_id", "id": value, "properties": {"firstname": "x"} | properties}


@pytest.mark.parametrize(
    ("inputs", "status"),
    [
        ([one("1"), one("2")], 200),
        ([one("1"), one("1")], 400),
        ([one(str(number)) for number in range(101)], 400),
        ([], 400),
        ([{"id": "1", "properties": {"firstname": "x"}}], 400),
        ([one() | {"idProperty": "firstname"}], 400),
        ([one() | {"properties": {"phone": "1"}}], 400),
        ([one(nonsense="x")], 400),
        ([one("1", email="a@b.example"), one("2", email="A@b.example")], 409),
    ],
)
def test_the_pretend_portal_is_as_strict_as_the_real_one(
    inputs: list[dict[str, Any]], status: int, portal: FakeHubSpot
) -> None:
    assert upsert(portal, inputs)[0] == status


def test_the_pretend_portal_wants_its_token_and_a_time_for_each_note(portal: FakeHubSpot) -> None:
    assert upsert(portal, [one()], token="wrong")[0] == 401
    adapter = connect(portal)
    with pytest.raises(Permanent):
        adapter.call("POST", f"{portal.url}/crm/objects/2026-09/notes", json_body={"properties": {"hs_note_body": "x"}})
