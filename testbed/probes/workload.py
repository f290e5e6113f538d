"""The requests of a hub's users: an open loop through its cache, drawn in advance."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from testbed.model.traffic import HttpGet
from testbed.probes import samples
from testbed.probes.demand import draw
from testbed.probes.probe import SECOND_NS, Site
from testbed.probes.script import Row, Script, ScriptedProbe

REQUESTS_AT_ONCE = 256
"""More in flight than this are refused: a client's own ports and memory are finite too."""


class Workload(ScriptedProbe):
    """Open-loop requests from ``site.client`` to ``site.url``; it writes ``samples.REQUESTS``."""

    schema = samples.REQUESTS
    noun = "the HTTP client"

    def __init__(self, traffic: HttpGet, site: Site) -> None:
        self.patience_s = traffic.timeout / SECOND_NS
        self._requests = draw(
            f"{site.seed}/{traffic.name}", traffic.rate, site.duration_ns, tuple(site.objects)
        )
        plan = {
            "url": site.url,
            "timeout_s": traffic.timeout / SECOND_NS,
            "at_once": REQUESTS_AT_ONCE,
            "requests": [
                [r.at_ns, r.object, site.stored[r.object].size, site.stored[r.object].sha256]
                for r in self._requests
            ],
        }
        log = site.logs / f"{traffic.name}.jsonl"
        super().__init__(traffic.name, site, [Script(site.client, "http_client", plan, log)])

    @property
    def done_from_ns(self) -> int:
        return 0

    def rows(self) -> list[Row]:
        return in_order(self._scripts[0].rows(), self._site.client.name)

    def heard(self, row: Row) -> bool | None:
        if "t_ns" not in row:
            return None
        self._last_ns = row.get("ttfb_ns", self._last_ns)
        return row["error"] is None and row["status"] == 200

    def cut_short(self, rows: Sequence[Row]) -> str:
        return f"the HTTP client ended after {len(rows)} of {len(self._requests)} requests"


def in_order(rows: Iterable[Row], client: str) -> list[Row]:
    """Return the samples of a client in the order of their schedule."""
    return sorted((row | {"client": client} for row in rows if "t_ns" in row), key=lambda row: row["t_ns"])
