"""Traces are found by name, and come back from disk as they were."""

import dataclasses

import numpy as np
import pytest

from testbed.errors import InputError
from testbed.model.trace import (
    EventKind,
    Framing,
    Layer,
    Loss,
    Origin,
    Parameter,
    Parent,
    Provenance,
    Series,
    SeriesName,
    Trace,
    TraceEvent,
    Trait,
)
from testbed.traces import store

TRACE = Trace(
    name="a trace",
    provenance=Provenance(
        kind=Origin.MEASURED,
        source="a test",
        start_ns=1_700_000_000_000_000_000,
        parents=(Parent("x.txt", "00"),),
        parameters=(Parameter("level", "5 ms", "chosen"),),
        traits=(Trait.ICMP,),
        notes=("a note",),
    ),
    series={
        SeriesName.RTT: Series.of([0, 10, 20], [5, 6, 7], [Loss.NONE, Loss.DOWN, Loss.UNKNOWN]),
        SeriesName.UP_RATE: Series.of([0], [10**9]),
    },
    duration_ns=30,
    events=(TraceEvent(5, EventKind.OUTAGE, 10, "NO_DOWNLINK"),),
    context={"rsrp dBm": Series.of([0], [90_000])},
    framing={SeriesName.UP_RATE: Framing(Layer.TCP, 1388)},
)


def test_a_trace_comes_back_as_it_was_written(tmp_path):
    """Everything in a trace survives the file, and equal traces give equal bytes."""
    store.write(TRACE, tmp_path / "a.parquet")
    back = store.read(tmp_path / "a.parquet")
    store.write(back, tmp_path / "b.parquet")

    assert dataclasses.replace(TRACE, series={}, context={}).__dict__ == (
        dataclasses.replace(back, series={}, context={}).__dict__
    )
    for name, series in TRACE.series.items():
        assert series.t_ns.tolist() == back.series[name].t_ns.tolist()
        assert series.value.tolist() == back.series[name].value.tolist()
        assert series.loss.tolist() == back.series[name].loss.tolist()
    assert [90_000] == back.context["rsrp dBm"].value.tolist()
    assert store.sha256(tmp_path / "a.parquet") == store.sha256(tmp_path / "b.parquet")


def test_an_unknown_name_lists_what_is_near(tmp_path):
    """A misspelt trace names the close one and the folders searched."""
    store.write(TRACE, tmp_path / "starlink-bent-pipe.parquet")

    with pytest.raises(InputError) as error:
        store.find("starlink-bentpipe", [tmp_path], "scenarios/x.yaml:9")

    assert (
        "scenarios/x.yaml:9: no trace 'starlink-bentpipe'; did you mean 'starlink-bent-pipe'? "
        f"(searched: {tmp_path}; add folders by TESTBED_TRACES)"
    ) == str(error.value)


def test_a_name_does_not_leave_the_folders(tmp_path):
    """A name that climbs out of a trace folder names nothing."""
    (tmp_path / "inside").mkdir()
    (tmp_path / "secret.txt").write_text("x")

    with pytest.raises(InputError, match="no trace"):
        store.find("../secret.txt", [tmp_path / "inside"])


def test_folders_come_from_the_environment(tmp_path):
    """TESTBED_TRACES adds folders; those that do not exist are passed over."""
    assert tmp_path in store.folders({"TESTBED_TRACES": f"{tmp_path}:/nowhere/at/all"})


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.95])
def test_a_truncated_trace_is_refused(tmp_path, keep):
    """A Parquet file cut short is an input error, no traceback."""
    path = tmp_path / "a.parquet"
    store.write(TRACE, path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])

    with pytest.raises(InputError, match=r"a\.parquet: broken Parquet file"):
        store.read(path)


def test_a_file_of_no_known_format_lists_the_formats(tmp_path):
    """An unknown file is refused with what can be imported."""
    (tmp_path / "x.bin").write_bytes(bytes(range(256)))

    with pytest.raises(InputError, match=r"x\.bin: no known format of recording; known: .*iputils-ping"):
        store.read(tmp_path / "x.bin")


def test_a_series_refuses_times_that_do_not_increase():
    """A trace cannot hold two readings of one instant."""
    with pytest.raises(ValueError, match="increase"):
        Series.of([0, 5, 5], [1, 2, 3])


def test_the_arrays_of_a_series_cannot_be_changed():
    """A trace is frozen down to its numbers."""
    with pytest.raises(ValueError, match="read-only"):
        np.add(TRACE.probes.value, 1, out=TRACE.probes.value)
