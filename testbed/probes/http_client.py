"""Sends requests at given times, whatever became of the earlier ones.

``http_client.py`` runs on a client of the hub. The plan: url, timeout_s, at_once and requests ([t_ns, object,
size, sha256], ...); see ``script.py`` for how it comes. The end interrupts what is still in flight. Standard
output: a line of JSON for each request as it ends, with the columns of its sample but for the client.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp

from testbed.probes import handshake

Row = dict[str, object]


class HttpClient:
    """The requests of one plan. ``at_once`` bounds those in flight; one more is refused, and recorded so."""

    def __init__(self, plan: Mapping[str, Any], started_ns: int, session: aiohttp.ClientSession) -> None:
        self._url, self._limit = plan["url"], plan["at_once"]
        self._timeout_s = plan["timeout_s"]
        self._started_ns, self._session = started_ns, session
        self._in_flight = 0

    async def request(self, t_ns: int, name: str, size: int, sha256: str) -> None:
        """Send one request at its time and print what became of it."""
        await asyncio.sleep((self._started_ns + t_ns - time.time_ns()) / 1e9)
        row: Row = {
            "t_ns": t_ns,
            "started_ns_late": time.time_ns() - self._started_ns - t_ns,
            "object": name,
            "size": size,
            "bytes": 0,
            "status": None,
            "error": None,
        }
        if self._in_flight >= self._limit:
            _print(row | {"error": f"refused: {self._limit} requests in flight"})
            return
        self._in_flight += 1
        begun_ns = time.monotonic_ns()
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._get(name, sha256, begun_ns, row)
        except TimeoutError:
            row["error"] = f"timeout: {self._timeout_s:g} s"
        except (aiohttp.ClientError, OSError) as error:
            row["error"] = f"{type(error).__name__}: {error}"
        except asyncio.CancelledError:
            row["error"] = "interrupted"
            raise
        finally:
            self._in_flight -= 1
            _print(row | {"total_ns": time.monotonic_ns() - begun_ns})

    async def _get(self, name: str, sha256: str, begun_ns: int, row: Row) -> None:
        async with self._session.get(f"{self._url}/{name}") as response:
            row["ttfb_ns"] = time.monotonic_ns() - begun_ns
            row["status"] = response.status
            row["cache"] = response.headers.get("X-Cache-Status")
            row["age_ns"] = age_ns(response.headers, time.time())
            digest, received = hashlib.sha256(), 0
            async for chunk in response.content.iter_any():
                digest.update(chunk)
                received += len(chunk)
                row["bytes"] = received
            if response.status == 200:
                row["sha256_ok"] = digest.hexdigest() == sha256


def age_ns(headers: Mapping[str, str], now_s: float) -> int | None:
    """Return how old a response's content is (RFC 9111, 4.2.3): by its Age, else by its Date; to a second."""
    if headers.get("Age", "").isdecimal():
        return int(headers["Age"]) * 10**9
    try:
        made = parsedate_to_datetime(headers["Date"])
    except (KeyError, ValueError):
        return None
    return max(0, round(now_s - made.timestamp())) * 10**9


def _print(row: Mapping[str, object]) -> None:
    print(json.dumps(row), flush=True)


async def run(plan: Mapping[str, Any], started_ns: int) -> None:
    """Do all requests of the plan, or as many as come before the interruption."""
    requests: Sequence[Sequence[Any]] = plan["requests"]
    connector = aiohttp.TCPConnector(limit=0)  # bounded by the client, which records what it refuses
    session = aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=None),
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Accept-Encoding": "identity", "User-Agent": "testbed"},
    )
    async with session:
        client = HttpClient(plan, started_ns, session)
        await handshake.until_told(asyncio.gather(*(client.request(*request) for request in requests)))


def main() -> None:
    """Hear the plan and the start, run."""
    plan = handshake.plan()
    if (at_ns := handshake.start()) is not None:
        asyncio.run(run(plan, at_ns))


if __name__ == "__main__":
    main()
