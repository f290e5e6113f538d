"""DHCP when many hubs ask at once: one server that answers message by message, and clients that ask again.

A client is that of RFC 2131: DISCOVER, OFFER, REQUEST, ACK; what is not answered is sent again after 4 s, then 8, 16,
32 and 64 s, each up to a second sooner or later (section 4.1); after five times it begins anew. The server answers in
the order of arrival; what finds its queue full is lost, and what it answers too late it answers all the same.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from testbed.errors import NOWHERE, Place, Problem
from testbed.model.quantities import Frequency
from testbed.yaml import load

SECOND_NS = 10**9
WAITS_NS = tuple(seconds * SECOND_NS for seconds in (4, 8, 16, 32, 64))
DESYNC_NS = SECOND_NS
"""RFC 2131, section 4.1: what a client waits for an answer, and by how much each wait is drawn shorter or longer."""


@dataclass(frozen=True)
class LeaseServer:
    """The DHCP server behind an uplink of all hubs: messages that it answers in a second, and that wait at most."""

    rate: Frequency
    queue: int = 100
    place: Place = field(default=NOWHERE, compare=False, repr=False)
    name: str = load.of_key()

    def problems(self) -> Iterable[Problem]:
        if self.rate <= 0:
            yield Problem(self.place.at("rate"), "the server answers nothing", "write a rate such as 50/s")
        if self.queue < 1:
            yield Problem(self.place.at("queue"), f"queue is {self.queue}", "write 1 or more messages")


@dataclass(frozen=True)
class LeaseAsk:
    """A client, by number, begins to ask at ``t_ns``; ``rtt_ns`` is the way to the server and back."""

    client: int
    t_ns: int
    rtt_ns: int


@dataclass(frozen=True, eq=False)
class LeaseStorm:
    """What came of it: when each ask had its lease (-1: not by the end), and when each message reached the server;
    ``dropped`` of these found its queue full."""

    asks: Sequence[LeaseAsk]
    leased_ns: NDArray[np.int64]
    messages_ns: NDArray[np.int64]
    dropped: int


class _LeaseStep(IntEnum):
    """What a client waits for: nothing yet, an OFFER, an ACK, nothing more."""

    BEGIN = 0
    SELECTING = 1
    REQUESTING = 2
    BOUND = 3


class _LeaseEvent(IntEnum):
    SEND = 0
    ARRIVE = 1
    ANSWER = 2


def storm(asks: Sequence[LeaseAsk], server: LeaseServer, end_ns: int, seed: int) -> LeaseStorm:
    """Play the asks until the end; the same every time for one seed."""
    service_ns = round(SECOND_NS / server.rate)
    drawn = [random.Random(f"{seed}/{ask.client}/{ask.t_ns}/lease") for ask in asks]
    step = [_LeaseStep.BEGIN] * len(asks)
    tries, turn = [0] * len(asks), [0] * len(asks)  # of a wait that is over, by its turn, nothing comes
    leased, messages = np.full(len(asks), -1, np.int64), list[int]()
    free_ns, dropped, number = 0, 0, itertools.count()
    events = [(ask.t_ns, next(number), _LeaseEvent.SEND, i, _LeaseStep.SELECTING, 0) for i, ask in enumerate(asks)]
    heapq.heapify(events)

    def later(t_ns: int, event: _LeaseEvent, i: int, asked: _LeaseStep) -> None:
        heapq.heappush(events, (t_ns, next(number), event, i, asked, turn[i]))

    while events and events[0][0] < end_ns:
        t, _, event, i, asked, of_turn = heapq.heappop(events)
        way_ns = asks[i].rtt_ns // 2
        if event is _LeaseEvent.SEND:
            if step[i] is _LeaseStep.BOUND or of_turn != turn[i]:
                continue
            if tries[i] == len(WAITS_NS):
                asked, tries[i] = _LeaseStep.SELECTING, 0
            step[i] = asked
            wait = WAITS_NS[tries[i]] + int(drawn[i].uniform(-DESYNC_NS, DESYNC_NS))
            tries[i] += 1
            later(t + way_ns, _LeaseEvent.ARRIVE, i, asked)
            later(t + wait, _LeaseEvent.SEND, i, asked)
        elif event is _LeaseEvent.ARRIVE:
            messages.append(t)
            if free_ns - t > server.queue * service_ns:
                dropped += 1
                continue
            free_ns = max(free_ns, t) + service_ns
            later(free_ns + way_ns, _LeaseEvent.ANSWER, i, asked)
        elif step[i] is asked:
            turn[i], tries[i] = turn[i] + 1, 0
            if asked is _LeaseStep.SELECTING:
                later(t, _LeaseEvent.SEND, i, _LeaseStep.REQUESTING)
            else:
                step[i], leased[i] = _LeaseStep.BOUND, t
    return LeaseStorm(tuple(asks), leased, np.array(messages, np.int64), dropped)
