"""Light hubs in logical time: what arrives, when, and through whose cell, to the packet."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from testbed.link import light_plan
from testbed.link.light import LightFleet
from testbed.link.light_plan import HubMove, LaneCut, LightHub, LightLane, LightStream, LoadKind, Tallies
from testbed.link.simulated import NO_ROOM, SimulatedLink
from testbed.model.cell import Cell
from testbed.model.link import LinkSchedule, QueueLimit

MS, S = 10**6, 10**9
EF = 46
BEAT = LightStream(LoadKind.BEAT, 100 * MS, 100, EF)


def lanes(delay_ns: int, cell: str = "") -> tuple[LightLane, LightLane]:
    """Return both directions of an uplink; the one down goes through a cell."""
    schedule = LinkSchedule.constant(delay_ns=delay_ns)
    return LightLane(schedule), LightLane(schedule, cell=cell)


def beam(rate_bps: int, *, classes: bool = False) -> dict[str, Cell]:
    schedule = LinkSchedule.constant(rate_bps=rate_bps, queue=QueueLimit(time_ns=100 * MS))
    return {"beam": Cell("beam", schedule, (frozenset({EF}),) if classes else (), apart=classes)}


def played(
    hubs: Sequence[LightHub],
    streams: Sequence[LightStream],
    actions: Sequence[HubMove | LaneCut] = (),
    cells: dict[str, Cell] | None = None,
    *,
    seconds: int = 10,
    seed: int = 1,
    admits: dict[str, int] | None = None,
    shares: NDArray[np.float64] | None = None,
) -> Tallies:
    """Play a fleet whose hubs are all on their first uplink from the start."""
    first: list[HubMove | LaneCut] = [HubMove(0, hub, 0) for hub in range(len(hubs))]
    moves = [*first, *actions]
    plan = light_plan.plan(
        hubs, cells or {}, streams, moves, duration_ns=seconds * S, seed=seed, admits=admits, shares=shares
    )
    fleet = LightFleet(plan)
    fleet.run(seconds * S - 1)
    try:
        return fleet.tallies()
    finally:
        fleet.close()


def test_a_beat_takes_both_ways() -> None:
    """Ten beats a second over 20 ms each way: each is answered after 40 ms, to the nanosecond."""
    tallies = played([LightHub([lanes(20 * MS)])], [BEAT])
    bins = tallies.bins[0]

    assert 100 == bins["packets"].sum()
    assert {40 * MS} == {int(delay) for delay in bins["delay_ns_max"].ravel()}
    assert bins["arrived"].sum() * 40 * MS == bins["delay_ns"].sum()
    assert bins["arrived"].sum() == tallies.delays.sum()


def test_hubs_behind_one_cell_share_its_rate() -> None:
    """Three hubs are sent 1 Mbit/s each through 1.5 Mbit/s: a third of that each, within what chance allows."""
    hubs = [LightHub([lanes(5 * MS, "beam")]) for _ in range(3)]
    flow = LightStream(LoadKind.FLOW, 1200 * 8 * S // 1_000_000, 1200)
    carried = played(hubs, [flow], cells=beam(1_500_000), seconds=120).bins["carried"][0].sum(axis=0) * 8 / 120

    assert 1_500_000 == pytest.approx(carried.sum(), rel=0.01)
    assert carried == pytest.approx(np.full(3, 500_000), rel=0.05)


def test_the_upper_tier_is_served_first_and_has_a_queue_of_its_own() -> None:
    """With strict classes the marked flow is whole, and loses nothing to a queue that the other fills."""
    hubs = [LightHub([lanes(5 * MS, "beam")]) for _ in range(2)]
    urgent, plain = 1200 * 8 * S // 200_000, 1200 * 8 * S // 800_000
    streams = [LightStream(LoadKind.FLOW, urgent, 1200, EF), LightStream(LoadKind.FLOW, plain, 1200)]
    bins = played(hubs, streams, cells=beam(1_500_000, classes=True), seconds=60).bins

    assert 0 == bins["lost"][0].sum() < bins["lost"][1].sum()
    rest = 1_500_000 - bins["carried"][0].sum() * 8 / 60
    assert rest == pytest.approx(bins["carried"][1].sum() * 8 / 60, rel=0.01)


def test_a_queue_limit_of_each_class() -> None:
    """A class whose queue is full loses its packets, the other has room; together they would share it."""
    limit = QueueLimit(packets=2)
    for apart, fate in ((False, NO_ROOM), (True, 0)):
        cell = Cell("b", LinkSchedule.constant(rate_bps=1_000_000, queue=limit), (frozenset({EF}),), apart=apart)
        link = SimulatedLink(cell.schedule)
        link.classify(cell)
        link.start(0)
        transit = link.send(np.zeros(4, np.int64), 1250, np.array([0, 0, 0, EF], np.uint8))

        assert [0, 0, NO_ROOM, fate] == transit.fate.tolist()
        link.close()


def test_an_outage_costs_what_is_sent_until_the_hub_moves() -> None:
    """Cut at 3 s and moved at 4 s: a second of beats is lost, the rest goes the other way."""
    hub = LightHub([lanes(20 * MS), lanes(50 * MS)])
    tallies = played([hub], [BEAT], [LaneCut(3 * S, 8 * S, 0, 0), HubMove(4 * S, 0, 1)])
    bins = tallies.bins[0]

    assert bins["lost"].sum() in (10, 11)  # the answer to one more may have been on its way
    assert 100 * MS == bins["delay_ns_max"][9, 0]
    assert tallies.out_of[0, 1, 1] == 100 * bins["arrived"][4:].sum()


def test_a_full_cell_admits_nobody_until_somebody_leaves() -> None:
    """Of three hubs two are in; the third comes in when the first has left, and is unheard before."""
    hubs = [LightHub([lanes(MS, "beam"), lanes(MS)]) for _ in range(3)]
    bins = played(hubs, [BEAT], [HubMove(5 * S, 0, 1)], beam(10**6), admits={"beam": 2}).bins[0]

    assert [True, True, False] == [bool(n) for n in bins["arrived"][:5].sum(axis=0)]
    assert bins["arrived"][7:, 2].sum() == 30


def test_users_fetch_objects_whole() -> None:
    """One user, 1 MB at 10 Mbit/s over 10 ms each way: its packets' time, a request, the window's start."""
    hub = LightHub([lanes(10 * MS, "beam")], users=1, sizes=(1_000_000,))
    tallies = played([hub], [LightStream(LoadKind.FETCH, S)], cells=beam(10_000_000), seconds=60)
    bins = tallies.bins[0]

    mean = bins["done_ns"].sum() / bins["done"].sum()
    assert 0.8 * S < mean < 1.2 * S
    assert bins["done"].sum() > 20
    whole = bins["done"].sum() * 1_000_000
    assert whole <= bins["carried"].sum() < whole + 1_000_000


def test_a_fetch_goes_on_over_another_uplink() -> None:
    """What a cut interrupts is finished where the hub has gone, after the sender's time-out."""
    hub = LightHub([lanes(10 * MS, "beam"), lanes(30 * MS, "mast")], users=1, sizes=(4_000_000,))
    cells = {**beam(8_000_000), "mast": Cell("mast", LinkSchedule.constant(rate_bps=4_000_000))}
    actions = [LaneCut(2 * S, 60 * S, 0, 0), HubMove(3 * S, 0, 1)]
    tallies = played([hub], [LightStream(LoadKind.FETCH, 10 * MS)], actions, cells, seconds=30)

    assert tallies.bins[0]["done"].sum() >= 1
    assert tallies.out_of[0, 1, 1] > 4_000_000


def test_what_enters_a_lane_leaves_it_or_is_lost() -> None:
    """Bytes into every lane are bytes out of it, what its full queue refused, and what is on its way."""
    hubs = [LightHub([lanes(5 * MS, "beam")], users=3, sizes=(50_000, 400_000)) for _ in range(4)]
    moves = [HubMove(0, hub, 0) for hub in range(4)]
    streams = [LightStream(LoadKind.FETCH, 2 * S)]
    fleet = LightFleet(light_plan.plan(hubs, beam(2_000_000), streams, moves, duration_ns=40 * S))
    fleet.run(40 * S - 1)
    tallies, inside = fleet.tallies(), fleet.inside
    fleet.close()
    bins = tallies.bins[0]

    refused = int((tallies.into - tallies.out_of)[:, 0, 1].sum())
    assert bins["lost"].sum() > 0
    assert bins["offered"].sum() == tallies.into[:, 0, 1].sum()
    assert 0 <= refused - int(bins["lost"].sum()) * 1000 <= (int(bins["lost"].sum()) + inside) * 1500


def test_the_seed_decides() -> None:
    """The same seed plays the same packets to the bit; another plays others."""

    def once(seed: int) -> bytes:
        hubs = [LightHub([lanes(5 * MS, "beam")], users=5, sizes=(50_000,)) for _ in range(3)]
        return played(hubs, [LightStream(LoadKind.FETCH, S)], cells=beam(3_000_000), seed=seed).bins.tobytes()

    assert once(1) == once(1) != once(2)


def test_a_refill_is_fetched_on_return() -> None:
    """Back at 5 s the hub's cache takes a megabyte more than its users ask for, of whom there are none."""
    hub = LightHub([lanes(5 * MS), lanes(5 * MS)], users=0, sizes=(1000,))
    tallies = played([hub], [LightStream(LoadKind.FETCH, S)], [HubMove(2 * S, 0, 1), HubMove(5 * S, 0, 0, 1_000_000)])

    assert 1_000_000 == tallies.bins[0]["carried"].sum() == tallies.bins[0]["carried"][5:7].sum()


def test_a_day_leaves_out_packets_and_questions_but_no_beat() -> None:
    """Hour by hour 0 %, 20 % and 100 % of 10 packets/s and of 20 users who ask each half minute; beats go on."""
    hours, n = np.repeat([0.0, 0.2, 1.0], 3600), 3 * 3600
    streams = [
        LightStream(LoadKind.BEAT, S, 100), LightStream(LoadKind.FLOW, S // 10, 100),
        LightStream(LoadKind.FETCH, 30 * S),
    ]  # fmt: skip
    bins = played([LightHub([lanes(MS)], 20, (1000,))], streams, seconds=n, shares=hours).bins
    beats, flow, _ = bins["packets"].reshape(3, 3, 3600).sum(axis=2).tolist()
    asked = bins["done"][2].reshape(3, 3600).sum(axis=1).tolist()

    assert [3600, 3600, 3600] == beats
    assert [0, 7200, 36000] == pytest.approx(flow, rel=0.05)  # four standard deviations of the 7200
    assert [0, 480, 2400] == pytest.approx(asked, rel=0.2)


def test_a_whole_share_is_the_load_of_a_plan_without_a_day() -> None:
    """With all of it at all times as many packets come as without a day, within chance."""
    hubs, flow = [LightHub([lanes(MS)])], LightStream(LoadKind.FLOW, S // 100, 100)
    whole = played(hubs, [flow], seconds=100, shares=np.ones(100))

    assert 10_000 == pytest.approx(int(whole.bins["packets"].sum()), rel=0.05)
