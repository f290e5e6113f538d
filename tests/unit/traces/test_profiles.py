"""Each profile's synthesis has the statistics that its sources state: RTT, losses, cycle, rates."""

from collections.abc import Mapping
from typing import NamedTuple

import pytest

from testbed.errors import InputError
from testbed.model.trace import Layer, SeriesName
from testbed.traces import profile, stats, synth
from testbed.yaml import load

S, MS, MBIT = 10**9, 10**6, 10**6


class Stated(NamedTuple):
    """What the sources say: RTT quantiles (ms), least and most loss, rates p5/p50/p95 (Mbit/s) and their layers.

    ``rel`` bounds the quantiles' relative error. Figures are those in the profile's sources; () where none is stated.
    """

    rtt_ms: Mapping[str, float]
    loss: tuple[float, float]
    down: tuple[float, float, float]
    up: tuple[float, float, float]
    layers: tuple[Layer, Layer] = (Layer.TCP, Layer.TCP)
    rel: float = 0.15


STATED: Mapping[str, Stated] = {
    "starlink-bent-pipe": Stated(
        {"p5": 26, "p50": 38.5, "p95": 80, "p99": 116}, (0.001, 0.005), (33, 234, 401), (3, 10.5, 18),
        (Layer.UDP, Layer.TCP),
    ),
    "starlink-isl": Stated(
        {"p5": 113, "p50": 151, "p95": 199, "p99": 217}, (0.03, 0.04), (22, 37, 90), (2, 6.9, 11.8),
    ),
    "starlink-mobile": Stated(
        {"p5": 34, "p50": 45, "p95": 79, "p99": 127}, (0.01, 0.06), (33, 234, 401), (3, 10.5, 18),
        (Layer.UDP, Layer.TCP), rel=0.2,
    ),
    "starlink-kenya-2025": Stated({"p50": 25.2}, (0.001, 0.005), (29, 205, 351), (7, 26, 44)),
    "lte": Stated(
        {"p5": 50, "p50": 57, "p95": 70, "p99": 77}, (0, 0.004), (9, 31, 75), (1.8, 8.2, 20), rel=0.1,
    ),
    "5g": Stated(
        {"p5": 40, "p50": 47, "p95": 56, "p99": 60}, (0, 1 / 150), (145, 225, 285), (15.6, 19.9, 22.3), rel=0.1,
    ),
    "lte-rural": Stated(
        {"p5": 76, "p50": 88, "p95": 106, "p99": 134}, (0.001, 0.007), (1.1, 4.3, 10.8), (1.2, 5.7, 11.4),
        (Layer.IP, Layer.IP), rel=0.1,
    ),
    "fibre": Stated({"p50": 9}, (0, 0.0001), (180, 183, 186), (103, 105, 107), rel=0.05),
    "geo": Stated({"p50": 683.5}, (0, 0.01), (24, 48, 72), (2.2, 4.4, 6.6), rel=0.05),
}  # fmt: skip


def test_every_profile_is_compared_with_its_sources():
    """A new profile comes with the figures that it is to have."""
    assert set(profile.names()) == set(STATED)


@pytest.mark.parametrize("name", STATED)
def test_a_profile_has_the_statistics_of_its_sources(name):
    """Over an hour: RTT quantiles and losses within the stated bounds, rates by the second within a quarter."""
    stated = STATED[name]

    made = synth.synthesise(profile.read(name), duration_ns=3600 * S, seed=1)

    found = stats.info(made)
    for quantile, rtt_ms in stated.rtt_ms.items():
        assert rtt_ms * MS == pytest.approx(found.rtt_ns[quantile], rel=stated.rel), quantile
    assert stated.loss[0] <= found.losses.share <= stated.loss[1]
    for way, expected in (("down_rate", stated.down), ("up_rate", stated.up)):
        assert expected == pytest.approx(
            [found.rates[way].bps[quantile] / MBIT for quantile in ("p5", "p50", "p95")], rel=0.25
        )
    assert stated.layers == (
        made.framing[SeriesName.DOWN_RATE].layer,
        made.framing[SeriesName.UP_RATE].layer,
    )


@pytest.mark.parametrize(
    "name", ["starlink-bent-pipe", "starlink-isl", "starlink-mobile", "starlink-kenya-2025"]
)
def test_a_starlink_profile_shows_the_cycle_that_recordings_show(name):
    """Boundaries stand out, steps there are larger than the 3.4 ms that recordings show elsewhere."""
    made = synth.synthesise(profile.read(name), duration_ns=1800 * S, seed=1)

    cycle = stats.info(made).handovers

    assert cycle.clear
    assert cycle.step_ns > 3.4 * MS > cycle.step_elsewhere_ns
    if name != "starlink-mobile":  # whose losses are its outages
        assert 0.28 <= cycle.near_share


def test_no_geostationary_answer_outruns_light():
    """No RTT is below that of the edge of visibility, 42,640 km away: 568 ms."""
    made = synth.synthesise(profile.read("geo"), duration_ns=3600 * S, seed=1)

    assert 568 * MS < stats.info(made).rtt_ns["min"]


SPREAD = "spread: {every: 15 s, rtt: [%s], between: 50 %%, step: 1 ms, drift: 0 %%, correlation: 1 s, source: a test}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no RTT, or two; write level and jitter, or spread"),
        (SPREAD % "20 ms, 10 ms", "rtt is not in order; write two or more, rising, all above 0"),
        (SPREAD % "20 ms", "rtt is not in order; write two or more, rising, all above 0"),
    ],
)
def test_a_profile_needs_one_distribution_of_the_rtt(text, message):
    """Neither none nor one that falls."""
    with pytest.raises(InputError, match=message):
        load.parse(f"about: a test\ncadence: 10 ms\n{text}\n", profile.Profile, "p.yaml")
