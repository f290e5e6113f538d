"""What a run's result says about the testbed itself: parts that ended, steps that went wrong, notes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager

from testbed.model.ends import End
from testbed.result.record import Mishap
from testbed.result.store import ResultWriter
from testbed.run.guard import carry_on, trace, words
from testbed.run.progress import Event, Note


class Account:
    """Keeps in a run's result, and tells, what goes wrong with the testbed's own parts and steps."""

    def __init__(self, writer: ResultWriter, tell: Callable[[Event], None]) -> None:
        self.writer, self._tell = writer, tell

    def guard(self, step: str, of: str | None = None) -> AbstractContextManager[None]:
        """Do a step whose mistakes keep nothing else from being done; ``of`` is what rests on it (see End)."""
        return carry_on(lambda error: self._went_wrong(step, of, error))

    def note(self, ends: Iterable[End]) -> None:
        """Keep the ends of parts."""
        for end in ends:
            self.writer.update(ends=(*self.writer.record.ends, end))
            self._tell(Note(f"{end}: {end.said}" if end.said else str(end)))

    def remark(self, text: str) -> None:
        """Keep what changes no verdict and whoever reads the result should know."""
        self.writer.update(notes=(*self.writer.record.notes, text))
        self._tell(Note(text))

    def _went_wrong(self, step: str, of: str | None, error: Exception) -> None:
        record, said = self.writer.record, words(error)
        if of is not None and of not in (end.of for end in record.ends):  # no end explains it
            at_ns = time.time_ns() - (record.started_ns or record.created_ns)
            trace(error)
            self.note((End(f"keeping {step}", of, at_ns, said),))
        elif step not in (mishap.step for mishap in record.mishaps):  # the screen would say it twice a second
            trace(error)
            self.writer.update(mishaps=(*record.mishaps, Mishap(step, said)))
            self._tell(Note(f"{step}: {said}"))
