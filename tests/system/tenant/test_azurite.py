"""The Azurite tenant: real Azurite, real TLS, real SDK, in a device's namespaces."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from testbed.errors import RunError
from testbed.lab.devices import NamespaceAccess
from testbed.model.catalogue import CatalogueObject
from testbed.tenant import azurite
from testbed.tenant.azurite import AzuriteTenant
from testbed.tenant.backend import Access
from testbed.tenant.content import StoredObject, content, manifest

OBJECTS = tuple(
    CatalogueObject(name, size, 0.25, "application/octet-stream")
    for name, size in {"small/a": 4_000, "small/b": 0, "images/a": 2_000_000, "lessons/a": 8_000_000}.items()
)
SDK = """
import json, sys
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import ContainerClient
import hashlib
job = json.load(sys.stdin)
client = ContainerClient.from_container_url(job["url"], credential=job["sas"], connection_verify=job["ca"])
if job["do"] == "read":
    blobs = {name: client.download_blob(name).readall() for name in job["names"]}
    print(json.dumps({name: hashlib.sha256(data).hexdigest() for name, data in blobs.items()}))
else:
    calls = {
        "write": lambda: client.upload_blob("small/new", b"x", overwrite=True) and None,
        "delete": lambda: client.delete_blob("small/a"),
        "list": lambda: list(client.list_blob_names()),
        "get": lambda: client.download_blob("small/a"),
    }
    try:
        calls[job["do"]]()
        print(json.dumps(None))
    except HttpResponseError as error:
        print(json.dumps(error.status_code))
"""

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
class Running:
    """A seeded tenant and what it says it stores."""

    tenant: AzuriteTenant
    device: NamespaceAccess
    stored: dict[str, StoredObject]
    sas: str
    upload_sas: str
    logs: Path

    def sdk(
        self, do: str, sas: str | None = None, names: tuple[str, ...] = (), container: str = "content"
    ) -> Any:
        """Do one thing with the SDK, as a hub's own software would: by host name, with the run's CA."""
        endpoint = self.tenant.endpoint
        job = {
            "url": endpoint.url.replace("/content", f"/{container}"),
            "ca": str(endpoint.authority),
            "sas": self.sas if sas is None else sas or None,
            "do": do,
            "names": names,
        }
        done = subprocess.run(
            self.device.argv([sys.executable, "-c", SDK]),
            input=json.dumps(job),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert 0 == done.returncode, done.stderr
        return json.loads(done.stdout)

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
def running(device: NamespaceAccess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    if not (azurite.azurite_folder() / azurite.SERVER).is_file():
        pytest.skip(f"needs Azurite in {azurite.azurite_folder()} (make setup)")
    logs, now = tmp_path_factory.mktemp("logs"), datetime.now(UTC)
    tenant = AzuriteTenant(device, tmp_path_factory.mktemp("secrets"), logs, now)
    hosts = logs / "hosts"
    hosts.write_text(f"{tenant.endpoint.address} {tenant.endpoint.host}\n")
    assert 0 == device.run(["mount", "--bind", str(hosts), "/etc/hosts"]).returncode
    tenant.open()
    stored = dict(tenant.seed(OBJECTS, 7).wait())
    sas, upload_sas = (
        tenant.credential(now - timedelta(minutes=5), now + timedelta(hours=1), access)
        for access in (Access.READ, Access.UPLOAD)
    )
    yield Running(tenant, device, stored, sas, upload_sas, logs)
    tenant.close()


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


def test_stores_the_content_that_seed_and_name_determine(running: Running) -> None:
    """The stored objects are those of the manifest, which anybody can compute again."""
    assert manifest(7, OBJECTS) == running.stored


def test_every_object_reads_back_by_host_name(running: Running) -> None:
    """The SDK reads every object over TLS under the account's product-style name, byte for byte."""
    expected = {o.name: hashlib.sha256(content(7, o.name, o.size)).hexdigest() for o in OBJECTS}

    assert expected == running.sdk("read", names=tuple(o.name for o in OBJECTS))


@pytest.mark.parametrize("call", ["write", "delete", "list"])
def test_the_hubs_token_only_reads(running: Running, call: str) -> None:
    """The hub's SAS token neither writes, deletes nor lists."""
    assert 403 == running.sdk(call)


def test_the_upload_token_stores_and_stores_again(running: Running) -> None:
    """An upload can be stored, and once more where its acknowledgement was lost; the tenant reads it back."""
    for _ in range(2):
        assert running.sdk("write", running.upload_sas, container="uploads") is None

    assert {"small/new": StoredObject("small/new", 1, hashlib.sha256(b"x").hexdigest())} == (
        running.tenant.uploaded()
    )


@pytest.mark.parametrize("call", ["get", "delete", "list"])
def test_the_upload_token_does_nothing_else(running: Running, call: str) -> None:
    """Who holds the hub's upload token sees no upload, removes none and lists none."""
    assert 403 == running.sdk(call, running.upload_sas, container="uploads")


@pytest.mark.parametrize("call", ["write", "get"])
def test_the_upload_token_does_not_reach_the_content(running: Running, call: str) -> None:
    """Uploads and content are apart: the token of one container is nothing in the other."""
    assert 403 == running.sdk(call, running.upload_sas)


def test_without_a_token_nothing_is_given(running: Running) -> None:
    """A client without the hub's credential is refused."""
    assert running.sdk("get", sas="") in (401, 403, 404)


def test_an_expired_token_is_refused(running: Running) -> None:
    """A SAS token ends at its time."""
    now = datetime.now(UTC)
    expired = running.tenant.credential(now - timedelta(hours=2), now - timedelta(hours=1))

    assert 403 == running.sdk("get", sas=expired)


def test_tls_is_refused_without_the_runs_authority(running: Running) -> None:
    """The public authorities do not vouch for the tenant: only who has the run's CA connects."""
    endpoint = running.tenant.endpoint
    seen = running.device.run(["curl", "--silent", "--output", "/dev/null", endpoint.url])

    assert 60 == seen.returncode  # curl: peer certificate cannot be authenticated


def test_no_secret_is_in_the_process_list(running: Running) -> None:
    """The account's key is in no argument list."""
    listed = running.device.run(["ps", "-ewwo", "args"]).stdout

    assert "azurite" in listed
    assert running.tenant._key not in listed


def test_no_signature_is_in_the_log(running: Running) -> None:
    """Azurite's access log keeps the requests, without the signatures of the SAS tokens."""
    running.sdk("read", names=("small/a",))
    log = (running.logs / "azurite.log").read_text()

    assert "GET /content/small/a?" in log or "GET /content/small%2Fa?" in log
    assert ["***"] == sorted(set(re.findall(r"sig=([^&\s\"]*)", log)))


def test_a_connection_that_rested_is_still_good(running: Running) -> None:
    """An outage of some seconds, and TCP's back-off after it, do not make the tenant close a connection."""
    first, second = running.connection("portal-0", IDLE_S)

    assert first == second
    assert "portal-0" not in running.tenant.closed()


def test_a_connection_that_the_tenant_closed_is_named(running: Running) -> None:
    """What the service closes by itself is known by its last request: it is no reset of the path."""
    running.connection("portal-1")
    end_s = time.monotonic() + 60
    while "portal-1" not in running.tenant.closed() and time.monotonic() < end_s:
        time.sleep(0.05)  # what the server says goes through its log's filter

    assert "portal-1" in running.tenant.closed()


def test_a_new_version_replaces_every_object_when_it_is_told_to(running: Running) -> None:
    """Made beforehand and held; then each object has other bytes of the same length. It is given up without a trace."""
    given_up = running.tenant.revise(OBJECTS, 7, 2)
    new = running.tenant.revise(OBJECTS, 7, 1)
    before = running.sdk("read", names=[o.name for o in OBJECTS])
    new.go()
    stored = new.wait()
    given_up.close()

    assert {o.name: hashlib.sha256(content(7, o.name, o.size)).hexdigest() for o in OBJECTS} == before
    expected = {o.name: hashlib.sha256(content(7, o.name, o.size, 1)).hexdigest() for o in OBJECTS}
    assert expected == {name: o.sha256 for name, o in stored.items()}
    assert expected == running.sdk("read", names=[o.name for o in OBJECTS])
    running.tenant.seed(OBJECTS, 7).wait()


def test_reset_removes_every_object(running: Running) -> None:
    """After a reset no object and no upload is left, and the same seed stores the same objects again."""
    running.tenant.reset()
    assert 404 == running.sdk("get")
    assert {} == running.tenant.uploaded()

    assert running.stored == running.tenant.seed(OBJECTS, 7).wait()


def test_a_tenant_that_cannot_start_says_why(
    running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the service does not come up, the error shows its log."""
    monkeypatch.setattr(azurite, "START_S", 2.0)
    second = AzuriteTenant(running.device, tmp_path, tmp_path, datetime.now(UTC), address="203.0.113.99")
    second.open()
    with pytest.raises(RunError, match="EADDRNOTAVAIL"):
        second.seed(OBJECTS, 7).wait()
    second.close()


def test_close_stops_the_service_and_removes_the_key(
    device: NamespaceAccess, tmp_path: Path, running: Running
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
