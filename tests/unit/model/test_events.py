"""Events: what each kind means, and each bad one beside the message that it must give."""

from __future__ import annotations

import pytest

from testbed.errors import InputError
from testbed.model.event import FAULTS, Kind
from testbed.model.scenario import Scenario
from testbed.yaml import load

SCENARIO = """\
topology: t
duration: 90 s
uplinks: {{starlink: {{fixed: {{delay: 25 ms}}}}, lte: {{fixed: {{delay: 40 ms}}}}}}
traffic: {{heartbeat: {{kind: udp-echo, from: client, to: tenant, every: 10 ms}}}}
objectives: [{{metric: interruption, at_most: 3 s}}]
events:
{events}
"""

GOOD = {
    "at: 1 s, uplink: lte, outage: 25 s": (Kind.OUTAGE, "lte outage 25 s"),
    "at: 1 s, uplink: lte, hold: 2 s": (Kind.HOLD, "lte hold 2 s"),
    "at: 1 s, uplink: lte, brownout: 20 s, loss: 20 %": (Kind.BROWNOUT, "lte brownout 20 s (+20 % loss)"),
    "at: 1 s, uplink: lte, brownout: 20 s, loss: 2 %, delay: 100 ms": (
        Kind.BROWNOUT,
        "lte brownout 20 s (+2 % loss, +100 ms)",
    ),
    "at: 1 s, uplink: lte, rate_cap: 20 s, rate: {up: 1 Mbit/s, down: 5 Mbit/s}": (
        Kind.RATE_CAP,
        "lte rate cap 20 s (↓5 Mbit/s ↑1 Mbit/s)",
    ),
    "at: 1 s, uplink: lte, reboot: 60 s": (Kind.REBOOT, "lte reboot 60 s"),
    "at: 1 s, tenant_errors: 20 s": (Kind.TENANT_ERRORS, "tenant errors 20 s"),
    "at: 1 s, tenant_errors: 20 s, status: 429, retry_after: 5 s": (
        Kind.TENANT_ERRORS,
        "tenant errors 20 s (status 429, again after 5 s)",
    ),
    "at: 1 s, content_changes: 2 s": (Kind.CONTENT_CHANGES, "content changes 2 s"),
    "at: 1 s, tenant_black_hole: 20 s": (Kind.TENANT_BLACK_HOLE, "tenant black hole 20 s"),
    "at: 1 s, dns_failure: 20 s, answer: servfail": (Kind.DNS_FAILURE, "dns failure 20 s (servfail)"),
    "at: 1 s, uplink: lte, dns_failure: 20 s": (Kind.DNS_FAILURE, "lte dns failure 20 s"),
    "at: 1 s, uplink: lte, black_hole: 20 s, protocol: tcp, port: 443": (
        Kind.BLACK_HOLE,
        "lte black hole 20 s (tcp, port 443)",
    ),
    "at: 1 s, uplink: lte, black_hole: 20 s, passes: icmp": (Kind.BLACK_HOLE, "lte black hole 20 s (passes icmp)"),
    "at: 1 s, uplink: lte, mtu: 20 s, size: 1420 B": (Kind.MTU, "lte mtu 20 s (1420 B)"),
    "at: 1 s, uplink: lte, mtu: 20 s, size: 1420 B, icmp: off": (Kind.MTU, "lte mtu 20 s (1420 B, no ICMP)"),
    "at: 1 s, power_off: 20 s": (Kind.POWER_OFF, "hub power off 20 s"),
    "at: 1 s, cache_down: 20 s": (Kind.CACHE_DOWN, "hub cache down 20 s"),
    "at: 1 s, clock_step: 20 s, by: -8760 h": (Kind.CLOCK_STEP, "hub clock step 20 s (by -8760 h)"),
    "at: 1 s, uplink: lte, unplug: 20 s": (Kind.UNPLUG, "lte unplug 20 s"),
    "at: 1 s, uplink: lte, dhcp_down: 20 s": (Kind.DHCP_DOWN, "lte dhcp down 20 s"),
    "at: 1 s, uplink: lte, lease: 20 s, address: 192.168.8.7, time: 2 min": (
        Kind.LEASE,
        "lte lease 20 s (192.168.8.7, for 120 s)",
    ),
    "at: 1 s, uplink: lte, lease: 20 s, refused: on": (Kind.LEASE, "lte lease 20 s (refused)"),
    "at: 1 s, uplink: lte, reboot: 60 s, address: 192.168.8.7": (Kind.REBOOT, "lte reboot 60 s (192.168.8.7)"),
    "at: 1 s, uplink: lte, target_down: 20 s": (Kind.TARGET_DOWN, "lte target down 20 s"),
    "at: 1 s, target_down: 20 s, address: 203.0.113.1": (Kind.TARGET_DOWN, "target down 20 s (203.0.113.1)"),
}

BAD = {
    "at: 1 s, uplink: lte": (
        "s.yaml:7: the event has no fault that lasts; write one of outage, hold, brownout, rate_cap, reboot, "
        "tenant_errors, tenant_black_hole, content_changes, dns_failure, black_hole, mtu, target_down, unplug, lease, "
        "dhcp_down, power_off, clock_step, cache_down with a duration: 'outage: 25 s'"
    ),
    "at: 1 s, uplink: lte, outage: 2 s, hold: 3 s": (
        "s.yaml:7: the event has both outage and hold; write one of outage, hold, "
    ),
    "at: 1 s, outage: 2 s": "s.yaml:7: outage is of an uplink; add 'uplink: NAME'",
    "at: 1 s, uplink: lt, outage: 2 s": "s.yaml:7: unknown uplink 'lt'; did you mean 'lte'?",
    "at: 1 s, uplink: lte, tenant_errors: 2 s": (
        "s.yaml:7: tenant_errors is of the tenant, not of an uplink; leave 'uplink' away"
    ),
    "at: 1 s, uplink: lte, outage: 2 s, loss: 20 %": (
        "s.yaml:7: 'loss' belongs to brownout; outage takes no further key"
    ),
    "at: 1 s, uplink: lte, brownout: 2 s, rate: {up: 1 Mbit/s, down: 1 Mbit/s}": (
        "s.yaml:7: 'rate' belongs to rate_cap; brownout takes loss and delay\n"
        "s.yaml:7: brownout changes nothing; add 'loss: 20 %' and/or 'delay: 100 ms'"
    ),
    "at: 1 s, uplink: lte, brownout: 2 s": (
        "s.yaml:7: brownout changes nothing; add 'loss: 20 %' and/or 'delay: 100 ms'"
    ),
    "at: 1 s, uplink: lte, rate_cap: 2 s": (
        "s.yaml:7: rate_cap changes nothing; add 'rate: {up: 1 Mbit/s, down: 5 Mbit/s}'"
    ),
    "at: 1 s, uplink: lte, rate_cap: 2 s, rate: {up: 0 bit/s, down: 1 Mbit/s}": (
        "s.yaml:7: a rate of 0; write more, or an outage instead of a rate_cap"
    ),
    "at: 1 s, uplink: lte, black_hole: 2 s": (
        "s.yaml:7: black_hole changes nothing; add 'protocol: tcp' and/or 'passes: icmp'"
    ),
    "at: 1 s, uplink: lte, black_hole: 2 s, protocol: tcp, passes: icmp": (
        "s.yaml:7: both protocol and passes; write what vanishes, or what passes"
    ),
    "at: 1 s, uplink: lte, black_hole: 2 s, protocol: icmp, port: 443": (
        "s.yaml:7: a port without a protocol that has ports; add 'protocol: tcp'"
    ),
    "at: 1 s, uplink: lte, black_hole: 2 s, protocol: udp, port: 65536": (
        "s.yaml:7: port is 65536; write a number from 1 to 65535"
    ),
    "at: 1 s, black_hole: 2 s, passes: icmp": "s.yaml:7: black_hole is of an uplink; add 'uplink: NAME'",
    "at: 1 s, uplink: lte, mtu: 2 s": "s.yaml:7: mtu changes nothing; add 'size: 1420 B'",
    "at: 1 s, uplink: lte, mtu: 2 s, size: 1501 B": "s.yaml:7: packets of 1501 B; write 576 B to 1500 B",
    "at: 1 s, uplink: lte, outage: 2 s, icmp: off": "s.yaml:7: 'icmp' belongs to mtu; outage takes no further key",
    "at: 1 s, hub_reboot: 5 s": (
        "s.yaml:7: unknown key 'hub_reboot' in events; write 'power_off: 30 s' for the hub, "
        "'uplink: NAME, reboot: 30 s' for a CPE"
    ),
    "at: 1 s, clock_step: 5 s": "s.yaml:7: clock_step changes nothing; add 'by: -8760 h'",
    "at: 1 s, clock_step: 5 s, by: --3 s": (
        "s.yaml:7: by is '--3 s'; write how much later, or earlier: '5 s', '-8760 h'"
    ),
    "at: 1 s, uplink: lte, clock_step: 5 s, by: 3 s": (
        "s.yaml:7: clock_step is of the hub, not of an uplink; leave 'uplink' away"
    ),
    "at: 1 s, uplink: lte, power_off: 5 s": (
        "s.yaml:7: power_off is of the hub, not of an uplink; leave 'uplink' away"
    ),
    "at: 1 s, uplink: lte, lease: 2 s": (
        "s.yaml:7: lease changes nothing; add 'address: 100.64.10.150' and/or 'time: 2 min' and/or 'refused: on'"
    ),
    "at: 1 s, uplink: lte, lease: 192.168.8.7": (
        "s.yaml:7: lease is '192.168.8.7'; write for how long, and beside it what: "
        "'lease: 20 s, address: 100.64.10.150'"
    ),
    "at: 1 s, uplink: lte, lease: 2 s, address: 192.168.8.7, refused: on": (
        "s.yaml:7: refused, and what to lease; write one of them"
    ),
    "at: 1 s, uplink: lte, lease: 2 s, time: 60 s": (
        "s.yaml:7: a lease for 60 s; write 2 min, the shortest that dnsmasq knows, or more"
    ),
    "at: 1 s, uplink: lte, reboot: 9 s, address: all": "s.yaml:7: address is 'all'; write an IP address",
    "at: 1 s, uplink: lte, outage: 9 s, address: 192.168.8.7": (
        "s.yaml:7: 'address' belongs to reboot and target_down and lease; outage takes no further key"
    ),
    "at: 1 s, uplink: lte, unplug: 9 s}\n- {at: 5 s, uplink: lte, reboot: 9 s": (
        "s.yaml:8: lte reboot 9 s at 5 s overlaps lte unplug 9 s at 1 s (line 7); begin at 10 s or later"
    ),
    "at: 1 s, uplink: lte, outage: 60 s}\n- {at: 3 s, uplink: lte, unplug: 1 s}\n- {at: 9 s, uplink: lte, hold: 1 s": (
        "s.yaml:9: lte hold 1 s at 9 s overlaps lte outage 60 s at 1 s (line 7); begin at 61 s or later"
    ),
    "at: 1 s, target_down: 2 s, address: edge": "s.yaml:7: address is 'edge'; write an IP address",
    "at: 1 s, uplink: lte, reboot: 20 s, port_down: 30 s": (
        "s.yaml:7: port_down 30 s is longer than the reboot; write 20 s or less"
    ),
    "at: 1 s, dns_failure: 20 s, answer: nxdomain": (
        "s.yaml:7: unknown answer 'nxdomain'; known: servfail, silent"
    ),
    "at: 1 s, tenant_errors: 2 s, status: 404": "s.yaml:7: status is 404; write 403, 429 or 503",
    "at: 1 s, tenant_errors: 2 s, status: 403, retry_after: 5 s": (
        "s.yaml:7: retry_after of a 403; leave it away: who has no right is not asked to come again"
    ),
    "at: 1 s, tenant_errors: 2 s, retry_after: 1500 ms": "s.yaml:7: retry_after is 1.5 s; write whole seconds",
    "at: 1 s, content_changes: 9 s}\n- {at: 5 s, content_changes: 9 s": (
        "s.yaml:8: content changes 9 s at 5 s overlaps content changes 9 s at 1 s (line 7); begin at 10 s or later"
    ),
    "at: 80 s, tenant_errors: 20 s": "s.yaml:7: the event ends at 100 s, after the scenario; end by 90 s",
    "at: 1 s, uplink: lte, outage: 9 s}\n- {at: 5 s, uplink: lte, reboot: 9 s": (
        "s.yaml:8: lte reboot 9 s at 5 s overlaps lte outage 9 s at 1 s (line 7); begin at 10 s or later"
    ),
    "at: 1 s, tenant_errors: 9 s}\n- {at: 5 s, tenant_black_hole: 9 s": (
        "s.yaml:8: tenant black hole 9 s at 5 s overlaps tenant errors 9 s at 1 s (line 7); "
        "begin at 10 s or later"
    ),
}


def scenario(event: str) -> Scenario:
    return load.parse(SCENARIO.format(events=f"- {{{event}}}"), Scenario, "s.yaml")


@pytest.mark.parametrize("text", GOOD)
def test_an_event_is_its_fault_with_a_duration(text: str) -> None:
    """The fault's key tells the kind; the title says where, what, how long and how."""
    (event,) = scenario(text).events

    assert GOOD[text] == (event.kind, event.title)


def test_every_kind_has_a_good_example() -> None:
    """No kind of event is left out above, and none lacks its description."""
    assert set(Kind) == {kind for kind, _ in GOOD.values()} == set(FAULTS)


@pytest.mark.parametrize("text", BAD)
def test_a_bad_event_is_refused(text: str) -> None:
    """Each mistake is answered with line, what was found and what would be right."""
    with pytest.raises(InputError) as refusal:
        scenario(text)

    assert str(refusal.value).startswith(BAD[text])


def test_faults_of_different_targets_may_overlap() -> None:
    """Both uplinks, the tenant and the resolver can fail at once."""
    faults = (
        "uplink: starlink, outage: 9 s",
        "uplink: lte, hold: 9 s",
        "tenant_errors: 9 s",
        "dns_failure: 9 s",
    )
    events = scenario("}\n- {".join(f"at: 1 s, {fault}" for fault in faults)).events

    assert 4 == len({event.target for event in events})


def test_faults_of_different_parts_of_an_uplink_may_overlap() -> None:
    """Its link, its cable, its DHCP and its names can fail at once."""
    faults = ("outage: 9 s", "unplug: 9 s", "dhcp_down: 9 s", "dns_failure: 9 s", "lease: 9 s, refused: on")
    events = scenario("}\n- {".join(f"at: 1 s, uplink: lte, {fault}" for fault in faults)).events

    assert {"lte"} == {event.target for event in events}


@pytest.mark.parametrize(("more", "up_s"), [("", 21), (", port_down: 10 s", 11)])
def test_a_rebooting_cpe_is_reachable_before_the_sky(more: str, up_s: int) -> None:
    """Its port is up after a third of the reboot, or when the event says."""
    (event,) = scenario(f"at: 1 s, uplink: starlink, reboot: 60 s{more}").events

    assert up_s * 10**9 == event.port_up_ns
