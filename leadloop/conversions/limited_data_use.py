"""Limited Data Use: the options that make Meta a service provider under the privacy laws of some US states.

It is for people in those states and for nobody else, and no switch for consent in Europe. Source: Meta conversions facts §11
("Data Processing Options for US users"), read 2026-11-22.
"""

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any

from leadloop.texts import fold

COUNTRY_USA = 1
STATE_CODES: Mapping[str, int] = MappingProxyType(
    {
        "CA": 1000,
        "CO": 1001,
        "CT": 1002,
        "FL": 1003,
        "OR": 1004,
        "TX": 1005,
        "MT": 1006,
        "DE": 1007,
        "NE": 1008,
        "NH": 1009,
        "NJ": 1010,
        "MN": 1011,
        "MD": 1012,
        "RI": 1013,
    }
)
_NAMES = (
    "california colorado connecticut florida oregon texas montana delaware nebraska new_hampshire new_jersey minnesota"
    " maryland rhode_island"
)
_BY_NAME = dict(zip(_NAMES.split(), STATE_CODES, strict=True))
_ELSEWHERE = frozenset(
    str.split(
        "AL AK AZ AR DC GA HI ID IL IN IA KS KY LA ME MA MI MS MO NV NM NY NC ND OH OK PA SC SD TN UT VT VA WA WV WI WY"
        " PR GU VI AS MP"
    )
)

_NAMES_ELSEWHERE = frozenset(
    str.split(
        """alabama alaska arizona arkansas district_of_columbia washington_d_c georgia hawaii idaho illinois indiana iowa
    kansas kentucky louisiana maine massachusetts michigan mississippi missouri nevada new_mexico new_york north_carolina
    north_dakota ohio oklahoma pennsylvania south_carolina south_dakota tennessee utah vermont virginia washington
    west_virginia wisconsin wyoming puerto_rico guam"""
    )
)


def limited_data_use(*, country: str | None, state: str | None, states: Collection[str]) -> dict[str, Any]:
    """The options of an event, ready to be merged into it; {} for a person whom they are not for.

    `country` is the person's, ISO 3166-1 alpha-2, `state` as known ("CA", "California", "US-CA"), `states` those for which
    Limited Data Use is configured, as two letters. An American whose state is unknown is left to Meta's geolocation.
    """
    if country != "US" or not states:
        return {}
    code = _find_state(state)
    if code is None:
        return _options(0)
    return _options(STATE_CODES[code]) if code in states and code in STATE_CODES else {}


def _options(state: int) -> dict[str, Any]:
    return {
        "data_processing_options": ["LDU"],
        "data_processing_options_country": COUNTRY_USA,
        "data_processing_options_state": state,
    }


def _find_state(text: str | None) -> str | None:
    """Two letters; None when no state can be read. States without such a law are found too: their people get no options."""
    key = fold(text or "").removeprefix("us_")
    letters = key.upper()
    if letters in STATE_CODES or letters in _ELSEWHERE:
        return letters
    if key in _BY_NAME:
        return _BY_NAME[key]
    return "ZZ" if key in _NAMES_ELSEWHERE else None
