"""Azure's SDK through the hub's cache, from a real Azurite: a large blob in chunks, and an upload."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from testbed.model.catalogue import CatalogueObject
from testbed.tenant import azurite
from testbed.tenant.azurite import AzuriteTenant
from testbed.tenant.backend import Access
from testbed.tenant.content import StoredObject, content
from tests.system.provision.conftest import Lab

MIB = 2**20
BLOB = CatalogueObject("lessons/a", 8 * MIB + 12_345, 1.0, "video/mp4")
SDK = """
import hashlib, json, sys
from azure.storage.blob import BlobClient
job = json.load(sys.stdin)
client = BlobClient("http://192.168.10.1", job["container"], job["name"], connection_timeout=5, retry_total=0,
                    max_single_get_size=job["chunk"], max_chunk_get_size=job["chunk"])
if job["do"] == "upload":
    client.upload_blob(b"x" * job["size"], overwrite=True)
    print(json.dumps(None))
else:
    data = client.download_blob(max_concurrency=job["connections"]).readall()
    print(json.dumps([len(data), hashlib.sha256(data).hexdigest()]))
"""


@dataclass(frozen=True)
class Site:
    """A hub in front of a seeded Azurite."""

    lab: Lab
    tenant: AzuriteTenant

    def sdk(self, do: str, container: str, name: str, **options: Any) -> Any:
        """Do one thing with the SDK on the LAN, without a credential."""
        job = {"do": do, "container": container, "name": name, "chunk": MIB, "connections": 4, **options}
        done = subprocess.run(
            self.lab["client"].argv([sys.executable, "-c", SDK]),
            input=json.dumps(job),
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert 0 == done.returncode, done.stderr
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def site(lab: Lab) -> Iterator[Site]:
    if not (azurite.azurite_folder() / azurite.SERVER).is_file():
        pytest.skip(f"needs Azurite in {azurite.azurite_folder()} (make setup)")
    now = datetime.now(UTC)
    (lab.folder / "tenant").mkdir()
    tenant = AzuriteTenant(lab["internet"], lab.folder / "tenant", lab.folder, now)
    tenant.open()
    tenant.seed((BLOB,), 7).wait()
    starts, expires = now - timedelta(minutes=5), now + timedelta(hours=1)
    assert tenant.endpoint.authority
    lab.provision(
        cache_origin_host=tenant.endpoint.host,
        cache_origin_ca=tenant.endpoint.authority.read_text(),
        cache_origin_sas=tenant.credential(starts, expires),
        cache_upload_sas=tenant.credential(starts, expires, Access.UPLOAD),
    )
    yield Site(lab, tenant)
    tenant.close()


EXPECTED = [BLOB.size, hashlib.sha256(content(7, BLOB.name, BLOB.size)).hexdigest()]


@pytest.mark.parametrize("chunk", [MIB, 300_000, 4 * MIB], ids=["slices", "across slices", "several slices"])
def test_a_blob_in_chunks_is_the_blob(site: Site, chunk: int) -> None:
    """Chunks of any size over four connections, cold or from the cache, make the same bytes."""
    assert EXPECTED == site.sdk("download", "content", BLOB.name, chunk=chunk)
    assert EXPECTED == site.sdk("download", "content", BLOB.name, chunk=chunk)


def test_a_blob_in_chunks_from_a_hub_in_the_dark(site: Site) -> None:
    """With both uplinks black-holed the SDK has the whole blob from the hub."""
    site.sdk("download", "content", BLOB.name)
    site.lab.cut("dish")
    site.lab.cut("modem")
    dark = site.sdk("download", "content", BLOB.name)
    site.lab.heal("dish")
    site.lab.heal("modem")

    assert EXPECTED == dark


def test_an_upload_of_the_sdk_is_in_the_tenant(site: Site) -> None:
    """A blob that the SDK puts through the hub is read out of the tenant bit for bit."""
    site.sdk("upload", "uploads", "clinic/00001", size=200_000)

    expected = StoredObject("clinic/00001", 200_000, hashlib.sha256(b"x" * 200_000).hexdigest())
    assert {"clinic/00001": expected} == site.tenant.uploaded()
