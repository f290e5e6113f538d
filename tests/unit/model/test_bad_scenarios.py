"""Each bad scenario stands beside the message that it must give; nothing is started for any of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.errors import InputError
from testbed.run import plan

GOOD = """\
topology: hub-two-uplinks
duration: 90 s
uplinks:
  starlink: {fixed: {delay: 25 ms}}
  lte: {fixed: {delay: 40 ms, rate: 30 Mbit/s, loss: 0.1 %}}
traffic:
  heartbeat: {kind: udp-echo, from: client, to: tenant, every: 10 ms}
  lessons: {kind: http-get, from: client, catalogue: school-day, rate: 5/s}
events:
  - {at: 30 s, uplink: starlink, outage: 25 s}
objectives:
  - {metric: interruption, of: heartbeat, at_most: 3 s}
"""

BAD = {
    "unknown key": (
        "uplink: starlink, outage: 25 s",
        "uplnk: starlink, outage: 25 s",
        "s.yaml:10: unknown key 'uplnk' in events; did you mean 'uplink'?\n"
        "s.yaml:10: outage is of an uplink; add 'uplink: NAME'",
    ),
    "unknown key at the top": (
        "duration: 90 s",
        "duration: 90 s\nspeed: 3",
        "s.yaml:3: unknown key 'speed' in scenario; did you mean 'seed'?",
    ),
    "a dish's faults at once, too late, and unclear": (
        "starlink: {fixed: {delay: 25 ms}}",
        "starlink: {fixed: {delay: 25 ms}, dish: {faults: [{at: 1 s, hangs: 5 s}, {at: 2 s, wrong: 2 s}, "
        "{at: 80 s, hangs: 20 s, says: outage}]}}",
        "s.yaml:4: the dish is wrong, and nothing tells in what; add 'says: connected', 'says: outage' or "
        "'says: frozen'\n"
        "s.yaml:4: a dish that hangs says nothing; leave 'says' away\n"
        "s.yaml:4: the dish's fault ends at 100 s, after the scenario; end by 90 s\n"
        "s.yaml:4: dish wrong 2 s overlaps dish hangs 5 s (line 4); begin at 6 s or later",
    ),
    "content of what has none": (
        "of: heartbeat, at_most: 3 s}",
        "of: heartbeat, content: cached, at_most: 3 s}",
        "s.yaml:12: interruption looks at no content, cached or not; leave 'content' away",
    ),
    "a setting of the cache beside it": (
        "traffic:\n",
        "hub: {cache_size: 20 MB}\ntraffic:\n",
        "s.yaml:6: unknown key 'cache_size' in hub; write it as a setting of the cache: cache: {size: ...}",
    ),
    "content of bytes that nobody asked for": (
        "{metric: interruption, of: heartbeat, at_most: 3 s}",
        "{metric: backhaul_offload, content: cached, at_least: 60 %}",
        "s.yaml:12: backhaul_offload counts all bytes that the uplinks carried, of cached content or not; "
        "leave 'content' away, or ask byte_hit_ratio",
    ),
    "a status that is not looked at": (
        "{metric: interruption, of: heartbeat, at_most: 3 s}",
        "{metric: availability, status: hit, at_least: 90 %}",
        "s.yaml:12: availability cannot be restricted to answers of one cache status; "
        "leave 'status' away, or ask ttfb_p50, ttfb_p95, ttfb_p99",
    ),
    "an objective twice": (
        "at_most: 3 s}\n",
        "at_most: 3 s}\n  - {metric: interruption, of: heartbeat, at_most: 4 s}\n",
        "s.yaml:13: a second objective 'interruption:heartbeat:at_most', beside line 12; "
        "give one an 'id: ...' of its own, or keep one",
    ),
    "an id that is another's": (
        "at_most: 3 s}\n",
        "at_most: 3 s, id: gap}\n  - {metric: packets_lost, of: heartbeat, at_most: 4, id: gap}\n",
        "s.yaml:13: a second objective 'gap', beside line 12; give one an 'id: ...' of its own, or keep one",
    ),
    "an id that no command line takes": (
        "at_most: 3 s}\n",
        "at_most: 3 s, id: the gap}\n",
        "s.yaml:12: id is 'the gap'; use letters, digits and _ . -",
    ),
    "a name of the uplink's own": (
        "starlink: {fixed",
        "starlink: {name: dish-gen3, fixed",
        "s.yaml:4: unknown key 'name' in uplinks 'starlink'; known: align, dish, fixed, lifetimes, mtu, queue, "
        "rate, region, repeat, trace",
    ),
    "slots of fixed values": (
        "starlink: {fixed: {delay: 25 ms}}",
        "starlink: {fixed: {delay: 25 ms}, align: slot, repeat: true, rate: {up: 1 Mbit/s, down: 2 Mbit/s}}",
        "s.yaml:4: align is of a trace, and the uplink has fixed values; leave it away\n"
        "s.yaml:4: repeat is of a trace, and the uplink has fixed values; leave it away\n"
        "s.yaml:4: rate is of a trace, and the uplink has fixed values; write it in 'fixed: {...}'",
    ),
    "a rate beside a trace's own": (
        "starlink: {fixed: {delay: 25 ms}}",
        "starlink: {trace: starlink-kenya, repeat: true, rate: {up: 1 Mbit/s, down: 2 Mbit/s}}",
        "s.yaml:4: a rate, and the trace starlink-kenya has its own; leave it away",
    ),
    "traffic to somebody else": (
        "to: tenant, every: 10 ms",
        "to: internet, every: 10 ms",
        "s.yaml:7: to is 'internet', a node of kind router; write a tenant: tenant",
    ),
    "traffic from nobody on the LAN": (
        "kind: udp-echo, from: client",
        "kind: udp-echo, from: hub",
        "s.yaml:7: from is 'hub', a node of kind hub; write a client: client, client2",
    ),
    "no unit": (
        "duration: 90 s",
        "duration: 90",
        "s.yaml:2: duration is '90'; write a duration: a number and one of the units ns, us, ms, s, min, h, "
        "such as '25 s'",
    ),
    "wrong unit": (
        "rate: 30 Mbit/s",
        "rate: 30 MB",
        "s.yaml:5: rate is '30 MB'; write a rate: a number and one of the units bit/s, kbit/s, Mbit/s, Gbit/s, "
        "such as '100 Mbit/s'",
    ),
    "a list for the cache": (
        "duration: 90 s",
        "duration: 90 s\nhub: {cache: [on]}",
        "s.yaml:3: cache is a list; write a single value or a mapping",
    ),
    "slices larger than the cache": (
        "duration: 90 s",
        "duration: 90 s\nhub: {cache: {size: 1 MB, slice: 2 MB}}",
        "s.yaml:3: slice is 2 MB; write 64 kB to 64 MiB, and no more than size",
    ),
    "fresh twice": (
        "duration: 90 s",
        "duration: 90 s\nhub: {fresh: 5 s, cache: {fresh: 9 s}}",
        "s.yaml:3: fresh stands beside the cache's own; write it once",
    ),
    "a hold time that undercuts BFD": (
        "duration: 90 s",
        "duration: 90 s\nhub: {failover: bgp-bfd, bfd: {multiplier: 10, hold: 3 s}}",
        "s.yaml:3: hold of 3 s can end before BFD's 3 s do; write 5 s or more, or leave it out",
    ),
    "bound in the wrong unit": (
        "at_most: 3 s",
        "at_most: 60 %",
        "s.yaml:12: at_most of interruption is '60 %'; write a number and one of the units ns, us, ms, s, min, h, "
        "such as '25 s'",
    ),
    "missing trace": (
        "{fixed: {delay: 25 ms}}",
        "{trace: starlink-bent-pip}",
        "s.yaml:4: no trace 'starlink-bent-pip'; did you mean 'starlink-bent-pipe' or 'starlink-kenya' or "
        "'starlink-isl'?",
    ),
    "trace and fixed values": (
        "{fixed: {delay: 25 ms}}",
        "{trace: starlink-bent-pipe, repeat: true, fixed: {delay: 25 ms}}",
        "s.yaml:4: the uplink has both trace and fixed values; write one of 'trace: NAME' and 'fixed: {...}'",
    ),
    "trace too short": (
        "90 s\nuplinks:\n  starlink: {fixed: {delay: 25 ms}}",
        "1 h\nuplinks:\n  starlink: {trace: starlink-bent-pipe}",
        "s.yaml:4: trace 'starlink-bent-pipe' lasts 120 s; the scenario lasts 1 h; add 'repeat: true', shorten the "
        "scenario or take a longer trace",
    ),
    "overlapping events": (
        "  - {at: 30 s, uplink: starlink, outage: 25 s}",
        "  - {at: 30 s, uplink: starlink, outage: 25 s}\n  - {at: 50 s, uplink: starlink, hold: 2 s}",
        "s.yaml:11: starlink hold 2 s at 50 s overlaps starlink outage 25 s at 30 s (line 10); "
        "begin at 55 s or later",
    ),
    "event after the end": (
        "at: 30 s, uplink",
        "at: 80 s, uplink",
        "s.yaml:10: the event ends at 105 s, after the scenario; end by 90 s",
    ),
    "event of an unknown uplink": (
        "uplink: starlink, outage",
        "uplink: starlnk, outage",
        "s.yaml:10: unknown uplink 'starlnk'; did you mean 'starlink'?",
    ),
    "a ping that outlasts its interval": (
        "uplinks:",
        "hub: {timers: {interval: 1 s, timeout: 2 s}}\nuplinks:",
        "s.yaml:3: timeout is longer than the interval of 1 s; a ping has to fail before the next one leaves",
    ),
    "one lost BFD packet": (
        "uplinks:",
        "hub: {failover: bgp-bfd, bfd: {multiplier: 1}}\nuplinks:",
        "s.yaml:3: multiplier is 1; write 2 to 255: a single lost packet is no outage",
    ),
    "BFD in fractions": (
        "uplinks:",
        "hub: {bfd: {interval: 1.5 ms}}\nuplinks:",
        "s.yaml:3: interval is not whole milliseconds from 10 ms to 60 s; write one such as 300 ms",
    ),
    "a hold time that BGP lacks": (
        "uplinks:",
        "hub: {bfd: {hold: 1 s}}\nuplinks:",
        "s.yaml:3: hold is not whole seconds from 3 s on; write 3 s, the shortest that BGP knows, or more",
    ),
    "overflow without hysteresis": (
        "uplinks:",
        "hub: {failover: overflow, overflow: {busy: 50 ms, calm: 50 ms}}\nuplinks:",
        "s.yaml:3: calm is not below busy; leave a gap between the two, or flows go to and fro",
    ),
    "a connection without time": (
        "uplinks:",
        "hub: {connect_timeout: 10 ms}\nuplinks:",
        "s.yaml:3: connect_timeout is 10 ms; write 100 ms or more",
    ),
    "overflow that tries again at once": (
        "uplinks:",
        "hub: {overflow: {retry: 1 s}}\nuplinks:",
        "s.yaml:3: retry is shorter than leave takes; write leave x interval or more",
    ),
    "overflow that never returns": (
        "uplinks:",
        "hub: {overflow: {share: 0 %}}\nuplinks:",
        "s.yaml:3: share is 0 %; write more than 0 % and less than 100 %",
    ),
    "unknown uplink of an objective": (
        "metric: interruption, of: heartbeat, at_most: 3 s",
        "metric: backhaul_bytes, uplink: lt, at_most: 3 MB",
        "s.yaml:12: unknown uplink 'lt'; did you mean 'lte'?",
    ),
    "metric that looks at all uplinks": (
        "of: heartbeat",
        "uplink: lte",
        "s.yaml:12: interruption cannot be restricted to an uplink; leave 'uplink' away",
    ),
    "metric that looks at no traffic": (
        "metric: interruption, of: heartbeat, at_most: 3 s",
        "metric: metered_bytes, of: heartbeat, at_most: 3 MB",
        "s.yaml:12: metered_bytes looks at uplinks, not at traffic; leave 'of' away",
    ),
    "money without a currency": (
        "metric: interruption, of: heartbeat, at_most: 3 s",
        "metric: metered_cost, at_most: 0.05",
        "s.yaml:12: at_most of metered_cost is '0.05'; write a number and one of the units USD, such as '0.05 USD'",
    ),
    "uplink that the topology lacks": (
        "  lte: {",
        "  fibre: {fixed: {delay: 5 ms}}\n  lte: {",
        "s.yaml:5: topology hub-two-uplinks has no uplink 'fibre'; known: lte, starlink",
    ),
    "uplink without values": (
        "  lte: {fixed: {delay: 40 ms, rate: 30 Mbit/s, loss: 0.1 %}}\n",
        "",
        "s.yaml:3: uplink 'lte' of topology hub-two-uplinks has no trace and no fixed values; add 'lte: {trace: ...}'",
    ),
    "window outside the duration": (
        "at_most: 3 s",
        "at_most: 3 s, window: [30 s, 95 s]",
        "s.yaml:12: the window ends at 95 s, after the scenario; end by 90 s",
    ),
    "window that ends before it begins": (
        "at_most: 3 s",
        "at_most: 3 s, window: [50 s, 40 s]",
        "s.yaml:12: window [50 s .. 40 s] ends before it begins; write [from, to]",
    ),
    "unknown metric": (
        "metric: interruption",
        "metric: interuption",
        "s.yaml:12: unknown metric 'interuption'; did you mean 'interruption'?",
    ),
    "two bounds": (
        "at_most: 3 s",
        "at_most: 3 s, at_least: 1 s",
        "s.yaml:12: objective on interruption has two bounds; write at_most: or at_least: '3 s'",
    ),
    "metric of the wrong traffic": (
        "of: heartbeat",
        "of: lessons",
        "s.yaml:12: 0 traffics of kind udp-echo or udp-flows fit interruption; "
        "name one with 'of:' (heartbeat, lessons)",
    ),
    "unknown kind of traffic": (
        "kind: udp-echo",
        "kind: udp-ecko",
        "s.yaml:7: unknown kind of traffic 'heartbeat' 'udp-ecko'; did you mean 'udp-echo'?",
    ),
    "unknown node": (
        "from: client, to: tenant",
        "from: clint, to: tenant",
        "s.yaml:7: topology hub-two-uplinks has no node 'clint'; did you mean 'client'?",
    ),
    "unknown topology": (
        "topology: hub-two-uplinks",
        "topology: hub-two-uplink",
        "s.yaml:1: no topology 'hub-two-uplink' in topologies/; did you mean 'hub-two-uplinks'?",
    ),
    "unknown catalogue": (
        "catalogue: school-day",
        "catalogue: schoolday",
        "s.yaml:8: no catalogue 'schoolday' in scenarios/catalogues/; did you mean 'school-day'?",
    ),
    "key twice": (
        "duration: 90 s",
        "duration: 90 s\nduration: 80 s",
        "s.yaml:3: key 'duration' stands twice in scenario; write it once",
    ),
    "not YAML": (
        "uplinks:",
        "uplinks: [",
        "s.yaml:5: not YAML: expected ',' or ']', but got '<scalar>'",
    ),
}
"""name: (what stands in the good scenario, what stands there instead, the message)"""


def test_the_good_scenario_is_good(tmp_path: Path) -> None:
    """The scenario that the bad ones are made from has nothing wrong with it."""
    path = tmp_path / "s.yaml"
    path.write_text(GOOD)

    assert ["starlink", "lte"] == list(plan.make(path).links)


@pytest.mark.parametrize("name", BAD)
def test_a_bad_scenario_is_refused_with_its_place(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistake is answered with file, line, what was found and what would be right."""
    before, after, message = BAD[name]
    assert before in GOOD
    path = tmp_path / "s.yaml"
    path.write_text(GOOD.replace(before, after, 1))
    monkeypatch.chdir(tmp_path)

    with pytest.raises(InputError) as refusal:
        plan.make(path)

    assert str(refusal.value).startswith(message)


def test_all_mistakes_are_reported_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Independent mistakes come in one message, in the order of their lines."""
    path = tmp_path / "s.yaml"
    path.write_text(GOOD.replace("every: 10 ms", "every: 10").replace("duration: 90 s", "duration: 90"))
    monkeypatch.chdir(tmp_path)

    with pytest.raises(InputError) as refusal:
        plan.make(path)

    assert ["s.yaml:2", "s.yaml:7"] == [str(problem.place) for problem in refusal.value.problems]
