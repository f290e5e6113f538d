"""``testbed scheduler``: bring campaigns and lab hosts together."""

from __future__ import annotations

import argparse

from testbed.campaign import lab_worker
from testbed.campaign.wire import MAKE, PORT, Wire
from testbed.cli import options as cli_options
from testbed.cli import screen

_DESCRIPTION = f"""\
Bring campaigns ('testbed campaign --on dask://HOST:PORT') and lab hosts ('testbed worker HOST:PORT') together: a
scheduler of Dask, which knows who has what, plays lost runs elsewhere and holds the locks of benches. It needs no root,
keeps nothing on disk, and listens beyond this host with TLS alone.

{MAKE}
"""
_EXAMPLES = f"""\
examples:
  testbed scheduler                                         on this host alone, at 127.0.0.1:{PORT}
  testbed scheduler --listen 0.0.0.0:{PORT} --tls tls         for the whole lab
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``testbed scheduler``."""
    parser = commands.add_parser(
        "scheduler",
        help="bring campaigns and lab hosts together",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    default = f"127.0.0.1:{PORT}"
    parser.add_argument("--listen", metavar="ADDRESS:PORT", default=default, help=f"default: {default}")
    cli_options.add_tls(parser)
    parser.set_defaults(func=_command)


def _command(options: argparse.Namespace) -> int:
    lab_worker.schedule(Wire.parse(options.listen, options.tls, "--listen"), screen.aside)
    return 0
