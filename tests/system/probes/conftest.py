"""The lab that the probes' tests measure in."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.system.probes.two_wans import Lab, device, wire


@pytest.fixture
def lab() -> Iterator[Lab]:
    if os.geteuid() != 0:
        pytest.skip("needs root for network namespaces")
    missing = [tool for tool in ("irtt", "nft", "conntrack") if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")
    with ExitStack() as stack:
        lab = Lab(*(device(name, stack) for name in ("client", "hub", "tenant")))
        wire(lab)
        yield lab
