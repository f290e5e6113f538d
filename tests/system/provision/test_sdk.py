"""Azure's SDK through the hub's cache, from a real Azurite: blobs in chunks, and uploads of every kind."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from testbed.model.catalogue import CatalogueObject
from testbed.model.traffic import SdkUpload
from testbed.probes.kinds import probe_for
from testbed.probes.probe import ProbeState
from testbed.probes.probe import Site as MeasuredAt
from testbed.tenant import azurite
from testbed.tenant.azurite import AzuriteTenant
from testbed.tenant.backend import Access
from testbed.tenant.content import StoredObject, content
from tests.system.provision.conftest import Lab
from tests.system.provision.test_hub import until

MIB = 2**20
BLOB = CatalogueObject("lessons/a", 8 * MIB + 12_345, 1.0, "video/mp4")
EMPTY = CatalogueObject("lessons/.keep", 0, 1.0, "text/plain")
SDK = """
import hashlib, json, sys
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobClient
job = json.load(sys.stdin)
client = BlobClient("http://192.168.10.1", job["container"], job["name"], connection_timeout=5, **job["client"])

def said(error):
    return f"{error.status_code} {error.error_code}"

def upload(letter):
    try:
        client.upload_blob(letter.encode() * job["size"], blob_type=job["type"], overwrite=job["overwrite"])
        return "acknowledged"
    except HttpResponseError as error:
        return said(error)

def download():
    data = client.download_blob(max_concurrency=job["connections"]).readall()
    return [len(data), hashlib.sha256(data).hexdigest()]

print(json.dumps(download() if job["do"] == "download" else [upload(letter) for letter in job["letters"]]))
"""
ONE_PUT, BLOCKS = {"max_single_put_size": 64 * MIB}, {"max_single_put_size": MIB, "max_block_size": MIB}


@dataclass(frozen=True)
class Site:
    """A hub in front of a seeded Azurite."""

    lab: Lab
    tenant: AzuriteTenant

    def start(self, job: Mapping[str, Any]) -> subprocess.Popen[str]:
        """Begin to do one thing with the SDK on the LAN, without a credential."""
        process = self.lab["client"].popen(
            [sys.executable, "-c", SDK],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdin
        process.stdin.write(json.dumps(job))
        process.stdin.close()
        process.stdin = None
        return process

    def download(self, name: str, chunk: int = MIB) -> Any:
        """Download a blob in chunks over four connections; return its size and SHA-256."""
        client = {"max_single_get_size": chunk, "max_chunk_get_size": chunk, "retry_total": 0}
        job = {"do": "download", "container": "content", "name": name, "connections": 4, "client": client}
        return ended(self.start(job), 90)

    def upload_job(self, name: str, letters: str, size: int, **options: Any) -> Mapping[str, Any]:
        """Return the job of uploading one blob several times, each full of another letter."""
        job = {"do": "upload", "container": "uploads", "name": name, "letters": letters, "size": size}
        return job | {"type": "BlockBlob", "client": {"retry_total": 0}} | options

    def upload(self, name: str, letters: str, size: int, **options: Any) -> Any:
        """Do such a job; return what the SDK was told each time."""
        return ended(self.start(self.upload_job(name, letters, size, **options)), 90)


def ended(process: subprocess.Popen[str], timeout_s: float) -> Any:
    """Wait for the SDK; return what it printed."""
    output, errors = process.communicate(timeout=timeout_s)
    assert 0 == process.returncode, errors
    return json.loads(output)


def full_of(letter: str, name: str, size: int) -> StoredObject:
    return StoredObject(name, size, hashlib.sha256(letter.encode() * size).hexdigest())


@pytest.fixture(scope="module")
def site(lab: Lab) -> Iterator[Site]:
    if not (azurite.azurite_folder() / azurite.SERVER).is_file():
        pytest.skip(f"needs Azurite in {azurite.azurite_folder()} (make setup)")
    now = datetime.now(UTC)
    (lab.folder / "tenant").mkdir()
    tenant = AzuriteTenant(lab["internet"], lab.folder / "tenant", lab.folder, now)
    tenant.open()
    tenant.seed((BLOB, EMPTY), 7).wait()
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
    assert EXPECTED == site.download(BLOB.name, chunk)
    assert EXPECTED == site.download(BLOB.name, chunk)


def test_a_blob_in_chunks_from_a_hub_in_the_dark(site: Site) -> None:
    """With both uplinks black-holed the SDK has the whole blob from the hub."""
    site.download(BLOB.name)
    site.lab.cut("dish")
    site.lab.cut("modem")
    dark = site.download(BLOB.name)
    site.lab.heal("dish")
    site.lab.heal("modem")

    assert EXPECTED == dark


def test_an_empty_blob_is_empty(site: Site) -> None:
    """The SDK, which asks for a range of every blob first, is handed a blob of no bytes; cold and from the cache."""
    nothing = [0, hashlib.sha256(b"").hexdigest()]

    assert [nothing, nothing] == [site.download(EMPTY.name), site.download(EMPTY.name)]


@pytest.mark.parametrize("kind", ["BlockBlob", "AppendBlob", "PageBlob"])
@pytest.mark.parametrize("size", [200_192, 3 * MIB])
@pytest.mark.parametrize("client", [ONE_PUT, BLOCKS], ids=["one put", "blocks"])
def test_an_upload_of_the_sdk_is_in_the_tenant(
    site: Site, kind: str, size: int, client: Mapping[str, int]
) -> None:
    """What the SDK uploads through the hub, whole or in parts, is read out of the tenant bit for bit."""
    name = f"clinic/{kind}-{size}-{len(client)}"
    said = site.upload(name, "ab", size, type=kind, overwrite=True, client=client | {"retry_total": 0})

    assert ["acknowledged", "acknowledged"] == said
    assert full_of("b", name, size) == site.tenant.uploaded()[name]


@pytest.mark.parametrize("client", [ONE_PUT, BLOCKS], ids=["one put", "blocks"])
def test_an_upload_that_must_not_overwrite_does_not(site: Site, client: Mapping[str, int]) -> None:
    """The second upload of a name is told that it exists, and the first one's bytes are what the tenant has."""
    name = f"clinic/once-{len(client)}"
    said = site.upload(name, "ab", 3 * MIB, overwrite=False, client=client | {"retry_total": 0})

    assert ["acknowledged", "409 BlobAlreadyExists"] == said
    assert full_of("a", name, 3 * MIB) == site.tenant.uploaded()[name]


def test_a_large_upload_through_outages_is_whole(site: Site) -> None:
    """300 MiB in the SDK's own blocks, with every uplink dark twice on the way, arrive bit for bit."""
    name, patience = "clinic/large", {"initial_backoff": 1, "increment_base": 2, "retry_total": 10}
    sent = len(puts(site))
    sdk = site.start(site.upload_job(name, "x", 300 * MIB, overwrite=False, client=patience))
    for blocks in (10, 40):
        until(lambda blocks=blocks: len(puts(site)) > sent + blocks, 60)
        for cpe in ("dish", "modem"):
            site.lab.cut(cpe)
        time.sleep(4)  # the outage itself
        for cpe in ("dish", "modem"):
            site.lab.heal(cpe)

    assert ["acknowledged"] == ended(sdk, 240)
    assert full_of("x", name, 300 * MIB) == site.tenant.uploaded()[name]


def puts(site: Site) -> list[str]:
    """Return the hub's log of the uploads that it has answered."""
    log = site.lab.sh("hub", "cat /var/log/nginx/access.jsonl").splitlines()
    return [line for line in log if '"method": "PUT"' in line]


def test_the_sdk_upload_traffic_tells_what_became_of_each(site: Site, tmp_path: Path) -> None:
    """Blocks from the probe's own client are acknowledged and there; second contents of a name are refused."""
    traffic = SdkUpload(
        kind="sdk-upload",
        from_="client",
        size=600_000,
        block=200_000,
        rate=2.0,
        again=0.5,
        overwrite=False,
        name="records",
    )
    options: dict[str, Any] = {"upload_url": "http://192.168.10.1/uploads", "uploaded": site.tenant.uploaded}
    where = MeasuredAt(site.lab["client"], site.lab["internet"], 8 * 10**9, tmp_path, tmp_path, seed=7, **options)
    probe = probe_for(traffic, where)
    probe.open()
    probe.ready()
    probe.start(time.time_ns() + 10**9)
    until(lambda: probe.poll().state is ProbeState.ENDED, 60)
    rows = pq.read_table(probe.finish()).to_pylist()

    ended = [r for r in rows if r["acknowledged_ns"] and r["again"] != "unknown"]
    assert {(True, 201)} == {(r["durable"], r["status"]) for r in ended}
    assert {None, "refused"} == {r["again"] for r in ended}
