"""What pytest takes for a scenario, what its items are called, and what can be selected."""

from __future__ import annotations

import pytest

from testbed import paths
from testbed.traces import store
from tests.unit.pytest_plugin.fake_runs import SCENARIO, FakeRuns, install, run_pytest, write_scenario

pytest_plugins = ("pytester",)

INTERRUPTION = "scenarios/lesson.yaml::interruption:heartbeat:at_most"
FAILOVERS = "scenarios/lesson.yaml::failovers:at_most"
HIT_RATIO = "scenarios/lesson.yaml::hit_ratio:at_least"


def collected(pytester: pytest.Pytester, *arguments: str) -> list[str]:
    """Return the node ids that a session with these arguments would run."""
    done = run_pytest(pytester, "--collect-only", "-q", *arguments)
    return [line for line in done.outlines if "::" in line]


def test_an_objective_is_an_item(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each objective is one item, in the file's order; nothing is run to know it, and no root is needed."""
    runs = install(monkeypatch, FakeRuns(), uid=1000)
    write_scenario(pytester.path)

    assert [INTERRUPTION, FAILOVERS, HIT_RATIO] == collected(pytester, "scenarios")
    assert [] == runs.jobs


@pytest.mark.parametrize(
    "place",
    ["scenarios/catalogue.yaml", "scenarios/profiles/a.yaml", "scenarios/catalogues/a.yaml"]
    + ["scenarios/traces/deep/a.yaml", "elsewhere/a.yaml", "scenarios/a.txt"],
)
def test_other_files_are_no_scenarios(pytester: pytest.Pytester, place: str) -> None:
    """Catalogues, profiles and traces beside the scenarios are left alone, and so are YAML files elsewhere."""
    write_scenario(pytester.path).unlink()
    path = pytester.path / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(SCENARIO)

    assert [] == collected(pytester, ".")


def test_scenarios_may_lie_in_folders(pytester: pytest.Pytester) -> None:
    """A folder below scenarios/ holds scenarios too."""
    write_scenario(pytester.path).unlink()
    path = pytester.path / "scenarios" / "kenya" / "rain.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(SCENARIO)

    assert 3 == len(collected(pytester, "."))


def test_another_project_s_folder_is_left_alone(pytester: pytest.Pytester) -> None:
    """A folder scenarios/ that no topologies/ stand beside is somebody else's, until the ini file names it."""
    write_scenario(pytester.path)
    (pytester.path / "topologies").rmdir()
    alone = collected(pytester, ".")
    pytester.makeini("[pytest]\ntestbed_scenarios = scenarios")

    assert ([], [INTERRUPTION, FAILOVERS, HIT_RATIO]) == (alone, collected(pytester, "."))


def test_another_plugin_s_file_is_left_alone(pytester: pytest.Pytester) -> None:
    """A YAML file named on the command line that has none of a scenario's keys is not ours."""
    (pytester.path / "test_api.tavern.yaml").write_text("test_name: the API answers\nstages: []\n")

    assert [] == collected(pytester, "test_api.tavern.yaml")


def test_the_folder_itself_can_be_the_root(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not matter that pytest was started inside scenarios/."""
    monkeypatch.chdir(write_scenario(pytester.path).parent)

    assert ["lesson.yaml"] * 3 == [line.partition("::")[0] for line in collected(pytester)]


def test_a_file_by_name_is_a_scenario_anywhere(pytester: pytest.Pytester) -> None:
    """A YAML file on the command line is taken for a scenario, wherever it lies."""
    (pytester.path / "mine.yaml").write_text(SCENARIO)

    assert 3 == len(collected(pytester, "mine.yaml"))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("-m", "failovers"), [FAILOVERS]),
        (("-m", "scenario and not failovers"), [INTERRUPTION, HIT_RATIO]),
        (("-m", "scenario(name='lesson') and hit_ratio"), [HIT_RATIO]),
        (("-m", "scenario(name='other')"), []),
        (("-k", "lesson and interruption"), [INTERRUPTION]),
        (("-k", "other"), []),
    ],
)
def test_items_can_be_selected(
    pytester: pytest.Pytester, arguments: tuple[str, ...], expected: list[str]
) -> None:
    """Markers name the scenario and the metric; -k finds both in the item's name."""
    write_scenario(pytester.path)

    assert expected == collected(pytester, "--strict-markers", *arguments, "scenarios")


def test_an_item_can_be_named(pytester: pytest.Pytester) -> None:
    """A node id selects one objective."""
    write_scenario(pytester.path)

    assert [HIT_RATIO] == collected(pytester, HIT_RATIO)


def test_repetitions_are_items_of_their_own(pytester: pytest.Pytester) -> None:
    """With --testbed-repeat, all objectives of the first run come before those of the second."""
    write_scenario(pytester.path)
    names = collected(pytester, "--testbed-repeat", "2", "scenarios")

    first, second = "[run 1 of 2]", "[run 2 of 2]"
    assert [first] * 3 + [second] * 3 == [name[-len(first) :] for name in names]


def test_bad_input_is_one_collection_error(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistake is told with its place, once, without a traceback, and nothing at all is run."""
    runs = install(monkeypatch, FakeRuns())
    write_scenario(pytester.path)
    write_scenario(pytester.path, "wrong", SCENARIO.replace("duration: 90 s", "duration: 90"))
    done = run_pytest(pytester, "scenarios")

    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines("scenarios/wrong.yaml:2: duration is '90'; write a duration*")
    done.stdout.no_fnmatch_line("*Traceback*")
    assert [] == runs.jobs


def test_what_the_topology_lacks_is_a_collection_error(pytester: pytest.Pytester) -> None:
    """Collecting checks all files that a scenario names, as --dry-run does."""
    write_scenario(pytester.path, text=SCENARIO.replace("from: client, to", "from: clint, to"))
    done = run_pytest(pytester, "--collect-only", "scenarios")

    done.stdout.fnmatch_lines("*has no node 'clint'; did you mean 'client'?")


def test_a_recording_that_was_not_fetched_is_a_skip(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Public recordings are not in the repository: without them, their scenarios say what to fetch."""
    runs = install(monkeypatch, FakeRuns())
    monkeypatch.setattr(store, "folders", lambda *_: (paths.SCENARIOS / "traces",))
    recording = "uvic-leonetem/latency/ping-example-isl.txt"
    write_scenario(pytester.path, text=SCENARIO.replace("{fixed: {delay: 25 ms}}", f"{{trace: {recording}}}"))
    done = run_pytest(pytester, "-rs", "scenarios")

    done.assert_outcomes(skipped=3)
    done.stdout.fnmatch_lines(f"*the recording {recording} is not here; see 'testbed trace pull'")
    assert [] == runs.jobs


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--testbed-link", "simulated"),
            "*--testbed-link simulated is not supported; supported: native, netem",
        ),
        (("--testbed-hold", "fail"), "*--testbed-hold waits for somebody at a terminal; give -s, and start it at one*"),
        (("--testbed-tenant", "azure"), "*--testbed-tenant: no tenant 'azure' in tenants/; did you mean 'azurite'*"),
        (
            ("--testbed-bench", "shelv"),
            "*--testbed-bench: no bench 'shelv' here or in benches/; did you mean 'shelf'?",
        ),
        (
            ("--testbed-retry-invalid", "-1"),
            "*argument --testbed-retry-invalid: '-1': write a whole number from 0",
        ),
        (("--testbed-repeat", "0"), "*argument --testbed-repeat: '0': write a whole number from 1"),
    ],
)
def test_what_is_not_supported_is_refused(
    pytester: pytest.Pytester, arguments: tuple[str, str], message: str
) -> None:
    """An option's value that cannot be had is refused at once, with those that can."""
    done = run_pytest(pytester, *arguments)

    assert pytest.ExitCode.USAGE_ERROR == done.ret
    done.stderr.fnmatch_lines(message)


def test_what_is_supported_can_be_said(pytester: pytest.Pytester) -> None:
    """The defaults can be written out."""
    write_scenario(pytester.path)
    options = ("--testbed-link", "native", "--testbed-tenant", "azurite", "--testbed-bench", "virtual")

    assert 3 == len(collected(pytester, *options, "scenarios"))
