"""iperf3's text in the shapes that its options and the places where it is kept give it."""

import pytest

from testbed.errors import InputError
from testbed.model.trace import SeriesName, Trait
from testbed.traces import lint, store
from tests.unit.traces.samples import written

UP, DOWN = SeriesName.UP_RATE, SeriesName.DOWN_RATE
CLIENT = "Connecting to host 192.0.2.1, port 5201\nReverse mode, remote host 192.0.2.1 is sending\n"
SERVER = "-----\nServer listening on 5201 (test #1)\n-----\nAccepted connection from 192.0.2.9, port 5\n"
LOCAL = "[  5] local 192.0.2.2 port 41002 connected to 192.0.2.1 port 5201\n"
HEAD = "[ ID] Interval           Transfer     Bitrate\n"
END = "\niperf Done.\n"


def line(n, rate, unit="Mbits", stream="  5", role="", end="", length=1):
    return f"[{stream}]{role}   {n}.00-{n + length}.00   sec  1.00 MBytes  {rate} {unit}/sec {end}\n"


ROWS = line(0, 181) + line(1, 203) + line(2, 0)


def rates(trace):
    return {name: series.value.tolist() for name, series in trace.series.items()}


def imported(folder, text):
    return store.import_file(written(folder, text))


def test_roles_are_directions(tmp_path):
    """--bidir names each line's role; sums of several streams have one too."""
    rows = "".join(
        line(n, 20 + n, role="[TX-C]") + line(n, 100 + n, stream="  7", role="[RX-C]") for n in range(2)
    )
    sums = "".join(line(n, 20 + n, stream="SUM", role="[TX-C]") + line(n, 100 + n, stream="SUM", role="[RX-C]")
                   for n in range(2))  # fmt: skip
    head = CLIENT.split("Reverse")[0] + LOCAL + "[ ID][Role] Interval           Transfer     Bitrate\n"

    for text in (head + rows + END, head + rows + sums + END):
        assert {UP: [20_000_000, 21_000_000], DOWN: [100_000_000, 101_000_000]} == rates(
            imported(tmp_path, text)
        )


@pytest.mark.parametrize(
    ("rate", "unit", "bps"),
    [
        ("1.50", "Gbits", 1_500_000_000),
        ("12.5", "Kbits", 12_500),
        ("9.00", "bits", 9),
        ("11.3", "MBytes", round(11.3 * 8 * 2**20)),
        ("2.00", "KBytes", 16_384),
        ("1.00", "GBytes", 8 * 2**30),
    ],
)
def test_every_unit_of_f_is_read(rate, unit, bps, tmp_path):
    """-f counts bits by thousands and bytes by 1,024."""
    assert {DOWN: [bps]} == rates(imported(tmp_path, CLIENT + LOCAL + HEAD + line(0, rate, unit) + END))


@pytest.mark.parametrize(
    "front",
    [
        "Thu Jul 24 18:00:00 2025 ",
        "[2025-07-24 18:00:00] ",
        "Jul 24 18:00:00 ",
        "18:00:00: ",
        "2025-07-24T18:00:00+0200 ",
    ],
)
def test_times_in_front_are_no_content(front, tmp_path):
    """--timestamps, ts and loops with date put a time in front of each line."""
    text = "".join(front + part + "\n" for part in (CLIENT + LOCAL + HEAD + ROWS + END).splitlines())

    assert {DOWN: [181_000_000, 203_000_000, 0]} == rates(imported(tmp_path, text))


def test_an_epoch_in_front_tells_the_start(tmp_path):
    """The first interval ends at its line's time."""
    text = "".join(
        f"{1_700_000_000 + n} {part}\n" for n, part in enumerate((CLIENT + LOCAL + HEAD + ROWS).splitlines())
    )

    assert (1_700_000_000 + 4 - 1) * 10**9 == imported(tmp_path, text).provenance.start_ns


def test_a_server_s_log_is_the_receiver_of_an_upload(tmp_path):
    """Its last interval of 0 s counts what came in no time."""
    tail = "[  5]   2.00-2.00   sec   635 KBytes  9.24 Gbits/sec\n- - - -\n"
    total = line(0, 100, end="                 receiver", length=2)

    trace = imported(tmp_path, SERVER + LOCAL + HEAD + line(0, 20) + line(1, 30) + tail + HEAD + total)

    assert {UP: [20_000_000, 30_000_000]} == rates(trace)
    assert () == trace.provenance.traits
    assert "a last interval of 0 s left out" in trace.provenance.notes


def test_a_server_that_sends_says_so_by_its_columns(tmp_path):
    """Retransmissions are counted by a sender: the test was reversed."""
    head = HEAD.replace("Bitrate", "Bitrate         Retr  Cwnd")

    trace = imported(tmp_path, SERVER + LOCAL + head + line(0, 20))

    assert {DOWN: [20_000_000]} == rates(trace)
    assert (Trait.SENDER_SIDE,) == trace.provenance.traits


def test_datagrams_out_of_order_are_no_interval(tmp_path):
    """iperf3 tells them behind the intervals, of each stream or of all."""
    told = "[SUM]  0.0-3.0 sec  851 datagrams received out-of-order\n"

    assert {DOWN: [181_000_000, 203_000_000, 0]} == rates(
        imported(tmp_path, CLIENT + LOCAL + HEAD + ROWS + told + END)
    )


def test_the_line_of_nohup_is_no_content_and_v_tells_the_start(tmp_path):
    """nohup's line stands before iperf3's; Time: is the test's start in UTC."""
    verbose = "nohup: ignoring input\niperf 3.10.1\nLinux box 5.19\nControl connection MSS 1388\n"
    verbose += "Time: Sun, 25 Jun 2023 21:03:31 GMT\n"

    trace = imported(tmp_path, verbose + CLIENT + LOCAL + HEAD + ROWS + END)

    assert 1_687_727_011 * 10**9 == trace.provenance.start_ns
    assert 1388 == trace.framing[DOWN].payload_bytes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (CLIENT + LOCAL + HEAD + ROWS + END + CLIENT, ":10: a second test begins; split the text"),
        (
            CLIENT + LOCAL + HEAD + line(0, "-nan"),
            ":5: 1.000000 s at -nan Mbit/s; give the text as the tool wrote it",
        ),
        (
            CLIENT + LOCAL + HEAD + line(0, 1) + line(0, 1, stream="SUM") + line(1, 1),
            ":7: no [SUM] of 1.00-2.00 s",
        ),
        (
            CLIENT + LOCAL + HEAD + ROWS + "make: *** Error 1\n",
            ":8: 'make: *** Error 1' is no line of iperf3",
        ),
    ],
)
def test_what_is_not_one_whole_test_is_refused(text, message, tmp_path):
    """Each names its line."""
    with pytest.raises(InputError) as error:
        imported(tmp_path, text)

    assert f"file.txt{message}" in str(error.value)


def test_lint_names_the_direction_that_its_sender_saw(tmp_path):
    """A client's upload, or a server's download."""
    head = HEAD.replace("Bitrate", "Bitrate         Retr  Cwnd")
    down = imported(tmp_path, SERVER + LOCAL + head + line(0, 20))
    up = imported(tmp_path, CLIENT.split("Reverse")[0] + LOCAL + head + line(0, 20))

    said = [
        found.evidence for trace in (down, up) for found in lint.lint(trace) if found.code == "sender-side"
    ]

    assert [
        "a download seen by its sender; 0 % of intervals are 0",
        "an upload seen by its sender; 0 % of intervals are 0",
    ] == said


def test_a_line_without_a_time_among_those_with_one_is_read(tmp_path):
    """The shell writes ^C by itself."""
    lines = [f"18:00:0{n % 10} {part}" for n, part in enumerate((CLIENT + LOCAL + HEAD + ROWS).splitlines())]

    trace = imported(
        tmp_path, "\n".join([*lines, "^C", "18:00:09 iperf3: interrupt - the client has terminated\n"])
    )

    assert {DOWN: [181_000_000, 203_000_000, 0]} == rates(trace)


def test_what_the_server_said_is_left_out(tmp_path):
    """--get-server-output repeats the intervals as the server saw them."""
    text = CLIENT + LOCAL + HEAD + ROWS + "Server output:\n" + SERVER + LOCAL + HEAD + ROWS + END

    trace = imported(tmp_path, text)

    assert {DOWN: [181_000_000, 203_000_000, 0]} == rates(trace)
    assert ("the server's own output is left out",) == trace.provenance.notes


def test_the_interval_behind_ctrl_c_is_read(tmp_path):
    """A terminal echoes ^C in front of the line that follows."""
    text = (
        CLIENT
        + LOCAL
        + HEAD
        + line(0, 181)
        + "^C"
        + line(1, 203)
        + "- - - -\niperf3: interrupt - the client has ended\n"
    )

    assert {DOWN: [181_000_000, 203_000_000]} == rates(imported(tmp_path, text))


@pytest.mark.parametrize("cut", range(1, len("         receiver\n")))
def test_a_summary_that_is_cut_is_no_interval(cut, tmp_path):
    """Whatever of its last word is left, the summary of both ends adds nothing to the intervals."""
    summary = "- - - - -\n" + HEAD + line(0, 190, end="        receiver", length=3)
    whole = imported(tmp_path, CLIENT + LOCAL + HEAD + ROWS + summary[:-cut])

    assert {DOWN: [181_000_000, 203_000_000, 0]} == rates(whole)
    with pytest.raises(InputError):
        imported(tmp_path, CLIENT + LOCAL + HEAD + summary[:-cut])
