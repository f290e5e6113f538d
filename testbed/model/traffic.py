"""What is sent through the hub, and measured: one class for each kind of traffic."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar, Literal

from testbed import units
from testbed.errors import NOWHERE, Place, Problem
from testbed.model.quantities import Duration, Frequency, Rate, Share, Size
from testbed.yaml import load

Family = Literal["ipv4", "ipv6"]

HEARTBEAT_BYTES = 76
"""Of a heartbeat's payload: a length that hardly anything else has, in a tunnel too; see docs/probes.md."""
NEW_FLOW_BYTES = 92
"""Of a new flow's one packet: another such length."""
TENANT_ENDED = "tenant ended it"
SESSION_ENDS = ("reset", "closed", "gave up", TENANT_ENDED)
"""How a session ends before its time: an error of the connection, the other end, the client's patience; or the
tenant's service ended it by itself, whatever the client saw of it: nothing on the path did."""
CALL_HEADER_BYTES = 24
"""Of a call's packet: what it must hold to be told apart and timed."""


class Dscp(StrEnum):
    """A mark of the differentiated services (RFC 2474), by the service classes of RFC 4594.

    EF is missing: it marks the heartbeat, by which the links' counters tell which uplink carries. So is
    VOICE-ADMIT (RFC 5865), which marks new flows.
    """

    DEFAULT = "CS0"
    BULK = "CS1"
    LOW_LATENCY_DATA = "AF21"
    MULTIMEDIA = "AF41"

    @property
    def tos(self) -> int:
        """The octet in the IP header: the code point in its upper six bits."""
        return {"CS0": 0, "CS1": 8, "AF21": 18, "AF41": 34}[self] << 2


@dataclass(frozen=True, kw_only=True)
class _FromClient:
    """Traffic that a node of the LAN begins, for what the hub makes of it."""

    from_: str = field(metadata={"yaml_key": "from"})
    place: Place = field(default=NOWHERE, compare=False, repr=False)
    name: str = load.of_key()

    @property
    def ends(self) -> Mapping[str, str]:
        return {"from": self.from_}


@dataclass(frozen=True, kw_only=True)
class _ToTenant(_FromClient):
    """Traffic between a node of the LAN and one beyond the uplinks."""

    to: str

    @property
    def ends(self) -> Mapping[str, str]:
        return {"from": self.from_, "to": self.to}


@dataclass(frozen=True, kw_only=True)
class UdpEcho(_ToTenant):
    """A UDP packet at a fixed interval that the tenant answers: the heartbeat."""

    kind: Literal["udp-echo"]
    every: Duration
    family: Family = "ipv4"

    @property
    def pace(self) -> str:
        return f"every {units.format_duration(self.every)}, {self.from_} to {self.to}{_by(self.family)}"

    def problems(self) -> Iterable[Problem]:
        if self.every < 10**6:
            found = f"every is {units.format_duration(self.every)}"
            yield Problem(self.place.at("every"), found, "write 1 ms or more")


@dataclass(frozen=True, kw_only=True)
class UdpFlows(_ToTenant):
    """New flows: a UDP packet at a fixed interval, each from a port of its own, that the tenant answers.

    The heartbeat is one old flow, which a hub may keep where it is; this one goes where new ones go.
    """

    kind: Literal["udp-flows"]
    every: Duration = 20 * 10**6
    family: Family = "ipv4"

    @property
    def pace(self) -> str:
        return f"a new flow every {units.format_duration(self.every)}, {self.from_} to {self.to}{_by(self.family)}"

    def problems(self) -> Iterable[Problem]:
        if not 10**7 <= self.every <= 10**9:
            found = f"every is {units.format_duration(self.every)}"
            yield Problem(self.place.at("every"), found, "write 10 ms to 1 s")


@dataclass(frozen=True, kw_only=True)
class HttpGet(_FromClient):
    """Open-loop requests for objects of a catalogue: through the hub's cache, or with ``to`` at the tenant itself.

    With a ``range`` each asks for so many bytes from some place of the object, as who seeks in a film does; of an
    object that is no longer than that, for all of it. ``conditional`` is the share of requests that say which version
    the client has, where it has one (If-None-Match), as a browser does that comes back to a page. With a ``fallback``
    a client that has no answer of the cache after so long, or an error, asks the tenant itself, as clients of
    Microsoft Connected Cache do.
    """

    kind: Literal["http-get"]
    catalogue: str
    rate: Frequency
    to: str = ""
    timeout: Duration = 10 * 10**9
    range: Size = 0
    conditional: Share = 0.0
    fallback: Duration = 0

    @property
    def past_the_cache(self) -> bool:
        """Whether its clients ask the tenant itself, always or when the cache does not answer."""
        return bool(self.to or self.fallback)

    @property
    def pace(self) -> str:
        to = f" to {self.to} itself" if self.to else ""
        pace = f"{units.format_frequency(self.rate, 'requests')} from {self.from_}{to}, catalogue {self.catalogue}"
        if self.range:
            pace += f", {units.format_size(self.range)} of each object"
        if self.conditional:
            pace += f", {units.format_share(self.conditional)} conditional"
        if self.fallback:
            pace += f", of the tenant itself after {units.format_duration(self.fallback)}"
        return pace

    @property
    def ends(self) -> Mapping[str, str]:
        return {"from": self.from_} | ({"to": self.to} if self.to else {})

    def problems(self) -> Iterable[Problem]:
        yield from _rate_problems(self.place, self.rate)
        if self.to and self.fallback:
            yield Problem(self.place.at("fallback"), "a fallback beside 'to', which asks no cache", "write one of them")
        if self.fallback >= self.timeout:
            found = f"a fallback after {units.format_duration(self.fallback)}"
            expected = f"write less than the timeout, {units.format_duration(self.timeout)}"
            yield Problem(self.place.at("fallback"), found, expected)


@dataclass(frozen=True, kw_only=True)
class HttpPut(_FromClient):
    """Uploads through the hub to the tenant, each tried again until it is acknowledged.

    ``timeout`` is that of one attempt. An upload that the scenario's end finds without an
    acknowledgement was not acknowledged.
    """

    kind: Literal["http-put"]
    size: Size
    rate: Frequency
    timeout: Duration = 10 * 10**9

    @property
    def pace(self) -> str:
        return f"{units.format_frequency(self.rate, 'uploads')} of {units.format_size(self.size)} from {self.from_}"

    def problems(self) -> Iterable[Problem]:
        yield from _rate_problems(self.place, self.rate)
        if not 1 <= self.size <= 64 * 10**6:
            found = f"size is {units.format_size(self.size)}"
            yield Problem(self.place.at("size"), found, "write 1 B to 64 MB: an upload is one request")


@dataclass(frozen=True, kw_only=True)
class TcpTransfer(_ToTenant):
    """One long TCP connection whose data flows ``up`` (to the tenant) or ``down``.

    ``rate`` is that of the sender, 0 as fast as the path takes it: a bulk sync. A session that makes no
    progress for ``timeout`` is given up; after that, and after a reset, the client connects again.
    """

    kind: Literal["tcp-transfer"]
    direction: Literal["up", "down"] = "up"
    rate: Rate = 0
    dscp: Dscp = Dscp.DEFAULT
    timeout: Duration = 30 * 10**9

    @property
    def pace(self) -> str:
        rate = units.format_rate(self.rate) if self.rate else "as fast as the path takes it"
        return f"{rate}, {self.direction}, {self.from_} and {self.to}, {self.dscp}"

    def problems(self) -> Iterable[Problem]:
        yield from _timeout_problems(self.place, self.timeout)


@dataclass(frozen=True, kw_only=True)
class HttpsKeepalive(_ToTenant):
    """One TLS connection to the tenant's endpoint, kept alive by a small request at a fixed interval.

    It does not go through the hub's cache. A request without an answer for ``timeout`` ends the session.
    """

    kind: Literal["https-keepalive"]
    every: Duration = 10**9
    timeout: Duration = 30 * 10**9
    family: Family = "ipv4"

    @property
    def pace(self) -> str:
        ends = f"{self.from_} to {self.to}{_by(self.family)}"
        return f"a request every {units.format_duration(self.every)}, {ends}"

    def problems(self) -> Iterable[Problem]:
        if not 50 * 10**6 <= self.every <= 60 * 10**9:
            found = f"every is {units.format_duration(self.every)}"
            yield Problem(self.place.at("every"), found, "write 50 ms to 60 s")
        yield from _timeout_problems(self.place, self.timeout)


@dataclass(frozen=True, kw_only=True)
class UdpCall(_ToTenant):
    """A call: packets of ``size`` bytes (of UDP's payload) every 20 ms in both directions at once.

    The size without a number is that of G.711: 160 bytes of speech and an RTP header of 12.
    """

    kind: Literal["udp-call"]
    size: Size = 172
    dscp: Dscp = Dscp.MULTIMEDIA

    @property
    def pace(self) -> str:
        size = units.format_size(self.size)
        return f"{size} every 20 ms both ways, {self.from_} and {self.to}, {self.dscp}"

    def problems(self) -> Iterable[Problem]:
        if not CALL_HEADER_BYTES <= self.size <= 1400:
            found = f"size is {units.format_size(self.size)}"
            yield Problem(self.place.at("size"), found, f"write {CALL_HEADER_BYTES} B to 1400 B")


@dataclass(frozen=True, kw_only=True)
class Ipv6Source(_ToTenant):
    """The IPv6 address that a node of the LAN would send from, asked at a fixed interval; nothing is sent."""

    kind: Literal["ipv6-source"]
    every: Duration = 10**8
    family: ClassVar[Family] = "ipv6"

    @property
    def pace(self) -> str:
        return f"the source address every {units.format_duration(self.every)}, {self.from_} to {self.to}"

    def problems(self) -> Iterable[Problem]:
        if not 10**7 <= self.every <= 10**9:
            found = f"every is {units.format_duration(self.every)}"
            yield Problem(self.place.at("every"), found, "write 10 ms to 1 s")


@dataclass(frozen=True, kw_only=True)
class SdkUpload(_FromClient):
    """Uploads through the hub by Azure's own SDK, each put in blocks of ``block`` and then listed.

    An upload that fails is repeated until it is acknowledged. With ``overwrite`` off nothing may be replaced;
    ``again`` is the share of uploads after which other bytes are uploaded under the same name.
    """

    kind: Literal["sdk-upload"]
    size: Size
    rate: Frequency
    block: Size = 4 * 2**20
    overwrite: bool = True
    again: Share = 0.0
    timeout: Duration = 10 * 10**9

    @property
    def pace(self) -> str:
        size, block = units.format_size(self.size), units.format_size(self.block)
        return f"{units.format_frequency(self.rate, 'uploads')} of {size} in blocks of {block} from {self.from_}"

    def problems(self) -> Iterable[Problem]:
        yield from _rate_problems(self.place, self.rate)
        if not 1 <= self.size <= 512 * 10**6:
            yield Problem(self.place.at("size"), f"size is {units.format_size(self.size)}", "write 1 B to 512 MB")
        if not 64_000 <= self.block <= 64 * 10**6:
            found = f"block is {units.format_size(self.block)}"
            yield Problem(self.place.at("block"), found, "write 64 kB to 64 MB: a block is one request")
        yield from _timeout_problems(self.place, self.timeout)


@dataclass(frozen=True, kw_only=True)
class DnsQuery(_ToTenant):
    """Queries for the address of ``to`` at a fixed interval, to the resolver that the hub is to its LAN.

    ``names``: ``new`` ones each time, which no resolver on the way can know yet, or the ``same`` one, which
    the hub may keep in mind.
    """

    kind: Literal["dns-query"]
    every: Duration = 200 * 10**6
    names: Literal["new", "same"] = "new"
    timeout: Duration = 5 * 10**9

    @property
    def pace(self) -> str:
        name = "a new name" if self.names == "new" else "the same name"
        return f"{name} every {units.format_duration(self.every)}, {self.from_} asks the hub"

    def problems(self) -> Iterable[Problem]:
        if not 10 * 10**6 <= self.every <= 60 * 10**9:
            found = f"every is {units.format_duration(self.every)}"
            yield Problem(self.place.at("every"), found, "write 10 ms to 60 s")
        yield from _timeout_problems(self.place, self.timeout)


@dataclass(frozen=True, kw_only=True)
class QuicEcho(_ToTenant):
    """One QUIC connection to the tenant, with a small echo at a fixed interval.

    It is known by its identifier, and so lives on behind another address. An echo that is not back for ``timeout``
    ends it.
    """

    kind: Literal["quic"]
    every: Duration = 200 * 10**6
    timeout: Duration = 30 * 10**9

    @property
    def pace(self) -> str:
        return f"an echo every {units.format_duration(self.every)}, {self.from_} to {self.to}"

    def problems(self) -> Iterable[Problem]:
        if not 20 * 10**6 <= self.every <= 60 * 10**9:
            found = f"every is {units.format_duration(self.every)}"
            yield Problem(self.place.at("every"), found, "write 20 ms to 60 s")
        yield from _timeout_problems(self.place, self.timeout)


Traffic = (
    UdpEcho
    | UdpFlows
    | HttpGet
    | HttpPut
    | SdkUpload
    | DnsQuery
    | TcpTransfer
    | HttpsKeepalive
    | QuicEcho
    | UdpCall
    | Ipv6Source
)
IPV4: Family = "ipv4"


def family(traffic: Traffic) -> Family:
    """Return the version of IP by which a traffic goes."""
    return getattr(traffic, "family", IPV4)


def _by(family: Family) -> str:
    return ", by IPv6" if family == "ipv6" else ""


def _rate_problems(place: Place, rate_per_s: float) -> Iterable[Problem]:
    if not 0 < rate_per_s <= 1000:
        yield Problem(place.at("rate"), f"rate is {rate_per_s:g}/s", "write more than 0/s, up to 1000/s")


def _timeout_problems(place: Place, timeout_ns: int) -> Iterable[Problem]:
    if timeout_ns < 10**9:
        yield Problem(
            place.at("timeout"), f"timeout is {units.format_duration(timeout_ns)}", "write 1 s or more"
        )
