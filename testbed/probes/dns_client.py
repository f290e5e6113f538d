"""Queries for a name's address at a fixed interval: ``dns_client.py`` on a client of the hub.

The plan: resolver (its address), name, new (each query asks for a name below it that nobody asked for before), right
(the address that it has), every_ns, timeout_ns, duration_ns; see ``script.py`` for how it comes. Standard output: a
line of JSON for each query as it ends, columns of ``samples.NAMES``.

Each query is one packet from a port of its own, and is not repeated: what a stub resolver's second try would hide is
what is measured here.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import time
from collections.abc import Mapping
from typing import Any

from testbed.probes import handshake

_HEADER = struct.Struct("!HHHHHH")  # RFC 1035, 4.1.1
_RECORD = struct.Struct("!HHIH")  # RFC 1035, 4.1.3: type, class, time to live, length
_RECURSION, _POINTER = 0x0100, 0xC0
_A, _IN = 1, 1
DNS_PORT = 53


def question(number: int, name: str) -> bytes:
    """Return a query for a name's IPv4 address (RFC 1035, 4.1)."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return _HEADER.pack(number, _RECURSION, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", _A, _IN)


def addresses(answer: bytes) -> tuple[int, int, list[str]]:
    """Return the number, the status (RCODE) and the IPv4 addresses of an answer. Raises ValueError."""
    try:
        number, flags, questions, answers, _, _ = _HEADER.unpack_from(answer)
        at = _HEADER.size
        for _ in range(questions):
            at = _past_name(answer, at) + 4
        found = []
        for _ in range(answers):
            at = _past_name(answer, at)
            kind, _, _, length = _RECORD.unpack_from(answer, at)
            at += _RECORD.size
            if kind == _A and length == 4:
                found.append(socket.inet_ntoa(answer[at : at + 4]))
            at += length
    except (struct.error, IndexError, OSError) as error:
        raise ValueError(f"no DNS answer: {error}") from error
    return number, flags & 0xF, found


def _past_name(message: bytes, at: int) -> int:
    while message[at]:
        if message[at] & _POINTER == _POINTER:
            return at + 2
        at += message[at] + 1
    return at + 1


class _Answer(asyncio.DatagramProtocol):
    def __init__(self, number: int, came: asyncio.Future[bytes]) -> None:
        self._number, self._came = number, came

    def datagram_received(self, data: bytes, _: Any) -> None:
        if data[:2] == self._number.to_bytes(2) and not self._came.done():
            self._came.set_result(data)

    def error_received(self, error: Exception) -> None:
        if not self._came.done():
            self._came.set_exception(error)


class DnsClient:
    """The queries of one plan."""

    def __init__(self, plan: Mapping[str, Any]) -> None:
        self._plan = plan

    async def run(self) -> None:
        """Ask at each beat, whatever became of the earlier queries."""
        every_ns, duration_ns = self._plan["every_ns"], self._plan["duration_ns"]
        await asyncio.gather(*(self.query(beat, beat * every_ns) for beat in range(-(-duration_ns // every_ns))))

    async def query(self, beat: int, t_ns: int) -> None:
        """Ask once, at its time, and print what became of it."""
        due_ns = self._plan["at_ns"] + t_ns
        await asyncio.sleep((due_ns - time.time_ns()) / 1e9)
        name = f"q{beat:06}.{self._plan['name']}" if self._plan["new"] else self._plan["name"]
        row: dict[str, Any] = {"t_ns": t_ns, "started_ns_late": time.time_ns() - due_ns, "name": name}
        begun_ns = time.monotonic_ns()
        try:
            async with asyncio.timeout(self._plan["timeout_ns"] / 1e9):
                _, rcode, found = addresses(await self._ask(beat % 2**16, name))
            row |= {"rcode": rcode, "latency_ns": time.monotonic_ns() - begun_ns}
            row["right"] = rcode == 0 and found == [self._plan["right"]]
        except TimeoutError:
            row["error"] = f"timeout: {self._plan['timeout_ns'] / 1e9:g} s"
        except (OSError, ValueError) as error:
            row["error"] = f"{type(error).__name__}: {error}"
        except asyncio.CancelledError:
            row["error"] = "interrupted"
            raise
        finally:
            print(json.dumps(row), flush=True)

    async def _ask(self, number: int, name: str) -> bytes:
        loop = asyncio.get_running_loop()
        came: asyncio.Future[bytes] = loop.create_future()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: _Answer(number, came), remote_addr=(self._plan["resolver"], self._plan.get("port", DNS_PORT))
        )
        try:
            transport.sendto(question(number, name))
            return await came
        finally:
            transport.close()


def main() -> None:
    """Hear the plan and the start, run."""
    plan = handshake.plan()
    if (at_ns := handshake.start()) is not None:
        asyncio.run(handshake.until_told(DnsClient(plan | {"at_ns": at_ns}).run()))


if __name__ == "__main__":
    main()
