"""What each CRM takes at a time (`max_in_flight`), known before the first row of its lane is claimed."""

from collections.abc import Iterator, MutableMapping

from sqlalchemy import select

from crm_adapters import UnknownAdapter, get_adapter
from leadloop.ports import Services
from store.lanes import crm_lane
from store.models import Connection

NAME = "lane_caps"  # under this name the drain finds them in Services.cached()


class LaneCaps(MutableMapping[str, int]):
    """Lane → calls at one time, by what the adapter's class says. Read from the database when a lane is met that is not
    known yet: a connection may be added while this process runs."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._caps: dict[str, int] = {}
        self._others: set[str] = set()  # lanes without a cap of their own

    def __getitem__(self, lane: str) -> int:
        if lane not in self._caps and lane not in self._others and lane.startswith("crm:"):
            self._read()
            if lane not in self._caps:
                self._others.add(lane)
        return self._caps[lane]

    def __setitem__(self, lane: str, cap: int) -> None:
        self._caps[lane] = max(1, cap)

    def __delitem__(self, lane: str) -> None:
        del self._caps[lane]

    def __iter__(self) -> Iterator[str]:
        return iter(dict(self._caps))

    def __len__(self) -> int:
        return len(self._caps)

    def _read(self) -> None:
        with self._services.read() as session:
            rows = list(session.execute(select(Connection.id, Connection.adapter)))
        for connection_id, kind in rows:
            try:
                self._caps.setdefault(crm_lane(connection_id), max(1, get_adapter(kind).max_in_flight))
            except UnknownAdapter:
                self._others.add(crm_lane(connection_id))  # its first delivery says so and holds the lane


def read_lane_caps(services: Services) -> None:
    """Have the drain of this process know them. Before the Drainer is made; asks the database later, when it claims."""
    services.cached(NAME, lambda: LaneCaps(services))
