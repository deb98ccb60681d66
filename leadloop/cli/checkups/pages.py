"""Pages and connections: whether leads can be read from Meta, and where they go."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from leadloop.cli.checkups.findings import Finding, from_error
from leadloop.cli.tables import one_line
from leadloop.errors import LeadloopError
from leadloop.ports import Services
from meta_graph.errors import BadRequest
from store.models import Connection, Page, Route
from workers.deliveries import make_adapter
from workers.leads import no_token, page_token

ANY = "*"


def list_pages(session: Session) -> list[Page]:
    """Those of the configuration, and those that wrote to us although it does not name them."""
    return list(session.scalars(select(Page).order_by(Page.configured.desc(), Page.position, Page.id)))


def list_connections(session: Session) -> list[Connection]:
    query = select(Connection).where(Connection.removed_at.is_(None)).order_by(Connection.position)
    return list(session.scalars(query))


def check_pages_there(pages: list[Page]) -> list[Finding]:
    """Whether there are any, and those that no configuration names."""
    if not any(page.configured for page in pages):
        why = "The configuration names no Page, so that no lead can be read."
        return [Finding("error", "no_page", "Pages", why, "docs/connect-a-page.md tells how to connect one.")]
    why = "It sends notices, and the configuration does not name it."
    return [
        Finding("warning", "page_unknown", called(page), why, f'Add [[pages]] with id = "{page.page_id}" and apply it.')
        for page in pages
        if not page.configured
    ]


def check_route(page: Page, routes: list[Route]) -> list[Finding]:
    if any(ANY in route.pages or page.page_id in route.pages for route in routes):
        return []
    why = "No route takes its leads: they are kept and shown as unrouted."
    return [Finding("warning", "no_route", called(page), why, "Add a [[routes]] that names the Page, or *.")]


def ask_page(page: Page, services: Services) -> list[Finding]:
    """Whether its token is taken and its lead forms are shown, as reading leads needs it. Reads no lead."""
    what = called(page)
    try:
        token = page_token(page, services)
        if token is None:
            raise no_token(page.page_id)
        if services.graph is None:
            raise RuntimeError("this process was started without a Graph client")
        forms = services.graph.read_page_forms(page.page_id, token=token)
    except BadRequest as caught:
        if caught.scope == "lane":
            return [from_error(what, caught)]
        why = f"Meta shows no lead forms of it ({caught.code}): a WhatsApp or Instagram account has none."
        return [Finding("warning", caught.code, what, why, "If it is a Page, compare its id with Meta's.")]
    except LeadloopError as caught:
        return [from_error(what, caught)]
    counted = "1 lead form" if len(forms) == 1 else f"{len(forms):,} lead forms"
    return [Finding("ok", "page", what, f"Meta takes the token and shows {counted}.")]


def ask_connection(connection: Connection, services: Services) -> list[Finding]:
    """The adapter's own questions to the CRM; they leave nothing behind there."""
    what = f"connection {connection.name}"
    try:
        results = make_adapter(connection, services).check()
    except LeadloopError as caught:
        return [from_error(what, caught)]
    return [
        Finding("ok" if one.ok else "error", "connection", f"{what}, {one.name}", one.found, "" if one.ok else one.mend)
        for one in results
    ]


def called(page: Page) -> str:
    return f"Page {page.page_id} ({one_line(page.name)})" if page.name else f"Page {page.page_id}"
