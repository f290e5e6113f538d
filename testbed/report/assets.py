"""What a page carries of others: uPlot, read from where set-up installed it."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from testbed.errors import HostError

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Uplot:
    """uPlot as its package has it: the program, its style sheet, its licence."""

    version: str
    script: str
    style: str
    licence: str


def folder() -> Path:
    """Return where set-up installs the packages of a report: beside the Python environment that runs this."""
    return Path(sys.prefix) / "report" / "node_modules"


def uplot() -> Uplot:
    """Read uPlot. Raises HostError, with what to do, where it is not installed."""
    package = folder() / "uplot"
    try:
        version = str(json.loads((package / "package.json").read_text())["version"])
        script, style = (package / "dist" / name for name in ("uPlot.iife.min.js", "uPlot.min.css"))
        return Uplot(version, script.read_text(), style.read_text(), (package / "LICENSE").read_text())
    except OSError as error:
        raise HostError(
            f"uPlot, which draws a report's timeline, is not installed in {package.parent}; "
            "run 'make setup', or 'sh setup/report.sh .venv'"
        ) from error
