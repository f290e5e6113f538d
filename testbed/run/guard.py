"""The end of a run is done step by step, whatever becomes of each step."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from testbed.errors import TestbedError


@contextmanager
def carry_on(hear: Callable[[Exception], None]) -> Iterator[None]:
    """Do what is inside; ``hear`` learns what went wrong there, and what comes after it is done all the same."""
    try:
        yield
    # A run's evidence cannot be had again: no mistake in a log's archive, a figure or the screen, foreseen or
    # not, may keep the steps after it from being done. This is the one place that says so.
    except Exception as error:  # noqa: BLE001
        hear(error)


def words(error: Exception) -> str:
    """Return what went wrong, for the result: the kind of error too, where it was not foreseen."""
    return str(error) if isinstance(error, TestbedError) else f"{type(error).__name__}: {error}"


def trace(error: Exception) -> None:
    """Print where an error that was not foreseen came from, into the run's log; its disk may be full."""
    if not isinstance(error, TestbedError):
        with suppress(OSError):
            traceback.print_exception(error)
