"""How a storage account that throttles is asked: in logical time, and by Azure's client on loopback."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import pytest
from azure.core.pipeline import Pipeline
from azure.core.rest import HttpRequest
from azure.storage.blob import BlobServiceClient

from testbed.tenant.retry_after import LONGEST_S, RetryAfter

BUSY = (503, {"Retry-After": "7", "x-ms-error-code": "ServerBusy"})
TOO_LONG = (503, {"Retry-After": str(2 * LONGEST_S), "x-ms-error-code": "ServerBusy"})
MANY = (429, {"Retry-After": "2", "x-ms-error-code": "TooManyRequests"})
GATEWAY: tuple[int, dict[str, str]] = (503, {"Retry-After": "3"})
DONE: tuple[int, dict[str, str]] = (201, {})


class Service:
    """Answers in turn; ``waited`` is how long it was left in peace each time, in s."""

    def __init__(self, answers: list[tuple[int, dict[str, str]]]) -> None:
        self._answers, self.waited = answers, list[float]()

    def send(self, request: Any, **_: Any) -> Any:
        status, headers = self._answers.pop(0)
        return SimpleNamespace(status_code=status, headers=headers, request=request)

    def sleep(self, seconds: float) -> None:
        self.waited.append(seconds)

    def __enter__(self) -> Service:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class Storage(BaseHTTPRequestHandler):
    """A service that is busy once, and then has one container and takes what it is given."""

    refused = 0
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = b"<?xml version='1.0'?><EnumerationResults><Containers><Container><Name>a</Name>"
        self._answer(200, body + b"<Properties/></Container></Containers><NextMarker/></EnumerationResults>")

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer(201, b"")

    def _answer(self, status: int, body: bytes) -> None:
        if not Storage.refused:
            Storage.refused, status, body = 1, 503, b""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", "application/xml")
        if status == 503:
            self.send_header("Retry-After", "0")
            self.send_header("x-ms-error-code", "ServerBusy")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_the_sdk_asks_with_it() -> None:
    """Lists and uploads of Azure's own client go through it, in one piece and in blocks."""
    server, patience = ThreadingHTTPServer(("127.0.0.1", 0), Storage), RetryAfter()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}/mine"
    with BlobServiceClient(url, retry_policy=patience, max_single_put_size=1000, max_block_size=1000) as client:
        found = [container.name for container in client.list_containers()]
        for size in (10, 5000):
            client.get_blob_client("a", f"b{size}").upload_blob(bytes(size))
    server.shutdown()
    server.server_close()

    assert (["a"], 1) == (found, patience.throttled)


@pytest.mark.parametrize(
    ("answers", "waited", "status", "throttled"),
    [
        ([DONE], [], 201, 0),
        ([BUSY, MANY, DONE], [7, 2], 201, 2),
        ([*[BUSY] * 5, DONE], [7] * 5, 201, 5),
        ([BUSY, TOO_LONG], [7], 503, 2),
        ([GATEWAY, DONE], [3], 201, 0),
    ],
    ids=["at once", "as long as it says", "more than three times", "not for ever", "somebody else's"],
)
def test_a_busy_service_is_asked_again_when_it_says(
    answers: list[tuple[int, dict[str, str]]], waited: list[float], status: int, throttled: int
) -> None:
    """Each wait is the one that was asked for; what the service itself refused is counted."""
    service: Any = Service(list(answers))  # stands for a transport, without being one
    patience = RetryAfter()

    found = Pipeline(service, [patience]).run(HttpRequest("PUT", "https://mine.blob.core.windows.net/a"))

    assert (waited, status, throttled) == (service.waited, found.http_response.status_code, patience.throttled)
