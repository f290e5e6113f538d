"""A real storage account as the run in the sandbox has it: it asks its custodian, which is outside, for everything."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from testbed.errors import RunError
from testbed.lab import way_out
from testbed.lab.devices import NamespaceAccess
from testbed.lab.outside import Outsider
from testbed.lab.parts import Part, last_line
from testbed.lab.way_out import Gate
from testbed.model.catalogue import CatalogueObject
from testbed.tenant.backend import Access, Endpoint, NewContent, Seeding, Tenant
from testbed.tenant.content import StoredObject

LOG = "tenant.log"
_HERE = "/proc/self/ns/net"


class Custodian(Outsider):
    """The run's end of the socket: asks, and notices the end of who is asked."""

    def __init__(self, fd: int) -> None:
        super().__init__(fd)
        self._file = self._socket.makefile("rb")

    @classmethod
    def of(cls, fd: int | None) -> Custodian | None:
        """Return the one at a socket, if there is a socket."""
        return cls(fd) if fd is not None else None

    def ask(self, do: str, *fds: int, **words: Any) -> Any:
        """Have something done; return what it gives. Raises RunError."""
        with self._asking:
            try:
                asked = json.dumps({"do": do, **words}).encode() + b"\n"
                sent = socket.send_fds(self._socket, [asked], fds)
                self._socket.sendall(asked[sent:])
                line = self._file.readline()
            except ConnectionError:
                line = b""
        if not line:
            raise RunError(f"tenant: its custodian has ended; logs/{LOG} says why")
        answer = json.loads(line)
        if "error" in answer:
            raise RunError(answer["error"])
        return answer["value"]

    def away_ns(self) -> int:
        """Return the round trip from this host to the account's service. Raises RunError."""
        return int(self.ask("away"))

    def throttled(self) -> int:
        """Return how often the account's service has told its custodian to wait. Raises RunError."""
        return int(self.ask("throttled"))

    def close(self) -> None:
        self._file.close()
        super().close()


class HeldTenant(Tenant):
    """An account that its custodian has."""

    def __init__(self, custodian: Custodian, secrets_folder: Path, logs: Path) -> None:
        self._custodian, self._logs = custodian, logs
        told = custodian.ask("endpoint")
        authority = secrets_folder / "tenant-ca.pem" if told["authority"] else None
        if authority is not None:
            authority.write_text(told["authority"], encoding="utf-8")
        self._endpoint = Endpoint(**{**told, "authority": authority})

    @property
    def endpoint(self) -> Endpoint:
        return self._endpoint

    def open(self) -> None:
        self._custodian.ask("open")

    def lead_out(self, node: NamespaceAccess) -> Sequence[str]:
        """Give a node the host's way out; return the resolvers to ask there. Raises HostError, RunError."""
        with open(_HERE) as here:
            told = self._custodian.ask("way_out", here.fileno())
        way_out.lead_on(Gate(**told["gate"]), node, node.pid)
        return tuple(told["resolvers"])

    def seed(self, objects: Sequence[CatalogueObject], seed: int) -> HeldSeeding:
        number = self._custodian.ask("seed", objects=list(map(asdict, objects)), seed=seed)
        return HeldSeeding(self._custodian, number)

    def revise(self, objects: Sequence[CatalogueObject], seed: int, version: int) -> HeldNewContent:
        plain = list(map(asdict, objects))
        return HeldNewContent(self._custodian, self._custodian.ask("revise", objects=plain, seed=seed, version=version))

    def credential(self, starts: datetime, expires: datetime, access: Access = Access.READ) -> str:
        words = {"starts": starts.isoformat(), "expires": expires.isoformat(), "access": str(access)}
        return str(self._custodian.ask("credential", **words))

    def uploaded(self) -> Mapping[str, StoredObject]:
        return _stored(self._custodian.ask("uploaded"))

    def closed(self) -> frozenset[str]:
        """Nothing: a real service does not say whose connections it closes."""
        return frozenset()

    def reset(self) -> None:
        self._custodian.ask("reset")

    def parts(self) -> Iterator[Part]:
        yield Part("the tenant's custodian", self._custodian, partial(last_line, self._logs / LOG))

    def close(self) -> None:
        """Leave it to the custodian, which removes what was made when the run has ended, however it does."""


class HeldSeeding(Seeding):
    """Content on its way into the account."""

    def __init__(self, custodian: Custodian, number: int) -> None:
        self._custodian, self._number = custodian, number

    def wait(self, timeout_s: float = 120.0) -> Mapping[str, StoredObject]:
        return _stored(self._custodian.ask("wait", number=self._number, timeout_s=timeout_s))


class HeldNewContent(NewContent):
    """A later version of it."""

    def __init__(self, custodian: Custodian, number: int) -> None:
        self._custodian, self._number = custodian, number

    def go(self) -> None:
        self._custodian.ask("go", number=self._number)

    def wait(self, timeout_s: float = 120.0) -> Mapping[str, StoredObject]:
        return HeldSeeding(self._custodian, self._number).wait(timeout_s)

    def close(self) -> None:
        """Nothing is there before it is stored."""


def _stored(told: Any) -> Mapping[str, StoredObject]:
    return {one.name: one for one in msgspec.convert(told, list[StoredObject])}
