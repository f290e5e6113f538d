"""``testbed results``: which runs and campaigns are kept, what they say, and how much room they take."""

from __future__ import annotations

import argparse
import sys
import time
import webbrowser
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from testbed import paths
from testbed.cli import options as cli_options
from testbed.cli import screen
from testbed.errors import HostError, InputError
from testbed.result import campaign, shelf
from testbed.result.campaign import Campaign
from testbed.result.record import iso
from testbed.result.shelf import Kept
from testbed.result.store import Result
from testbed.units import format_size, parse_duration

_EXAMPLES = """\
examples:
  testbed results list --verdict fail --since '2 h'       what failed in the last two hours
  testbed results show 20261127T142401Z-starlink-blackout
  testbed results open 20261127T142401Z-starlink-blackout the report, in a browser
  testbed results export 20261127T142401Z-starlink-blackout --to perfetto    then open it at ui.perfetto.dev
  testbed results rm --yes $(testbed results list --verdict invalid --names)
"""
_EXPORTS = """\
formats:
  openmetrics  values second by second, with their times: promtool tsdb create-blocks-from openmetrics metrics.txt data/
  perfetto     a trace of events, links, hub and traffic on one clock: open trace.json at https://ui.perfetto.dev
"""
_FORMATS = ("openmetrics", "perfetto")


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``testbed results``."""
    results = commands.add_parser(
        "results",
        help="list, show, open or remove kept results",
        description="The runs and campaigns that are kept in results/.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = results.add_subparsers(metavar="ACTION", required=True)
    listed = actions.add_parser("list", help="all of them, the newest first, and the room that they take")
    listed.add_argument("--scenario", metavar="NAME", help="of this scenario alone")
    listed.add_argument("--verdict", choices=shelf.WORDS, help="that ended so")
    listed.add_argument(
        "--since", metavar="TIME", help="begun since then: '2 h' ago, or a date such as 2026-11-27"
    )
    how = listed.add_mutually_exclusive_group()
    how.add_argument("--names", action="store_true", help="print the folders' names alone, for a shell")
    how.add_argument("--json", action="store_true", help="print JSON")
    listed.set_defaults(func=_list)
    show = actions.add_parser(
        "show", help="the verdicts of a run, finished or killed, or of a campaign's runs"
    )
    show.add_argument("--json", action="store_true", help="print result.json, of a campaign all of them")
    show.set_defaults(func=_show)
    opened = actions.add_parser("open", help="open the report in a browser; it is made where it is missing")
    opened.set_defaults(func=_open)
    exported = actions.add_parser(
        "export",
        help="write a run for other tools: OpenMetrics text, or a trace for Perfetto",
        description="Write a run for other tools (docs/capture.md).",
        epilog=_EXPORTS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    exported.add_argument("--to", choices=_FORMATS, required=True, help="the format")
    exported.add_argument("-o", "--output", metavar="FILE", help="default: beside result.json; -: print it")
    exported.set_defaults(func=_export)
    removed = actions.add_parser("rm", help="remove runs or campaigns with all their files")
    removed.add_argument("--yes", action="store_true", help="do not ask")
    removed.set_defaults(func=_remove)
    for action in (show, opened, exported):
        cli_options.add_results(
            action.add_argument("result", metavar="RESULT", help="a name from 'list', or a folder")
        )
    cli_options.add_results(
        removed.add_argument("result", metavar="RESULT", nargs="+", help="names from 'list', or folders")
    )
    for action in (listed, show, opened, exported, removed):
        action.add_argument(
            "--results", type=Path, default=paths.RESULTS, help="where they lie (default: results/)"
        )


def _list(options: argparse.Namespace) -> int:
    found = list(_chosen(options))
    if options.names:
        print("\n".join(kept.folder.name for kept in found))
        return 0
    if options.json:
        print(screen.as_json([_values(kept) for kept in found]))
        return 0
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("name", "", "verdict", "what"):
        table.add_column(heading, no_wrap=heading in ("name", "verdict"), overflow="fold")
    table.add_column("size", justify="right", no_wrap=True)
    for kept in found:
        verdict = screen.marked(kept.word)
        table.add_row(
            kept.folder.name, kept.kind, verdict, kept.said or kept.title, format_size(kept.size_bytes)
        )
    Console(emoji=False, highlight=False, soft_wrap=not sys.stdout.isatty(), markup=False).print(table)
    print(f"{len(found)} results, {format_size(sum(kept.size_bytes for kept in found))}")
    return 0


def _chosen(options: argparse.Namespace) -> Iterator[Kept]:
    since_ns = _since(options.since) if options.since else None
    for kept in shelf.shelf(options.results):
        if options.scenario and kept.scenario != options.scenario:
            continue
        if options.verdict and kept.word != options.verdict:
            continue
        if since_ns is None or (kept.created_ns or 0) >= since_ns:
            yield kept


def _since(text: str) -> int:
    """Return the time that ``--since`` names, CLOCK_REALTIME ns. Raises InputError."""
    try:
        return time.time_ns() - parse_duration(text)
    except ValueError:
        pass
    try:
        named = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(
            "--since", f"{text!r} is no time", "write '2 h', or a date such as 2026-11-27"
        ) from None
    return int((named if named.tzinfo else named.replace(tzinfo=UTC)).timestamp() * 1e9)


def _values(kept: Kept) -> dict[str, object]:
    return {
        "name": kept.folder.name,
        "folder": paths.shown(kept.folder.resolve()),
        "kind": kept.kind.partition(" ")[0],
        "scenario": kept.scenario,
        "title": kept.title,
        "verdict": kept.word,
        "created": iso(kept.created_ns),
        "said": kept.said,
        "bytes": kept.size_bytes,
    }


def _show(options: argparse.Namespace) -> int:
    folder = shelf.find(options.result, options.results)
    whole = (folder / campaign.FILE).exists()
    found = Campaign.load(folder).results if whole else (Result.load(folder),)
    if options.json:
        from testbed.result.record import to_json

        values = [to_json(result.record) for result in found]
        print(screen.as_json(values if whole else values[0]))
    else:
        for result in found:
            _print(result)
    return Campaign.load(folder).exit_status if whole else found[0].record.exit_status


def _print(result: Result) -> None:
    record = result.record
    print(f"{record.title}: {record.question}\n{record.state}{': ' if record.error else ''}{record.error}")
    for verdict in record.verdicts:
        print(f"  {verdict.line}")
    for on_fleet in record.fleet:
        print(f"  {on_fleet.line}")


def _open(options: argparse.Namespace) -> int:
    from testbed import report  # with what draws, it takes longer to load than other commands to run

    folder = shelf.find(options.result, options.results)
    page = folder / report.FILE
    if not page.exists():
        report.write([folder], page)
    shown = paths.shown(page.resolve())
    print(shown)
    try:
        webbrowser.get()
    except webbrowser.Error as error:
        raise HostError(f"no browser on this machine; copy {shown} to where there is one") from error
    webbrowser.open(page.resolve().as_uri())
    return 0


def _export(options: argparse.Namespace) -> int:
    from testbed import export  # with what reads samples, it takes longer to load than other commands to run

    folder = shelf.find(options.result, options.results)
    if (folder / campaign.FILE).exists():
        raise InputError(str(folder), "a campaign", "name one of its runs")
    name, text = export.FORMATS[options.to]
    written = text(Result.load(folder))
    if options.output == "-":
        sys.stdout.write(written)
        return 0
    path = Path(options.output) if options.output else folder / name
    try:
        path.write_text(written, encoding="utf-8")
    except OSError as error:
        raise HostError(f"{path} cannot be written: {error.strerror}") from error
    print(paths.shown(path.resolve()))
    return 0


def _remove(options: argparse.Namespace) -> int:
    found = [
        shelf.read(shelf.find(name, options.results)) for name in options.result
    ]  # all, before the first is gone
    room = format_size(sum(kept.size_bytes for kept in found))
    if not options.yes:
        for kept in found:
            print(f"{kept.folder.name}  {kept.kind}, {kept.word}, {format_size(kept.size_bytes)}")
        if not sys.stdin.isatty():
            raise InputError("testbed results rm", "nobody can be asked", "give --yes")
        if input(f"Remove {len(found)} with {room}? [y/N] ").strip().lower() not in ("y", "yes"):
            return 1
    for kept in found:
        shelf.remove(kept)
    print(f"{len(found)} removed, {room}")
    return 0
