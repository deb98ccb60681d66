from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadloop.conversions.plain_keys import (
    normal_id,
    normal_ip_address,
    normal_lead_id,
    normal_opaque,
    normal_subscription_id,
    normal_user_agent,
)

SHA = "62A14E44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f"
RULES = [normal_id, normal_ip_address, normal_lead_id, normal_opaque, normal_subscription_id, normal_user_agent]


@pytest.mark.parametrize(
    ("rule", "text", "value"),
    [
        (normal_lead_id, "12345678901234567", "12345678901234567"),
        (normal_lead_id, " l:12345678901234567 ", "12345678901234567"),
        (normal_lead_id, "9223372036854775807", "9223372036854775807"),
        (normal_lead_id, "9223372036854775808", None),
        (normal_lead_id, "012345678901234", None),
        (normal_lead_id, "lead-id-3", None),
        (normal_lead_id, "1.2345678901234567e16", None),
        (normal_lead_id, "١٢٣٤٥٦٧٨٩٠١٢٣٤٥", None),
        (normal_lead_id, SHA, None),
        (normal_id, "200000000000001", "200000000000001"),
        (normal_id, "0", None),
        (normal_id, "", None),
        (normal_id, SHA, None),
        (normal_opaque, " ARAsyntheticClickIdFromReferral\n", "ARAsyntheticClickIdFromReferral"),
        (normal_opaque, "AR A", None),
        (normal_opaque, "ARĞ", None),
        (normal_opaque, SHA, None),
        (normal_opaque, "", None),
        (normal_subscription_id, " Sub-42  A ", "Sub-42 A"),
        (normal_subscription_id, "\0", None),
        (normal_subscription_id, "x" * 1001, None),
        (normal_user_agent, "Mozilla/5.0 (synthetic)", "Mozilla/5.0 (synthetic)"),
        (normal_user_agent, SHA, None),
        (normal_ip_address, " 203.0.113.7 ", "203.0.113.7"),
        (normal_ip_address, "2001:DB8::7", "2001:DB8::7"),
        (normal_ip_address, "::ffff:203.0.113.7", "203.0.113.7"),
        (normal_ip_address, "203.0.113.7.AQQCAQIB", "203.0.113.7"),
        (normal_ip_address, "2001:db8::7.AQQCAQIB", "2001:db8::7"),
        (normal_ip_address, "203.0.113.7, 10.0.0.1", None),
        (normal_ip_address, "203.0.113.07", None),
        (normal_ip_address, "203.0.113.7:443", None),
        (normal_ip_address, "10.1.2.3", None),
        (normal_ip_address, "172.16.0.1", None),
        (normal_ip_address, "192.168.1.1", None),
        (normal_ip_address, "100.64.0.1", None),
        (normal_ip_address, "127.0.0.1", None),
        (normal_ip_address, "::ffff:10.0.0.1", None),
        (normal_ip_address, "::1", None),
        (normal_ip_address, "::", None),
        (normal_ip_address, "fe80::1%eth0", None),
        (normal_ip_address, "2001:db8::7%eth0", None),
        (normal_ip_address, "fd00::1", None),
        (normal_ip_address, "0.1.2.3", None),
        (normal_ip_address, "localhost", None),
    ],
)
def test_plain_values(rule: Callable[[str], str | None], text: str, value: str | None) -> None:
    assert rule(text) == value


@pytest.mark.parametrize("rule", RULES)
@given(text=st.text(st.characters()) | st.ip_addresses().map(str) | st.from_regex(r"\A\s*(l:)?\d+\s*\Z"))
def test_no_text_is_too_strange_and_values_stay_as_they_are(rule: Callable[[str], str | None], text: str) -> None:
    value = rule(text)
    assert value != ""
    assert value is None or (rule(value) == value and value.encode())
