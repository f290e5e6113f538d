"""A fleet: many hubs of one design, each with addresses, users and places in cells of its own.

Nothing about a hub is stored: hub 17 is computed from its number and the fleet's seed alone, so that it is
the same hub in a fleet of 20 and in one of 1,000.
"""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from testbed.errors import NOWHERE, Place, Problem, did_you_mean
from testbed.model.quantities import Duration
from testbed.units import format_duration
from testbed.yaml import load

MOST_HUBS = 10_000
MOST_REAL = 32
LAN_PREFIX, WAN_PREFIX = 24, 30
"""What each hub gets: a /24 for its LAN, a /30 for each uplink (its CPE the first address, the hub the second)."""


@dataclass(frozen=True)
class Users:
    """A number of users, drawn evenly for each hub."""

    least: int = field(metadata={"yaml_key": "from"})
    most: int = field(metadata={"yaml_key": "to"})
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    def problems(self) -> Iterable[Problem]:
        if not 0 <= self.least <= self.most:
            yield Problem(self.place, f"users from {self.least} to {self.most}", "write {from: LEAST, to: MOST}")


@dataclass(frozen=True)
class Phase:
    """How far into its traces a hub begins, drawn evenly for each hub."""

    least: Duration = field(metadata={"yaml_key": "from"})
    most: Duration = field(metadata={"yaml_key": "to"})
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    def problems(self) -> Iterable[Problem]:
        if self.least > self.most:
            found = f"phase from {format_duration(self.least)} to {format_duration(self.most)}"
            yield Problem(self.place, found, "write {from: LEAST, to: MOST}")


@dataclass(frozen=True)
class HubGroup:
    """A kind of hub: ``weight`` of all in proportion; ``traces`` play in place of the scenario's, by uplink."""

    weight: int = 1
    users: int | Users = 20
    phase: Duration | Phase = 0
    catalogue: str = ""
    traces: Mapping[str, str] = field(default_factory=dict)
    place: Place = field(default=NOWHERE, compare=False, repr=False)
    name: str = load.of_key()

    def problems(self) -> Iterable[Problem]:
        if self.weight < 0:
            yield Problem(self.place.at("weight"), f"weight is {self.weight}", "write 0 or more")
        if isinstance(self.users, int) and self.users < 0:
            yield Problem(self.place.at("users"), f"users is {self.users}", "write 0 or more")


@dataclass(frozen=True)
class HubRow:
    """What is known of one hub of the fleet, in place of what would be drawn; ``cells``: uplink -> cell's number."""

    profile: str = ""
    users: int | None = None
    phase: Duration | None = None
    catalogue: str = ""
    cells: Mapping[str, int] = field(default_factory=dict)
    place: Place = field(default=NOWHERE, compare=False, repr=False)
    name: str = load.of_key()


@dataclass(frozen=True)
class FleetUplink:
    """One uplink of one hub: its addresses, the cell that it shares, and the emulator's interfaces."""

    port: str
    address: str
    gateway: str
    cell: str
    interfaces: tuple[str, str]


@dataclass(frozen=True)
class FleetHub:
    """One hub of a fleet, whole: who it is, what it is connected to, whom it serves."""

    number: int
    name: str
    profile: str
    users: int
    phase_ns: int
    catalogue: str
    traces: Mapping[str, str]
    lan: str
    lan_address: str
    uplinks: Mapping[str, FleetUplink]


_PLAIN: Mapping[str, HubGroup] = {"hub": HubGroup(name="hub")}


@dataclass(frozen=True)
class Fleet:
    """Many hubs like the topology's own, numbered from 1. They are *light*: the load of a hub, without a node; but for
    the first ``real`` ones, where a scenario is played among them.

    ``cells`` says over how many cells the hubs of an uplink are dealt, in turn; an uplink that is not named is
    each hub's own. ``profiles`` are kinds of hubs, drawn by weight; ``table`` has, by number, what is known of single
    hubs. LANs are cut from ``lan``, what uplinks lease from ``wan``.
    """

    hubs: int
    cells: Mapping[str, int] = field(default_factory=dict)
    profiles: Mapping[str, HubGroup] = field(default_factory=lambda: _PLAIN)
    table: Mapping[str, HubRow] = field(default_factory=dict)
    seed: int = 1
    lan: str = "10.0.0.0/8"
    wan: str = "100.80.0.0/12"
    real: int = 1
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    def cell_names(self, uplink: str) -> tuple[str, ...]:
        """Return the cells of an uplink: ``starlink-1`` and so on; none where each hub has it to itself."""
        return tuple(f"{uplink}-{n}" for n in range(1, self.cells.get(uplink, 0) + 1))

    def hub(self, number: int, ports: Mapping[str, str]) -> FleetHub:
        """Return the hub of this number; ``ports`` is the hub's port of each uplink. Raises IndexError."""
        if not 1 <= number <= self.hubs:
            raise IndexError(f"hub {number} of {self.hubs}")
        row = self.table.get(str(number), HubRow())
        drawn = random.Random(f"{self.seed}/{number}")  # of its number alone: hub 17 is hub 17 in any fleet
        groups = list(self.profiles.values())
        group = drawn.choices(groups, [g.weight for g in groups])[0]
        group = self.profiles.get(row.profile, group)
        users = group.users if isinstance(group.users, int) else drawn.randint(group.users.least, group.users.most)
        phase = group.phase if isinstance(group.phase, int) else drawn.randint(group.phase.least, group.phase.most)
        lan = _cut(self.lan, LAN_PREFIX, number)
        return FleetHub(
            number=number,
            name=f"hub-{number}",
            profile=group.name,
            users=users if row.users is None else row.users,
            phase_ns=phase if row.phase is None else row.phase,
            catalogue=row.catalogue or group.catalogue,
            traces=group.traces,
            lan=str(lan),
            lan_address=f"{lan[1]}/{LAN_PREFIX}",
            uplinks={name: self._uplink(number, i, name, ports, row) for i, name in enumerate(ports)},
        )

    def _uplink(self, number: int, index: int, name: str, ports: Mapping[str, str], row: HubRow) -> FleetUplink:
        leased = _cut(self.wan, WAN_PREFIX, (number - 1) * len(ports) + index)
        cells = self.cell_names(name)
        place = row.cells.get(name, (number - 1) % len(cells) + 1 if cells else 0)
        return FleetUplink(
            port=ports[name],
            address=f"{leased[2]}/{WAN_PREFIX}",
            gateway=str(leased[1]),
            cell=cells[place - 1] if cells else "",
            interfaces=(f"u{index}h{number}-hub", f"u{index}h{number}-net"),
        )

    def all(self, ports: Mapping[str, str]) -> Iterator[FleetHub]:
        """Yield every hub, by number."""
        for number in range(1, self.hubs + 1):
            yield self.hub(number, ports)

    def problems(self) -> Iterable[Problem]:
        if not 1 <= self.hubs <= MOST_HUBS:
            yield Problem(self.place.at("hubs"), f"a fleet of {self.hubs} hubs", f"write 1 to {MOST_HUBS}")
        if not 1 <= self.real <= min(MOST_REAL, self.hubs):
            expected = f"write 1 to {min(MOST_REAL, self.hubs)}"
            yield Problem(self.place.at("real"), f"{self.real} real hubs of {self.hubs}", expected)
        for uplink, count in self.cells.items():
            if count < 1:
                yield Problem(self.place.at("cells"), f"{count} cells of {uplink}", "write 1 or more")
        if sum(group.weight for group in self.profiles.values()) <= 0:
            yield Problem(self.place.at("profiles"), "no profile has a weight", "give one a weight of 1 or more")
        for key, row in self.table.items():
            yield from self._row_problems(key, row)

    def _row_problems(self, key: str, row: HubRow) -> Iterable[Problem]:
        if not key.isdecimal() or not 1 <= int(key) <= self.hubs or key != str(int(key)):
            yield Problem(row.place, f"the table has hub {key!r}", f"write the number of a hub: 1 to {self.hubs}")
        if row.profile and row.profile not in self.profiles:
            expected = did_you_mean(row.profile, self.profiles)
            yield Problem(row.place.at("profile"), f"unknown profile {row.profile!r}", expected)
        for uplink, cell in row.cells.items():
            if uplink not in self.cells:
                expected = did_you_mean(uplink, self.cells)
                yield Problem(row.place.at("cells"), f"uplink {uplink!r} has no cells", expected)
            elif not 1 <= cell <= self.cells[uplink]:
                found = f"cell {cell} of {uplink}, which has {self.cells[uplink]}"
                yield Problem(row.place.at("cells"), found, f"write 1 to {self.cells[uplink]}")

    def misfits(self, uplinks: Iterable[str], taken: Iterable[tuple[str, str]]) -> Iterable[Problem]:
        """Yield what does not fit a topology: its uplinks, and the networks (whose, address) that it has itself."""
        known = tuple(uplinks)
        for group in self.profiles.values():
            for name in (name for name in group.traces if name not in known):
                yield Problem(group.place.at("traces"), f"unknown uplink {name!r}", did_you_mean(name, known))
        for name in (name for name in self.cells if name not in known):
            yield Problem(self.place.at("cells"), f"unknown uplink {name!r}", did_you_mean(name, known))
        needed = {"lan": (LAN_PREFIX, self.hubs + 1), "wan": (WAN_PREFIX, self.hubs * len(known))}
        pools: dict[str, ipaddress.IPv4Network] = {}
        for key, (prefix, count) in needed.items():
            try:
                pools[key] = pool = ipaddress.IPv4Network(getattr(self, key))
            except ValueError:
                found = f"{key} is {getattr(self, key)!r}"
                yield Problem(self.place.at(key), found, "write an IPv4 network: 10.0.0.0/8")
                continue
            if pool.prefixlen > prefix or 2 ** (prefix - pool.prefixlen) < count:
                found = f"{pool} has no {count} networks of /{prefix}"
                yield Problem(self.place.at(key), found, "write a larger network, or fewer hubs")
            for whose, address in taken:
                if pool.overlaps(ipaddress.IPv4Interface(address).network):
                    found = f"{pool} holds {address} of {whose}"
                    yield Problem(self.place.at(key), found, "take a network that the topology does not use")
        if len(pools) == 2 and pools["lan"].overlaps(pools["wan"]):
            yield Problem(self.place.at("wan"), f"{pools['wan']} and lan overlap", "keep the two apart")


def _cut(pool: str, prefix: int, index: int) -> ipaddress.IPv4Network:
    """Return the network of this prefix length and index in a pool."""
    network = ipaddress.IPv4Network(pool)
    start = int(network.network_address) + (index << (32 - prefix))
    return ipaddress.IPv4Network((start, prefix))
