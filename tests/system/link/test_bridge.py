"""`testbed link bridge`, `set` and `outage`, as a user of the in-line box types them."""

from __future__ import annotations

import json
import re
import signal
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from testbed.link import bridge, pair

PROGRAM = """
import argparse, sys
from testbed.errors import TestbedError
from testbed.link.commands import add_parser
top = argparse.ArgumentParser(); add_parser(top.add_subparsers())
args = top.parse_args(sys.argv[1:])
try: sys.exit(args.func(args))
except TestbedError as error: sys.exit(f"testbed: {error}")
"""


def rtts(left: pair.Host) -> list[float]:
    out = left.run("ping", "-c", "10", "-i", "0.02", "-W", "20", "10.0.0.2")
    return [float(x) for x in re.findall(r"time=([\d.]+)", out)]


def test_a_bridge_takes_changes_while_it_runs_and_ends_with_its_certificate() -> None:
    """Delay as asked, changed and restored live; Ctrl-C ends it with a certificate and leaves no folder."""
    with ExitStack() as stack:
        left, middle, right = (stack.enter_context(pair.host()) for _ in range(3))
        for end, name, n in ((left, "l0", 1), (right, "r0", 2)):
            pair._plug(end, "e0", middle, name)
            pair._configure(end, 0, n)
        command = [sys.executable, "-c", PROGRAM, "link"]
        values = ["--up", "delay 5ms rate 100Mbit", "--down", "delay 10ms", "--json"]
        box = middle.spawn([*command, "bridge", "l0", "r0", *values])
        assert box.stdout is not None
        box.stdout.readline()

        assert 15 <= min(rtts(left)) < 25
        middle.run(*command, "set", "delay 20ms", "--direction", "up")
        assert 30 <= min(rtts(left)) < 45
        middle.run(*command, "set", "schedule")
        assert 15 <= min(rtts(left)) < 25
        middle.run(*command, "outage", "8s", "--hold")
        assert max(rtts(left)) > 100

        box.send_signal(signal.SIGINT)
        out, _ = box.communicate(timeout=60)
        certificate = json.loads(out.splitlines()[-1])
        assert 40 == certificate["directions"][0]["packets"]
        assert not (Path(bridge.FOLDERS) / "l0-r0").exists()


@pytest.mark.parametrize(
    ("text", "found", "expected"),
    [
        ("delay 25", "found 'delay 25'", "write such as"),
        ("dealy 25ms", "found 'dealy 25ms'", "write such as"),
        ("loss 120%", "found '120%'", "a share from 0 % to 100 %"),
    ],
)
def test_wrong_values_are_refused(text: str, found: str, expected: str) -> None:
    """What was found and what would be right is said of each value."""
    with pytest.raises(Exception, match=f"--up: {re.escape(found)}.*{re.escape(expected)}"):
        bridge.parse_values(text, "--up")
