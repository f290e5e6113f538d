"""A cell, slowly and obviously: one server in exact fractions for all that its links send, by class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from testbed.model.link import LinkSchedule
from tests.unit.link.slow_link import SlowLink


@dataclass(frozen=True)
class Sent:
    """A packet: when, through which link, how long, and how urgent (0 goes first)."""

    t: int
    link: int
    size: int
    urgency: int = 0


def departures(
    cell: LinkSchedule, links: Sequence[LinkSchedule], sent: Sequence[Sent], horizon: int
) -> list[int]:
    """Return when each packet leaves its link; the cell's queue is unlimited, its links lose nothing.

    A packet is taken when the server is free: the most urgent of those that wait, in order of arrival.
    """
    server = SlowLink(cell, horizon)
    delays = [SlowLink(link, horizon) for link in links]
    last = [-1] * len(links)
    left: dict[int, int] = {}
    waiting, free = list(range(len(sent))), Fraction(0)
    while waiting:
        here = [i for i in waiting if sent[i].t < ceil(free)]
        i = min(here, key=lambda i: sent[i].urgency) if here else waiting[0]
        waiting.remove(i)
        end = server.service(max(Fraction(sent[i].t), free), sent[i].size)
        assert end is not None
        free, link = end, sent[i].link
        last[link] = max(ceil(end) + delays[link].delay(ceil(end)), last[link])
        left[i] = last[link]
    return [left[i] for i in range(len(sent))]
