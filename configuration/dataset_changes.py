"""What a change of dataset costs, told before it is applied: the database knows which dataset it was, the file does not.

Facts: Meta conversions facts §5.1 (training starts again), §6.2 (signals of an unlinked Page are lost).
"""

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from configuration.apply_lists import DEFAULT_ROUTE
from configuration.entries import Config, PageEntry
from configuration.mistakes import Mistake
from store.models import Funnel, Page

_Key = tuple[str, str]  # connection, route


def find_dataset_changes(session: Session, config: Config) -> list[Mistake]:
    """Warnings: Pages and funnels that have another dataset in `config` than in the database. Reads only.

    A Page or funnel that is new, or is taken out, is no change; nor is a second dataset beside the one there is.
    """
    before = {row.page_id: row.dataset_id for row in session.scalars(select(Page)) if row.dataset_id}
    pages = [_page(entry, before[entry.page_id]) for entry in config.pages if entry.page_id in before]
    return [*filter(None, pages), *_funnels(session, config)]


def _page(entry: PageEntry, before: str) -> Mistake | None:
    if entry.dataset_id == before:
        return None
    now = f"is {entry.dataset_id}" if entry.dataset_id else "is taken out"
    message = f"{now}, and was {before}: once Meta unlinks the Page from a dataset, the signals collected from it are lost there"
    return _warning(f"Page {entry.page_id}", message, before)


def _funnels(session: Session, config: Config) -> list[Mistake]:
    before = _datasets((row.connection, row.options.get("route"), row.dataset_id) for row in _rows(session))
    after = _datasets((entry.connection, entry.options.get("route"), entry.dataset_id) for entry in config.funnels)
    told = []
    for key, datasets in after.items():
        gone = [one for one in before.get(key, ()) if one not in datasets]
        come = [one for one in datasets if one not in before.get(key, ())]
        if gone and come:
            connection, route = key
            message = (
                f"events of the route {route} go to {', '.join(come)} and to {', '.join(gone)} no more: what Meta has learned"
                " from these does not go along, and training starts again"
            )
            told.append(_warning(f"funnel {connection}", message, gone[0]))
    return told


def _rows(session: Session) -> Iterable[Funnel]:
    return session.scalars(select(Funnel).order_by(Funnel.position, Funnel.id))


def _datasets(funnels: Iterable[tuple[str, str | None, str]]) -> dict[_Key, dict[str, None]]:
    found: dict[_Key, dict[str, None]] = {}
    for connection, route, dataset_id in funnels:
        found.setdefault((connection, route or DEFAULT_ROUTE), {})[dataset_id] = None
    return found


def _warning(where: str, message: str, before: str) -> Mistake:
    return Mistake(0, f"{where}, dataset_id", message, f'keep dataset_id = "{before}", unless you mean to begin anew')
