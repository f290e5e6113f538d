"""The engine against the slow model, packet for packet, on schedules and arrivals that hypothesis finds."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from testbed.link.simulated import ACCEPTED, CUT, LOST, NO_ROOM, SimulatedLink
from testbed.model.link import LinkSchedule, LinkState, QueueLimit
from tests.unit.link.slow_link import SlowLink

MS = 10**6
PATIENCE = 100 * MS
FATES = {"lost": LOST, "cut": CUT, "full": NO_ROOM}


@st.composite
def schedules(draw: st.DrawFn) -> LinkSchedule:
    """Draw a schedule with a few segments whose lengths are near a packet's time of service."""
    n = draw(st.integers(1, 6))
    lengths = draw(st.lists(st.just(1) | st.integers(MS // 10, 3 * MS), min_size=n, max_size=n))
    rates = st.sampled_from([0, 1, 9_600, 1_000_000, 7_654_321, 100_000_000, 12 * 10**12])
    states = st.sampled_from([LinkState.PASS, LinkState.PASS, LinkState.PASS, LinkState.HOLD, LinkState.CUT])

    def column(values: st.SearchStrategy[int], kind: type) -> np.ndarray:
        return np.array(draw(st.lists(values, min_size=n, max_size=n)), kind)

    return LinkSchedule(
        t_ns=np.cumsum([0, *lengths[:-1]]).astype(np.int64),
        delay_ns=column(st.integers(0, 5 * MS), np.int64),
        loss=np.zeros(n),
        rate_bps=column(rates, np.int64),
        state=column(states, np.uint8),
        end_ns=sum(lengths) + MS // 2,
        repeat=draw(st.booleans()),
        interpolate=draw(st.booleans()),
        queue=draw(
            st.builds(
                QueueLimit,
                bytes=st.sampled_from([0, 0, 1500, 6000]),
                packets=st.sampled_from([0, 0, 1, 3]),
                time_ns=st.sampled_from([0, 0, MS, 20 * MS]),
            )
        ),
    )


arrivals = st.lists(st.tuples(st.integers(0, 2 * MS), st.integers(1, 1600)), min_size=1, max_size=30)


def engine(schedule: LinkSchedule, t: np.ndarray, sizes: np.ndarray) -> list[int | str]:
    """Return what became of each packet, in the slow model's words."""
    link = SimulatedLink(schedule)
    link.start(0)
    transit = link.send(t, sizes, until_ns=int(t[-1]) + PATIENCE)
    link.close()
    left = dict(zip(transit.number.tolist(), transit.depart_ns.tolist(), strict=True))
    words = {fate: word for word, fate in FATES.items()}
    return [words[f] if f != ACCEPTED else left.get(i, "stuck") for i, f in enumerate(transit.fate.tolist())]


@given(schedules(), arrivals)
def test_every_packet_fares_as_in_the_slow_model(
    schedule: LinkSchedule, packets: list[tuple[int, int]]
) -> None:
    """Drops, times of service over changing rates, delays and order agree to the nanosecond."""
    t = np.cumsum([gap for gap, _ in packets]).astype(np.int64)
    sizes = np.array([size for _, size in packets], np.uint32)
    slow = SlowLink(schedule, horizon=int(t[-1]) + PATIENCE)

    expected = [slow.send(a, n) for a, n in zip(t.tolist(), sizes.tolist(), strict=True)]

    assert expected == engine(schedule, t, sizes)
