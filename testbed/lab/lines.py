"""A process that measures: its output, line by line, into a log at once and to whoever follows it; its end."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO


class LineLog:
    """Copies each line of ``stream`` to the file ``log``, then hands it to ``follow(now_ns, line)``.

    A line is in the log before anybody has looked at it, so a kill leaves all that was measured.
    ``stamped`` puts the time of arrival, CLOCK_REALTIME in ns, in front of the line in the log.
    """

    def __init__(
        self,
        stream: IO[str],
        log: Path,
        clock: Callable[[], int],
        follow: Callable[[int, str], None],
        *,
        stamped: bool = False,
        awaited: str = "",
    ) -> None:
        self._stream, self._log, self._clock = stream, log, clock
        self._follow, self._stamped = follow, stamped
        self._awaited, self._came = awaited, False
        self._decided = threading.Event()
        self._thread = threading.Thread(target=self._copy, name=f"lines-{log.name}", daemon=True)
        self._thread.start()

    def came(self, timeout_s: float) -> bool:
        """Return whether a line with the text ``awaited`` came in time; the stream's end ends the waiting."""
        self._decided.wait(timeout_s)
        return self._came

    def join(self, timeout_s: float) -> None:
        """Wait for the end of the stream."""
        self._thread.join(timeout_s)

    def _copy(self) -> None:
        with self._stream, self._log.open("a", encoding="utf-8", buffering=1) as log:
            for line in self._stream:
                now_ns = self._clock()
                log.write(f"{now_ns} {line}" if self._stamped else line)
                self._follow(now_ns, line)
                if self._awaited in line:
                    self._came = True
                    self._decided.set()
        self._decided.set()


def ends(process: subprocess.Popen[str], timeout_s: float) -> bool:
    """Return whether a process ends in time, waiting for it."""
    try:
        process.wait(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        return False
    return True
