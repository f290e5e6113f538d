"""A text is what was recorded, whatever the shell made of it on the way."""

import gzip

import pytest

from testbed.errors import InputError
from testbed.traces import store
from testbed.traces.formats import base
from tests.unit.traces.samples import SAMPLES

WRAPPED = {
    "utf-8 with a mark": lambda text: b"\xef\xbb\xbf" + text.encode(),
    "utf-16-le with a mark": lambda text: b"\xff\xfe" + text.encode("utf-16-le"),
    "utf-16-be with a mark": lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
    "utf-16-le": lambda text: text.encode("utf-16-le"),
    "utf-16-be": lambda text: text.encode("utf-16-be"),
    "crlf": lambda text: text.replace("\n", "\r\n").encode(),
    "gzip of utf-16": lambda text: gzip.compress(b"\xff\xfe" + text.encode("utf-16-le")),
}


def imported(folder, data, name=""):
    path = folder / "file"
    path.write_bytes(data)
    return store.import_file(path, name)


@pytest.mark.parametrize("how", WRAPPED)
@pytest.mark.parametrize("name", SAMPLES)
def test_how_a_shell_wrote_a_text_changes_nothing(name, how, tmp_path):
    """Byte order marks, PowerShell's UTF-16 and line ends of Windows are no content; the format is recognised."""
    text = SAMPLES[name][0]
    plain = imported(tmp_path, text.encode(), name)

    trace = imported(tmp_path, WRAPPED[how](text), "" if plain.provenance.made_by.startswith(name) else name)

    assert plain.provenance.made_by == trace.provenance.made_by
    assert plain.duration_ns == trace.duration_ns
    for series, values in plain.series.items():
        assert values.value.tolist() == trace.series[series].value.tolist()


@pytest.mark.parametrize("said", ["nohup: ignoring input", "nohup: Eingabe wird ignoriert"])
def test_the_line_of_nohup_is_no_content(said, tmp_path):
    """Its line keeps its number, so that a refusal names the right one."""
    text = SAMPLES["iputils-ping"][0]

    trace = imported(tmp_path, f"{said}\n{text}".encode())

    assert 8 == len(trace.probes)
    with pytest.raises(InputError, match="file:3: "):
        imported(tmp_path, f"{said}\n{text}".replace("icmp_seq=1 ", "icmp_seq=1000000 ").encode())


def test_a_compressed_file_that_ends_in_a_line_end_has_one(tmp_path):
    """The end is that of the text, not of the archive."""
    path = tmp_path / "file"
    for text, notes in (("1\n2\n", 0), ("1\n2", 1)):
        for data in (text.encode(), gzip.compress(text.encode()), b"\xff\xfe" + text.encode("utf-16-le")):
            path.write_bytes(data)
            assert notes == len(base.open_end(path))


def test_zeros_that_a_crash_left_are_named(tmp_path):
    """At the end they follow a line without end; amid a file it is to be split there."""
    path = tmp_path / "file"
    path.write_bytes(b"one\ntwo\nth" + bytes(20))

    assert (["one", "two"], "th", True) == base.ended(path)
    path.write_bytes(b"one\ntwo\nth" + bytes(20) + b"\nfour\n")
    with pytest.raises(
        InputError, match="file:3: byte 0x00 is not UTF-8 text; zeros stand where a crash lost"
    ):
        base.lines(path)


def test_lines_are_counted_as_an_editor_counts_them(tmp_path):
    """A form feed or a separator of Unicode within a line ends none."""
    path = tmp_path / "file"
    path.write_bytes("one\x0cmore\r\ntwo\u2028more\nthree".encode())

    assert ["one\x0cmore", "two\u2028more", "three"] == base.lines(path)


def test_a_pause_is_told_from_a_clock_that_leaps():
    """Where numbers account for an hour it is one; otherwise the clock leapt, unless pauses are usual."""
    t_ns = [0, 10**9, 5000 * 10**9]

    assert (2, "the clock leaps forward by 1.389 h") == base.leap(t_ns)
    assert base.leap(t_ns, [False, True]) is None
    assert base.leap(t_ns, longest_ns=10**15) is None
    assert ("no row for 1.389 h in front of line 4",) == base.pauses(t_ns, [2, 3, 4])
