"""The addresses of a notifier, opened and made ready once in each process."""

import json
from datetime import datetime

from leadloop.ports import Services
from notifiers.send import Target, targets
from store.models import Notifier


def targets_of(notifier_id: int, changed_at: datetime, services: Services) -> list[Target]:
    """The notifier's addresses as Targets; opened anew when it has changed."""
    cache: dict[int, tuple[datetime, list[Target]]] = services.cached("targets", dict)
    kept = cache.get(notifier_id)
    if kept is None or kept[0] != changed_at:
        with services.read() as session:
            notifier = session.get_one(Notifier, notifier_id)
        urls = json.loads(services.vault.open(notifier.urls_sealed))
        kept = (notifier.changed_at, targets(urls, notifier=notifier.name))
        cache[notifier_id] = kept
    return kept[1]


def fingerprints_of(notifier_id: int, changed_at: datetime, services: Services) -> list[str]:
    return [target.fingerprint for target in targets_of(notifier_id, changed_at, services)]
