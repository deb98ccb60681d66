"""Whether a text holds an e-mail address or a phone number: such texts have no place in names and values of events."""

import re

_LOOKED_AT = 2_000  # characters
_MOST_SIGNS = 10
_DOMAIN = re.compile(r"[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
_PHONE = re.compile(r"(?<!\w)\+[0-9](?:[ ().\-/]{0,3}[0-9]){7,14}(?![0-9])")

LONGEST_LOOKED_AT = _LOOKED_AT


def holds_personal_data(text: str) -> str | None:
    """ "an e-mail address" or "a phone number" when there is one in the first 2,000 characters, else None.

    A phone number needs its plus: ten digits alone may as well be an order number.
    """
    if "@" in text and _holds_email(text[:_LOOKED_AT]):
        return "an e-mail address"
    if "+" in text and _PHONE.search(text[:_LOOKED_AT]):
        return "a phone number"
    return None


def _holds_email(text: str) -> bool:
    at = text.find("@")
    for _ in range(_MOST_SIGNS):
        if at < 0:
            return False
        if at > 0 and not text[at - 1].isspace() and _DOMAIN.match(text, at + 1):
            return True
        at = text.find("@", at + 1)
    return False
