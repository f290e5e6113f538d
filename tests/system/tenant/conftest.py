"""A tenant's device: network and mount namespaces with the tenant's address on their loopback."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest

from testbed.lab.devices import NamespaceAccess


@pytest.fixture(scope="module")
def device() -> Iterator[NamespaceAccess]:
    if os.geteuid() != 0:
        pytest.skip("needs root for network namespaces")
    holder = subprocess.Popen(
        ["unshare", "--net", "--mount", "--", "sh", "-c", "echo ready; exec sleep 600"],
        stdout=subprocess.PIPE,
    )
    assert holder.stdout
    holder.stdout.readline()
    access = NamespaceAccess("tenant", holder.pid)
    access.run(["ip", "link", "set", "lo", "up"])
    access.run(["ip", "address", "add", "203.0.113.10/32", "dev", "lo"])
    yield access
    holder.kill()
    holder.wait()
