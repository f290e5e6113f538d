"""Whereto a hub may send, as a scenario says it."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from testbed.errors import NOWHERE, Place, Problem

TENANT = "tenant"
"""Among the hosts: the run's own tenant, whatever its name."""
_HOST = re.compile(r"(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)*")


@dataclass(frozen=True)
class Egress:
    """The hosts that a hub may connect to, by their names (``*.`` for all below one), and networks for what
    says no name: the prefixes of a region, for one."""

    hosts: tuple[str, ...] = (TENANT,)
    networks: tuple[str, ...] = ()
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    def problems(self) -> Iterable[Problem]:
        for host in self.hosts:
            if not _HOST.fullmatch(host):
                expected = "write names in small letters, such as tenant or *.blob.core.windows.net"
                yield Problem(self.place.at("hosts"), f"host {host!r}", expected)
        for network in self.networks:
            try:
                ipaddress.ip_network(network)
            except ValueError as error:
                yield Problem(self.place.at("networks"), str(error), "write networks such as 198.51.100.0/24")
