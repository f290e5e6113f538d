"""The program that benchmarks measure, as a command: it ends as by Ctrl-C when the benchmark that called it does."""

from __future__ import annotations

import sys
from collections.abc import Sequence

TESTBED: Sequence[str] = ("setpriv", "--pdeathsig", "TERM", "--", sys.executable, "-m", "testbed")
