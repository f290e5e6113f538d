"""What a person sees of a run: a live table on a terminal, plain lines elsewhere, JSON on request."""

from __future__ import annotations

import json
import sys
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from testbed.run import progress
from testbed.run.progress import Ended, Event, Note, ObjectiveNow, Step, Tick
from testbed.units import format_rate

_STYLES = {
    "pass": "green",
    "fail": "bold red",
    "invalid": "bold magenta",
    "inconclusive": "yellow",
    "running": "dim",
    "failing": "yellow",
}
MARKS = {"pass": "✔", "fail": "✘", "invalid": "!", "inconclusive": "?", "running": "·", "failing": "▾"}
_PLAIN_EVERY_NS, _PLAIN_LINES = 5 * 10**9, 100  # hours of virtual time pass in minutes


class Screen(Protocol):
    """Shows the events of a run; a context manager."""

    def __enter__(self) -> Screen: ...
    def __exit__(self, *_: object) -> None: ...
    def show(self, event: Event) -> None:
        """Show one event."""


class JsonLines:
    """Every event as the JSON line that the run wrote."""

    def __enter__(self) -> JsonLines:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, event: Event) -> None:
        progress.write(event, sys.stdout)


class PlainLines:
    """A line a step, a line every five seconds and some hundred of them at most, a line a verdict."""

    def __init__(self, name: str, console: Console | None = None) -> None:
        self._name = name
        self._console = console or Console(emoji=False, soft_wrap=True, highlight=False)
        self._shown_ns = -sys.maxsize

    def __enter__(self) -> PlainLines:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, event: Event) -> None:
        for line in self._lines(event):
            self._console.print(line)

    def _lines(self, event: Event) -> list[Text]:
        match event:
            case Step(name, seconds) if seconds is not None:
                return [Text(f"{self._name}: {name} ({seconds:.1f} s)")]
            case Tick() if event.t_ns >= self._shown_ns + max(_PLAIN_EVERY_NS, event.end_ns // _PLAIN_LINES):
                self._shown_ns = event.t_ns
                return [Text(f"{self._name}: {_tick_line(event)}")]
            case Note(text, error):
                return [Text(f"{'error' if error else 'note'}: {text}", style="bold red" if error else "")]
            case Ended():
                return summary(event)
        return []


class LiveTable:
    """A table that is drawn again in place: steps, time left, uplinks, traffic, objectives so far."""

    def __init__(self, name: str) -> None:
        self._console = Console(emoji=False, highlight=False)
        self._plain = PlainLines(name, self._console)
        self._live = Live(console=self._console, transient=True, refresh_per_second=4)
        self._step = ""

    def __enter__(self) -> LiveTable:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, event: Event) -> None:
        match event:
            case Step(name, None):
                self._live.update(Text(f"… {name}", style="dim"))
            case Tick():
                self._live.update(_table(event))
            case Ended():
                self._live.stop()
                self._plain.show(event)
            case _:
                self._plain.show(event)


def choose(name: str, as_json: bool) -> Screen:
    """Return the screen that fits: JSON lines on request, a live table on a terminal, else plain lines."""
    if as_json:
        return JsonLines()
    return LiveTable(name) if sys.stdout.isatty() else PlainLines(name)


def aside(words: str) -> None:
    """Tell the user something that is no event of a run."""
    print(f"testbed: {words}", file=sys.stderr, flush=True)


def summary(ended: Ended) -> list[Text]:
    """Return the last lines of a run: each verdict, the emulation's fidelity, where the results are."""
    lines = [_objective(verdict) for verdict in ended.verdicts]
    if ended.fidelity:
        lines.append(Text(f"  emulation: {ended.fidelity}", style="dim"))
    style = _STYLES.get(ended.state, "bold")
    lines.append(Text.assemble((ended.state.upper(), style), f"  results in {ended.folder}/"))
    return lines


def _objective(now: ObjectiveNow) -> Text:
    reason = f"  ({now.reason})" if now.reason else ""
    return Text.assemble(
        (f"  {MARKS.get(now.state, '·')} {now.state:12}", _STYLES.get(now.state, "")),
        f" {now.title}: ",
        (now.value or "no value", "bold"),
        (reason, "dim"),
    )


def held(word: str, title: str, value: str, bound: str, reason: str) -> Text:
    """Return the line of an objective of a lab that stands: whether it holds, which is no verdict."""
    like = {"holds": "pass", "broken": "fail", "unclear": "inconclusive"}.get(word, word)
    return Text.assemble(
        (f"  {MARKS.get(like, '·')} {word:8}", _STYLES.get(like, "")),
        f" {title}: ",
        (value, "bold"),
        (f"  ({reason})" if reason else "", "dim"),
    )


def _tick_line(tick: Tick) -> str:
    carriers = "+".join(u.name for u in tick.uplinks if u.carries) or "nobody"
    uplinks = ", ".join(
        f"{u.name} {u.state} ↓{format_rate(u.down_bps)} ↑{format_rate(u.up_bps)}" for u in tick.uplinks
    )
    traffic = "; ".join(f"{name}: {text}" for name, text in tick.traffic.items())
    events = f"  {', '.join(tick.events)} " if tick.events else ""
    return f"{_clock(tick)}{events}  carried by {carriers}  [{uplinks}]  {traffic}"


def _clock(tick: Tick) -> str:
    left = max(0, tick.end_ns - tick.t_ns)
    return f"{tick.t_ns / 1e9:5.1f} s of {tick.end_ns / 1e9:g} s, {left / 1e9:.0f} s left"


def _table(tick: Tick) -> RenderableType:
    uplinks = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("uplink", "link", "heartbeat", "down", "up"):
        uplinks.add_column(
            heading, header_style="dim", justify="right" if heading in ("down", "up") else "left"
        )
    for u in tick.uplinks:
        state = Text(u.state, style="green" if u.state in ("up", "ready") else "bold red")
        carries = Text("carries" if u.carries else "", style="bold cyan")
        uplinks.add_row(u.name, state, carries, format_rate(u.down_bps), format_rate(u.up_bps))
    traffic = [Text(f"{name}: {text}") for name, text in tick.traffic.items()]
    objectives = [_objective(now) for now in tick.objectives]
    bar = Table.grid()  # a bar by itself would not end its line
    bar.add_row(ProgressBar(total=tick.end_ns, completed=max(0, min(tick.t_ns, tick.end_ns)), width=60))
    events = Text(", ".join(tick.events), style="bold red")
    return Group(Text.assemble((_clock(tick), "bold"), "  ", events), bar, uplinks, *traffic, *objectives)


def marked(word: str) -> Text:
    """Return how something ended, with its mark and colour."""
    return Text(f"{MARKS.get(word, '·')} {word}", style=_STYLES.get(word, ""))


def as_json(value: object) -> str:
    """Return a value as the JSON that every ``--json`` prints."""
    return json.dumps(value, indent=2, default=str)
