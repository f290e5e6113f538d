"""Uploads through the hub, and whether the tenant has afterwards what it acknowledged."""

from __future__ import annotations

from dataclasses import replace

from testbed.model.traffic import HttpPut
from testbed.probes import samples
from testbed.probes.demand import times
from testbed.probes.probe import SECOND_NS, Live, Site
from testbed.probes.script import Row, Script, ScriptedProbe
from testbed.units import format_duration


class Uploads(ScriptedProbe):
    """PUTs from ``site.client`` to ``site.upload_url``; it writes ``samples.UPLOADS``."""

    schema = samples.UPLOADS
    noun = "the upload client"

    def __init__(self, traffic: HttpPut, site: Site) -> None:
        begun = times(f"{site.seed}/{traffic.name}", traffic.rate, site.duration_ns)
        plan = {
            "url": site.upload_url,
            "seed": site.seed,
            "size": traffic.size,
            "timeout_s": traffic.timeout / SECOND_NS,
            "duration_ns": site.duration_ns,
            "uploads": [[t_ns, f"{traffic.name}/{number:05}"] for number, t_ns in enumerate(begun)],
        }
        log = site.logs / f"{traffic.name}.jsonl"
        super().__init__(traffic.name, site, [Script(site.client, "upload_client", plan, log)])
        self._acknowledged = 0

    @property
    def done_from_ns(self) -> int:
        return 0

    def rows(self) -> list[Row]:
        newest = {row["object"]: row for row in self._scripts[0].rows() if "object" in row}
        return sorted(
            (row | {"client": self._site.client.name} for row in newest.values()),
            key=lambda row: int(row["t_ns"]),
        )

    def heard(self, row: Row) -> bool | None:
        if "object" not in row:
            return None
        well = row.get("acknowledged_ns") is not None
        if well:
            self._last_ns = row["acknowledged_ns"]
            self._acknowledged += 1
        return well

    def told(self, live: Live) -> Live:
        last = "none yet" if self._last_ns is None else f"last after {format_duration(self._last_ns)}"
        failed = f", {live.failed} attempts failed in the last second" if live.failed else ""
        return replace(live, text=f"{self._acknowledged} acknowledged, {last}{failed}")

    def checked(self, rows: list[Row]) -> list[Row]:
        """Compare the acknowledged uploads with what the tenant itself reads out. Raises RunError."""
        if not any(row.get("acknowledged_ns") for row in rows):
            return rows
        kept = self._site.uploaded()
        for row in rows:
            if row.get("acknowledged_ns") is not None:
                stored = kept.get(row["object"])
                row["durable"] = stored is not None and stored.sha256 == row["sha256"]
        return rows
