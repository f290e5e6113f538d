"""What two sides of runs are told to be, word by word."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from testbed.cli import main
from testbed.errors import InputError
from testbed.metrics.looks import Look
from testbed.model.objective import Unit
from testbed.model.threshold import Thresholds
from testbed.result import comparison
from testbed.result.campaign import Campaign
from testbed.result.compare import Comparison, Row, Word, _judged, compare
from testbed.result.comparison import cells, markdown, suites
from testbed.result.observed import Observed, Value, read
from testbed.result.record import Fidelity, Input
from testbed.result.statistics import Paired
from testbed.result.store import ResultWriter
from testbed.yaml import load
from tests.unit.result.records import S, record, verdict

MS = 10**6
KEY = "interruption:heartbeat:at_most"
MET = {"seed": "7", "link of starlink": "aa", "topology": "bb"}


def observed(value: float | None = 2 * S, **more: object) -> Observed:
    """A run that measured one interruption."""
    given = Value("interruption at most 3 s", "interruption", Unit.DURATION, value, "pass")
    fields = {"run": "r", "scenario": "s", "seed": 7, "versions": {}, "met": MET, "under_test": {}}
    return Observed(**fields | {"values": {KEY: given}} | more)  # type: ignore[arg-type]


def side(values: Sequence[float | None], **more: object) -> list[Observed]:
    """A side of several repetitions."""
    return [observed(value, created_ns=place, **more) for place, value in enumerate(values)]


def of(metric: str, unit: Unit, values: Sequence[float], resolution: float = 0.0) -> list[Observed]:
    """A side of repetitions that measured something else."""
    kept = [Value(metric, metric, unit, value, "pass", resolution=resolution) for value in values]
    return [replace(observed(), values={"k": value}, created_ns=n) for n, value in enumerate(kept)]


def only(comparison: Comparison) -> Row:
    """The one row of a comparison."""
    (row,) = comparison.rows
    return row


BASE = [2000 * MS, 2400 * MS, 1800 * MS, 2900 * MS, 2200 * MS]
"""What five phases gave: far apart, and each the same on the other side."""
NOISE = [1 * MS, -2 * MS, 0, 2 * MS, -1 * MS]


def moved(by_ms: float) -> list[float]:
    """The same five pairs, later by this and a little noise."""
    return [base + by_ms * MS + noise for base, noise in zip(BASE, NOISE, strict=True)]


@pytest.mark.parametrize(
    ("by_ms", "word", "status"),
    [(300, Word.WORSE, 1), (-300, Word.BETTER, 0), (0, Word.SAME, 0)],
)
def test_pairs_tell_what_pools_would_hide(by_ms: float, word: Word, status: int):
    """300 ms are found among runs that are 1.1 s apart, since each is held against its own partner."""
    found = compare(side(BASE), side(moved(by_ms)))

    assert word is only(found).word
    assert status == found.exit_status
    assert by_ms * MS == pytest.approx(only(found).difference)


def test_what_may_be_chance_is_inconclusive():
    """The two sides differ, and not by more than the pairs differ among themselves."""
    found = compare(side(BASE), side([base + d * MS for base, d in zip(BASE, [900, -300, 700, 0, 200], strict=True)]))

    assert (Word.INCONCLUSIVE, "the difference may be chance") == (only(found).word, only(found).reason)
    assert 3 == found.exit_status
    assert only(found).detectable > only(found).difference


def test_a_difference_too_small_to_matter_is_the_same():
    """Certain to be there, and below the practical threshold: 2 % of 2.26 s."""
    assert Word.SAME is only(compare(side(BASE), side(moved(20)))).word


def test_the_user_says_what_matters(tmp_path: Path):
    """The same 20 ms are worse for who asks for 10."""
    path = tmp_path / "thresholds.yaml"
    path.write_text("metrics:\n  interruption: {change: 10 ms}\n")

    assert Word.WORSE is only(compare(side(BASE), side(moved(20)), load.read(path, Thresholds))).word


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("interuption: {change: 1 s}", "2: unknown metric 'interuption'; did you mean 'interruption'?"),
        ("interruption: {change: 3}", "change of interruption is '3'; write "),
        ("interruption: {}", "2: nothing for interruption; write change: or share: of the base"),
    ],
)
def test_a_wrong_threshold_says_what_is_right(tmp_path: Path, text: str, message: str):
    """Nothing is guessed."""
    path = tmp_path / "thresholds.yaml"
    path.write_text(f"metrics:\n  {text}\n")

    with pytest.raises(InputError) as caught:
        load.read(path, Thresholds)

    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("metric", "unit", "base", "candidate", "word"),
    [
        ("hit_ratio", Unit.SHARE, [0.5] * 5, [0.8] * 5, Word.BETTER),
        ("call_loss", Unit.SHARE, [0.0] * 5, [0.1] * 5, Word.WORSE),
        ("mos", Unit.MOS, [4.0] * 5, [3.0] * 5, Word.WORSE),
        ("metered_cost", Unit.MONEY, [0.5] * 5, [0.4] * 5, Word.BETTER),
        ("backhaul_bytes", Unit.SIZE, [1e6] * 5, [2e6] * 5, Word.WORSE),
    ],
)
def test_each_metric_knows_which_way_is_better(metric: str, unit: Unit, base, candidate, word: Word):
    """More hits are better, more loss, cost and bytes are worse."""
    assert word is only(compare(of(metric, unit, base), of(metric, unit, candidate))).word


@pytest.mark.parametrize(
    ("base", "candidate", "word"),
    [
        ([3] * 6, [4] * 6, Word.WORSE),
        ([3] * 4, [3] * 4, Word.SAME),
        ([3, 3], [4, 4], Word.INCONCLUSIVE),
    ],
)
def test_a_count_is_read_in_whole_steps(base, candidate, word: Word):
    """One failover more in two of two runs is not yet certain; in six of six it is."""
    sides = (of("failovers", Unit.COUNT, values, 1.0) for values in (base, candidate))

    assert word is only(compare(*sides)).word


def test_too_few_counts_that_are_all_the_same_do_not_vary():
    """Three of three without a difference: inconclusive, and for want of pairs."""
    row = only(compare(of("failovers", Unit.COUNT, [2] * 3, 1.0), of("failovers", Unit.COUNT, [2] * 3, 1.0)))

    assert Word.INCONCLUSIVE is row.word
    assert "no pair differs; 3 are too few to rule out one step of the value" == row.reason


def test_one_pair_in_real_time_tells_nothing():
    """Not the same and not worse: the runs have to be repeated."""
    row = only(compare(side([2 * S]), side([3 * S])))

    assert (Word.INCONCLUSIVE, S) == (row.word, row.difference)
    assert "repeat the runs" in row.reason


def test_one_pair_is_exact_where_chance_has_no_part():
    """In simulated time the same run gives the same bits."""
    row = only(compare(side([2 * S], exact=True), side([3 * S], exact=True)))

    assert (Word.WORSE, "+1 s, exact") == (row.word, cells(row)[3])
    assert Word.SAME is only(compare(side([2 * S], exact=True), side([2 * S], exact=True))).word


def test_ranks_that_disagree_with_the_mean_are_inconclusive():
    """One pair in ten carries the whole difference: whatever makes the mean, it is not the hub in every run."""
    said = Paired(10, S, 0.9 * S, 1.1 * S, 1e-6, 0.1 * S, wilcoxon_p=0.5)
    row = only(compare(side(BASE), side(moved(300))))

    assert "the ranks of the pairs do not agree with their mean" == _judged(row, _known(), said).reason
    assert Word.WORSE is _judged(row, _known(), replace(said, wilcoxon_p=0.01)).word


def _known() -> list[tuple[Value, Value]]:
    return [(observed().values[KEY], observed().values[KEY])]


# -- when the hub next looked ------------------------------------------------------------------------

WAITED_MS = ((100, 900), (700, 200), (450, 500), (850, 300), (300, 650))
"""How long after the outage the two hubs of each pair next looked."""


def looking(side: int, reaction_ms: Sequence[float], **more: int) -> list[Observed]:
    """Runs whose interruption is the wait until the hub's next look, and its reaction."""
    runs = []
    for n, (waits, reaction) in enumerate(zip(WAITED_MS, reaction_ms, strict=True)):
        look = Look(waits[side] * MS, **{"every_ns": S} | more)
        value = replace(observed().values[KEY], value=(waits[side] + reaction) * MS, look=look)
        runs.append(replace(observed(), values={KEY: value}, created_ns=n))
    return runs


REACTION = (2000, 2010, 1990, 2005, 1995)


def test_when_the_hub_looked_is_chance_and_taken_out():
    """A ping more, 1 s, among waits that differ by as much: found, and what was taken out is said."""
    found = compare(looking(0, REACTION), looking(1, [r + 1000 for r in reversed(REACTION)]))

    row = only(found)
    assert (Word.WORSE, pytest.approx(1000 * MS)) == (row.word, row.difference)
    assert (30 * MS, pytest.approx(1030 * MS)) == (row.chance, (row.candidate or 0) - (row.base or 0))
    assert "s: interruption: by chance the candidate looked 30 ms later, which is not in the difference" in found.notes


def test_a_hub_that_looked_later_by_chance_is_no_worse():
    """All of the difference is when the hubs looked."""
    found = only(compare(looking(0, REACTION), looking(1, list(reversed(REACTION)))))

    assert (Word.SAME, pytest.approx(0, abs=MS)) == (found.word, found.difference)


def test_looks_that_the_value_does_not_follow_are_left_in():
    """Another detector took the uplink out: its time does not hang on these packets."""
    base = [r - w[0] for r, w in zip(REACTION, WAITED_MS, strict=True)]
    later = [r - w[1] for r, w in zip(REACTION, WAITED_MS, strict=True)]

    found = only(compare(looking(0, base), looking(1, later)))

    assert (None, pytest.approx(0, abs=5 * MS)) == (found.chance, found.difference)


def test_sides_that_look_at_another_pace_are_not_corrected():
    """How often it looks is the hub's, and part of the difference."""
    assert only(compare(looking(0, REACTION), looking(1, REACTION, every_ns=2 * S))).chance is None


def test_a_pair_whose_look_is_not_sure_is_left_out():
    """Which of two looks failed is not known: the other pairs are compared; of too few, all are as they are."""
    base = looking(0, REACTION)
    unsure = [replace(run.values[KEY], look=Look(5 * MS, S, unsure=True)) for run in base]

    one = only(compare([replace(base[0], values={KEY: unsure[0]}), *base[1:]], looking(1, REACTION)))
    many = [replace(run, values={KEY: value}) for run, value in zip(base[:3], unsure, strict=False)]
    three = only(compare([*many, *base[3:]], looking(1, REACTION)))

    assert (4, 5, None) == (one.pairs, three.pairs, three.chance)


@pytest.mark.parametrize(("bound_on", "word"), [("candidate", Word.WORSE), ("base", Word.INCONCLUSIVE)])
def test_a_lower_bound_counts_where_it_can_only_be_more(bound_on: str, word: Word):
    """A gap that the window cut is at least as long: an increase to it is certain, one from it is not."""
    sides = {"base": side(BASE), "candidate": side(moved(500))}
    sides[bound_on] = [
        replace(run, values={KEY: replace(run.values[KEY], lower_bound=True)}) for run in sides[bound_on]
    ]

    assert word is only(compare(sides["base"], sides["candidate"])).word


def test_what_was_not_measured_is_inconclusive():
    """A missing value is not 0, and not the same either."""
    row = only(compare(side(BASE), side([None] * 5)))
    assert (Word.INCONCLUSIVE, None, "not measured in the candidate") == (row.word, row.difference, row.reason)

    row = only(compare(side(BASE), side([*BASE[:4], None])))
    assert "1 of 5 pairs have no value on one side" == row.reason


def test_many_rows_ask_for_more_certainty():
    """What one row alone would call worse is nothing among a hundred."""
    noisy = [base + d * MS for base, d in zip(BASE, [700, 300, 500, 420, 380], strict=True)]
    assert Word.WORSE is only(compare(side(BASE), side(noisy))).word

    def many(runs: list[Observed]) -> list[Observed]:
        return [replace(run, values={f"k{n}": run.values[KEY] for n in range(100)}) for run in runs]

    assert {Word.INCONCLUSIVE} == {row.word for row in compare(many(side(BASE)), many(side(noisy))).rows}

def test_what_did_not_meet_the_same_is_told_and_not_compared():
    """Another trace: whatever differs may be the trace's."""
    other = {**MET, "link of starlink": "cc"}
    found = compare(side(BASE), side(BASE, met=other))

    assert ((), ("link of starlink",)) == (found.rows, found.unlike[0].parts)
    assert 2 == found.exit_status


def test_a_part_that_was_changed_on_purpose_is_compared_across():
    """The user says that the link's change is the question."""
    other = {**MET, "link of starlink": "cc"}
    found = compare(side(BASE), side(moved(300), met=other), across=["link of starlink"])

    assert Word.WORSE is only(found).word


def test_some_unlike_pairs_leave_the_rest_inconclusive():
    """What could be compared is the same, and the gate does not open."""
    unlike = replace(observed(), scenario="t", met={**MET, "topology": "zz"})
    found = compare([*side(BASE), replace(unlike, met=MET)], [*side(BASE), unlike])

    assert (Word.SAME, 3) == (only(found).word, found.exit_status)


def test_a_run_that_does_not_count_is_told():
    """An invalid run says nothing about the hub; its partner stands alone."""
    runs = side(BASE)
    found = compare(side(BASE), [*runs[:4], replace(runs[4], void="the emulation missed its fidelity budget")])

    assert "s r does not count: the emulation missed its fidelity budget" in found.notes
    assert (4, 1, 3) == (only(found).pairs, len(found.alone), found.exit_status)


def test_seeds_and_phases_pair_and_are_averaged():
    """Each phase meets its own partner, whatever the order of running; together they make one row."""
    changes = [("shift=0 s",), ("shift=5 s",), ("shift=10 s",), ("seed=8",), ()]
    base = [replace(run, changes=c, seed=8 if "seed=8" in c else 7) for run, c in zip(side(BASE), changes, strict=True)]
    later = [replace(run, values=other.values) for run, other in zip(base, side(moved(300)), strict=True)]

    row = only(compare(base, list(reversed(later))))

    assert (5, Word.WORSE, pytest.approx(300 * MS)) == (row.pairs, row.word, row.difference)


def test_variants_on_both_sides_are_rows_of_their_own():
    """Two failovers in both campaigns: each is held against itself."""
    both = [replace(run, changes=(f"hub.failover={name}",)) for name in ("none", "bgp-bfd") for run in side(BASE)]

    assert ["s with hub.failover=none", "s with hub.failover=bgp-bfd"] == [r.scenario for r in compare(both, both).rows]


def test_a_change_that_tells_the_sides_apart_is_what_is_compared():
    """All runs of a side have it: it is the question, and it is told first."""
    base = side(BASE, changes=("hub.timers.fall=3",))
    candidate = side(moved(300), changes=("hub.timers.fall=4",))

    found = compare(base, candidate)

    assert (Word.WORSE, "s") == (only(found).word, only(found).scenario)
    assert "hub.timers.fall: 3 -> 4" == found.notes[0]


def test_what_differs_in_what_is_compared_is_told():
    """Other roles, another commit: compared, and said."""
    base = side(BASE, under_test={"roles": "1", "engine": "2"}, versions={"source": "aaaaaaa"})
    candidate = side(BASE, under_test={"roles": "9", "engine": "2"}, versions={"source": "bbbbbbb"})

    assert ("different on the two sides: roles", "source: aaaaaaa -> bbbbbbb") == compare(base, candidate).notes


# -- folders and the command line --------------------------------------------------------------------


def keep(folder: Path, value: float, **more: object) -> Path:
    """Write a run's result."""
    folder.mkdir(parents=True)
    kept = replace(verdict(value), key=KEY)
    ResultWriter(folder, record(kept, met=MET, **more))
    return folder


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Five runs before, and five after something made the interruption 300 ms longer."""
    for n, (base, later) in enumerate(zip(BASE, moved(300), strict=True)):
        keep(tmp_path / "before" / str(n), base, created_ns=n)
        keep(tmp_path / "after" / str(n), later, created_ns=n)
    return tmp_path / "before", tmp_path / "after"


def test_a_folder_of_runs_is_a_side(folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]):
    """The table has the values with their units, the difference, its interval and the word."""
    assert 1 == main(["compare", *map(str, folders)])

    printed = capsys.readouterr().out
    for expected in ("worse", "+300 ms ±", "2.26 s", "2.56 s", "1 worse", "interruption"):
        assert expected in printed
    assert 0 == main(["compare", str(folders[0]), str(folders[0])])


def test_a_campaign_is_a_side(folders: tuple[Path, Path]):
    """Its runs are those that it lists."""
    kept = Campaign(folders[0], "starlink-blackout", ())
    for n in range(3):
        kept = kept.kept(str(n))

    assert 3 == len(read(folders[0]))


def test_json_has_every_figure(folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]):
    """In base units, and the exit status too."""
    main(["compare", *map(str, folders), "--json"])

    told = json.loads(capsys.readouterr().out)
    row = told["rows"][0]
    assert ("worse", 300 * MS, 1) == (row["word"], round(row["difference"]), told["exit_status"])


def test_markdown_is_a_table(folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]):
    """A pull request shows the word first."""
    main(["compare", *map(str, folders), "--markdown"])

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("after against " + str(folders[0]) + ": 1 worse")
    rows = [line for line in lines if line.startswith("| ")]
    assert rows[2].startswith("| **worse** | interruption of heartbeat | 2.26 s | 2.56 s | +300 ms ± 1.963 ms |")
    assert 1 == len({line.count("|") for line in rows})


def test_junit_fails_what_is_worse(folders: tuple[Path, Path], tmp_path: Path):
    """A case for each objective, by its key."""
    main(["compare", *map(str, folders), "--junit", str(tmp_path / "c.xml")])

    suite = ElementTree.parse(tmp_path / "c.xml").getroot()[0]
    assert ("1", "1", KEY) == (suite.get("tests"), suite.get("failures"), suite[0].get("name"))


def test_an_unlike_pair_is_an_error_in_junit():
    """CI does not pass over it."""
    found = compare(side(BASE), side(BASE, met={**MET, "topology": "zz"}))

    assert "5" == suites(found)[0].get("errors")
    assert "did not meet the same" in markdown(found, "a", "b")


def test_an_empty_folder_is_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """With what would be right."""
    assert 2 == main(["compare", str(tmp_path), str(tmp_path)])
    assert "name the folder of a run, of a campaign" in capsys.readouterr().err


def test_results_of_older_versions_are_paired_by_their_files():
    """They do not say what they met; the hashes of their files do, for both runs of a pair."""
    older = Observed.of(record(verdict(2 * S)), "old")
    newer = Observed.of(record(verdict(2 * S), met=MET), "new")
    other = Observed.of(record(verdict(2 * S), inputs=(Input("scenario", "s.yaml", "ff" * 32),)), "other")

    assert set() == older.unlike(newer) == newer.unlike(older)
    assert {"file of scenario"} == older.unlike(other)


def test_virtual_time_is_exact_and_is_not_held_against_real_time():
    """The same bits every time; and a processor that takes no time is another one."""
    virtual, real = Observed.of(record(met=MET, time="virtual"), "v"), Observed.of(record(met=MET), "r")

    assert (True, False) == (virtual.exact, real.exact)
    assert ({"time"}, set()) == (virtual.unlike(real), virtual.unlike(virtual))


def test_simulated_runs_are_exact():
    """Chance has no part in them."""
    assert Observed.of(replace(record(), fidelity=Fidelity(True, backend="simulated")), "r").exact
    assert not Observed.of(record(), "r").exact


@pytest.mark.parametrize(
    ("title", "asked"),
    [
        ("interruption of heartbeat at most 3 s", "interruption of heartbeat"),
        ("hit_ratio of it (hit) at least 6 % in 1 s .. 4 s", "hit_ratio of it (hit) in 1 s .. 4 s"),
        ("metered_cost at most 0.05 USD", "metered_cost"),
    ],
)
def test_a_row_is_called_by_what_it_measures(title: str, asked: str):
    """Its bound is another question."""
    assert asked == comparison.asked(title)
