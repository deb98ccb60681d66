"""The adapters there are: our own by dotted path, others through the entry point group `leadloop.crm_adapters`."""

from functools import lru_cache
from importlib import import_module
from importlib.metadata import entry_points

from crm_adapters.base import CrmAdapter

ADAPTERS = {
    "hubspot": "crm_adapters.hubspot:HubSpot",
    "sql": "crm_adapters.sql:SqlTable",
    "webhook": "crm_adapters.webhook:Webhook",
}
ENTRY_POINTS = "leadloop.crm_adapters"


class UnknownAdapter(LookupError):
    """No adapter of that kind. `known` lists those there are."""

    def __init__(self, kind: str, known: tuple[str, ...]) -> None:
        super().__init__(f"there is no CRM adapter {kind!r}; there are {', '.join(known)}")
        self.kind = kind
        self.known = known


@lru_cache(maxsize=1)
def adapter_kinds() -> tuple[str, ...]:
    """All kinds, sorted: ours and those of installed packages."""
    return tuple(sorted(set(ADAPTERS) | {point.name for point in entry_points(group=ENTRY_POINTS)}))


@lru_cache(maxsize=64)
def get_adapter(kind: str) -> type[CrmAdapter]:
    """The adapter class. Raises UnknownAdapter. Ours cannot be replaced by an entry point of the same name."""
    if kind in ADAPTERS:
        module, _, name = ADAPTERS[kind].partition(":")
        found = getattr(import_module(module), name)
    else:
        points = entry_points(group=ENTRY_POINTS, name=kind)
        if not points:
            raise UnknownAdapter(kind, adapter_kinds())
        found = next(iter(points)).load()
    if not (isinstance(found, type) and issubclass(found, CrmAdapter) and getattr(found, "kind", None) == kind):
        raise UnknownAdapter(kind, adapter_kinds())
    return found
