"""What a person is told while the lab of a run is held: how to get in, and what ends it."""

from __future__ import annotations

import sys
import threading
from contextlib import suppress

from testbed.errors import TestbedError
from testbed.standing import client, registry


def invite(name: str) -> None:
    """Say how to get into a lab that is held; Enter on a terminal ends it."""
    ends = f"'testbed lab down {name}', or Ctrl-C"
    if sys.stdin is not None and sys.stdin.isatty():
        ends = f"Enter, {ends}"
        threading.Thread(target=_end_on_enter, args=[name], daemon=True).start()
    print(
        f"The lab stays as it is: 'testbed lab shell --lab {name} hub', 'testbed lab exec --lab {name} client ...'\n"
        f"{ends} ends it.",
        file=sys.stderr,
        flush=True,
    )


def _end_on_enter(name: str) -> None:
    sys.stdin.readline()
    with suppress(TestbedError):  # it has ended meanwhile
        client.ask(registry.find(name), "down")
