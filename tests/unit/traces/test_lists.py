"""Lists of whole numbers: what they are taken for and why, and which are refused until the user says."""

import pytest

from testbed.errors import InputError
from testbed.model.trace import SeriesName
from testbed.traces import store
from testbed.traces.formats.direction import Way, of_name
from tests.unit.traces.samples import written


def listed(*numbers):
    return "".join(f"{n}\n" for n in numbers)


DELAYS = (24, 18, 19, 23)
TRACE = (0, 0, 1, 7, 131)


@pytest.mark.parametrize(
    ("name", "numbers", "taken"),
    [
        ("a", TRACE, "mahimahi"),
        ("a", (1,), "mahimahi"),
        ("a", (1, 1, 1), "mahimahi"),
        ("a.down", (24, 24, 25), "mahimahi"),
        ("a", (40, 700, 60_000), "mahimahi"),
        ("a", DELAYS, "leocc-delay"),
        ("delay.txt", (24, 24, 25), "leocc-delay"),
        ("owd_up.txt", (3, 25, 40), "leocc-delay"),
        ("a", (24_000_000, 25_000_000), "ns-delays"),
        ("a", (24_000_000, 0, 23_000_000), "ns-delays"),
        ("delay", (24_000_000, 24_500_000), "ns-delays"),
    ],
)
def test_a_list_is_taken_for_what_its_numbers_or_its_name_say(name, numbers, taken, tmp_path):
    """Deliveries never fall and begin near 0; delays do neither; the name decides where they could be both."""
    trace = store.import_file(written(tmp_path, listed(*numbers), name))

    assert f"{taken} 1" == trace.provenance.made_by
    assert any(note.startswith(f"taken for {taken}: ") for note in trace.provenance.notes)


@pytest.mark.parametrize(
    ("name", "numbers", "message"),
    [
        ("a", (24, 24, 25), "numbers that never fall, from 24 to 25: deliveries (mahimahi) or delays; say which: "
                            "--format mahimahi or --format leocc-delay"),
        ("a", (25, 25, 25), "numbers that never fall, from 25 to 25"),
        ("a", (0, 1, 0), "a list of losses: 1 ones of 3; import the list of delays beside it"),
        ("a", (0, 0, 0), "a list of losses: 0 ones of 3"),
        ("a", (0, 0, 1), "a list of losses: 1 ones of 3"),
        ("up_loss.txt", (0, 1), "a list of losses: 1 ones of 2"),
        ("a", TRACE + TRACE, "a:6: 0 follows 131: a second list of deliveries begins"),
        ("a.up", TRACE + TRACE, "a.up:6: 0 follows 131; deliveries come in order"),
    ],
)  # fmt: skip
def test_a_list_that_leaves_a_doubt_is_refused(name, numbers, message, tmp_path):
    """The refusal says what it looks like and what would decide."""
    with pytest.raises(InputError) as error:
        store.import_file(written(tmp_path, listed(*numbers), name))

    assert message in str(error.value)


def test_a_list_of_losses_names_the_delays_beside_it(tmp_path):
    """The delays take their losses along."""
    written(tmp_path, listed(24_000_000, 25_000_000), "LEO_delay-1.txt")

    with pytest.raises(InputError, match=r"import LEO_delay-1\.txt, which takes them along"):
        store.import_file(written(tmp_path, listed(1, 0), "LEO_loss-1.txt"))


@pytest.mark.parametrize(("numbers", "mbps"), [((1,), 12), ((1, 1, 1), 36), ((10,), 1.2), ((2,), 6)])
def test_a_constant_list_is_a_constant_rate(numbers, mbps, tmp_path):
    """A file of one number is repeated by mahimahi for ever; here to a second at least."""
    trace = store.import_file(written(tmp_path, listed(*numbers), "a.down"))

    rate = trace.series[SeriesName.DOWN_RATE]
    ends = [*rate.t_ns[1:].tolist(), trace.duration_ns]
    bits = (
        sum(v * (end - t) for v, t, end in zip(rate.value.tolist(), rate.t_ns.tolist(), ends, strict=True))
        / 1e9
    )
    assert 10**9 <= trace.duration_ns
    assert mbps * 1e6 == pytest.approx(bits / (trace.duration_ns / 1e9), rel=1e-6)


def test_a_delay_of_0_is_none(tmp_path):
    """No path has it: nothing is known at that time."""
    trace = store.import_file(written(tmp_path, listed(24, 0, 23), "a"))

    assert [0, 20 * 10**6] == trace.probes.t_ns.tolist()
    assert "1 delays of 0 left out: no path has none" in trace.provenance.notes


@pytest.mark.parametrize(
    ("name", "way"),
    [
        ("ATT-LTE-driving.up", Way.UP),
        ("ATT-LTE-driving.up.gz", Way.UP),
        ("a.down.txt", Way.DOWN),
        ("step-up.down", Way.DOWN),
        ("uplink.txt", Way.UP),
        ("LEO_downlink_delay-01.txt", Way.DOWN),
        ("upload_downlink.txt", None),
        ("supper.txt", None),
    ],
)
def test_the_name_of_a_file_tells_its_direction(name, way, tmp_path):
    """By its ending before .gz, .txt and the like, else by its words, where they agree."""
    assert way == of_name(tmp_path / name)


def test_the_user_s_direction_outdoes_the_name_s(tmp_path):
    """The series is the other direction's, and a note says who said so."""
    trace = store.import_file(written(tmp_path, listed(*TRACE), "a.down"), way=Way.UP)

    assert [SeriesName.UP_RATE] == list(trace.series)
    assert "direction up as the user said" in trace.provenance.notes


def test_a_recording_of_both_directions_takes_none(tmp_path):
    """LeoCC's delays are both; there is nothing to turn."""
    with pytest.raises(InputError, match="--direction: the recording has both directions"):
        store.import_file(written(tmp_path, listed(*DELAYS), "a"), way=Way.UP)


def test_a_recording_that_never_began_is_said_to_be_empty(tmp_path):
    """Only the times of its start and end are there."""
    with pytest.raises(InputError, match="the file is empty but for the times of its start and end"):
        store.import_file(written(tmp_path, "Start time: 1717011654671\nEnd time: 1717011672430\n"))
