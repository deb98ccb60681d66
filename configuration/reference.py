"""The keys of every table, in words: tables for docs/configuration.md, and a sample file to begin with."""

from collections.abc import Iterator
from typing import Any

from marshmallow import fields

from configuration.schema import TABLES, StageSchema, TableSchema

_HEAD = """\
# leadloop's configuration. Every key: docs/configuration.md
#   leadloop config check leadloop.toml     tells every mistake with its line
#   leadloop config apply leadloop.toml     puts it to work, as often as you like
# "$NAME" takes a value from the environment or .env, so that this file can be kept in git.
"""
NEEDED = {True: "yes", False: ""}


def sample_text() -> str:
    """A commented file with every key, which passes check_text() once its three variables are set. Keys that leave
    things out are comments in it."""
    parts = [_HEAD]
    for table, schema in TABLES.items():
        lines = [f"# {_about(schema)}", f"[[{table}]]"]
        for key, found in _keys(schema):
            lines.append(f"# {_says(found)}{'' if found.required else ' Optional.'}")
            off = "# " if found.metadata.get("off") else ""
            lines.append(off + found.metadata["example"] if key != "stages" else _STAGES)
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


_STAGES = """\
stages = [
  { stage = "qualified", event = "Lead", fixed_value = "250.00", currency = "TRY" },
  { stage = "won", event = "Purchase", value = "required" },
  { stage = "lost" },                                           # known, not sent
]"""


def key_table(schema: type[TableSchema]) -> str:
    """The keys of one table as a Markdown table: key, example, whether it is needed, meaning."""
    lines = ["| key | example | needed | meaning |", "|---|---|---|---|"]
    for key, found in _keys(schema):
        example = str(found.metadata["example"]).partition(" = ")[2]
        variable = " Takes `$NAME`." if found.metadata.get("env") else ""
        lines.append(f"| `{key}` | `{example}` | {NEEDED[found.required]} | {_says(found)}{variable} |")
    return "\n".join(lines)


def key_tables() -> dict[str, str]:
    """Heading → table, for every table of the file and the stages within funnels."""
    tables = {f"[[{table}]]": key_table(schema) for table, schema in TABLES.items()}
    return tables | {"stages": key_table(StageSchema)}


def _keys(schema: type[TableSchema]) -> Iterator[tuple[str, fields.Field[Any]]]:
    for name, found in schema._declared_fields.items():
        yield found.data_key or name, found


def _about(schema: type[TableSchema]) -> str:
    return str(schema.__doc__).strip()


def _says(found: fields.Field[Any]) -> str:
    return str(found.metadata["says"])
