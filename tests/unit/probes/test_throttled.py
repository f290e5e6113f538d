"""Clients whose tenant throttles: they wait as long as it says, and their samples say that it was the tenant."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from testbed.probes.http_client import HttpClient
from testbed.probes.upload_client import UploadClient

Answer = tuple[int, Mapping[str, str]]
BUSY: Answer = (503, {"Retry-After": "0", "x-ms-error-code": "ServerBusy"})
LATER: Answer = (503, {"Retry-After": "3600", "x-ms-error-code": "ServerBusy"})
OF_THE_HUB: Answer = (503, {"Retry-After": "0"})
BODY = b"a page"


async def _asked(answers: list[Answer], ask: Callable[[str, aiohttp.ClientSession], Awaitable[None]]) -> None:
    """Have a client ask a server that answers in turn, and well when it has no more."""

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        status, headers = answers.pop(0) if answers else (200 if request.method == "GET" else 201, {})
        return web.Response(status=status, headers=headers, body=BODY)

    app = web.Application()
    app.router.add_route("*", "/{name:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        async with aiohttp.ClientSession() as session:
            await ask(f"http://127.0.0.1:{port}", session)
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("patient", "answers", "expected"),
    [
        (True, [], (200, 0)),
        (True, [BUSY, BUSY], (200, 2)),
        (True, [LATER], (503, 1)),
        (True, [OF_THE_HUB], (503, 0)),
        (False, [BUSY], (503, None)),
    ],
    ids=["not throttled", "asked again", "no time for that", "the hub's own 503", "no account"],
)
def test_a_request_is_asked_again_when_the_tenant_says(
    patient: bool, answers: list[Answer], expected: tuple[int, int | None], capsys: pytest.CaptureFixture[str]
) -> None:
    """Within its time; how often it was told to wait stands beside its status, and nobody else's refusal counts."""
    digest = hashlib.sha256(BODY).hexdigest()
    asked: dict[str, Any] = {"t_ns": 0, "object": "a", "size": len(BODY), "first": None, "last": None}
    asked |= {"conditional": False, "sha256": [digest], "whole_sha256": [digest]}

    async def ask(url: str, session: aiohttp.ClientSession) -> None:
        plan = {"url": url, "fallback_s": 0, "tenant": None, "timeout_s": 60, "at_once": 9, "patient": patient}
        await HttpClient(plan, time.time_ns(), session).request(asked)

    asyncio.run(_asked(list(answers), ask))

    row = json.loads(capsys.readouterr().out)
    assert expected == (row["status"], row["throttled"])


def test_an_upload_counts_how_often_the_tenant_said_wait(capsys: pytest.CaptureFixture[str]) -> None:
    """It is stored all the same, at the next attempt."""

    async def ask(url: str, session: aiohttp.ClientSession) -> None:
        plan = {"url": url, "seed": 1, "size": 9, "timeout_s": 60, "at_ns": time.time_ns(), "patient": True}
        await UploadClient(plan, session).upload(0, "u")

    asyncio.run(_asked([BUSY], ask))

    first, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert (503, 1) == (first["status"], first["throttled"])
    assert (201, 1, 2) == (last["status"], last["throttled"], last["attempts"])
    assert last["acknowledged_ns"] > 0
