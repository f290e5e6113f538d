"""Stores objects in a storage account, or reads them back: ``python -m testbed.tenant.seed < job.json``.

Runs in the tenant's own namespaces, so that it does not cross the emulated links. The job comes on
standard input, as its first line, because an argument list can be read by every process of the host. Its keys: url (of
the account), account, key, authority (CA file or null), do (store, remove, read), containers, seed, objects
(name, size, content_type), wait_s (until the service answers), version (of the content), hold: make the content, print
a line and store nothing before another line comes. ``store`` makes the containers and stores
the objects in the first of them, ``remove`` removes whatever the containers hold, ``read`` reads all that
the last one holds. Prints the objects stored or read as JSON: [{"name", "size", "sha256"}, ...].
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from testbed.tenant.content import StoredObject, content

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient

AT_ONCE = 4


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


def store(job: Mapping[str, Any], containers: Sequence[ContainerClient]) -> list[StoredObject]:
    """Make the containers, and store the job's objects in the first."""
    # Takes 0.7 s to load: in here it does so while the service is still starting.
    from azure.core.exceptions import ResourceExistsError
    from azure.storage.blob import ContentSettings

    data = {o["name"]: content(job["seed"], o["name"], o["size"], job["version"]) for o in job["objects"]}
    if job["hold"]:
        print("ready", flush=True)
        if not sys.stdin.readline():
            return []
    for container in containers:
        with suppress(ResourceExistsError):
            container.create_container()

    def upload(item: Mapping[str, Any]) -> StoredObject:
        settings = ContentSettings(content_type=item["content_type"])
        containers[0].upload_blob(item["name"], data[item["name"]], overwrite=True, content_settings=settings)
        return _described(item["name"], data[item["name"]])

    with ThreadPoolExecutor(AT_ONCE) as pool:
        # The largest first: a thread that ends with one keeps the others waiting.
        return list(pool.map(upload, sorted(job["objects"], key=lambda o: -o["size"])))


def remove(_: Mapping[str, Any], containers: Sequence[ContainerClient]) -> list[StoredObject]:
    """Remove every object."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for container in containers:
            list(pool.map(container.delete_blob, container.list_blob_names()))
    return []


def read(_: Mapping[str, Any], containers: Sequence[ContainerClient]) -> list[StoredObject]:
    """Read every object of the last container."""
    container = containers[-1]

    def described(name: str) -> StoredObject:
        return _described(name, container.download_blob(name).readall())

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(described, container.list_blob_names()))


def _described(name: str, data: bytes) -> StoredObject:
    return StoredObject(name, len(data), hashlib.sha256(data).hexdigest())


JOBS = {"store": store, "remove": remove, "read": read}


def work(job: Mapping[str, Any]) -> list[StoredObject]:
    """Do the job. Raises azure.core.exceptions.AzureError."""
    from azure.storage.blob import ContainerClient

    url = urlsplit(job["url"])
    await_port(str(url.hostname), url.port or 443, job["wait_s"])
    with ExitStack() as stack:
        containers = [
            stack.enter_context(
                ContainerClient(
                    job["url"],
                    name,
                    credential={"account_name": job["account"], "account_key": job["key"]},
                    connection_verify=job["authority"] or True,
                    max_single_put_size=256 * 2**20,
                )
            )
            for name in job["containers"]
        ]
        return JOBS[job["do"]](job, containers)


def main() -> None:
    """Read a job, do it, print the objects."""
    json.dump([dataclasses.asdict(o) for o in work(json.loads(sys.stdin.readline()))], sys.stdout)


if __name__ == "__main__":
    main()
