"""What a run tells and what is shown of it."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from testbed.cli.screen import PlainLines
from testbed.run import progress
from testbed.run.progress import Ended, Event, Note, ObjectiveNow, Step, Tick, UplinkNow

UPLINKS = (UplinkNow("starlink", "dark", False, 0, 0), UplinkNow("lte", "up", True, 31_000_000, 500_000))
OBJECTIVES = (ObjectiveNow("interruption of heartbeat at most 3 s", "2.6 s", "running"),)
TICK = Tick(33 * 10**9, 90 * 10**9, UPLINKS, {"heartbeat": "100 answered"}, OBJECTIVES)
FAULTY = Tick(33 * 10**9, 90 * 10**9, UPLINKS, {}, (), ("tenant errors 8 s", "lte outage 9 s"))
ENDED = Ended(
    "results/x", "fail", 1, (ObjectiveNow("failovers at most 0", "2", "fail"),), "within its budget"
)


@pytest.mark.parametrize(
    "event", [Step("hub"), Step("hub", 2.5), TICK, FAULTY, Note("late", error=True), ENDED]
)
def test_an_event_survives_the_pipe(event: Event) -> None:
    """What is written as a line is read back as it was."""
    stream = io.StringIO()
    progress.write(event, stream)

    assert event == progress.parse(stream.getvalue())


def shown(*events: Event) -> list[str]:
    """The lines that a log gets of these events."""
    stream = io.StringIO()
    screen = PlainLines("blackout", Console(file=stream, soft_wrap=True, highlight=False))
    for event in events:
        screen.show(event)
    return stream.getvalue().splitlines()


def test_without_a_terminal_a_step_is_a_line_when_it_is_done() -> None:
    """A step's line has its time; its beginning is not shown."""
    assert ["blackout: hub (2.5 s)"] == shown(Step("hub"), Step("hub", 2.5))


def test_without_a_terminal_the_run_is_a_line_every_five_seconds() -> None:
    """The line says the time left, who carries, each uplink's state and rates."""
    soon = Tick(34 * 10**9, 90 * 10**9, UPLINKS, {}, ())

    assert [
        "blackout:  33.0 s of 90 s, 57 s left  carried by lte  "
        "[starlink dark ↓0 bit/s ↑0 bit/s, lte up ↓31 Mbit/s ↑500 kbit/s]  heartbeat: 100 answered"
    ] == shown(TICK, soon)


def test_hours_are_a_hundred_lines() -> None:
    """In virtual time they pass in minutes: a line for each hundredth."""
    ticks = [Tick(t * 10**9, 7200 * 10**9, UPLINKS, {}, ()) for t in range(0, 7200, 5)]

    assert 96 == len(shown(*ticks))  # one in 75 s: the first tick that is 72 s later


def test_what_goes_wrong_is_said_while_it_lasts() -> None:
    """The events under way stand behind the time."""
    (line,) = shown(FAULTY)
    assert line.startswith("blackout:  33.0 s of 90 s, 57 s left  tenant errors 8 s, lte outage 9 s")


def test_the_last_lines_are_the_verdicts_and_where_the_evidence_is() -> None:
    """Each objective with its value, the emulation's certificate, the outcome and the folder."""
    assert [
        "  ✘ fail         failovers at most 0: 2",
        "  emulation: within its budget",
        "FAIL  results in results/x/",
    ] == shown(ENDED)
