"""The funnels of the configuration, ready to be decided by."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from leadloop.conversions.findings import Fault
from leadloop.conversions.funnel import Funnel, find_position, parse_funnel
from leadloop.conversions.money import MoneyInvalid
from leadloop.logs import get_logger
from store.models import Connection
from store.models import Funnel as FunnelRow
from store.sql import Prepared, table_of

log = get_logger(__name__)
ANY = "*"


@dataclass(frozen=True)
class ConfiguredFunnel:
    """A funnel and the connection whose stages it knows; "*": of all connections, and of outcomes that name none."""

    connection: str
    funnel: Funnel


_funnel = table_of(FunnelRow)
_READ = Prepared(
    lambda _insert, _dialect: select(
        _funnel.c.connection, _funnel.c.dataset_id, _funnel.c.stages, _funnel.c.options
    ).order_by(_funnel.c.position, _funnel.c.id)
)


def read_funnels(session: Session) -> list[ConfiguredFunnel]:
    """All funnels in their order, read once in a transaction."""
    if "funnels" not in session.info:
        session.info["funnels"] = [one for row in _READ.run(session) if (one := _parse(*row)) is not None]
    found: list[ConfiguredFunnel] = session.info["funnels"]
    return found


def _parse(connection: str, dataset_id: str, stages: list[Any], options: dict[str, Any]) -> ConfiguredFunnel | None:
    """None for a row that this version cannot read: it must not keep leads back, whose way leads past here."""
    try:
        return ConfiguredFunnel(connection, parse_funnel(dataset_id, stages, options))
    except (MoneyInvalid, KeyError, TypeError, ValueError, AttributeError) as caught:
        log.error("funnel_unreadable", connection=connection, dataset_id=dataset_id, error=type(caught).__name__)
        return None


_connection = table_of(Connection)
_ADAPTERS = Prepared(lambda _insert, _dialect: select(_connection.c.name, _connection.c.adapter))


def read_adapters(session: Session) -> dict[str, str]:
    """Connection → kind of adapter, read once in a transaction."""
    if "adapters" not in session.info:
        session.info["adapters"] = dict(_ADAPTERS.run(session).all())
    found: dict[str, str] = session.info["adapters"]
    return found


def funnels_for(
    funnels: Iterable[ConfiguredFunnel],
    connection: str | None,
    *,
    of_lead: Collection[str] = (),
    or_every: bool = True,
) -> list[ConfiguredFunnel]:
    """The funnels that an outcome goes through: those of its connection, and those of all.

    An outcome that names no connection goes through those of the connections that have its lead (`of_lead`); where that
    is none, through every funnel, unless `or_every` is False: a lead that is sent nowhere is told to no dataset.
    """
    every = list(funnels)
    names = {connection} if connection is not None else set(of_lead)
    chosen = [one for one in every if one.connection == ANY or one.connection in names]
    return chosen if chosen or connection is not None or not or_every else every


def doubt_stage(funnels: Collection[ConfiguredFunnel], stage: str) -> Fault | None:
    """Why nothing will follow from a stage: no funnel of those that it goes through knows it."""
    if not funnels:
        return Fault("has no funnel to go through, so that Meta is not told", "add a [[funnels]] table for it")
    if any(find_position(one.funnel.stages, stage) is not None for one in funnels):
        return None
    known = list(dict.fromkeys(rule.stage for one in funnels for rule in one.funnel.stages))
    near = get_close_matches(stage, known, n=1, cutoff=0.6)
    mend = f'write "{near[0]}", if that was meant' if near else f"use one of {', '.join(known[:12])}, or add it there"
    return Fault("is not a stage of the funnel, so that Meta is not told", mend)
