"""A page in headless Chromium, driven by its DevTools protocol; every request of the page is kept, and refused."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

STARTS_S = 120.0
ANSWERS_S = 60.0


def chromium() -> str | None:
    """Return the browser of this machine, if it has one."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Page:
    """A tab: what it asked for beside its own file, what its console said, and what it answers."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket, self._number = socket, 0
        self._seen: list[dict[str, Any]] = []
        self.requests: list[str] = []
        self.console: list[str] = []

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command; return its result. Raises RuntimeError for one that the browser refuses."""
        self._number += 1
        mine = self._number
        self._socket.send(json.dumps({"id": mine, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv(timeout=ANSWERS_S))
            if message.get("id") == mine:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return dict(message.get("result", {}))
            self._note(message)

    def wait(self, method: str) -> None:
        """Wait for an event that came since the last wait, or comes."""
        while not any(method == message.get("method") for message in self._seen):
            self._note(json.loads(self._socket.recv(timeout=ANSWERS_S)))
        self._seen.clear()

    def _note(self, message: dict[str, Any]) -> None:
        self._seen.append(message)
        said = message.get("params", {})
        match message.get("method"):
            case "Network.requestWillBeSent":
                self.requests.append(said["request"]["url"])
            case "Runtime.exceptionThrown":
                self.console.append(json.dumps(said["exceptionDetails"]))
            case "Runtime.consoleAPICalled" if said["type"] in ("error", "warning", "assert"):
                self.console.append(json.dumps(said["args"]))
            case "Log.entryAdded" if said["entry"]["level"] in ("error", "warning"):
                self.console.append(said["entry"]["text"])

    def open(self, path: Path) -> None:
        """Open a file without any network, and wait until it is there and drawn."""
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        offline = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
        self.call("Network.emulateNetworkConditions", **offline)
        self.call("Page.navigate", url=path.resolve().as_uri())
        self.wait("Page.loadEventFired")

    def visit(self, address: str) -> None:
        """Open an address over the network, and wait until it is there."""
        self.requests.clear()
        self.console.clear()
        online = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        self.call("Network.emulateNetworkConditions", **online)
        self._seen.clear()
        self.call("Page.navigate", url=address)
        self.wait("Page.loadEventFired")

    def run(self, script: str) -> Any:
        """Evaluate JavaScript in the page, promises too. Raises RuntimeError for what it throws."""
        found = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in found:
            raise RuntimeError(str(found["exceptionDetails"].get("exception", found["exceptionDetails"])))
        return found["result"].get("value")

    @property
    def text(self) -> str:
        """What a person sees of the page, as text."""
        return str(self.run("document.body.innerText"))


@contextmanager
def opened(path: Path, width: int = 1280, height: int = 900) -> Iterator[Page]:
    """Show a file in a browser of its own, which ends with the block."""
    program = chromium()
    assert program is not None
    with tempfile.TemporaryDirectory(prefix="testbed-browser-", ignore_cleanup_errors=True) as home:
        command = [
            program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
            f"--user-data-dir={home}", f"--window-size={width},{height}", "--remote-debugging-port=0", "about:blank",
        ]  # fmt: skip
        with subprocess.Popen(
            command, env=os.environ | {"TMPDIR": home}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        ) as process:
            try:
                address = _listens(process)
                with connect(address, max_size=None, proxy=None, open_timeout=STARTS_S) as browser:
                    target = Page(browser).call("Target.getTargets")["targetInfos"]
                    tab = next(info["targetId"] for info in target if info["type"] == "page")
                place = re.sub(r"/devtools/.*", f"/devtools/page/{tab}", address)
                with connect(place, max_size=None, proxy=None, open_timeout=STARTS_S) as socket:
                    page = Page(socket)
                    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
                    page.call("Emulation.setDeviceMetricsOverride", **size)
                    page.open(path)
                    yield page
            finally:
                process.terminate()


def _listens(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if match := re.search(r"DevTools listening on (ws://\S+)", line):
            return match[1]
    raise RuntimeError(f"chromium ended: {''.join(said)}")
