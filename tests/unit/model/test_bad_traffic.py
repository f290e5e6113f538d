"""Each bad traffic, and each bad objective on it, stands beside the message that it must give."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.errors import InputError
from testbed.model.scenario import read_scenario
from testbed.run import plan

GOOD = """\
topology: hub-two-uplinks
duration: 90 s
uplinks: {starlink: {fixed: {delay: 25 ms}}, lte: {fixed: {delay: 40 ms}}}
hub: {qos: on, shape: {starlink: 8 Mbit/s}}
traffic:
  sync: {kind: tcp-transfer, from: client, to: tenant, direction: up, dscp: CS1}
  portal: {kind: https-keepalive, from: client, to: tenant, every: 1 s}
  call: {kind: udp-call, from: client, to: tenant}
  clinic: {kind: http-put, from: client, size: 200 kB, rate: 1/s}
objectives:
  - {metric: mos, of: call, at_least: 3.6}
  - {metric: sessions_survived, at_least: 100 %}
"""

BAD = {
    "direction": ("direction: up", "direction: both", "s.yaml:6: unknown direction 'both'; known: down, up"),
    "mark of the heartbeat": (
        "dscp: CS1",
        "dscp: EF",
        "s.yaml:6: unknown dscp 'EF'; known: AF21, AF41, CS0, CS1",
    ),
    "patience": (
        "dscp: CS1}",
        "dscp: CS1, timeout: 10 ms}",
        "s.yaml:6: timeout is 10 ms; write 1 s or more",
    ),
    "idle connection": (
        "every: 1 s",
        "every: 90 s",
        "s.yaml:7: every is 90 s; write 50 ms to 60 s",
    ),
    "new flows too often": (
        "kind: http-put, from: client, size: 200 kB, rate: 1/s",
        "kind: udp-flows, from: client, to: tenant, every: 5 ms",
        "s.yaml:9: every is 5 ms; write 10 ms to 1 s",
    ),
    "an echo too often": (
        "kind: http-put, from: client, size: 200 kB, rate: 1/s",
        "kind: quic, from: client, to: tenant, every: 5 ms",
        "s.yaml:9: every is 5 ms; write 20 ms to 60 s",
    ),
    "names too often": (
        "kind: http-put, from: client, size: 200 kB, rate: 1/s",
        "kind: dns-query, from: client, to: tenant, every: 5 ms, names: all",
        "s.yaml:9: unknown names 'all'; known: new, same",
    ),
    "a block that is no request": (
        "kind: http-put, from: client, size: 200 kB, rate: 1/s",
        "kind: sdk-upload, from: client, size: 900 MB, block: 10 kB, rate: 1/s",
        "s.yaml:9: size is 900 MB; write 1 B to 512 MB\n"
        "s.yaml:9: block is 10 kB; write 64 kB to 64 MB: a block is one request",
    ),
    "two streams of new flows": (
        "clinic: {kind: http-put, from: client, size: 200 kB, rate: 1/s}",
        "one: {kind: udp-flows, from: client, to: tenant}\n  two: {kind: udp-flows, from: client, to: tenant}",
        "s.yaml:10: 'two' is a second stream of new flows, beside 'one'; keep one: the links tell by its "
        "mark who carries it",
    ),
    "two heartbeats": (
        "clinic: {kind: http-put, from: client, size: 200 kB, rate: 1/s}",
        "one: {kind: udp-echo, from: client, to: tenant, every: 1 s}\n"
        "  two: {kind: udp-echo, from: client, to: tenant, every: 1 s}",
        "s.yaml:10: 'two' is a second heartbeat, beside 'one'; keep one: the links tell by its mark who carries it",
    ),
    "packet too small": (
        "kind: udp-call, from: client, to: tenant",
        "kind: udp-call, from: client, to: tenant, size: 8 B",
        "s.yaml:8: size is 8 B; write 24 B to 1400 B",
    ),
    "upload too large": (
        "size: 200 kB",
        "size: 200 MB",
        "s.yaml:9: size is 200 MB; write 1 B to 64 MB: an upload is one request",
    ),
    "no uploads": ("rate: 1/s", "rate: 0/s", "s.yaml:9: rate is 0/s; write more than 0/s, up to 1000/s"),
    "unknown node": (
        "to: tenant, direction",
        "to: azure, direction",
        "s.yaml:6: topology hub-two-uplinks has no node 'azure'",
    ),
    "score out of range": (
        "at_least: 3.6",
        "at_least: 6",
        "s.yaml:11: at_least of mos is '6'; write a score from 1 to 5, such as '3.6'",
    ),
    "metric of another kind": (
        "of: call",
        "of: sync",
        "s.yaml:11: 0 traffics of kind udp-call fit mos; name one with 'of:' (sync, portal, call, clinic)",
    ),
    "qos without a rate": (
        ", shape: {starlink: 8 Mbit/s}",
        "",
        "s.yaml:4: qos without a rate to keep to; write shape: {starlink: 8 Mbit/s}",
    ),
    "shape of nothing": (
        "shape: {starlink: 8 Mbit/s}",
        "shape: {starling: 8 Mbit/s}",
        "s.yaml:4: unknown uplink 'starling'; did you mean 'starlink'?",
    ),
    "shape too small": (
        "8 Mbit/s",
        "8 kbit/s",
        "s.yaml:4: shape of starlink is 8 kbit/s; write 64 kbit/s or more",
    ),
    "qos in tunnels": (
        "qos: on",
        "qos: on, failover: bgp-bfd",
        "s.yaml:4: qos with failover bgp-bfd, whose tunnels hide the packets' marks; choose another failover",
    ),
}


def scenario(tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "s.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "s.yaml"


def test_the_good_scenario_is_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scenario that the bad ones are made from has no problem, and its timeline says what is sent."""
    made = plan.make(scenario(tmp_path, GOOD, monkeypatch))
    said = [text for _, text in plan.timeline(made)]

    assert "tcp-transfer 'sync' starts (as fast as the path takes it, up, client and tenant, CS1)" in said
    assert "http-put 'clinic' starts (1 uploads/s of 200 kB from client)" in said


def test_an_objective_without_a_name_is_about_all_that_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """sessions_survived is asked of three flows at once; mos can only be of the call."""
    read = read_scenario(scenario(tmp_path, GOOD, monkeypatch))
    mos, survived = read.objectives

    assert ["sync", "portal", "call"] == [t.name for t in read.traffic_for(survived)]
    assert ("call", "") == (read.subject(mos), read.subject(survived))


@pytest.mark.parametrize(("old", "new", "message"), BAD.values(), ids=BAD)
def test_a_bad_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, message: str
) -> None:
    """Place, what was found, what would be right."""
    assert GOOD.count(old) >= 1
    with pytest.raises(InputError) as refused:
        plan.make(scenario(tmp_path, GOOD.replace(old, new), monkeypatch))

    assert message in str(refused.value)
