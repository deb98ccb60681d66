"""The addresses of a notifier, opened and made ready once in each process."""

import json
from datetime import datetime

from leadloop.ports import Services
from notifiers.send import Target, targets
from store.models import Notifier


def find_targets(notifier: Notifier, services: Services) -> list[Target]:
    """The notifier's addresses as Targets; made anew when the notifier has changed."""
    cache: dict[int, tuple[datetime, list[Target]]] = services.cached("targets", dict)
    kept = cache.get(notifier.id)
    if kept is None or kept[0] != notifier.changed_at:
        kept = (notifier.changed_at, targets(json.loads(services.vault.open(notifier.urls_sealed))))
        cache[notifier.id] = kept
    return kept[1]
