"""Answers a lab's control socket, inside its sandbox: a thread for each connection."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import msgspec

from testbed.errors import InputError, RunError, TestbedError, did_you_mean
from testbed.run.guard import carry_on, trace, words
from testbed.standing import protocol
from testbed.standing.protocol import LabRequest, Values

EVERY_S = 0.1
"""Of the samples of a connection that watches."""

Answer = Callable[[Any], Values]


class ControlServer:
    """Serves ``asks``, name -> (type of its arguments, what answers it), as soon as they are given.

    Before ``serve`` everything but ``down`` is refused with the reason ``why_not_yet``.
    """

    def __init__(self, listener: socket.socket, why_not_yet: str, down: Callable[[], None]) -> None:
        self._listener, self._why_not_yet, self._down = listener, why_not_yet, down
        self._asks: Mapping[str, tuple[type, Answer]] = {}
        self._sample: Callable[[], Callable[[], Values]] | None = None
        self._still = False

    def start(self) -> None:
        """Begin to answer."""
        threading.Thread(target=self._accept, name="control", daemon=True).start()

    def serve(
        self,
        asks: Mapping[str, tuple[type, Answer]],
        sample: Callable[[], Callable[[], Values]],
        *,
        still: bool = False,
    ) -> None:
        """Answer these from now on; ``sample()`` makes, for one who watches, what samples for him.

        With ``still`` all the others are refused as before.
        """
        self._still = still
        self._sample = sample
        self._asks = asks

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._hear, args=[connection], name="control", daemon=True).start()

    def _hear(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):  # who asked has gone
            try:
                for line in protocol.lines(connection):
                    self._answer(connection, protocol.parse(line))
            except TestbedError as error:
                protocol.write(connection, {"id": 0, **protocol.refusal(error)})

    def _answer(self, connection: socket.socket, request: LabRequest) -> None:
        said: Values = {}

        def refuse(error: Exception) -> None:
            nonlocal said
            trace(error)  # one that was not foreseen is in the lab's log
            known = error if isinstance(error, TestbedError) else RunError(words(error))
            said = protocol.refusal(known)

        with carry_on(refuse):
            if request.ask == "watch":
                self._watch(connection, request)
                return
            said = {"answer": self._do(request)}
        protocol.write(connection, {"id": request.id, **said})
        if request.ask == "down" and "answer" in said:
            self._down()

    def _do(self, request: LabRequest) -> Values:
        if request.ask == "down":
            return {}
        if not self._asks or (self._still and request.ask not in self._asks):
            raise RunError(self._why_not_yet)
        if request.ask not in self._asks:
            known = [*self._asks, "down", "watch"]
            raise InputError("control socket", f"unknown ask {request.ask!r}", did_you_mean(request.ask, known))
        kind, answer = self._asks[request.ask]
        try:
            arguments: Any = msgspec.convert(request.arguments, kind)
        except msgspec.ValidationError as error:
            raise InputError("control socket", f"{request.ask}: {error}", "see docs/lab.md") from error
        return answer(arguments)

    def _watch(self, connection: socket.socket, request: LabRequest) -> None:
        if self._sample is None:
            raise RunError(self._why_not_yet)
        sample, due_s = self._sample(), time.monotonic()
        while _told(connection, {"id": request.id, "sample": sample()}):
            due_s = max(due_s + EVERY_S, time.monotonic())
            time.sleep(max(0.0, due_s - time.monotonic()))


def _told(connection: socket.socket, message: Values) -> bool:
    """Send a message; return whether somebody is there to hear it."""
    try:
        protocol.write(connection, message)
    except OSError:
        return False
    return True
