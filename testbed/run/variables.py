"""What the playbook of a run configures, and with which variables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from testbed.lab.network import Network
from testbed.lab.provision import Groups, Secret
from testbed.model.dish import ADDRESS, PORT
from testbed.model.hub import HubProfile
from testbed.model.scenario import Scenario
from testbed.model.topology import NodeKind, Topology
from testbed.tenant.backend import Access, Endpoint

_FIRST_TABLE = 101


def provisioned(scenario: Scenario, network: Network) -> Groups:
    """Return what the hub's playbook configures: each hub, and its tunnels' far end where it has tunnels."""
    topology = network.topology
    if scenario.hub.closed:
        return {}
    groups = {"hubs": [network.devices[hub.name] for hub in topology.of_kind(NodeKind.HUB)]}
    if scenario.hub.tunnelled and topology.edge is not None:
        groups["edges"] = [network.devices[topology.edge.name]]
    return groups


def hub_variables(
    scenario: Scenario,
    topology: Topology,
    origin: Endpoint,
    tokens: Mapping[Access, str],
    role: Path | None = None,
    identity: str = "",
) -> Mapping[str, Any]:
    """Return the variables of the hub's playbook; ``tokens`` are secrets, ``role`` a failover of one's own,
    ``identity`` the hub's own instead of tokens (see TenantAccount)."""
    hub = topology.hub
    lan = next(port for port, address in hub.ports.items() if "/" in address)
    uplinks = sorted(topology.uplinks.values(), key=lambda uplink: uplink.metric)
    return {
        "hub_uplinks": [
            {
                "name": u.name,
                "interface": u.hub_port,
                "metric": u.metric,
                "table": _FIRST_TABLE + index,
                "ipv6": u.name in topology.delegations,
            }
            for index, u in enumerate(uplinks)
        ],
        "hub_lan": {"interface": lan, "address": hub.ports[lan]},
        "hub_failover": scenario.hub.failover,
        "ipv6_ra_interval_s": scenario.hub.ra_interval // 10**9,
        "wan_mss": scenario.hub.mss,
        **({"hub_failover_role": str(role), **scenario.hub.variables} if scenario.hub.own_role else {}),
        **_cache_variables(scenario),
        **_queue_variables(scenario.hub),
        "hub_qos": scenario.hub.qos,
        "qos_rates_kbps": {name: rate_bps // 1000 for name, rate_bps in scenario.hub.shape.items()},
        **_failover_variables(scenario.hub, topology),
        "dish_uplinks": [name for name, profile in scenario.uplinks.items() if profile.terminal],
        "failover_service": f"{origin.address}:{origin.port}" if scenario.hub.timers.probe == "tcp" else "",
        "cache_origin_host": origin.host,
        "cache_origin_port": origin.port,
        "cache_origin_container": origin.container,
        "cache_origin_ca": origin.authority.read_text() if origin.authority else "",
        "cache_origin_sas": Secret(tokens[Access.READ]),
        "cache_uploads_container": origin.uploads,
        "cache_upload_sas": Secret(tokens[Access.UPLOAD]),
        "cache_identity": identity,
    }


def _cache_variables(scenario: Scenario) -> Mapping[str, Any]:
    cache = scenario.hub.cached
    if cache is None:
        return {"hub_cache": False}
    patience = cache.patience(scenario.slowest_bps("down"), scenario.slowest_bps("up"))
    return {
        "hub_cache": True,
        "cache_connect_timeout": _ms(scenario.hub.connect_timeout),
        "cache_fresh": f"{cache.fresh // 10**9}s",
        "cache_stale": cache.stale,
        "cache_size": f"{cache.size}",
        "cache_slice": f"{cache.slice}",
        "cache_lock": _ms(patience.lock_ns),
        "cache_read_timeout": _ms(patience.read_ns),
        "cache_upload_timeout": _ms(patience.upload_ns),
    }


def _queue_variables(hub: HubProfile) -> Mapping[str, Any]:
    if hub.queued is None:
        return {"hub_queue": False}
    return {"hub_queue": True, "queue_ttl_s": hub.queued.ttl / 10**9, "queue_size": hub.queued.size}


def _ms(duration_ns: int) -> str:
    """Return a duration as nginx writes it."""
    return f"{duration_ns // 10**6}ms"


def _failover_variables(hub: HubProfile, topology: Topology) -> Mapping[str, Any]:
    timers, bfd, dish, overflow = hub.timers, hub.bfd, hub.dish, hub.overflow
    return {
        "failover_targets": list(topology.probe_targets),
        "failover_interval_s": timers.interval // 10**9,
        "failover_timeout_s": timers.timeout // 10**9,
        "failover_fall": timers.fall,
        "failover_rise": timers.rise,
        "failover_weights": dict(hub.weights),
        "dish_address": f"{ADDRESS}:{PORT}",
        "dish_interval_s": dish.interval / 10**9,
        "dish_fall": dish.fall,
        "dish_rise": dish.rise,
        "dish_drop": dish.drop,
        "edge_address": topology.edge_address,
        "bfd_interval_ms": bfd.interval // 10**6,
        "bfd_multiplier": bfd.multiplier,
        "bgp_hold_s": bfd.hold_ns // 10**9,
        "overflow_interval_s": overflow.interval / 10**9,
        "overflow_busy_ms": overflow.busy / 10**6,
        "overflow_calm_ms": overflow.calm / 10**6,
        "overflow_enter": overflow.enter,
        "overflow_leave": overflow.leave,
        "overflow_share": overflow.share,
        "overflow_retry_s": overflow.retry / 10**9,
    }
