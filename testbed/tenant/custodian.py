"""Keeps a run's storage account outside of the run's sandbox: its content, its tokens, the way to it.

A process of its own on the host's network, out of the terminal's reach. The run asks it over a socket. When the last
process with the run's end of that is gone - the run is over, was interrupted or killed - it removes the containers,
which are the run's own, and the way out. Where this process itself is killed,
`testbed tenant clean` removes what is due.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from testbed.errors import HostError, RunError, TestbedError
from testbed.lab import way_out
from testbed.lab.outside import kept
from testbed.lab.way_out import Gate
from testbed.model.catalogue import CatalogueObject
from testbed.model.tenant import TenantAccount
from testbed.tenant.account import AccountTenant, credential_of
from testbed.tenant.backend import Access, NewContent, Seeding
from testbed.yaml import load

_ENDS_S = 120.0  # removing containers may be throttled
_CONNECTIONS = 7


@contextmanager
def keeping(file: Path | None, log: Path) -> Iterator[int | None]:
    """Have the account of a tenant's file kept, for the run's end of whose socket the file number is given.

    On leaving, when the sandbox has ended, wait until what was made is removed. Without a file there is no custodian.
    Raises HostError where something is left; ``log`` says what.
    """
    if file is None:
        yield None
        return
    with kept(
        "testbed.tenant.custodian",
        [str(file)],
        log,
        kind=socket.SOCK_STREAM,
        ends_s=_ENDS_S,
        late="the tenant's containers are not removed",
        left="something is left in the tenant ('testbed tenant clean' removes it)",
    ) as fd:
        yield fd


def round_trip_ns(host: str) -> int:
    """Return the median time of a few connections to a service: a round trip each. Raises OSError."""
    taken = []
    for _ in range(_CONNECTIONS):
        began_ns = time.monotonic_ns()
        socket.create_connection((host, 443), timeout=10).close()
        taken.append(time.monotonic_ns() - began_ns)
    return round(statistics.median(taken))


class _Custody:
    """What is kept for a run, and how it is asked."""

    def __init__(self, account: TenantAccount) -> None:
        self._account = account
        self._tenant: AccountTenant | None = None
        self._gate: Gate | None = None
        self._stored: list[Seeding] = []
        self._does: Mapping[str, Callable[..., Any]] = {
            "endpoint": self._endpoint,
            "away": self._away,
            "open": lambda: self._held.open(),
            "way_out": self._way_out,
            "seed": self._seed,
            "revise": self._revise,
            "go": self._go,
            "wait": self._wait,
            "credential": self._credential,
            "uploaded": lambda: _plain(self._held.uploaded()),
            "renew": self.renew,
            "reset": lambda: self._held.reset(),
            "throttled": lambda: self._held.throttled,
        }

    @property
    def _held(self) -> AccountTenant:
        if self._tenant is None:
            self._tenant = AccountTenant(self._account, credential_of(self._account), _now)
        return self._tenant

    def answer(self, asked: Mapping[str, Any], fds: Sequence[int]) -> dict[str, Any]:
        """Do what is asked, and return what to answer."""
        words = {key: value for key, value in asked.items() if key != "do"}
        if fds:
            words["there"] = fds[0]
        try:
            return {"value": self._does[str(asked["do"])](**words)}
        except TestbedError as error:
            return {"error": str(error)}
        finally:
            for fd in fds:
                os.close(fd)

    def renew(self) -> None:
        """Put the end of what was made off. What keeps it from it is told: there is time to try again."""
        if self._tenant is None:
            return
        try:
            self._tenant.renew()
        except TestbedError as error:
            print(error, flush=True)

    def end(self) -> None:
        """Remove what was made, and the way out. Raises TestbedError."""
        if self._gate is not None:
            way_out.close_gate(self._gate)
        if self._tenant is not None:
            self._tenant.close()

    def _endpoint(self) -> dict[str, Any]:
        endpoint = self._held.endpoint
        authority = endpoint.authority.read_text(encoding="utf-8") if endpoint.authority else ""
        return {**asdict(endpoint), "authority": authority, "identity": None}

    def _away(self) -> int:
        try:
            return round_trip_ns(self._account.host)
        except OSError as error:
            raise HostError(f"tenant: {self._account.host} is not reached: {error.strerror or error}") from error

    def _way_out(self, there: int) -> dict[str, Any]:
        self._gate = way_out.open_gate(there)
        return {"gate": asdict(self._gate), "resolvers": way_out.resolvers()}

    def _seed(self, objects: list[Any], seed: int) -> int:
        return self._kept(self._held.seed(msgspec.convert(objects, list[CatalogueObject]), seed))

    def _revise(self, objects: list[Any], seed: int, version: int) -> int:
        found = msgspec.convert(objects, list[CatalogueObject])
        return self._kept(self._held.revise(found, seed, version))

    def _kept(self, storing: Seeding) -> int:
        self._stored.append(storing)
        return len(self._stored) - 1

    def _go(self, number: int) -> None:
        storing = self._stored[number]
        if isinstance(storing, NewContent):
            storing.go()

    def _wait(self, number: int, timeout_s: float) -> list[Any]:
        return _plain(self._stored[number].wait(timeout_s))

    def _credential(self, starts: str, expires: str, access: str) -> str:
        begin, end = map(datetime.fromisoformat, (starts, expires))
        return self._held.credential(begin, end, Access(access))


def _plain(stored: Mapping[str, Any]) -> list[Any]:
    return [asdict(one) for one in stored.values()]


def _now() -> datetime:
    return datetime.now(UTC)


def _lines(
    ours: socket.socket, every_s: float, meanwhile: Callable[[], None]
) -> Iterator[tuple[str, list[int]]]:
    """Yield each line that is asked, and the files that came with it, until nobody can ask any more; do something
    ``meanwhile``, each time that ``every_s`` have passed."""
    held, fds = b"", list[int]()
    due_s = time.monotonic() + every_s
    while True:
        if not select.select([ours], [], [], max(0.0, due_s - time.monotonic()))[0]:
            meanwhile()
            due_s = time.monotonic() + every_s
            continue
        got, more, _, _ = socket.recv_fds(ours, 65536, 1)
        if not got:
            return
        held, fds = held + got, fds + list(more)
        while b"\n" in held:
            line, _, held = held.partition(b"\n")
            yield line.decode(), fds
            fds = []


def main() -> int:
    """Keep a tenant's account for whoever has the other end of the socket, until nobody has."""
    for way in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(way, signal.SIG_IGN)  # whoever asked for the run to end has asked the run
    account = load.read(Path(sys.argv[2]), TenantAccount)
    custody = _Custody(account)
    with socket.socket(fileno=int(sys.argv[1])) as ours, suppress(ConnectionError):
        for line, fds in _lines(ours, account.lifetime / 3e9, custody.renew):
            ours.sendall(json.dumps(custody.answer(json.loads(line), fds)).encode() + b"\n")
    try:
        custody.end()
    except (RunError, HostError) as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
