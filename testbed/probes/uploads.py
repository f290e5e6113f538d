"""Uploads through the hub, and whether the tenant has afterwards what it acknowledged."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from testbed.model.traffic import HttpPut, SdkUpload
from testbed.probes import samples
from testbed.probes.demand import times
from testbed.probes.probe import SECOND_NS, Live, Site
from testbed.probes.script import Row, Script, ScriptedProbe
from testbed.units import format_duration


class Uploads(ScriptedProbe):
    """PUTs from ``site.client`` to ``site.upload_url``; it writes ``samples.UPLOADS``."""

    schema = samples.UPLOADS
    noun = "the upload client"
    script = "upload_client"

    def __init__(self, traffic: HttpPut | SdkUpload, site: Site) -> None:
        plan = {
            "seed": site.seed,
            "size": traffic.size,
            "timeout_s": traffic.timeout / SECOND_NS,
            "duration_ns": site.duration_ns,
            "patient": site.patient,
        }
        log = site.logs / f"{traffic.name}.jsonl"
        plan |= self._asked(traffic, site)
        super().__init__(traffic.name, site, [Script(site.client, self.script, plan, log)])
        self._acknowledged: set[str] = set()

    def _asked(self, traffic: HttpPut | SdkUpload, site: Site) -> Mapping[str, Any]:
        """Return what a kind's own client is told: where to, and each upload's time and name."""
        return {"url": site.upload_url, "uploads": [list(upload) for upload in _uploads(traffic, site)]}

    @property
    def done_from_ns(self) -> int:
        return 0

    def rows(self, since_ns: int = 0) -> list[Row]:
        newest = {row["object"]: row for row in self._scripts[0].rows() if "object" in row}
        return sorted(
            (row | {"client": self._site.client.name} for row in newest.values()),
            key=lambda row: int(row["t_ns"]),
        )

    def heard(self, row: Row) -> bool | None:
        if "object" not in row:
            return None
        well = row.get("acknowledged_ns") is not None
        if well and row["object"] in self._acknowledged:
            return None  # what became of it afterwards
        if well:
            self._last_ns = row["acknowledged_ns"]
            self._acknowledged.add(row["object"])
        return well

    def told(self, live: Live) -> Live:
        last = "none yet" if self._last_ns is None else f"last after {format_duration(self._last_ns)}"
        failed = f", {live.failed} attempts failed in the last second" if live.failed else ""
        return replace(live, text=f"{len(self._acknowledged)} acknowledged, {last}{failed}")

    def checked(self, rows: list[Row]) -> list[Row]:
        """Compare the acknowledged uploads with what the tenant itself reads out. Raises RunError."""
        if not any(row.get("acknowledged_ns") for row in rows):
            return rows
        kept = self._site.uploaded()
        for row in rows:
            if row.get("acknowledged_ns") is not None:
                stored = kept.get(row["object"])
                rightly = row.get("stored", [row["sha256"]])
                row["durable"] = stored is not None and stored.sha256 in rightly
        return rows


class SdkUploads(Uploads):
    """Uploads by Azure's SDK, in blocks; it writes ``samples.SDK_UPLOADS``."""

    schema = samples.SDK_UPLOADS
    noun = "the SDK's client"
    script = "sdk_upload_client"

    def _asked(self, traffic: HttpPut | SdkUpload, site: Site) -> Mapping[str, Any]:
        assert isinstance(traffic, SdkUpload)
        url, _, container = site.upload_url.rpartition("/")
        chance = random.Random(f"{site.seed}/{traffic.name}/again")
        uploads = [[t_ns, name, chance.random() < traffic.again] for t_ns, name in _uploads(traffic, site)]
        return {
            "url": url,
            "container": container,
            "block": traffic.block,
            "overwrite": traffic.overwrite,
            "uploads": uploads,
        }


def _uploads(traffic: HttpPut | SdkUpload, site: Site) -> Iterator[tuple[int, str]]:
    """Yield the time and the name of each upload."""
    begun = times(f"{site.seed}/{traffic.name}", traffic.rate, site.duration_ns)
    return ((t_ns, f"{traffic.name}/{number:05}") for number, t_ns in enumerate(begun))
