"""What is Azurite's own, beyond what every tenant does (test_contract.py): the real service, in namespaces."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from testbed.errors import RunError
from testbed.lab.devices import NamespaceAccess
from testbed.tenant import azurite
from testbed.tenant.azurite import AzuriteTenant
from tests.system.tenant import running as seeded
from tests.system.tenant.running import OBJECTS, Running

CONNECTION = """
import json, select, socket, ssl, sys
job = json.load(sys.stdin)
trust = ssl.create_default_context(cafile=job["ca"])
connection = trust.wrap_socket(socket.create_connection((job["address"], 443), 10), server_hostname=job["host"])

def ask(more=""):
    head = f"HEAD / HTTP/1.1\\r\\nHost: {job['host']}\\r\\nx-ms-client-request-id: {job['id']}\\r\\n{more}\\r\\n"
    connection.sendall(head.encode())
    return connection.recv(65536).decode().split()[1]

statuses = [ask()]
if job["idle_s"]:  # readable before its time: the other end has closed it
    closed = bool(select.select([connection], [], [], job["idle_s"])[0] and not connection.recv(1))
    statuses += ["closed" if closed else ask()]
else:
    statuses += [ask("Connection: close\\r\\n")]
    while connection.recv(65536):
        pass
print(json.dumps(statuses))
"""
IDLE_S = 8
"""Longer than the 5 s after which Node closes an idle connection, unless it is told otherwise."""


@dataclass(frozen=True)
class Azurite:
    """A seeded Azurite, the device that it is on, and its logs."""

    tenant: AzuriteTenant
    device: NamespaceAccess
    logs: Path
    seeded: Running

    def connection(self, name: str, idle_s: int = 0) -> list[str]:
        """Ask twice on one connection that rests in between, or whose second request is its last."""
        endpoint = self.tenant.endpoint
        job = {
            "host": endpoint.host,
            "address": endpoint.address,
            "ca": str(endpoint.authority),
            "id": name,
            "idle_s": idle_s,
        }
        done = subprocess.run(
            self.device.argv([sys.executable, "-c", CONNECTION]),
            input=json.dumps(job),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert 0 == done.returncode, done.stderr
        statuses: list[str] = json.loads(done.stdout)
        return statuses


@pytest.fixture(scope="module")
def running(device: NamespaceAccess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    if not (azurite.azurite_folder() / azurite.SERVER).is_file():
        pytest.skip(f"needs Azurite in {azurite.azurite_folder()} (make setup)")
    logs = tmp_path_factory.mktemp("logs")
    tenant = AzuriteTenant(device, tmp_path_factory.mktemp("secrets"), logs, datetime.now(UTC))
    seeded.name_it(device, tenant, logs)
    with seeded.running(tenant, device) as found:
        yield Azurite(tenant, device, logs, found)


def came(look: Callable[[], bool]) -> bool:
    """Whether something is seen within a minute: what the server says goes through its log's filter."""
    end_s = time.monotonic() + 60
    while not look():
        if time.monotonic() > end_s:
            return False
        time.sleep(0.05)
    return True


def test_a_server_that_ends_is_not_waited_for(device: NamespaceAccess, tmp_path: Path) -> None:
    """An address that the tenant lacks: what the server said is the error."""
    if not (azurite.azurite_folder() / azurite.SERVER).is_file():
        pytest.skip(f"needs Azurite in {azurite.azurite_folder()} (make setup)")
    tenant = AzuriteTenant(device, tmp_path, tmp_path, datetime.now(UTC), address="198.51.100.77")
    tenant.open()
    try:
        with pytest.raises(RunError, match="EADDRNOTAVAIL"):
            tenant.seed(OBJECTS, 7).wait()
    finally:
        tenant.close()


def test_tls_is_refused_without_the_runs_authority(running: Azurite) -> None:
    """The public authorities do not vouch for the tenant: only who has the run's CA connects."""
    endpoint = running.tenant.endpoint
    seen = running.device.run(["curl", "--silent", "--output", "/dev/null", endpoint.url])

    assert 60 == seen.returncode  # curl: peer certificate cannot be authenticated


def test_no_secret_is_in_the_process_list(running: Azurite) -> None:
    """The account's key is in no argument list."""
    listed = running.device.run(["ps", "-ewwo", "args"]).stdout

    assert "azurite" in listed
    assert running.tenant._key not in listed


def test_no_signature_is_in_the_log(running: Azurite) -> None:
    """Azurite's access log keeps the requests, without the signatures of the SAS tokens."""
    running.seeded.sdk("read", names=("small/a",))

    def asked() -> bool:
        log = (running.logs / "azurite.log").read_text()
        return "GET /content/small/a?" in log or "GET /content/small%2Fa?" in log

    assert came(asked)
    log = (running.logs / "azurite.log").read_text()
    assert ["***"] == sorted(set(re.findall(r"sig=([^&\s\"]*)", log)))


def test_a_connection_that_rested_is_still_good(running: Azurite) -> None:
    """An outage of some seconds, and TCP's back-off after it, do not make the tenant close a connection."""
    first, second = running.connection("portal-0", IDLE_S)

    assert first == second
    assert "portal-0" not in running.tenant.closed()


def test_a_connection_that_the_tenant_closed_is_named(running: Azurite) -> None:
    """What the service closes by itself is known by its last request: it is no reset of the path."""
    running.connection("portal-1")

    assert came(lambda: "portal-1" in running.tenant.closed())


def test_a_tenant_that_cannot_start_says_why(
    running: Azurite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the service does not come up, the error shows its log."""
    monkeypatch.setattr(azurite, "START_S", 2.0)
    second = AzuriteTenant(running.device, tmp_path, tmp_path, datetime.now(UTC), address="203.0.113.99")
    second.open()
    with pytest.raises(RunError, match="EADDRNOTAVAIL"):
        second.seed(OBJECTS, 7).wait()
    second.close()


def test_close_stops_the_service_and_removes_the_key(
    device: NamespaceAccess, tmp_path: Path, running: Azurite
) -> None:
    """After close neither the process nor the TLS key is there, and closing again is harmless."""
    device.run(["ip", "address", "add", "203.0.113.11/32", "dev", "lo"])
    tenant = AzuriteTenant(device, tmp_path, tmp_path, datetime.now(UTC), address="203.0.113.11")
    tenant.open()
    tenant.seed((), 7).wait()
    tenant.close()
    tenant.close()

    assert not (tmp_path / "tenant.key").exists()
    assert "" == device.run(["ss", "-Hltn", "src", "203.0.113.11"]).stdout
