"""The requests of a hub's users: an open loop through its cache, drawn in advance."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any, cast

from testbed.errors import RunError
from testbed.model.traffic import HttpGet
from testbed.probes import samples
from testbed.probes.demand import Request, draw, seek
from testbed.probes.probe import SECOND_NS, Site
from testbed.probes.script import Row, Script, ScriptedProbe
from testbed.tenant.content import content

REQUESTS_AT_ONCE = 256
"""More in flight than this are refused: a client's own ports and memory are finite too."""

LATE_NS, LATE_SHARE = SECOND_NS, 0.05
"""With more than this share of the requests sent later than this, the hub was not asked what the scenario asks."""


class Workload(ScriptedProbe):
    """Open-loop requests from ``site.client`` to the hub or to the tenant itself; it writes ``samples.REQUESTS``."""

    schema = samples.REQUESTS
    noun = "the HTTP client"

    def __init__(self, traffic: HttpGet, site: Site) -> None:
        self.patience_s = traffic.timeout / SECOND_NS
        self._requests = draw(
            f"{site.seed}/{traffic.name}", traffic.rate, site.duration_ns, tuple(site.objects)
        )
        plan = {
            "url": "" if traffic.to else site.url,
            "fallback_s": traffic.fallback / SECOND_NS,
            "tenant": _tenant(site) if traffic.past_the_cache else None,
            "timeout_s": traffic.timeout / SECOND_NS,
            "at_once": REQUESTS_AT_ONCE,
            "patient": site.patient,
            "requests": _plan(self._requests, traffic, site),
        }
        log = site.logs / f"{traffic.name}.jsonl"
        super().__init__(traffic.name, site, [Script(site.client, "http_client", plan, log)])

    @property
    def done_from_ns(self) -> int:
        return 0

    def rows(self, since_ns: int = 0) -> list[Row]:
        return in_order(self._scripts[0].rows(since_ns), self._site.client.name)

    def heard(self, row: Row) -> bool | None:
        if "t_ns" not in row:
            return None
        self._last_ns = row.get("ttfb_ns", self._last_ns)
        return row["error"] is None and row["status"] in (200, 206, 304)

    def checked(self, rows: list[Row]) -> list[Row]:
        late = sum(row["started_ns_late"] > LATE_NS for row in rows)
        if late > LATE_SHARE * len(rows):
            raise RunError(f"{self._name}: a busy client sent {late} of {len(rows)} requests more than 1 s late")
        return rows

    def cut_short(self, rows: Sequence[Row]) -> str:
        return f"the HTTP client ended after {len(rows)} of {len(self._requests)} requests"


def _tenant(site: Site) -> dict[str, Any]:
    """Return where requests at the tenant itself go; its name is known, so that no resolver is measured."""
    return {
        "url": site.own_url,
        "token": site.own_token,
        "host": site.tenant_host,
        "address": site.tenant_address,
        "authority": str(site.authority) if site.authority else None,
    }


def _plan(requests: Sequence[Request], traffic: HttpGet, site: Site) -> list[dict[str, Any]]:
    """Return what the client is told of each request: when, for what, and the SHA-256 of each version's answer."""
    sizes = [site.stored[r.object].size for r in requests]
    asked = list(seek(f"{site.seed}/{traffic.name}", sizes, traffic.range, traffic.conditional))
    hashes: dict[tuple[str, int | None], list[str]] = {}
    for name, size in {r.object: size for r, size in zip(requests, sizes, strict=True)}.items():
        if site.versions == 1 and not traffic.range:
            hashes[name, None] = [site.stored[name].sha256]
            continue
        firsts: dict[int | None, int | None] = {None: None}
        firsts |= {a.first: a.last for a, r in zip(asked, requests, strict=True) if r.object == name}
        for version in range(site.versions):
            data = memoryview(content(site.seed, name, size, version))
            for first, last in firsts.items():
                part = data if first is None else data[first : cast(int, last) + 1]
                hashes.setdefault((name, first), []).append(hashlib.sha256(part).hexdigest())
    return [
        asdict(a)
        | {"t_ns": r.at_ns, "object": r.object, "size": size}
        | {"sha256": hashes[r.object, a.first], "whole_sha256": hashes[r.object, None]}
        for r, a, size in zip(requests, asked, sizes, strict=True)
    ]


def in_order(rows: Iterable[Row], client: str) -> list[Row]:
    """Return the samples of a client in the order of their schedule."""
    return sorted((row | {"client": client} for row in rows if "t_ns" in row), key=lambda row: row["t_ns"])
