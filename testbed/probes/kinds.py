"""The probes by the kind of traffic that they measure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from testbed.model.traffic import Traffic
from testbed.probes.call import Call
from testbed.probes.heartbeat import Heartbeat
from testbed.probes.ipv6_source import Ipv6SourceProbe
from testbed.probes.keepalive import Keepalive
from testbed.probes.names import Names
from testbed.probes.new_flows import NewFlows
from testbed.probes.probe import Probe, Site
from testbed.probes.quic import Quic
from testbed.probes.transfer import Transfer
from testbed.probes.uploads import SdkUploads, Uploads
from testbed.probes.workload import Workload

PROBES: Mapping[str, Callable[[Any, Site], Probe]] = {
    "udp-echo": Heartbeat,
    "udp-flows": NewFlows,
    "http-get": Workload,
    "http-put": Uploads,
    "sdk-upload": SdkUploads,
    "dns-query": Names,
    "tcp-transfer": Transfer,
    "https-keepalive": Keepalive,
    "quic": Quic,
    "udp-call": Call,
    "ipv6-source": Ipv6SourceProbe,
}


def probe_for(traffic: Traffic, site: Site) -> Probe:
    """Return the probe that measures a scenario's traffic at a site."""
    return PROBES[traffic.kind](traffic, site)
