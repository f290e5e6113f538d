"""Real links in cells that light hubs fill, in logical time: every departure to the nanosecond."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from testbed.errors import RunError
from testbed.link import light_plan
from testbed.link.light import LightFleet
from testbed.link.light_plan import (
    HEADER,
    LANE,
    HubMove,
    LightHub,
    LightLane,
    LightPlan,
    LightStream,
    LoadKind,
)
from testbed.link.simulated import NO_ROOM, Packets, SimulatedLink, run
from testbed.model.cell import Cell
from testbed.model.link import LinkSchedule, QueueLimit
from tests.unit.link.slow_cell import Sent, departures

MS, S = 10**6, 10**9
EF = 46
SEED = 3
PLAIN = LinkSchedule.constant()
WORD = 2**64 - 1


def first_draw(hub: int) -> float:
    """Return the first random number of a hub, as fleet.c draws it: SplitMix64's finaliser."""
    x = ((SEED * 0x9E3779B97F4A7C15) & WORD) ^ hub << 40
    x = (x + 0xD1342543DE82EF95) & WORD
    x = ((x ^ x >> 30) * 0xBF58476D1CE4E5B9) & WORD
    x = ((x ^ x >> 27) * 0x94D049BB133111EB) & WORD
    return ((x ^ x >> 31) >> 11) * 2.0**-53


def beating(n: int, every_ns: int, cell: Cell, *, dscp: int = 0, size: int = 1000) -> LightPlan:
    """Return the plan of light hubs that send up through the cell at an even pace, for two seconds."""
    hubs = [LightHub([(LightLane(PLAIN, cell="beam"), LightLane(PLAIN))]) for _ in range(n)]
    moves = [HubMove(0, hub, 0) for hub in range(n)]
    stream = LightStream(LoadKind.BEAT, every_ns, size, dscp)
    return light_plan.plan(hubs, {"beam": cell}, [stream], moves, duration_ns=2 * S, seed=SEED)


def joined(plan: LightPlan, *schedules: LinkSchedule) -> tuple[LightFleet, list[SimulatedLink]]:
    """Open a fleet and real links, one for each schedule, that share its cell."""
    fleet, links = LightFleet(plan), [SimulatedLink(schedule) for schedule in schedules]
    for link in links:
        link.start(0)
        fleet.share(link, "beam")
    return fleet, links


packets = st.lists(
    st.tuples(st.integers(0, 9 * MS), st.integers(0, 1), st.integers(64, 1514), st.booleans()), min_size=1, max_size=15
)


@settings(max_examples=25)
@given(packets, st.lists(st.sampled_from([900_000, 7_654_321, 50_000_000]), min_size=3, max_size=3), st.booleans())
def test_real_packets_leave_a_cell_as_the_slow_model_says(drawn, rates: list[int], by_class: bool) -> None:
    """Two real links and five light hubs in one cell of changing rate, in order or by class."""
    t_ns = np.array([0, 40, 90], np.int64) * MS
    beam = LinkSchedule(
        t_ns, np.zeros(3, np.int64), np.zeros(3), np.array(rates), np.zeros(3, np.uint8), 150 * MS, repeat=True
    )
    cell = Cell("beam", beam, classes=(frozenset({EF}),) if by_class else ())
    delays = [LinkSchedule.constant(delay_ns=d * MS) for d in (2, 30)]
    every, n = 40 * MS, 5
    fleet, links = joined(beating(n, every, cell), *delays)
    real, now = [], 0
    for gap, link, size, urgent in drawn:
        now += gap
        real.append(Sent(now, n + link, size, 0 if urgent or not by_class else 1))
    light = [
        Sent(int(first_draw(hub) * every) + k * every, hub, 1000, int(by_class))
        for hub in range(n)
        for k in range(S // every)
    ]
    order = sorted([*light, *real], key=lambda packet: (packet.t, packet.link))
    expected = departures(beam, [PLAIN] * n + delays, order, horizon=10**12)

    def through(link: int) -> Packets:
        mine = sorted((p for p in real if p.link == n + link), key=lambda packet: packet.t)
        marks = np.array([EF if not p.urgency else 0 for p in mine], np.uint8)
        return Packets.of(np.array([p.t for p in mine], np.int64), np.array([p.size for p in mine], np.uint32), marks)

    transits = run(links, [through(0), through(1)])
    fleet.close()

    for link, transit in enumerate(transits):
        mine = [t for p, t in zip(order, expected, strict=True) if p.link == n + link]
        by_number = dict(zip(transit.number.tolist(), transit.depart_ns.tolist(), strict=True))
        assert mine == [by_number[i] for i in range(len(mine))]


def test_a_real_link_gets_what_light_hubs_leave() -> None:
    """A cell alone takes 8 ms for 1,000 bytes; with light hubs that send 0.9 of its rate longer; overfull, it drops."""
    cell = Cell("beam", LinkSchedule.constant(rate_bps=1_000_000, queue=QueueLimit(time_ns=100 * MS)))
    sent = Packets.of(np.arange(0, S, 37 * MS), 1000)
    delays, lost = [], []
    for n in (0, 36, 120):
        plan = beating(n, 320 * MS, cell) if n else light_plan.plan((), {"beam": cell}, (), duration_ns=S)
        fleet, links = joined(plan, LinkSchedule.constant(delay_ns=MS))
        (transit,) = run(links, [sent])
        arrived = transit.depart_ns - sent.t_ns[transit.number.astype(np.int64)]
        delays.append(arrived.mean())
        lost.append(int((transit.fate == NO_ROOM).sum()))
        fleet.close()

    assert 9 * MS == delays[0] < delays[1] < delays[2]
    assert (0, 0) == (lost[0], lost[1]) and lost[2] > 10


@settings(max_examples=20)
@given(st.lists(st.integers(0, 300 * MS), min_size=1, max_size=12), st.integers(0, 2**32))
def test_the_steps_in_which_it_runs_do_not_matter(steps: list[int], seed: int) -> None:
    """As logical time runs it, at once, or bit by bit as linkd does: the same figures, to the bit."""
    lane = LightLane(LinkSchedule.constant(delay_ns=7 * MS, loss=0.01), cell="beam")
    hubs = [LightHub([(lane, lane)], users=2, sizes=(20_000,)) for _ in range(5)]
    streams = [LightStream(LoadKind.BEAT, 30 * MS, 100, EF), LightStream(LoadKind.FETCH, 100 * MS)]
    cell = Cell("beam", LinkSchedule.constant(rate_bps=4_000_000, queue=QueueLimit(time_ns=50 * MS)))
    moves = [HubMove(0, hub, 0) for hub in range(5)]
    plan = light_plan.plan(hubs, {"beam": cell}, streams, moves, duration_ns=2 * S, seed=seed)
    whole, stepped = LightFleet(plan), LightFleet(plan)

    whole.run(2 * S - 1)
    now = 0
    for step in steps:
        now += step
        stepped.run(min(now, 2 * S - 1))
    stepped.run(2 * S - 1)

    assert whole.tallies().bins.tobytes() == stepped.tallies().bins.tobytes()
    assert whole.tallies().delays.sum() > 100
    whole.close()
    stepped.close()


def test_a_real_hub_sends_nothing_by_itself() -> None:
    """The load of a hub that is real is not made; the others' is what it would be anyway."""
    lane = LightLane(LinkSchedule.constant(delay_ns=MS))
    hubs = [LightHub([(lane, lane)], real=number == 1) for number in range(3)]
    moves = [HubMove(0, hub, 0) for hub in range(3)]
    plan = light_plan.plan(hubs, {}, [LightStream(LoadKind.BEAT, 100 * MS, 100)], moves, duration_ns=2 * S)
    fleet = LightFleet(plan)
    fleet.run(2 * S - 1)

    assert [20, 0, 20] == fleet.tallies().bins["packets"][0].sum(axis=0).tolist()
    fleet.close()


def test_a_faulty_plan_is_refused() -> None:
    """A plan that is cut off, or names a station that is not there, is an error, not a crash."""
    plan = beating(2, 100 * MS, Cell("beam", LinkSchedule.constant(rate_bps=10**6)))
    unknown = plan.block.copy()
    lanes = int(plan.header["lanes"])
    unknown[lanes : lanes + LANE.itemsize].view(LANE)["station"] = 7
    other = plan.block.copy()
    other[0] = 0
    faults = {
        "not a fleet's plan": (other, plan.block[: HEADER.itemsize]),
        "a lane's schedule is faulty, or its station unknown": (unknown,),
    }
    for said, blocks in faults.items():
        for block in blocks:
            with pytest.raises(RunError, match=f"the fleet's plan: {said}"):
                LightFleet(replace(plan, block=block))
