"""What a back end cannot play is refused, each time with the reason and what to use instead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from testbed.errors import InputError, Place
from testbed.link import needs
from testbed.link.backend import Capabilities, LinkSpec
from testbed.link.delivery import delivery_segments
from testbed.link.netem import NetemBackend
from testbed.model.impairments import Impairments
from testbed.model.link import LinkSchedule, LinkState, QueueLimit

MS = 10**6
PLAIN = LinkSchedule.constant(delay_ns=25 * MS, loss=0.01, rate_bps=10**7, queue=QueueLimit(time_ns=50 * MS))


def states(*segments: tuple[int, LinkState]) -> LinkSchedule:
    """Return a schedule of (length in ms, state)."""
    lengths = np.array([length * MS for length, _ in segments], np.int64)
    n = len(segments)
    return LinkSchedule(
        t_ns=np.concatenate([[0], np.cumsum(lengths[:-1])]).astype(np.int64),
        delay_ns=np.zeros(n, np.int64),
        loss=np.zeros(n),
        rate_bps=np.zeros(n, np.int64),
        state=np.array([state for _, state in segments], np.uint8),
        end_ns=int(lengths.sum()),
    )


def losses(*lengths_ms: int) -> LinkSchedule:
    """Return a schedule with a certain loss of each length, 100 ms apart."""
    starts = 100 * MS * np.arange(1, len(lengths_ms) + 1)
    t = np.stack([starts, starts + MS * np.array(lengths_ms)], axis=1).ravel()
    n = len(t) + 1
    return LinkSchedule(
        t_ns=np.insert(t, 0, 0).astype(np.int64),
        delay_ns=np.zeros(n, np.int64),
        loss=np.array([0.0] + [1.0, 0.0] * len(lengths_ms)),
        rate_bps=np.zeros(n, np.int64),
        state=np.zeros(n, np.uint8),
        end_ns=int(t[-1]) + MS,
    )


def opportunities() -> LinkSchedule:
    t, rate, state = delivery_segments(np.array([10, 20, 40], np.int64) * MS)
    return LinkSchedule(t, np.zeros(len(t), np.int64), np.zeros(len(t)), rate, state, 60 * MS)


REFUSED: list[tuple[str, Mapping[str, object], str]] = [
    (
        "hold",
        {"up": states((2000, LinkState.PASS), (500, LinkState.HOLD))},
        "starlink up: netem cannot hold packets, as asked at 2 s; "
        "write an outage instead of a hold, or use --link native",
    ),
    (
        "recorded losses",
        {"down": losses(10, 60, 20)},
        "starlink down: netem cannot lose packets as recorded: 2 losses or outages are shorter than 50 ms, "
        "the first at 100 ms; use --link native",
    ),
    (
        "short outage",
        {"up": states((30, LinkState.PASS), (49, LinkState.CUT), (10, LinkState.PASS))},
        "starlink up: netem cannot lose packets as recorded: a loss or outage is shorter than 50 ms, "
        "at 30 ms; use --link native",
    ),
    (
        "delivery opportunities",
        {"up": opportunities()},
        "starlink up: netem cannot serve single packets at recorded instants (a delivery trace); use --link native",
    ),
    (
        "impairments",
        {"up_impairments": Impairments(duplicate=0.1)},
        "starlink up: netem cannot reorder, duplicate or corrupt packets as a profile asks; use --link native",
    ),
    (
        "cell",
        {"down_cell": "beam"},
        "starlink down: netem cannot share the cell 'beam' between links; use --link native",
    ),
    (
        "two queue limits",
        {"up": LinkSchedule.constant(queue=QueueLimit(packets=5, bytes=6000))},
        "starlink up: netem cannot limit a queue both in packets and in bytes or time; "
        "write one limit or use --link native",
    ),
]  # fmt: skip


def spec(**fields: Any) -> LinkSpec:
    return LinkSpec("starlink", "a", "b", **({"up": PLAIN, "down": PLAIN} | fields))


@pytest.mark.parametrize(
    ("fields", "message"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_what_netem_cannot_play_is_refused(fields: Mapping[str, object], message: str):
    """Each need that netem lacks has its message; the engine's own physics have none of them."""
    played = needs.directions(spec(**fields))

    with pytest.raises(InputError) as refused:
        needs.refuse("netem", NetemBackend.capabilities, played)

    assert message == str(refused.value)
    needs.refuse("native", Capabilities(), played)


def test_plain_schedules_are_not_refused():
    """Delay, rate, random loss, one queue limit, and outages and losses of 50 ms and more are netem's own."""
    outage = states((100, LinkState.PASS), (50, LinkState.CUT), (10, LinkState.PASS))

    needs.refuse("netem", NetemBackend.capabilities, needs.directions(spec(up=outage, down=losses(50, 500))))


def test_losses_that_join_an_outage_count_with_it():
    """A recorded loss right before an outage is not a short one."""
    both = states((100, LinkState.PASS), (10, LinkState.PASS), (45, LinkState.CUT), (10, LinkState.PASS))
    both.loss[1] = 1.0

    needs.refuse("netem", NetemBackend.capabilities, needs.directions(spec(up=both)))


def test_all_refusals_are_told_at_once_and_in_place():
    """Two directions that cannot be played are two problems, at the place where the uplink was written."""
    hold, late = states((10, LinkState.HOLD), (10, LinkState.PASS)), states((10, LinkState.PASS), (10, LinkState.HOLD))
    place = Place("scenarios/x.yaml", 7)

    with pytest.raises(InputError) as refused:
        needs.refuse("netem", NetemBackend.capabilities, needs.directions(spec(up=hold, down=late), place))

    assert 2 == len(refused.value.problems)
    assert str(refused.value).startswith("scenarios/x.yaml:7: netem cannot hold packets, as asked at 0 s;")


def test_opening_refuses_before_anything_is_looked_at(tmp_path):
    """The back end itself refuses as well, and writes nothing."""
    with pytest.raises(InputError, match="cannot hold packets"):
        NetemBackend(tmp_path / "link").open([spec(up=states((10, LinkState.HOLD)))])

    assert not (tmp_path / "link").exists()
