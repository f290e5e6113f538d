"""One end of a QUIC connection with a small echo now and then: ``quic_end.py`` on the client or in the tenant.

The plan: end (client or tenant), address, port, host (the name in the certificate), every_ns, timeout_ns,
duration_ns; the tenant's has certificate and key (files), the client's authority (the CA's file); see ``script.py``
for how it comes. Standard output of the client: a line of JSON for each echo as it ends, columns of ``samples.QUIC``;
of the tenant: a line each time that a connection's packets come from another address.

A QUIC connection is known by its identifier, not by addresses (RFC 9000, 9): behind a hub that changes its uplink it
lives on, once the server has validated the new path.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from typing import Any

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.asyncio.server import serve
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated, QuicEvent, StreamDataReceived

from testbed.probes import handshake

ALPN = "testbed-echo"
ECHO = b"testbed!" * 4


class EchoServer(QuicConnectionProtocol):
    """Sends back what comes on a stream, and says when its client has moved."""

    _seen: Any = None

    def datagram_received(self, data: bytes | str, addr: Any) -> None:
        if self._seen not in (None, addr):
            print(json.dumps({"moved_to": addr[:2], "at_ns": time.time_ns()}), flush=True)
        self._seen = addr
        super().datagram_received(data, addr)

    def quic_event_received(self, event: QuicEvent) -> None:
        if isinstance(event, StreamDataReceived):
            self._quic.send_stream_data(event.stream_id, event.data, end_stream=event.end_stream)
            self.transmit()


class EchoClient(QuicConnectionProtocol):
    """Waits for echoes, and for the connection's end."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self.ended: ConnectionTerminated | None = None

    async def echo(self) -> None:
        """Send a few bytes on a stream of their own; return when they are back. Raises ConnectionError."""
        if self.ended is not None:
            raise ConnectionError(self.ended.reason_phrase)
        stream = self._quic.get_next_available_stream_id()
        back = self._waiting[stream] = self._loop.create_future()
        self._quic.send_stream_data(stream, ECHO, end_stream=True)
        self.transmit()
        try:
            await back
        finally:
            self._waiting.pop(stream, None)

    def quic_event_received(self, event: QuicEvent) -> None:
        if isinstance(event, StreamDataReceived) and event.end_stream:
            back = self._waiting.get(event.stream_id)
            if back is not None and not back.done():
                back.set_result(None)
        elif isinstance(event, ConnectionTerminated):
            self.ended = event
            for back in self._waiting.values():
                if not back.done():
                    back.set_exception(ConnectionError(event.reason_phrase))


class QuicClient:
    """The echoes of one plan, on one connection as long as it lasts."""

    def __init__(self, plan: Mapping[str, Any]) -> None:
        self._plan = plan
        self._stack = AsyncExitStack()
        self._connection: EchoClient | None = None
        self._session = 0

    async def run(self) -> None:
        """Send an echo at each beat; one that is due while another is waited for is not sent."""
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
        try:
            async with asyncio.timeout(self._plan["timeout_ns"] / 1e9):
                if self._connection is None:
                    self._connection = await self._connect()
                    row["connect_ns"] = time.time_ns() - begun_ns
                row["bytes"] = len(ECHO)
                await self._connection.echo()
                row["event"] = "answered"
        except TimeoutError:
            reason = f"no answer for {self._plan['timeout_ns'] / 1e9:g} s"
            row |= {"event": "gave up" if row["bytes"] else "unreachable", "reason": reason}
        except OSError as error:  # a ConnectionError, too
            row |= {"event": "closed" if row["bytes"] else "unreachable", "reason": str(error) or "no reason"}
        finally:
            print(json.dumps(row | {"latency_ns": time.time_ns() - begun_ns}), flush=True)
        if row["event"] != "answered":
            self._session += row["event"] != "unreachable"
            self._forget()

    async def _connect(self) -> EchoClient:
        configuration = QuicConfiguration(
            alpn_protocols=[ALPN],
            idle_timeout=self._plan["timeout_ns"] / 1e9,
            server_name=self._plan["host"],
            cafile=self._plan["authority"],
        )
        opening = connect(
            self._plan["address"],
            self._plan["port"],
            configuration=configuration,
            create_protocol=EchoClient,
        )
        connection = await self._stack.enter_async_context(opening)
        assert isinstance(connection, EchoClient)
        return connection

    def _forget(self) -> None:
        """Leave the connection to itself: to close it would be to wait for an end that does not answer."""
        if self._connection is not None:
            self._connection.close()
        self._connection, self._stack = None, AsyncExitStack()


async def serve_until_told(plan: Mapping[str, Any]) -> None:
    """Answer echoes until standard input ends."""
    configuration = QuicConfiguration(
        is_client=False, alpn_protocols=[ALPN], idle_timeout=plan["timeout_ns"] / 1e9
    )
    configuration.load_cert_chain(plan["certificate"], plan["key"])
    server = await serve(
        plan["address"], plan["port"], configuration=configuration, create_protocol=EchoServer
    )
    print(json.dumps({"ready": True}), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.close()


def main() -> None:
    """Hear the plan and the start, run."""
    plan = handshake.plan()
    if plan["end"] == "tenant":
        asyncio.run(serve_until_told(plan))
    elif (at_ns := handshake.start()) is not None:
        with suppress(asyncio.CancelledError):
            asyncio.run(handshake.until_told(QuicClient(plan | {"at_ns": at_ns}).run()))


if __name__ == "__main__":
    main()
