"""The addresses of a notifier, opened and made ready once in each process."""

import json
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select

from leadloop.logs import get_logger
from leadloop.ports import Services
from notifiers.send import Target, targets
from store.models import Notifier
from store.vault import SecretUnopened, fingerprint

log = get_logger(__name__)
UNOPENED = "unopened"  # the address of a notice made while its notifier's secret did not open


@dataclass(frozen=True)
class _Opened:
    changed_at: datetime
    fingerprint: str
    targets: list[Target] = field(repr=False)


def targets_of(notifier_id: int, changed_at: datetime, services: Services) -> list[Target]:
    """The notifier's addresses as Targets; opened anew when it has changed. Raises SecretUnopened."""
    cache: dict[int, _Opened] = services.cached("targets", dict)
    kept = cache.get(notifier_id)
    if kept is None or kept.changed_at != changed_at:
        with services.read() as session:
            notifier = session.get_one(Notifier, notifier_id)
        opened = services.vault.open(notifier.urls_sealed)
        ready = targets(json.loads(opened), notifier=notifier.name)
        kept = _Opened(notifier.changed_at, fingerprint(opened), ready)
        cache[notifier_id] = kept
    return kept.targets


def target_set_fingerprint(notifier_id: int, services: Services) -> str:
    """The fingerprint of the addresses that targets_of() gave last."""
    cache: dict[int, _Opened] = services.cached("targets", dict)
    return cache[notifier_id].fingerprint


def fingerprints_of(notifier_id: int, changed_at: datetime, services: Services) -> list[str]:
    """What a lead's notices are named by. A notifier that does not open costs its own alert only, and that one waits."""
    try:
        return [target.fingerprint for target in targets_of(notifier_id, changed_at, services)]
    except SecretUnopened:
        log.error("notifier_unopened", notifier_id=notifier_id)
        return [UNOPENED]


def admin_addresses(services: Services) -> tuple[tuple[int, str], ...]:
    """(notifier id, target) of every address that is rung when something waits for a person."""
    admin = select(Notifier.id, Notifier.changed_at).where(Notifier.admin.is_(True), Notifier.removed_at.is_(None))
    with services.read() as session:
        notifiers = session.execute(admin.order_by(Notifier.position)).all()
    return tuple(
        (notifier_id, target)
        for notifier_id, changed_at in notifiers
        for target in fingerprints_of(notifier_id, changed_at, services)
    )
