"""A tenant that is open and seeded, and a client of it, as a hub's own software would be: by host name, with its CA."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from testbed.lab.devices import NamespaceAccess
from testbed.model.catalogue import CatalogueObject
from testbed.tenant.backend import Access, Tenant
from testbed.tenant.content import StoredObject

OBJECTS = tuple(
    CatalogueObject(name, size, 0.25, "application/octet-stream")
    for name, size in {"small/a": 4_000, "small/b": 0, "images/a": 2_000_000, "lessons/a": 8_000_000}.items()
)
SDK = """
import hashlib, json, sys
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import ContainerClient
for line in sys.stdin:
    job = json.loads(line)
    client = ContainerClient.from_container_url(job["url"], credential=job["sas"], connection_verify=job["ca"])
    calls = {
        "read": lambda: {n: hashlib.sha256(client.download_blob(n).readall()).hexdigest() for n in job["names"]},
        "write": lambda: client.upload_blob("small/new", b"x", overwrite=True) and None,
        "delete": lambda: client.delete_blob("small/a"),
        "list": lambda: list(client.list_blob_names()),
        "get": lambda: client.download_blob("small/a") and None,
    }
    try:
        answer = calls[job["do"]]()
    except HttpResponseError as error:
        answer = error.status_code
    print(json.dumps(answer), flush=True)
"""


@dataclass(frozen=True)
class Running:
    """A seeded tenant, what it says it stores, and the SDK beside it."""

    tenant: Tenant
    client: subprocess.Popen[str]
    stored: dict[str, StoredObject]
    sas: str
    upload_sas: str

    def sdk(self, do: str, sas: str | None = None, names: tuple[str, ...] = (), *, uploads: bool = False) -> Any:
        """Do one thing with the SDK; return its answer, or the status of a refusal."""
        endpoint = self.tenant.endpoint
        job = {
            "url": f"https://{endpoint.host}/{endpoint.uploads if uploads else endpoint.container}",
            "ca": str(endpoint.authority),
            "sas": self.sas if sas is None else sas or None,
            "do": do,
            "names": names,
        }
        assert self.client.stdin
        assert self.client.stdout
        self.client.stdin.write(json.dumps(job) + "\n")
        self.client.stdin.flush()
        return json.loads(self.client.stdout.readline())


@contextmanager
def running(tenant: Tenant, device: NamespaceAccess) -> Iterator[Running]:
    """Open and seed a tenant; ``device`` has the client."""
    now = datetime.now(UTC)
    tenant.open()
    stored = dict(tenant.seed(OBJECTS, 7).wait())
    sas, upload_sas = (
        tenant.credential(now - timedelta(minutes=5), now + timedelta(hours=1), access)
        for access in (Access.READ, Access.UPLOAD)
    )
    client = subprocess.Popen(
        device.argv([sys.executable, "-c", SDK]), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield Running(tenant, client, stored, sas, upload_sas)
    finally:
        client.kill()
        client.wait()
        tenant.close()


def name_it(device: NamespaceAccess, tenant: Tenant, folder: Path) -> None:
    """Let a device find a tenant by its name."""
    hosts = folder / "hosts"
    hosts.write_text(f"127.0.0.1 localhost\n{tenant.endpoint.address} {tenant.endpoint.host}\n")
    assert 0 == device.run(["mount", "--bind", str(hosts), "/etc/hosts"]).returncode
