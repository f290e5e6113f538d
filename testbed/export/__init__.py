"""A run's result in the formats of other tools, from its folder alone. See docs/capture.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from testbed.export import openmetrics, perfetto
from testbed.result.store import Result

FORMATS: Mapping[str, tuple[str, Callable[[Result], str]]] = {
    "openmetrics": ("metrics.txt", openmetrics.text),
    "perfetto": ("trace.json", perfetto.text),
}
"""By name: the file that it usually is, and what makes its text."""
