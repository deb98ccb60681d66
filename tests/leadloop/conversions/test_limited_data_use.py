import pytest

from leadloop.conversions.limited_data_use import STATE_CODES, limited_data_use

CALIFORNIA = {
    "data_processing_options": ["LDU"],
    "data_processing_options_country": 1,
    "data_processing_options_state": 1000,
}


@pytest.mark.parametrize("state", ["CA", "ca", "California", "US-CA", " california "])
def test_a_californian(state: str) -> None:
    assert limited_data_use(country="US", state=state, states={"CA"}) == CALIFORNIA


@pytest.mark.parametrize(
    ("country", "state", "states"),
    [
        ("TR", "CA", {"CA"}),
        (None, "CA", {"CA"}),
        ("DE", None, {"CA"}),
        ("US", "NY", {"CA"}),
        ("US", "New York", {"CA"}),
        ("US", "TX", {"CA"}),
        ("US", "CA", set()),
        ("US", None, set()),
        ("US", "NY", {"NY"}),
    ],
)
def test_nobody_else(country: str | None, state: str | None, states: set[str]) -> None:
    assert limited_data_use(country=country, state=state, states=states) == {}


@pytest.mark.parametrize("state", [None, "", "Kaliforniya"])
def test_an_american_of_unknown_state_is_left_to_geolocation(state: str | None) -> None:
    assert limited_data_use(country="US", state=state, states={"CA"})["data_processing_options_state"] == 0


def test_there_are_fourteen_states() -> None:
    assert list(STATE_CODES.values()) == list(range(1000, 1014))
    for letters in STATE_CODES:
        assert limited_data_use(country="US", state=letters, states={letters})["data_processing_options_state"] >= 1000
    assert limited_data_use(country="US", state="Rhode Island", states={"RI"})["data_processing_options_state"] == 1013
