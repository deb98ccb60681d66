"""The linter's eyes on user_data: keys, hashes, ids, and whether they say enough to find one person.

Sources: Meta conversions facts §2.1, §2.3, §2.4, §2.6, §5.2, §6.1, read 2026-11-22.
"""

import re
import socket
from collections.abc import Callable, Mapping
from difflib import get_close_matches

from leadloop.conversions.findings import Fault, Finding, Level, shown_key
from leadloop.conversions.personal import holds_personal_data
from leadloop.conversions.routes import CHANNEL_KEYS

EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
_NOBODY = "100/2804050"

_HASHED_LISTS = frozenset(str.split("em ph fn ln ge db ct st zp country"))
_HASHED = _HASHED_LISTS | frozenset(str.split("f5first f5last fi dobd dobm doby app_user_id"))
_BUSINESS = frozenset(  # these name the business, not the person
    str.split(
        "page_id whatsapp_business_account_id ig_account_id instagram_business_account_id partner_id partner_name"
    )
)
# Sets that are refused, and every part of them. Facts §2.4.
_TOO_BROAD = tuple(
    frozenset(keys.split())
    for keys in ("ct country st zp ge client_user_agent", "db client_user_agent", "fn ge", "ln ge")
)
_MEANT = {
    "email": "em",
    "emails": "em",
    "phone": "ph",
    "phones": "ph",
    "mobile": "ph",
    "first_name": "fn",
    "last_name": "ln",
    "gen": "ge",
    "gender": "ge",
    "dob": "db",
    "city": "ct",
    "state": "st",
    "zip": "zp",
    "postal_code": "zp",
    "leadgen_id": "lead_id",
    "psid": "page_scoped_user_id",
    "igsid": "ig_sid",
    "waba_id": "whatsapp_business_account_id",
    "fbclid": "fbc",
    "ip": "client_ip_address",
    "user_agent": "client_user_agent",
}
_APPENDIX = r"(?:\.(?:[A-Za-z0-9_-]{2}|[A-Za-z0-9_-]{8}))?"  # what Meta's Parameter Builder adds
_HASH = re.compile(rf"[0-9a-f]{{64}}{_APPENDIX}")
_is_good_hash = re.compile(rf"(?!{EMPTY_SHA256})[0-9a-f]{{64}}{_APPENDIX}").fullmatch
_HEX = re.compile(r"[0-9a-fA-F]+")
_FB = re.compile(rf"fb\.[0-9]{{1,2}}\.([0-9]{{1,20}})\.[^.\s]{{1,1000}}{_APPENDIX}")
_PHONE_SIGNS = frozenset("0123456789+ ()-./")
_PRIVATE = ("10.", "127.", "192.168.", "169.254.", "fe80:", "fc", "fd", "::1")
_LONGEST_ID = 1_000
_MOST_OF_A_LIST = 10

Check = Callable[[object], tuple[Fault, Level] | None]


def lint_user_data(user_data: object, found: list[Finding]) -> None:
    """Add to `found` what is wrong with an event's user_data. Values are never quoted."""
    if not isinstance(user_data, Mapping):
        message = "is missing" if user_data is None else "must be an object"
        mend = "name the person by lead_id, a hashed e-mail address or a hashed phone number"
        found.append(Finding("user_data_missing", "user_data", message, mend, meta_code=_NOBODY))
        return
    person = set()
    for key, value in user_data.items():
        if key in _HASHED:
            person.add(key)
            only = value[0] if type(value) is list and len(value) == 1 and key in _HASHED_LISTS else None
            if type(only) is not str or not _is_good_hash(only):  # one good hash is nearly all there is
                _lint_hashed(key, value, found)
        elif (check := _CHECKS.get(key)) is not None:
            if key not in _BUSINESS:
                person.add(key)
            _lint_plain(key, value, check, found)
        else:
            _lint_unknown(key, value, found)
    for broad in _TOO_BROAD:
        if person <= broad:
            found.append(_too_broad(person))
            return


def lint_channel_keys(channel: str, user_data: object, found: list[Finding]) -> None:
    """The ids that a messaging channel demands. Facts §6.1."""
    given = user_data.keys() if isinstance(user_data, Mapping) else ()
    for group in CHANNEL_KEYS[channel]:
        if any(key in given for key in group):
            continue
        whose = "the business's account" if group[0] in _BUSINESS else "the person, as it came with the message"
        message = f"is missing, and events of {channel} need it"
        found.append(Finding("channel_id_missing", f"user_data.{group[0]}", message, f"add the id of {whose}"))


def _too_broad(person: set[str]) -> Finding:
    what = "holds nothing that names a person" if not person else "holds only what many people have in common"
    mend = "add lead_id, a hashed e-mail address, a hashed phone number, or first and last name together"
    return Finding("user_data_too_broad", "user_data", what, mend, meta_code=_NOBODY)


def _lint_hashed(key: str, value: object, found: list[Finding]) -> None:
    if type(value) is list and key in _HASHED_LISTS:
        if not value:
            found.append(Finding("user_data_empty", f"user_data.{key}", "is an empty list", "leave the key out"))
        bad = [index for index, one in enumerate(value) if type(one) is not str or not _is_good_hash(one)]
        found += [_bad_hash(f"user_data.{key}[{index}]", value[index]) for index in bad[:_MOST_OF_A_LIST]]
    elif type(value) is list:
        message = "must be one value, not a list"
        found.append(Finding("user_data_type", f"user_data.{key}", message, "send the first of them"))
    elif type(value) is not str or not _is_good_hash(value):
        found.append(_bad_hash(f"user_data.{key}", value))


def _bad_hash(field: str, value: object) -> Finding:
    code, message, mend = _why_no_hash(value)
    return Finding(code, field, message, mend)


def _why_no_hash(value: object) -> tuple[str, str, str]:
    again = "hash the normalised text with SHA-256 and write it as 64 lower-case hex digits"
    if value is None:
        return "user_data_empty", "is null", "leave the key out"
    if not isinstance(value, str):
        return "user_data_type", "must be the hash as text", again
    text = value.strip()
    if not text:
        return "user_data_empty", "is empty", "leave the key out"
    if text[:64].lower() == EMPTY_SHA256:
        return "hash_of_nothing", "is the hash of an empty text, which joins unrelated people", "leave the key out"
    if _HEX.fullmatch(text):
        if len(text) == 32:
            return "hash_md5", "has 32 hex digits, as MD5 has, and Meta matches SHA-256 only", again
        if len(text) == 64:
            return "hash_not_plain", "has capitals or blanks", "write the hash in lower case, without blanks"
        if len(text) in (40, 56, 96, 128):
            return "hash_other", "is a hash of another kind, and Meta matches SHA-256 only", again
    if "@" in text:
        return "not_hashed", "holds a plain e-mail address", again
    if _PHONE_SIGNS.issuperset(text[:100]) and sum(map(str.isdigit, text[:100])) > 6:
        return "not_hashed", "holds a plain phone number", again
    return "not_hashed", "is not a SHA-256 hash", again


def _lint_plain(key: str, value: object, check: Check, found: list[Finding]) -> None:
    wrong = check(value)
    if type(value) is str and len(value) >= 64 and key != "external_id" and _HASH.fullmatch(value):
        message = "is a hash, and Meta compares the plain value"
        found.append(Finding("must_not_be_hashed", f"user_data.{key}", message, "send the value as it is"))
    elif wrong is not None:
        fault, level = wrong
        code = (
            "lead_id_wrong" if key == "lead_id" else "user_data_wrong" if level == "refused" else "user_data_doubtful"
        )
        found.append(Finding(code, f"user_data.{key}", fault.message, fault.mend, level))


def _lint_unknown(key: object, value: object, found: list[Finding]) -> None:
    field = f"user_data.{shown_key(key)}"
    text = str(value[0]) if isinstance(value, list) and value and isinstance(value[0], str) else value
    personal = holds_personal_data(text) if isinstance(text, str) else None
    near = _MEANT.get(key.lower()) or _nearest(key) if isinstance(key, str) else None
    mend = f'if "{near}" was meant, write that, hashed where it must be' if near else "take it out"
    if personal:
        found.append(Finding("not_hashed", field, f"is not a key of Meta's and holds {personal}", mend))
    else:
        found.append(Finding("user_data_unknown", field, "is not a key of Meta's", mend, "warning"))


def _nearest(key: str) -> str | None:
    near = get_close_matches(key[:60].lower(), [*_HASHED, *_CHECKS], n=1, cutoff=0.75)
    return near[0] if near else None


def _refuse(message: str, mend: str) -> tuple[Fault, Level]:
    return Fault(message, mend), "refused"


def _warn(message: str, mend: str) -> tuple[Fault, Level]:
    return Fault(message, mend), "warning"


def _check_text(value: object) -> tuple[Fault, Level] | None:
    if type(value) is str:
        if not value or value.isspace():
            return _refuse("is empty", "leave the key out")
        return _refuse("is far too long", "send it as it came") if len(value) > 5 * _LONGEST_ID else None
    if isinstance(value, list):
        return _refuse("must be one value, not a list", "send the newest of them")
    if value is None:
        return _refuse("is null", "leave the key out")
    return _refuse("must be text", "write it between quotation marks")


def _check_word(value: object) -> tuple[Fault, Level] | None:
    return None if type(value) is int else _check_text(value)


def _check_id(value: object) -> tuple[Fault, Level] | None:
    """Digits, as text or as a whole number."""
    if type(value) is int:
        return None if 0 < value < 10**40 else _refuse("is not one of Meta's ids", "send it as it came")
    if isinstance(value, float):
        return _refuse("is a number with a point or an exponent, and may have lost digits", "send the id as text")
    wrong = _check_text(value)
    if wrong is None and isinstance(value, str) and not (value.isascii() and value.isdigit() and len(value) <= 40):
        return _refuse("is not one of Meta's ids, which are digits only", "send it as it came")
    return wrong


def _check_lead_id(value: object) -> tuple[Fault, Level] | None:
    digits = str(value) if type(value) is int and 0 < value < 10**40 else value
    if (
        isinstance(digits, str)
        and 15 <= len(digits) <= 17
        and digits.isascii()
        and digits.isdigit()
        and digits[0] != "0"
    ):
        return None
    wrong = _check_id(value)
    return wrong or _refuse("must have 15 to 17 digits", "send the leadgen_id of Meta's notice, with all its digits")


def _check_external_id(value: object) -> tuple[Fault, Level] | None:
    for one in value if type(value) is list else (value,):
        if type(one) is not str or not _is_good_hash(one):
            if type(one) is int:
                return _warn("is not hashed", "hash it the same way on every channel: Meta advises it")
            wrong = _check_text(one)
            if wrong is not None:
                return wrong
            if isinstance(one, str) and one.startswith(EMPTY_SHA256):
                return _refuse("is the hash of an empty text, which joins unrelated people", "leave the key out")
            if isinstance(one, str) and holds_personal_data(one):
                return _refuse("holds a plain e-mail address or phone number", "hash it, or use an id of your own")
            return _warn("is not hashed", "hash it the same way on every channel: Meta advises it")
    return _refuse("is an empty list", "leave the key out") if value == [] else None


def _check_ip(value: object) -> tuple[Fault, Level] | None:
    if type(value) is not str:
        return _check_text(value)
    address = value if len(value) <= 60 else ""
    for text in (address, address[:-9] if address[-9:-8] == "." else ""):  # a Parameter Builder adds eight signs
        for family in (socket.AF_INET6, socket.AF_INET) if ":" in text else (socket.AF_INET,):
            if _is_address(family, text):
                private = text.lower().startswith(_PRIVATE)
                return _warn("is an address of a private network", "send the visitor's own") if private else None
    return _refuse("is no IP address", "send the visitor's address, IPv6 if you have it, or leave the key out")


def _is_address(family: socket.AddressFamily, text: str) -> bool:
    try:
        socket.inet_pton(family, text)
    except (OSError, ValueError):
        return False
    return True


def _check_fb(value: object) -> tuple[Fault, Level] | None:
    wrong = _check_text(value)
    if wrong is not None or not isinstance(value, str):
        return wrong
    match = _FB.fullmatch(value)
    if match is None:
        return _warn("is not built like a cookie of Meta's", "write fb.1.<milliseconds>.<id>, the id as it came")
    if len(match[1]) != 13:
        return _warn("has a time that is not in milliseconds", "write the time as 13 digits")
    return None


_CHECKS: dict[str, Check] = {
    **dict.fromkeys(str.split("client_user_agent ctwa_clid"), _check_text),
    **dict.fromkeys(str.split("subscription_id anon_id madid partner_id partner_name"), _check_word),
    **dict.fromkeys(
        str.split(
            "fb_login_id page_id page_scoped_user_id ig_account_id ig_sid whatsapp_business_account_id"
            " instagram_business_account_id"
        ),
        _check_id,
    ),
    "client_ip_address": _check_ip,
    "external_id": _check_external_id,
    "fbc": _check_fb,
    "fbp": _check_fb,
    "lead_id": _check_lead_id,
}
