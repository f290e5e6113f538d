"""What every tenant does, whichever it is: one suite over all of testbed.tenant.tenants."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from testbed.lab.devices import NamespaceAccess
from testbed.tenant.azurite import AzuriteTenant
from testbed.tenant.content import StoredObject, content, manifest
from testbed.tenant.tenants import TENANTS
from tests.system.tenant import running as seeded
from tests.system.tenant.outside import Outside
from tests.system.tenant.running import OBJECTS, Running


@pytest.fixture(scope="module", params=list(TENANTS))
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A tenant of each kind: Azurite on a node, an account kept on another host."""
    if request.param == "azurite":
        device: NamespaceAccess = request.getfixturevalue("device")
        folder = tmp_path_factory.mktemp("azurite")
        tenant = AzuriteTenant(device, folder, folder, datetime.now(UTC))
        seeded.name_it(device, tenant, folder)
        with seeded.running(tenant, device) as found:
            yield found
        return
    outside: Outside = request.getfixturevalue("outside")
    with outside.kept(tmp_path_factory.mktemp("account")) as held, seeded.running(held, outside.host) as found:
        yield found


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
        assert running.sdk("write", running.upload_sas, uploads=True) is None

    assert {"small/new": StoredObject("small/new", 1, hashlib.sha256(b"x").hexdigest())} == (
        running.tenant.uploaded()
    )


@pytest.mark.parametrize("call", ["get", "delete", "list"])
def test_the_upload_token_does_nothing_else(running: Running, call: str) -> None:
    """Who holds the hub's upload token sees no upload, removes none and lists none."""
    assert 403 == running.sdk(call, running.upload_sas, uploads=True)


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


def test_a_new_version_replaces_every_object_when_it_is_told_to(running: Running) -> None:
    """Made beforehand and held; then each object has other bytes of the same length. It is given up without a trace."""
    given_up = running.tenant.revise(OBJECTS, 7, 2)
    new = running.tenant.revise(OBJECTS, 7, 1)
    before = running.sdk("read", names=tuple(o.name for o in OBJECTS))
    new.go()
    stored = new.wait()
    given_up.close()

    assert {o.name: hashlib.sha256(content(7, o.name, o.size)).hexdigest() for o in OBJECTS} == before
    expected = {o.name: hashlib.sha256(content(7, o.name, o.size, 1)).hexdigest() for o in OBJECTS}
    assert expected == {name: o.sha256 for name, o in stored.items()}
    assert expected == running.sdk("read", names=tuple(o.name for o in OBJECTS))
    running.tenant.seed(OBJECTS, 7).wait()


def test_reset_removes_every_object(running: Running) -> None:
    """After a reset no object and no upload is left, and the same seed stores the same objects again."""
    running.tenant.reset()
    assert 404 == running.sdk("get")
    assert {} == running.tenant.uploaded()

    assert running.stored == running.tenant.seed(OBJECTS, 7).wait()
