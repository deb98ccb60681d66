"""How databases tell names apart, and how long they may be. Sources: SQLite "CREATE TABLE" and PostgreSQL "Identifiers and
Key Words" (63 bytes; a longer name is cut without a word), MySQL "Identifier Case Sensitivity"; the lengths are SQLAlchemy's.
"""

import string
from collections.abc import Iterable

from sqlalchemy.engine import URL

LONGEST = 128
_CASELESS = frozenset(["sqlite", "mysql", "mariadb", "mssql"])
_IN_BYTES = frozenset(["postgresql", "oracle"])
_ASCII_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def fold(name: str, dialect: str) -> str:
    """The name of a column as this database compares it: two that fold to the same are the same column."""
    if dialect not in _CASELESS:
        return name
    return name.translate(_ASCII_LOWER) if dialect == "sqlite" else name.lower()


def find_twins(names: Iterable[str], dialect: str) -> list[str]:
    """Names that are the same column as an earlier one of them."""
    seen: set[str] = set()
    twins = []
    for name in names:
        folded = fold(name, dialect)
        if folded in seen:
            twins.append(name)
        seen.add(folded)
    return twins


def find_too_long(names: Iterable[str], url: URL) -> list[str]:
    """Names that this database would cut off or refuse."""
    most = longest_name(url)
    in_bytes = url.get_backend_name() in _IN_BYTES
    return [name for name in names if len(name.encode(errors="replace") if in_bytes else name) > most]


def longest_name(url: URL) -> int:
    return min(LONGEST, int(url.get_dialect().max_identifier_length))


def limit_words(url: URL) -> str:
    """For a sentence: "63 bytes in postgresql"."""
    dialect = url.get_backend_name()
    return f"{longest_name(url)} {'bytes' if dialect in _IN_BYTES else 'characters'} in {dialect}"
