"""The physics, built with sanitisers, on schedules and live changes that nobody would write."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np

from testbed.link.layout import pack
from testbed.link.simulated import LIBRARY, SimulatedLink
from testbed.model.impairments import Impairments
from testbed.model.link import LinkSchedule, QueueLimit

CORE = Path(__file__).parents[3] / "testbed" / "link" / "core"


def schedule(rng: np.random.Generator) -> LinkSchedule:
    """Draw a schedule with extreme values: nanosecond segments, bits and terabits, seconds of delay."""
    n = int(rng.integers(1, 20))
    lengths = 10 ** rng.integers(0, 9, n)
    return LinkSchedule(
        t_ns=np.cumsum(np.append(0, lengths[:-1])).astype(np.int64),
        delay_ns=(10 ** rng.integers(0, 11, n)).astype(np.int64),
        loss=rng.random(n) * rng.integers(0, 2),
        rate_bps=(rng.integers(0, 2, n) * 10 ** rng.integers(0, 14, n)).astype(np.int64),
        state=rng.integers(0, 3, n).astype(np.uint8),
        end_ns=int(lengths.sum()) + 10**6,
        repeat=bool(rng.integers(2)),
        interpolate=bool(rng.integers(2)),
        queue=QueueLimit(*(int(x) for x in rng.integers(0, 2, 3) * 10 ** rng.integers(0, 6, 3))),
    )


def test_extreme_schedules_pass_the_sanitisers(tmp_path: Path) -> None:
    """300 random inputs of the fuzz target run without a report of address or undefined-behaviour errors."""
    subprocess.run(["make", "-s", "-C", str(CORE), "fuzz-replay"], check=True, timeout=120)
    rng = np.random.default_rng(3)
    files = []
    for i in range(300):
        wish = Impairments(*(float(x) for x in rng.random(4) * (1, 10**9, 1, 1) * rng.integers(0, 2)))
        block = pack(
            schedule(rng), Impairments(wish.reorder, int(wish.reorder_ns), wish.duplicate, wish.corrupt)
        )
        steps = rng.integers(0, 256, 64 * 16).astype(np.uint8).reshape(64, 16)
        steps[:, 3] &= 1  # gaps of up to 33 ms
        files.append(tmp_path / str(i))
        files[-1].write_bytes(block.tobytes() + steps.tobytes())
    replay = LIBRARY.with_name("link-fuzz-replay")
    done = subprocess.run([replay, *files], capture_output=True, text=True, timeout=120)

    assert (0, "") == (done.returncode, done.stderr)


def test_a_broken_schedule_is_refused() -> None:
    """A schedule whose segments do not follow each other never reaches the physics."""
    link = SimulatedLink(LinkSchedule.constant())
    block = pack(LinkSchedule.constant())
    block[0] = 0

    assert not link._library.sim_open(block.ctypes.data, block.nbytes, 0, 0, 0)
