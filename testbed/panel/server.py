"""Serves a lab's panel on loopback, or on a UNIX socket, until it is interrupted or the lab ends."""

from __future__ import annotations

import logging
import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import uvicorn

from testbed.errors import HostError
from testbed.panel import app
from testbed.standing import registry
from testbed.standing.registry import StandingLab

LOOPBACK = "127.0.0.1"
_GRACE_S = 2


def serve(entry: StandingLab, port: int, path: Path | None, tell: Callable[[str], None]) -> None:
    """Serve until SIGINT, or until the lab ends. ``tell`` is given the address with its token once it answers.

    ``port`` 0: one that is free. ``path``: a UNIX socket instead, for its owner alone. Raises HostError where it cannot
    listen, or uPlot is missing.
    """
    with _listener(port, path) as listening:
        where = "http://panel" if path else _address(listening)
        server, token = _server(entry)

        def end_with_the_lab() -> None:
            registry.wait_for_end(entry.name)
            server.should_exit = True

        threading.Thread(target=end_with_the_lab, name="panel", daemon=True).start()
        tell(f"{where}/?token={token}")
        try:
            with suppress(KeyboardInterrupt):  # which it hands on when it has ended well
                server.run(sockets=[listening])
        finally:
            if path:
                path.unlink(missing_ok=True)


@contextmanager
def beside(entry: StandingLab, tell: Callable[[str], None]) -> Iterator[None]:
    """Serve on loopback, as ``serve`` does, while the block goes on, and end with it."""
    with _listener(0, None) as listening:
        server, token = _server(entry)
        serving = threading.Thread(target=server.run, args=[[listening]], name="panel", daemon=True)
        serving.start()
        tell(f"{_address(listening)}/?token={token}")
        try:
            yield
        finally:
            server.should_exit = True
            serving.join(2 * _GRACE_S)


def _server(entry: StandingLab) -> tuple[uvicorn.Server, str]:
    """Return what serves a lab's panel, and the token that opens it."""
    token = secrets.token_urlsafe(24)
    panel = app.make(entry, token)
    config = uvicorn.Config(panel, log_level="error", access_log=False, timeout_graceful_shutdown=_GRACE_S)
    server = uvicorn.Server(config)
    # The streams that it breaks off when it ends are no errors.
    logging.getLogger("uvicorn.error").addFilter(lambda _: not server.should_exit)
    return server, token


def _address(listening: socket.socket) -> str:
    return f"http://{LOOPBACK}:{listening.getsockname()[1]}"


def _listener(port: int, path: Path | None) -> socket.socket:
    made = socket.socket(socket.AF_UNIX if path else socket.AF_INET, socket.SOCK_STREAM)
    try:
        if path:
            made.bind(str(path))
            path.chmod(0o600)
        else:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind((LOOPBACK, port))
        made.listen(128)
    except OSError as error:
        made.close()
        raise HostError(f"the panel cannot listen at {path or f'{LOOPBACK}:{port}'}: {error.strerror}") from error
    return made
