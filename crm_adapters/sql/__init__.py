"""A table in any database that SQLAlchemy reaches: one row for each lead."""

from crm_adapters.sql.adapter import SqlTable

__all__ = ["SqlTable"]
