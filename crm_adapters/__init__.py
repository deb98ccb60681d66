"""The adapters there are: our own by dotted path, others through the entry point group `leadloop.crm_adapters`."""

from functools import lru_cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points

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


class BrokenAdapter(UnknownAdapter):
    """An installed package offers the adapter, but it cannot be used. `why` says what its author has to mend."""

    def __init__(self, kind: str, why: str) -> None:
        LookupError.__init__(self, f"the CRM adapter {kind!r} cannot be used: {why}")
        self.kind = kind
        self.known = adapter_kinds()
        self.why = why


@lru_cache(maxsize=1)
def adapter_kinds() -> tuple[str, ...]:
    """All kinds, sorted: ours and those of installed packages."""
    return tuple(sorted(set(ADAPTERS) | {point.name for point in entry_points(group=ENTRY_POINTS)}))


@lru_cache(maxsize=64)
def get_adapter(kind: str) -> type[CrmAdapter]:
    """The adapter class. Raises UnknownAdapter, or BrokenAdapter beneath it when a package's adapter does not load.

    Ours cannot be replaced by an entry point of the same name.
    """
    if kind in ADAPTERS:
        module, _, name = ADAPTERS[kind].partition(":")
        found = getattr(import_module(module), name)
    else:
        found = _load(kind, tuple(entry_points(group=ENTRY_POINTS, name=kind)))
    if not (isinstance(found, type) and issubclass(found, CrmAdapter)):
        raise BrokenAdapter(kind, "its entry point does not name a subclass of crm_adapters.base.CrmAdapter")
    if getattr(found, "kind", None) != kind:
        raise BrokenAdapter(
            kind, f"its class says kind = {getattr(found, 'kind', None)!r}; both names must be the same"
        )
    return found


def _load(kind: str, points: tuple[EntryPoint, ...]) -> object:
    targets = sorted({point.value for point in points})
    if not targets:
        raise UnknownAdapter(kind, adapter_kinds())
    if len(targets) > 1:
        raise BrokenAdapter(kind, f"several installed packages offer it ({', '.join(targets)}); keep one of them")
    try:
        return points[0].load()
    except Exception as caught:  # whatever a package does when it is imported must not take leadloop down
        raise BrokenAdapter(kind, f"{targets[0]} does not load ({type(caught).__name__}: {caught})") from caught
