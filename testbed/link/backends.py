"""The back ends that emulate links for real packets, by the name that `--link` takes."""

from __future__ import annotations

from collections.abc import Mapping

from testbed.link.native import NativeBackend
from testbed.link.netem import NetemBackend

BACKENDS: Mapping[str, type[NativeBackend]] = {"native": NativeBackend, "netem": NetemBackend}
