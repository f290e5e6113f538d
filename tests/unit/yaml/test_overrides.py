"""``--set``: what it changes, and what a mistake in it is answered with."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.errors import InputError
from testbed.model.scenario import Scenario, read_scenario
from testbed.yaml.overrides import Override
from tests.unit.model.test_bad_scenarios import GOOD

S = 10**9
TEXT = f"""\
seed: 7
hub: {{failover: ping-tracked}}
{GOOD}  - {{metric: packets_lost, at_most: 9, window: [30 s, 40 s]}}
"""


def scenario(tmp_path: Path, *changes: str) -> Scenario:
    path = tmp_path / "lesson.yaml"
    path.write_text(TEXT)
    return read_scenario(path, tuple(map(Override.parse, changes)))


def test_a_value_of_the_file_is_replaced(tmp_path: Path) -> None:
    """A key that stands in the file, at any depth and in a list, takes the new value."""
    changed = scenario(tmp_path, "events.0.at=7 s", "seed=99")

    assert 7 * S == changed.events[0].at
    assert 99 == changed.seed


def test_a_value_left_to_its_default_is_given(tmp_path: Path) -> None:
    """A key that the file does not have is added, with the mappings on the way to it."""
    assert 4 == scenario(tmp_path, "hub.timers.fall=4").hub.timers.fall


def test_the_file_itself_stays(tmp_path: Path) -> None:
    """What is set counts for the one reading."""
    scenario(tmp_path, "hub.failover=none")

    assert "none" != scenario(tmp_path).hub.failover


def test_shift_moves_events_windows_and_the_end(tmp_path: Path) -> None:
    """The events keep their distance to the windows of objectives, and to the end."""
    before, after = scenario(tmp_path), scenario(tmp_path, "shift=3 s")

    assert before.events[0].at + 3 * S == after.events[0].at
    assert before.duration + 3 * S == after.duration
    assert [None, (33 * S, 43 * S)] == [objective.window for objective in after.objectives]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("hub.failover", "--set: 'hub.failover'; write KEY=VALUE, such as hub.failover=none"),
        ("=3", "--set: '=3'; write KEY=VALUE, such as hub.failover=none"),
        (
            "hub.failovr=none",
            "--set hub.failovr=none: unknown key 'failovr' in hub; did you mean 'failover'?",
        ),
        ("events.7.at=3 s", "--set events.7.at=3 s: no item '7' in the list; items count from 0 to 0"),
        ("seed.more=3", "--set seed.more=3: 'more' lies below a plain value; name the value itself"),
        ("seed=[3", "--set seed=[3: not YAML; while parsing a flow sequence"),
        ("duration=90", "--set duration=90: duration is '90'; write"),
        ("events.0.uplink=moon", "--set events.0.uplink=moon: unknown uplink 'moon'"),
    ],
)
def test_a_mistake_is_told_with_the_change_itself(tmp_path: Path, change: str, message: str) -> None:
    """The message names the change, not a line of the file that it is not in."""
    with pytest.raises(InputError) as caught:
        scenario(tmp_path, change)

    assert str(caught.value).startswith(message)
