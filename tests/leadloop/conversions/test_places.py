import pytest

from leadloop.conversions.places import normalise_postal_code, normalise_state


@pytest.mark.parametrize(
    ("typed", "country", "texts"),
    [
        ("Californıa", None, ("ca",)),
        ("CALIFORNIA", "US", ("ca",)),
        ("US-CA", None, ("ca",)),
        ("Washington, D.C.", "US", ("dc",)),
        ("New  York", None, ("ny",)),
        ("California", "MX", ("california",)),
        ("ON", "CA", ("on",)),
        ("Nordrhein-Westfalen", "DE", ("nordrheinwestfalen",)),
        ("34", "TR", ()),
    ],
)
def test_states(typed: str, country: str | None, texts: tuple[str, ...]) -> None:
    assert normalise_state(typed, country=country) == texts


@pytest.mark.parametrize(
    ("typed", "country", "texts"),
    [
        ("94035–1234", None, ("94035",)),
        ("94035-1234", "DE", ("940351234", "94035")),
        ("00901", "PR", ("00901",)),
        ("2139", "US", ("2139",)),
        ("EC1A 1BB", None, ("ec1a1bb", "ec1a1")),
        ("JE2 3AB", "JE", ("je23ab", "je23")),
        ("M1 1", "GB", ("m11",)),
        ("1011 AB", "GB", ("1011ab",)),
        ("K1A 0B6", "CA", ("k1a0b6",)),
        ("〒１００－０００１", "JP", ("1000001", "100")),
        ("٣٤٧١٠", "TR", ("34710",)),
        ("00-950", "PL", ("00950", "00")),
        ("TR-34710", None, ("34710",)),
        ("AA-0", None, ("aa0",)),
        ("HM CX", "BM", ("hmcx",)),
        ("HM CX", None, ()),
        ("unknown", "US", ()),
        ("П-101000", "RU", ()),
        ("1234567890123", None, ()),
    ],
)
def test_postal_codes(typed: str, country: str | None, texts: tuple[str, ...]) -> None:
    assert normalise_postal_code(typed, country=country) == texts
