"""The dish's API on its node: gRPC with reflection, on 192.168.100.1:9200, as long as it has power.

python -m testbed.dish.server SETTINGS.json

Prints "ready", then a line for each order that it carried out. A line `start NS` on standard input is the run's
first instant. It ends with its standard input.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import msgspec
import numpy as np
from grpc_reflection.v1alpha import reflection

from testbed.dish import protocol
from testbed.dish.device import Device, Refusal, Throughput
from testbed.dish.settings import Settings
from testbed.dish.sky import Sky
from testbed.dish.terminal import Restart, Terminal
from testbed.link.backend import Change, Restore
from testbed.link.control import Control
from testbed.link.layout import unpack
from testbed.model.link import LinkState

S = 10**9
_WORKERS = 16
_LOOK_S = 0.05


class EngineLink:
    """The link in its engine: its counters, and what is done to it."""

    def __init__(self, settings: Settings) -> None:
        self._name, self._port = settings.name, settings.port
        self._control = Control(Path(settings.link))
        names = [line.split()[1] for line in _setup(settings.link) if line.startswith("link ")]
        self._lane = 2 * names.index(settings.name)

    def bytes_out(self) -> Throughput:
        """Return what has left the link so far."""
        _, lanes = self._control.statistics()
        up, down = (int(lanes[self._lane + way]["bytes_out"]) for way in (0, 1))
        return Throughput(down, up)

    def restart(self, begun: Restart) -> None:
        """Cut the link, and the port towards the hub for a part of it."""
        _say(f"reboot, {(begun.end_ns - begun.at_ns) / S:g} s")
        self._control.inject(self._name, None, Change(state=LinkState.CUT, for_ns=begun.end_ns - begun.at_ns))
        if self._port:
            self._set_port("down")
            later = threading.Timer((begun.answers_ns - begun.at_ns) / S, self._set_port, ["up"])
            later.daemon = True
            later.start()

    def stow(self, stowed: bool) -> None:
        """Cut the link until told otherwise."""
        _say("stow" if stowed else "unstow")
        self._control.inject(self._name, None, Change(state=LinkState.CUT) if stowed else Restore())

    def _set_port(self, state: str) -> None:
        subprocess.run(["ip", "link", "set", self._port, state], check=False)


class Api:
    """The server while the dish has power."""

    def __init__(self, device: Device, address: str) -> None:
        self._device, self._address = device, address
        self._server: Any = None

    def follow(self) -> None:
        """Be up or down as the dish is. Raises RuntimeError where the address is not to be had."""
        if self._device.answers and self._server is None:
            self._server = self._serve()
        elif not self._device.answers and self._server is not None:
            self._server.stop(None)
            self._server = None

    def _serve(self) -> Any:
        server = grpc.server(ThreadPoolExecutor(_WORKERS))
        handler = grpc.unary_unary_rpc_method_handler(
            self._handle,
            request_deserializer=protocol.message("Request").FromString,
            response_serializer=protocol.message("Response").SerializeToString,
        )
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(protocol.SERVICE, {"Handle": handler}),)
        )
        names = (protocol.SERVICE, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, server, pool=protocol.pool())
        server.add_insecure_port(self._address)
        server.start()
        return server

    def _handle(self, request: Any, context: Any) -> Any:
        while self._device.hangs() and context.is_active():
            time.sleep(_LOOK_S)
        try:
            return self._device.handle(request)
        except Refusal as refusal:
            context.abort(refusal.code, str(refusal))


def main(path: str) -> None:
    """Be the dish of a settings file until standard input ends."""
    settings = msgspec.json.decode(Path(path).read_bytes(), type=Settings)
    setup = next(line for line in _setup(settings.link) if line.split()[:2] == ["link", settings.name])
    up, down = (unpack(np.fromfile(Path(settings.link) / file, np.uint8)) for file in setup.split()[-2:])
    terminal = Terminal(Sky(up, down), settings.dish, [Restart(*times) for times in settings.restarts])
    device = Device(settings.name, terminal, EngineLink(settings), time.time_ns)
    ended = threading.Event()
    threading.Thread(target=_listen, args=(device, ended), daemon=True).start()
    api = Api(device, settings.address)
    api.follow()
    _say("ready")
    due_s = time.monotonic() + 1
    while not ended.is_set():
        change_s = device.next_change_s
        wait_s = min(due_s - time.monotonic(), _LOOK_S, _LOOK_S if change_s is None else change_s)
        ended.wait(max(wait_s, 0.001))
        api.follow()
        if time.monotonic() >= due_s:
            device.tick()
            due_s += 1


def _listen(device: Device, ended: threading.Event) -> None:
    for line in sys.stdin:
        word, _, value = line.partition(" ")
        if word == "start":
            device.start(int(value))
    ended.set()


def _setup(folder: str) -> list[str]:
    return (Path(folder) / "linkd.conf").read_text().splitlines()


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
