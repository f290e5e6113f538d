"""What is made for people from a run's results alone: its figure and its report."""

from __future__ import annotations

from collections.abc import Callable

from testbed import plots, report
from testbed.errors import HostError
from testbed.result.store import Result, ResultWriter
from testbed.run.account import Account
from testbed.run.progress import Event, Step


def write(writer: ResultWriter, tell: Callable[[Event], None]) -> None:
    """Write both beside the results; a mishap is noted there, and keeps nothing else from being done."""
    account = Account(writer, tell)
    if writer.record.started_ns is not None:
        tell(Step("figure"))
        with account.guard("the figure"):
            plots.write(Result(writer.folder, writer.record))
    with account.guard("the report"):  # the figure's mishap, if any, is in it
        try:
            report.write_run(Result(writer.folder, writer.record))
        except HostError as missing:  # no part of the run: it can be written later
            account.remark(f"no {report.FILE}: {missing}")
