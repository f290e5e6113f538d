"""Bring a lab up from outside: start its keeper, follow it until the lab stands."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from testbed.errors import InputError, RunError
from testbed.lab import sandbox
from testbed.run import progress
from testbed.run.progress import Ended, Event, Note, Standing
from testbed.standing.keeper import LabOrder

_KEEPER = (sys.executable, "-m", "testbed.standing.keeper")


def up(order: LabOrder, show: Callable[[Event], None]) -> str:
    """Start a lab's keeper and show what it tells; return the lab's name when it stands.

    Ctrl-C ends what there is of the lab. Raises HostError without root, RunError where the lab does not come up.
    """
    sandbox.check()
    log = Path(order.folder) / "logs" / "keeper.log"
    with log.open("wb") as words:
        keeper = subprocess.Popen(
            _KEEPER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=words, start_new_session=True
        )
    if keeper.stdin is None or keeper.stdout is None:
        raise RunError("the lab's keeper has no pipes")
    said = ""
    try:
        with suppress(BrokenPipeError):  # it died at once: its log says why
            keeper.stdin.write(msgspec.json.encode(order) + b"\n")
            keeper.stdin.flush()
        for line in keeper.stdout:
            event = progress.parse(line.decode())
            if isinstance(event, Standing):
                show(event)
                return event.name
            if isinstance(event, Note) and event.error:
                said = event.text
            elif not isinstance(event, Ended):
                show(event)
    except BaseException:
        keeper.stdin.close()  # the wish that it ends, as long as the lab does not stand
        keeper.wait()
        raise
    status = keeper.wait()
    if status == InputError.exit_status:
        raise InputError("", said)
    raise RunError(said or f"the lab did not come up (exit status {status}); {log} may say why")
