"""The scanner agrees with Python's json on every document: the same numbers, or both refuse it."""

from __future__ import annotations

import gzip
import json
import random
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.errors import HostError
from testbed.traces.formats import irtt_scan
from testbed.traces.formats.irtt_scan import Block, CutShortError, ScanError, scan

CORE = Path(__file__).parents[3] / "testbed" / "traces" / "core"
LOSSES = {"false": 0, "true_up": 1, "true_down": 2, "true": 3, False: 0, True: 3}
CONTAINERS = ("timestamps", "client", "send", "delay")

NUMBER = st.integers(-(2**63), 2**63 - 1) | st.integers(-9, 9)
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | NUMBER
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)
HUGE = st.integers(2**63, 2**70) | st.integers(-(2**70), -(2**63) - 1)
ODD = st.one_of(NUMBER, HUGE, ANYTHING)


def trips(number):
    """Round trips as irtt writes them, with keys in any order, strange keys, and ``number`` for the numbers."""
    instant = st.fixed_dictionaries({"wall": number, "monotonic": NUMBER})
    client = st.fixed_dictionaries({"send": instant}, optional={"receive": instant, "x": ANYTHING})
    delay = st.fixed_dictionaries(
        {"rtt": number}, optional={"send": number, "receive": number, "Ecn": ANYTHING}
    )
    trip = st.fixed_dictionaries(
        {
            "seqno": number,
            "lost": st.sampled_from(["false", "true_up", "true_down", "true", True, False]),
            "timestamps": st.fixed_dictionaries({"client": client}, optional={"server": client}),
            "delay": delay,
        },
        optional={"ipdv": delay, "other": ANYTHING},
    )
    return trip.flatmap(lambda t: st.permutations(list(t.items())).map(dict))


LISTS = st.lists(trips(NUMBER), max_size=4)
INDENT = st.sampled_from([None, 1, 4, "\t"])


class Pairs(list):
    """A JSON object with its keys in order, twice where they stand twice."""


def strict(constant):
    raise ValueError(constant)


def wanted(pairs, *path):
    """Return what stands at a path, None where nothing does. Raises ValueError where it is ambiguous."""
    for key in path:
        if not isinstance(pairs, Pairs):
            raise ValueError("no object")
        found = [value for name, value in pairs if name == key]
        if len(found) > 1:
            raise ValueError("twice")
        if not found:
            return None
        pairs = found[0]
    return pairs


def whole(value):
    if type(value) is not int or not -(2**63) <= value < 2**63:
        raise ValueError(f"{value} is no 64-bit number")
    return value


def expected(text):
    """Return the rows that Python's json finds in a list of round trips. Raises ValueError."""
    rows = []
    for trip in json.loads(text.decode("latin-1"), object_pairs_hook=Pairs, parse_constant=strict):
        lost, delay = wanted(trip, "lost"), wanted(trip, "delay")
        if isinstance(lost, list | int | float) and not isinstance(lost, bool) or lost not in LOSSES:
            raise ValueError("lost")
        if not isinstance(delay, Pairs):
            raise ValueError("delay")
        optional = [wanted(delay, key) for key in ("rtt", "send", "receive")]
        present = [
            whole(v) if any(k == key for k, _ in delay) else None
            for key, v in zip(("rtt", "send", "receive"), optional, strict=True)
        ]
        if not LOSSES[lost] and present[0] is None:
            raise ValueError("rtt")
        numbers = [whole(wanted(trip, "seqno")), whole(wanted(trip, "timestamps", "client", "send", "wall"))]
        rtt = 0 if LOSSES[lost] else present[0]
        rows.append((*numbers, rtt, present[1] or 0, present[2] or 0, LOSSES[lost]))
    return rows


def scanned(folder, text, size):
    """Return the rows that the scanner finds, and what it leaves behind the list."""
    path = folder / "list"
    path.write_bytes(text)
    with path.open("rb", buffering=0) as file:
        window = Block(file, size)
        window.leave(1)
        columns = scan(window)
        rest = bytes(window.data)
        while window.leave(len(window.data)) or window.more():
            rest += bytes(window.data)
    names = ("seqno", "sent_ns", "rtt_ns", "up_ns", "down_ns", "loss")
    return list(zip(*(getattr(columns, name).tolist() for name in names), strict=True)), rest


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("scan")


@given(LISTS, INDENT, st.integers(4000, 5000))
def test_every_document_gives_the_numbers_that_json_gives(folder, written, indent, size):
    """Whatever stands around the wanted numbers, in any order and any layout, in blocks of any size."""
    text = json.dumps(written * 2, indent=indent).encode()

    assert (expected(text), b"") == scanned(folder, text, max(size, len(text) // 2))


@given(st.lists(trips(ODD), min_size=1, max_size=2), INDENT)
def test_a_number_that_is_none_is_refused_as_by_json(folder, written, indent):
    """Fractions, texts and numbers beyond 64 bits are never taken for a whole number."""
    agree(folder, json.dumps(written, indent=indent).encode())


@given(
    st.lists(trips(NUMBER), min_size=1, max_size=2),
    INDENT,
    st.lists(
        st.tuples(
            st.floats(0, 1),
            st.sampled_from([0, 1, 5]),
            st.sampled_from(
                [
                    b"",
                    b"0",
                    b"-",
                    b".",
                    b"e",
                    b'"',
                    b"\\",
                    b"{",
                    b"}",
                    b"[",
                    b"]",
                    b",",
                    b":",
                    b" ",
                    b"\0",
                    b"\xff",
                    b"9" * 30,
                    b"NaN",
                    b'"seqno": 1,',
                    b'"rtt": 1,',
                    b'"delay": {},',
                ]
            ),
        ),
        min_size=1,
        max_size=3,
    ),
)
def test_a_mutated_document_is_read_or_refused_as_by_json(folder, written, indent, mutations):
    """Bytes deleted, inserted or replaced anywhere: never another number than json's, never a crash."""
    text = json.dumps(written * 3, indent=indent).encode()  # each shape again, as irtt repeats it
    for place, removed, inserted in mutations:
        at = 1 + int(place * (len(text) - 1))
        text = text[:at] + inserted + text[at + removed :]
    agree(folder, text)


def agree(folder, text):
    """Check that both read the same from a list, or that both refuse it."""
    try:
        numbers = expected(text)
    except ValueError:
        numbers = None
    try:
        found, rest = scanned(folder, text, 1 << 16)
        found = found if not rest.strip(b" \t\r\n") else None
    except (ScanError, CutShortError):
        found = None
    assert numbers == found


TRIP = b'{"seqno":0,"lost":"false","timestamps":{"client":{"send":{"wall":5}}},"delay":{"rtt":7}}'


@pytest.mark.parametrize(
    ("old", "new", "offset", "why"),
    [
        (b'"rtt":7', b'"rtt":-9223372036854775809', 175, "rtt is '-9223372036854775809', beyond 64 bits"),
        (b'"rtt":7', b'"rtt":7.5', 175, "rtt is '7.5', no whole number"),
        (b'"rtt":7', b'"rtt":', 175, "rtt is '', no whole number"),
        (b'"rtt":7', b'"rtt":7,"rtt":8', 177, "'rtt' stands in it twice"),
        (b'"rtt":7', b"", 90, "no 'rtt'"),
        (b'{"rtt":7}', b"7", 168, "delay is '7', no object"),
        (b'"false"', b'"no"', 108, "lost is 'no'"),
        (b'"seqno":0', b'"seqno":00', 100, "no JSON at '0'"),
        (b'"seqno":0', b'"x":' + b"[" * 99, 158, "nested too deep"),
    ],
)
def test_a_fault_is_named_with_its_round_trip_and_byte(tmp_path, old, new, offset, why):
    """The second round trip is broken: what is wrong, and where it stands in the stream."""
    with pytest.raises(ScanError) as error:
        scanned(tmp_path, b"[" + TRIP + b"," + TRIP.replace(old, new) + b"]", 4096)

    assert (1, offset, why) == (error.value.number, error.value.offset, error.value.why)


def test_an_escaped_key_is_the_key_that_it_spells(tmp_path):
    """RFC 8259 lets any letter be written by its number; other escapes spell no wanted key."""
    escaped = TRIP.replace(b"wall", b"w\\u0061\\u006Cl").replace(b"false", b"\\u0066alse")
    other = TRIP.replace(b'"rtt":7', b'"rtt":7,"\\rtt":1,"rt\\u0054":2,"\\u0172tt":3')

    rows, _ = scanned(tmp_path, b"[" + TRIP + b"," + escaped + b"," + other + b"]", 4096)

    assert rows[0] == rows[1] == rows[2]


def test_a_round_trip_larger_than_the_window_is_refused(tmp_path):
    """Memory stays bounded by the window: what does not fit is an error, not a longer window."""
    with pytest.raises(ScanError, match="round trip 1, byte .*: it is longer than 100 bytes"):
        scanned(tmp_path, b"[" + TRIP + b"," + TRIP.replace(b"0", b"0" + b" " * 99) + b"]", 100)


def test_a_packed_stream_is_read_alike(tmp_path):
    """gzip hands out less than it is asked for: the window fills all the same."""
    path = tmp_path / "list.gz"
    path.write_bytes(gzip.compress(b"[" + b",".join([TRIP] * 5000) + b"]"))

    with gzip.GzipFile(path) as file:
        window = Block(file, 9999)
        window.leave(1)
        assert [7] * 5000 == scan(window).rtt_ns.tolist()


def test_a_missing_scanner_says_what_builds_it(tmp_path):
    """No fallback: the host lacks something, and the message says what to run."""
    with pytest.raises(HostError, match="run 'make setup'"):
        irtt_scan.load(tmp_path / "libirttscan.so")


def test_the_scanner_passes_the_sanitisers(tmp_path):
    """Every beginning of broken documents, in memory of its very size, without a report."""
    program = irtt_scan.LIBRARY.with_name("irttscan-san")
    subprocess.run(["make", "-s", "-C", str(CORE), str(program)], check=True, timeout=120)
    chance = random.Random(4)
    files = [tmp_path / f"{i}.json" for i in range(200)]
    for file in files:
        text = bytearray(
            b" \n"
            + TRIP
            + b", "
            + TRIP
            + b","
            + TRIP.replace(b"7", b'{"x": [1.5e-7, "\\u00e9\\n", null]}')
            + b"]"
        )
        for _ in range(chance.randrange(3)):
            text[chance.randrange(len(text))] = chance.choice(b'"\\{}[],:-.e09u \0\xff')
        file.write_bytes(text)

    done = subprocess.run([program, *files], capture_output=True, text=True, timeout=120)

    assert (0, "") == (done.returncode, done.stderr)
