"""A tenant's device, and somebody's storage account with the host that reaches it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from testbed.lab.devices import NamespaceAccess
from testbed.tenant import azurite
from tests.system.tenant import outside as somewhere
from tests.system.tenant.outside import Outside


@pytest.fixture(scope="module")
def device() -> Iterator[NamespaceAccess]:
    """Network and mount namespaces with the tenant's address on their loopback."""
    if os.geteuid() != 0:
        pytest.skip("needs root for network namespaces")
    with somewhere.namespaces("tenant") as access:
        access.run(["ip", "link", "set", "lo", "up"])
        access.run(["ip", "address", "add", "203.0.113.10/32", "dev", "lo"])
        yield access


@pytest.fixture(scope="session")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outside]:
    if not os.environ.get("TESTBED_OUTSIDE"):
        pytest.skip("takes minutes with all of its tests; TESTBED_OUTSIDE=1 plays them")
    if os.geteuid() != 0:
        pytest.skip("needs root for network namespaces")
    if not (azurite.azurite_folder() / azurite.SERVER).is_file():
        pytest.skip(f"needs Azurite in {azurite.azurite_folder()} (make setup)")
    with somewhere.outside(tmp_path_factory.mktemp("outside")) as found:
        yield found
