"""The settings, the configuration file that the next start applies, and who hears when something is held."""

from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from configuration.check import check_file
from configuration.dataset_changes import find_dataset_changes
from leadloop.cli.checkups.findings import Finding
from leadloop.errors import SettingsError
from leadloop.ports import Services
from leadloop.settings import Settings
from store.models import Notifier


def check_settings(settings: Settings) -> list[Finding]:
    """What Meta's notices need. What is malformed has stopped the command before."""
    try:
        settings.require_meta()
    except SettingsError as caught:
        return [Finding("error", "settings", "settings", *_sentence_and_mend(str(caught)))]
    if not settings.meta_app_id:
        why = "META_APP_ID is not set, so that Meta cannot be asked about tokens in the app's own name."
        mend = "Copy it from your app's dashboard (App settings > Basic > App ID) into the environment or .env."
        return [Finding("warning", "app_id_missing", "settings", why, mend)]
    return [Finding("ok", "settings", "settings", "Notices from Meta can be verified.")]


def check_file_ahead(services: Services) -> list[Finding]:
    """The file of LEADLOOP_CONFIG, which the next start applies: its mistakes, and what a change of dataset in it costs."""
    name = services.settings.leadloop_config
    if not name:
        return []
    what = f"LEADLOOP_CONFIG ({name})"
    try:
        checked = check_file(name, services.settings.environ)
    except SettingsError as caught:
        return [Finding("error", "configuration", what, str(caught))]
    if checked.config is None:
        why = f"The file has {_plural(len(checked.mistakes), 'mistake')}, so that leadloop does not start with it."
        return [Finding("error", "configuration", what, why, f"leadloop config check {name} tells each with its mend.")]
    with services.read() as session:
        changes = find_dataset_changes(session, checked.config)
    if not changes:
        return [Finding("ok", "configuration", what, "The file has no mistakes, and changes no dataset.")]
    return [
        Finding("warning", "dataset_change", f"{what}, {one.where}", _sentence(one.message), _sentence(one.mend))
        for one in changes
    ]


def check_admin(session: Session) -> list[Finding]:
    """Whether anybody is rung when something waits for a person."""
    query = select(Notifier.name).where(Notifier.admin.is_(True), Notifier.removed_at.is_(None))
    names = list(session.scalars(query.order_by(Notifier.position)))
    if names:
        return [Finding("ok", "admin", "admin alerts", f"{', '.join(names)} will be rung when something is held.")]
    why = "Nobody is rung when a Page, a connection or a dataset is held: only the log says it."
    mend = "Add admin = true to a [[notifiers]] table of the configuration file, and apply it."
    return [Finding("warning", "no_admin", "admin alerts", why, mend)]


def _sentence_and_mend(text: str) -> Iterator[str]:
    why, colon, mend = text.partition(": ")
    yield _sentence(why)
    yield _sentence(mend) if colon else ""


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def _plural(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
