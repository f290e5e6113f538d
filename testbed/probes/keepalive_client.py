"""A small request at a fixed interval on one TLS connection: ``keepalive_client.py``.

The plan: name, host, address, port, authority (the CA's file), every_ns, timeout_ns, duration_ns; see ``script.py``
for how it comes. Standard output: a line of JSON for each request as it ends, columns of
``samples.KEEPALIVE``.

The request is a HEAD without a credential: the tenant answers it with a status and no body. It names its session,
by which the tenant says which connections it has closed itself. aiohttp is not
used, because it repeats a request on a new connection by itself, which would hide what is measured here.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import Mapping
from typing import Any

from testbed.probes import handshake

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class KeepaliveClient:
    """The requests of one plan, on one connection as long as it lasts."""

    def __init__(self, plan: Mapping[str, Any]) -> None:
        self._plan = plan
        self._trust = ssl.create_default_context(cafile=plan["authority"])
        self._stream: Stream | None = None
        self._session = 0

    async def run(self) -> None:
        """Send a request at each beat; one that is due while another is waited for is not sent."""
        async for _ in handshake.beats(self._plan):
            await self._beat()

    async def _beat(self) -> None:
        begun_ns = time.time_ns()
        row: dict[str, Any] = {
            "t_ns": begun_ns - self._plan["at_ns"],
            "session": self._session,
            "bytes": 0,
            "event": "interrupted",
        }
        was_open = self._stream is not None
        try:
            async with asyncio.timeout(self._plan["timeout_ns"] / 1e9):
                reader, writer = self._stream = self._stream or await self._connect()
                if not was_open:
                    row["connect_ns"] = time.time_ns() - begun_ns
                request = self._request()
                row["bytes"] = len(request)
                writer.write(request)
                head = await reader.readuntil(b"\r\n\r\n")
                row |= {"event": "answered", "status": int(head.split()[1])}
        except TimeoutError:
            reason = f"no answer for {self._plan['timeout_ns'] / 1e9:g} s"
            row |= {"event": "gave up" if row["bytes"] else "unreachable", "reason": reason}
        except asyncio.IncompleteReadError:
            row |= {"event": "closed", "reason": "by the other end"}
        except OSError as error:
            row |= {"event": "reset" if row["bytes"] else "unreachable", "reason": str(error)}
        finally:
            print(json.dumps(row | {"latency_ns": time.time_ns() - begun_ns}), flush=True)
        if row["event"] != "answered":
            self._close()
            self._session += row["event"] != "unreachable"

    def _request(self) -> bytes:
        lines = ["HEAD / HTTP/1.1", f"Host: {self._plan['host']}", "User-Agent: testbed", "Accept: */*"]
        lines += [f"x-ms-client-request-id: {self._plan['name']}-{self._session}"]
        return "\r\n".join([*lines, "", ""]).encode()

    async def _connect(self) -> Stream:
        return await asyncio.open_connection(
            self._plan["address"], self._plan["port"], ssl=self._trust, server_hostname=self._plan["host"]
        )

    def _close(self) -> None:
        if self._stream:
            self._stream[1].transport.abort()
            self._stream = None


def main() -> None:
    """Hear the plan and the start, run."""
    plan = handshake.plan()
    if (at_ns := handshake.start()) is not None:
        asyncio.run(handshake.until_told(KeepaliveClient(plan | {"at_ns": at_ns}).run()))


if __name__ == "__main__":
    main()
