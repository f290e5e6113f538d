"""Uploads that are tried again until they are acknowledged: ``upload_client.py``.

The plan: url, seed, size, timeout_s, duration_ns, patient, uploads ([t_ns, name], ...); see ``script.py`` for how it
comes. Standard output: a line of JSON after each attempt with the upload's columns of ``samples.UPLOADS`` as
they are by then; an upload's last line counts.

An upload is acknowledged by a status of 2xx. Until then it is tried again, after 1 s, 2 s, 4 s and then every 8 s,
as a client with something to lose does; a ``patient`` one not before a tenant that throttles says. The body
is the same each time, so a second PUT of an upload whose acknowledgement was lost does no harm.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import time
from collections.abc import Mapping
from typing import Any

import aiohttp

from testbed.probes import handshake
from testbed.tenant import busy
from testbed.tenant.content import content

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 8.0


class UploadClient:
    """The uploads of one plan."""

    def __init__(self, plan: Mapping[str, Any], session: aiohttp.ClientSession) -> None:
        self._plan, self._session = plan, session

    async def upload(self, t_ns: int, name: str) -> None:
        """Do one upload at its time, as often as it takes; print what became of each attempt."""
        begun_ns = self._plan["at_ns"] + t_ns
        await asyncio.sleep((begun_ns - time.time_ns()) / 1e9)
        body = content(self._plan["seed"], name, self._plan["size"])
        row: dict[str, Any] = {
            "t_ns": t_ns,
            "started_ns_late": time.time_ns() - begun_ns,
            "object": name,
            "size": len(body),
            "sha256": hashlib.sha256(body).hexdigest(),
            "attempts": 0,
            "throttled": 0 if self._plan["patient"] else None,
        }
        first_ns, pause_s = time.monotonic_ns(), FIRST_PAUSE_S
        while True:
            row["attempts"] += 1
            told_s = await self._attempt(name, body, row)
            acknowledged = row["status"] is not None and 200 <= row["status"] < 300
            if acknowledged:
                row["acknowledged_ns"] = time.monotonic_ns() - first_ns
            print(json.dumps(row), flush=True)
            if acknowledged:
                return
            await asyncio.sleep(max(pause_s, told_s))
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _attempt(self, name: str, body: bytes, row: dict[str, Any]) -> float:
        """Put the object once; note status and error; return how long to wait at least."""
        row["status"] = None
        # The tenant compares it, so that a body which was changed on the way is refused, not acknowledged.
        headers = {
            "Content-MD5": base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
        }
        try:
            async with (
                asyncio.timeout(self._plan["timeout_s"]),
                self._session.put(f"{self._plan['url']}/{name}", data=body, headers=headers) as response,
            ):
                await response.read()
                row["status"] = response.status
                if response.status >= 300:
                    row["error"] = f"status {response.status}"
                if self._plan["patient"] and busy.is_busy(response.status, response.headers):
                    row["throttled"] += 1
                    return busy.wait_s(response.headers, 0.0)
        except TimeoutError:
            row["error"] = f"timeout: {self._plan['timeout_s']:g} s"
        except (aiohttp.ClientError, OSError) as error:
            row["error"] = f"{type(error).__name__}: {error}"
        except asyncio.CancelledError:
            print(json.dumps(row | {"error": "interrupted"}), flush=True)
            raise
        return 0.0


async def run(plan: Mapping[str, Any]) -> None:
    """Do all uploads of the plan, or as many as the scenario's end or the end of standard input permits."""
    left_s = (plan["at_ns"] + plan["duration_ns"] - time.time_ns()) / 1e9
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(total=None),
        headers={"User-Agent": "testbed"},
    ) as session:
        client = UploadClient(plan, session)
        await handshake.until_told(
            asyncio.gather(*(client.upload(*upload) for upload in plan["uploads"])), left_s
        )


def main() -> None:
    """Hear the plan and the start, run."""
    plan = handshake.plan()
    if (at_ns := handshake.start()) is not None:
        asyncio.run(run(plan | {"at_ns": at_ns}))


if __name__ == "__main__":
    main()
