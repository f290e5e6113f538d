"""A whole run with a hub that is not virtual: provisioned over SSH, judged alike, its NICs given back."""

from __future__ import annotations

import pytest

from testbed.result import Result, State
from tests.system.bench.conftest import Hardware, nics
from tests.system.run.conftest import SCENARIO, Testbed


@pytest.fixture(scope="module")
def finished(hardware: Hardware, tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, int]:
    """One whole run on the bench: its result and its exit status."""
    before = nics()
    testbed = Testbed(tmp_path_factory.mktemp("finished") / "results")
    process = testbed.start(SCENARIO, "--bench", hardware.bench)
    output, errors = process.communicate(timeout=240)
    assert "" == errors, output
    assert before == nics()
    return Result.load(testbed.result()[0]), process.returncode


def test_the_hub_on_the_bench_is_judged_as_the_virtual_one(finished: tuple[Result, int]) -> None:
    """The short blackout passes on the hub that is reached over its cables and SSH."""
    result, status = finished

    assert [] == [verdict.line for verdict in result.record.verdicts if verdict.outcome != "pass"]
    assert (State.COMPLETE, 0) == (result.record.state, status)
    assert ["starlink", "lte"] == [result.carrier("heartbeat", at) for at in ("3 s", "13 s")]
