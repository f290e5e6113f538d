"""What `testbed link` says and refuses, without a link."""

from __future__ import annotations

import argparse
import json

import pytest

from testbed.cli import link
from testbed.errors import InputError
from testbed.link.fidelity import Certificate, DirectionFidelity
from testbed.model.link import Direction

LOST = DirectionFidelity(
    "a-b", Direction.UP, 9, 1, 1, 1, 1, 0.0, 2, 0, None, None, None, None, causes={"send_failed": 2}
)


def parsed(*words: str) -> argparse.Namespace:
    top = argparse.ArgumentParser()
    link.add_parser(top.add_subparsers())
    return top.parse_args(["link", *words])


def test_an_invalid_certificate_has_its_reasons_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    """Those against the budget too, as on the screen, beside those of the back end itself."""
    assert link.INVALID == link._certified(Certificate("native", (LOST,), faults=("linkd died",)), as_json=True)
    said = json.loads(capsys.readouterr().out)

    lost = "a-b up: 2 packets were lost that nobody asked for (send_failed 2)"
    assert (False, ["linkd died", lost]) == (said["valid"], said["faults"])


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["set", "queue 64kB"], "values: found a queue; change delay, rate or loss"),
        (["set", "delay 5ms queue 0kB"], "values: found a queue"),
        (["set", "schedule", "--for", "5s"], "--for: found beside 'schedule'; leave it out"),
        (["bridge", "a", "b", "--trace", "t", "--down", "delay 5ms"], "both of --trace and --down"),
        (["bridge", "a", "b", "--trace", "t", "--up", "delay 5ms"], "neither or both of --trace and --up"),
    ],
)
def test_what_would_change_nothing_is_refused(words: list[str], reason: str) -> None:
    """A value that no running link takes, or that another one overrules."""
    args = parsed(*words)
    with pytest.raises(InputError) as said:
        args.func(args)
    assert reason in str(said.value)
