"""What every script does beside its measurement: it hears its plan and its start, and the wish that it ends.

``script.Script`` is the other end, and says how the talk goes.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import suppress
from typing import Any


def plan() -> dict[str, Any]:
    """Return the plan, the first line of standard input."""
    found: dict[str, Any] = json.loads(sys.stdin.readline())
    return found


def start() -> int | None:
    """Say that this is ready; return the start in CLOCK_REALTIME ns, None where standard input ends before."""
    print(json.dumps({"ready": True}), flush=True)
    line = sys.stdin.readline()
    return int(json.loads(line)["at_ns"]) if line else None


async def beats(plan: Mapping[str, Any]) -> AsyncIterator[None]:
    """Yield every ``every_ns`` for ``duration_ns`` from ``at_ns``; those that pass during another are left out."""
    at_ns, every_ns = plan["at_ns"], plan["every_ns"]
    beat = 0
    while beat * every_ns < plan["duration_ns"]:
        await asyncio.sleep((at_ns + beat * every_ns - time.time_ns()) / 1e9)
        yield
        beat = max(beat + 1, -(-(time.time_ns() - at_ns) // every_ns))


async def until_told(work: Awaitable[object], timeout_s: float | None = None) -> None:
    """Do the work until it is done, standard input ends or so long has passed. Raises what the work raises."""
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    working = asyncio.ensure_future(work)
    ending = asyncio.create_task(reader.read())
    await asyncio.wait((working, ending), timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    working.cancel()
    ending.cancel()
    with suppress(asyncio.CancelledError):
        await working
