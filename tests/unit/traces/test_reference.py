"""The repository's reference traces are synthetic, small, and exactly what the code makes."""

import pytest

from testbed.model.trace import Origin
from testbed.traces import reference, store


@pytest.mark.parametrize("name", reference.RECIPES)
def test_a_reference_trace_is_up_to_date(name, tmp_path):
    """Making it again gives the committed bytes; otherwise run: python -m testbed.traces.reference."""
    store.write(reference.make(name), tmp_path / "new.parquet")

    committed = reference.FOLDER / f"{name}.parquet"
    assert store.sha256(tmp_path / "new.parquet") == store.sha256(committed), (
        "run: python -m testbed.traces.reference"
    )


def test_the_folder_holds_synthetic_traces_only():
    """No recording enters the repository, every parameter names its source, and no file is large."""
    paths = sorted(reference.FOLDER.iterdir())
    traces = [store.read(path) for path in paths]

    assert sorted(reference.RECIPES) == [path.stem for path in paths]
    assert {Origin.SYNTHETIC} == {trace.provenance.kind for trace in traces}
    assert all(parameter.source for trace in traces for parameter in trace.provenance.parameters)
    assert max(path.stat().st_size for path in paths) < 300_000
