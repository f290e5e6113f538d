"""What `testbed lab` says of a lab, and what it refuses before it looks for one."""

from __future__ import annotations

import pytest

from testbed.cli import main
from testbed.cli.lab import links

UP = {"delay_ns": 20_000_000, "rate_bps": 10**8, "loss": 0.0, "state": "up"}


@pytest.mark.parametrize(
    ("up", "down", "said"),
    [
        (UP, UP, ["20 ms, 100 Mbit/s"]),
        (UP, {**UP, "loss": 0.05, "rate_bps": 0}, ["up 20 ms, 100 Mbit/s", "down 20 ms, 5 % loss"]),
        ({**UP, "state": "dark"}, {**UP, "state": "dark"}, ["dark"]),
    ],
)
def test_what_a_link_does(up: dict[str, object], down: dict[str, object], said: list[str]) -> None:
    """Once where both directions do the same."""
    assert said == links._does({"up": up, "down": down})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["exec", "hub"], "testbed: testbed lab exec: no command; write one behind the node: exec hub ip route"),
        (["up", "hub-two-uplinks", "--name", "A B"], "testbed: --name: 'A B'; use up to 40 of a-z, 0-9 and -"),
        (["down", "a", "--all"], "testbed: testbed lab down: both a name and --all; write one of them"),
        (["up", "hub-two-uplink"], "no scenario and no topology 'hub-two-uplink'; did you mean 'hub-two-uplinks'?"),
    ],
)
def test_what_is_wrong_is_said_first(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before any lab is looked for or made."""
    assert 2 == main(["lab", *arguments])
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("time", ["0s", "5", "soon"])
def test_a_lab_lasts_some_time(time: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A time carries its unit."""
    with pytest.raises(SystemExit):
        main(["lab", "up", "smoke", "--for", time])
    assert "--for" in capsys.readouterr().err
