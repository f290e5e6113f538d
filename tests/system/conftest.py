"""What a test that judges by the clock says while the hypervisor has the processors: nothing of the product."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from testbed.lab import cores

BUSY = 0.15
"""The share of the processors' time stolen beyond which a `real_time` test that fails is skipped, and says so."""

_begun = pytest.StashKey[tuple[int, int]]()
_excused = pytest.StashKey[list[BaseException]]()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "real_time: judges by the clock what processes did, each in its time")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    item.stash[_begun] = cores.ticks()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a failure on a busy host into a skip with its reason; that of a shared fixture excuses all its tests."""
    report = yield
    if not report.failed or call.excinfo is None or not item.get_closest_marker("real_time"):
        return report
    excused = item.config.stash.setdefault(_excused, [])
    stolen = cores.stolen_share(item.stash[_begun])
    if stolen <= BUSY and call.excinfo.value not in excused:
        return report
    excused.append(call.excinfo.value)
    path, line, _ = item.location
    report.outcome = "skipped"
    report.longrepr = (
        path,
        (line or 0) + 1,
        f"the hypervisor took {stolen:.0%} of the processors' time, and it failed: "
        f"{call.excinfo.exconly().splitlines()[0]}",
    )
    return report
