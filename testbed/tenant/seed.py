"""Stores a catalogue's objects in a storage account: ``python -m testbed.tenant.seed < job.json``.

Runs in the tenant's own namespaces, so that seeding does not cross the emulated links. The job comes
on standard input because an argument list can be read by every process of the host. Its keys: url
(of the account), account, key, authority (CA file or null), container, seed, objects (name, size,
content_type), remove (true: remove every object first), wait_s (until the service answers).
Prints the stored objects as JSON: [{"name", "size", "sha256"}, ...].
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import socket
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from testbed.tenant.content import StoredObject, content

UPLOADS_AT_ONCE = 4


def await_port(address: str, port: int, wait_s: float) -> None:
    """Return as soon as the port accepts a connection. Raises TimeoutError after ``wait_s``."""
    deadline = time.monotonic() + wait_s
    while time.monotonic() < deadline:
        try:
            socket.create_connection((address, port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.02)  # a closed port answers at once: leave the processor to the service
    raise TimeoutError(f"nothing listens on {address}:{port} after {wait_s:g} s")


def store(job: Mapping[str, Any]) -> list[StoredObject]:
    """Do the job. Raises azure.core.exceptions.AzureError."""
    # Takes 0.7 s to load: in here it does so while the service is still starting.
    from azure.core.exceptions import ResourceExistsError
    from azure.storage.blob import ContainerClient, ContentSettings

    data = {o["name"]: content(job["seed"], o["name"], o["size"]) for o in job["objects"]}
    url = urlsplit(job["url"])
    await_port(str(url.hostname), url.port or 443, job["wait_s"])
    client = ContainerClient(
        job["url"],
        job["container"],
        credential={"account_name": job["account"], "account_key": job["key"]},
        connection_verify=job["authority"] or True,
        max_single_put_size=256 * 2**20,
    )

    def upload(item: Mapping[str, Any]) -> StoredObject:
        blob = data[item["name"]]
        settings = ContentSettings(content_type=item["content_type"])
        client.upload_blob(item["name"], blob, overwrite=True, content_settings=settings)
        return StoredObject(item["name"], len(blob), hashlib.sha256(blob).hexdigest())

    with client, ThreadPoolExecutor(UPLOADS_AT_ONCE) as pool:
        with suppress(ResourceExistsError):
            client.create_container()
        if job["remove"]:
            list(pool.map(client.delete_blob, client.list_blob_names()))
        # The largest first: a thread that ends with one keeps the others waiting.
        return list(pool.map(upload, sorted(job["objects"], key=lambda o: -o["size"])))


def main() -> None:
    """Read a job, do it, print what is stored."""
    json.dump([dataclasses.asdict(o) for o in store(json.load(sys.stdin))], sys.stdout)


if __name__ == "__main__":
    main()
