"""What Graph tells about tokens and rights, read from honest and from hostile answers."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from meta_graph.leads import build_proof, build_since, parse_lead, parse_lead_page, parse_next
from meta_graph.tokens import parse_account, parse_lead_access, parse_subscribed_app, parse_token_info

KEYS = (
    "data id name access_token tasks scopes scope target_ids granular_scopes is_valid expires_at error code subcode type"
    " has_lead_access can_access_lead failure_reason subscribed_fields paging next cursors after field_data form_id"
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(set(KEYS.split()))), inner, max_size=5)
    ),
    max_leaves=15,
)
objects = st.dictionaries(st.sampled_from(sorted(set(KEYS.split()))), json_values, max_size=6)


@given(objects)
def test_any_json_is_survived(answer: dict[str, Any]) -> None:
    info = parse_token_info(answer)
    assert info is None or info.is_valid in (True, False)
    access = parse_lead_access(answer)
    assert access is None or access.can_access_lead in (True, False, None)
    account = parse_account(answer)
    assert account is None or account.page_id.isdigit()
    app = parse_subscribed_app(answer)
    assert app is None or app.app_id.isdigit()
    lead = parse_lead(answer)
    assert lead is None or (lead["id"].isdigit() and isinstance(lead.get("field_data", []), list))
    page = parse_lead_page(answer)
    assert page is None or all(lead["id"].isdigit() for lead in page.leads)
    assert parse_next(answer) is None or parse_next(answer) != ""


def test_times_and_scopes() -> None:
    info = parse_token_info(
        {
            "data": {
                "is_valid": "true",
                "expires_at": 1_795_000_000,
                "data_access_expires_at": "soon",
                "scopes": ["leads_retrieval", 5, None],
                "granular_scopes": [
                    {"scope": "leads_retrieval", "target_ids": [111, "222", "x"]},
                    {"target_ids": []},
                    5,
                ],
            }
        }
    )
    assert info is not None
    assert info.is_valid is False  # only a real true is valid
    assert info.expires_at == datetime(2026, 11, 18, 11, 6, 40, tzinfo=UTC)
    assert info.data_access_expires_at is None
    assert info.scopes == {"leads_retrieval"}
    assert info.targets == {"leads_retrieval": {"111", "222"}}


def test_no_targets_at_all_is_not_the_same_as_all() -> None:
    info = parse_token_info({"data": {"scopes": ["a", "b"], "granular_scopes": [{"scope": "a", "target_ids": []}]}})
    assert info is not None
    assert (info.allows("a", "1"), info.allows("b", "1"), info.allows("a"), info.allows("c")) == (
        False,
        True,
        True,
        False,
    )


def test_the_proof_is_that_of_the_facts() -> None:
    secret = "0123456789abcdef0123456789abcdef"
    expected = "99cbac345910084e738e780a0d5a02f2421ea86e53d6f64eff41e367a76944c6"  # Source: Meta ingestion facts §6.2
    assert build_proof(secret, "EAATESTTOKEN") == expected
    assert len(build_proof(secret, "\ud800")) == 64


def test_the_filter_counts_whole_seconds_in_utc() -> None:
    assert build_since(None) == {}
    found = build_since(datetime.fromisoformat("2025-11-21T11:13:20.9+03:00"))
    assert found == {
        "filtering": '[{"field":"time_created","operator":"GREATER_THAN_OR_EQUAL","value":1763712800}]',
    }
