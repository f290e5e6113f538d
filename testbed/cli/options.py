"""Options that several subcommands share, and the words that the shell completes."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from testbed import paths
from testbed.capture import points
from testbed.errors import InputError
from testbed.link.backends import BACKENDS
from testbed.model.bench import VIRTUAL
from testbed.model.capture import SNAP, CaptureWish
from testbed.model.tenant import AZURITE
from testbed.model.times import REAL, TIMES
from testbed.model.topology import Topology
from testbed.result import shelf
from testbed.run import plan
from testbed.units import parse_size
from testbed.yaml import load


def completed(argument: argparse.Action, words: Callable[[], Iterable[str]]) -> None:
    """Let argcomplete offer these words for an argument."""
    vars(argument)["completer"] = lambda **_: list(words())  # the attribute that argcomplete looks for


def add_hub(parser: argparse.ArgumentParser) -> None:
    """Add which hub of a bench is meant, and what to do while somebody else has it."""
    parser.add_argument(
        "--hub", metavar="NAME", default="", help="which hub of the bench, where it has several"
    )
    parser.add_argument(
        "--wait", action="store_true", help="wait while another run has the hub (default: say who, and end)"
    )


def add_results(argument: argparse.Action) -> None:
    """Let the shell complete the names of kept results."""
    completed(argument, lambda: (kept.name for kept in paths.RESULTS.glob("*") if shelf.holds(kept)))



def add_drawn(parser: argparse.ArgumentParser, file: str) -> None:
    """Add what every command takes that draws from results: which, and the file that it writes."""
    add_results(
        parser.add_argument(
            "result", metavar="RESULT", nargs="+", help="folders, or names from 'testbed results list'"
        )
    )
    told = f"default: {file}, in the folder of a single RESULT"
    parser.add_argument("-o", "--output", metavar="FILE", type=Path, help=told)


def drawn(options: argparse.Namespace, file: str) -> tuple[list[Path], Path]:
    """Return the results' folders and where the drawing goes. Raises InputError."""
    folders = [shelf.find(name, paths.RESULTS) for name in options.result]
    return folders, options.output or (folders[0] / file if len(folders) == 1 else Path(file))

def add_capture(parser: argparse.ArgumentParser) -> None:
    """Add which packets a run keeps."""
    keep = parser.add_argument_group(
        "packets",
        "Kept in capture.pcapng of the run's folder, on the clock of its records: docs/capture.md.",
    )
    completed(
        keep.add_argument(
            "--capture",
            metavar="LINK|NODE:PORT",
            nargs="*",
            help="capture at both sides of these links, and at these ports; alone: at all links. Behind the scenario: "
            "run smoke --capture starlink hub:lan0",
        ),
        _captured,
    )
    keep.add_argument(
        "--snap", metavar="BYTES", type=int, default=SNAP, help=f"bytes kept of a packet (default: {SNAP}, its headers)"
    )
    keep.add_argument(
        "--capture-limit",
        metavar="SIZE",
        default="1 GB",
        help="the capture ends where it is larger; the run goes on (default: 1 GB)",
    )


def _captured() -> Iterator[str]:
    for name in plan.names(paths.TOPOLOGIES):
        yield from points.words(load.read(plan.find_topology(name), Topology))


def capture(options: argparse.Namespace) -> CaptureWish | None:
    """Return which packets are to be kept; None: none. Raises InputError."""
    if options.capture is None:
        return None
    try:
        limit = parse_size(options.capture_limit)
    except ValueError as error:
        raise InputError("--capture-limit", repr(options.capture_limit), f"write {error}") from None
    return CaptureWish(tuple(options.capture), options.snap, limit)


def add_tls(parser: argparse._ActionsContainer) -> None:
    """Add the certificates of what lab hosts speak by."""
    parser.add_argument(
        "--tls", metavar="FOLDER", type=Path, help="ca.pem, cert.pem and key.pem; beyond this host a must"
    )


def add_tenant(parser: argparse.ArgumentParser) -> None:
    """Add which tenant there is."""
    completed(
        parser.add_argument(
            "--tenant",
            metavar="FILE",
            default=AZURITE,
            help="use this storage account, a file or a name from tenants/ (default: azurite, an emulator in the lab)",
        ),
        lambda: [AZURITE, *plan.names(paths.TENANTS)],
    )


def add_running(parser: argparse.ArgumentParser) -> None:
    """Add what every command takes that runs a scenario: which, with what in it, and where its results go."""
    completed(
        parser.add_argument("scenario", help="a name from 'testbed scenario list', or a YAML file"),
        plan.scenarios,
    )
    completed(
        parser.add_argument(
            "--bench",
            metavar="FILE",
            default=VIRTUAL,
            help="put the hub of this bench in, a file or a name from benches/ (default: virtual)",
        ),
        lambda: [VIRTUAL, *plan.names(paths.BENCHES)],
    )
    add_hub(parser)
    add_tenant(parser)
    parser.add_argument(
        "--link", choices=list(BACKENDS), default="native", help="what emulates the links (default: native)"
    )
    parser.add_argument(
        "--time",
        choices=TIMES,
        default=REAL,
        help="real, as root; or virtual: a simulated clock, the same every time, without root (default: real)",
    )
    parser.add_argument(
        "--results", type=Path, default=paths.RESULTS, help="where to write (default: results/)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON lines instead of a screen")
