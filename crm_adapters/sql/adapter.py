"""SQL: one row for each lead, found again by Meta's lead id, in a table that may have any columns."""

import threading
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Column, Connection, types
from sqlalchemy.engine import make_url

from crm_adapters.base import Check, CrmAdapter, CrmField, Earlier, Preview, RemoteRef, checked
from crm_adapters.sql.database import (
    POOL,
    Database,
    Layout,
    demand_key,
    make_table,
    prove_making,
    prove_rights,
    public_url,
    read_layout,
    upsert,
)
from crm_adapters.sql.names import find_too_long, find_twins, fold, limit_words
from crm_adapters.sql.settings import SqlSettings
from crm_adapters.sql.values import Unfit, as_text, bind
from leadloop.errors import LeadloopError, NeedsHuman
from leadloop.leads import TEMPLATE_FIELDS, LeadCard
from leadloop.texts import clean_text

_TYPES: tuple[tuple[type[types.TypeEngine[Any]], str], ...] = (
    (types.Boolean, "boolean"),
    (types.Numeric, "number"),
    (types.Float, "number"),
    (types.Integer, "number"),
    (types.DateTime, "datetime"),
    (types.Date, "date"),
    (types.Enum, "choice"),
)
_STALE = ("sql_no_table", "sql_no_column", "sql_key_not_unique", "sql_no_key", "sql_odd")


class SqlTable(CrmAdapter):
    """A table in any database that SQLAlchemy reaches, one row for each lead."""

    kind = "sql"
    label = "SQL table"
    settings_schema = SqlSettings
    default_fields = {name: f"{{{name}}}" for name in TEMPLATE_FIELDS if name != "leadgen_id"}
    max_in_flight = POOL
    offers_fields = True
    docs = "docs/crm/sql.md"

    def __init__(self, settings: Mapping[str, Any], **given: Any) -> None:
        super().__init__(settings, **given)
        self._url = make_url(settings["url"])
        self._dialect = self._url.get_backend_name()
        self._lock = threading.Lock()
        self._opened: Database | None = None
        self._layout: Layout | None = None

    # --- the row ----------------------------------------------------------------------------------------------------

    def push_lead(self, lead: LeadCard, earlier: Earlier) -> RemoteRef:
        """Write the row of this lead. Safe to repeat: the key column holds Meta's lead id."""
        row = self._row(lead)
        self._demand_names(row)
        layout = self._layout_for(row)
        values = self._bind(layout, row)
        try:
            self._database.run(lambda connection: upsert(connection, layout, values))
        except LeadloopError as caught:
            if caught.code in _STALE:
                self._layout = None  # the table was changed under us: look at it again
            raise
        return RemoteRef("row", clean_text(lead.leadgen_id))

    def _row(self, lead: LeadCard) -> dict[str, Any]:
        key, answers = self.settings["key"], self.settings["answers"]
        row: dict[str, Any] = {name: value for name, value in lead.mapped.items() if not self._same(name, key)}
        if answers and not any(self._same(answers, name) for name in (key, *row)):
            row[answers] = {answer.key: list(answer.values) for answer in lead.answers}
        return {key: clean_text(lead.leadgen_id)} | row

    def _same(self, name: str, other: str) -> bool:
        return fold(name, self._dialect) == fold(other, self._dialect)

    def _demand_names(self, row: Mapping[str, Any]) -> None:
        """NeedsHuman when the mapping has names that this database would cut, or would not tell apart."""
        too_long, twins = find_too_long(row, self._url), find_twins(row, self._dialect)
        if too_long or twins:
            why = (
                f"a name of a column is longer than {limit_words(self._url)}"
                if too_long
                else "two names are one column"
            )
            raise NeedsHuman(
                f"The mapping does not fit {self._database.place}: {why}: {', '.join(too_long or twins)[:300]}.",
                code="sql_column_name",
                action="Rename the column in the mapping and in the table, then retry.",
            )

    def _bind(self, layout: Layout, row: Mapping[str, Any]) -> dict[str, Any]:
        bound, unfit = {}, []
        for name, value in row.items():
            column = layout.find_column(name)
            if column is None:
                continue  # only the one for all answers: the table simply has none
            try:
                if column.info["read_only"]:
                    raise Unfit("is computed by the database itself")
                bound[column.name] = bind(value, column, dialect=self._database.dialect)
            except Unfit as caught:
                unfit.append(f"{name} {caught.why}")
        if unfit:
            raise NeedsHuman(
                f"The table {layout.table.name} cannot hold this lead: {'; '.join(unfit)[:300]}.",
                code="sql_unfit",
                action="Change those columns (text holds anything) or take them out of the mapping, then retry.",
            )
        return bound

    # --- the table --------------------------------------------------------------------------------------------------

    @property
    def _database(self) -> Database:
        with self._lock:
            if self._opened is None:
                self._opened = Database(self._url)
            return self._opened

    def _layout_for(self, row: Mapping[str, Any]) -> Layout:
        """The table with a column for everything mapped; read again when it lacks one, since it may have been added."""
        layout = self._layout
        if layout is None or self._lacking(layout, row):
            layout = self._find() or self._make(list(row))
        demand_key(layout)
        if lacking := self._lacking(layout, row):
            raise NeedsHuman(
                f"The table {layout.table.name} has no column {', '.join(lacking)[:300]}.",
                code="sql_no_column",
                action="Correct the mapping (leadloop crm fields lists the columns) or add the columns as text, then retry.",
            )
        self._layout = layout
        return layout

    def _lacking(self, layout: Layout, row: Mapping[str, Any]) -> list[str]:
        return sorted(name for name in row if name != self.settings["answers"] and layout.find_column(name) is None)

    def _find(self) -> Layout | None:
        """The table as it is; None when it is not there and may be made."""
        database, may_make = self._database, self.settings["create"]
        if database.is_missing_file():
            if may_make:
                database.demand_folder()
                return None
            raise NeedsHuman(
                f"{database.place} does not exist.",
                code="sql_no_database",
                action="Correct the path in url (sqlite:////absolute/path), or set create = true.",
                scope="lane",
            )
        try:
            return database.run(self._read)
        except LeadloopError as caught:
            if caught.code == "sql_no_table" and may_make:
                return None
            raise

    def _read(self, connection: Connection) -> Layout:
        chosen = self.settings
        return read_layout(connection, chosen["table"], schema=chosen["schema"], key=chosen["key"])

    def _make(self, columns: list[str]) -> Layout:
        """Make the table. Another thread or process may be making it at the same moment: then theirs is as good."""
        chosen = self.settings

        def work(connection: Connection) -> None:
            make_table(connection, chosen["table"], schema=chosen["schema"], key=chosen["key"], columns=columns)

        try:
            self._database.run(work)
        except LeadloopError:
            layout = self._find()
            if layout is None:
                raise
            return layout
        return self._database.run(self._read)

    # --- what it can tell -------------------------------------------------------------------------------------------

    def preview(self, lead: LeadCard) -> list[Preview]:
        row = {name: value if value is None else as_text(value) for name, value in self._row(lead).items()}
        body = {"table": self.settings["table"], "key": self.settings["key"], "row": row}
        return [Preview("UPSERT", public_url(self._url), body)]

    def check(self) -> list[Check]:
        """The database, the table and its key, and the rights, by statements that touch no row."""
        found = [checked("table", self._check_table)]
        if found[0].ok:
            found.append(checked("rights", self._check_rights))
        return found

    def _check_table(self) -> str:
        layout = self._find()
        if layout is None:
            return self._check_making()
        demand_key(layout)
        return f"The table {layout.table.name} has {len(layout.table.c)} columns; {layout.key} is unique."

    def _check_making(self) -> str:
        chosen, database = self.settings, self._database
        said = f"The table {chosen['table']} is not there yet; it is made with the first lead"
        if database.dialect not in ("postgresql", "sqlite"):
            return f"{said}, which shows whether the user may make it."
        if not database.is_missing_file():
            database.run(
                lambda connection: prove_making(connection, chosen["table"], schema=chosen["schema"], key=chosen["key"])
            )
        return f"{said}, and may be made."

    def _check_rights(self) -> str:
        layout = self._find()
        if layout is None:
            return "They show when the table is made."
        self._database.run(lambda connection: prove_rights(connection, layout))
        return "Rows may be read, inserted and updated."

    def read_fields(self) -> list[CrmField]:
        """The columns of the table; when it is not there yet and `create` is set, those it gets without a mapping."""
        layout = self._find()
        if layout is None:
            names = [self.settings["key"], *self.default_fields, self.settings["answers"]]
            return [CrmField(name, name) for name in dict.fromkeys(filter(None, names))]
        return [_field(column) for column in layout.table.c]

    def close(self) -> None:
        super().close()
        if self._opened is not None:
            self._opened.close()


def _field(column: "Column[Any]") -> CrmField:
    return CrmField(
        name=column.name,
        label=column.comment or column.name,
        type=next((word for kind, word in _TYPES if isinstance(column.type, kind)), "text"),
        required=column.info["required"],
        read_only=column.info["read_only"],
        options=tuple(getattr(column.type, "enums", None) or ()),
    )
