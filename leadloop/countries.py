"""The name of a country in any language becomes its ISO 3166-1 alpha-2 code. The names are CLDR's, through babel.

Codes, the form's language and English are tried first, and cost microseconds. Only a name that none of them knows reads
all 366 languages, once in a process: about 0.4 s and 6 MB (docs/decisions/0011-country-names.md).
"""

import pickle
import threading
import unicodedata
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from types import MappingProxyType

from babel import localedata
from babel.core import get_global

from leadloop.texts import clean_text, fold

_LONGEST = 100
_LEFT_OUT = frozenset({"and", "the"})
_NOT_COUNTRIES = frozenset({"EU", "EZ", "QO", "UN", "XA", "XB", "ZZ"})
# CLDR names places that have no code of their own in ISO 3166-1; the country they belong to counts.
_PART_OF = {"AC": "SH", "TA": "SH", "CP": "FR", "CQ": "GG", "DG": "IO", "EA": "ES", "IC": "ES"}
# What people write and CLDR does not list as a name.
_SPELLINGS = {
    "AE": "UAE, U.A.E., Emirates, Emirats, BAE",
    "BA": "Bosnia, Bosna, Bosnien",
    "BY": "Belorussia, Weißrussland",
    "CD": "DRC, DR Congo, Congo Kinshasa, Democratic Republic of Congo, Democratic Republic of the Congo",
    "CG": "Congo, Republic of the Congo, Congo Brazzaville",
    "CI": "Ivory Coast, Cote dIvoire",
    "CV": "Cabo Verde",
    "CZ": "Czech Republic, Tschechische Republik, Çek Cumhuriyeti, République tchèque, República Checa",
    "DO": "Dominicana, RD",
    "FM": "Federated States of Micronesia",
    "GB": "UK, Great Britain, Britain, England, Scotland, Wales, Northern Ireland, Inglaterra, Escocia, Angleterre,"
    " Inghilterra, Großbritannien, Schottland, İngiltere, Birleşik Krallık, Англия, Великобритания, إنجلترا, بريطانيا",
    "HK": "Hong Kong, Hongkong, 香港",
    "IR": "Islamic Republic of Iran",
    "KN": "Saint Kitts and Nevis",
    "KP": "DPRK, Democratic People's Republic of Korea",
    "KR": "Korea, Republic of Korea, Corea, Corée, Kore, Coreia, 대한민국, 韩国, 韓国, 한국",
    "LC": "Saint Lucia",
    "MK": "Macedonia, FYROM",
    "MM": "Burma, Myanmar",
    "MO": "Macau, Macao, 澳门, 澳門",
    "NL": "Holland, The Netherlands, Holanda, Hollande, Olanda, Hollanda",
    "PS": "Palestine, Palestina, Filistin, فلسطين",
    "RU": "Russian Federation, Российская Федерация, РФ",
    "SA": "KSA, Saudi, السعودية",
    "SY": "Syrian Arab Republic",
    "SZ": "Swaziland",
    "TL": "East Timor, Timor Leste",
    "TR": "Turkey, Turkiye, Türkiye Cumhuriyeti, Republic of Turkey, Republic of Türkiye",
    "TT": "Trinidad",
    "TW": "Taiwan, R.O.C.",
    "US": "US, United States of America, America, The States, USA, ABD, EEUU, EE.UU., EUA, E.U.A., Estados Unidos de América,"
    " Etats-Unis d'Amérique, Amerika, América, Amérique, Mỹ, США, Соединенные Штаты Америки",
    "VA": "Vatican, Holy See",
    "VC": "Saint Vincent and the Grenadines",
    "VN": "Viet Nam",
}
_lock = threading.Lock()


def find_country(text: str, *, locale: str | None = None) -> str | None:
    """ISO 3166-1 alpha-2 ("TR") of a code or name in any language; None when it is none, or could be two countries.

    `locale` is the form's ("tr_TR"): its language is asked before the others. Case, accents, dots, blanks and "the" make
    no difference. Kosovo is XK, which ISO leaves to users and everybody uses.
    """
    if len(text) > _LONGEST:
        return None
    text = clean_text(text)
    name = _key(text)
    if not name:
        return None
    code = _code(text)
    if len(code) == 2 and (found := _from_code(code)):
        return found
    # A name of three letters before a code of three: Nga is Russia on a Vietnamese form, and NGA Nigeria elsewhere.
    return _common_names(_language(locale)).get(name) or _from_code(code) or _all_names().get(name)


def _key(text: str) -> str:
    return "".join(word for word in fold(text).split("_") if word not in _LEFT_OUT)


def _code(text: str) -> str:
    """`text` as a code, with its accents on: Áo, Bỉ and Mỹ are Austria, Belgium and the USA in Vietnamese, and not AO, BI
    and MY. "" when it is none."""
    code = "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text))).upper()
    return code if code.isascii() and code.isalpha() and len(code) in (2, 3) else ""


def _from_code(code: str) -> str | None:
    if code in _codes():
        return code
    replaced = get_global("territory_aliases").get(code, ())  # alpha-3, UK, and codes of countries gone by
    return _part_of(replaced[0]) if len(replaced) == 1 else None


def _part_of(code: str) -> str | None:
    code = _PART_OF.get(code, code)
    return code if code in _codes() else None


@cache
def _codes() -> frozenset[str]:
    return frozenset(code for code in _territories("en") if code not in _PART_OF and code not in _NOT_COUNTRIES)


def _language(locale: str | None) -> str:
    """babel's name of the language of a Meta locale: "es_LA" → "es", "zh_TW" → "zh_Hant"."""
    language, _, region = (locale or "en").replace("-", "_").partition("_")
    language = {"tl": "fil", "no": "nb", "iw": "he", "in": "id"}.get(language.lower(), language.lower())
    traditional = language == "zh" and region.upper() in ("TW", "HK", "MO")
    return "zh_Hant" if traditional else language if language in _languages() else "en"


@cache
def _languages() -> frozenset[str]:
    """All of CLDR's languages, in all their scripts, without the regional variants, which add next to nothing."""
    parts = {name: name.split("_") for name in localedata.locale_identifiers()}
    return frozenset(name for name, (_, *more) in parts.items() if not more or [len(part) for part in more] == [4])


def _territories(language: str) -> dict[str, str]:
    """CLDR's names of countries in one language: {"TR": "Türkiye"}.

    Read from babel's file itself, because babel.localedata.load() keeps all it ever loaded (140 MB for all languages).
    """
    with open(localedata.resolve_locale_filename(language), "rb") as file:
        names = pickle.load(file).get("territories", {})  # noqa: S301 (a file of the installed package)
    return {code: name for code, name in names.items() if len(code) == 2 and isinstance(name, str)}


@lru_cache(maxsize=64)
def _common_names(language: str) -> Mapping[str, str]:
    """Folded name → code: of one language, of English, and the spellings above. The language wins over the others."""
    pairs = [(name, code) for code, names in _SPELLINGS.items() for name in names.split(", ")]
    found: dict[str, str] = {}
    for more in (pairs, _pairs("en"), _pairs(language)):
        found |= _unambiguous(more)
    return MappingProxyType(found)


def _all_names() -> Mapping[str, str]:
    with _lock:
        return _read_all_names()


@cache
def _read_all_names() -> Mapping[str, str]:
    return MappingProxyType(_unambiguous(pair for language in sorted(_languages()) for pair in _pairs(language)))


def _pairs(language: str) -> Iterable[tuple[str, str]]:
    for code, name in _territories(language).items():
        whole, bracket, _ = name.partition(" (")
        yield name, code
        if bracket:  # "Myanmar (Burma)"
            yield whole, code


def _unambiguous(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    doubtful = set()
    for name, place in pairs:
        code, key = _part_of(place), _key(name)
        if code is None or len(key) < 2:
            continue
        if found.setdefault(key, code) != code:
            doubtful.add(key)
    return {key: code for key, code in found.items() if key not in doubtful}
