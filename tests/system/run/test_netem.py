"""The whole program on netem's links. `make test-netem` has a kernel with netem, on a processor many times slower."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from testbed.link.netem import NetemBackend
from testbed.result.record import State
from testbed.result.store import Result
from tests.system.run.conftest import SCENARIO, Testbed

ENDS_S = 1500
OUTAGE_S = 10, 30


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    """A long outage, few packets and fixed links: nothing but the outage changes."""
    wanted = yaml.safe_load(SCENARIO.read_text())
    begins, ends = OUTAGE_S
    wanted |= {
        "duration": "40 s",
        "uplinks": {"starlink": {"fixed": {"delay": "20 ms"}}, "lte": {"fixed": {"delay": "40 ms"}}},
        "traffic": {"heartbeat": {**wanted["traffic"]["heartbeat"], "every": "100 ms"}},
        "events": [{"at": f"{begins} s", "uplink": "starlink", "outage": f"{ends - begins} s"}],
        "objectives": [{"metric": "interruption", "of": "heartbeat", "at_most": f"{ends - begins} s"}],
    }
    del wanted["mutation"]
    file = tmp_path / "outage.yaml"
    file.write_text(yaml.safe_dump(wanted, sort_keys=False))
    return file


def test_a_hub_carries_on_behind_links_of_netem(testbed: Testbed, scenario: Path) -> None:
    """Starlink carries, then LTE; the verdict stands, and beside it what netem cannot vouch for."""
    if fault := NetemBackend.fault_of_host():
        pytest.skip(fault)
    process = testbed.start(scenario, "--link", "netem")
    output, errors = process.communicate(timeout=ENDS_S)
    assert (0, "") == (process.returncode, errors), output
    result = Result.load(testbed.result()[0])
    fidelity = result.record.fidelity

    assert (State.COMPLETE, ["pass"]) == (result.record.state, [v.outcome for v in result.record.verdicts])
    assert ["starlink", "lte"] == [result.carrier("heartbeat", at) for at in ("8 s", "28 s")]
    assert fidelity is not None and fidelity.valid
    assert ("netem", list(NetemBackend.capabilities.missing)) == (fidelity.backend, list(fidelity.missing))
    dark_ns = range((OUTAGE_S[0] + 2) * 10**9, OUTAGE_S[1] * 10**9)
    bins = [b for b in result.evidence.links.to_pylist() if b["link"] == "starlink" and b["t_ns"] in dark_ns]
    assert 0 == sum(b["packets_out"] for b in bins) < sum(b["cut"] for b in bins)
