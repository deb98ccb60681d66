"""A word as typed becomes the spellings to match by: its letters in lower case, then the same in a to z.

Case is folded without any locale, so that a server in Istanbul and one in Berlin hash alike.
"""

import re
import unicodedata
from collections.abc import Iterator

from leadloop.texts import clean_text

_LONGEST = 200
_NOT_ASCII_LETTERS = re.compile(r"[^a-z0-9]+")
_ASCII_WORD = re.compile(r"[a-z0-9]+")
# Letters to Unicode, and none of a word: apostrophes and other small signs, and the stroke that stretches an Arabic word.
_NO_LETTERS = re.compile("[\u02b0-\u02ff\u0640]")
_MARKS = re.compile("[\u0300-\u036f]")
# Letters that Unicode does not take apart into a letter and a mark.
_PLAIN = str.maketrans(
    {"ı": "i", "ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ħ": "h", "ŧ": "t"}
    | {"ŋ": "n", "ə": "e", "ĸ": "k"}
)
# How passports, and people without such a keyboard, write these out.
_WRITTEN_OUT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe"})
_HAS_WRITTEN_OUT = re.compile("[äöüåø]")


def lower(text: str) -> str:
    """`text` in lower case and NFC. İ becomes i (and not i with a dot above it, U+0307), I becomes i, ı stays ı."""
    if text.isascii():
        return text.lower()
    text = unicodedata.normalize("NFC", text).replace("İ", "i").lower()
    return unicodedata.normalize("NFC", text).replace("i\u0307", "i")


def readable(text: str) -> str:
    """`text` in lower case and storable; "" when a part of it could not be read (U+FFFD), or it is too long for a word.

    Half a name hashed would be somebody else's name.
    """
    if len(text) > _LONGEST:
        return ""
    text = clean_text(text)
    return "" if "\ufffd" in text else lower(text)


def letters_of(text: str) -> str:
    """The letters and digits of a text in lower case, joined; "" without a letter.

    White space, punctuation of any script, apostrophes, symbols and emoji are left out.
    """
    if text.isascii():
        kept = _NOT_ASCII_LETTERS.sub("", text)
        return "" if kept.isdigit() else kept
    kept = "".join(text.split())
    if not kept.isalpha() or _NO_LETTERS.search(kept):
        kept = "".join(_letters_and_marks(text))
    kept = unicodedata.normalize("NFC", kept)
    return kept if any(map(str.isalpha, kept)) else ""


def _letters_and_marks(text: str) -> Iterator[str]:
    after_letter = False
    for sign in text:
        kind = unicodedata.category(sign)
        if kind[0] == "M":  # a vowel sign belongs to its letter, U+FE0F to an emoji
            after_letter = after_letter and not "\ufe00" <= sign <= "\ufe0f"
        else:
            after_letter = (kind[0] == "L" or kind == "Nd") and not _NO_LETTERS.match(sign)
        if after_letter:
            yield sign


def spellings(word: str) -> tuple[str, ...]:
    """A word of letters_of() itself, then as it looks in a to z ("muller"), then written out ("mueller").

    Other scripts have no spelling but their own: which transliteration a person uses is not known. "" has none at all.
    """
    if not word:
        return ()
    if word.isascii():
        return (word,)
    plain = _in_ascii(word)
    written_out = _in_ascii(word.translate(_WRITTEN_OUT)) if _HAS_WRITTEN_OUT.search(word) else None
    return tuple(dict.fromkeys(filter(None, (word, plain, written_out))))


def _in_ascii(word: str) -> str | None:
    plain = _MARKS.sub("", unicodedata.normalize("NFKD", word)).lower()
    if not plain.isascii():
        plain = plain.translate(_PLAIN)
    return plain if _ASCII_WORD.fullmatch(plain) and not plain.isdigit() else None
