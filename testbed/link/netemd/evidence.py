"""The evidence of netem links, kept where linkd keeps its own: shared counters, and records in a file."""

from __future__ import annotations

import mmap
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from testbed.link.layout import BIN, COUNTERS, RUN_STATS, STATS_MAGIC
from testbed.link.netemd.counters import DeviceCounters
from testbed.link.netemd.steps import Setting

BIN_NS = 10_000_000
LATE_NS = 5_000_000
"""A change that comes later than this is a stall: the link was not what the schedule says."""
_SLEEPS, _SCHED_FIFO = 1, 1  # enum spin and enum scheduling of linkd
_ADDED_UP = (
    *("packets_in", "bytes_in", "packets_out", "bytes_out", "lost", "cut", "queue_drops"),
    *("marked_out", "marked_new_out"),
)


@dataclass(frozen=True)
class Queued:
    """What netem and the token bucket of one direction dropped so far, and what is inside them."""

    lost: int
    queue_drops: int
    packets: int
    waiting_bytes: int


@dataclass(frozen=True)
class Reading:
    """All that the kernel counts of one direction, at one time."""

    entered: DeviceCounters
    left: DeviceCounters
    queued: Queued
    marked: int
    marked_new: int


class Tally:
    """What one direction did since its start, from readings of counters that ran before it."""

    def __init__(self, first: Reading) -> None:
        self._first = first
        self._settled = first.entered.packets_in
        self._cut = 0
        self._loss_asked = 0.0

    def settle(self, entered: DeviceCounters, setting: Setting) -> None:
        """Put what has entered since the last call to the account of the setting that held meanwhile.

        netem does not tell a cut from a loss; only the time at which a packet entered does.
        """
        packets = entered.packets_in - self._settled
        self._settled = entered.packets_in
        if setting.cut:
            self._cut += packets
        else:
            self._loss_asked += packets * setting.loss

    def counters(self, now: Reading) -> Mapping[str, int]:
        """Return the fields of layout.COUNTERS that netem can tell."""
        first = self._first
        dropped = now.queued.lost - first.queued.lost
        return {
            "packets_in": now.entered.packets_in - first.entered.packets_in,
            "bytes_in": now.entered.bytes_in - first.entered.bytes_in,
            "packets_out": now.left.packets_in - first.left.packets_in,
            "bytes_out": now.left.bytes_in - first.left.bytes_in,
            "lost": max(dropped - self._cut, 0),
            "cut": min(dropped, self._cut),
            "queue_drops": now.queued.queue_drops - first.queued.queue_drops,
            "marked_out": now.marked - first.marked,
            "marked_new_out": now.marked_new - first.marked_new,
            "inside": now.queued.packets,
            "device_drops": now.entered.dropped
            - first.entered.dropped
            + now.left.dropped
            - first.left.dropped,
            "loss_asked": round(self._loss_asked * 2**32),
        }


class NetemEvidence:
    """Counters of all lanes (2 * link + direction) in memory that a parent maps, and links.bins."""

    def __init__(self, n_lanes: int, records: Path) -> None:
        size = RUN_STATS.itemsize + n_lanes * COUNTERS.itemsize
        self.descriptor = os.memfd_create("netem-statistics")
        os.truncate(self.descriptor, size)
        memory = mmap.mmap(self.descriptor, size)
        self._run = np.frombuffer(memory, RUN_STATS, 1)
        self._lanes = np.frombuffer(memory, COUNTERS, offset=RUN_STATS.itemsize)
        self._run["magic"], self._run["n_lanes"], self._run["spin"] = STATS_MAGIC, n_lanes, _SLEEPS
        self._lanes["first_ns"] = self._lanes["last_ns"] = -1
        self._records = records.open("wb", buffering=0)
        self._away_until_ns = 0

    def real_time(self) -> None:
        """Note that real-time priority was permitted."""
        self._run["scheduling"] = _SCHED_FIFO

    def changed(self, due_ns: int, now_ns: int) -> None:
        """Note when a change of the schedule was due and made: time in which several waited counts once."""
        if now_ns - due_ns > LATE_NS:
            self._run["stalls"] += 1
            self._run["away_ns"] += now_ns - max(due_ns, self._away_until_ns)
            self._run["stall_max_ns"] = max(int(self._run["stall_max_ns"][0]), now_ns - due_ns)
            self._away_until_ns = now_ns

    def keep(self, lane: int, counters: Mapping[str, int], waiting_bytes: int, t_ns: int) -> None:
        """Bring a lane's counters up to date, and write what is new since the last time as a record."""
        record = np.zeros(1, BIN)
        for name in _ADDED_UP:
            record[name] = max(counters[name] - int(self._lanes[name][lane]), 0)
        for name, value in counters.items():
            self._lanes[name][lane] = max(value, 0)
        self._run["updated_ns"] = self._run["needed_ns"] = t_ns
        if any(record[name][0] for name in _ADDED_UP):
            record["t_ns"], record["link"], record["direction"] = t_ns // BIN_NS * BIN_NS, lane // 2, lane % 2
            record["queue_bytes_max"] = waiting_bytes
            self._records.write(record.tobytes())
