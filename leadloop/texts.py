"""Text as it came becomes text that can be kept, shown and compared. Pure, and linear in the length of the text."""

import re
import unicodedata

_SURROGATE = re.compile("[\ud800-\udfff]")
_CONTROL = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]")
# Invisible marks that keyboards and copying leave around a text: zero-width spaces, direction marks, fillers, the BOM.
_INVISIBLE = "\u00ad\u115f\u1160\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\u2800\u3164\ufeff\uffa0"
# Of these, what turns the direction of writing: inside a name it can make all that is shown after it read backwards.
_DIRECTION = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_INVISIBLE_ANYWHERE = re.compile(f"[{_INVISIBLE}]")
_INVISIBLE_ENDS = re.compile(rf"^[\s{_INVISIBLE}]+|(?<![\s{_INVISIBLE}])[\s{_INVISIBLE}]+$")
_UNDERSCORES = re.compile("__+")
_SEPARATORS = re.compile(r"[^a-z0-9]+")

# Unicode normalisation takes quadratic time on a long run of combining marks (50,000 of them: two seconds), so longer
# texts keep the composition they came in.
_LONGEST_NORMALISED = 2_000


def clean_text(text: str) -> str:
    """`text` without what no database, header or XML can hold: NUL is removed, a lone surrogate becomes U+FFFD.

    Nothing else changes.
    """
    if "\0" in text:
        text = text.replace("\0", "")
    if not text.isascii():
        text = _SURROGATE.sub("\ufffd", text)
    return text


def tidy(text: str | None) -> str | None:
    """One line as a CRM wants it: NFC, runs of white space as one blank, no control characters, none that turn the
    direction of writing, nothing invisible at the ends. None when nothing visible is left."""
    if not text:
        return None
    if text.isascii() and text.isalnum():
        return text
    text = _CONTROL.sub("", clean_text(text))
    if not text.isascii():
        text = _DIRECTION.sub("", text)
    if len(text) <= _LONGEST_NORMALISED and not text.isascii():
        text = unicodedata.normalize("NFC", text)
    return " ".join(_INVISIBLE_ENDS.sub("", text).split()) or None


def drop_invisible(text: str) -> str:
    """`text` without invisible marks anywhere, for addresses and numbers, which never hold any."""
    return text if text.isascii() else _INVISIBLE_ANYWHERE.sub("", text)


def fold(text: str) -> str:
    """A form to compare by: lower case, no accents, letters and digits joined by "_". "" when there are none.

    "¿Qué servicio necesitas?", "que_servicio_necesitas" and "QUÉ SERVICIO NECESITAS" fold to the same. The Turkish
    dotless ı folds to i, so that İL, il and ıl meet. Texts over 2,000 characters fold to "".
    """
    if len(text) > _LONGEST_NORMALISED:
        return ""
    if text.isascii():
        return _SEPARATORS.sub("_", text.lower()).strip("_")
    decomposed = unicodedata.normalize("NFKD", text.casefold()).replace("ı", "i")
    kept = "".join(
        letter if letter.isalnum() or unicodedata.category(letter)[0] == "M" else "_"  # vowel signs of Indian scripts
        for letter in decomposed
        if not unicodedata.combining(letter)
    )
    return _UNDERSCORES.sub("_", kept).strip("_")
