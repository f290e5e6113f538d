"""What the user types: each command on a real file, its output and its exit."""

import argparse
import json
import shlex

import pytest

from testbed.cli import trace as commands
from testbed.errors import InputError
from testbed.model.trace import SeriesName
from testbed.traces import catalogue, formats, store
from tests.unit.traces.recordings import recording

PING = "uvic-leonetem/latency/ping-example-isl.txt"
LEOCC = "leocc/leoreplayer/replayer/example/Cubic"


def parser():
    top = argparse.ArgumentParser(prog="testbed")
    commands.add_parser(top.add_subparsers())
    return top


def run(line):
    args = parser().parse_args(["trace", *shlex.split(line)])
    return args.func(args)


@pytest.fixture(autouse=True)
def _inside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_every_command_teaches_by_an_example(capsys):
    """The help of each subcommand ends in an example that its own parser accepts."""
    subparsers = next(
        action
        for action in parser()._subparsers._group_actions[0].choices["trace"]._subparsers._group_actions
    )
    assert {"import", "info", "lint", "plot", "mine", "cut", "splice", "scale", "repeat", "join", "synth", "fit",
            "pull", "record", "list", "formats", "as-sent"} == set(subparsers.choices)  # fmt: skip
    for name, command in subparsers.choices.items():
        example = command.epilog.removeprefix("example: testbed ")
        assert name == parser().parse_args(shlex.split(example)).trace_command


def test_a_recording_is_imported_under_a_name(capsys, tmp_path):
    """import writes the trace and says format, licence and what is in it."""
    path = recording(PING)

    assert 0 == run(f"import {path} -o mine.parquet")

    out = capsys.readouterr().out
    assert "iputils-ping 1, licence not stated" in out
    assert "wrote mine.parquet" in out
    assert 10337 == len(store.read(tmp_path / "mine.parquet").probes)


def test_import_says_by_what_a_recording_was_recognised_and_takes_a_direction(capsys, tmp_path):
    """The format's sign and the notes are printed; a direction that the user knows better is taken."""
    (tmp_path / "trace.txt").write_text("1\n1\n9\n")

    assert 0 == run("import trace.txt -o mine.parquet --direction up")

    out = capsys.readouterr().out
    assert "recognised by whole numbers of ms that never fall" in out
    assert "note: taken for mahimahi: the numbers never fall, from 1 to 9" in out
    assert ["up_rate"] == list(store.read(tmp_path / "mine.parquet").series)


def test_formats_lists_what_can_be_imported(capsys):
    """Each format has a line."""
    assert 0 == run("formats")

    assert list(formats.FORMATS) == [line.split()[0] for line in capsys.readouterr().out.splitlines()]


def test_info_prints_numbers_as_text_and_json(capsys):
    """info finds a reference trace by name; --json is JSON in ns."""
    assert 0 == run("info starlink-bent-pipe")
    assert "15 s cycle" in capsys.readouterr().out
    assert 0 == run("info starlink-bent-pipe --json")
    assert 12000 == json.loads(capsys.readouterr().out)["info"]["probes"]


def test_lint_mine_and_list_speak_both_ways(capsys):
    """Each prints words, and JSON on demand."""
    for line in ("lint lte-suburban", "mine lte-suburban --window 30s", "list"):
        assert 0 == run(line)
        assert capsys.readouterr().out.strip()
        assert 0 == run(f"{line} --json")
        assert isinstance(json.loads(capsys.readouterr().out), list)


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_plot_writes_a_figure(tmp_path, ending):
    """A figure is written in the format of its ending."""
    assert 0 == run(f"plot starlink-bent-pipe -o t.{ending}")

    start = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[ending]
    assert (tmp_path / f"t.{ending}").read_bytes().startswith(start)


def test_traces_are_edited_and_made(tmp_path):
    """cut, splice, scale, repeat, synth and fit write what they say."""
    assert 0 == run("cut starlink-bent-pipe --from 15s --to 45s -o part.parquet")
    assert 0 == run("splice part.parquet part.parquet -o two.parquet")
    assert 0 == run("scale part.parquet --rate 0.5 -o slow.parquet")
    assert 0 == run("repeat part.parquet --times 3 -o long.parquet")
    assert 0 == run("fit starlink-bent-pipe -o mine.yaml")
    assert 0 == run("synth mine.yaml --duration 60s --seed 1 -o made.parquet")

    seconds = {name: store.read(tmp_path / f"{name}.parquet").duration_ns // 10**9
               for name in ("part", "two", "slow", "long", "made")}  # fmt: skip
    assert {"part": 30, "two": 60, "slow": 30, "long": 90, "made": 60} == seconds


def test_recordings_are_joined(tmp_path):
    """LeoCC's delay and bandwidth become one trace with both."""
    delay, rate = recording(f"{LEOCC}/delay_example.txt"), recording(f"{LEOCC}/bw_example.txt")

    assert 0 == run(f"join {delay} {rate} -o leocc.parquet")

    joined = store.read(tmp_path / "leocc.parquet")
    assert {SeriesName.UP_DELAY, SeriesName.DOWN_DELAY, SeriesName.DOWN_RATE} == joined.series.keys()
    assert 119_990_000_000 == joined.duration_ns


def test_a_dataset_is_pulled_from_a_folder_with_its_licence(capsys, tmp_path):
    """The licence is shown first; the trace carries source, licence and citation."""
    folder = recording(PING).parents[2]

    assert 0 == run(f"pull {PING} --from {folder} --yes -o isl.parquet")

    assert "licence   not stated" in capsys.readouterr().out
    assert "LEONetEM" in store.read(tmp_path / "isl.parquet").provenance.citation


def test_nothing_is_taken_without_consent(capsys, tmp_path):
    """Without --yes and without a terminal the licence is shown and nothing is written."""
    assert 2 == run(f"pull {PING} -o isl.parquet")

    assert "not taken" in capsys.readouterr().out
    assert not (tmp_path / "isl.parquet").exists()


def test_the_catalogue_names_licence_citation_and_a_known_format():
    """Every dataset says what it may be used for, and each of its files has an importer."""
    from testbed.traces.formats import FORMATS

    for dataset in catalogue.read().datasets.values():
        assert dataset.licence
        assert dataset.citation
        assert dataset.address.startswith("https://")
        assert {entry.format for entry in dataset.files.values()} <= FORMATS.keys()


@pytest.mark.parametrize("name", catalogue.read().names)
def test_the_catalogue_s_files_are_of_their_format(name):
    """Each file at hand has the format, and where stated the hash, that the catalogue says."""
    path = recording(name)
    dataset, inside = catalogue.read().find(name)

    catalogue.check(path, dataset.files[inside])
    assert f"{dataset.files[inside].format} 1" == store.import_file(path).provenance.made_by


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("info starlink-bentpipe", "no trace 'starlink-bentpipe'; did you mean 'starlink-bent-pipe'"),
        ("synth starlink-ils --duration 1h --seed 1 -o x.parquet", "no profile 'starlink-ils'; did you mean"),
        (
            "cut lte-suburban --to 1h -o x.parquet",
            "lte-suburban: from 0 s to 1 h; the trace goes from 0 to 120 s",
        ),
        ("cut lte-suburban -o x.csv", "x.csv: no name of a trace; end it in .parquet"),
        ("cut lte-suburban -o no/x.parquet", "no/x.parquet: its folder does not exist; make it: mkdir -p no"),
        ("plot lte-suburban -o x.doc", "x.doc: ending '.doc'; write .png, .svg or .pdf"),
        ("import nothing.txt --format pong", "no trace 'nothing.txt'"),
        ("pull starlik", "no dataset 'starlik'; "),
        ("pull leocc/x", "leocc has no file 'x'; "),
        (
            "join a b --only c=rtt -o x.parquet",
            "--only or --offset: 'c' is none of the traces; write one of a, b",
        ),
        ("fit lte-suburban -o no/x.yaml", "no/x.yaml: its folder does not exist; make it: mkdir -p no"),
        ("plot lte-suburban -o no/x.png", "no/x.png: its folder does not exist; make it: mkdir -p no"),
        (
            "join lte-suburban starlink-bent-pipe --offset lte-suburban=5 -o x.parquet",
            "--offset: found '5'; write a number and one of the units",
        ),
        (
            "synth lte --duration 9000h --seed 1 -o x.parquet",
            "lte: 9000 h of a probe every 10 ms; make up to",
        ),
        (
            "repeat lte-suburban --times 900000 -o x.parquet",
            "lte-suburban: repeated 900000 times; write 'repeat: true'",
        ),
        ("record --uplink no0 --to ::1 -o r", "--uplink: no interface 'no0'; there are "),
    ],
)
def test_a_mistake_is_refused_with_what_would_be_right(line, message):
    """Each mistake on the command line is an input error of one line."""
    with pytest.raises(InputError) as error:
        run(line)

    assert str(error.value).startswith(message)


def test_a_bare_number_is_no_duration(capsys):
    """Durations carry units, here as in YAML."""
    with pytest.raises(SystemExit):
        run("synth lte --duration 60 --seed 1 -o x.parquet")

    assert "such as '25 s'" in capsys.readouterr().err
