"""What an `sql` connection is told."""

import re
from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, ValidationError, fields, validates_schema
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from crm_adapters.sql.names import LONGEST, find_too_long, limit_words

_EXAMPLE = "postgresql://user:password@host/database"


class DatabaseUrl(fields.String):
    """A SQLAlchemy URL whose driver is installed. postgresql:// means psycopg; nothing of it is ever repeated."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = str(super()._deserialize(value, attr, data, **kwargs)).strip()
        scheme = text.split(":", 1)[0]
        if scheme in ("postgres", "postgresql"):
            text = "postgresql+psycopg" + text[len(scheme) :]
        try:
            url = make_url(text)
            hash(url)
        except (ArgumentError, ValueError):
            raise ValidationError(f"Is not a database URL; it should look like {_EXAMPLE}.") from None
        _check_driver(url)
        if url.get_backend_name() == "sqlite" and (not url.database or ":memory:" in url.database):
            raise ValidationError(
                "Names no file; a database in memory would forget every lead. Use sqlite:////path/to/file."
            )
        return url.render_as_string(hide_password=False)


class Identifier(fields.String):
    """The name of a table or column: any text of 1 to 128 characters without control characters. It is quoted.

    With `blank`, "" stands for none.
    """

    def __init__(self, *, blank: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.blank = blank

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = str(super()._deserialize(value, attr, data, **kwargs))
        if self.blank and not text:
            return text
        if not text.strip() or len(text) > LONGEST or re.search(r"[\x00-\x1f\x7f\ud800-\udfff]", text):
            raise ValidationError(f"Must be a name of 1 to {LONGEST} characters, on one line.")
        return text


class SqlSettings(Schema):
    """Settings of an `sql` connection."""

    url = DatabaseUrl(
        required=True,
        metadata={"secret": True, "label": "Database", "help": f"SQLAlchemy URL, such as {_EXAMPLE}."},
    )
    table = Identifier(
        load_default="leads", metadata={"label": "Table", "help": "Table that gets one row for each lead."}
    )
    schema = Identifier(
        load_default=None,
        allow_none=True,
        metadata={"label": "Schema", "help": "Schema of the table, where it is not the user's usual one."},
    )
    create = fields.Boolean(
        load_default=False,
        truthy={True},
        falsy={False},
        metadata={
            "label": "Create the table",
            "help": "true: the table is made with the first lead when it is missing.",
        },
    )
    key = Identifier(
        load_default="leadgen_id",
        metadata={"label": "Key column", "help": "Column with Meta's lead id; it needs a primary key or unique index."},
    )
    answers = Identifier(
        load_default="answers",
        blank=True,
        metadata={
            "label": "Column for all answers",
            "help": "Gets all answers as JSON, where the table has it and the mapping does not name it; empty: none.",
        },
    )

    @validates_schema
    def check_lengths(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        url = make_url(data["url"])
        for name in ("table", "schema", "key", "answers"):
            if data[name] and find_too_long([data[name]], url):
                raise ValidationError(f"Is too long: names have at most {limit_words(url)}.", name)


_PACKAGES = {"MySQLdb": "mysqlclient", "psycopg2": "psycopg2-binary", "cx_Oracle": "oracledb"}  # named otherwise


def _check_driver(url: URL) -> None:
    try:
        dialect = url.get_dialect()
        dialect.import_dbapi()
    except NoSuchModuleError:
        raise ValidationError(
            f"Starts with {url.drivername[:60]}://, which no installed package knows. Install the SQLAlchemy dialect of"
            " that database, or correct the name."
        ) from None
    except ImportError as caught:
        name = caught.name or "the database's driver"
        package = _PACKAGES.get(name, name)
        raise ValidationError(
            f"Needs the Python package {name} (driver of {url.drivername[:60]}). Install it: pip install {package}."
        ) from None
    if dialect.is_async:
        raise ValidationError(f"Names an asynchronous driver ({url.drivername[:60]}). Name a plain one.")
