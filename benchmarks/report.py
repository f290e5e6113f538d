"""`python -m benchmarks.report`: size, first paint and zoom of a report of 100,000 samples.

A zoom is timed until its frame is over, which is later on a machine that others use, too; what the page's process
itself spends on it is counted beside.
Needs Chromium, uPlot (`make setup`) and the packages of requirements-dev.txt.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from testbed import report
from testbed.result.store import Result, ResultWriter
from tests.system.report.browser import Page, opened
from tests.unit.plots.blackout import Story
from tests.unit.report.made import made_in

SAMPLES = 100_000
ZOOMS = 20
_FRAME = "new Promise((done) => requestAnimationFrame(() => setTimeout(done)))"
_PAINT = """new Promise((done) => new PerformanceObserver((list) => {
  for (const entry of list.getEntriesByName("first-contentful-paint")) done(entry.startTime);
}).observe({type: "paint", buffered: true}))"""
_ZOOM = f"""(async () => {{
  const whole = testbed.plots[0].scales.x.max, took = [];
  for (let i = 0; i < {ZOOMS}; i++) {{
    const from = performance.now();
    testbed.zoom((whole * i) / {4 * ZOOMS}, whole / 2 + i);
    await {_FRAME};
    took.push(performance.now() - from);
  }}
  return took;
}})()"""


def made(folder: Path) -> Result:
    """Return a run with so many round trips, one in twenty lost."""
    result = made_in(folder, Story())
    random = np.random.default_rng(3)
    lost = random.random(SAMPLES) < 0.05
    t_ns = np.arange(SAMPLES, dtype=np.int64) * (result.record.duration_ns // SAMPLES)
    rtt = 35_000_000 + random.exponential(4e6, SAMPLES).astype(np.int64)
    columns = {"seq": np.arange(SAMPLES), "t_ns": t_ns, "rtt_ns": pa.array(rtt, mask=lost)}
    columns["lost"] = pa.array(np.where(lost, "unknown", "none"))
    table = pa.table(columns, metadata={"testbed.kind": "udp-echo"})
    ResultWriter(result.folder, result.record).keep("heartbeat", table)
    return Result.load(result.folder)


def _cpu_ms(page: Page) -> tuple[float, float]:
    """Return what the page's main thread, and all threads of its process, have spent so far."""
    metrics = {each["name"]: each["value"] for each in page.call("Performance.getMetrics")["metrics"]}
    return 1e3 * metrics["ThreadTime"], 1e3 * metrics["ProcessTime"]


def main() -> None:
    """Print the figures and the bars that they must reach."""
    with tempfile.TemporaryDirectory() as folder:
        result = made(Path(folder) / "run")
        began = time.perf_counter()
        path = report.write_run(result)
        rows = [
            ("written", time.perf_counter() - began, "s", "<= 2"),
            ("size", path.stat().st_size / 1e6, "MB", "<= 3"),
        ]
        with opened(path) as page:
            page.run(_FRAME)
            rows.append(("first paint", page.run(_PAINT) / 1e3, "s", "<= 1"))
            page.call("Performance.enable", timeDomain="threadTicks")
            before = _cpu_ms(page)
            took = page.run(_ZOOM)
            thread, process = (after - was for after, was in zip(_cpu_ms(page), before, strict=True))
            rows.append((f"zoom, median of {ZOOMS}", statistics.median(took), "ms", "<= 50"))
            rows.append((f"zoom, longest of {ZOOMS}", max(took), "ms", ""))
            rows.append(("zoom, CPU of its thread", thread / ZOOMS, "ms", "<= 50"))
            rows.append(("zoom, CPU of its process", process / ZOOMS, "ms", "<= 50"))
    for name, value, unit, bar in rows:
        print(f"{name:24} {value:8.3g} {unit:3} {bar}")


if __name__ == "__main__":
    main()
