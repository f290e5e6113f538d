"""These tests run in real time: what fails while the hypervisor has the processors says nothing of the product."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from testbed.lab import cores

BUSY = 0.15
"""The share of the processors' time that was stolen; a test that fails beyond it is skipped, and says so."""

_begun = pytest.StashKey[tuple[int, int]]()
_excused = pytest.StashKey[list[BaseException]]()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    item.stash[_begun] = cores.ticks()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a failure on a busy host into a skip with its reason; that of a shared fixture excuses all its tests."""
    report = yield
    if not report.failed or call.excinfo is None or _begun not in item.stash:
        return report
    excused = item.config.stash.setdefault(_excused, [])
    stolen, passed = (now - then for then, now in zip(item.stash[_begun], cores.ticks(), strict=True))
    if stolen <= BUSY * passed and call.excinfo.value not in excused:
        return report
    excused.append(call.excinfo.value)
    path, line, _ = item.location
    report.outcome = "skipped"
    report.longrepr = (
        path,
        (line or 0) + 1,
        f"the hypervisor took {stolen / max(passed, 1):.0%} of the processors' time, and it failed: "
        f"{call.excinfo.exconly().splitlines()[0]}",
    )
    return report
