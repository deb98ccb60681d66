"""In which encoding a file is: by its byte-order mark or as somebody said, and UTF-8 else. Never guessed."""

import codecs
import io

HEAD_BYTES = 4_096
_ZIP = b"PK\x03\x04"
_OLD_EXCEL = b"\xd0\xcf\x11\xe0"
_UTF8 = "utf-8"
_MARKS = (  # of UTF-32 first: it begins like UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class NoText(ValueError):
    """The file is no text in the encoding it was taken for. A sentence that says the mend."""


def is_encoding(name: str) -> bool:
    """Whether Python can read text in it."""
    try:
        io.TextIOWrapper(io.BytesIO(b"a"), encoding=name, errors=decode_errors(name)).read()
    except UnicodeDecodeError:  # of two bytes, such as UTF-16
        return True
    except (LookupError, ValueError):  # none, one of bytes to bytes, or one of domain names
        return False
    return True


def choose_encoding(head: bytes, given: str | None) -> str:
    """The codec for a file that begins with `head`. Raises NoText for a workbook, and where mark and `given` disagree."""
    if head.startswith((_ZIP, _OLD_EXCEL)):
        raise NoText('Is a workbook or an archive and no CSV: open it and save it as "CSV UTF-8".')
    marked = next((codec for mark, codec in _MARKS if head.startswith(mark)), None)
    if given is not None and marked is not None and _family(given) != _family(marked):
        raise NoText(f"Begins with the mark of {shown_encoding(marked)}: leave --encoding out.")
    if marked is not None:
        return marked
    if given is not None:
        return "utf-8-sig" if _family(given) == _UTF8 else given
    odd, even = head[1::2].count(0), head[::2].count(0)
    if max(odd, even) * 4 > len(head):
        name = "utf-16-le" if odd > even else "utf-16-be"
        raise NoText(f'Seems to be UTF-16 without its mark: say --encoding {name}, or save it as "CSV UTF-8".')
    return "utf-8-sig"


def decode_errors(codec: str) -> str:
    """How undecodable bytes are kept until they are met in their row. UTF-16 and UTF-32 cannot."""
    return "strict" if _family(codec) in ("utf-16", "utf-32") else "surrogateescape"


def shown_encoding(codec: str) -> str:
    return {"utf-8-sig": "UTF-8", "utf-16": "UTF-16", "utf-32": "UTF-32"}.get(codec, codec)


def not_in(codec: str) -> str:
    """What to say of bytes that are no text in `codec`."""
    if _family(codec) == _UTF8:
        return (
            'Holds bytes that are not UTF-8: save the file as "CSV UTF-8", or say how it is written, such as'
            " --encoding windows-1254 (Turkish) or --encoding windows-1252 (western Europe)."
        )
    return f"Holds bytes that are not {shown_encoding(codec)}: say --encoding as the file was saved."


def _family(name: str) -> str:
    canonical = codecs.lookup(name).name
    return next((one for one in (_UTF8, "utf-16", "utf-32") if canonical.startswith(one)), canonical)
