"""The datasets that the configuration names, by whom and with which token, and what Meta says of them."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session

from leadloop.conversions.datasets import DatasetInfo, DatasetRef
from leadloop.ports import EventsGraph, Services
from store.conversion_models import Dataset
from store.datasets import DatasetToServe, to_serve
from store.funnels import ConfiguredFunnel, read_funnels
from store.models import Page
from workers import conversions, leads

ANY = "*"
MESSAGING = "business_messaging"


@dataclass(frozen=True)
class DatasetPlan:
    """A dataset and who names it: funnels, Pages by their id, or a [[datasets]] table (`configured`)."""

    dataset_id: str
    name: str | None
    configured: bool
    funnels: tuple[ConfiguredFunnel, ...]
    page_ids: tuple[str, ...]
    to_serve: DatasetToServe = field(repr=False)

    @property
    def called(self) -> str:
        return f"dataset {self.dataset_id} ({self.name})" if self.name else f"dataset {self.dataset_id}"

    @property
    def named_by(self) -> list[str]:
        """In words: "funnel crm (conversion_leads)", "Page 111…"."""
        funnels = [f"funnel {one.connection} ({one.funnel.route})" for one in self.funnels]
        return [*dict.fromkeys(funnels), *(f"Page {page_id}" for page_id in self.page_ids)]

    def token_from(self, system_token: str) -> str:
        """Whose token it is served with, in the order of store.datasets.find_token()."""
        if self.to_serve.token_sealed:
            return "its own"
        return "system user" if system_token else "Page" if self.to_serve.page_tokens_sealed else "none"


@dataclass(frozen=True)
class Link:
    """A Page (or an account), and the datasets that its messaging events go to."""

    page: Page
    wanted: tuple[str, ...]


def read_plans(session: Session) -> list[DatasetPlan]:
    """Every dataset that a funnel, a configured Page or a [[datasets]] table names, in that order."""
    funnels, rows = read_funnels(session), {row.dataset_id: row for row in session.scalars(select(Dataset))}
    pages = [page for page in _pages(session) if page.dataset_id]
    configured = sorted((row for row in rows.values() if row.configured), key=lambda row: row.position)
    named = [
        *(one.funnel.dataset_id for one in funnels),
        *(page.dataset_id for page in pages if page.dataset_id),
        *(row.dataset_id for row in configured),
    ]
    return [_plan(session, dataset_id, rows.get(dataset_id), funnels, pages) for dataset_id in dict.fromkeys(named)]


def read_links(session: Session) -> list[Link]:
    """Every configured Page with messaging events: for these it matters which dataset Meta has linked it to."""
    funnels = [one.funnel for one in read_funnels(session) if one.funnel.route == MESSAGING]
    links = []
    for page in _pages(session):
        wanted = (one.dataset_id for one in funnels if {ANY, page.page_id} & set(one.when.get("page", (ANY,))))
        links.append(Link(page, tuple(dict.fromkeys(wanted))))
    return [link for link in links if link.wanted]


def read_at_meta(plan: DatasetPlan, services: Services) -> DatasetInfo:
    """What Meta shows of it to the token that its events go with. Raises leadloop.errors."""
    token = conversions.token_of(plan.to_serve, services)
    if token is None:
        raise conversions.no_token(plan.dataset_id)
    return events_graph(services).read_dataset(plan.dataset_id, token=token)


def find_linked(page: Page, services: Services) -> list[DatasetRef]:
    """The dataset that Meta has linked the Page or account to. Raises leadloop.errors."""
    token = leads.page_token(page, services)
    if token is None:
        raise leads.no_token(page.page_id)
    return events_graph(services).find_datasets(page.page_id, token=token)


def events_graph(services: Services) -> EventsGraph:
    if services.events_graph is None:
        raise RuntimeError("this process was started without a Graph client")
    return services.events_graph


def _pages(session: Session) -> Iterable[Page]:
    return session.scalars(select(Page).where(Page.configured.is_(True)).order_by(Page.position, Page.id))


def _plan(
    session: Session, dataset_id: str, row: Dataset | None, funnels: list[ConfiguredFunnel], pages: list[Page]
) -> DatasetPlan:
    return DatasetPlan(
        dataset_id,
        row.name if row else None,
        bool(row and row.configured),
        tuple(one for one in funnels if one.funnel.dataset_id == dataset_id),
        tuple(page.page_id for page in pages if page.dataset_id == dataset_id),
        to_serve(session, row or Dataset(dataset_id=dataset_id)),
    )
