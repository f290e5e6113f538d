"""The C structs of testbed/link/core as numpy types: schedules going in, evidence coming out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from testbed.model.impairments import NO_IMPAIRMENTS, Impairments
from testbed.model.link import LinkSchedule, QueueLimit

CERTAIN = 2**32 - 1
FOREVER = 2**63 - 1
BUCKETS = 496

# struct segment and struct schedule (schedule.h)
SEGMENT = np.dtype(
    [("t_ns", "<i8"), ("delay_ns", "<i8"), ("rate_bps", "<i8"), ("loss", "<u4"), ("state", "<u4")]
)
HEADER = np.dtype(
    [("magic", "S8"), ("n", "<u8"), ("end_ns", "<i8"), ("repeat", "<u4"), ("interpolate", "<u4")]
    + [("queue_bytes", "<i8"), ("queue_packets", "<i8"), ("queue_time_ns", "<i8")]
    + [("reorder", "<u4"), ("duplicate", "<u4"), ("corrupt", "<u4"), ("unused", "<u4"), ("reorder_ns", "<i8")]
)
# struct bin (record.h): one for each 10 ms, link and direction in which anything happened
BIN = np.dtype(
    [("t_ns", "<i8"), ("link", "<u2"), ("direction", "u1"), ("unused", "u1"), ("packets_in", "<u4")]
    + [("bytes_in", "<u8"), ("bytes_out", "<u8"), ("packets_out", "<u4"), ("lost", "<u4"), ("cut", "<u4")]
    + [("queue_drops", "<u4"), ("marked_out", "<u4"), ("queue_bytes_max", "<u4"), ("late_ns_max", "<i8")]
    + [("marked_new_out", "<u4"), ("unused2", "<u4")]
)
_COUNTS = (
    [
        "packets_in",
        "bytes_in",
        "packets_out",
        "bytes_out",
        "lost",
        "cut",
        "queue_drops",
        "marked_out",
        "marked_new_out",
        "inside",
    ]
    + ["duplicated", "delayed", "corrupted", "no_memory", "oversize", "send_failed", "ring_drops"]
    + ["device_drops", "reordered", "loss_asked"]
)
# struct counters (record.h)
COUNTERS = np.dtype(
    [(name, "<u8") for name in _COUNTS]
    + [("late_ns_max", "<i8"), ("first_ns", "<i8"), ("last_ns", "<i8"), ("offered_bits", "<f8")]
    + [("busy_ns", "<i8"), ("rated_bytes", "<u8"), ("late", "<u8", BUCKETS)]
)
# struct run_stats (evidence.h); the number grows when a struct of the evidence changes
STATS_MAGIC = b"tbstat2"
RUN_STATS = np.dtype(
    [("magic", "S8"), ("n_lanes", "<u8"), ("started_ns", "<i8"), ("updated_ns", "<i8"), ("spin", "<u8")]
    + [("scheduling", "<u8"), ("clock_steps", "<u8"), ("clock_step_max_ns", "<i8"), ("clock_doubts", "<u8")]
    + [("stalls", "<u8"), ("stall_max_ns", "<i8"), ("needed_ns", "<i8"), ("away_ns", "<i8")]
    + [("records_lost", "<u8"), ("memory_frames", "<u8"), ("memory_frames_used_max", "<u8")]
    + [("sending", "<u8")]
)


# struct classes (server.h)
CLASSES = np.dtype(
    [("discipline", "<u4"), ("apart", "<u4"), ("of_dscp", "u1", 64), ("quantum", "<i8", 4)], align=True
)


def probability(share: float) -> int:
    """Return a probability in the engine's unit of 2^-32; only 1 is certain."""
    return CERTAIN if share >= 1 else min(round(share * 2**32), CERTAIN - 1)


def pack(schedule: LinkSchedule, impairments: Impairments = NO_IMPAIRMENTS) -> NDArray[np.uint8]:
    """Return the schedule as the engine reads it: header and segments, shape (bytes,)."""
    n = len(schedule.t_ns)
    block = np.zeros(HEADER.itemsize + n * SEGMENT.itemsize, np.uint8)
    header = block[: HEADER.itemsize].view(HEADER)[0]
    header["magic"], header["n"], header["end_ns"] = b"tblink1", n, schedule.end_ns
    header["repeat"], header["interpolate"] = schedule.repeat, schedule.interpolate
    header["queue_bytes"], header["queue_packets"] = schedule.queue.bytes, schedule.queue.packets
    header["queue_time_ns"], header["reorder_ns"] = schedule.queue.time_ns, impairments.reorder_ns
    for name in ("reorder", "duplicate", "corrupt"):
        header[name] = probability(getattr(impairments, name))
    segments = block[HEADER.itemsize :].view(SEGMENT)
    for name in ("t_ns", "delay_ns", "rate_bps", "state"):
        segments[name] = getattr(schedule, name)
    scaled = np.minimum(np.rint(schedule.loss * 2**32), CERTAIN - 1)
    segments["loss"] = np.where(schedule.loss >= 1, CERTAIN, scaled).astype(np.uint32)
    return block


def unpack(block: NDArray[np.uint8]) -> LinkSchedule:
    """Return the schedule of a block that `pack` made; its impairments are left out."""
    header = block[: HEADER.itemsize].view(HEADER)[0]
    segments = block[HEADER.itemsize :].view(SEGMENT)
    return LinkSchedule(
        t_ns=segments["t_ns"],
        delay_ns=segments["delay_ns"],
        loss=np.where(segments["loss"] == CERTAIN, 1.0, segments["loss"] / 2**32),
        rate_bps=segments["rate_bps"],
        state=segments["state"].astype(np.uint8),
        end_ns=int(header["end_ns"]),
        repeat=bool(header["repeat"]),
        interpolate=bool(header["interpolate"]),
        queue=QueueLimit(
            bytes=int(header["queue_bytes"]),
            packets=int(header["queue_packets"]),
            time_ns=int(header["queue_time_ns"]),
        ),
    )


def bucket_edges() -> NDArray[np.float64]:
    """Return the lower edges in ns of the lateness histogram's buckets (record.h), shape (BUCKETS,)."""
    i = np.arange(BUCKETS)
    return np.where(i < 8, i, (8.0 + i % 8) * 2.0 ** (i // 8 - 1))
