"""irtt's stamped lines: what a recording holds at any time."""

import pytest

from testbed.errors import InputError
from testbed.traces import store
from tests.unit.traces.samples import IRTT_LINES

LINES = IRTT_LINES.encode().splitlines(keepends=True)


def test_numbers_and_times_are_those_of_the_lines(tmp_path):
    """A packet was sent one RTT before its line; a missing number is a loss of unknown direction."""
    path = tmp_path / "irtt.txt"
    path.write_bytes(b"".join(LINES))

    trace = store.import_file(path)

    assert [45_000_000, 45_100_000, 0, 45_300_000, 45_400_000, 45_500_000] == trace.probes.value.tolist()
    assert [0, 0, 3, 0, 0, 0] == trace.probes.loss.tolist()
    assert 1_700_000_000_000_000_000 == trace.provenance.start_ns


def test_an_unfinished_last_line_is_left_out_and_noted(tmp_path):
    """Cut anywhere, within a character too, it is left out, and the trace's notes say so."""
    path = tmp_path / "irtt.txt"
    for cut in range(1, len(LINES[-1])):
        path.write_bytes(b"".join(LINES[:-1]) + LINES[-1][:cut])
        trace = store.import_file(path)

        assert 5 == len(trace.probes)
        assert f"line {len(LINES)} is unfinished and left out" in trace.provenance.notes[0]


@pytest.mark.parametrize(
    "broken", [b"seq=9", b"1700000000000000000 seq=9 rtt=4", b"1700000000000000000 seq=9"]
)
def test_a_broken_line_that_ended_is_refused(tmp_path, broken):
    """Only the last line may be unfinished: any other one is named with file and line."""
    path = tmp_path / "irtt.txt"
    path.write_bytes(b"".join(LINES) + broken + b"\n" + LINES[-1][:9])

    with pytest.raises(InputError, match=f"irtt.txt:{len(LINES) + 1}: "):
        store.import_file(path)
