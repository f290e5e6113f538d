"""egress: what the hub sent over the uplinks that it should not have: to others than were named, or for all to read."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from testbed.metrics.evidence import Evidence
from testbed.metrics.measurement import Ask, Measurement, Metric
from testbed.model.facts import Destinations
from testbed.model.objective import Unit

SAMPLES = "departures"
"""The name of the samples: a row for each flow, see testbed.probes.departures."""
SEALED = frozenset({"tls", "quic"})
SERVICES = frozenset({"dns", "dhcp"})
"""What may leave unencrypted, to wherever the uplink's lease says."""
_NO_FURTHER = ("fe80::/10", "ff02::/16", "169.254.0.0/16", "224.0.0.0/24", "255.255.255.255/32")
"""What no router passes on: neighbours and groups on the link itself."""
NOTHING = "nothing"
"""The content of a flow that carried none: a connection that was refused, for one."""


def fault(row: Mapping[str, Any], allowed: Destinations) -> str:
    """Return why a flow should not have left; "" where it may."""
    if row["content"] in SERVICES or _within(row["destination"], _NO_FURTHER):
        return ""
    service = row["protocol"] in ("tcp", "udp") and row["port"] == allowed.service_port
    if _within(row["destination"], allowed.lab) and not service:
        return ""  # what the testbed measures with, and what the hub pings
    if row["content"] not in SEALED and row["content"] != NOTHING:
        return "not encrypted"
    if row["name"]:
        named = any(fnmatchcase(row["name"], pattern) for pattern in allowed.hosts)
    else:
        named = _within(row["destination"], allowed.networks)
    return "" if named else "not among those named"


def _within(address: str, networks: tuple[str, ...]) -> bool:
    found = ipaddress.ip_address(address)
    return any(found in ipaddress.ip_network(network) for network in networks)


def _left(evidence: Evidence, ask: Ask, allowed: Destinations) -> Iterator[dict[str, Any]]:
    for row in evidence.samples[SAMPLES].to_pylist():
        if row["end_ns"] >= ask.window.start_ns and row["t_ns"] < ask.window.end_ns:
            yield {**row, "fault": fault(row, allowed)}


def _measure(evidence: Evidence, ask: Ask) -> Measurement:
    """Count the flows that left in the window and should not have; ``details`` lists where all went."""
    allowed = evidence.facts.egress
    if allowed is None or SAMPLES not in evidence.samples:
        return METRIC.answer(None, 0, reason="what left was not looked at")
    rows = list(_left(evidence, ask, allowed))
    strays = sum(bool(row["fault"]) for row in rows)
    return METRIC.answer(strays, len(rows), details={"left": _listed(rows)})


def _listed(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return where flows went, each place once, those first that should not have."""
    places: dict[tuple[str, ...], dict[str, Any]] = {}
    for row in rows:
        key = tuple(str(row[k]) for k in ("name", "destination", "protocol", "port", "content", "fault"))
        place = places.setdefault(
            key,
            {
                **{k: row[k] for k in ("name", "destination", "protocol", "port", "content", "fault")},
                "flows": 0,
                "packets": 0,
                "bytes": 0,
            },
        )
        place["flows"] += 1
        place["packets"] += row["packets"]
        place["bytes"] += row["bytes"]
    return sorted(places.values(), key=lambda place: (not place["fault"], -place["bytes"]))


METRIC = Metric(Unit.COUNT, "flows", 1, _measure)
