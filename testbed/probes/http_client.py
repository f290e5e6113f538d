"""Sends requests at given times, whatever became of the earlier ones.

``http_client.py`` runs on a client of the hub. The plan: url (of the hub; empty: the tenant itself is asked),
fallback_s (after which the tenant is asked instead, or on an error; 0: never), tenant (its url, host, address,
authority (the CA's file) and a token; null: it is not asked), timeout_s, at_once, patient (ask again when a tenant that
throttles says) and requests, each with t_ns,
object, size, first and last (of the range that it asks for; null: the whole), conditional, and the SHA-256 of the
right answer (sha256) and of the object (whole_sha256) in each of its versions; see ``script.py`` for how it comes.
The end interrupts what is in flight. Standard output: a line of JSON for each request as it ends, with the columns of
its sample but for the client.

A conditional request says the ETag of the newest answer that the client has of the object; before its first answer
it is an ordinary one.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any, cast

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from testbed.probes import handshake
from testbed.tenant import busy

Row = dict[str, Any]


class HttpClient:
    """The requests of one plan. ``at_once`` bounds those in flight; one more is refused, and recorded so."""

    def __init__(self, plan: Mapping[str, Any], started_ns: int, session: aiohttp.ClientSession) -> None:
        self._url, self._limit = plan["url"], plan["at_once"]
        self._tenant, self._fallback_s = plan["tenant"], plan["fallback_s"]
        self._timeout_s, self._patient = plan["timeout_s"], plan["patient"]
        self._started_ns, self._session = started_ns, session
        self._in_flight = 0
        self._held: dict[str, tuple[str, int]] = {}  # the newest answer's ETag and version, by object

    async def request(self, asked: Mapping[str, Any]) -> None:
        """Send one request at its time and print what became of it."""
        due_ns = self._started_ns + asked["t_ns"]
        await asyncio.sleep((due_ns - time.time_ns()) / 1e9)
        row: Row = {key: asked[key] for key in ("t_ns", "object", "size", "first", "last")} | {
            "started_ns_late": time.time_ns() - due_ns,
            "bytes": 0,
            "conditional": False,
            "fell_back": False,
            "throttled": 0 if self._patient else None,
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
                await self._get(asked, begun_ns, row)
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

    async def _get(self, asked: Mapping[str, Any], begun_ns: int, row: Row) -> None:
        name, headers = asked["object"], {}
        if asked["first"] is not None:
            headers["Range"] = f"bytes={asked['first']}-{asked['last']}"
        held = self._held.get(name) if asked["conditional"] else None
        if held is not None:
            headers["If-None-Match"] = held[0]
            row["conditional"] = True
        async with await self._awaited(name, headers, row) as response:
            row["ttfb_ns"] = time.monotonic_ns() - begun_ns
            row["status"] = response.status
            row["cache"] = response.headers.get("X-Cache-Status")
            row["content_range"] = response.headers.get("Content-Range")
            row["age_ns"] = age_ns(response.headers, time.time())
            digest, received = hashlib.sha256(), 0
            async for chunk in response.content.iter_any():
                digest.update(chunk)
                received += len(chunk)
                row["bytes"] = received
            if (version := version_of(asked, row, digest.hexdigest(), held)) is not None:
                row |= {"version": version, "sha256_ok": version >= 0}
            etag = response.headers.get("ETag")
            if row.get("sha256_ok") and etag and response.status != 304:
                self._held[name] = etag, row["version"]

    async def _awaited(self, name: str, headers: Mapping[str, str], row: Row) -> aiohttp.ClientResponse:
        """Return the answer; of a busy tenant the first that is another, or the last that there is time for."""
        until_s = time.monotonic() + self._timeout_s
        while True:
            response = await self._answer(name, headers, row)
            if not self._patient or not busy.is_busy(response.status, response.headers):
                return response
            row["throttled"] += 1
            wait_s = busy.wait_s(response.headers, 1.0)
            if time.monotonic() + wait_s >= until_s:
                return response
            response.close()
            await asyncio.sleep(wait_s)

    async def _answer(self, name: str, headers: Mapping[str, str], row: Row) -> aiohttp.ClientResponse:
        """Return the answer of whom this plan asks, as soon as its headers are there."""
        if self._url and not self._fallback_s:
            return await self._session.get(f"{self._url}/{name}", headers=headers)
        if self._url:
            try:
                async with asyncio.timeout(self._fallback_s):
                    response = await self._session.get(f"{self._url}/{name}", headers=headers)
                if response.status < 500:
                    return response
                response.close()
            except (TimeoutError, aiohttp.ClientError, OSError):
                pass
            row["fell_back"] = True
        url = f"{self._tenant['url']}/{name}?{self._tenant['token']}"
        return await self._session.get(URL(url, encoded=True), headers=headers)  # it is signed as it is written


class Known(AbstractResolver):
    """Names the plan's host alone."""

    def __init__(self, host: str, address: str) -> None:
        self._host, self._address = host, address

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        if host != self._host:
            raise OSError(f"{host} is not {self._host}")
        found = {"hostname": host, "host": self._address, "port": port, "family": family, "proto": 0, "flags": 0}
        return [cast(ResolveResult, found)]

    async def close(self) -> None:
        pass


def version_of(asked: Mapping[str, Any], row: Row, digest: str, held: tuple[str, int] | None) -> int | None:
    """Return the version that an answer is of; -1: it is not what was asked for; None: another status.

    A slice has to be the one that was asked for, and to say so (RFC 9110, 15.3.7). Whoever is asked for a range may
    send the whole. "Not modified" speaks of the version that the client said it has, and of nothing else.
    """
    if row["status"] == 304:
        return held[1] if held else -1
    if row["status"] == 206 and asked["first"] is None:
        return -1
    if row["status"] == 206:
        said = f"bytes {asked['first']}-{asked['last']}/{asked['size']}"
        return _place(asked["sha256"], digest) if row["content_range"] == said else -1
    if row["status"] == 200:
        return _place(asked["whole_sha256"], digest)
    return None


def _place(known: Sequence[str], digest: str) -> int:
    return known.index(digest) if digest in known else -1


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
    requests: Sequence[Mapping[str, Any]] = plan["requests"]
    tenant = plan["tenant"]
    trust = ssl.create_default_context(cafile=tenant["authority"]) if tenant else True
    known = Known(tenant["host"], tenant["address"]) if tenant else None
    # bounded by the client, which records what it refuses
    connector = aiohttp.TCPConnector(limit=0, ssl=trust, resolver=known)
    session = aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=None),
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Accept-Encoding": "identity", "User-Agent": "testbed"},
    )
    async with session:
        client = HttpClient(plan, started_ns, session)
        await handshake.until_told(asyncio.gather(*(client.request(request) for request in requests)))


def main() -> None:
    """Hear the plan and the start, run."""
    plan = handshake.plan()
    if (at_ns := handshake.start()) is not None:
        asyncio.run(run(plan, at_ns))


if __name__ == "__main__":
    main()
