import hashlib
from typing import Any

import pytest

from leadloop.conversions.findings import Finding
from leadloop.conversions.lint_user_data import EMPTY_SHA256, lint_user_data

EM = "488ca96571b758c820ffac1386d6489ad489a3ac98fcb28e1287d4b4ffea0e4f"
LISTS = ["em", "ph", "fn", "ln", "ge", "db", "ct", "st", "zp", "country"]


def lint(user_data: Any) -> list[Finding]:
    found: list[Finding] = []
    lint_user_data(user_data, found)
    return found


def only(user_data: Any) -> Finding:
    (finding,) = lint(user_data)
    return finding


def test_the_empty_hash_is_that_of_nothing() -> None:
    assert hashlib.sha256(b"").hexdigest() == EMPTY_SHA256


@pytest.mark.parametrize("key", [*LISTS, "external_id"])
def test_hashes_alone_and_in_lists(key: str) -> None:
    for value in (EM, [EM], [EM, EM[::-1]], EM + ".AQQCAQIB", [EM + ".BA"]):
        assert lint({key: value, "lead_id": "12345678901234567"}) == []


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (hashlib.md5(b"a").hexdigest(), "hash_md5"),
        (hashlib.sha1(b"a").hexdigest(), "hash_other"),
        (hashlib.sha512(b"a").hexdigest(), "hash_other"),
        (EM.upper(), "hash_not_plain"),
        (f" {EM}", "hash_not_plain"),
        (EMPTY_SHA256, "hash_of_nothing"),
        (EMPTY_SHA256.upper(), "hash_of_nothing"),
        (EMPTY_SHA256 + ".AQQCAQIB", "hash_of_nothing"),
        ("zoe@example.com", "not_hashed"),
        ("+90 532 123 45 67", "not_hashed"),
        ("905321234567", "not_hashed"),
        ("zoë", "not_hashed"),
        (EM[:63], "not_hashed"),
        (EM + ".x", "not_hashed"),
        ("", "user_data_empty"),
        (" ", "user_data_empty"),
        (None, "user_data_empty"),
        (5, "user_data_type"),
        (True, "user_data_type"),
        ({}, "user_data_type"),
    ],
)
def test_hashes_that_are_none(value: Any, code: str) -> None:
    for user_data, field in (({"em": value}, "user_data.em"), ({"em": [EM, value]}, "user_data.em[1]")):
        finding = only(user_data)
        assert (finding.code, finding.field, finding.level) == (code, field, "refused")
        assert "zoe" not in str(finding)
        assert "532" not in str(finding)


def test_plain_contact_data_is_named() -> None:
    assert only({"em": "zoe@example.com"}).message == "holds a plain e-mail address"
    assert only({"ph": ["+90 532 123 45 67"]}).message == "holds a plain phone number"


def test_empty_and_nested_lists() -> None:
    assert only({"em": [], "ph": [EM]}).code == "user_data_empty"
    assert only({"em": [[EM]]}).code == "user_data_type"
    assert len(lint({"em": ["x"] * 100_000})) == 10
    assert only({"f5first": [EM], "ph": EM}).code == "user_data_type"
    assert lint({"f5first": EM, "ph": EM}) == []


@pytest.mark.parametrize(
    "key",
    str.split(
        """client_ip_address client_user_agent fbc fbp subscription_id fb_login_id lead_id anon_id madid page_id
    page_scoped_user_id ctwa_clid ig_account_id ig_sid whatsapp_business_account_id instagram_business_account_id"""
    ),
)
def test_what_must_not_be_hashed(key: str) -> None:
    finding = only({key: EM, "em": EM})
    assert (finding.code, finding.field, finding.level) == ("must_not_be_hashed", f"user_data.{key}", "refused")
    for value in (["a"], {}, None, True, ""):
        assert only({key: value, "em": EM}).level == "refused"


@pytest.mark.parametrize("lead_id", [12345678901234567, "12345678901234567", 123456789012345, "123456789012345"])
def test_lead_ids(lead_id: Any) -> None:
    assert lint({"lead_id": lead_id}) == []


@pytest.mark.parametrize(
    ("lead_id", "message"),
    [
        (1.2345678901234568e16, "is a number with a point or an exponent, and may have lost digits"),
        (12345678901234.0, "is a number with a point or an exponent, and may have lost digits"),
        (12345678901234, "must have 15 to 17 digits"),
        ("123456789012345678", "must have 15 to 17 digits"),
        ("012345678901234", "must have 15 to 17 digits"),
        ("l:12345678901234567", "is not one of Meta's ids, which are digits only"),
        ("١٢٣٤٥٦٧٨٩٠١٢٣٤٥", "is not one of Meta's ids, which are digits only"),
        (-12345678901234567, "is not one of Meta's ids"),
        (10**4000, "is not one of Meta's ids"),
        (True, "must be text"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_lead_ids_that_are_none(lead_id: Any, message: str) -> None:
    finding = only({"lead_id": lead_id, "em": EM})
    assert (finding.code, finding.message) == ("lead_id_wrong", message)


@pytest.mark.parametrize(
    "keys",
    [
        "",
        "country",
        "ct country st zp ge",
        "ct country st zp ge client_user_agent",
        "client_user_agent",
        "db",
        "db client_user_agent",
        "fn",
        "ln",
        "fn ge",
        "ln ge",
    ],
)
def test_what_is_too_broad(keys: str) -> None:
    finding = only(dict.fromkeys(keys.split(), EM) | ({"client_user_agent": "x"} if "client" in keys else {}))
    assert (finding.code, finding.meta_code, finding.level) == ("user_data_too_broad", "100/2804050", "refused")


@pytest.mark.parametrize(
    "keys", ["em", "ph", "fn ln", "fn ct", "db ge", "db ct", "external_id", "fn client_user_agent", "fn country"]
)
def test_what_is_enough(keys: str) -> None:
    assert lint(dict.fromkeys(keys.split(), EM) | ({"client_user_agent": "x"} if "client" in keys else {})) == []


def test_the_business_is_not_the_person() -> None:
    assert only({"page_id": "200000000000001"}).code == "user_data_too_broad"
    assert only({"page_id": "200000000000001", "country": EM}).code == "user_data_too_broad"


@pytest.mark.parametrize("user_data", [None, [], "x", 5, [{"em": EM}]])
def test_user_data_is_an_object(user_data: Any) -> None:
    finding = only(user_data)
    assert (finding.code, finding.meta_code) == ("user_data_missing", "100/2804050")


@pytest.mark.parametrize(
    ("key", "meant"),
    [("email", "em"), ("Phone", "ph"), ("leadgen_id", "lead_id"), ("contry", "country"), ("fbclid", "fbc")],
)
def test_unknown_keys(key: str, meant: str) -> None:
    finding = only({key: EM, "em": EM})
    assert (finding.code, finding.level) == ("user_data_unknown", "warning")
    assert f'"{meant}"' in finding.mend


def test_personal_data_under_an_unknown_key() -> None:
    for value in ("zoe@example.com", ["zoe@example.com"], "call +905321234567"):
        finding = only({"whatever": value, "em": EM})
        assert (finding.code, finding.level) == ("not_hashed", "refused")
    assert only({"zoe@example.com": 1, "em": EM}).field == "user_data.(a key)"


@pytest.mark.parametrize(
    ("external_id", "level"),
    [
        ("crm-000123", "warning"),
        (123, "warning"),
        (["crm-1", "crm-2"], "warning"),
        ("zoe@example.com", "refused"),
        (EMPTY_SHA256, "refused"),
        ([EM, ""], "refused"),
        ([], "refused"),
        (None, "refused"),
        (1.5, "refused"),
    ],
)
def test_external_ids(external_id: Any, level: str) -> None:
    assert only({"external_id": external_id, "em": EM}).level == level


@pytest.mark.parametrize(
    ("key", "value", "level"),
    [
        ("client_ip_address", "198.51.100.7", None),
        ("client_ip_address", "2001:db8::7", None),
        ("client_ip_address", "198.51.100.7.AQQCAQIB", None),
        ("client_ip_address", "2001:db8::7.AQQCAQIB", None),
        ("client_ip_address", "10.0.0.1", "warning"),
        ("client_ip_address", "fe80::1", "warning"),
        ("client_ip_address", "198.51.100", "refused"),
        ("client_ip_address", "198.51.100.7 ", "refused"),
        ("client_ip_address", "198.51.100.7\0", "refused"),
        ("client_ip_address", "1" * 10_000, "refused"),
        ("fbc", "fb.1.1788622000123.IwARx", None),
        ("fbc", "fb.1.1788622000123.IwARx.AQQCAQIB", None),
        ("fbp", "fb.1.1788622000.1098115397", "warning"),
        ("fbc", "IwARx", "warning"),
        ("fbc", "fb.1.1788622000123.", "warning"),
        ("fbc", "", "refused"),
        ("page_id", 200000000000001, None),
        ("page_id", "200000000000001", None),
        ("page_id", 2.00000000000001e14, "refused"),
        ("page_id", "acme", "refused"),
        ("ctwa_clid", "ARAx", None),
        ("ctwa_clid", "x" * 6000, "refused"),
        ("ctwa_clid", 5, "refused"),
        ("subscription_id", 5, None),
    ],
)
def test_plain_keys(key: str, value: Any, level: str | None) -> None:
    assert [finding.level for finding in lint({key: value, "em": EM})] == ([level] if level else [])
