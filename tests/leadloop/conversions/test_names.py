import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leadloop.conversions.names import (
    LONGEST_NAME,
    MESSAGING_NAMES,
    STANDARD_NAMES,
    check_name,
    find_misspelt_standard,
    find_nearest,
)

CALM = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # other work may be on the machine


def test_there_are_as_many_names_as_meta_has() -> None:
    assert len(STANDARD_NAMES - {"PageView"}) == 17
    assert len(MESSAGING_NAMES) == 14


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("Lead", "LeadSubmitted"),
        ("CompleteRegistration", "LeadSubmitted"),
        ("SubmitApplication", "LeadSubmitted"),
        ("Contact", "LeadSubmitted"),
        ("Raw Lead", "LeadSubmitted"),
        ("Schedule", "QualifiedLead"),
        ("StartTrial", "QualifiedLead"),
        ("Demo Scheduled", "QualifiedLead"),
        ("Marketing Qualified Lead", "QualifiedLead"),
        ("qualified_lead", "QualifiedLead"),
        ("AddPaymentInfo", "InitiateCheckout"),
        ("Proposal sent", "InitiateCheckout"),
        ("Subscribe", "Purchase"),
        ("Closed Won", "Purchase"),
        ("purchase", "Purchase"),
        ("Purchas", "Purchase"),
        ("AddToWishlist", "AddToCart"),
        ("Search", "ViewContent"),
        ("PageView", "ViewContent"),
        ("OrderCancelled", "OrderCanceled"),
        ("Order delivered", "OrderDelivered"),
        ("New order", "OrderCreated"),
        ("Refund", "OrderReturned"),
        ("Closed Lost", None),
        ("Lost lead", None),
        ("Disqualified", None),
        ("Zzz", None),
        ("", None),
    ],
)
def test_the_nearest_name_of_the_messaging_route(name: str, nearest: str | None) -> None:
    assert find_nearest(name, MESSAGING_NAMES) == nearest


def test_every_forbidden_standard_name_has_a_nearest_one() -> None:
    for name in STANDARD_NAMES:
        assert find_nearest(name, MESSAGING_NAMES) in MESSAGING_NAMES


@pytest.mark.parametrize(
    "name", ["Lead", "Purchase", "Marketing Qualified Lead", "Nitelikli Müşteri", "商談", "x" * LONGEST_NAME, "A+ lead"]
)
def test_free_names(name: str) -> None:
    assert check_name(name) is None


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (None, "must be text"),
        (5, "must be text"),
        ("", "is blank"),
        (" \t", "is blank"),
        ("x" * 51, "has more than 50 characters"),
        (" Won", "begins or ends with a blank"),
        ("Won\n", "begins or ends with a blank"),
        ("Wo\nn", "holds characters that cannot be seen"),
        ("Wo\u200bn", "holds characters that cannot be seen"),
        ("won zoe@example.com", "holds an e-mail address"),
        ("won +90 532 123 45 67", "holds a phone number"),
    ],
)
def test_names_that_are_refused_everywhere(name: object, message: str) -> None:
    fault = check_name(name)
    assert fault is not None
    assert fault.message == message
    assert fault.mend
    assert "zoe" not in str(fault)


def test_a_route_with_names_of_its_own() -> None:
    assert check_name("LeadSubmitted", MESSAGING_NAMES) is None
    fault = check_name("Lead", MESSAGING_NAMES)
    assert fault is not None
    assert str(fault) == ('is not one of the names that this route allows: use "LeadSubmitted", the nearest of them.')
    fault = check_name("Lost", MESSAGING_NAMES)
    assert fault is not None
    assert fault.mend == "leave the stage without an event, as none of them fits"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("purchase", "Purchase"),
        ("Complete Registration", "CompleteRegistration"),
        ("add_to_cart", "AddToCart"),
        ("Purchase", None),
        ("QualifiedLead", None),
        ("Demo", None),
    ],
)
def test_standard_names_spelt_otherwise(name: str, meant: str | None) -> None:
    assert find_misspelt_standard(name) == meant


@CALM
@given(st.text(max_size=300))
def test_any_text_is_judged(name: str) -> None:
    check_name(name)
    near = find_nearest(name, MESSAGING_NAMES)
    assert near is None or near in MESSAGING_NAMES
    find_misspelt_standard(name)
