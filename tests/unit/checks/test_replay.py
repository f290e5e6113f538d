"""`testbed link verify` as its user sees it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from testbed import cli
from testbed.checks import replay as verify
from testbed.checks.replay import LOST, Probed, probe_simulated
from testbed.errors import InputError
from testbed.link.backend import LinkSpec
from testbed.model.trace import Loss, Origin, Provenance, Series, SeriesName, Trace
from testbed.traces import store


def test_a_faithful_replay_is_told_as_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    """Errors at three quantiles, losses and their runs side by side, the handover's step and gap, the verdict."""
    assert 0 == cli.main(
        ["link", "verify", "starlink-bent-pipe", "--link", "simulated", "--duration", "120s"]
    )
    lines = capsys.readouterr().out.splitlines()

    assert lines[0].startswith("starlink-bent-pipe on simulated: 12000 probes in 120 s, ")
    assert lines[1].startswith("RTT error p50 0.000 ms, p95 0.000 ms, p99 0.000 ms, max ")
    table = {line[:15].strip(): line[15:].split() for line in lines[3:-1]}
    lost = store.read(store.find("starlink-bent-pipe")).probes.lost[:12000].sum()
    assert [str(lost)] * 2 == table["lost probes"][:2]
    assert [name for name in table if name.startswith("loss runs of")]
    for name in ("handover step", "handover gap"):
        cells = table[name]
        assert cells[:2] == cells[2:4], "a number and its unit, recorded and replayed"
    assert "valid" == lines[-1]


def test_an_unfaithful_replay_shows_where(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """RTTs 3 ms late, and 8 probes lost within a second that the recording had: each in its place in the JSON."""

    def unfaithful(spec: LinkSpec, t_ns: np.ndarray) -> Probed:
        probed = probe_simulated(spec, t_ns)
        rtt = np.where(probed.rtt_ns == LOST, LOST, probed.rtt_ns + 3_000_000)
        answered = np.flatnonzero(rtt != LOST)
        first = answered[np.flatnonzero(np.convolve(np.diff(answered) == 1, np.ones(9), "valid") == 9)[0]]
        rtt[first + 1 : first + 9] = LOST
        return Probed(rtt, probed.late_ns, probed.certificate)

    monkeypatch.setattr(verify, "MEASURES", {"simulated": unfaithful})
    cli.main(["link", "verify", "starlink-bent-pipe", "--link", "simulated", "--duration", "120s", "--json"])
    found = json.loads(capsys.readouterr().out)

    for quantile in ("p50", "p95", "p99"):
        assert 3_000_000 == pytest.approx(found[f"rtt_error_{quantile}_ns"], abs=100_000)
    recorded, replayed = found["lost"]
    assert (8, 8, 8) == (replayed - recorded, found["lost_one_only"], found["loss_per_second"])
    before, after = found["runs"]["8"]
    assert (1, 1) == (after - before, found["runs_apart"])
    assert found["handover"]["gaps"][0] >= 3


def test_what_the_back_end_cannot_replay_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """The trace and direction, why, and what to use."""
    assert 2 == cli.main(["link", "verify", "starlink-bent-pipe", "--link", "netem"])

    said = capsys.readouterr().err
    assert said.startswith("testbed: starlink-bent-pipe up: netem cannot lose packets as recorded: ")


def test_a_probe_near_the_end_is_lost_as_recorded() -> None:
    """A probe near the end meets the way down after the recording's end, and is lost there like any other."""
    t_ns = np.arange(100, dtype=np.int64) * 10_000_000
    lost = np.isin(np.arange(100), [40, 98])
    rtt = Series.of(t_ns, np.where(lost, LOST, 50_000_000), np.where(lost, Loss.DOWN, Loss.NONE))
    trace = Trace("ends-dark", Provenance(Origin.SYNTHETIC, "a test"), {SeriesName.RTT: rtt}, 10**9)

    found = verify.verify(trace, duration_ns=10**9, link="simulated").agreement

    assert ((2, 2), 0) == (found.lost, found.runs_apart)


def one_way(**delays_ms: float) -> Trace:
    """Return a trace of one-way delays that swing around a mean, one probe of each lost at 400 ms."""
    t_ns = np.arange(200, dtype=np.int64) * 10_000_000
    loss = np.where(t_ns == 400_000_000, Loss.UNKNOWN, Loss.NONE)
    swing = 1 + 0.05 * np.sin(np.arange(200) / 9)
    series = {
        SeriesName(name): Series.of(t_ns, (swing * ms * 1e6).astype(np.int64), loss)
        for name, ms in delays_ms.items()
    }
    return Trace("one-way", Provenance(Origin.MEASURED, "a test"), series, 2 * 10**9)


@pytest.mark.parametrize("delays", [{"up_delay": 20, "down_delay": 15}, {"down_delay": 15}])
def test_one_way_delays_are_verified_by_their_sum(delays: dict[str, float]) -> None:
    """Up and down, or one that stands for both, make the round trip that the replay must show."""
    found = verify.verify(one_way(**delays), duration_ns=2 * 10**9, link="simulated").agreement

    assert (199, (1, 1), 0) == (found.compared, found.lost, found.lost_one_only)
    assert found.rtt_error_p95_ns < 1000


def test_a_trace_without_delays_cannot_be_verified() -> None:
    """A rate alone has no probes."""
    rates = Trace("rates", Provenance(Origin.MEASURED, "a test"), {SeriesName.UP_RATE: Series.of([0], [1])}, 10)

    with pytest.raises(
        InputError, match="rates: it has no delays; verify needs a recording of RTTs or one-way delays"
    ):
        verify.verify(rates, duration_ns=10)
