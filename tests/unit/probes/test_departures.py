"""What left the hub, from packets made by hand; and whether it should have."""

from __future__ import annotations

import socket
import ssl
from dataclasses import replace
from typing import Any

import dpkt
import pytest

from testbed.metrics import METRICS
from testbed.metrics.egress import SAMPLES, fault
from testbed.metrics.evidence import Evidence
from testbed.metrics.measurement import Ask
from testbed.metrics.window import Window
from testbed.model.facts import Destinations, Facts
from testbed.probes import samples
from testbed.probes.departures import departures, server_name

HUB, ELSEWHERE, TENANT = "100.64.10.100", "198.51.100.77", "203.0.113.10"
ALLOWED = Destinations(("t.blob.core.windows.net", "*.example.org"), (f"{TENANT}/32",), ("203.0.113.0/24",))
S = 10**9


def frame(data: Any, protocol: int, destination: str) -> bytes:
    """Return an Ethernet frame of the hub's."""
    ip = dpkt.ip.IP(src=socket.inet_aton(HUB), dst=socket.inet_aton(destination), p=protocol, data=data)
    ip.len = len(ip)
    return bytes(dpkt.ethernet.Ethernet(data=ip, type=dpkt.ethernet.ETH_TYPE_IP))


def tcp(data: bytes, port: int = 443, destination: str = ELSEWHERE) -> bytes:
    return frame(dpkt.tcp.TCP(sport=40000, dport=port, data=data), dpkt.ip.IP_PROTO_TCP, destination)


def udp(data: bytes, port: int, destination: str = ELSEWHERE) -> bytes:
    datagram = dpkt.udp.UDP(sport=40000, dport=port, data=data)
    datagram.ulen = len(datagram)
    return frame(datagram, dpkt.ip.IP_PROTO_UDP, destination)


def hello(name: str) -> bytes:
    """Return what OpenSSL begins a connection to a name with."""
    context, out = ssl.create_default_context(), ssl.MemoryBIO()
    connection = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        connection.do_handshake()
    return out.read()


def query(name: str) -> bytes:
    return bytes(dpkt.dns.DNS(qd=[dpkt.dns.DNS.Q(name=name)]))


def only(*frames: bytes) -> dict[str, Any]:
    """Return the one flow of some packets."""
    (row,) = (found.row() for found in departures([(n * S, f) for n, f in enumerate(frames)], "starlink"))
    return row


@pytest.mark.parametrize(
    ("packet", "content", "name", "said"),
    [
        (tcp(hello("t.blob.core.windows.net")), "tls", "t.blob.core.windows.net", ""),
        (tcp(hello("a.example.org"), 8443), "tls", "a.example.org", ""),
        (tcp(hello("example.org")), "tls", "example.org", "not among those named"),
        (tcp(hello("spy.example.com")), "tls", "spy.example.com", "not among those named"),
        (tcp(hello("spy.example.com"), 443, TENANT), "tls", "spy.example.com", "not among those named"),
        (tcp(b"GET / HTTP/1.1\r\n", 80), "clear", "", "not encrypted"),
        (tcp(b"GET / HTTP/1.1\r\n", 443, TENANT), "clear", "", "not encrypted"),
        (tcp(b"\0" * 40, 5001, TENANT), "clear", "", ""),  # the testbed's own, at its own node
        (tcp(b"", 443), "nothing", "", "not among those named"),
        (tcp(b"", 443, TENANT), "nothing", "", ""),
        (udp(query("spy.example.com"), 53), "dns", "spy.example.com", ""),
        (udp(b"\xff" * 30, 53), "clear", "", "not encrypted"),  # what is no DNS and uses its port
        (udp(b"\1" * 240, 67), "dhcp", "", ""),
        (udp(b"\xc3" + b"\1" * 1199, 443), "quic", "", "not among those named"),
        (udp(b"\x23" * 48, 123), "clear", "", "not encrypted"),
        (frame(dpkt.icmp.ICMP(data=b""), 1, TENANT), "icmp", "", ""),
        (frame(dpkt.icmp.ICMP(data=b""), 1, ELSEWHERE), "icmp", "", "not encrypted"),
        (udp(b"\1" * 40, 5353, "224.0.0.251"), "clear", "", ""),  # which goes no further than the link
        (frame(b"\0" * 20, 47, ELSEWHERE), "ip 47", "", "not encrypted"),
    ],
)
def test_a_flow_is_told_by_its_packets(packet: bytes, content: str, name: str, said: str) -> None:
    """What it carries, for whom, and whether it should have left."""
    row = only(packet)

    assert (content, name, said) == (row["content"], row["name"], fault(row, ALLOWED))


def test_a_name_that_two_packets_part_is_read() -> None:
    """As long hellos are."""
    whole = hello("t.blob.core.windows.net")
    row = only(tcp(b""), tcp(whole[:90]), tcp(whole[90:]))

    assert ("t.blob.core.windows.net", 3, 2 * S) == (row["name"], row["packets"], row["end_ns"])


@pytest.mark.parametrize("cut", range(0, 300, 7))
def test_a_hello_that_is_cut_short_has_no_name(cut: int) -> None:
    """Nor does it break anything."""
    assert server_name(hello("t.blob.core.windows.net")[:cut]) in ("", "t.blob.core.windows.net")


@pytest.mark.parametrize("noise", [b"", b"\0" * 60, b"\xff" * 9])
def test_what_is_no_packet_is_no_flow(noise: bytes) -> None:
    """A frame that nobody can read."""
    assert [] == list(departures([(0, noise)], "lte"))


def kept(*frames: bytes) -> Evidence:
    """Return a run of 60 s in which these left, one a second."""
    packets = [(n * S, f) for n, f in enumerate(frames)]
    rows = [flow.row() for flow in departures(packets, "starlink")]
    facts = replace(Facts(60 * S, ("starlink", "lte")), egress=ALLOWED)
    return Evidence(facts, {SAMPLES: samples.table(rows, samples.DEPARTURES)})


def test_egress_counts_flows_and_lists_where_they_went() -> None:
    """Those that should not have left come first; a place is listed once."""
    evidence = kept(
        tcp(hello("t.blob.core.windows.net")),
        tcp(b"GET / HTTP/1.1", 80),
        tcp(b"GET / HTTP/1.1", 8080),
        udp(query("t.blob.core.windows.net"), 53),
    )
    measured = METRICS["egress"].measure(evidence, Ask("", evidence.whole))

    assert (2, 4) == (measured.value, measured.samples)
    left: Any = measured.details["left"]
    assert ["not encrypted", "not encrypted", "", ""] == [place["fault"] for place in left]
    assert {80, 8080} == {place["port"] for place in left[:2]}


def test_egress_looks_at_its_window() -> None:
    """A flow counts where any of its packets does."""
    evidence = kept(tcp(b"GET", 80), tcp(b"GET", 8080), tcp(b"GET", 81))

    assert 1 == METRICS["egress"].measure(evidence, Ask("", Window(S, 2 * S))).value


def test_what_nobody_looked_at_is_not_told() -> None:
    """No samples are never a hub that sends nothing."""
    evidence = replace(kept(), samples={})
    measured = METRICS["egress"].measure(evidence, Ask("", evidence.whole))

    assert (None, "what left was not looked at") == (measured.value, measured.reason)
